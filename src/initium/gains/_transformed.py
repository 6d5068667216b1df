"""Activations that are transformed so that a deep network's kernel keeps its shape."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from initium.checks import counted, finite, integer, scale
from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains._activation import Activation
from initium.gains._apart import apart
from initium.gains._callable import admit, name_of
from initium.gains._describe import Nonlinearity, identify
from initium.gains._law import Elementwise, TensorMap
from initium.gains._shaped import Kernel, bent, kernel, leaky_slope, solved

_RECTIFIERS = {"relu": 0.0, "leaky_relu": None}
_DEEPEST = 100_000


class Transformed(nn.Module):
    r"""An activation between two affine maps: $\hat\phi(x) = \gamma (\phi(\alpha x + \beta) + \delta)$.

    Attributes:
        activation: $\phi$: an :class:`~initium.gains.Activation`, or the function that was given.
        alpha: $\alpha$.
        beta: $\beta$.
        gamma: $\gamma$.
        delta: $\delta$.

    Raises:
        ArgumentError: A constant that is not finite.
        ArgumentTypeError: A constant that is no number, or an activation that cannot be called.

    Example:
        >>> import torch
        >>> from initium.gains import Activation, Transformed
        >>> Transformed(Activation("relu"), 1.0, 0.0, 2.0, -0.5)(torch.tensor([-1.0, 3.0]))
        tensor([-1.,  5.])
    """

    def __init__(
        self, activation: Activation | TensorMap, alpha: float, beta: float, gamma: float, delta: float
    ) -> None:
        super().__init__()
        if not isinstance(activation, Activation) and not callable(activation):
            raise ArgumentTypeError(
                f"activation must be an Activation or a function of a tensor; got {activation!r} of type "
                f"{type(activation).__name__}. Write Activation(name) for one that has a name."
            )
        self.activation = activation
        self.alpha, self.beta = finite(alpha, "alpha"), finite(beta, "beta")
        self.gamma, self.delta = finite(gamma, "gamma"), finite(delta, "delta")

    def forward(self, x: Tensor) -> Tensor:
        """The transformed activation, element by element."""
        function = self.activation.function if isinstance(self.activation, Activation) else self.activation
        return self.gamma * (function(self.alpha * x + self.beta) + self.delta)

    def extra_repr(self) -> str:
        """The constants."""
        name = str(self.activation) if isinstance(self.activation, Activation) else name_of(self.activation)
        return f"{name}, alpha={self.alpha:.8g}, beta={self.beta:.8g}, gamma={self.gamma:.8g}, delta={self.delta:.8g}"


@apart()
def dks_activation(activation: Nonlinearity, depth: int, *, slope: float = 1.5, **parameters: Any) -> Transformed:
    r"""An activation shaped for a depth by Deep Kernel Shaping.

    $$Q(1) = 1, \quad Q'(1) = 1, \quad C(0) = 0, \quad C'(1) = \psi = \zeta^{1 / \text{depth}}$$

    with $Q(q) = E[\hat\phi(\sqrt{q} z)^2]$ and $C(c) = E[\hat\phi(u) \hat\phi(v)]$ for standard normal u, v of correlation c;
    so the whole chain of ``depth`` activations has C'(1) = $\zeta$.

    Args:
        activation: Whatever :func:`moments` takes: a smooth one.
        depth: The most activations that follow one another on any way through the network.
        slope: $\zeta$, above 1.
        **parameters: The activation's own.

    Returns:
        A module for the place of the activation. Its weights start by ``scheme="dks"``.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: A depth below 1 or above 100,000, a slope that is not above 1, or an activation that cannot be
            shaped (ReLU).
        ArgumentTypeError: No function of one number.

    Example:
        >>> from initium.gains import dks_activation, moments
        >>> shaped = dks_activation("tanh", depth=30)
        >>> round(moments(shaped).second, 8), round(moments(shaped).slope_second**30, 6)
        (1.0, 1.5)

    Reference:
        Martens, Ballard, Desjardins, Swirszcz, Dalibard, Sohl-Dickstein & Schoenholz, "Rapid training of deep neural networks
        without skip connections or normalization layers using Deep Kernel Shaping" (2021), the four conditions of the
        method's summary.

    Deviation:
        The largest slope over subnetworks is that of a chain. In a residual network, whose sums lower it, the activations
        are then shaped more cautiously than they need be.
    """
    depth, slope = _depth(depth), finite(slope, "slope")
    local = slope ** (1 / depth) if slope > 1 else 1.0
    if local <= 1:
        raise ArgumentError(
            f"slope is the network's C'(1) and must be above 1, its {depth}-th root too; got {slope!r}. The paper has 1.5."
        )
    found, law, name = _law(activation, parameters)

    def conditions(k: Kernel) -> tuple[float, float]:
        variance = k.second - k.mean**2
        return k.growth(-k.mean) / variance - 1, (k.slope / variance - local) / (local - 1)

    alpha, beta = solved(law, conditions, name, "DKS")
    k = kernel(law, alpha, beta)
    return Transformed(found, alpha, beta, 1 / math.sqrt(k.second - k.mean**2), -k.mean)


@apart()
def tat_activation(
    activation: Nonlinearity, depth: int, *, curvature: float = 0.3, correlation: float = 0.9, **parameters: Any
) -> Transformed:
    r"""An activation tailored for a depth by the Tailored Activation Transformation.

    Smooth: $Q(1) = Q'(1) = C'(1) = 1$ and $C''(1) = \tau = 0.3 / \text{depth}$, so that the chain has C''(1) = 0.3.
    ReLU and leaky ReLU: $\hat\phi(x) = \sqrt{2 / (1 + a^2)}\, \text{leaky}_a(x)$, with the slope a at which the chain takes
    orthogonal inputs to the cosine C(0) = 0.9; the slope that was given is not kept.

    Args:
        activation: Whatever :func:`moments` takes.
        depth: The most activations that follow one another on any way through the network.
        curvature: The network's C''(1), for a smooth one.
        correlation: The network's C(0), for a rectifier.
        **parameters: The activation's own.

    Returns:
        A module for the place of the activation. Its weights start by ``scheme="tat"``.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: A depth below 1 or above 100,000, a target out of range, or an activation that cannot be tailored.
        ArgumentTypeError: No function of one number.

    Example:
        >>> from initium.gains import tat_activation
        >>> tat_activation("relu", depth=50)
        Transformed(leaky_relu(0.430523), alpha=1, beta=0, gamma=1.2989478, delta=0)

    Reference:
        Zhang, Botev & Martens, "Deep Learning without Shortcuts: Shaping the Kernel with Tailored Rectifiers" (ICLR 2022),
        the conditions of TAT for leaky ReLU and for smooth activations.

    Deviation:
        As for :func:`dks_activation`: the network is taken for a chain.
    """
    depth, curvature = _depth(depth), scale(curvature, "curvature")
    correlation = finite(correlation, "correlation")
    if not (curvature > 0 and 0 < correlation < 1):
        raise ArgumentError(f"curvature must be above 0 and correlation in (0, 1); got {curvature!r}, {correlation!r}.")
    found, law, name = _law(activation, parameters)
    if isinstance(found, Activation) and found.name in _RECTIFIERS:
        a = leaky_slope(depth, correlation)
        rectifier = Activation("leaky_relu", (("negative_slope", a),))
        return Transformed(rectifier, 1.0, 0.0, math.sqrt(2 / (1 + a * a)), 0.0)
    if bent(law):
        raise ArgumentError(
            f"the slope of {name} jumps, so its C''(1) is infinite: use dks_activation, or a smooth activation."
        )
    bend = curvature / depth

    def conditions(k: Kernel) -> tuple[float, float]:
        gamma, delta = _tat_scale(k)
        return gamma**2 * k.growth(delta) - 1, gamma**2 * k.curve / bend - 1

    alpha, beta = solved(law, conditions, name, "TAT", curved=True)
    gamma, delta = _tat_scale(kernel(law, alpha, beta))
    return Transformed(found, alpha, beta, gamma, delta)


def _depth(depth: object) -> int:
    """As many as can be gone through one by one."""
    found = integer(depth, "depth", least=1)
    if found > _DEEPEST:
        raise ArgumentError(f"depth counts activations in a row and is {_DEEPEST} at most; got {counted(found)}.")
    return found


def _tat_scale(k: Kernel) -> tuple[float, float]:
    """The gamma at which C'(1) = 1, and the delta at which Q(1) is then 1: the mean beside the variance."""
    rest = k.slope - (k.second - k.mean**2)
    return 1 / math.sqrt(k.slope), -k.mean + math.copysign(math.sqrt(max(0.0, rest)), k.mean_growth)


def _law(activation: Nonlinearity, parameters: dict[str, Any]) -> tuple[Activation | TensorMap, Elementwise, str]:
    found = identify(activation, parameters)
    if not isinstance(found, Activation):
        return found, admit(found)[0], name_of(found)
    law = found.law
    if not isinstance(law, Elementwise):
        raise ArgumentError(f"{found} is not one function of one number, and only such can be transformed.")
    return found, law, str(found)
