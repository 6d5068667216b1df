"""The one number that most callers want, and whether it survives depth."""

from typing import Any

from initium.checks import truth
from initium.gains._activation import Activation
from initium.gains._apart import apart
from initium.gains._callable import admit
from initium.gains._describe import Nonlinearity, identify
from initium.gains._integrals import growth
from initium.gains._moments import moments

_EPS = 2.0**-52
# Of the activations that networks are made of, none multiplies the gradient's second moment by more than 1.6.
_STEEP = 4.0
_SMALL = 1e-8


def gain(activation: Nonlinearity, *, backward: bool = False, **parameters: Any) -> float:
    r"""The factor on a weight's std that keeps the second moment through a layer and its activation.

    $$g = 1 / \sqrt{E[\phi(z)^2]}, \qquad g_{backward} = 1 / \sqrt{E[\phi'(z)^2]}, \qquad z \sim N(0, 1)$$

    Args:
        activation: Whatever `moments` takes.
        backward: Keep the gradient's second moment instead of the signal's.
        **parameters: The activation's own, such as `negative_slope=0.2`.

    Returns:
        The gain.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: See `moments`; also when the second moment is 0 (the derivative of a step), so that no gain exists.
        ArgumentTypeError: See `moments`.

    Example:
        >>> from initium.gains import gain
        >>> round(gain("tanh"), 5)
        1.59254
        >>> round(gain("tanh", backward=True), 5)
        1.46741
        >>> gain("linear")
        1.0

    Reference:
        He, Zhang, Ren & Sun, "Delving Deep into Rectifiers" (ICCV 2015), eqs. 10 and 14.

    Deviation:
        torch's `calculate_gain` has 5/3 for tanh, 3/4 for SELU and 1 for sigmoid; none keeps a second moment.
    """
    gradient, found = truth(backward, "backward"), moments(activation, **parameters)
    return found.backward_gain if gradient else found.gain


def small_signal_gain(activation: Nonlinearity, **parameters: Any) -> float | None:
    r"""The gain of a steep activation for signals small enough for its slope at 0; ``None`` for one that is not steep.

    $$g_0 = 1 / |\phi'(0)| \quad \text{where} \quad E[\phi'(z)^2] / E[\phi(z)^2] > 4$$

    sin(30 x) has as much output at any gain above 1/30, and a slope of 30: its exact gain, sqrt(2), makes the gradient 21
    times larger at every layer. The gain of small signals keeps both.

    Args:
        activation: Whatever `moments` takes.
        **parameters: The activation's own.

    Returns:
        The gain, or ``None``.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: See `moments`.
        ArgumentTypeError: See `moments`.

    Example:
        >>> import torch
        >>> from initium.gains import small_signal_gain
        >>> round(small_signal_gain(lambda x: torch.sin(30 * x)), 4)
        0.0333
        >>> small_signal_gain("relu") is None
        True

    Reference:
        Sitzmann et al. (2020), section 3.2, whose own weights have sqrt(2) times that gain.
    """
    found = moments(activation, **parameters)
    if found.gain**2 * found.slope_second <= _STEEP:
        return None
    return moments(activation, variance=_SMALL, **parameters).backward_gain


@apart()
def variance_slope(activation: Nonlinearity, **parameters: Any) -> float:
    r"""The slope at q = 1 of the map from one layer's second moment to the next, when the gain is the forward gain.

    $$\frac{d}{dq}\, g^2\, E[\phi(\sqrt{q}\, z)^2] \Big|_{q=1} = \frac{E[\phi(z)^2 (z^2 - 1)]}{2\, E[\phi(z)^2]}$$

    q = 1 is a fixed point of that map. Below 1 (tanh) a deviation dies out with depth; above 1 (GELU, SiLU, Mish) it
    grows by this factor a layer, and a gain alone cannot hold a deep network.

    Args:
        activation: Whatever `moments` takes.
        **parameters: The activation's own.

    Returns:
        The slope; 1 for every activation with phi(c x) = c phi(x), c > 0.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: See `moments`.
        ArgumentTypeError: See `moments`.

    Example:
        >>> from initium.gains import variance_slope
        >>> round(variance_slope("tanh"), 3), round(variance_slope("gelu"), 3)
        (0.461, 1.144)

    Reference:
        Poole, Lahiri, Raghu, Sohl-Dickstein & Ganguli, "Exponential expressivity in deep neural networks through
        transient chaos" (NeurIPS 2016), eq. 3, for the map; differentiated under the integral.
    """
    found = identify(activation, parameters)
    if isinstance(found, Activation):
        return growth(found.law, _EPS)
    return growth(*admit(found))
