"""Wang et al. 2022: post-norm transformers of a thousand layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.schemes._parts import REST
from initium.schemes._residual import kept_scale, layers, refuse, scaled, weight_rule
from initium.schemes._rule import Choice, Scheme, first_of

if TYPE_CHECKING:
    from initium.network import Facts, Residual

PAPER = "Wang et al. 2022 fig. 2"
# Factors are printed with three digits or more.
_DIGITS = 1e-3


def factors(place: Residual) -> tuple[float, float]:
    """What the stream is multiplied by, and the gain: by the layers of this stream and of the one across from it."""
    own = layers(place.stream) if place.stream else 1.0
    if place.encoder is not None:
        return (3 * own) ** 0.25, (12 * own) ** -0.25
    if place.decoder is not None:
        both = (own**4 * layers(place.decoder)) ** (1 / 16)
        return 0.81 * both, 0.87 / both
    return (2 * own) ** 0.25, (8 * own) ** -0.25


def _weight(facts: Facts, place: Residual) -> Choice:
    if not place.in_branch:
        return scaled("normal", 1.0, facts, f"in no branch: Glorot as it is, {PAPER}")
    alpha, beta = factors(place)
    if not place.norm_after:
        cure = "DeepNorm is x = LayerNorm(alpha * x + f(x)); for a norm before each branch take subln or gpt2."
        raise refuse(facts, "deepnorm", "comes back to a sum that is not normalised", cure)
    if place.alpha is None or not math.isclose(place.alpha, alpha, rel_tol=_DIGITS):
        found = "an unknown factor" if place.alpha is None else f"{place.alpha:.6g}"
        raise refuse(
            facts,
            "deepnorm",
            f"is added to a stream multiplied by {found}, where {place.branches} branches need alpha = {alpha:.6g}",
            f"Write x = LayerNorm({alpha:.6g} * x + f(x)) in every layer of this stream.",
        )
    if kept_scale(facts):
        return scaled("normal", 1.0, facts, f"queries and keys have gain 1: {PAPER}")
    return scaled("normal", beta, facts, f"beta for {place.branches} branches, alpha {alpha:.4g}: {PAPER}")


def deepnorm() -> Scheme:
    r"""Glorot's law, with a small gain on values, outputs and feed-forward weights, for $\text{LN}(\alpha x + f(x))$.

    | stream | $\alpha$ | gain $\beta$ |
    |---|---|---|
    | one alone, N layers | $(2N)^{1/4}$ | $(8N)^{-1/4}$ |
    | encoder of N layers, decoder of M | $0.81\,(N^4 M)^{1/16}$ | $0.87\,(N^4 M)^{-1/16}$ |
    | that decoder | $(3M)^{1/4}$ | $(12M)^{-1/4}$ |

    Queries, keys and what is in no branch have gain 1; biases 0, scales of normalisations 1, shifts 0. N and M are read
    off the graph, and so is the $\alpha$ that the model has.

    Returns:
        The scheme. Its plan is refused where the stream is multiplied by another number than $\alpha$, or is not
        normalised after the sum; the message names the number.

    Example:
        >>> deepnorm().name
        'deepnorm'

    Reference:
        Wang et al., "DeepNet: Scaling Transformers to 1,000 Layers" (2022), figure 2 (no equation number).
    """
    return Scheme("deepnorm", first_of(weight_rule("deepnorm", _weight), REST), PAPER)
