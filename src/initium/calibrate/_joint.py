"""What goes out where several weights give it together: a product of towers, of tables, a sum of heads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initium.network import MOVES, MULTIPLIES, is_float, made_of, op_name, scores

_SUMS = frozenset({"add", "sub"})

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from torch import fx

    from initium.network import Network, Trace


@dataclass(frozen=True, slots=True)
class Joint:
    """A value that goes out, or a term of one, and is made of some weights' outputs, which others may multiply.

    Attributes:
        names: Those weights and tables.
        degree: The power by which it grows where all of them grow: 2 for a product of two, 1 for a sum.
        terms: The number of such terms that make what goes out in sum.
        weighed: Whether it holds a table whose rows others multiply: scores of a state, or of features.
    """

    names: tuple[str, ...]
    degree: float
    terms: int = 1
    weighed: bool = False


def joints(network: Network, names: Collection[str], tables: Collection[str] = ()) -> dict[str, Joint]:
    """By node that goes out, or term of it, what it is made of: several uses of these, a power of one, rows that others weigh.

    Args:
        network: The traced network.
        names: The weights and tables that give what goes out, and nothing else.
        tables: Those that other weights read as well: they count in products and powers.
    """
    if network.trace is None:
        return {}
    ends = list(_leaving(network.trace))
    scored = {each.name for node in ends for each in _moved(node)}
    within = [
        use
        for use in network.uses
        if use.leaves and (not use.activated or use.activated in scored or _is_power(use.after.text))
    ]
    sized = {*names, *tables}
    every = {use.node: [name for name in (use.name, *use.joined) if name in sized] for use in within}
    named = {node: tuple(several) for node, several in every.items() if several}
    read = _Read(network.trace, named, {use.node for use in network.uses} - named.keys(), tables)
    return {node.name: joint for each in ends for node, joint in read.joints(each)}


class _Read:
    """A graph, the uses of which joints are made, and those that stand in none."""

    def __init__(
        self, trace: Trace, named: Mapping[str, tuple[str, ...]], strangers: Collection[str], tables: Collection[str]
    ) -> None:
        self._members = {node for node in trace.graph.graph.nodes if node.name in named}
        self._named, self._strangers, self._tables, self._inputs = named, strangers, {*tables}, _inputs(trace)

    def joints(self, node: fx.Node) -> Iterator[tuple[fx.Node, Joint]]:
        """A value that members alone make: as one, where all its terms grow alike, else term by term."""
        terms = {term: self._joint(term) for term in _terms(node, self._members)}
        clean = {term: joint for term, joint in terms.items() if joint and joint.names}
        if None in terms.values():
            return
        whole = self._joint(node)
        if whole and len({joint.degree for joint in clean.values()}) == 1:
            clean = {node: whole}
        for term, joint in clean.items():
            if (
                joint.weighed
                or joint.degree > 1
                or not ((self._alone(term) and len(clean) == 1) or self._tables & {*joint.names})
            ):
                yield term, replace(joint, terms=len(clean))

    def _alone(self, term: fx.Node) -> bool:
        """What one use gives is of its weight's size already."""
        made = {each for here in made_of(term, self._members) for each in here.all_input_nodes}
        return term in self._members or len(made & self._members) < 2  # noqa: PLR2004

    def _joint(self, term: fx.Node) -> Joint | None:
        """Of which members a value is made; ``None`` where others have a part in it, and do not only multiply it."""
        if term in self._members:
            return Joint(self._named[term.name], 1.0)
        degrees, others, made = dict.fromkeys(self._members, 1.0), set["fx.Node"](), set["fx.Node"]()
        weighed = False
        for here in made_of(term, self._members):
            given = [degrees[each] for each in here.all_input_nodes if each in degrees]
            foreign = not others.isdisjoint(here.all_input_nodes)
            joins = foreign and not (any(given) and op_name(here) in MULTIPLIES)
            if here.name in self._strangers or here in self._inputs or joins:
                others.add(here)
                continue
            weighed |= foreign
            made.update(self._members.intersection(here.all_input_nodes))
            degrees[here] = sum(given) if op_name(here) in MULTIPLIES else max(given, default=0.0) * _power(here)
        if term in others:
            return None
        names = tuple(dict.fromkeys(name for each in sorted(made) for name in self._named[each.name]))
        return Joint(names, max(degrees[term], 1.0), weighed=weighed and not self._tables.isdisjoint(names))


def _terms(node: fx.Node, members: Collection[fx.Node]) -> list[fx.Node]:
    """What a value is the sum of, but for where its elements stand."""
    found, ahead = dict["fx.Node", None](), [node]
    while ahead:
        here = ahead.pop()
        if here not in members and (op_name(here) in _SUMS or op_name(here) in MOVES):
            ahead += here.all_input_nodes
        elif here not in found:
            found[here] = None
    return list(found)


def _leaving(trace: Trace) -> Iterator[fx.Node]:
    """What goes out, or of chances and a loss the scores."""
    (output,) = (node for node in trace.graph.graph.nodes if node.op == "output")
    yield from dict.fromkeys(each for node in output.all_input_nodes for each in scores(node))


def _moved(node: fx.Node) -> Iterator[fx.Node]:
    """A value, and those of which it is a view."""
    yield node
    while op_name(node) in MOVES and node.all_input_nodes:
        node = node.all_input_nodes[0]
        yield node


def _inputs(trace: Trace) -> set[fx.Node]:
    """The batch's floating tensors."""
    return {node for node in trace.entries if is_float(node)}


def _is_power(text: str) -> bool:
    """An activation that has a degree."""
    return text.partition("(")[0] in {"square", "pow"}


def _power(node: fx.Node) -> float:
    """The exponent of a whole power, which alone has a scale of its own for either sign."""
    name = op_name(node)
    exponent = 2 if name == "square" else node.args[1] if name == "pow" else 1
    return float(exponent) if isinstance(exponent, int | float) and exponent >= 1 else 1.0
