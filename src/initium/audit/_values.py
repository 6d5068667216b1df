"""A tensor's figures: some of all its values, the rest of a fixed sample of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The moments and the ends are those of all values; the shape is tested on so many at most.
SAMPLE = 1 << 16
_GOLDEN = (math.sqrt(5) - 1) / 2
# Values that a narrower dtype holds by chance are never so many.
_ROUNDED = 1 << 12
_NARROW = (torch.bfloat16, torch.float16, torch.float32)


@dataclass(frozen=True, slots=True)
class Values:
    """What is known of a tensor's values.

    Attributes:
        count: How many there are.
        mean: Their mean.
        std: Their std.
        low: The least.
        high: The greatest.
        sample: Up to 2^16 of them in float64, sorted.
        step: How far apart neighbouring values are that the dtype can hold, relative to the values.
        rounded: The narrower dtype that all values fit, empty for none.
    """

    count: int
    mean: float
    std: float
    low: float
    high: float
    sample: NDArray[np.float64]
    step: float
    rounded: str

    def without(self, keep: NDArray[np.bool_]) -> Values:
        """The sample alone, of what is kept of it."""
        rest = self.sample[keep]
        return Values(
            len(rest),
            float(rest.mean()),
            float(rest.std()),
            float(rest[0]),
            float(rest[-1]),
            rest,
            self.step,
            self.rounded,
        )


def values_of(flat: torch.Tensor, step: float = 0.0) -> Values:
    """The figures of finite values in one row; of a dtype whose step is known to be no finer than ``step``."""
    std, mean = torch.std_mean(flat, correction=0)
    low, high = torch.aminmax(flat)
    some = sampled(flat)
    finest, rounded = _step(some)
    tiny = float(torch.finfo(torch.float16).smallest_normal) * 2**-10 if rounded == "float16" else 0.0
    spread = float(std)
    return Values(
        count=flat.numel(),
        mean=float(mean),
        std=spread,
        low=float(low),
        high=float(high),
        sample=np.sort(some.double().cpu().numpy()),  # torch's own takes many times as long
        step=max(step, finest, tiny / spread if spread else 0.0),
        rounded=rounded,
    )


def sampled(flat: torch.Tensor) -> torch.Tensor:
    """Of more than 2^16 values the ones at ``floor(n frac(i golden))``: spread evenly, aligned with no row or column."""
    if flat.numel() <= SAMPLE:
        return flat
    places = np.modf(np.arange(1, SAMPLE + 1) * _GOLDEN)[0] * flat.numel()
    return flat[torch.from_numpy(places.astype(np.int64)).to(flat.device)]


def _step(some: torch.Tensor) -> tuple[float, str]:
    some = some[:_ROUNDED]
    for dtype in _NARROW:
        if torch.equal(some.to(dtype).to(some.dtype), some):
            return torch.finfo(dtype).eps, str(dtype).removeprefix("torch.")
    return torch.finfo(some.dtype).eps, ""


def deviate(level: float) -> float:
    """How many standard errors a normal estimate strays with a chance of ``level`` on both sides together."""
    return NormalDist().inv_cdf(1 - level / 2)


def tail(deviation: float) -> float:
    """The chance of a normal deviate beyond ``deviation`` on either side."""
    return math.erfc(abs(deviation) / math.sqrt(2))
