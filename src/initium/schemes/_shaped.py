"""Martens et al. 2021 and Zhang et al. 2022: the weights that shaped activations are made for."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from initium.errors import InitiumError, PlanError
from initium.gains import moments, variance_slope
from initium.records import Orthogonal
from initium.schemes._delta_orthogonal import delta_law, no_delta
from initium.schemes._orthogonal import orthogonal_law
from initium.schemes._parts import REST, each_matrix, fan_in, has_fans, matrices
from initium.schemes._rule import Choice, Scheme, first_of, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from initium.gains import Activation
    from initium.network import Facts

Method = Literal["dks", "tat"]

# What rounding of the constants to float32 leaves of the conditions, and what no activation misses by chance.
_MET = 1e-4
_SOURCES = {"dks": "Martens et al. 2021 (DKS)", "tat": "Zhang et al. 2022 (TAT)"}


def _law(method: Method, facts: Facts) -> Choice:
    """Singular values at which every unit has the variance of the input: the scaled orthogonal law."""
    _check_shaped(method, facts)
    if facts.layout == "conv" and not no_delta(facts):
        out, inner = facts.shape[0] / facts.parts, facts.shape[1]
        choice = delta_law(math.sqrt(out / inner), facts)
        return replace(choice, reason=choice.reason.replace("gain as asked", f"unit variance out, {_SOURCES[method]}"))
    return orthogonal_law(math.sqrt(_longer(facts) / fan_in(facts)), f"unit variance out: {_SOURCES[method]}", facts)


def _longer(facts: Facts) -> float:
    """The longer side of one of the matrices that a parameter packs."""
    whole = math.prod(facts.shape) / matrices(each_matrix(facts, Orthogonal(1.0)))
    side = facts.shape[0] / facts.parts if facts.layout == "conv_transpose" else fan_in(facts)
    return max(side, whole / side)


def _check_shaped(method: Method, facts: Facts) -> None:
    """Refuses an activation that was not transformed: there these weights are no method at all."""
    activation = facts.after.activation
    figures = misshapen(method, activation) if activation is not None else ""
    if figures:
        wanted = "E[phi^2] = Q'(1) = 1, " + ("E[phi] = 0" if method == "dks" else "C'(1) = 1")
        raise PlanError(
            f"`{facts.name}`: {facts.after} follows, which is not what {method.upper()} trains with: it has {figures}, and "
            f"{wanted} is wanted. That is a change of the model: put initium.gains.{method}_activation(..., depth=...) in the "
            "place of each activation, depth being the most that follow one another; of modules "
            f'initium.shape_activations(model, batch, "{method}") does it.'
        )


def misshapen(method: Method, activation: Activation | Callable[[Tensor], Tensor]) -> str:
    """By which figures an activation is not what the method trains with; empty for one that is.

    Args:
        method: ``dks`` or ``tat``.
        activation: What a graph has, or a module.

    Returns:
        The figures, or why it has none.

    Example:
        >>> import initium
        >>> misshapen("tat", initium.gains.tat_activation("relu", depth=50))
        ''
        >>> misshapen("tat", initium.gains.Activation("relu"))
        "E[phi^2] = 0.5, Q'(1) = 0.5, C'(1) = 0.5"
    """
    try:
        found, slope = moments(activation), variance_slope(activation)
        figures = f"E[phi^2] = {found.second:.4g}, Q'(1) = {found.second * slope:.4g}, "
        fits = abs(found.second - 1) < _MET and abs(found.second * slope - 1) < _MET
        if method == "dks":
            fits, figures = fits and abs(found.mean) < _MET, f"{figures}E[phi] = {found.mean:.4g}"
        else:
            fits, figures = fits and abs(found.slope_second - 1) < _MET, f"{figures}C'(1) = {found.slope_second:.4g}"
    except InitiumError as error:
        return str(error)
    return "" if fits else figures


def dks() -> Scheme:
    r"""The weights of Deep Kernel Shaping: orthogonal, delta-orthogonal for convolutions, unit variance kept.

    $$W = \max(\sqrt{\text{out} / \text{in}}, 1) \cdot Q$$

    Biases 0, scales of normalisations 1, shifts 0; looked-up tables N(0, 1), added ones N(0, 0.02^2). The plan is refused
    where the graph has an activation that is not shaped: :func:`~initium.gains.dks_activation` makes it so. Without a batch
    nothing is known of activations, and nothing is refused.

    Returns:
        The scheme.

    Example:
        >>> import torch, initium
        >>> shaped = initium.gains.dks_activation("tanh", depth=1)
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 9), shaped, torch.nn.Linear(9, 3))
        >>> initium.plan(net, torch.randn(2, 4), "dks")["0.weight"].law
        'orthogonal, gain 1.5'

    Reference:
        Martens, Ballard, Desjardins, Swirszcz, Dalibard, Sohl-Dickstein & Schoenholz, "Rapid training of deep neural networks
        without skip connections or normalization layers using Deep Kernel Shaping" (2021), on scaled-corrected uniform
        orthogonal weights (no equation number).

    Deviation:
        A convolution with fewer outputs than inputs is orthogonal as a matrix (out, rest), not at its middle tap alone.
    """
    return _scheme("dks")


def tat() -> Scheme:
    r"""The weights of the Tailored Activation Transformation: those of :func:`dks`.

    $$W = \max(\sqrt{\text{out} / \text{in}}, 1) \cdot Q$$

    The plan is refused where the graph has an activation that is not tailored: :func:`~initium.gains.tat_activation` makes
    it so.

    Returns:
        The scheme.

    Example:
        >>> tat().name
        'tat'

    Reference:
        Zhang, Botev & Martens, "Deep Learning without Shortcuts: Shaping the Kernel with Tailored Rectifiers" (ICLR 2022),
        on the weights of TAT (no equation number).

    Deviation:
        As :func:`dks`.
    """
    return _scheme("tat")


def _scheme(method: Method) -> Scheme:
    return Scheme(method, first_of(on(has_fans, partial(_law, method)), REST), _SOURCES[method])
