"""The tables of names: what is known, what else it is called, and what has no pointwise moments at all."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from initium.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from initium.gains._law import Elementwise, Gated
from initium.gains._piecewise_rows import PIECEWISE
from initium.gains._rows import Row
from initium.gains._smooth_rows import SMOOTH


def _gated(gate: str, formula: str) -> Row:
    """The unit gate(a) * b, for a gate that is a row without parameters."""

    def law() -> Gated:
        inner = {**PIECEWISE, **SMOOTH}[gate]
        found = inner.law(**dict(inner.parameters))
        assert isinstance(found, Elementwise)  # noqa: S101  our own table, not a user's value
        return Gated(found)

    return Row(formula, law)


ACTIVATIONS: Mapping[str, Row] = MappingProxyType(
    {
        **PIECEWISE,
        **SMOOTH,
        "glu": _gated("sigmoid", "sigmoid(a) * b"),
        "bilinear_glu": _gated("linear", "a * b"),
        "reglu": _gated("relu", "relu(a) * b"),
        "geglu": _gated("gelu", "gelu(a) * b"),
        "geglu_tanh": _gated("gelu_tanh", "gelu_tanh(a) * b"),
        "swiglu": _gated("silu", "silu(a) * b"),
    }
)
"""Every activation by its name: formula, parameters, law."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "identity": "linear",
        "none": "linear",
        "leakyrelu": "leaky_relu",
        "lrelu": "leaky_relu",
        "hard_tanh": "hardtanh",
        "hard_sigmoid": "hardsigmoid",
        "hard_swish": "hardswish",
        "hard_silu": "hardswish",
        "h_swish": "hardswish",
        "hswish": "hardswish",
        "h_sigmoid": "hardsigmoid",
        "hsigmoid": "hardsigmoid",
        "hard_shrink": "hardshrink",
        "soft_shrink": "softshrink",
        "soft_plus": "softplus",
        "soft_sign": "softsign",
        "tanh_shrink": "tanhshrink",
        "log_sigmoid": "logsigmoid",
        "relu2": "squared_relu",
        "relu_squared": "squared_relu",
        "relu^2": "squared_relu",
        "sqrelu": "squared_relu",
        "swish": "silu",
        "gelu_new": "gelu_tanh",
        "gelu_fast": "gelu_tanh",
        "gelu_accurate": "gelu_tanh",
        "gelu_pytorch_tanh": "gelu_tanh",
        "gelu_python_tanh": "gelu_tanh",
        "openai_gelu": "gelu_tanh",
        "gelu_python": "gelu",
        "gelu_erf": "gelu",
        "quickgelu": "quick_gelu",
        "gelu_quick": "quick_gelu",
        "exponential": "exp",
        "logistic": "sigmoid",
        "arctan": "atan",
        "bilinear": "bilinear_glu",
    }
)
"""Other names in use: torch's class names, those of transformers, timm, Keras and Megatron, plain spelling."""

_CLASSES = "its moments depend on the number of classes and on how their logits correlate"
_MEASURE = "Use gain 1 (`linear`) for the layer before it, or measure it on data"

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "softmax": f"{_CLASSES}. {_MEASURE}",
        "softmin": f"{_CLASSES}. {_MEASURE}",
        "log_softmax": f"{_CLASSES}. {_MEASURE}",
        "softmax2d": f"{_CLASSES}. {_MEASURE}",
        "gumbel_softmax": f"it is random, and {_CLASSES}. {_MEASURE}",
        "multihead_attention": (
            "it is a network of its own: four linear maps and a softmax over positions. Initialise its four"
            " projections, each with gain 1 (`linear`)"
        ),
        "scaled_dot_product_attention": (
            "it averages its values with weights from a softmax over positions. Use gain 1 (`linear`) for the"
            " projections before it"
        ),
    }
)
"""What looks like an activation and is not a function of one number, with the reason and the way out."""


def known_activations() -> tuple[str, ...]:
    """The names that `gain` and `moments` know, sorted.

    Returns:
        The keys of `ACTIVATIONS`.

    Example:
        >>> from initium.gains import known_activations
        >>> "gelu" in known_activations()
        True
    """
    return tuple(sorted(ACTIVATIONS))


def look_up(name: str) -> str:
    """The table's own name for a name, or the error that teaches."""
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  checked at the door
        message = f"an activation's name is text; got {name!r} of type {type(name).__name__}."
        raise ArgumentTypeError(message)
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    known = ALIASES.get(plain, plain)
    if known in REFUSED:
        message = f"`{name}` has no gain: {REFUSED[known]}."
        raise ArgumentError(message)
    if known not in ACTIVATIONS:
        raise UnknownNameError(_unknown(name, plain))
    return known


def _unknown(name: str, plain: str) -> str:
    """The message for a name in no table."""
    near = get_close_matches(plain, [*ACTIVATIONS, *ALIASES], n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return (
        f"no activation is called `{name}`.{hint} Known: {', '.join(known_activations())}. Or pass the function itself."
    )
