"""Products of more than two operands, taken apart so that a weight meets the data in an operation of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from initium.network._noted import Noted
from initium.network._ops import op_name, shape_of
from initium.network._terms import terms

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import fx


class Term(NamedTuple):
    """An operand and the letters of its axes."""

    node: fx.Node
    letters: str


def in_pairs(graph: fx.Graph, parameters: int) -> None:
    """Writes an ``einsum`` of several signals and weights as one product after another: signals first, then weights.

    ``bhts,bhsk,hkd->btd`` is an attention and the weight of its output: as one operation it would be neither. What
    multiplies several signals at once along axes that are summed (``bi,oij,bj->bo``) is bilinear and stays one.

    Args:
        graph: What was traced; it is changed.
        parameters: How many of its placeholders, the first, are parameters.
    """
    own, places = set["fx.Node"](), 0
    for node in list(graph.nodes):
        if node.op == "placeholder":
            own |= {node} if places < parameters else set()
            places += 1
        elif node.op == "call_function" and node.all_input_nodes and own.issuperset(node.all_input_nodes):
            own.add(node)
        elif op_name(node) == "einsum" and len(node.args[1]) > 2:  # noqa: PLR2004 - a pair is what is wanted
            _take_apart(graph, node, own)


def _take_apart(graph: fx.Graph, node: fx.Node, own: Collection[fx.Node]) -> None:
    inputs, output = terms(str(node.args[0]))
    every = [Term(each, letters) for each, letters in zip(cast("Sequence[Any]", node.args[1]), inputs, strict=True)]
    signals = [each for each in every if each.node not in own]
    weights = [each for each in every if each.node in own]
    plain = all("." not in letters and len(set(letters)) == len(letters) for letters in inputs)
    if not (signals and weights and plain) or any(_bilinear(each, signals, output) for each in weights):
        return
    made = signals.pop(0)
    while signals or weights:
        other = signals.pop(0) if signals else _met(made, weights)
        kept = _kept(made, other, (*signals, *weights), output) if signals or weights else output
        made = Term(_product(graph, node, (made, other), kept), kept)
    node.replace_all_uses_with(made.node)
    graph.erase_node(node)


def _bilinear(weight: Term, signals: Sequence[Term], output: str) -> bool:
    """Whether the axes of a weight that are summed belong to several signals, so that no one of them meets it alone."""
    summed = {
        letter for letter in weight.letters if letter not in output and any(letter in each.letters for each in signals)
    }
    return bool(summed) and not any(summed <= set(each.letters) for each in signals)


def _met(made: Term, weights: list[Term]) -> Term:
    """The next weight: one that the data reaches already."""
    found = next((each for each in weights if set(each.letters) & set(made.letters)), weights[0])
    weights.remove(found)
    return found


def _kept(one: Term, other: Term, rest: Sequence[Term], output: str) -> str:
    """The letters that the output or a later operand has."""
    wanted = set(output).union(*(each.letters for each in rest))
    return "".join(letter for letter in dict.fromkeys(one.letters + other.letters) if letter in wanted)


def _product(graph: fx.Graph, whole: fx.Node, pair: tuple[Term, Term], kept: str) -> fx.Node:
    one, other = pair
    sizes = dict[str, int]()
    for each in pair:
        for letter, size in zip(each.letters, shape_of(each.node), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))  # an axis of one is stretched
    target = cast("Any", whole.target)
    with graph.inserting_before(whole):
        made = graph.call_function(target, (f"{one.letters},{other.letters}->{kept}", [one.node, other.node]))
    made.meta = {**whole.meta, "val": Noted(tuple(sizes[letter] for letter in kept), whole.meta["val"].dtype)}
    return made
