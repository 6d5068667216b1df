"""``shared-weight``: a stack of layers that is one layer again and again.

Theory: ``[layer] * n`` is a list of n names of one object. The stack has the parameters of one layer, and applies the same
matrix again and again: ``W^n`` in the place of a product of n independent ones, whose leading directions take over, and
whose gradient is the sum over all uses (Pascanu, Mikolov & Bengio 2013, section 2.1, for what a power does that a product
does not).

Limits: exact. One parameter under several names that differ in one number alone (``3.weight``, ``5.weight``: places of one
container), which multiplies what it has given itself, or of which each place reads another tensor of the batch, or all read one and
the same value. A warning.

Not a fault: a layer under one name that is called again (recurrence, ALBERT, equilibrium models): that is written out; a
table that is tied to the head; one part that reads several inputs side by side (siamese towers, heads on a pyramid's
levels).

Example:
    >>> import torch, initium
    >>> def layer():
    ...     return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())
    >>> batch = torch.randn(256, 64)
    >>> model = torch.nn.Sequential(*[layer()] * 4)
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'shared-weight'
    >>> model = torch.nn.Sequential(*(layer() for _ in range(4)))
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._links import behind, links, readers
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all parameters that stand in several places of a stack."""
    uses: dict[str, list[Link]] = {}
    for link in links(network, signal):
        if len(link.facts.names) > 1 and link.use.layout != "lookup":
            uses.setdefault(link.facts.name, []).append(link)
    readers_of = readers(network)
    stacked = [each for each in uses.values() if _stacked(each[0].facts.names)]
    again = [each for each in stacked if len(each) > 1 and _reads_itself(each, readers_of)]
    apart = [each for each in stacked if len(each) == len(each[0].facts.names) and _reads_the_batch(each)]
    same = [each for each in uses.values() if len(each) == len(each[0].facts.names) and _reads_the_same(each, network)]
    if again:
        yield _finding(again)
    elif apart:
        yield _side_by_side(apart)
    elif same:
        yield _twice_over(same)


def _stacked(names: tuple[str, ...]) -> bool:
    """The names are places of one container: they differ in one part alone, which is a number in each."""
    parts = [name.split(".") for name in names]
    if len({len(each) for each in parts}) != 1:
        return False
    differing = [values for values in zip(*parts, strict=True) if len(set(values)) > 1]
    return len(differing) == 1 and all(value.isdigit() for value in differing[0])


def _reads_itself(several_uses: list[Link], readers_of: dict[str, set[str]]) -> bool:
    first, *others = (link.use.node for link in several_uses)
    return not set(others).isdisjoint(behind([first], readers_of))


def _reads_the_batch(several_uses: list[Link]) -> bool:
    """Each use reads another tensor of the batch, and no other weight is between."""
    read = [link.use.sources for link in several_uses if link.use.before.kind == "input"]
    return len(read) == len(several_uses) > 1 and len(frozenset().union(*read)) == sum(map(len, read)) > 0


def _reads_the_same(several_uses: list[Link], network: Network) -> bool:
    """All uses read one and the same value, so that they give the same."""
    nodes = {link.use.node for link in several_uses}
    read = {
        tuple(map(str, node.all_input_nodes))
        for node in (network.trace.graph.graph.nodes if network.trace else ())
        if node.name in nodes
    }
    return len(nodes) > 1 and len(read) == 1


def _twice_over(same: list[list[Link]]) -> Finding:
    names = same[0][0].facts.names
    return Finding(
        code="shared-weight",
        severity="warning",
        layers=tuple(each[0].facts.name for each in same),
        message=f"`{names[0]}` and `{names[-1]}` are one weight, in {len(names)} places of one container, and all of them read the same: they give one "
        f"answer {len(names)} times.",
        measured=float(len(names)),
        expected=1.0,
        cause="the same module was put into the container several times (`[layer] * n`), so that the heads (experts, tasks) are one.",
        cure="Make a layer for each place: [make_layer() for _ in range(n)].",
        remedy=Code("heads = torch.nn.ModuleList(make_layer() for _ in range(n))"),
    )


def _side_by_side(apart: list[list[Link]]) -> Finding:
    names = apart[0][0].facts.names
    return Finding(
        code="shared-weight",
        severity="warning",
        layers=tuple(each[0].facts.name for each in apart),
        message=f"`{names[0]}` and `{names[-1]}` are one weight, in {len(names)} places of one container, which read different tensors of the batch.",
        measured=float(len(names)),
        expected=1.0,
        cause="the same module was put into the container several times (`[layer] * n`), so that what belongs to one input is learned from all.",
        cure="Make a layer for each place: [make_layer() for _ in range(n)]. Where one is meant (twins), call it under one name.",
        remedy=Code("layers = torch.nn.ModuleList(make_layer() for _ in range(n))"),
    )


def _finding(again: list[list[Link]]) -> Finding:
    names = again[0][0].facts.names
    return Finding(
        code="shared-weight",
        severity="warning",
        layers=tuple(each[0].facts.name for each in again),
        message=f"`{names[0]}` stands in {len(names)} places of one stack, up to `{names[-1]}`, and multiplies what it has given itself; "
        f"{several(len(again), 'weight')} such.",
        measured=float(len(names)),
        expected=1.0,
        cause="the same module was put into the container several times (`[layer] * n`), so that all these layers are one and learn as one.",
        cure="Make a layer for each place: [make_layer() for _ in range(n)]. Where one layer is meant, call it in a loop under one name.",
        remedy=Code("layers = torch.nn.Sequential(*(make_layer() for _ in range(n)))"),
    )
