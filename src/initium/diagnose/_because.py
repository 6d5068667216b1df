"""Why a signal changes with depth, and what to do: the cause that the figures support, or that none does."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from initium.diagnose._expected import around, centred, drifts, needed
from initium.diagnose._figures import fraction, several, share, shown, titled
from initium.diagnose._law import law
from initium.diagnose._place import CENTRED, drowned, mean_of, off_centre, place, uncentred
from initium.diagnose._words import LSUV, TEXTBOOK, Because, gain_of

if TYPE_CHECKING:
    from initium.diagnose._links import Link
    from initium.diagnose._trend import Trend

_HALF = 0.5
_MOSTLY = 0.9


def because(trend: Trend) -> Because:
    """The first cause that the figures support."""
    asked = (_dead, _saturated, _biased, _uncentred, _one_layer, _slope, _gain)
    return next(filter(None, (cause(trend) for cause in asked)), None) or _unexplained(trend)


def _dead(trend: Trend) -> Because | None:
    worst = max(trend.chain, key=lambda link: link.row.dead if link.row.out_rms > 0 else 0.0)
    if worst.row.dead < _MOSTLY or worst.row.out_rms == 0:
        return None
    reason = place(worst)
    return Because(
        f"{share(worst.row.dead)} of the units that `{worst.use.name}` feeds are dead: {worst.use.after} passes no gradient "
        f"there for any sample (the mean of its input is {shown(worst.row.out_mean)}, its std {shown(worst.row.out_std)}); "
        f"{reason.cause}.",
        reason.cure,
        reason.remedy,
        code="dead-units",
    )


def _saturated(trend: Trend) -> Because | None:
    many = median(link.row.saturated for link in trend.chain) > _HALF
    first = (
        next((link for link in trend.chain if link.row.saturated > _HALF), None) if many else _before_the_fall(trend)
    )
    if first is None or first.row.saturated <= _HALF:
        return None
    reason = place(first)
    return Because(
        f"{first.use.after} is saturated at {share(first.row.saturated)} of its inputs {'from' if many else 'after'} "
        f"`{first.use.name}`{' on' if many else ''} (their std there is {shown(first.row.out_std)}): {reason.cause}.",
        reason.cure,
        reason.remedy,
        code="saturation",
    )


def _before_the_fall(trend: Trend) -> Link | None:
    """The link whose activation the one step that makes half of a fall crosses."""
    link, change = min(trend.steps, key=lambda each: each[1])
    place_of = trend.chain.index(link)
    return trend.chain[place_of - 1] if place_of and change <= _HALF * trend.total < 0 else None


def _biased(trend: Trend) -> Because | None:
    first = trend.chain[0]  # behind a signal that fell, any bias is large
    if not drowned(first):
        return None
    reason = place(first)
    return Because(f"{reason.cause}.", reason.cure, code="large-bias")


def _uncentred(trend: Trend) -> Because | None:
    odd = [link for link in trend.chain if uncentred(link)]
    if 2 * len(odd) <= len(trend.chain):
        return None
    reach = median(mean_of(link) * link.use.fan_in for link in odd)
    return Because(
        f"{off_centre(odd[0])} ({several(len(odd))} such): each multiplies the mean of what it reads by about "
        f"{shown(reach)} (mean * fan_in), the same for every unit.",
        CENTRED,
    )


def _one_layer(trend: Trend) -> Because | None:
    """One step, and a weight there that is as far from its neighbours."""
    if trend.lone is None or len(trend.steps) < 3:  # noqa: PLR2004 - of two steps, neither stands alone
        return None
    link, change = trend.lone
    others = [each.gain for each in trend.chain if each.plain and each is not link]
    if not link.plain or not others or not link.gain > 0:
        return None
    usual = median(others)
    if math.log(link.gain / usual) * change < _HALF * change**2:
        return None
    return Because(
        f"one layer does it: `{link.use.name}` multiplies the {_what(trend)} by {shown(math.exp(change))}; its gain is "
        f"{shown(link.gain)}, the others' {shown(usual)}.",
        "Initialise that layer like its neighbours.",
    )


def _slope(trend: Trend) -> Because | None:
    """An activation whose output is mostly its mean: the right gain for its size is no gain for its signal."""
    link = trend.chain[len(trend.chain) // 2]
    at = around(link.use.before, link.row.out_rms)
    if at is None or centred(link.use.before) or trend.total > 0 or not _explains(trend):
        return None
    return Because(
        f"{link.use.before} between the layers: its mean carries the output and its slope is small (E[phi'^2] = "
        f"{shown(at.slope_second)}), so that {_account(trend)}.",
        f"Use tanh or relu in place of {link.use.before}, or normalise between the layers: no law of the field carries a "
        "signal through many of these. Weights that are measured (initium.lsuv) carry it further, not through any depth.",
        None,
    )


def _gain(trend: Trend) -> Because | None:
    if not _explains(trend):
        return None
    link = trend.chain[len(trend.chain) // 2]
    name, activation = law([each for each in trend.chain if each.plain]), str(link.use.before)
    low, high = needed(link.use.before) or (1.0, 1.0)
    right = low if _typical(trend) < low or (trend.total > 0 and _typical(trend) <= high) else high
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


def _what(trend: Trend) -> str:
    return "gradient" if trend.backward else "signal"
