"""Zhang et al. 2019: residual networks without normalisation."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from initium.errors import ArgumentTypeError
from initium.records import Constant, Normal
from initium.schemes._he import he
from initium.schemes._parts import REST
from initium.schemes._residual import refuse, weight_rule
from initium.schemes._rule import Choice, Scheme, always, first_of, on

if TYPE_CHECKING:
    from initium.network import Facts, Residual

PAPER = "Zhang et al. 2019"


def _weight(scalars: bool, facts: Facts, place: Residual) -> Choice:  # noqa: FBT001 - given by partial
    if facts.head:
        return Choice(Constant(0.0), "zeros", f"the output's weight starts at zero: {PAPER} step 1")
    if not place.in_branch:
        return he("normal", "fan_in", facts)
    _check(scalars, facts, place)
    if place.place == "last":
        return Choice(Constant(0.0), "zeros", f"ends branch {place.index + 1} of {place.branches}: {PAPER} step 1")
    base = he("normal", "fan_in", facts)
    factor = place.branches ** (-1 / (2 * place.length - 2))
    assert isinstance(base.fill, Normal)  # noqa: S101 - he("normal", ...)
    law = f"{base.law} * {place.branches}^(-1/{2 * place.length - 2})"
    return Choice(Normal(base.fill.std * factor), law, f"inside a branch of {place.length} weights: {PAPER} step 2")


def _check(scalars: bool, facts: Facts, place: Residual) -> None:  # noqa: FBT001
    if place.norm_first or place.norm_last or place.norm_after or place.norm_before_last:
        lacks, cure = "is normalised, and Fixup takes the place of normalisation", "Remove the norms of the branches."
        raise refuse(facts, "fixup", lacks, cure)
    if scalars and not place.multipliers:
        raise refuse(
            facts,
            "fixup",
            "has no multiplier (step 3 of the paper)",
            "Multiply the branch's output by nn.Parameter(torch.ones(1)), and add an nn.Parameter(torch.zeros(1)) before each "
            "weight and activation of it; or take steps 1 and 2 alone: fixup(scalars=False).",
        )


def _multiplies_a_branch(facts: Facts) -> bool:
    return facts.role == "other" and "branch" in facts.idle and math.prod(facts.shape) == 1


def fixup(scalars: bool = True) -> Scheme:  # noqa: FBT001, FBT002 - a scheme is written as a call
    r"""He's law, made small inside residual branches so that no normalisation is needed.

    $$W = L^{-\frac{1}{2m - 2}} W_{\text{He}} \;\text{inside a branch}, \qquad W = 0 \;\text{at its end and at the output}$$

    L counts the branches of the stream, m the weights in a row inside a branch. Weights on the stream and past a branch
    have He's law. Scalar multipliers 1, biases 0.

    Args:
        scalars: Demand the scalar multiplier of each branch that the paper adds (step 3). Without it the first two steps
            are taken alone.

    Returns:
        The scheme. Its plan is refused where branches are normalised, or have no multiplier.

    Raises:
        ArgumentTypeError: ``scalars`` is no truth value.

    Example:
        >>> fixup(scalars=False).name
        'fixup(scalars=False)'

    Reference:
        Zhang, Dauphin & Ma, "Fixup Initialization: Residual Learning Without Normalization" (ICLR 2019), section 3, steps
        1 to 3, and eq. 8.

    Deviation:
        The fan is fan_in, as in He et al. eq. 10; the authors' code takes fan_out.
    """
    if not isinstance(scalars, bool):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
        raise ArgumentTypeError(f"scalars is True or False; got {scalars!r}.")
    multiplier = on(_multiplies_a_branch, always(Constant(1.0), f"a branch's multiplier: {PAPER} step 3"))
    weights = weight_rule("fixup", partial(_weight, scalars))
    name = "fixup" if scalars else "fixup(scalars=False)"
    return Scheme(name, first_of(multiplier, weights, REST), f"{PAPER}, section 3")
