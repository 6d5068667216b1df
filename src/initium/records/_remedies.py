"""What is done about a finding: a call that can be made for the reader, or code for the reader to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never


@dataclass(frozen=True, slots=True)
class Reinitialize:
    """Every weight anew, by a scheme.

    Attributes:
        scheme: Its name.
    """

    scheme: str = "textbook"


@dataclass(frozen=True, slots=True)
class Calibrate:
    """Every weight rescaled on real data (LSUV), its direction kept."""


@dataclass(frozen=True, slots=True)
class Refill:
    """One parameter set to a constant.

    Attributes:
        name: Its qualified name.
        value: The constant.
    """

    name: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class SetPrior:
    """An output bias set to what the class frequencies of the batch's target say.

    Attributes:
        bias: Its qualified name.
        classes: How many classes; 1 for one logit of a binary answer.
    """

    bias: str
    classes: int


@dataclass(frozen=True, slots=True)
class Code:
    """What a reader has to write: a change of the program, or a call on what we do not hold.

    Attributes:
        text: It, or an example of it, in Python.
    """

    text: str


Remedy: TypeAlias = Reinitialize | Calibrate | Refill | SetPrior | Code
"""All there are."""


def code_of(remedy: Remedy | None) -> str:
    """A remedy as the code that does it.

    Args:
        remedy: Any, or none.

    Returns:
        Lines of Python that speak of ``model``, ``batch`` and ``target``; empty for none.

    Example:
        >>> code_of(Refill("head.bias"))
        'torch.nn.init.zeros_(model.get_parameter("head.bias"))'
    """
    match remedy:
        case None:
            return ""
        case Reinitialize(scheme):
            return f'initium.initialize(model, batch, scheme="{scheme}", seed=0)'
        case Calibrate():
            return "initium.lsuv(model, batch)"
        case Refill(name, value):
            fill = "zeros_(" if value == 0 else "constant_("
            number = "" if value == 0 else f", {value:g}"
            return f'torch.nn.init.{fill}model.get_parameter("{name}"){number})'
        case SetPrior(bias, classes):
            return _prior(f'model.get_parameter("{bias}").data', classes)
        case Code(text):
            return text
        case _:
            assert_never(remedy)


def _prior(bias: str, classes: int) -> str:
    """A class that the batch misses is given one sample."""
    if classes == 1:
        return f"{bias}.fill_(target.float().mean().logit())"
    counts = f"counts = target.flatten().bincount(minlength={classes}).clamp(min=1)"
    return f"{counts}\n{bias}.copy_((counts / counts.sum()).log())"
