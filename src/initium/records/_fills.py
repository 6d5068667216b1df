"""What a parameter is filled with: a closed set of kinds, taken apart with ``match``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from initium.errors import ArgumentError

# How many of many values are printed.
_SHOWN = 4


def _non_negative(value: float, what: str) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ArgumentError(f"{what} must be finite and >= 0; got {value!r}.")


@dataclass(frozen=True, slots=True)
class Constant:
    """Every element equal to ``value``; ``Constant(0.0)`` and ``Constant(1.0)`` are zeros and ones."""

    value: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ArgumentError(f"value must be finite; got {self.value!r}.")


@dataclass(frozen=True, slots=True)
class Normal:
    """Independent draws from N(0, std^2)."""

    std: float

    def __post_init__(self) -> None:
        _non_negative(self.std, "std")


@dataclass(frozen=True, slots=True)
class TruncatedNormal:
    """Draws from N(0, s^2) cut at ``cut * s`` on both sides, with s chosen so that the std after the cut is ``std``."""

    std: float
    cut: float = 2.0

    def __post_init__(self) -> None:
        _non_negative(self.std, "std")
        if not self.cut > 0:
            raise ArgumentError(f"cut must be > 0 (it counts standard deviations); got {self.cut!r}.")


@dataclass(frozen=True, slots=True)
class Uniform:
    """Independent draws from U(-bound, bound); the std is ``bound / sqrt(3)``."""

    bound: float

    def __post_init__(self) -> None:
        _non_negative(self.bound, "bound")


@dataclass(frozen=True, slots=True)
class Orthogonal:
    """Haar-distributed: ``gain`` times a matrix of orthonormal rows or columns, of the weight seen as (rows, rest)."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        _non_negative(self.gain, "gain")


@dataclass(frozen=True, slots=True)
class DeltaOrthogonal:
    """A convolution that is zero but for its middle tap (``size // 2``), where it is ``gain`` times orthonormal columns."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        _non_negative(self.gain, "gain")


@dataclass(frozen=True, slots=True)
class Identity:
    """``gain`` on the diagonal of a matrix, zero elsewhere."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        _non_negative(self.gain, "gain")


@dataclass(frozen=True, slots=True)
class Factor:
    r"""One side of a product that is drawn as one: ``alpha Z + beta I = U S V^T``, cut to ``rank`` for every head.

    Z is (d, d) with elements N(0, 1/d), one for every head, drawn under ``key`` and not under the parameter's name: both
    sides recompute the same product. The left side of a head is ``U_r S_r^(1/2)``, the right one ``V_r S_r^(1/2)``, each
    (d, rank); a parameter holds one after the other along ``axis``.

    Attributes:
        key: The name that both sides draw by.
        side: ``left`` or ``right``.
        alpha: What the noise is multiplied by, > 0.
        beta: What is on the diagonal; of any sign.
        rank: Units of a head.
        start: The unit at which what is filled begins, counted over all heads.
        axis: The axis of units, 0 or 1.
    """

    key: str
    side: str
    alpha: float
    beta: float
    rank: int
    start: int = 0
    axis: int = 0

    def __post_init__(self) -> None:
        if not self.key or self.side not in {"left", "right"}:
            raise ArgumentError(f"a factor needs a key, and is left or right; got {self.key!r}, {self.side!r}.")
        if not (math.isfinite(self.alpha) and self.alpha > 0 and math.isfinite(self.beta)):
            raise ArgumentError(f"alpha must be > 0, and both finite; got alpha {self.alpha!r}, beta {self.beta!r}.")
        counts = (self.rank, self.start, self.axis)
        if (
            any(type(count) is not int for count in counts)
            or self.rank < 1
            or self.start < 0
            or self.axis not in {0, 1}
        ):
            raise ArgumentError(f"rank counts units (>= 1), start too (>= 0), axis is 0 or 1; got {counts}.")


@dataclass(frozen=True, slots=True)
class Values:
    """These values, in the order of the elements; printed, the first few."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        wrong = [value for value in self.values if not math.isfinite(value)]
        if wrong or not self.values:
            raise ArgumentError(f"values are one or more finite numbers; got {wrong[0] if wrong else 'none'!r}.")

    def __repr__(self) -> str:
        some = ", ".join(f"{value:.6g}" for value in self.values[:_SHOWN])
        more = f", ... {len(self.values)} in all" if len(self.values) > _SHOWN else ""
        return f"Values({some}{more})"


@dataclass(frozen=True, slots=True)
class Keep:
    """The values stay as they are; the plan says why."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Several matrices stored as one parameter: ``parts`` equal blocks along ``axis``, each filled as its own."""

    axis: int
    parts: int
    each: Fill

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise ArgumentError(f"parts must be >= 1; got {self.parts!r}.")


@dataclass(frozen=True, slots=True)
class Blocks:
    """Equal blocks along ``axis``, each with a fill of its own: the gates of a bias, of which one starts at 1."""

    axis: int
    fills: tuple[Fill, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "fills", tuple(self.fills))
        if not self.fills:
            raise ArgumentError("fills must hold one or more fills, one a block; got none.")


Fill = (
    Constant
    | Normal
    | TruncatedNormal
    | Uniform
    | Orthogonal
    | DeltaOrthogonal
    | Identity
    | Factor
    | Values
    | Keep
    | Packed
    | Blocks
)
