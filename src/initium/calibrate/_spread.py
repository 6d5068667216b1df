"""How the variance of an operation's output depends on a factor of its weight, and the factor that makes it right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.signal import rounding, unit_moments

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Spread:
    """Second moments of ``y + b``: y is linear in the weight, b (a bias) does not depend on it.

    Attributes:
        product: Variance of y.
        shared: Covariance of y and b.
        bias: Variance of b.
        largest: Largest magnitude of y; NaN or infinite where y is not finite.
        constant: True where y is one number.
        varies: False where y is the same for every sample and position of the batch.
    """

    product: float
    shared: float
    bias: float
    largest: float
    constant: bool
    varies: bool

    @property
    def std(self) -> float:
        """Standard deviation of ``y + b``."""
        return math.sqrt(max(self.product + 2 * self.shared + self.bias, 0.0))

    def factor(self, target: float) -> float | None:
        """The f > 0 with ``std(f * y + b) = target``; the larger of two, ``None`` where there is none.

        Formula:
            ``var(y) f^2 + 2 cov(y, b) f + var(b) - target^2 = 0``
        """
        missing = target**2 - self.bias
        under_root = self.shared**2 + self.product * missing
        if self.constant or under_root < 0:
            return None
        root = math.sqrt(under_root)
        # The form that does not subtract nearly equal numbers.
        found = missing / (self.shared + root) if self.shared > 0 else (root - self.shared) / self.product
        return found if found > 0 and math.isfinite(found) else None


def spread_of(product: Tensor, bias: Tensor | None, axis: int, terms: float) -> Spread:
    """Reads the moments off an operation's output without its bias, units along ``axis``, ``terms`` products summed."""
    moments = unit_moments(product, axis)
    scaled = moments.var.mean() + moments.mean.var(correction=0)
    added = torch.zeros(2, dtype=scaled.dtype, device=scaled.device) if bias is None else _beside(product, bias)
    figures = [moments.largest, scaled, moments.unit_std, moments.rms, *added]
    largest, relative, unit_std, rms, shared, spread = torch.stack(figures).tolist()
    noise = rounding(product.dtype, terms) * rms
    several = product.numel() > moments.mean.numel()
    return Spread(
        product=relative * largest**2,
        shared=shared,
        bias=spread,
        largest=largest,
        constant=math.sqrt(relative) * largest <= noise,
        varies=not several or unit_std > noise,
    )


def _beside(product: Tensor, bias: Tensor) -> Tensor:
    """Covariance of y and b, and the variance of b: over the axes on which b has elements, the mean of y is enough."""
    same = [axis for axis in range(bias.ndim) if bias.shape[axis] == 1]
    means = product.mean(same, keepdim=True) if same else product
    bias = bias.to(means.dtype)
    shared = ((means - means.mean()) * (bias - bias.mean())).mean()
    return torch.stack((shared, bias.var(correction=0)))
