"""What an activation is to an integral: a pointwise function, an average of several, or a gated unit."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from torch import Tensor

# Numbers below this are zero: what the normal density cannot weigh in double precision.
NOTHING = 1e-280

TensorMap: TypeAlias = Callable[[Tensor], Tensor]


class Bounded(NamedTuple):
    """A number and a bound on its error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """The four moments of phi(x), x ~ N(mean, variance), each with a bound on its error."""

    mean: Bounded
    second: Bounded
    slope_mean: Bounded
    slope_second: Bounded

    def errors(self) -> tuple[float, float]:
        """The relative errors (forward, backward); a mean is measured against its root mean square."""
        return (
            max(_relative(self.mean, math.sqrt(abs(self.second.value))), _relative(self.second)),
            max(_relative(self.slope_mean, math.sqrt(abs(self.slope_second.value))), _relative(self.slope_second)),
        )


def _relative(number: Bounded, scale: float | None = None) -> float:
    """The error over the scale; what underflows has none."""
    size = abs(number.value) if scale is None else scale
    if number.error <= (NOTHING if scale is None else math.sqrt(NOTHING)):
        return 0.0
    return number.error / size if size > 0 and not math.isnan(number.error) else math.inf


@dataclass(frozen=True, slots=True)
class Elementwise:
    """One function of one number.

    ``kinks`` are the points where it or its derivative jumps, ``derivative`` is autograd's when None, and ``closed``
    gives the moments for a mean and a variance. ``sloped`` is False where autograd has no derivative of a function
    that varies: its slope moments are unknown.
    """

    function: TensorMap
    kinks: tuple[float, ...] = ()
    derivative: TensorMap | None = None
    closed: Callable[[float, float], Estimate] | None = None
    sloped: bool = True


@dataclass(frozen=True, slots=True)
class Mixture:
    """A unit that is one of several functions, each as likely: every moment is the average of theirs."""

    parts: tuple[Elementwise, ...]


@dataclass(frozen=True, slots=True)
class Gated:
    """The unit gate(a) * b of two independent inputs a and b of the same law."""

    gate: Elementwise


Law: TypeAlias = Elementwise | Mixture | Gated
