"""The starts that look at no fan: one law for every weight, or nothing but zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.records import Constant, Normal, Uniform
from initium.schemes._parts import VECTORS
from initium.schemes._rule import Scheme, always, first_of, on
from initium.schemes._select import role

if TYPE_CHECKING:
    from initium.records import Fill


def _one(name: str, fill: Fill, reason: str, source: str) -> Scheme:
    tables = on(role("weight", "recurrent", "embedding"), always(fill, reason))
    return Scheme(name, first_of(tables, VECTORS), source)


def normal(std: float) -> Scheme:
    r"""N(0, std^2) for every weight and every embedding, whatever its fans.

    $$W \sim N(0, \sigma^2)$$

    Biases 0, scales of normalisations 1, shifts 0.

    Args:
        std: The standard deviation.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A std that is negative or not finite.

    Example:
        >>> normal(0.02).name
        'normal(0.02)'

    Reference:
        Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (NeurIPS
        2012), section 5 (no equation number), with std 0.01.
    """
    return _one(f"normal({std!r})", Normal(std), "one std for every weight, whatever its fan", "Krizhevsky et al. 2012")


def uniform(bound: float) -> Scheme:
    r"""U(-bound, bound) for every weight and every embedding, whatever its fans.

    $$W \sim U(-b, b), \qquad \sigma = b / \sqrt{3}$$

    Biases 0, scales of normalisations 1, shifts 0.

    Args:
        bound: The largest absolute value.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A bound that is negative or not finite.

    Example:
        >>> uniform(bound=0.1).name
        'uniform(0.1)'

    Reference:
        Custom before Glorot & Bengio 2010 (their eq. 1 is the variant with bound 1/sqrt(fan_in)).
    """
    fill = Uniform(bound)
    return _one(f"uniform({bound!r})", fill, "one bound for every weight, whatever its fan", "custom before 2010")


def zeros() -> Scheme:
    r"""Zero for every weight, embedding and bias: the symmetric start that cannot learn, to be shown and diagnosed.

    $$W = 0$$

    Scales of normalisations stay 1: at 0 they would hide the symmetry of the weights behind a second illness.

    Returns:
        The scheme.

    Example:
        >>> zeros().name
        'zeros'

    Reference:
        Goodfellow, Bengio & Courville, "Deep Learning" (2016), section 8.4 (no equation number), on symmetry.
    """
    return _one("zeros", Constant(0.0), "zero on request: units of a layer stay alike", "Goodfellow et al. 2016, 8.4")
