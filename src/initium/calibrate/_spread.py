"""How the variance of an operation's output depends on a factor of its weight, and the factor that makes it right."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Second moments of ``y + b``: y is linear in the weight, b (a bias) does not depend on it.

    About the mean, about the unit's own mean, or about zero, as the statistic has it.

    Attributes:
        product: That of y.
        shared: That of y and b.
        bias: That of b.
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
        return self.at(1.0)

    def at(self, factor: float) -> float:
        """Standard deviation of ``f y + b``."""
        return math.sqrt(max(factor**2 * self.product + 2 * factor * self.shared + self.bias, 0.0))

    def factor(self, target: float) -> float | None:
        """The f > 0 with ``std(f * y + b) = target``; the larger of two, ``None`` where there is none.

        Formula:
            ``var(y) f^2 + 2 cov(y, b) f + var(b) - target^2 = 0``
        """
        missing = target**2 - self.bias
        under_root = self.shared**2 + self.product * missing
        if self.constant or self.product <= 0 or under_root < 0:
            return None
        root = math.sqrt(under_root)
        # The form that does not subtract nearly equal numbers.
        found = missing / (self.shared + root) if self.shared > 0 else (root - self.shared) / self.product
        return found if found > 0 and math.isfinite(found) else None
