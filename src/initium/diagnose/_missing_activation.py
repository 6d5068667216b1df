"""``missing-activation``: weights follow each other with nothing between them, so that together they are one matrix.

Theory: a product of matrices is a matrix. Two weights in a row hold no more than one does, unless what is between them is
narrower than both ends, which makes a factorisation; a network without any activation is linear regression, whatever its
depth (Goodfellow, Bengio & Courville 2016, section 6.1). A batch norm is a straight line for all samples alike, and so is an
activation whose parameters bend nothing (a leaky ReLU of slope 1).

Limits: a warning where no operation up to the last weight bends anything and two weights or more could be one, and where such
pairs are as many as the activations that there are, so that half of the depth is none, or where what is between is wider than both
ends, which no factorisation is, three weights follow each other so, or two give the scores of a softmax (an additive attention without
its tanh, in which the query cancels out); otherwise an info, one for all such pairs.
Judged are plain weights, each the only
reader of the one before it.

Not a fault: a narrower middle (bottlenecks, low-rank updates, matrix factorisation, linear autoencoders of two weights); q, k, v
and output of an attention; grouped and separable convolutions; weights on or past a residual stream; frozen ones; a
head behind a pooling of a normalised backbone; a network of one weight.

Example:
    >>> import torch, initium
    >>> layers = [torch.nn.Linear(64, 64) for _ in range(4)]
    >>> initium.diagnose(torch.nn.Sequential(*layers), torch.randn(256, 64)).findings[0].code
    'missing-activation'
    >>> bent = [part for layer in layers for part in (layer, torch.nn.ReLU())]
    >>> initium.diagnose(torch.nn.Sequential(*bent[:-1]), torch.randn(256, 64)).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._links import links, readers
from initium.diagnose._words import names
from initium.network import adjoining, straight
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_UNJUDGED = frozenset({"lookup", "gates", "batched", "added"})
_MATRIX = 2


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding: for the network that is one matrix, else for the pairs that are."""
    every = links(network, signal)
    linear = straight(network)
    joints = {"linear", "norm"} if linear else {"linear"}
    pairs = _pairs(network, every, joints)
    redundant = [pair for pair in pairs if _redundant(*pair)]
    if redundant:
        bent = sum(link.use.after.kind == "activation" and not link.use.head for link in every)
        direct = adjoining(network)
        near = [pair for pair in redundant if (pair[0].use.node, pair[1].use.node) in direct]
        sure = next((pair for pair in near if _sure(pair, near)), None)
        told = redundant if sure is None else [sure, *(pair for pair in redundant if pair is not sure)]
        yield _whole(every) if linear else _some(told, bent, sure=sure is not None)


def _pairs(network: Network, every: tuple[Link, ...], joints: set[str]) -> list[tuple[Link, Link]]:
    """Weights that read one weight alone, of which they are the only reader, with nothing between."""
    by_node: dict[str, list[Link]] = {}
    for link in every:
        by_node.setdefault(link.use.node, []).append(link)
    readers_of = readers(network)
    found: list[tuple[Link, Link]] = []
    for link in every:
        before = by_node.get(next(iter(link.use.sources), ""), []) if len(link.use.sources) == 1 else []
        if len(before) == 1 and link.use.before.kind in joints and len(readers_of[before[0].use.node]) == 1:
            found.append((before[0], link))
    return found


def _redundant(first: Link, second: Link) -> bool:
    """Both are whole matrices of their own, and what is between them is no narrower than both ends."""
    between = first.units
    judged = _judged(first) and (_judged(second) or _ends_wide(first, second)) and not first.use.leaves
    return judged and between >= min(_inputs(first), second.units) and not _separable(first, second)


def _ends_wide(first: Link, second: Link) -> bool:
    """The last weight of a residual branch, behind a wider one of the same branch: its activation was left out."""
    residual = second.use.residual
    last = residual is not None and residual.place == "last" and first.use.residual is not None
    return last and first.units > max(_inputs(first), second.units) and _judged(second, last=True)


def _sure(pair: tuple[Link, Link], others: list[tuple[Link, Link]]) -> bool:
    """Wider than both ends; or three weights in a row; or scores of one unit, of which what is the same for all keys cancels."""
    first, second = pair
    wide = first.units > max(_inputs(first), second.units)
    scores = second.units == 1 and second.use.after.kind == "softmax" and not second.use.head
    return wide or scores or any(second is other[0] for other in others)


def _judged(link: Link, *, last: bool = False) -> bool:
    use = link.use
    alone = use.parts == 1 and use.layout not in _UNJUDGED and link.plain and not link.facts.frozen
    placed = use.residual is None or last or use.residual.place in {"inside", "stream"}
    return alone and placed and not use.attention and not use.heads and link.facts.uses == 1 and not link.zeroed


def _inputs(link: Link) -> int:
    """The channels that a weight reads."""
    return link.facts.shape[0] if link.use.layout in {"in_out", "conv_transpose"} else link.facts.shape[1]


def _separable(first: Link, second: Link) -> bool:
    """Two kernels that are the factors of one: 3 x 1 and 1 x 3, or a kernel and a mix of its channels."""
    one, other = first.facts.shape[_MATRIX:], second.facts.shape[_MATRIX:]
    return bool(one or other) and one != other


def _whole(every: tuple[Link, ...]) -> Finding:
    count = len(names(every))
    return Finding(
        code="missing-activation",
        severity="warning",
        layers=names(every),
        message=f"No activation stands anywhere between the {several(count, 'weight')}: the network is one matrix.",
        measured=0.0,
        expected=float(count - 1),
        cause=f"nothing from the input to `{every[-1].use.name}` bends the signal, so that all these weights multiply to one.",
        cure="Put an activation after every hidden weight; where a linear model is meant, one weight is enough.",
        remedy=Code("x = torch.relu(layer(x))  # after every hidden layer"),
    )


def _some(pairs: list[tuple[Link, Link]], others: int, *, sure: bool) -> Finding:
    first, second = pairs[0]
    more = f" ({len(pairs)} such pairs)" if len(pairs) > 1 else ""
    return Finding(
        code="missing-activation",
        severity="warning" if sure or len(pairs) >= others > 0 else "info",
        layers=names(tuple(link for pair in pairs for link in pair)),
        message=f"Nothing stands between `{first.use.name}` and `{second.use.name}`{more}: together they are one matrix.",
        measured=float(len(pairs)),
        expected=0.0,
        cause=f"`{second.use.name}` reads `{first.use.name}` as it is, {several(others)} elsewhere have an activation behind them, and "
        f"the {first.units} units between the two are no bottleneck.",
        cure="Put an activation between them, or make one weight of the two.",
    )
