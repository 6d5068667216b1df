"""The std that a fill is expected to have: exact."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, assert_never

from initium.planning._blocks import block_shape
from initium.records import Constant, Keep, Normal, Orthogonal, Packed, TruncatedNormal, Uniform
from initium.signal import Law

if TYPE_CHECKING:
    from initium.records import Fill


def expected_std(fill: Fill, shape: tuple[int, ...]) -> float | None:
    r"""The standard deviation of an element of a fill.

    Normal: $\sigma$. Uniform: $b / \sqrt{3}$. Orthogonal: $\text{gain} / \sqrt{\max(\text{rows}, \text{columns})}$, the
    root mean square of its elements, for the matrix (rows, rest). Constant: 0.

    Args:
        fill: The fill.
        shape: The parameter's shape.

    Returns:
        The std; ``None`` for what is kept.

    Example:
        >>> from initium.records import Orthogonal
        >>> expected_std(Orthogonal(2.0), (4, 16))
        0.5

    Reference:
        For the orthogonal law: Q^T Q = I has trace k = min(rows, columns), spread over rows * columns elements.
    """
    match fill:
        case Keep():
            return None
        case Constant():
            return 0.0
        case Normal(std) | TruncatedNormal(std):
            return std
        case Uniform(bound):
            return bound / math.sqrt(3)
        case Orthogonal(gain):
            return gain / math.sqrt(max(shape[0], math.prod(shape[1:])))
        case Packed():
            return expected_std(fill.each, block_shape(shape, fill))
        case _:
            assert_never(fill)


def law_of_fill(fill: Fill, shape: tuple[int, ...]) -> Law | None:
    """Mean and std of an element of a fill; ``None`` for what is kept."""
    std = expected_std(fill, shape)
    return None if std is None else Law(fill.value if isinstance(fill, Constant) else 0.0, std)
