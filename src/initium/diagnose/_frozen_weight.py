"""``frozen-weight``: a weight in the midst of others that learn, which is frozen and holds what it was drawn as.

Theory: where ``requires_grad`` is off, or was lost on the way (a parameter made of ``.data``, a layer replaced after a
loop that froze them all, one freeze too many), the weight stays the random projection that it started as: what is before
it learns through it, what is behind it learns from it, and its own rank and directions are those of the draw.

Limits: exact. Frozen matrices and kernels of more than one value that read what a trainable weight gives and are read by
trainable ones, with no way around them, where they are fewer than half of all weights, and hold no more than three
quarters of all elements (an adapter is a small part of what it adapts). A warning. Where a loss was given and no parameter
at all can be trained, an error. A warning too where two weights or more are frozen, nothing before them learns, what learns reads them, and all of them lie as
one draw of a law puts them: rows, and columns, whose mean squares differ by no more than chance, and tails no heavier than a
Gaussian's. So it is where every weight is frozen, as it was drawn, and biases or scales
alone can be trained. A warning, likewise, for drawn matrices that multiply what a weight gave, on a way to another, and
are neither parameters nor buffers; and for a frozen table that lies so. Training leaves strong and weak units (after two epochs of digits already). Such a backbone was never loaded.

Not a fault: a frozen backbone that was trained, before a head or behind what is tuned (prompts); one layer of random features; adapters in a model that is frozen but for
them; a teacher or a momentum encoder beside the network; a frozen table that was trained, or a frozen last layer; blurs and other constants.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(3) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> _ = model[2].requires_grad_(False)
    >>> initium.diagnose(model, batch).findings[0].code
    'frozen-weight'
    >>> _ = model[2].requires_grad_(True)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._links import behind, bypassed, links, readers
from initium.diagnose._words import names
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_ROUNDING, _MOST, _SHOWN = 1e-6, 0.75, 3


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all weights that are frozen in the midst of others."""
    every = links(network, signal)
    if signal.loss is not None and every and all(facts.frozen or facts.whole for facts in network.parameters):
        yield _everything(every)
        return
    if signal.loose:
        yield _no_parameter(signal.loose)
    frozen = [link for link in every if link.facts.frozen and link.plain and _varies(link)]
    readers_of = readers(network)
    learning = {link.use.node for link in every if not link.facts.frozen}
    fed = set(behind(learning, readers_of))
    raw = tuple(link for link in frozen if not learning.isdisjoint(behind([link.use.node], readers_of)))
    weights = {link.facts.name for link in every}
    if every and weights <= set(signal.drawn) and signal.loss is not None:
        yield _never_trained(every)
        return
    body = fed.isdisjoint(link.use.node for link in frozen)  # nothing that learns comes before: no adapter, no prompt
    tables = tuple(link for link in every if link.use.layout == "lookup" and link.facts.name in signal.drawn)
    if tables and signal.loss is not None:
        yield _table(tables)
    if body and len(names(raw)) > 1 and {link.facts.name for link in raw} <= set(signal.drawn):
        yield _never_trained(raw)
    if not frozen or _adapted(every):
        return
    amid = tuple(
        link
        for link in frozen
        if link.use.node in fed
        and not learning.isdisjoint(behind([link.use.node], readers_of))
        and not bypassed((link,), readers_of)
    )
    if amid:
        yield _finding(amid, len({link.use.name for link in every}))


def _adapted(every: tuple[Link, ...]) -> bool:
    """A model that is frozen but for a few weights, or but for small ones (adapters)."""
    elements = {link.use.name: (link.row.elements, link.facts.frozen) for link in every}
    still = [count for count, frozen in elements.values() if frozen]
    return 2 * len(still) >= len(elements) or sum(still) > _MOST * sum(count for count, _ in elements.values())


def _varies(link: Link) -> bool:
    return link.row.weight_std > _ROUNDING * link.row.weight_rms


def _everything(every: tuple[Link, ...]) -> Finding:
    return Finding(
        code="frozen-weight",
        severity="error",
        layers=names(every),
        message="Every parameter is frozen, and a loss is to be lowered: nothing will be learned.",
        measured=float(len(names(every))),
        expected=0.0,
        cause="requires_grad is off throughout the model.",
        cure="Unfreeze what is to be trained; diagnose a model that is only run without a loss.",
        remedy=Code("model.requires_grad_(True)"),
    )


def _table(tables: tuple[Link, ...]) -> Finding:
    first = tables[0].use.name
    return Finding(
        code="frozen-weight",
        severity="warning",
        layers=names(tables),
        message=f"The table `{first}` is frozen and still lies as one draw of a law puts it: what its rows stand for will never be learned.",
        measured=1.0,
        expected=0.0,
        cause="no vectors were loaded into it, and its gradient is off (Embedding.from_pretrained freezes what it is given, a random matrix too).",
        cure="Load the vectors, or let it learn: Embedding.from_pretrained(matrix, freeze=False).",
        remedy=Code(f'model.get_parameter("{first}").requires_grad_(True)'),
    )


def _never_trained(raw: tuple[Link, ...]) -> Finding:
    frozen = names(raw)
    return Finding(
        code="frozen-weight",
        severity="warning",
        layers=frozen,
        message=f"{several(len(frozen), 'weight')}, first `{frozen[0]}`, are frozen and were never trained: what learns reads random features.",
        measured=float(len(frozen)),
        expected=0.0,
        cause="requires_grad is off, and their values lie as one draw puts them: rows and columns are alike as chance has it.",
        cure="Load the trained weights before freezing (pretrained, from_pretrained, load_state_dict), or unfreeze them.",
        remedy=Code("model.load_state_dict(torch.load(path))  # before requires_grad_(False)"),
    )


def _no_parameter(shapes: tuple[tuple[int, ...], ...]) -> Finding:
    listed = ", ".join(map(str, shapes[:_SHOWN])) + ("" if len(shapes) <= _SHOWN else " ...")
    return Finding(
        code="frozen-weight",
        severity="warning",
        layers=(),
        message=f"{len(shapes)} drawn {'matrix stands' if len(shapes) == 1 else 'matrices stand'} in the place of weights and will never change, of "
        f"shape {listed}.",
        measured=float(len(shapes)),
        expected=0.0,
        cause="a plain tensor that is an attribute is no parameter: parameters() does not list it, and no gradient is computed for it.",
        cure="Assign it as nn.Parameter(tensor); a projection that is meant to stay random goes into register_buffer.",
        remedy=Code("self.weight = torch.nn.Parameter(weight)"),
    )


def _finding(amid: tuple[Link, ...], count: int) -> Finding:
    first = amid[0].use.name
    frozen = names(amid)
    return Finding(
        code="frozen-weight",
        severity="warning",
        layers=frozen,
        message=f"{several(len(frozen), 'weight')} of {count} will never change, first `{first}`: weights before and behind "
        "learn, and it does not.",
        measured=float(len(frozen)),
        expected=0.0,
        cause=f"requires_grad of `{first}` is off, so that it stays as it was drawn.",
        cure="Unfreeze it; where it is meant to stay, accept this finding with the reason.",
        remedy=Code(f'model.get_parameter("{first}").requires_grad_(True)'),
    )
