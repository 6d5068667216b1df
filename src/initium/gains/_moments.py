"""The four Gaussian moments of an activation, in closed form where there is one, else by quadrature."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, SupportsFloat

from initium.checks import real
from initium.errors import ArgumentError
from initium.gains._activation import Activation
from initium.gains._apart import apart
from initium.gains._callable import admit, name_of
from initium.gains._describe import Nonlinearity, identify
from initium.gains._integrals import NOISE, Source, estimated
from initium.gains._law import Elementwise, Law

_EPS = 2.0**-52
_PROMISE = 1e-10


@dataclass(frozen=True, slots=True)
class Moments:
    """The moments of phi(x) and phi'(x) for x ~ N(mean, variance).

    Attributes:
        mean: E[phi(x)].
        second: E[phi(x)^2], the forward signal.
        slope_mean: E[phi'(x)].
        slope_second: E[phi'(x)^2], the factor of a gradient's second moment on its way back. A jump of phi counts
            for nothing: autograd's derivative there is 0 or one-sided, and that is what training sees. NaN where the
            integral did not converge (sqrt|x|: it is infinite), and where autograd has no derivative of a function that
            varies (detached, or without a backward); `backward_gain` then raises. Steps (`sign`, `round`) have 0.
        source: "closed form" or "quadrature".
        error: A bound (closed form) or estimate (quadrature) of the largest relative error of the four; for the two
            means, relative to the root of the second moment beside them.

    Example:
        >>> from initium.gains import moments
        >>> relu = moments("relu")
        >>> relu.second, relu.slope_second, relu.source
        (0.5, 0.5, 'closed form')
        >>> round(relu.gain, 6)
        1.414214
    """

    mean: float
    second: float
    slope_mean: float
    slope_second: float
    source: Source
    error: float

    @property
    def gain(self) -> float:
        """1 / sqrt(E[phi^2]): the factor on a weight's std that keeps the forward second moment."""
        return _inverse_root(self.second, "forward", "the output")

    @property
    def backward_gain(self) -> float:
        """1 / sqrt(E[phi'^2]): the factor on a weight's std that keeps the gradient's second moment."""
        return _inverse_root(self.slope_second, "backward", "the derivative")


def _inverse_root(square: float, which: str, what: str) -> float:
    """A gain from a second moment that must be positive."""
    if not square > 0:
        unknown = "did not converge (it may be infinite), or autograd has no derivative"
        reason = unknown if math.isnan(square) else "is 0"
        message = f"no {which} gain: the second moment of {what} {reason}, and no weight makes that 1."
        raise ArgumentError(message)
    return 1 / math.sqrt(square)


def moments(
    activation: Nonlinearity, *, mean: SupportsFloat = 0.0, variance: SupportsFloat = 1.0, **parameters: Any
) -> Moments:
    r"""Exact Gaussian moments of an activation, forward and backward.

    $$E[\phi(x)],\; E[\phi(x)^2],\; E[\phi'(x)],\; E[\phi'(x)^2], \qquad x \sim N(\text{mean}, \text{variance})$$

    A gated unit is phi(a) * b with a and b independent, each N(mean, variance). Its two derivatives are phi'(a) b and
    phi(a); the slope moments are the averages over the two inputs, since a gradient reaches both halves of the layer
    below.

    Args:
        activation: A name (see `known_activations`), an `Activation`, a module or module class of `torch.nn`, a
            function of torch, a `functools.partial` of one, or any function that maps a float64 tensor to one of the
            same shape, each number by itself.
        mean: The mean of x.
        variance: The variance of x; 0 means that x is the number `mean`.
        **parameters: The activation's own, such as `negative_slope=0.2`.

    Returns:
        The moments, to 1e-10 relative, or to the precision that a function's own arithmetic allows; `error` says which.
        A function of your own is known by its values alone: a feature narrower than a twentieth of a standard deviation
        may lie between them and be missed.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: The function is random, not elementwise, not finite, or its moments are infinite or were not
            reached; the variance is negative; a softmax, whose moments depend on the number of classes.
        ArgumentTypeError: The function cannot take a tensor or gives something else.

    Example:
        >>> from initium.gains import moments
        >>> import torch
        >>> round(moments("gelu").gain, 6)
        1.53353
        >>> round(moments("leaky_relu", negative_slope=0.2, mean=1.0).mean, 6)
        1.066652
        >>> round(moments(lambda x: x.clamp(min=0) ** 2).second, 9)
        1.5

    Reference:
        He, Zhang, Ren & Sun, "Delving Deep into Rectifiers" (ICCV 2015), eqs. 10 and 14, for ReLU; Klambauer et al.,
        "Self-Normalizing Neural Networks" (NeurIPS 2017), eqs. 4 and 5, for SELU at any mean and variance.
    """
    if isinstance(activation, Activation) and type(mean) is type(variance) is float and not parameters:
        return _named(activation, *_check(mean, variance))  # by far the most frequent, and nothing to evaluate but once
    return _moments(activation, mean, variance, parameters)


@apart()
def _moments(
    activation: Nonlinearity, mean: SupportsFloat, variance: SupportsFloat, parameters: dict[str, Any]
) -> Moments:
    """The moments of whatever can be told to be an activation."""
    centre, spread = _check(mean, variance)
    found = identify(activation, parameters)
    if isinstance(found, Activation):
        return _named(found, centre, spread)
    law, precision = admit(found)
    return _report(law, centre, spread, precision, name_of(found))


def _check(given_mean: SupportsFloat, given_variance: SupportsFloat) -> tuple[float, float]:
    """A normal law needs a finite mean and a finite variance that is not negative."""
    mean, variance = real(given_mean, "mean"), real(given_variance, "variance")
    if not (math.isfinite(mean) and math.isfinite(variance) and variance >= 0):
        message = (
            f"moments need a finite mean and a finite variance >= 0; got mean={mean}, variance={variance}."
            " If these came from a walk, the signal before this activation has already exploded."
        )
        raise ArgumentError(message)
    return mean, variance


@lru_cache(maxsize=4096)
@apart()
def _named(activation: Activation, mean: float, variance: float) -> Moments:
    """Moments of a named activation; the cache is by value."""
    return _report(activation.law, mean, variance, _EPS, str(activation))


def _report(law: Law, mean: float, variance: float, precision: float, name: str) -> Moments:
    """The moments if they are as good as promised, else an error that says how good they are."""
    estimate, source = estimated(law, mean, variance, precision)
    promise = max(_PROMISE, 16 * precision)
    forward, backward = estimate.errors()
    if not forward <= promise:
        message = (
            f"moments of {name} did not converge: relative error {forward:.1e} reached, {promise:.1e} wanted."
            " They are infinite, or the function is too rough for float64; clamp it, or compute it in float64."
        )
        raise ArgumentError(message)
    slopes = estimate.slope_mean.value, estimate.slope_second.value
    # A derivative that rounding cannot tell from 0 (tanh far in its tail) is as good as it can be.
    lost = variance * estimate.slope_second.error > promise * NOISE * estimate.second.value
    unknown = isinstance(law, Elementwise) and not law.sloped
    if unknown or (backward > promise and lost):
        slopes, backward = (math.nan, math.nan), 0.0
    return Moments(estimate.mean.value, estimate.second.value, *slopes, source, max(forward, backward))
