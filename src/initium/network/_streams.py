"""Which residual stream a value is on: joins follow each other on one, weights between two of them carry it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import PARTS, SUMS, is_pointwise, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._claims import Claim
    from initium.network._joins import Joins


def streams(read: Joins, claims: dict[fx.Node, Claim]) -> dict[fx.Node, int]:
    """The stream of every node that is on one; joins inside a branch have a stream of their own."""
    outer: dict[fx.Node, fx.Node] = {}
    for join in read.found.values():
        for node in join.inner:
            outer.setdefault(node, join.node)
    line: dict[fx.Node, int] = {}
    numbers: dict[tuple[int, fx.Node | None], int] = {}
    lines = 0
    for node, parents in read.flow.parents.items():
        if node in read.found:
            home = read.found[node].home
            if home not in line:
                line[home] = lines
                lines += 1
            line[node] = line[home]
            numbers.setdefault((line[node], outer.get(node)), len(numbers))
        elif _goes_on(read, node, claims):
            found = {line.get(parent, -1) for parent in parents}
            alike = found if op_name(node) in PARTS else found - {-1}
            if len(alike) == 1 and -1 not in alike:
                line[node] = alike.pop()
    main = {node: numbers[number, None] for node, number in line.items() if (number, None) in numbers}
    return main | {node: numbers[line[node], outer.get(node)] for node in read.found}


def _goes_on(read: Joins, node: fx.Node, claims: dict[fx.Node, Claim]) -> bool:
    """A weight inside a plain branch leaves the stream; one among joins inside a longer branch carries theirs."""
    if node in claims:
        return bool(read.found[claims[node].join].inner)
    several = len(read.flow.parents[node]) > 1
    return not several or node in read.flow.weights or _combines(read, node)


def _combines(read: Joins, node: fx.Node) -> bool:
    homes = {read.flow.home[parent] for parent in read.flow.parents[node]}
    return len(homes) == 1 or op_name(node) in SUMS or op_name(node) in PARTS or is_pointwise(node)
