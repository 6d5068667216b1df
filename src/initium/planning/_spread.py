"""The std that a fill is expected to have: exact, but for one side of a product, where it is the limit of great width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, assert_never

from initium.planning._blocks import block_shape
from initium.planning._factor import factor_std
from initium.records import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)
from initium.signal import Law

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records import Fill


def expected_std(fill: Fill, shape: tuple[int, ...]) -> float | None:  # noqa: C901, PLR0911 - one a kind of fill
    r"""The standard deviation of an element of a fill.

    Normal: $\sigma$. Uniform: $b / \sqrt{3}$. Orthogonal: $\text{gain} / \sqrt{\max(\text{rows}, \text{columns})}$, the
    root mean square of its elements, for the matrix (rows, rest); so an identity's. Delta-orthogonal:
    $\text{gain} / \sqrt{\text{out} \cdot \text{taps}}$, likewise. One side of a product: the root mean square of its elements
    at great width, see :func:`~initium.planning._factor.factor_std`. Constant: 0. Values, and blocks of different fills: the
    std of all elements about their common mean.

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
        case Orthogonal(gain) | Identity(gain):
            return gain / math.sqrt(max(shape[0], math.prod(shape[1:])))
        case DeltaOrthogonal(gain):
            return gain / math.sqrt(shape[0] * math.prod(shape[2:]))
        case Factor(alpha=alpha, beta=beta, rank=rank):
            return factor_std(alpha, beta, rank, shape[1 - fill.axis])
        case Values(values):
            return _about(values, [0.0] * len(values))
        case Packed():
            return expected_std(fill.each, block_shape(shape, fill))
        case Blocks():
            each = [expected_std(one, block_shape(shape, fill)) for one in fill.fills]
            stds = [std for std in each if std is not None]
            return _about([_mean(one) for one in fill.fills], stds) if len(stds) == len(each) else None
        case _:
            assert_never(fill)


def law_of_fill(fill: Fill, shape: tuple[int, ...]) -> Law | None:
    """Mean and std of an element of a fill; ``None`` for what is kept."""
    std = expected_std(fill, shape)
    return None if std is None else Law(_mean(fill), std)


def _about(means: Sequence[float], stds: Sequence[float]) -> float:
    """The std of a mixture of equal shares."""
    centre = _centre(means)
    return math.hypot(*(mean - centre for mean in means), *stds) / math.sqrt(len(means))


def _centre(values: Sequence[float]) -> float:
    """Their mean, of equal ones exactly; each is divided first, so that large ones do not overflow."""
    first, count = values[0], len(values)
    return first + sum(value / count - first / count for value in values)


def _mean(fill: Fill) -> float:
    match fill:
        case Constant(value):
            return value
        case Values(values):
            return _centre(values)
        case Packed():
            return _mean(fill.each)
        case Blocks():
            return _centre([_mean(each) for each in fill.fills])
        case _:
            return 0.0
