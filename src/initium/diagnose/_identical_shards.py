"""``identical-shards``: weights that were drawn once and copied: from layer to layer, from expert to expert, or inside one.

Theory: a layer that is cloned after it was drawn (``copy.deepcopy``, as ``nn.TransformerEncoder`` does with the layer that it is
given, pytorch#72253) starts every copy with the same values, and so do shards or experts that were drawn from one seed. The
theory of starts assumes independent weights: the same matrix applied again amplifies its own leading directions, ``W^L`` in
the place of a product of L independent ones. Copies that read the same value compute the same, and only what reads them
tells them apart (Goodfellow, Bengio & Courville 2016, section 8.4).

Limits: exact, element by element, of trainable weights that multiply the data and look drawn. A warning where one copy reads
what another gives (clones over depth), where copies read the same value, and where one weight is the same block of rows again
and again; an info where copies stand side by side and read different things.

Not a fault: tied weights, which are one parameter; constants, identities, Dirac kernels, and tables that are made by rule;
frozen copies (a momentum encoder, the locked half of a ControlNet); towers that start alike (an info).

Example:
    >>> import torch, initium
    >>> import copy
    >>> layer = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())
    >>> model, batch = torch.nn.Sequential(*(copy.deepcopy(layer) for _ in range(4))), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
    >>> for part in model:
    ...     _ = part.load_state_dict(model[0].state_dict())
    >>> initium.diagnose(model, batch).findings[0].code
    'identical-shards'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._links import behind, links, readers
from initium.diagnose._words import TEXTBOOK
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Severity, Signal

_CONVOLUTIONS = frozenset({"conv", "conv_transpose"})
_PAIR = 2


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for copies of whole weights, and one for weights that repeat a block."""
    if not signal.copies and not signal.repeats:
        return
    first = {link.facts.name: link for link in reversed(links(network, signal)) if _judged(link, signal)}
    groups = [[first[name] for name in group if name in first] for group in signal.copies]
    groups = [_in_order(network, group) for group in groups if len(group) >= _PAIR]
    if groups:
        yield _copies(network, groups)
    blocks = {name: count for name, count in signal.repeats if name in first and not _grouped(first[name])}
    if blocks:
        yield _repeats(blocks)


def _judged(link: Link, signal: Signal) -> bool:
    """A weight that learns, and that nobody else computes."""
    learns = not link.facts.frozen and link.facts.name not in signal.unreached
    return learns and link.facts.role in {"weight", "recurrent"} and not link.facts.computed_by


def _grouped(link: Link) -> bool:
    """A convolution in groups, whose kernels are often one by rule (blurs, interpolations)."""
    return link.use.layout in _CONVOLUTIONS and link.use.parts > 1


def _in_order(network: Network, group: list[Link]) -> list[Link]:
    places = {use.node: place for place, use in reversed(list(enumerate(network.uses)))}
    return sorted(group, key=lambda link: places[link.use.node])


def _copies(network: Network, groups: list[list[Link]]) -> Finding:
    readers_of = readers(network)
    deep = [group for group in groups if _one_behind_the_other(group, readers_of)]
    beside = [group for group in groups if group not in deep and len({link.use.sources for link in group}) < len(group)]
    severity: Severity = "warning" if deep or beside else "info"
    worst = (deep or beside or groups)[0]
    count = sum(len(group) - 1 for group in groups)
    how = (
        f"`{worst[1].use.name}` stands behind `{worst[0].use.name}` in the same network: a layer was copied after it was drawn "
        "(copy.deepcopy; nn.TransformerEncoder does so with the layer that it is given)."
        if deep
        else "they read the same value, so that they compute the same until what reads them tells them apart."
        if beside
        else "they read different things, so that the first step tells them apart."
    )
    return Finding(
        code="identical-shards",
        severity=severity,
        layers=tuple(dict.fromkeys(link.facts.name for group in groups for link in group)),
        message=f"{several(count, 'weight')} of {len({use.name for use in network.uses})} are copies of others, element by element: "
        f"`{worst[1].use.name}` is `{worst[0].use.name}`.",
        measured=float(count),
        expected=0.0,
        cause=how,
        cure="Draw every layer's weights anew, after the copies were made.",
        remedy=TEXTBOOK,
    )


def _one_behind_the_other(group: list[Link], readers_of: dict[str, set[str]]) -> bool:
    """The second of them is made of what the first gives."""
    return not {link.use.node for link in group[1:]}.isdisjoint(behind([group[0].use.node], readers_of))


def _repeats(blocks: dict[str, int]) -> Finding:
    name, count = next(iter(blocks.items()))
    more = f", and {several(len(blocks) - 1, 'more weight')} likewise" if len(blocks) > 1 else ""
    return Finding(
        code="identical-shards",
        severity="warning",
        layers=tuple(blocks),
        message=f"`{name}` is one block of rows {count} times over{more}.",
        measured=float(count),
        expected=1.0,
        cause=f"its {count} shards were drawn from the same seed, or one was copied to the others: units of different shards start "
        "alike.",
        cure="Draw the whole weight at once, or every shard from a stream of its own.",
        remedy=TEXTBOOK,
    )
