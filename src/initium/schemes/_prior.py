"""Output biases that know how often each class comes: what a network would say that had seen no input."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

from initium.errors import ArgumentError, ArgumentTypeError
from initium.records import Constant, Values

if TYPE_CHECKING:
    from collections.abc import Iterable

Numbers: TypeAlias = "float | Iterable[float]"
"""A number, or several: a list, an array, a tensor of one axis."""


def softmax_prior(frequencies: Numbers) -> Values:
    r"""The biases with which a softmax over equal logits gives each class its frequency.

    $$b_k = \log \frac{n_k}{\sum_j n_j}$$

    The loss then begins at the entropy of the classes, not at log K, as far as the other logits are small.

    Args:
        frequencies: For each class, in the order of the outputs: how often it comes, as counts or as shares.

    Returns:
        The fill, for ``prior=`` or ``overrides=``.

    Raises:
        ArgumentError: A frequency that is zero, negative or not finite, or none at all.
        ArgumentTypeError: No numbers.

    Example:
        >>> from initium.schemes import softmax_prior
        >>> softmax_prior([3, 1])
        Values(-0.287682, -1.38629)

    Reference:
        Bishop, "Pattern Recognition and Machine Learning" (2006), eq. 4.63: the activations of a softmax are the logarithms
        of the joint densities, up to a constant; with no input the class's prior is left.
    """
    values = numbers(frequencies, "frequencies")
    for place, value in enumerate(values):
        _check_frequency(value, place)
    total = math.fsum(values)
    return Values(tuple(math.log(value / total) for value in values))


def _check_frequency(value: float, place: int) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ArgumentError(f"class {place} has frequency {value!r}: a count or a share is finite and >= 0.")
    if value == 0:
        raise ArgumentError(
            f"class {place} has frequency 0, whose logarithm is -inf: smooth it, for example (count + 1) / (total + "
            "classes), or leave the class out."
        )


def sigmoid_prior(p: Numbers) -> Constant | Values:
    r"""The bias with which a sigmoid gives the probability p where the rest of its input is 0.

    $$b = -\log \frac{1 - p}{p}$$

    Args:
        p: The probability of a positive: one for all units, or one for each.

    Returns:
        The fill, for ``prior=`` or ``overrides=``.

    Raises:
        ArgumentError: A p that is not between 0 and 1.
        ArgumentTypeError: No numbers.

    Example:
        >>> from initium.schemes import sigmoid_prior
        >>> sigmoid_prior(0.01)
        Constant(value=-4.59511985013459)

    Reference:
        Lin, Goyal, Girshick, He & Dollar, "Focal Loss for Dense Object Detection" (ICCV 2017), section 4.1,
        "Initialization" (no equation number), with p = 0.01.
    """
    values = numbers(p, "p")
    for place, value in enumerate(values):
        _check_probability(value, place, len(values))
    logits = [math.log(value) - math.log1p(-value) for value in values]
    return Values(tuple(logits)) if len(logits) > 1 else Constant(logits[0])


def _check_probability(value: float, place: int, count: int) -> None:
    if not 0 < value < 1:
        unit = f"unit {place} has p = " if count > 1 else "p is "
        cure = ": a sigmoid never reaches it. Smooth it, for example (positives + 1) / (samples + 2)"
        raise ArgumentError(
            f"{unit}{value!r}{cure if value in {0, 1} else ', and a probability lies between 0 and 1'}."
        )


def numbers(given: Any, what: str) -> tuple[float, ...]:  # noqa: ANN401 - whatever a user gave
    """One or more plain numbers, as floats: what a user gave for the outputs of a layer.

    Args:
        given: A number, a list, an array or a tensor of one axis.
        what: What to call them in a message.

    Returns:
        The numbers, in their order.

    Raises:
        ArgumentTypeError: Something else.
        ArgumentError: None at all.

    Example:
        >>> import torch
        >>> numbers(torch.tensor([3, 1]), "frequencies")
        (3.0, 1.0)
    """
    try:
        plain = given.tolist() if hasattr(given, "tolist") else given
        several = [plain] if isinstance(plain, Real) else [] if isinstance(plain, str | dict) else list(plain)
    except Exception as error:
        raise ArgumentTypeError(f"{what} are numbers, in the order of the outputs; got {given!r}: {error}.") from error
    wrong = [each for each in several if type(each) is bool or not isinstance(each, Real)]
    if wrong or isinstance(plain, str | dict):
        shown = wrong[0] if wrong else given
        raise ArgumentTypeError(
            f"{what} are plain numbers, one for each output in the order of the outputs; got {shown!r} of type "
            f"{type(shown).__name__}. Give a list, or an array of one axis."
        )
    if not several:
        raise ArgumentError(f"{what} are empty: give one for each output.")
    return tuple(float(each) for each in several)
