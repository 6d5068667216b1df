"""Views in the place of transpositions: the same sizes in another order, of numbers that stay in theirs."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from initium.network._ops import ATTENTIONS, ORDERED, RESHAPES, behind, op_name, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._network import Network

_CUTS = frozenset({"slice", "narrow", "getitem", "split", "chunk"})
_PRODUCTS, _SCALES = frozenset({"matmul", "bmm", "baddbmm"}), frozenset({"mul", "div"})
_FEWEST, _PAIR = 3, 2


def recut(network: Network) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """The views of data that give its own sizes, three or more, in another order, and neither split nor join axes.

    So are those that make places by channels of an image whose channels come first, or an image of such places. So are those around an attention that part the last axis, as rows of heads, and put a part before the axis in front of it, or undo that.

    A view may part an axis, and join the parts with their neighbours: rows of the smaller measure then lie whole in rows of the
    larger one (heads that are joined with samples). Where they do not, and the sizes are the same ones in another order, axes
    were to change places, which no view does: each row of what it gives is cut from several of what it was given. The shift of
    relative positions does so on purpose, and so does what parts two axes anew at once, each in itself: both are left out.

    Args:
        network: A network that was read with a batch; of any other nothing is known.

    Returns:
        By the view's node the sizes before and after.
    """
    if network.trace is None:
        return {}
    data, found = set(network.trace.entries), dict[str, tuple[tuple[int, ...], tuple[int, ...]]]()
    for node in network.trace.graph.graph.nodes:
        if node in data or not data.isdisjoint(node.all_input_nodes):
            data.add(node)
            heads = _weighs(node)
            sizes = (
                size
                for size in _before(node)
                if _permuted(size, shape_of(node))
                or _tokens(size, shape_of(node))
                or _tokens(shape_of(node), size)
                or (heads and _moved(size, shape_of(node)))
            )
            before = next(sizes, None)
            if before is not None and not _shifts(node):
                found[node.name] = before, shape_of(node)
    return found


def _shifts(node: fx.Node) -> bool:
    """True of either view around a part: rows cut at another length shift against each other (Dai et al. 2019)."""
    behind = node.all_input_nodes[:1]
    while behind and op_name(behind[0]) in ORDERED:
        behind = behind[0].all_input_nodes[:1]
    return _views_around(behind) or _views_around([user for user in node.users if op_name(user) in _CUTS])


def _views_around(parts: list[fx.Node]) -> bool:
    """Whether a part is taken of a view, and viewed anew."""
    for part in parts:
        source, given = part, [part]
        while op_name(source) in _CUTS and source.all_input_nodes:
            source = source.all_input_nodes[0]
        while all(op_name(user) in _CUTS for user in given[-1].users) and given[-1].users:
            given.append(next(iter(given[-1].users)))
        anew = any(op_name(user) in ORDERED for user in given[-1].users)
        if source is not part and op_name(source) in ORDERED and anew:
            return True
    return False


def _before(node: fx.Node) -> Iterator[tuple[int, ...]]:
    """The sizes that the same numbers had in the same order."""
    while op_name(node) in ORDERED and len(node.all_input_nodes) == 1:
        node = node.all_input_nodes[0]
        yield shape_of(node)


def _permuted(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    one, other = ([size for size in shape if size != 1] for shape in (before, after))
    other_order = len(one) >= _FEWEST and one != other and sorted(one) == sorted(other) and not _nested(one, other)
    return other_order and not _meant(_blocks(one, other))


def _tokens(image: tuple[int, ...], rows: tuple[int, ...]) -> bool:
    """An image, (samples, channels, rows, columns), and its places by channels, (samples, rows * columns, channels), of the same order."""
    if len(image) <= len(rows) or len(rows) != _FEWEST or min(image[1:]) == 1 or image[0] != rows[0]:
        return False
    places, first = math.prod(image[2:]), math.prod(image[1:-1])  # by channels that come last, no axis is moved
    return rows[1:] == (places, image[1]) != (image[1], places) and rows[1:] != (first, image[-1])


def _moved(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Rows of heads that are viewed as heads of rows, or the other way round."""
    return _parted(list(before), list(after)) or _parted(list(after), list(before))


def _weighs(node: fx.Node) -> bool:
    """True where an attention, or a product of two values, reads what a view gives, or gives what it reads."""
    ahead, seen = [node], {node}
    while ahead:
        for user in ahead.pop().users:
            if op_name(user) in ATTENTIONS | _PRODUCTS and len(user.all_input_nodes) > 1:
                return True
            if op_name(user) in RESHAPES | _SCALES and user not in seen:
                seen.add(user)
                ahead.append(user)
    given = behind(node, RESHAPES | _SCALES) if node.all_input_nodes else node
    return op_name(given) in ATTENTIONS | _PRODUCTS


def _parted(one: list[int], other: list[int]) -> bool:
    """Rows of heads, (steps, heads * width), that are viewed as heads of rows, (heads, steps, width): steps were to change places."""
    if len(other) != len(one) + 1 or len(one) < _PAIR or one[:-2] != other[:-3]:
        return False
    (steps, whole), (heads, length, width) = one[-2:], other[-3:]
    return steps == length != heads and heads * width == whole and min(heads, steps, width) > 1


def _blocks(one: list[int], other: list[int]) -> list[tuple[list[int], list[int]]]:
    """The runs of axes that hold the same elements in both, as short as they can be, where they differ."""
    found, mine, theirs = list[tuple[list[int], list[int]]](), list[int](), list[int]()
    for here, there in zip(one, other, strict=True):
        mine.append(here)
        theirs.append(there)
        if math.prod(mine) == math.prod(theirs):
            found += [(mine, theirs)] if mine != theirs else []
            mine, theirs = [], []
    return found


def _meant(blocks: list[tuple[list[int], list[int]]]) -> bool:
    """Several axes parted anew at once, each in itself (windows and grids of an image), or rows longer by one (a shift)."""
    return len(blocks) > 1 or any(len(mine) == _PAIR and abs(mine[0] - mine[1]) == 1 for mine, _ in blocks)


def _nested(one: list[int], other: list[int]) -> bool:
    """True where every row of either, along however many axes, is made of whole rows of the next smaller one."""
    rows = sorted({math.prod(shape[axis:]) for shape in (one, other) for axis in range(len(shape))})
    return all(larger % smaller == 0 for smaller, larger in pairwise(rows))
