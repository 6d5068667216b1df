"""Radford et al. 2019: the weights that end a residual branch are the smaller the more branches there are."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from initium.records import Normal
from initium.schemes._parts import VECTORS
from initium.schemes._residual import placed
from initium.schemes._rule import Choice, Scheme, first_of, on
from initium.schemes._select import role

if TYPE_CHECKING:
    from initium.network import Facts

PAPER = "Radford et al. 2019 section 2.3"


def _weight(std: float, facts: Facts) -> Choice:
    place = placed(facts, "gpt2")
    if place.place != "last":
        return Choice(Normal(std), f"normal({std:.4g})", f"one std for every weight: {PAPER}")
    small = std / math.sqrt(place.branches)
    why = f"ends branch {place.index + 1} of {place.branches}: {PAPER}"
    return Choice(Normal(small), f"normal({std:.4g} / sqrt({place.branches}))", why)


def _table(std: float, _: Facts) -> Choice:
    return Choice(Normal(std), f"normal({std:.4g})", "tables as weights: Radford et al. 2018, model specifications")


def gpt2(std: float = 0.02) -> Scheme:
    r"""One std for every weight and table, divided by the root of the number of branches where a weight ends one.

    $$W \sim N(0, \sigma^2), \qquad W_{\text{last}} \sim N(0, \sigma^2 / N)$$

    N counts the branches of the residual stream, read off the graph: 2 a layer in GPT-2. Biases 0, scales of
    normalisations 1, shifts 0.

    Args:
        std: The standard deviation before the division.

    Returns:
        The scheme. On a network in which no branch can be seen (or read without a batch) its plan is refused.

    Raises:
        ArgumentError: A std that is negative or not finite.

    Example:
        >>> gpt2().name
        'gpt2'

    Reference:
        Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), section 2.3 (no equation number):
        "We scale the weights of residual layers at initialization by a factor of 1/sqrt(N) where N is the number of
        residual layers". The std is that of "Improving Language Understanding by Generative Pre-Training" (2018),
        under "Model specifications".

    Deviation:
        Each stream of an encoder-decoder counts its own branches.
    """
    _ = Normal(std)  # its check: finite and >= 0
    name = "gpt2" if std == 0.02 else f"gpt2({std!r})"  # noqa: PLR2004 - the default
    weights = on(role("weight", "recurrent"), partial(_weight, std))
    return Scheme(name, first_of(weights, on(role("embedding"), partial(_table, std)), VECTORS), PAPER)
