"""Sitzmann et al. 2020: sines whose inputs are standard normal at every depth."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from initium.errors import ArgumentError
from initium.gains import Activation
from initium.records import Uniform
from initium.schemes._parts import REST, fan_in, follows, has_fans
from initium.schemes._rule import Choice, Rule, Scheme, first_of, on
from initium.schemes._textbook import WEIGHTS

if TYPE_CHECKING:
    from initium.network import Facts, Neighbour

PAPER = "Sitzmann et al. 2020 section 3.2"


def _frequency(neighbour: Neighbour) -> float | None:
    """The omega of sin(omega x); ``None`` for anything else."""
    sine = neighbour.activation
    if not isinstance(sine, Activation) or sine.name != "sin":
        return None
    return abs(next(iter(dict(sine.parameters).values()))) or None


def _law(omega: float, facts: Facts) -> Choice | None:
    """The law of a weight before a sine, or, at the output, of one behind a sine."""
    ahead, behind = _frequency(facts.after), _frequency(facts.before)
    if facts.before.kind == "input" and (ahead is not None or facts.assumed):
        return _first(ahead, facts)
    if ahead is not None:
        return _hidden(ahead, f"{facts.after} follows", facts)
    if behind is not None and facts.after.kind == "output":
        return _hidden(behind, f"the output follows {facts.before}", facts)
    if facts.assumed:
        choice = _hidden(omega, f"no batch was given, so sin({omega:g} x) is taken on trust", facts)
        return replace(choice, assumed=True)
    return None


def _first(ahead: float | None, facts: Facts) -> Choice:
    bound = 1 / fan_in(facts)
    trust = "no batch was given, so a sine is taken on trust" if ahead is None else f"{facts.after} follows the input"
    return Choice(Uniform(bound), "SIREN uniform, 1 / n", f"first layer, {trust}: {PAPER}", assumed=ahead is None)


def _hidden(omega: float, why: str, facts: Facts) -> Choice:
    bound = math.sqrt(6 / fan_in(facts)) / omega
    return Choice(Uniform(bound), f"SIREN uniform, omega {omega:.4g}", f"{why}: {PAPER}")


def _other(facts: Facts) -> Choice | None:
    """The textbook's law, and that there is no sine."""
    choice = WEIGHTS(facts)
    return choice and replace(choice, reason=f"no sine: {follows(facts)}, so as textbook: {choice.reason}")


def siren(omega: float = 30.0) -> Scheme:
    r"""The law for networks of sines, $\sin(\omega x)$: every sine sees inputs of unit variance, at every depth.

    $$W_1 \sim U\left(-\tfrac{1}{n}, \tfrac{1}{n}\right), \qquad
      W \sim U\left(-\tfrac{1}{\omega}\sqrt{\tfrac{6}{n}}, \tfrac{1}{\omega}\sqrt{\tfrac{6}{n}}\right)$$

    n is the fan-in. The first law is for weights that the input goes into and a sine follows; the second for every other
    one before a sine, and for the output's behind one. $\omega$ is read from the graph, sine by sine; where there is no
    batch, ``omega`` is taken and the row says ``assumed``. A weight with no sine gets the textbook's law, and its row
    says so. Everything else as :func:`textbook`.

    Args:
        omega: The frequency where no graph tells it.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A frequency that is not positive and finite.

    Example:
        >>> import torch, initium
        >>> class Sine(torch.nn.Module):
        ...     def forward(self, x):
        ...         return torch.sin(15 * x)
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 8), Sine(), torch.nn.Linear(8, 8), Sine(), torch.nn.Linear(8, 1))
        >>> [row.law for row in initium.plan(net, torch.rand(5, 2), "siren") if row.role == "weight"]
        ['SIREN uniform, 1 / n', 'SIREN uniform, omega 15', 'SIREN uniform, omega 15']

    Reference:
        Sitzmann, Martel, Bergman, Lindell & Wetzstein, "Implicit Neural Representations with Periodic Activation
        Functions" (NeurIPS 2020), section 3.2 and theorem 1.8 of the supplement.

    Deviation:
        Biases start at 0; the authors' code leaves them at torch's U(-1/sqrt(n), 1/sqrt(n)). The variance of the theorem,
        1, takes a sine's output for arcsine-distributed (variance 1/2); with the exact E[sin(s z)^2] the inputs settle
        at variance 0.797.
    """
    if not (math.isfinite(omega) and omega > 0):
        raise ArgumentError(f"omega is the frequency of sin(omega x) and must be positive and finite; got {omega!r}.")
    rule: Rule = first_of(on(has_fans, partial(_law, omega)), on(has_fans, _other), REST)
    return Scheme("siren" if omega == 30 else f"siren({omega!r})", rule, PAPER)  # noqa: PLR2004 - the paper's
