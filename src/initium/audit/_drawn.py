"""Independent values: which law, with which std, and what else they may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from initium.audit._law import Law, number
from initium.audit._shapes import any_cut, shapes
from initium.audit._values import deviate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from initium.audit._shapes import Shape
    from initium.audit._values import Values

_FEW = 8
# Twenty to one: a law that is likelier by less than that gives way to a simpler one.
_LIKELIER = math.log(20)
# A truncation is an assertion about values that are not there, and normal weights are the commonest.
_SURELY = math.log(200)
_FAR = 6.0
_QUARTILE = 0.6744897501960817
# A law with more outliers than that is another law.
_RARE = 0.01


def drawn(values: Values, level: float) -> Law:
    """The law of values that differ; ``other`` where none of the known laws made them."""
    if values.count < _FEW:
        told = f"{values.count} values are too few to tell"
        return Law("other", told, values.mean, values.std, 0.0, math.inf, evidence=told)
    found = _fitted(values, level)
    if found.kind != "other":
        return found
    kept = _near(values)
    far = len(kept) - int(kept.sum())
    if 0 < far <= max(1, _RARE * len(kept)):
        inner = _fitted(values.without(kept), level)
        if inner.kind != "other":
            return inner.noting(
                f"outliers: {far} of {len(kept)} values beyond {_FAR:.0f} std, up to {_most(values):.3g}"
            )
    return found


def _fitted(values: Values, level: float) -> Law:
    centre = _centre(values, level)
    known = shapes(values, centre)
    fitting = [each for each in known if each.chance >= level]
    if not fitting:
        last = any_cut(values, centre)
        fitting = [last] if last is not None and last.chance >= level else []
    if not fitting:
        return _other(values, known, level)
    best = max(each.likelihood for each in fitting)
    chosen = fitting[0]
    for each in fitting[1:]:
        needed = _SURELY if each.kind == "truncated_normal" else _LIKELIER
        chosen = each if each.likelihood >= chosen.likelihood + needed else chosen
    rivals = [each for each in fitting if each is not chosen and each.likelihood >= best - math.log(1 / level)]
    return _law(values, chosen, rivals, centre, level)


def _centre(values: Values, level: float) -> float:
    """Zero, unless the mean is too far from it for chance and rounding."""
    error = values.std * (deviate(level) / math.sqrt(values.count) + values.step / 2)
    return values.mean if abs(values.mean) > error else 0.0


def _law(values: Values, chosen: Shape, rivals: list[Shape], centre: float, level: float) -> Law:
    low, high = _interval(values, chosen, level)
    if centre and chosen.kind == "uniform":
        centre = (values.low + values.high) / 2
    return Law(
        kind=chosen.kind,
        text=chosen.text + (f" about {number(centre)}" if centre else ""),
        mean=centre,
        std=values.std if chosen.kind == "normal" else chosen.std,
        low=low,
        high=high,
        value=values.std if chosen.kind == "normal" else chosen.scale,
        ties=tuple(each.text for each in rivals),
        evidence=_evidence(values, chosen, rivals),
    )


def _evidence(values: Values, chosen: Shape, rivals: list[Shape]) -> str:
    told = (
        f"gap to its distribution {number(chosen.distance)} over {len(values.sample)} values, p >= {chosen.chance:.2g}"
    )
    return told + "".join(f"; {each.text} exp({each.likelihood - chosen.likelihood:.1f}) as likely" for each in rivals)


def _interval(values: Values, shape: Shape, level: float) -> tuple[float, float]:
    """From the second moment of all values; a bound is never less than the largest, and hardly more."""
    if shape.kind == "uniform":
        # P(largest of n < b t) = t^n.
        low, high = shape.std, shape.std * level ** (-1 / len(values.sample))
    else:
        width = deviate(level) * math.sqrt((shape.kurtosis - 1) / (4 * values.count))
        low, high = values.std * math.exp(-width), values.std * math.exp(width)
        if shape.kind == "truncated_normal":
            low = max(low, shape.std / shape.scale * shape.farthest / shape.cut)
    return low * (1 - values.step / 2), high * (1 + values.step / 2)


def _other(values: Values, known: list[Shape], level: float) -> Law:
    nearest = max(known, key=lambda each: each.chance)
    x = values.sample - values.mean
    fourth = float(np.mean(x**4) / np.mean(x**2) ** 2)
    width = deviate(level) * math.sqrt(max(fourth - 1, 0.0) / (4 * values.count))
    told = f"kurtosis {number(fourth)}; the nearest law, {nearest.text}, has p <= {nearest.chance:.1g}"
    low, high = values.std * math.exp(-width), values.std * math.exp(width)
    return Law("other", "other", values.mean, values.std, low, high, evidence=told)


def _near(values: Values) -> NDArray[np.bool_]:
    """What lies within six standard deviations, as the quartiles give them."""
    quarter, middle, three = (float(values.sample[int(len(values.sample) * part)]) for part in (0.25, 0.5, 0.75))
    return np.abs(values.sample - middle) <= _FAR * (three - quarter) / (2 * _QUARTILE)


def _most(values: Values) -> float:
    return max(abs(values.low), abs(values.high))
