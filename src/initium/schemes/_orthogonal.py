"""Saxe et al. 2014: weights that keep lengths, not only their mean."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from initium.records import Normal, Orthogonal
from initium.schemes._parts import REST, each_matrix, exact_gain, follows, has_fans, matrices
from initium.schemes._rule import Choice, Scheme, first_of, on

if TYPE_CHECKING:
    from initium.network import Facts

MATRIX = 2


def orthogonal_law(gain: float | None, reason: str, facts: Facts) -> Choice:
    """An orthogonal law for one weight, each of the matrices that it packs by itself."""
    factor = own_gain(facts) if gain is None else gain
    why = reason or _reason(facts, gain)
    if len(facts.shape) < MATRIX:
        return _vector(facts, factor, why)
    fill = each_matrix(facts, Orthogonal(factor))
    count = f", each of {matrices(fill)}" if matrices(fill) > 1 else ""
    return Choice(fill, f"orthogonal, gain {factor:.4g}{count}", why)


def _vector(facts: Facts, gain: float, why: str) -> Choice:
    """A vector has no second axis to be orthogonal along: the normal law of the same length."""
    std = gain / math.sqrt(max(1, math.prod(facts.shape)))
    return Choice(Normal(std), f"normal, length {gain:.4g}", f"{why}; a vector, so normal with that length")


def own_gain(facts: Facts) -> float:
    """The exact gain of the activation that follows; 1 where there is none, or none with a gain that serves."""
    return 1.0 if facts.role == "recurrent" else exact_gain(facts) or 1.0


def _reason(facts: Facts, gain: float | None) -> str:
    given = "gain as asked" if gain is not None else follows(facts)
    return f"{given}: Saxe et al. 2014 section 3"


def orthogonal(gain: float | None = None) -> Scheme:
    r"""Haar-distributed orthonormal rows or columns for every weight.

    $$W = \text{gain} \cdot Q, \qquad Q^T Q = I \;\text{or}\; Q Q^T = I$$

    A weight that packs several matrices (gates, experts, fused q, k and v) gets one for each; a convolution is taken as
    the matrix (out, rest), which is not an isometry of images. Biases 0, scales of normalisations 1, shifts 0;
    looked-up tables N(0, 1), added ones N(0, 0.02^2).

    Args:
        gain: The singular values; ``None`` takes for each weight the exact gain of the activation that follows, 1 where
            none does and for a recurrent matrix.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A gain that is negative or not finite.

    Example:
        >>> orthogonal(gain=1.4).name
        'orthogonal(1.4)'

    Reference:
        Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks" (ICLR 2014), section 3 (no equation number).
    """
    if gain is not None:
        _ = Orthogonal(gain)  # its check: finite and >= 0
    name = "orthogonal" if gain is None else f"orthogonal({gain!r})"
    rule = first_of(on(has_fans, partial(orthogonal_law, gain, "")), REST)
    return Scheme(name, rule, "Saxe et al. 2014, section 3")
