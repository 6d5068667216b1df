"""``prior=``: output biases from class frequencies, checked against the network; which formula, and why, is in the row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from initium.errors import ArgumentError, ArgumentTypeError, PlanError
from initium.gains import Activation
from initium.planning._blocks import misfit
from initium.records import Constant, Values
from initium.schemes import Choice, Rule, first_of, named, on, sigmoid_prior, softmax_prior
from initium.schemes import numbers as as_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from initium.network import Facts, Neighbour, Network

Prior: TypeAlias = "Mapping[str, float | Iterable[float] | Constant | Values]"
"""Output biases by name, and how often each class comes.

A value is a number p (a sigmoid's probability, the same for every unit), or one number for each unit: counts or shares of
the classes of a softmax, or probabilities of sigmoids. Which of the two is read from what follows the bias; where nothing
does, several numbers are a softmax's if they are counts or sum to 1, else sigmoids'. ``softmax_prior(...)`` and
``sigmoid_prior(...)`` leave no doubt.
"""

_SIGMOIDS = ("sigmoid", "logsigmoid")
_INSIDE = ("activation", "norm", "linear", "attention")
# Shares that were kept in float32 sum to 1 to 6e-8; what misses it by more, and by less than what rounding by hand does, is
# neither surely shares nor surely not.
_ROUNDED, _NEAR = 1e-5, 0.05


def priors(prior: Prior, network: Network) -> Rule:
    """The rule that the priors make.

    Raises:
        ArgumentTypeError: No mapping, or values that are no numbers.
        ArgumentError: Numbers that are no frequencies or probabilities.
        PlanError: A name that is no output's bias, or another number of values.
    """
    if not isinstance(prior, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
        raise ArgumentTypeError(
            f'prior is a dict from a bias to frequencies, such as {{"head.bias": [900, 100]}}; got {type(prior).__name__}.'
        )
    return first_of(*(_entry(name, value, network) for name, value in prior.items()))


def _entry(name: str, value: object, network: Network) -> Rule:
    facts = _bias(name, network)
    try:
        choice = _choice(value, math.prod(facts.shape), _ahead(facts, network))
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"prior of `{name}`: {error}") from error
    except ArgumentError as error:
        raise ArgumentError(f"prior of `{name}`: {error}") from error
    if wrong := misfit(choice.fill, facts.shape):
        raise PlanError(f"prior of `{name}`: {wrong}. Give one number for each output, in their order.")
    return on(named(facts.name), lambda _: choice)


def _bias(name: str, network: Network) -> Facts:
    names = [each for facts in network.parameters for each in facts.names]
    if name not in names:
        biases = [each for facts in network.parameters if facts.role == "bias" for each in facts.names]
        near = get_close_matches(str(name), biases, n=3, cutoff=0.4) or biases[-3:]
        hint = f"Biases nearby: {', '.join(f'`{each}`' for each in near)}" if near else "It has no bias"
        raise PlanError(f"prior names `{name}`, which is no parameter of {network.title}. {hint}.")
    facts = network.facts(name)
    if facts.role != "bias":
        raise PlanError(
            f"prior of `{name}`: it is no bias but a {facts.role} of shape {facts.shape}. A prior goes into the bias of the "
            "output layer; a layer made with bias=False has none."
        )
    return facts


def _ahead(facts: Facts, network: Network) -> Neighbour | None:
    """What follows the operation that adds the bias; ``None`` where nobody can tell."""
    ahead = next((use.after for use in network.uses if use.bias in facts.names), None)
    if ahead is not None and ahead.kind in _INSIDE and not _is_sigmoid(ahead):
        raise PlanError(
            f"prior of `{facts.name}`: {ahead} follows it, so it is no output's bias. Name the bias of the layer whose "
            "outputs are the logits."
        )
    return ahead


def _is_sigmoid(ahead: Neighbour) -> bool:
    return isinstance(ahead.activation, Activation) and ahead.activation.name in _SIGMOIDS


def _choice(value: object, units: int, ahead: Neighbour | None) -> Choice:
    if isinstance(value, Constant | Values):
        return Choice(value, "prior", "prior as asked")
    given = as_numbers(value, "frequencies")
    softmax, why = _is_softmax(given, units, ahead)
    if softmax:
        fill, law = softmax_prior(given), "log of class frequencies"
        return Choice(fill, law, f"prior of a softmax ({why}): its outputs begin at the frequencies")
    law = "-log((1 - p) / p)" + (f", p = {given[0]:.4g}" if len(given) == 1 else "")
    return Choice(sigmoid_prior(given), law, f"prior of a sigmoid ({why}): Lin et al. 2017 section 4.1")


def _is_softmax(given: tuple[float, ...], units: int, ahead: Neighbour | None) -> tuple[bool, str]:
    """Which of the two formulas, and by what it was told."""
    if ahead is not None and (ahead.kind == "softmax" or _is_sigmoid(ahead)):
        softmax = ahead.kind == "softmax"
        if softmax and len(given) < units:
            raise ArgumentError(f"a softmax follows, which needs a frequency for each of its {units} classes.")
        return softmax, f"{ahead} follows"
    if len(given) == 1:
        return False, "one p"
    if any(value > 1 for value in given) or all(value == 1 for value in given):
        return True, "counts"
    off = abs(math.fsum(given) - 1)
    if _ROUNDED < off < _NEAR:
        raise ArgumentError(
            f"the numbers sum to {math.fsum(given):.6g}: rounded shares of a softmax, or probabilities of sigmoids? Say it by "
            "initium.schemes.softmax_prior(...) or initium.schemes.sigmoid_prior(...)."
        )
    return off <= _ROUNDED, "shares that sum to 1" if off <= _ROUNDED else "a p for each unit"
