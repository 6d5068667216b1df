"""When a change over depth is a fault: the limits, and the finding that is made of a trend.

The update of a weight is the signal before it times the gradient behind it. In a chain with too small a gain both fall
by the same factor F over the whole depth, so every update is F times that of a critical network: at F = 1/1000, a thousand
steps of gradient descent do what one should. Measured on digits (ReLU perceptrons of 5 to 30 layers, SGD with momentum and
Adam, 300 steps): at F = 1e-2 plain networks still learn, at 1e-3 SGD is at chance from 10 layers on and Adam falls behind.
With too large a gain the first step overshoots: SGD is at chance from F = 100 on, and learns at 10.

A fall that one small weight makes alone is a warning: that weight's own gradient is whole on both sides, so that it grows
first, and measured as above such networks catch up. A chain of three or four layers is not judged by these slopes short of
an error; and a change that the draw of the weights may make at the critical gain (:mod:`._chance`) is no fault of the gain.
Short of an error, a change counts only if the weights predict half of it. Pooling and wide strides spread a gradient over more
places, ``sqrt(P)`` less at each of ``P`` as many, and a weight sums over them: so much of a fall is no loss.

A chain of n hidden weights has n activations, of which its own figures pass n - 1. Where they leave less than a thousandth together
with the last, behind which the answer's weight reads (held to the chain's typical gain), the fall of the signal is a warning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._because import because
from initium.diagnose._figures import several, shown
from initium.diagnose._words import names
from initium.records import Finding

if TYPE_CHECKING:
    from initium.diagnose._trend import Trend
    from initium.records import Severity

_STALLED, _SLOW = math.log(1e-3), math.log(1e-2)
_WILD, _FAST = math.log(1e2), math.log(30.0)
_DEEP = 5
# Above this a factor is no float.
_LARGEST = 700.0


def falling(trend: Trend, thinned: float = 0.0) -> Severity | None:
    """How bad a fall is, ``thinned`` of it in natural logarithms no loss; ``None`` for a healthy one."""
    total = trend.total + thinned
    if total > -trend.slack:
        return None
    if total <= _STALLED:
        return "warning" if trend.small else "error"
    return "warning" if total <= _SLOW and len(trend.chain) >= _DEEP and trend.foretold else None


def alike(fall: float, depth: int) -> Severity | None:
    """The same for a fall, in natural logarithms, that healthy depth does not explain and that no weight was asked about."""
    if fall <= _STALLED:
        return "error"
    return "warning" if fall <= _SLOW and depth >= _DEEP else None


def rising(trend: Trend) -> Severity | None:
    """How bad a rise is; ``None`` for a healthy one."""
    if trend.total < trend.slack:
        return None
    if trend.total >= _WILD:
        return "error"
    return "warning" if trend.total >= _FAST and len(trend.chain) >= _DEEP and trend.foretold else None


def finding(code: str, severity: Severity, trend: Trend, verb: str) -> Finding:
    """A trend as a finding: the whole depth, a layer, and where it begins."""
    reason, (first, change) = because(trend), trend.first
    total = math.exp(min(trend.total, _LARGEST))
    way = f"from `{trend.travelled[0].use.name}` {'back ' if trend.backward else ''}to `{trend.travelled[-1].use.name}`"
    return Finding(
        code=code,
        severity=severity,
        layers=names(trend.chain),
        message=f"{verb}: multiplied by {shown(total)} {way}, {several(len(trend.chain))}; {trend.fit}, first at "
        f"`{first.use.name}` (by {shown(math.exp(change))}).",
        measured=total,
        expected=1.0,
        cause=reason.cause,
        cure=reason.cure,
        remedy=reason.remedy,
        part_of=reason.code,
        begins=first.use.name,
    )
