"""De & Smith 2020, Bachlechner et al. 2021, Goyal et al. 2017: every residual branch starts silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.records import Constant
from initium.schemes._residual import placed
from initium.schemes._rule import Choice, Scheme, first_of
from initium.schemes._select import multiplies
from initium.schemes._textbook import textbook

if TYPE_CHECKING:
    from initium.network import Facts

PAPER = "De & Smith 2020; Bachlechner et al. 2021; Goyal et al. 2017"


def _silent(facts: Facts) -> Choice | None:
    """Zero for what silences a branch, and for its last weight where nothing else does."""
    if "branch" in facts.idle:
        return Choice(Constant(_zero(facts)), "zeros", f"{facts.idle}: {PAPER}")
    if multiplies(facts):
        place = placed(facts, "zero_residual")
        if place.place == "last" and not place.silencers:
            return Choice(Constant(0.0), "zeros", f"ends branch {place.index + 1} of {place.branches}: {PAPER}")
    return None


def _zero(facts: Facts) -> float:
    """A scale that is used as 1 + w is zero at -1."""
    return -1.0 if facts.role == "scale" and facts.neutral == 0 else 0.0


def zero_residual() -> Scheme:
    r"""Every residual branch starts at zero, so that each block is the identity; all else as ``textbook``.

    $$x + \alpha f(x), \qquad \alpha = 0$$

    One thing of each branch is zero, because behind two zeros nothing learns: the first parameter that multiplies its
    output (ReZero, SkipInit, LayerScale), else the weight and bias that make its gate (adaLN-Zero), else the scale of the
    norm that ends it, else its last weights.

    Returns:
        The scheme. On a network in which no branch can be seen (or read without a batch) its plan is refused.

    Example:
        >>> zero_residual().name
        'zero_residual'

    Reference:
        De & Smith, "Batch Normalization Biases Residual Blocks Towards the Identity Function" (NeurIPS 2020), section 4
        (SkipInit); Bachlechner et al., "ReZero is All You Need" (UAI 2021), eq. 1; Goyal et al., "Accurate, Large
        Minibatch SGD" (2017), section 5.1 (the norm's scale). No other equation numbers.
    """
    return Scheme("zero_residual", first_of(_silent, textbook().rule), PAPER)
