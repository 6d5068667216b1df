"""An activation as a value: a name and its parameters, the same for the same function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes  # pyright: ignore[reportPrivateUsage]  no public name does it

from initium.checks import holds_nothing, real
from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains._law import Elementwise, Law, TensorMap
from initium.gains._table import ACTIVATIONS, look_up

# The bounds at which hardtanh is ReLU6, which is how torch computes it.
RELU6 = (("min_val", 0.0), ("max_val", 6.0))


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation by name and parameters; equal values are equal functions, so it can be a key.

    The constructor puts what it is given into one form: the table's name for an alias, every parameter with its
    default, in the table's order, as a float. `gelu(approximate="tanh")` becomes `gelu_tanh`, `rrelu` outside training
    becomes the leaky ReLU that it then is, and `hardtanh(0, 6)` becomes `relu6`.

    Attributes:
        name: A key of `ACTIVATIONS`.
        parameters: (name, value) pairs, in the table's order, none missing.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: A parameter that the activation does not have, one missing, or one out of range.

    Example:
        >>> from initium.gains import Activation
        >>> str(Activation("leaky_relu", (("negative_slope", 0.2),)))
        'leaky_relu(0.2)'
        >>> Activation("swish") == Activation("silu")
        True
    """

    name: str
    parameters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        name, given = _rename(look_up(self.name), _pairs(self.parameters))
        whole = _complete(name, given)
        if (name, whole) == ("hardtanh", RELU6):
            name, whole = "relu6", ()
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "parameters", whole)
        _ = self.law  # its own checks on the values

    @property
    def law(self) -> Law:
        """What the integrals need to know."""
        return ACTIVATIONS[self.name].law(**dict(self.parameters))

    @property
    def function(self) -> TensorMap:
        """The activation on tensors.

        Raises:
            ArgumentError: It is not one function of one number: a gated unit, or a slope that varies.
        """
        law = self.law
        if isinstance(law, Elementwise):
            return law.function
        message = f"`{self}` is not one function of one number: {ACTIVATIONS[self.name].formula}."
        raise ArgumentError(message)

    def __str__(self) -> str:
        defaults = dict(ACTIVATIONS[self.name].parameters)
        kept = list(self.parameters)
        while kept and kept[-1][1] == defaults[kept[-1][0]]:
            kept.pop()
        return f"{self.name}({', '.join(f'{value:g}' for _, value in kept)})" if kept else self.name


def _pairs(parameters: object) -> dict[str, Any]:
    """The parameters by name, from pairs or a mapping."""
    try:
        given = dict(cast("Mapping[str, Any]", parameters))
    except (TypeError, ValueError) as error:
        message = f"the parameters of an activation are (name, value) pairs; got {parameters!r}."
        raise ArgumentTypeError(message) from error
    if not all(isinstance(key, str) for key in given):  # pyright: ignore[reportUnnecessaryIsInstance]
        message = f"the parameters of an activation are (name, value) pairs; got {parameters!r}."
        raise ArgumentTypeError(message)
    return given


def _rename(name: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Parameters that choose another row: GELU's approximation, whether RReLU trains, PReLU's channels."""
    rest = dict(given)
    if name in {"gelu", "geglu"} and "approximate" in rest:
        return _approximated(name, rest.pop("approximate")), rest
    if name == "rrelu" and not rest.pop("training", True):
        lower, upper = (value for _, value in _complete(name, rest))
        return "leaky_relu", {"negative_slope": (lower + upper) / 2}
    if name == "prelu" and _several(rest.get("weight")):
        return name, {**_channels(rest["weight"]), **{k: v for k, v in rest.items() if k != "weight"}}
    return name, rest


def _several(weight: object) -> bool:
    """Whether this is a slope for each channel."""
    return isinstance(weight, (Tensor, np.ndarray, Sequence)) and not isinstance(weight, str | bytes)


def _approximated(name: str, approximate: object) -> str:
    """The row for an `approximate=` argument of torch."""
    rows = {"none": name, "tanh": f"{name}_tanh"}
    if not isinstance(approximate, str) or approximate not in rows:
        message = f"`approximate` of {name} must be 'none' or 'tanh'; got {approximate!r}."
        raise ArgumentError(message)
    return rows[approximate]


def _channels(weight: object) -> dict[str, float]:
    """Mean and standard deviation of PReLU's slopes over its channels."""
    if isinstance(weight, Tensor) and holds_nothing(weight) and weight.numel():
        message = "the slopes of a PReLU on the meta device (or a fake one) have no values; give `weight=` or materialise it first."
        raise ArgumentError(message)
    flat = [real(each, "`weight` of prelu") for each in _flat(weight)]
    if not flat:
        message = "PReLU has no slopes: its weight is empty. Give it at least one."
        raise ArgumentError(message)
    mean = sum(flat) / len(flat)
    return {"weight": mean, "spread": (sum((w - mean) ** 2 for w in flat) / len(flat)) ** 0.5}


def _flat(weight: object) -> Sequence[Any]:
    """The slopes one after the other, as they are."""
    if isinstance(weight, Tensor):
        # Inside a trace or a fake mode the question must not become an operation, which would have no answer.
        with _disable_current_modes():
            return weight.detach().flatten().tolist()
    return weight.ravel().tolist() if isinstance(weight, np.ndarray) else list(cast("Sequence[Any]", weight))


def _complete(name: str, given: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """Every parameter of the row, given or default, as a float."""
    row = ACTIVATIONS[name]
    known = [key for key, _ in row.parameters]
    unknown = [key for key in given if key not in known]
    if unknown:
        takes = f"it takes {', '.join(f'`{key}`' for key in known)}" if known else "it takes none"
        message = f"`{name}` has no parameter `{unknown[0]}`; {takes}. Its formula: {row.formula}."
        raise ArgumentError(message)
    missing = [key for key, default in row.parameters if default is None and key not in given]
    if missing:
        message = f"`{name}` needs `{missing[0]}=`, as in torch; its formula: {row.formula}."
        raise ArgumentError(message)
    return tuple((key, real(given.get(key, default), f"`{key}` of {name}")) for key, default in row.parameters)
