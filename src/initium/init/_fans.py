"""How many inputs sum into one output, and how many outputs one input reaches."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from torch import nn

from initium import checks
from initium.errors import ArgumentError, ArgumentTypeError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator

Layout = Literal["linear", "in_out", "conv", "conv_transpose"]
LAYOUTS: tuple[Layout, ...] = ("linear", "in_out", "conv", "conv_transpose")
MATRIX_AXES = 2


@dataclass(frozen=True, slots=True)
class Fans:
    """The two counts that a fan-scaled law divides by.

    Args:
        fan_in: Inputs summed into one output, >= 0.
        fan_out: Outputs that one input reaches, what the gradient sums over, >= 0. A stride can make either a
            fraction: an average over positions.

    Raises:
        ArgumentError: A count that is negative, NaN or infinite.

    Example:
        >>> from initium.init import Fans
        >>> Fans(64, 128)
        Fans(fan_in=64, fan_out=128)
    """

    fan_in: float
    fan_out: float

    def __iter__(self) -> Iterator[float]:
        """Unpacks as ``fan_in, fan_out = fans(weight)``."""
        return iter((self.fan_in, self.fan_out))

    def __post_init__(self) -> None:
        for name in ("fan_in", "fan_out"):
            object.__setattr__(self, name, _count(getattr(self, name), name))


def _count(value: Any, name: str) -> float:  # noqa: ANN401  checked here
    """A finite number >= 0; an integer stays one."""
    count = checks.real(value, name)
    if not (math.isfinite(count) and count >= 0):
        raise ArgumentError(f"{name} counts connections: finite and >= 0; got {count!r}.")
    plain: Any = checks.scalar(value, name)
    return operator.index(plain) if hasattr(plain, "__index__") else count


def fans(
    weight: torch.Tensor | Sequence[int] | nn.Module,
    *,
    layout: Layout | None = None,
    groups: int = 1,
    stride: int | Sequence[int] = 1,
    parts: int = 1,
    batch_axes: int = 0,
) -> Fans:
    r"""The true fans of a weight, for the operation that uses it.

    With K the product of the kernel's sizes and S of the strides, of ONE of the packed matrices:

    - ``linear`` (parts * out, in): in, out
    - ``in_out`` (in, parts * out): in, out
    - ``conv`` (parts * out, in/groups, \*kernel): (in/groups) K, (out/groups) K / S
    - ``conv_transpose`` (in, parts * out/groups, \*kernel): (in/groups) K / S, (out/groups) K

    Args:
        weight: The weight, its shape, or the layer that holds it: a linear, bilinear, convolution, transposed
            convolution, embedding or attention module says its own layout, groups, stride and parts.
        layout: The operation's layout; a shape alone does not tell. Without one a matrix is ``linear`` and a shape with
            more axes is ``conv``, as torch reads them.
        groups: Of a convolution.
        stride: Of a convolution: one number, or one a kernel axis.
        parts: How many matrices are packed along the output axis (3 for query, key and value, 4 for an LSTM's gates).
        batch_axes: How many leading axes count matrices (1 for a stack of experts).

    Returns:
        The fans of one matrix.

    Raises:
        ArgumentError: A vector, kernel axes in a linear layout, or groups, parts or strides that do not fit the shape;
            a layer that says its own, together with an argument that says it again.
        ArgumentTypeError: A layer with no one weight, such as a recurrent network; what is no weight, shape or layer; a
            count that is no integer.
        UnknownNameError: No layout has that name.

    Example:
        >>> import torch
        >>> from initium.init import fans
        >>> fans((64, 128, 4, 4), layout="conv_transpose", stride=2)
        Fans(fan_in=256, fan_out=2048)
        >>> fans((3 * 64, 64), parts=3)
        Fans(fan_in=64, fan_out=64)
        >>> fan_in, fan_out = fans(torch.nn.Conv2d(64, 64, 3, groups=64))
        >>> fan_in, fan_out
        (9, 9)

    Reference:
        He et al. (2015), eqs. (10) and (14), for a convolution of stride 1 in one group.

    Deviation:
        torch's rule takes ``shape[1] * K`` and ``shape[0] * K`` whatever the operation: wrong for groups, transposed
        convolution, strides, packed weights and stacks.
    """
    groups, parts, stride = checks.integer(groups, "groups"), checks.integer(parts, "parts"), _steps(stride)
    batch_axes = checks.integer(batch_axes, "batch_axes")
    if isinstance(weight, nn.Module):
        if (layout, groups, stride, parts, batch_axes) != (None, 1, 1, 1, 0):
            raise ArgumentError(
                f"{weight} says its layout, groups, stride and parts itself: pass it alone, or its weight."
            )
        return of_layer(weight)
    shape = _shape(weight, batch_axes)
    layout = ("linear" if len(shape) == MATRIX_AXES else "conv") if layout is None else layout
    if not isinstance(layout, str) or layout not in LAYOUTS:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UnknownNameError(f"no layout is called {layout!r}; the known ones are {', '.join(LAYOUTS)}.")
    kernel, strides = _kernel(shape, layout, groups, stride)
    first, second, (taps, steps) = shape[0], shape[1], (math.prod(kernel), math.prod(strides))
    match layout:
        case "linear" | "conv":
            return Fans(second * taps, _exact(_share(first, groups * parts, "out") * taps, steps))
        case "in_out":
            return Fans(first, _share(second, parts, "out"))
        case "conv_transpose":
            return Fans(_exact(_share(first, groups, "in") * taps, steps), _share(second, parts, "out / groups") * taps)


def of_layer(layer: nn.Module) -> Fans:
    """The fans of a layer's weight, from what the layer says of itself."""
    checks.made(getattr(layer, "weight", None))
    match layer:
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            return fans(layer.weight, layout="conv", groups=layer.groups, stride=layer.stride)
        case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            return fans(layer.weight, layout="conv_transpose", groups=layer.groups, stride=layer.stride)
        case nn.MultiheadAttention() if layer.in_proj_weight is not None:  # pyright: ignore[reportUnnecessaryComparison]
            return fans(layer.in_proj_weight, parts=3)
        case nn.Embedding() | nn.EmbeddingBag():
            return Fans(1, layer.embedding_dim)
        case nn.Bilinear():
            return Fans(layer.in1_features * layer.in2_features, layer.out_features)
        case nn.Linear():
            return fans(layer.weight)
        case _:
            raise ArgumentTypeError(
                f"{type(layer).__name__} has no one weight whose use is known: pass the weight with its layout, and "
                "parts= for packed matrices (4 for an LSTM's gates, 3 for a GRU's)."
            )


def torch_fans(tensor: torch.Tensor) -> Fans:
    """The fans by torch's rule, which reads any shape as (out, in, *kernel)."""
    shape = _shape(tensor, 0)
    # A std is a number: a symbolic trace is of the sizes at hand from here on.
    return _by_torch(shape if all(type(size) is int for size in shape) else tuple(map(int, shape)))


@lru_cache(maxsize=256)
def _by_torch(shape: tuple[int, ...]) -> Fans:
    out, inputs, *kernel = shape
    return Fans(inputs * math.prod(kernel), out * math.prod(kernel))


def calculate_fan_in_and_fan_out(tensor: torch.Tensor) -> tuple[float, float]:
    """What torch's own layers reach as ``init._calculate_fan_in_and_fan_out``, and whoever copied them."""
    fan_in, fan_out = torch_fans(tensor)
    return fan_in, fan_out


def calculate_correct_fan(tensor: torch.Tensor, mode: str) -> float:
    """The same for ``init._calculate_correct_fan``."""
    return fan_of(torch_fans(tensor), mode, ("fan_in", "fan_out"))


def _shape(given: torch.Tensor | Sequence[int], batch_axes: int) -> tuple[int, ...]:
    """The shape of one matrix; a vector has no fans."""
    whole = tuple(checks.one_shape(checks.tensor(given)).shape) if isinstance(given, torch.Tensor) else _sizes(given)
    if batch_axes < 0:
        raise ArgumentError(f"batch_axes counts leading axes, so it is >= 0; got {batch_axes}.")
    if len(whole) - batch_axes < MATRIX_AXES:
        after = f" after {batch_axes} batch axes" if batch_axes else ""
        raise ArgumentError(
            f"fans need 2 or more axes (out, in, *kernel){after}; the tensor has shape {whole}. "
            "For a bias use `zeros_`, or pass `fans=Fans(fan_in, fan_out)`."
        )
    return whole[batch_axes:]


def _sizes(given: object) -> tuple[int, ...]:
    """A shape that was given as such."""
    if not _several(given):
        raise ArgumentTypeError(
            f"fans are those of a weight, its shape (out, in, *kernel) or its layer; got {given!r} of type "
            f"{type(given).__name__}."
        )
    return tuple(checks.integer(size, "a size in a shape", least=0) for size in cast("Sequence[int]", given))


def _steps(stride: object) -> int | tuple[int, ...]:
    """A stride as it is given to a convolution: one number, or one an axis."""
    if _several(stride):
        return tuple(checks.integer(each, "a stride") for each in cast("Sequence[int]", stride))
    return checks.integer(stride, "stride")


def _several(given: object) -> bool:
    """Whether these are numbers in an order."""
    ordered = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    return ordered or (isinstance(given, np.ndarray | torch.Tensor) and given.ndim == 1)


def _kernel(
    shape: tuple[int, ...], layout: Layout, groups: int, stride: int | tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The kernel's sizes and the stride along each."""
    kernel = shape[2:]
    if layout in {"linear", "in_out"} and (kernel or groups != 1 or stride != 1):
        raise ArgumentError(
            f"layout {layout!r} is a matrix of 2 axes, with no groups and no stride; got shape {shape}, groups {groups}, "
            f"stride {stride}. Say `layout='conv'` or 'conv_transpose', or count leading axes by `batch_axes=`."
        )
    strides = (stride,) * len(kernel) if isinstance(stride, int) else stride
    if len(strides) != len(kernel) or any(each < 1 for each in strides):
        raise ArgumentError(f"stride is one number >= 1, or one for each of {len(kernel)} kernel axes; got {stride!r}.")
    return kernel, strides


def _share(size: int, among: int, what: str) -> int:
    if among < 1 or size % among:
        raise ArgumentError(f"the {what} axis of size {size} does not split into {among} (groups and parts together).")
    return size // among


def _exact(count: int, steps: int) -> float:
    """An integer where the division leaves nothing."""
    return count // steps if count % steps == 0 else count / steps


def chosen(tensor: torch.Tensor, given: Fans | None) -> Fans:
    """The fans that were passed, else torch's."""
    if given is None:
        return torch_fans(tensor)
    if not isinstance(given, Fans):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(f"fans= takes `Fans(fan_in, fan_out)` or what `fans(...)` gives; got {given!r}.")
    return given


def fan_of(of: Fans, mode: str, known: Sequence[str]) -> float:
    """The fan of a mode."""
    key = mode.lower() if isinstance(mode, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if key is None or key not in known:
        raise UnknownNameError(f"no mode is called {mode!r}; the known ones are {', '.join(known)}.")
    return _modes(of)[key]


def one_fan(of: Fans, mode: str, known: Sequence[str]) -> float:
    """The fan of a mode, > 0."""
    fan = fan_of(of, mode, known)
    if not fan > 0:
        raise ArgumentError(f"{mode} must be > 0 to divide by; got {of}.")
    return fan


def _modes(of: Fans) -> dict[str, float]:
    return {
        "fan_in": of.fan_in,
        "fan_out": of.fan_out,
        "fan_avg": (of.fan_in + of.fan_out) / 2,
        "fan_geo_avg": math.sqrt(of.fan_in * of.fan_out),
    }
