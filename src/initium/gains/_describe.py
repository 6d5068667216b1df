"""From what a user holds (name, module, class, function, partial) to the activation that it is."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains._activation import Activation
from initium.gains._apart import apart
from initium.gains._table import REFUSED

Nonlinearity: TypeAlias = str | Activation | nn.Module | type[nn.Module] | Callable[..., Tensor]

# torch's module classes: the row, and the row's parameter -> the module's attribute.
MODULES: Mapping[type[nn.Module], tuple[str, Mapping[str, str]]] = {
    nn.Identity: ("linear", {}),
    nn.ReLU: ("relu", {}),
    nn.ReLU6: ("relu6", {}),
    nn.LeakyReLU: ("leaky_relu", {"negative_slope": "negative_slope"}),
    nn.PReLU: ("prelu", {"weight": "weight"}),
    nn.RReLU: ("rrelu", {"lower": "lower", "upper": "upper", "training": "training"}),
    nn.ELU: ("elu", {"alpha": "alpha"}),
    nn.CELU: ("celu", {"alpha": "alpha"}),
    nn.SELU: ("selu", {}),
    nn.GELU: ("gelu", {"approximate": "approximate"}),
    nn.SiLU: ("silu", {}),
    nn.Mish: ("mish", {}),
    nn.Sigmoid: ("sigmoid", {}),
    nn.Tanh: ("tanh", {}),
    nn.Hardsigmoid: ("hardsigmoid", {}),
    nn.Hardswish: ("hardswish", {}),
    nn.Hardtanh: ("hardtanh", {"min_val": "min_val", "max_val": "max_val"}),
    nn.Hardshrink: ("hardshrink", {"lambd": "lambd"}),
    nn.Softshrink: ("softshrink", {"lambd": "lambd"}),
    nn.Tanhshrink: ("tanhshrink", {}),
    nn.Softsign: ("softsign", {}),
    nn.Softplus: ("softplus", {"beta": "beta", "threshold": "threshold"}),
    nn.LogSigmoid: ("logsigmoid", {}),
    nn.Threshold: ("threshold", {"threshold": "threshold", "value": "value"}),
    nn.GLU: ("glu", {}),
}

# Classes and functions that the table refuses, by the name under which it says why.
REFUSED_OBJECTS: Mapping[object, str] = {
    nn.Softmax: "softmax",
    nn.Softmin: "softmin",
    nn.LogSoftmax: "log_softmax",
    nn.Softmax2d: "softmax2d",
    nn.MultiheadAttention: "multihead_attention",
    F.softmax: "softmax",
    torch.softmax: "softmax",
    torch.special.softmax: "softmax",
    Tensor.softmax: "softmax",
    F.softmin: "softmin",
    F.log_softmax: "log_softmax",
    torch.log_softmax: "log_softmax",
    torch.special.log_softmax: "log_softmax",
    Tensor.log_softmax: "log_softmax",
    F.gumbel_softmax: "gumbel_softmax",
    F.multi_head_attention_forward: "multihead_attention",
    F.scaled_dot_product_attention: "scaled_dot_product_attention",
}

# torch's functions, in place and not, by identity.
FUNCTIONS: Mapping[object, str] = {
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_), "relu"),
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_), "leaky_relu"),
    **dict.fromkeys((F.prelu, torch.prelu, Tensor.prelu), "prelu"),
    **dict.fromkeys((F.rrelu, F.rrelu_, torch.rrelu, torch.rrelu_), "rrelu"),
    **dict.fromkeys((F.elu, F.elu_), "elu"),
    **dict.fromkeys((F.celu, F.celu_, torch.celu, torch.celu_), "celu"),
    **dict.fromkeys((F.selu, F.selu_, torch.selu, torch.selu_), "selu"),
    **dict.fromkeys((F.hardtanh, F.hardtanh_), "hardtanh"),
    **dict.fromkeys((F.threshold, torch.threshold, torch.threshold_), "threshold"),
    **dict.fromkeys((F.hardshrink, torch.hardshrink, Tensor.hardshrink), "hardshrink"),
    **dict.fromkeys((F.tanh, torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_), "tanh"),
    **dict.fromkeys((F.sigmoid, torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_), "sigmoid"),
    **dict.fromkeys((torch.special.expit,), "sigmoid"),
    **dict.fromkeys((torch.erf, torch.erf_, torch.special.erf, Tensor.erf, Tensor.erf_), "erf"),
    **dict.fromkeys((torch.atan, torch.atan_, torch.arctan, Tensor.atan, Tensor.arctan), "atan"),
    **dict.fromkeys((torch.abs, torch.abs_, torch.absolute, Tensor.abs, Tensor.absolute), "abs"),
    **dict.fromkeys((torch.sign, torch.sgn, Tensor.sign, Tensor.sgn), "sign"),
    **dict.fromkeys((torch.square, torch.square_, Tensor.square), "square"),
    **dict.fromkeys((torch.exp, torch.exp_, Tensor.exp, Tensor.exp_), "exp"),
    **dict.fromkeys((torch.sin, torch.sin_, Tensor.sin, Tensor.sin_), "sin"),
    **dict.fromkeys((torch.cos, torch.cos_, Tensor.cos, Tensor.cos_), "cos"),
    F.relu6: "relu6",
    F.gelu: "gelu",
    F.silu: "silu",
    F.mish: "mish",
    F.glu: "glu",
    F.logsigmoid: "logsigmoid",
    F.hardsigmoid: "hardsigmoid",
    F.hardswish: "hardswish",
    F.softplus: "softplus",
    F.softshrink: "softshrink",
    F.softsign: "softsign",
    F.tanhshrink: "tanhshrink",
}

# Arguments of torch's functions that do not change the function of one number.
_IDLE = frozenset({"inplace", "dim"})


@apart()
def describe(activation: Nonlinearity, **parameters: Any) -> Activation:
    """The activation as a value: its name and all its parameters.

    Args:
        activation: A name, an `Activation`, a module, a module class, a function of torch, or a partial of one.
        **parameters: Parameters to set.

    Returns:
        The `Activation`.

    Raises:
        UnknownNameError: No activation has that name.
        ArgumentError: A parameter that is unknown, missing or out of range; a softmax; or a function that is not in
            the table (`recognise` looks at its values).
        ArgumentTypeError: Not an activation of any kind.

    Example:
        >>> from initium.gains import describe
        >>> import torch
        >>> str(describe(torch.nn.LeakyReLU(0.2)))
        'leaky_relu(0.2)'
        >>> str(describe("gelu", approximate="tanh"))
        'gelu_tanh'
    """
    found = identify(activation, parameters)
    if isinstance(found, Activation):
        return found
    message = (
        f"{getattr(found, '__name__', type(found).__name__)} is not in the table of activations by identity;"
        " `recognise` compares its values, and `moments` and `gain` take it as it is."
    )
    raise ArgumentError(message)


def identify(activation: Nonlinearity, parameters: Mapping[str, Any]) -> Activation | Callable[..., Tensor]:
    """The activation if the table knows it, else the function, with its parameters bound."""
    if isinstance(activation, Activation):
        return Activation(activation.name, (*activation.parameters, *parameters.items())) if parameters else activation
    if isinstance(activation, str):
        return Activation(activation, tuple(parameters.items()))
    if isinstance(activation, type):
        return _from_class(activation, parameters)
    if isinstance(activation, nn.Module):
        return _from_module(activation, parameters)
    if isinstance(activation, functools.partial):
        return _from_partial(activation, parameters)
    return _from_function(activation, parameters)


def _from_class(kind: type, parameters: Mapping[str, Any]) -> Activation | Callable[..., Tensor]:
    """A module class stands for the module with its default arguments and these."""
    _refuse(kind)
    if not issubclass(kind, nn.Module):
        message = f"an activation is a name, a module or a function; got the class {kind.__name__}."
        raise ArgumentTypeError(message)
    if kind in MODULES:
        return Activation(MODULES[kind][0], _active(parameters))
    return _made(kind, (), parameters)


def _made(kind: type, arguments: tuple[Any, ...], parameters: Mapping[str, Any]) -> Callable[..., Tensor]:
    """A module of a class."""
    try:
        return kind(*arguments, **parameters)
    except Exception as error:
        message = f"cannot make a {kind.__name__} without more arguments: {error}. Pass the module itself."
        raise ArgumentTypeError(message) from error


def _from_module(module: nn.Module, parameters: Mapping[str, Any]) -> Activation | Callable[..., Tensor]:
    """A module of exactly a known class, read by its attributes; a subclass may compute something else."""
    _refuse(type(module))
    if type(module) not in MODULES:
        return _bound(module, parameters)
    name, attributes = MODULES[type(module)]
    read = {key: getattr(module, attribute) for key, attribute in attributes.items()}
    return Activation(name, _active({**read, **parameters}))


def _from_partial(bound: "functools.partial[Any]", parameters: Mapping[str, Any]) -> Activation | Callable[..., Tensor]:
    """A partial with keywords only; a bound positional argument is a class's, or else in the place of x."""
    merged = {**bound.keywords, **parameters}
    if bound.args and isinstance(bound.func, type):
        return identify(_made(bound.func, bound.args, merged), {})
    return _bound(bound, parameters) if bound.args else identify(bound.func, merged)


def _from_function(
    function: Callable[..., Tensor], parameters: Mapping[str, Any]
) -> Activation | Callable[..., Tensor]:
    """A function of torch by identity, any other as it is."""
    if not callable(function):
        message = f"an activation is a name, a module or a function; got {type(function).__name__} {function!r}."
        raise ArgumentTypeError(message)
    _refuse(function)
    name = _known_function(function)
    if name is None:
        return _bound(function, parameters)
    # torch's functional RReLU does not train unless it is told to; its module does.
    quiet = {"training": False} if name == "rrelu" else {}
    return Activation(name, _active({**quiet, **parameters}))


def _known_function(function: object) -> str | None:
    """The row of a function of torch; what cannot be a key is no function of torch."""
    try:
        return FUNCTIONS.get(function)
    except TypeError:
        return None


def _refuse(key: object) -> None:
    """Raise for what the table refuses."""
    try:
        name = REFUSED_OBJECTS.get(key)
    except TypeError:
        return
    if name is not None:
        message = f"`{name}` has no gain: {REFUSED[name]}."
        raise ArgumentError(message)


def _active(parameters: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Without what does not change the function."""
    return tuple((key, value) for key, value in parameters.items() if key not in _IDLE)


def _bound(function: Callable[..., Tensor], parameters: Mapping[str, Any]) -> Callable[..., Tensor]:
    """The function with its parameters."""
    return functools.partial(function, **parameters) if parameters else function
