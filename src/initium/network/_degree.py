"""By which power a weight grows with its parameter: 0 where its size is divided out, 1 where it is masked or quantised."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from torch import fx

from initium.network._ops import FACTORIES, MOVES, MULTIPLIES, NORMS, inputs, made_of, op_name, own_statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

# What comes out is c times as large where all that goes in is, for c > 0; so with all that only moves elements.
_SAME = frozenset(
    "abs neg relu add sub maximum minimum clamp_min clamp "
    "mean sum amax amin max min std std_mean var_mean norm linalg_norm linalg_vector_norm linalg_matrix_norm "
    "linalg_svdvals view_as_complex view_as_real real imag conj _conj conj_physical complex cumsum "
    "fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn "
    "fft_rfftn fft_irfftn fft_fftshift fft_ifftshift _fft_r2c _fft_c2r _fft_c2c".split()
)
# Those that choose, element by element, between the arguments at two places.
_CHOOSING = {"masked_fill": (0, 2), "where": (1, 2)}
_ZEROS, _FILLED = frozenset({"zeros_like", "new_zeros", "zeros"}), frozenset({"scalar_tensor", "full_like", "full"})
# Those in which a small number may keep a size from zero.
_GUARDED = frozenset({"add", "sub", "clamp_min", "clamp"})
# Of a positive multiple they give the same: whether it is positive, or more than another that grows with it.
_SIGNS, _COMPARES = frozenset({"sign", "sgn", "signbit"}), frozenset("gt ge lt le eq ne".split())
_POWERS = {"sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0, "square": 2.0, "var": 2.0}
# A number beside a size that keeps it from zero and is nothing to it otherwise.
_GUARD = 1e-3


def degree(weight: fx.Node, parameters: Collection[fx.Node]) -> float | None:
    """The power of c by which what multiplies grows where some parameters grow by c > 0; ``None`` where it is none.

    It is 0 for what is standardised or divided by its norm, and 1 for what is masked, symmetrised or rounded on its own scale.

    Args:
        weight: The node whose value multiplies.
        parameters: The placeholders of parameters from which it is computed: all of them grow.
    """
    degrees: dict[fx.Node, float | None] = dict.fromkeys(parameters, 1.0)
    reached = set(parameters)
    for node in made_of(weight, reached):
        depends = not reached.isdisjoint(node.all_input_nodes)
        reached |= {node} if depends else set()
        degrees[node] = _degree(node, degrees) if depends else 0.0
    return degrees[weight] if weight in reached else None


def _degree(node: fx.Node, degrees: Mapping[fx.Node, float | None]) -> float | None:
    """The power of c by which a value grows where the parameter grows by c; ``None`` where it is none."""
    given = [degrees[parent] for parent in inputs(node)]
    powers = [power for power in given if power is not None]
    if len(powers) < len(given):
        return None
    if not any(powers):
        return 0.0
    rule = _RULES.get(op_name(node))
    return None if rule is None else rule(node, [_of(each, degrees) for each in node.args], powers)


def _of(value: Any, degrees: Mapping[fx.Node, float | None]) -> float:  # noqa: ANN401 - any argument of a node
    """The power of an argument, of several one by one in sum; of a number 0."""
    if isinstance(value, list | tuple):
        return sum(_of(each, degrees) for each in cast("Iterable[Any]", value))
    return (degrees[value] or 0.0) if isinstance(value, fx.Node) else 0.0


def _same(node: fx.Node, _: list[float], powers: list[float]) -> float | None:
    numbers = [abs(value) for value in node.args[:2] if isinstance(value, int | float)]
    guard = _GUARD if op_name(node) in _GUARDED else math.inf
    return powers[0] if len(set(powers)) == 1 and all(number <= guard for number in numbers) else None


def _chosen(node: fx.Node, args: list[float], _: list[float]) -> float | None:
    """What a mask chooses, and zeros where it does not."""
    places = [place for place in _CHOOSING[op_name(node)] if place < len(args)]
    grown = {args[place] for place in places if not _is_zero(node.args[place])}
    return grown.pop() if len(grown) == 1 else None


def _is_zero(value: Any) -> bool:  # noqa: ANN401 - any argument of a node
    """A zero: a number, or a tensor that is filled with it."""
    if isinstance(value, fx.Node):
        name = op_name(value)
        return name in _ZEROS or (name in _FILLED and _is_zero(value.args[-1]))
    return isinstance(value, int | float) and value == 0


def _norm(node: fx.Node, args: list[float], _: list[float]) -> float | None:
    return 0.0 if own_statistics(node) and not any(args[1:]) else None


def _power(node: fx.Node, args: list[float], _: list[float]) -> float | None:
    if op_name(node) == "pow":
        return args[0] * node.args[1] if isinstance(node.args[1], int | float) else None
    return args[0] * _POWERS[op_name(node)]


def _picked(node: fx.Node, args: list[float], _: list[float]) -> float | None:
    """One of several results: a variance is a square beside its mean."""
    source, place = node.args[:2]
    squared = isinstance(source, fx.Node) and op_name(source) == "var_mean" and place == 0
    return args[0] * (2.0 if squared else 1.0)


def _still(_: fx.Node, __: list[float], ___: list[float]) -> float:
    return 0.0


def _compared(node: fx.Node, args: list[float], _: list[float]) -> float | None:
    numbers = [value for value in node.args[:2] if isinstance(value, int | float)]
    return 0.0 if (not any(numbers) if numbers else args[0] == args[1]) else None


def _product(_: fx.Node, args: list[float], __: list[float]) -> float | None:
    return args[0] + args[1]


def _quotient(_: fx.Node, args: list[float], __: list[float]) -> float | None:
    return args[0] - args[1]


_RULES: dict[str, Callable[[fx.Node, list[float], list[float]], float | None]] = {
    **dict.fromkeys(MOVES | _SAME, _same),
    **dict.fromkeys(NORMS, _norm),
    **dict.fromkeys(FACTORIES | _SIGNS, _still),
    **dict.fromkeys(_COMPARES, _compared),
    **dict.fromkeys((*_POWERS, "pow"), _power),
    **dict.fromkeys(MULTIPLIES, _product),
    "div": _quotient,
    **dict.fromkeys(_CHOOSING, _chosen),
    "getitem": _picked,
}
