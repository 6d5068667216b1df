"""How a signal changes along a chain: in total, a layer, and where it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

from initium.diagnose._chance import forgetting, step, walk
from initium.diagnose._expected import factor
from initium.diagnose._fit import Fit, fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from initium.diagnose._links import Link

# Two points make a line through anything.
_FEWEST = 3
_HALF, _NEARLY_ALL = 0.5, 0.8
_STALLED = math.log(1e-3)


@dataclass(frozen=True)
class Trend:
    """A figure followed in the direction in which it travels.

    Attributes:
        chain: The links, in execution order.
        logs: The natural logarithm of the figure at each link, in the order of travel; what zero width differences do
            to a gradient is taken out. Minus infinity where nothing is left.
        backward: True for a gradient, which travels from the last link to the first.
        slack: The change, in natural logarithms, that chance and healthy depth explain.
    """

    chain: tuple[Link, ...]
    logs: tuple[float, ...]
    backward: bool
    slack: float

    @property
    def travelled(self) -> tuple[Link, ...]:
        """The links in the order of travel."""
        return self.chain[::-1] if self.backward else self.chain

    @property
    def total(self) -> float:
        """The natural logarithm of the factor from one end to the other."""
        return self.logs[-1] - self.logs[0]

    @cached_property
    def fit(self) -> Fit:
        """The multiplier a layer, over the layers that still have something."""
        left = [value for value in self.logs if math.isfinite(value)]
        return fit(left) if len(left) > 1 else Fit(0.0, 0.0, 0.0)

    @cached_property
    def predicted(self) -> float | None:
        """The factor on the second moment a layer that the weights predict (geometric mean); ``None`` if unknown."""
        known = [log for log in map(_log, self._factors()) if log is not None]
        return math.exp(sum(known) / len(known)) if len(known) > (len(self.chain) - 1) / 2 else None

    def _factors(self) -> Iterator[float | None]:
        return (factor(last, link) for last, link in zip(self.chain, self.chain[1:], strict=False))

    @property
    def foretold(self) -> bool:
        """The weights predict at least half of the logarithm of the change, or nothing is known of them."""
        if self.predicted is None:
            return True
        told = 0.5 * math.log(self.predicted) * (len(self.chain) - 1)
        return told / self.total >= _HALF if self.total and math.isfinite(self.total) else False

    @cached_property
    def steps(self) -> tuple[tuple[Link, float], ...]:
        """Every step with the link whose weight it crosses, in the order of travel."""
        crossed = self.travelled[:-1] if self.backward else self.travelled[1:]
        changes = (b - a if math.isfinite(a) else 0.0 for a, b in zip(self.logs, self.logs[1:], strict=False))
        return tuple(zip(crossed, changes, strict=True))

    @property
    def first(self) -> tuple[Link, float]:
        """The first step that goes the way of the whole: by half of the usual step, or by more than chance."""
        way = math.copysign(1.0, self.total)
        usual = way * math.log(self.fit.factor) / 2 if self.fit.factor > 0 else 0.0
        steady = not self.fit.low <= 1 <= self.fit.high
        return next(
            ((link, change) for link, change in self.steps if way * change > (usual if steady else step(link))),
            max(self.steps, key=lambda each: way * each[1]),
        )

    @cached_property
    def lone(self) -> tuple[Link, float] | None:
        """The one step that makes up nearly all of the change; ``None`` where many share it, or nothing is left."""
        largest = max(self.steps, key=lambda each: abs(each[1]))
        most = math.isfinite(self.total) and abs(largest[1]) >= _NEARLY_ALL * abs(self.total)
        return largest if most and len(self.steps) > 1 else None

    @property
    def small(self) -> Link | None:
        """The one layer that makes the figure fall by a weight smaller than its neighbours'; ``None`` for any other fall."""
        others = [link.gain for link in self.chain if link.plain and self.lone and link is not self.lone[0]]
        if not self.lone or not others or not self.lone[0].gain > 0:
            return None
        link, change = self.lone
        return link if change < 0 and math.log(link.gain / median(others)) <= _HALF * change else None


def forward(chain: Sequence[Link]) -> Trend | None:
    """What depends on the input: ``unit_std`` from the first link to the last."""
    return _trend(chain, [link.row.unit_std for link in chain], walk(chain) + forgetting(len(chain)))


def level(chain: Sequence[Link]) -> Trend | None:
    """The size of the signal, biases aside: ``out_std`` from the first link to the last."""
    return _trend(chain, [link.row.out_std for link in chain], walk(chain))


def backward(chain: Sequence[Link]) -> Trend | None:
    """``grad_rms`` from the last link to the first, the change of width taken out: ``sqrt(fan_out / fan_in)`` a layer."""
    widths = [0.5 * math.log(link.use.fan_out / link.use.fan_in) for link in chain[1:]]
    figures = [link.row.grad_rms * math.exp(sum(widths[i:]) * -1) for i, link in enumerate(chain)]
    return _trend(chain, figures, walk(chain), backward=True)


def to_the_answer(trend: Trend, every: Sequence[Link], read_by: Mapping[str, AbstractSet[str]]) -> Trend | None:
    """The same with what the answer's weight reads, at the chain's typical gain; ``None`` unless less than a thousandth is left there."""
    last = trend.chain[-1]
    heads = [link for link in every if {link.use.node} == read_by.get(last.use.node)]
    if len(heads) != 1 or heads[0].hidden or heads[0].zeroed or not heads[0].plain or len(heads[0].use.sources) != 1:
        return None
    (head,) = heads
    if (
        head.use.before.kind not in {"activation", "linear"}
        or last.use.normalised
        or not 0 < head.row.unit_std < math.inf
    ):
        return None
    typical = median(link.gain for link in trend.chain)
    end = _natural(head.row.unit_std) + _natural(typical) - _natural(head.gain)
    whole = replace(trend, chain=(*trend.chain, head), logs=(*trend.logs, end), slack=trend.slack)
    return whole if whole.total <= min(_STALLED, -whole.slack) and whole.total < trend.total else None


def _trend(chain: Sequence[Link], figures: Sequence[float], slack: float, *, backward: bool = False) -> Trend | None:
    """The trend of figures that begin with something, up to the first that is not finite; ``None`` for too few."""
    ordered = figures[::-1] if backward else figures
    length = next((place for place, figure in enumerate(ordered) if not math.isfinite(figure)), len(ordered))
    if length < _FEWEST or ordered[0] <= 0:
        return None
    part = chain[len(chain) - length :] if backward else chain[:length]
    return Trend(tuple(part), tuple(map(_natural, ordered[:length])), backward, slack)


def _natural(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _log(value: float | None) -> float | None:
    return math.log(value) if value else None
