"""Bao et al. 2022: the weight that ends a branch is the smaller the deeper the branch stands."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from initium.records import Normal
from initium.schemes._parts import VECTORS
from initium.schemes._residual import placed
from initium.schemes._rule import Choice, Scheme, always, first_of, on
from initium.schemes._select import role

if TYPE_CHECKING:
    from initium.network import Facts

PAPER = "Bao et al. 2022 section 2.5"


def _weight(std: float, facts: Facts) -> Choice:
    place = placed(facts, "depth_scaled")
    if place.place != "last":
        return Choice(Normal(std), f"normal({std:.4g})", f"one std for every weight: {PAPER}")
    depth = 2 * (place.index // 2 + 1)
    why = f"ends branch {place.index + 1}, in layer {depth // 2} of two branches each: {PAPER}"
    return Choice(Normal(std / math.sqrt(depth)), f"normal({std:.4g} / sqrt({depth}))", why)


def depth_scaled(std: float = 0.02) -> Scheme:
    r"""One std for every weight and table, divided by $\sqrt{2 l}$ where a weight ends a branch of the l-th layer.

    $$W \sim N(0, \sigma^2), \qquad W_{\text{last}} \sim N(0, \sigma^2 / (2 l)), \quad l = \lfloor i / 2 \rfloor + 1$$

    i = 0, 1, ... is the branch's place on the residual stream, read off the graph. Biases 0, scales of normalisations 1,
    shifts 0.

    Args:
        std: The standard deviation before the division.

    Returns:
        The scheme. On a network in which no branch can be seen (or read without a batch) its plan is refused.

    Raises:
        ArgumentError: A std that is negative or not finite.

    Example:
        >>> depth_scaled(0.01).name
        'depth_scaled(0.01)'

    Reference:
        Bao, Dong, Piao & Wei, "BEiT: BERT Pre-Training of Image Transformers" (ICLR 2022), section 2.5 (no equation
        number): the output matrices of the l-th layer's two branches are rescaled by 1/sqrt(2 l).

    Deviation:
        Two branches in a row are one layer, whatever they do. BEiT draws its weights from a small range; its code, and
        timm's, cut a normal law at 100 standard deviations, which cuts nothing.
    """
    fill = Normal(std)
    name = "depth_scaled" if std == 0.02 else f"depth_scaled({std!r})"  # noqa: PLR2004 - the default
    weights = on(role("weight", "recurrent"), partial(_weight, std))
    return Scheme(
        name, first_of(weights, on(role("embedding"), always(fill, f"tables as weights: {PAPER}")), VECTORS), PAPER
    )
