"""torch's table of gains, folklore and all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium import checks
from initium.errors import UnknownNameError

if TYPE_CHECKING:
    from typing import SupportsFloat

LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
)
TORCH_GAINS = {**dict.fromkeys((*LINEAR, "sigmoid"), 1.0), "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
DEFAULT_SLOPE = 0.01


def calculate_gain(nonlinearity: str, param: SupportsFloat | None = None) -> float:
    r"""The gain that torch recommends for an activation, kept for compatibility.

    1 for linear, convolutions and sigmoid; 5/3 for tanh; ``sqrt(2)`` for relu; ``sqrt(2 / (1 + param^2))`` for
    leaky_relu; 3/4 for selu.

    Args:
        nonlinearity: ``linear``, ``conv1d`` to ``conv3d``, ``conv_transpose1d`` to ``conv_transpose3d``, ``sigmoid``,
            ``tanh``, ``relu``, ``leaky_relu`` or ``selu``.
        param: The negative slope of leaky_relu (0.01 if None); numpy's scalars are welcome. No other name uses it.

    Returns:
        The gain.

    Raises:
        UnknownNameError: torch's table does not have the name.
        ArgumentTypeError: The slope is no number, or a truth value.
        ArgumentError: The slope is NaN or infinite.

    Example:
        >>> from initium.gains import gain
        >>> from initium.init import calculate_gain
        >>> calculate_gain("selu"), gain("selu")
        (0.75, 1.0000000000000002)

    Reference:
        He et al. (2015), eqs. (10) and (15), for relu and leaky_relu; the values for tanh, selu and sigmoid are folklore.

    Deviation:
        ``initium.gains.gain`` is the truth: 1.59254 for tanh, 1 for selu, and any other activation.
    """
    name = nonlinearity if isinstance(nonlinearity, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if name in TORCH_GAINS:
        return TORCH_GAINS[name]
    if name == "leaky_relu":
        slope = DEFAULT_SLOPE if param is None else checks.finite(param, "negative_slope")
        return math.sqrt(2.0 / (1 + slope**2))
    raise UnknownNameError(
        f"torch's table has no {nonlinearity!r}; it knows {', '.join((*TORCH_GAINS, 'leaky_relu'))}. "
        "For any activation's exact gain use `initium.gains.gain`, and for its fill `he_normal_` or `he_uniform_`."
    )
