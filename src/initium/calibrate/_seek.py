"""A secant on logarithms: how a figure follows a factor that it may be made of many times over."""

from __future__ import annotations

_FAR, _LARGEST_STEP = 2.5, 4.0


class Seeking:
    """The factor at which a figure is at its target, where the figure grows with the factor, and it with any power.

    Args:
        uses: How often the factor may enter at most.
        alone: True where nothing else changes between two tries, so that what was off to either side still is.
    """

    def __init__(self, uses: int, *, alone: bool) -> None:
        self._uses, self._alone = uses, alone
        self._heard: list[tuple[float, float]] = []

    def hear(self, place: float, off: float) -> None:
        """What a factor gave: logarithms of the factor, and of the figure over its target."""
        self._heard.append((place, off))

    @property
    def next(self) -> float:
        """The logarithm of the factor to try: between two that are off to either side, where there are such."""
        place, off = self._heard[-1]
        slope = 1.0 if off < _FAR else float(self._uses)
        if len(self._heard) > 1:
            before, was = self._heard[-2]
            if place != before:
                slope = min(max((off - was) / (place - before), 0.5), 2.0 * self._uses)
        tried = place - min(max(off / slope, -_LARGEST_STEP), _LARGEST_STEP)
        if not self._alone:
            return tried
        low = max((x for x, y in self._heard if y < 0), default=-float("inf"))
        high = min((x for x, y in self._heard if y > 0), default=float("inf"))
        return tried if low < tried < high or low >= high else (low + high) / 2
