"""Naming a function by its values: the same numbers on a grid are the same activation."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import torch
from torch import Tensor

from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains._activation import Activation
from initium.gains._apart import apart
from initium.gains._callable import admit, grid
from initium.gains._describe import identify
from initium.gains._evaluate import differentiate
from initium.gains._law import TensorMap
from initium.gains._table import ACTIVATIONS

# A float64 function is known to 4e-11, a float32 one to 2e-5: well above rounding,
# well below the distance between any two rows (GELU and its tanh form differ by 5e-4).
_POWER = 2 / 3
# Constants such as sqrt(2 / pi) are written into models with eight digits: 0.79788456.
_PRINTED = 1e-7
_COARSEST = float(torch.finfo(torch.float32).eps)
# Digits of a parameter that is read from values: what rounding leaves. A scale and a shift come from small numbers alone,
# and are compared where they cancel, far below their own size.
_DIGITS = {"linear": 14}
_USUAL = 12


@apart()
def recognise(function: Callable[..., Tensor]) -> Activation | None:
    """The activation that a function is, judged by its values.

    Compared on a fixed grid with every row of the table at its default parameters, and with the linear, leaky ReLU, ELU,
    CELU, hardtanh, softplus, softshrink, sine and cosine rows at the parameters that the values imply. An affine function is `linear` with its
    scale and shift.

    Args:
        function: A function from a tensor to one of the same shape, such as a piece of a traced graph.

    Returns:
        The `Activation`, or None when the function is none of them, is random, is not elementwise, or computes in less
        than float32. Agreement is to eps^(2/3) of the function's own precision (4e-11 in float64, 2e-5 in
        float32), and to 1e-7 where a row has no parameter to fit, so that a constant printed with eight digits will do.

    Example:
        >>> from initium.gains import recognise
        >>> import torch
        >>> str(recognise(lambda x: x * torch.sigmoid(1.702 * x)))
        'quick_gelu'
        >>> str(recognise(lambda x: torch.where(x > 0, x, 0.3 * x)))
        'leaky_relu(0.3)'
        >>> recognise(lambda x: x**5) is None
        True
    """
    try:
        found = identify(function, {})
        if isinstance(found, Activation):
            return found
        law, precision = admit(found)
    except (ArgumentError, ArgumentTypeError):
        return None
    return _match(law.function, precision) if law.sloped and precision <= _COARSEST else None


def _match(function: TensorMap, precision: float) -> Activation | None:
    """The first row, plain or fitted, whose values and slopes agree."""
    points = grid()
    found = _read(function, points)
    slack = precision**_POWER
    for activation, expected in _plain():
        if _agree(found, expected, points, max(slack, _PRINTED)):
            return activation
    with torch.no_grad():
        for activation in _fitted(lambda x: float(function(torch.tensor([x], dtype=torch.float64, device="cpu")))):
            if _agree(found, _read(activation.function, points), points, slack):
                return activation
    return None


def _read(function: TensorMap, points: Tensor) -> tuple[Tensor, Tensor]:
    """The values and slopes on the grid; where autograd has no slope of steps, 0."""
    values, slopes = differentiate(function, points)
    return values.double(), torch.zeros_like(points) if slopes is None else slopes.double()


def _agree(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], points: Tensor, slack: float) -> bool:
    """Whether both are the same, relative to what they are made of: a straight-through step is no step."""
    scale = 1 + points.abs() + found[0].abs()
    values = (found[0] - expected[0]).abs() <= slack * scale
    # Some of torch's own derivatives (CELU's, hardsigmoid's) have no more digits than float32's.
    slopes = (found[1] - expected[1]).abs() <= max(slack, _PRINTED) * scale * (1 + found[1].abs())
    return bool((values & slopes).all())


@lru_cache(maxsize=1)
def _plain() -> tuple[tuple[Activation, tuple[Tensor, Tensor]], ...]:
    """Every row that is one function of one number and needs no parameter, with what it is on the grid."""
    ready = [name for name, row in ACTIVATIONS.items() if all(d is not None for _, d in row.parameters)]
    known: list[tuple[Activation, tuple[Tensor, Tensor]]] = []
    for activation in map(Activation, ready):
        try:
            known.append((activation, _read(activation.function, grid())))
        except ArgumentError:
            continue
    return tuple(known)


def _fitted(at: Callable[[float], float]) -> Iterator[Activation]:
    """Rows at the parameters that single values of the function imply; impossible ones are left out."""
    far = 1e4
    zero = at(0.0)
    guesses: tuple[tuple[str, Callable[[], dict[str, float]]], ...] = (
        ("linear", lambda: {"scale": at(1.0) - zero, "shift": zero}),
        ("leaky_relu", lambda: {"negative_slope": -at(-1.0)}),
        ("elu", lambda: {"alpha": at(-1.0) / math.expm1(-1.0)}),
        ("celu", lambda: {"alpha": -at(-far)}),
        ("hardtanh", lambda: {"min_val": at(-far), "max_val": at(far)}),
        ("softplus", lambda: {"beta": math.log(2) / zero}),
        ("softshrink", lambda: {"lambd": far - at(far)}),
        ("sin", lambda: {"frequency": math.asin(at(1e-3)) / 1e-3}),
        ("cos", lambda: {"frequency": math.acos(at(1e-3)) / 1e-3}),
    )
    for name, guess in guesses:
        try:
            rounded = {key: float(f"{value:.{_DIGITS.get(name, _USUAL)}g}") for key, value in guess().items()}
            yield Activation(name, tuple(rounded.items()))
        except (ArgumentError, ArithmeticError, ValueError):
            continue
