"""Between which numbers a model's answer lies whatever its weights are: intervals, from the answer back to what bounds it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from initium.network._ops import RECURRENT, RESHAPES, behind, is_float, op_name, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from initium.network._network import Network

# What comes in between its ends goes out between what it makes of these.
_RISING = frozenset(
    "sigmoid hardsigmoid tanh hardtanh relu relu6 softplus exp expm1 log1p sqrt elu celu selu log_sigmoid clamp clamp_min clamp_max "
    "atan erf sign round floor ceil softsign leaky_relu threshold".split()
)
# The same, and never beyond what comes in: averages, choices, parts.
_AMONG = frozenset(
    "mean amax amin median adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "max_pool1d max_pool2d max_pool3d upsample_nearest1d upsample_nearest2d upsample_bilinear2d select slice narrow cat stack index "
    "gather index_select pixel_shuffle".split()
)
_FIXED = {
    "softmax": (0.0, 1.0),
    "_softmax": (0.0, 1.0),
    "log_softmax": (-math.inf, 0.0),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
    "cosine_similarity": (-1.0, 1.0),
}
_PRODUCTS = frozenset({"mm", "matmul", "bmm", "linear"})
_POSITIVE = frozenset({"abs", "square", "linalg_vector_norm", "norm", "cdist", "pairwise_distance"})
_HELD = RESHAPES | {"clamp_min", "clamp", "add", "maximum", "sqrt", "sum"}
_SHIFTS = frozenset({"add", "sub", "rsub", "mul", "div", "neg"})
_DEPTH = 24


@dataclass(frozen=True, slots=True)
class Bounds:
    """Two numbers between which every answer lies.

    Attributes:
        low: The lower one.
        high: The higher one.
        op: The operation that keeps it there, nearest to the answer.
    """

    low: float = -math.inf
    high: float = math.inf
    op: str = ""

    @property
    def free(self) -> bool:
        """True where nothing bounds the answer."""
        return self.low == -math.inf and self.high == math.inf


def bounds(network: Network) -> tuple[Bounds, ...]:
    """Between which numbers each tensor of the output lies, in its order; none where the network was read with no batch."""
    if network.trace is None:
        return ()
    (output,) = (node for node in network.trace.graph.graph.nodes if node.op == "output")
    given: Any = output.args[0]
    nodes = list(given) if isinstance(given, list | tuple) else [given]
    return tuple(_of(node, _DEPTH) if isinstance(node, fx.Node) else Bounds() for node in nodes)


def _of(node: fx.Node, depth: int) -> Bounds:
    if node.op != "call_function" or depth == 0 or not node.all_input_nodes:
        return Bounds()
    name = op_name(node)
    if name in RESHAPES or name in _AMONG:
        return _widest([_of(parent, depth - 1) for parent in node.all_input_nodes if is_float(parent)])
    if len(node.all_input_nodes) == 1 and name in _RISING:
        return _through(node, _of(node.all_input_nodes[0], depth - 1), name)
    if len(node.all_input_nodes) == 1 and name in _SHIFTS:
        return _shifted(node, depth)
    return _by_itself(node, name)


def _by_itself(node: fx.Node, name: str) -> Bounds:
    """What bounds its values whatever comes in."""
    if name in _FIXED:
        return Bounds(*_FIXED[name], name)
    if name in _POSITIVE or (name == "pow" and node.args[1] == 2):  # noqa: PLR2004 - a square
        return Bounds(0.0, math.inf, name)
    if name == "div" and _of_its_norm(node):
        return Bounds(-1.0, 1.0, "a division by its own norm")
    if name in _PRODUCTS:
        size = math.prod(_length(each) if isinstance(each, fx.Node) else math.inf for each in node.args[:2])
        return Bounds() if math.isinf(size) else Bounds(-size, size, "a cosine")
    given = node.all_input_nodes[0]
    return _states(node, given) if name == "getitem" and op_name(given) in RECURRENT else Bounds()


def _widest(each: list[Bounds]) -> Bounds:
    if not each:
        return Bounds()
    low, high = min(part.low for part in each), max(part.high for part in each)
    return Bounds(low, high, each[0].op)


def _through(node: fx.Node, given: Bounds, name: str) -> Bounds:
    """What a rising function makes of both ends, asked of itself."""
    target: Any = node.target
    ends = torch.tensor([given.low, given.high], dtype=torch.float64)
    try:
        low, high = target(ends, *node.args[1:], **node.kwargs).tolist()
    except (RuntimeError, TypeError, ValueError):  # it takes no such numbers
        return Bounds()
    if math.isnan(low) or math.isnan(high):
        return Bounds(0.0, math.inf, name) if name == "sqrt" else Bounds()
    same = (low, high) == (given.low, given.high)
    return Bounds(low, high, given.op if same else name)


def _shifted(node: fx.Node, depth: int) -> Bounds:
    """A sum with one number, or a product: what it does to both ends."""
    (parent,) = node.all_input_nodes
    given, name = _of(parent, depth - 1), op_name(node)
    if given.free or any(isinstance(each, list | tuple) for each in node.args):
        return Bounds()
    numbers = [each for each in node.args if isinstance(each, int | float) and not isinstance(each, bool)]
    alpha = node.kwargs.get("alpha", 1)
    if name != "neg" and (len(numbers) != 1 or node.args.count(parent) != 1 or alpha != 1):
        return Bounds()
    number, first = (numbers or [0])[0], node.args[0] is parent
    made: dict[str, Callable[[float], float]] = {
        "neg": lambda end: -end,
        "add": lambda end: end + number,
        "sub": lambda end: end - number if first else number - end,
        "rsub": lambda end: number - end,
        "mul": lambda end: end * number,
        "div": lambda end: end / number if first else math.nan,
    }
    if name in {"mul", "div"} and number == 0:
        return Bounds()
    low, high = sorted((made[name](given.low), made[name](given.high)))
    return Bounds() if math.isnan(low) or math.isnan(high) else Bounds(low, high, given.op)


def _states(node: fx.Node, steps: fx.Node) -> Bounds:
    """States of a recurrent layer lie where its last function puts them; an LSTM's cell, and what is projected, anywhere."""
    kind = op_name(steps)
    if kind == "rnn_relu":
        return Bounds(0.0, math.inf, kind)
    begins: Any = next(
        (each for each in steps.args[1:3] if isinstance(each, list | tuple)), []
    )  # behind the sizes of packed steps
    projected = kind == "lstm" and len(begins) > 1 and shape_of(begins[0])[-1:] != shape_of(begins[1])[-1:]
    cell = kind == "lstm" and node.args[1] == 2  # noqa: PLR2004 - states, last state, last cell
    return Bounds() if projected or cell else Bounds(-1.0, 1.0, kind)


def _length(node: fx.Node) -> float:
    """How long each vector is, transposed and repeated at will: what was divided by its norm, times a number."""
    base = behind(node)
    name, numbers = op_name(base), [each for each in base.args if isinstance(each, int | float)]
    if name == "div" and _of_its_norm(base):
        return 1.0
    if name in {"mul", "div"} and len(numbers) == 1 and len(base.all_input_nodes) == 1 and numbers[0]:
        return _length(base.all_input_nodes[0]) * abs(numbers[0] if name == "mul" else 1 / numbers[0])
    return math.inf


def _of_its_norm(node: fx.Node) -> bool:
    """``x / |x|``, whatever keeps the norm above zero."""
    above, below = node.args[:2]
    if not hasattr(above, "all_input_nodes") or not hasattr(below, "all_input_nodes"):
        return False
    norm: Any = behind(below, _HELD)  # pyright: ignore[reportArgumentType]
    base: Any = behind(above)  # pyright: ignore[reportArgumentType]
    return op_name(norm) in {"linalg_vector_norm", "norm"} and behind(norm.all_input_nodes[0]) is base
