"""What is pooled over the samples, position by position, and comes back into each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initium.network._lies import sample_axis, sample_letters
from initium.network._ops import RESHAPES, axis_of, behind, inputs, is_pointwise, op_name, shape_of
from initium.network._samples import GATHERS, Mixed, followed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._network import Network

_POOLS = frozenset("mean sum nansum amax max".split())
_SPREADS = frozenset("var std var_mean std_mean norm linalg_vector_norm".split())
_NORMS = frozenset({"norm", "linalg_vector_norm"})
_BOUNDED = RESHAPES | {"clamp", "clamp_min", "add"}
_INTO = frozenset("cat add mul matmul mm bmm einsum".split())
_PRODUCTS = frozenset("matmul mm bmm einsum".split())
_GOES_OVER = _POOLS | _NORMS | {"cumsum", "einsum"}
_BY_PLACES = frozenset(GATHERS) - _PRODUCTS - {"mv", "addmm", "baddbmm"}
_POSITIONS = 3


def pooled_back(network: Network, samples: int) -> tuple[str, str, tuple[int, ...]] | None:
    """The first pooling over the samples that leaves positions apart, and is then joined to each sample.

    Told apart is what normalises by the batch, which does the same: there the mean is subtracted or divided by, a spread is taken
    of the same value, or what is pooled are squares. Rows without positions may be the members of one set, and rows that are added up by their
    neighbours are the nodes of one graph: nothing is said of them. A norm over the samples by which the same value is divided has no such use.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.

    Returns:
        The node, its name, and the shape of what it reads; ``None`` for none.
    """
    nodes = [node for node in network.trace.graph.graph.nodes if op_name(node) in _GOES_OVER] if network.trace else []
    inner = followed(network, samples, Mixed()) if nodes else {}
    for node in nodes if inner else ():
        data = _pooled(node, inner, samples)
        if data is not None and not _of_neighbours(network, inner, samples):
            return node.name, op_name(node), shape_of(data)
    return None


def _pooled(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> fx.Node | None:
    """What is pooled over the samples and comes back."""
    if op_name(node) == "einsum":
        return _summed_alone(node, inner, samples) or _matched_by_all(node, inner, samples)
    data = node.all_input_nodes[0]
    if data not in inner or not _over_samples(node, shape_of(data), inner[data], samples):
        return None
    if op_name(node) in _NORMS:
        return data if _divides(node, data) and not _centred(data) else None
    if not _has_positions(data) or (op_name(node) != "cumsum" and _measures_spread(data)):
        return None
    ways = {"add"} if op_name(node) == "cumsum" else set(_ways_back(node, inner))
    return data if ways and ways <= _INTO else None


def _over_samples(node: fx.Node, given: tuple[int, ...], inner: int, samples: int) -> bool:
    axis, over = sample_axis(given, inner, samples), _axes(node)
    return axis is not None and len(over) < len(given) and axis in {int(each) % len(given) for each in over}


def _axes(node: fx.Node) -> tuple[int, ...]:
    """``dim``, which is the third argument of a norm."""
    at: Any = next(iter(node.args[2:]), None) if op_name(node) in _NORMS else axis_of(node)
    return (at,) if isinstance(at, int) else tuple(at) if isinstance(at, list | tuple) else ()


def _has_positions(data: fx.Node) -> bool:
    return sum(size > 1 for size in shape_of(data)) >= _POSITIONS


def _divides(norm: fx.Node, data: fx.Node) -> bool:
    """Whether a value is divided by its own norm, views and bounds aside."""
    ahead = [norm]
    for here in ahead:
        for user in here.users:
            if op_name(user) == "div":
                return user.args[0] is data and user.args[1] is here
            if op_name(user) in _BOUNDED and inputs(user) == [here]:
                ahead.append(user)
    return False


def _centred(data: fx.Node) -> bool:
    """Whether a mean was subtracted from it: with its norm it is standardised, as a batch norm does."""
    means = [behind(each) for each in data.all_input_nodes[1:]] if op_name(data) == "sub" else []
    return any(op_name(each) in _POOLS for each in means)


def _measures_spread(data: fx.Node) -> bool:
    """Whether it is made of squares, or squares and spreads are made of it: moments of a norm."""
    behind, seen = [data], {data}
    for here in behind:
        if _squares(here):
            return True
        fresh = [each for each in inputs(here) if is_pointwise(here) and each not in seen]
        behind += fresh
        seen.update(fresh)
    return any(op_name(user) in _SPREADS or _squares(user) for user in data.users)


def _squares(node: fx.Node) -> bool:
    twice = op_name(node) == "mul" and len(node.args) > 1 and node.args[0] is node.args[1]
    return op_name(node) in {"pow", "square", "abs"} or twice


def _ways_back(pooled: fx.Node, inner: dict[fx.Node, int]) -> Iterator[str]:
    """The operations by which it, or what is made of it alone, meets a value in which samples lie."""
    ahead, seen = [pooled], {pooled}
    for here in ahead:
        for user in here.users:
            if user in seen:
                continue
            seen.add(user)
            if not any(each in inner for each in inputs(user)):
                ahead.append(user)
            elif user in inner:
                yield op_name(user)


def _summed_alone(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> fx.Node | None:
    """The operand of an ``einsum`` whose samples are summed, by a letter that no other has, beside one whose samples come out."""
    letters, output = sample_letters(node, inner, samples)
    operands: Any = node.args[1]
    alone = str(node.args[0])
    for place, letter in letters.items():
        summed = letter is not None and letter not in output and alone.count(letter) == 1
        if summed and _has_positions(operands[place]) and any(each and each in output for each in letters.values()):
            return operands[place]
    return None


def _matched_by_all(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> fx.Node | None:
    """An operand of an ``einsum`` that sums two values over the samples of both; of one value by itself that is a covariance."""
    letters, output = sample_letters(node, inner, samples)
    operands: Any = node.args[1]
    named = set(letters.values())
    summed = len(letters) > 1 and len(named) == 1 and None not in named and named.isdisjoint(output)
    if not summed or len(set(operands)) == 1 or not _PRODUCTS.intersection(_ways_back(node, inner)):
        return None
    return operands[0] if _has_positions(operands[0]) else None


def _of_neighbours(network: Network, inner: dict[fx.Node, int], samples: int) -> bool:
    """Whether rows are added up by places, or by a product over the samples that gives rows again: the nodes of one graph."""
    nodes = network.trace.graph.graph.nodes if network.trace else ()
    return any(op_name(node) in _BY_PLACES or _adds_rows(node, inner, samples) for node in nodes)


def _adds_rows(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> bool:
    if op_name(node) not in {"matmul", "mm", "bmm"} or samples not in shape_of(node):
        return False
    summed: Any = node.args[1]
    return summed in inner and sample_axis(shape_of(summed), inner[summed], samples) == max(
        len(shape_of(summed)) - 2, 0
    )
