"""Why a signal changes with depth, and what to do: the cause that the figures support, or that none does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from initium.diagnose._expected import around, centred, drifts, needed
from initium.diagnose._figures import fraction, share, shown, titled
from initium.diagnose._law import law

if TYPE_CHECKING:
    from initium.diagnose._links import Link
    from initium.diagnose._trend import Trend
    from initium.network import Neighbour

TEXTBOOK = 'initium.initialize(model, batch, scheme="textbook", seed=0)'
LSUV = "initium.lsuv(model, batch)"
_HALF = 0.5
_MOSTLY = 0.9


@dataclass(frozen=True, slots=True)
class Because:
    """A cause and its cure, as a finding holds them."""

    cause: str
    cure: str
    fix: str = TEXTBOOK


def because(trend: Trend) -> Because:
    """The first cause that the figures support: dead units, saturation, one odd layer, the activation, the gain."""
    return (
        _dead(trend) or _saturated(trend) or _one_layer(trend) or _slope(trend) or _gain(trend) or _unexplained(trend)
    )


def _dead(trend: Trend) -> Because | None:
    worst = max(trend.chain, key=lambda link: link.row.dead)
    if worst.row.dead < _MOSTLY:
        return None
    return Because(
        f"{share(worst.row.dead)} of the units that `{worst.use.name}` feeds are dead: {worst.use.after} passes nothing "
        f"there for any sample (the mean of its input is {shown(worst.row.out_mean)}, its std {shown(worst.row.out_std)}).",
        "Set the biases to zero and standardise the input.",
    )


def _saturated(trend: Trend) -> Because | None:
    part = median(link.row.saturated for link in trend.chain)
    if part <= _HALF:
        return None
    link = trend.chain[len(trend.chain) // 2]
    return Because(
        f"{link.use.after} is saturated at {share(part)} of its inputs: their std is {shown(link.row.out_std)}, the gain of "
        f"these weights {shown(_typical(trend))}.",
        gain_of(link.use.after),
    )


def _one_layer(trend: Trend) -> Because | None:
    if trend.lone is None or len(trend.steps) < 3:  # noqa: PLR2004 - of two steps, neither stands alone
        return None
    link, change = trend.lone
    return Because(
        f"one layer does it: `{link.use.name}` multiplies the {_what(trend)} by {shown(math.exp(change))}; its gain is "
        f"{shown(link.gain)}, the others' {shown(_typical(trend))}.",
        "Initialise that layer like its neighbours.",
    )


def _slope(trend: Trend) -> Because | None:
    """An activation whose output is mostly its mean: the right gain for its size is no gain for its signal."""
    link = trend.chain[len(trend.chain) // 2]
    at = around(link.use.before, link.row.out_rms)
    if at is None or centred(link.use.before) or not _explains(trend):
        return None
    return Because(
        f"{link.use.before} between the layers: its mean carries the output and its slope is small (E[phi'^2] = "
        f"{shown(at.slope_second)}), so that {_account(trend)}.",
        f"Use tanh or relu in place of {link.use.before}, or normalise between the layers; no start of the usual size "
        "carries a signal through many of these.",
        "model = ...  # with nn.Tanh() or nn.ReLU(), then: " + TEXTBOOK,
    )


def _gain(trend: Trend) -> Because | None:
    if not _explains(trend):
        return None
    link = trend.chain[len(trend.chain) // 2]
    name, activation = law([each for each in trend.chain if each.plain]), str(link.use.before)
    low, high = needed(link.use.before) or (1.0, 1.0)
    right = low if _typical(trend) < low else high
    what = (
        f"{name} before {titled(activation)}" if name else f"gain {shown(_typical(trend))} before {titled(activation)}"
    )
    return Because(
        f"{what}: {_account(trend)}. {titled(activation)} needs gain {shown(right)}, "
        f"these weights have {shown(_typical(trend))}.",
        gain_of(link.use.before),
        LSUV if drifts(link.use.before, len(trend.chain)) else TEXTBOOK,
    )


def _unexplained(trend: Trend) -> Because:
    told = (
        "nothing predicts it" if trend.predicted is None else f"the weights predict {fraction(trend.predicted)} a layer"
    )
    return Because(
        f"the second moment is multiplied by {shown(trend.fit.factor**2)} a layer and {told}: look at what stands between "
        "the weights (biases, pooling, operations of your own).",
        "Measure one pass on your data and set every layer to unit variance.",
        LSUV,
    )


def _account(trend: Trend) -> str:
    predicted = "" if trend.predicted is None else fraction(trend.predicted)
    return f"a layer multiplies the second moment by {predicted} (predicted), {shown(trend.fit.factor**2)} (measured)"


def _explains(trend: Trend) -> bool:
    """The weights predict the direction, and at least half of the logarithm of what was measured."""
    if trend.predicted is None or trend.fit.factor <= 0:
        return False
    predicted, measured = math.log(trend.predicted), 2 * math.log(trend.fit.factor)
    return predicted * measured > 0 and abs(predicted) >= _HALF * abs(measured)


def _typical(trend: Trend) -> float:
    gains = [link.gain for link in trend.chain if link.plain]
    return median(gains) if gains else math.nan


def gain_of(neighbour: Neighbour) -> str:
    """The cure of a wrong gain, in one form, so that findings with one cure are seen to have one cause."""
    low, high = needed(neighbour) or (1.0, 1.0)
    right = shown(low) if math.isclose(low, high, rel_tol=0.01) else f"between {shown(low)} and {shown(high)}"
    known = {"relu": " (He)", "tanh": " (Glorot gives 1)"}.get(neighbour.text, "")
    return f"Give each of these weights gain {right}{known}: a std of gain / sqrt(fan_in)."


def _what(trend: Trend) -> str:
    return "gradient" if trend.backward else "signal"


def names(links: tuple[Link, ...]) -> tuple[str, ...]:
    """The weights' names, each once."""
    return tuple(dict.fromkeys(link.use.name for link in links))
