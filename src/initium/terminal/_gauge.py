"""A share as a bar on a straight scale."""

from __future__ import annotations

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def gauge(share: float, width: int, *, ascii_only: bool = False) -> str:
    """A share between 0 and 1 as a bar.

    Args:
        share: The share; what is not a number has no bar.
        width: Columns of a share of 1.
        ascii_only: True for ``#`` in place of blocks.

    Returns:
        The bar, filled with spaces to the width.

    Example:
        >>> gauge(0.5, 4)
        '██  '
    """
    eighths = round(8 * width * min(1.0, max(0.0, share))) if share == share else 0  # noqa: PLR0124 - NaN is not itself
    if ascii_only:
        return ("#" * round(eighths / 8)).ljust(width)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()).ljust(width)
