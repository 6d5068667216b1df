"""Values and derivatives of a function of tensors at many points, in double precision on the CPU."""

import numpy as np
import torch
from torch import Tensor

from initium.errors import ArgumentError
from initium.gains._law import Elementwise, TensorMap
from initium.gains._quadrature import Floats


def evaluate(law: Elementwise, x: Floats) -> tuple[Floats, Floats]:
    """phi(x) and phi'(x); a value that is not finite is refused, and the point is named."""
    points = torch.from_numpy(np.ascontiguousarray(x))
    if law.derivative is None:
        values, slopes = differentiate(law.function, points)
        slopes = torch.zeros_like(points) if slopes is None else slopes
    else:
        values, slopes = law.function(points), law.derivative(points)
    return _finite(values, x, "value"), _finite(slopes, x, "derivative")


def differentiate(function: TensorMap, points: Tensor) -> tuple[Tensor, Tensor | None]:
    """The values and autograd's derivative; None where autograd has none."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = points.clone().requires_grad_()
        # A function may work in place, which a leaf does not allow.
        values = function(leaf.clone())
        return values.detach(), _slopes(values, leaf)


def _slopes(values: Tensor, leaf: Tensor) -> Tensor | None:
    """The derivative, None without a graph or where the graph cannot be walked back."""
    if not values.requires_grad:
        return None
    try:
        (slopes,) = torch.autograd.grad(values.sum(), leaf, allow_unused=True)
    except Exception:  # noqa: BLE001  a backward of the user's own may raise anything
        return None
    return None if slopes is None else slopes.detach()  # pyright: ignore[reportUnnecessaryComparison]  torch's stub knows no allow_unused


def _finite(numbers: Tensor, x: Floats, what: str) -> Floats:
    """The numbers as an array, all of them finite."""
    array = np.asarray(numbers.to(torch.float64).numpy(), dtype=np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        worst = x[bad][np.abs(x[bad]).argmin()]
        message = (
            f"moments need a function that is finite on the real line; its {what} at x = {worst:.6g} is"
            f" {array[x == worst][0]}. Clamp its argument, or pass a smaller variance."
        )
        raise ArgumentError(message)
    return array
