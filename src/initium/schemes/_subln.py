"""Wang et al. 2022: a norm before each branch and another inside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.schemes._parts import REST
from initium.schemes._residual import kept_scale, layers, refuse, scaled, weight_rule
from initium.schemes._rule import Choice, Scheme, first_of

if TYPE_CHECKING:
    from initium.network import Facts, Residual

PAPER = "Wang et al. 2022 (Magneto)"


def gain_of(place: Residual) -> float:
    """The gain, by the layers of this stream and of the one across from it."""
    own = layers(place.stream) if place.stream else 1.0
    if place.encoder is not None:
        return math.sqrt(math.log(3 * own))
    if place.decoder is not None:
        return math.sqrt(math.log(3 * layers(place.decoder)) * math.log(2 * own) / 3)
    return math.sqrt(math.log(2 * own))


def _weight(facts: Facts, place: Residual) -> Choice:
    if not place.in_branch:
        return scaled("normal", 1.0, facts, f"in no branch: Glorot as it is, {PAPER}")
    if place.crosses:
        return scaled("normal", 1.0, facts, f"cross-attention has gain 1: {PAPER}")
    if not (place.norm_first and place.norm_before_last):
        lacks = "does not start with a norm" if not place.norm_first else "has no norm before its last weight"
        cure = "Sub-LN is x + W2 LN(phi(W1 LN(x))), and in attention x + W_out LN(attention(LN(x)))."
        raise refuse(facts, "subln", lacks, cure)
    if kept_scale(facts):
        return scaled("normal", 1.0, facts, f"queries and keys have gain 1: {PAPER}")
    return scaled("normal", gain_of(place), facts, f"gamma for {place.branches} branches: {PAPER}")


def subln() -> Scheme:
    r"""Glorot's law, with a gain that grows with depth on values, outputs and feed-forward weights, for Sub-LN.

    | stream | gain $\gamma$ |
    |---|---|
    | one alone, N layers | $\sqrt{\ln 2N}$ |
    | encoder of N layers, decoder of M | $\sqrt{\tfrac{1}{3} \ln 3M \, \ln 2N}$ |
    | that decoder | $\sqrt{\ln 3M}$ |

    Queries, keys, cross-attention and what is in no branch have gain 1; biases 0, scales of normalisations 1, shifts 0.

    Returns:
        The scheme. Its plan is refused where a branch lacks one of the two norms that the paper gives it.

    Example:
        >>> subln().name
        'subln'

    Reference:
        Wang et al., "Foundation Transformers" (Magneto, 2022), on the initialization of Sub-LN.
    """
    return Scheme("subln", first_of(weight_rule("subln", _weight), REST), PAPER)
