"""Layers inside one recurrent operation that nothing asks for: their weights' gradient is exactly zero, the others' is not."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._links import links
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_PAIR = 2


def unread_layers(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all of them. A layer has two matrices and more; over one step alone that of the state gets no gradient either."""
    inside = [link for link in links(network, signal) if link.use.layout == "gates" and not link.facts.frozen]
    for _, group in groupby(inside, lambda link: link.use.node):
        every = list(group)
        runs = [list(run) for still, run in groupby(every, _still) if still]
        lost = [link for run in runs if len(run) >= _PAIR for link in run]
        if lost and len(lost) < len(every):
            yield _finding(tuple(dict.fromkeys(link.use.name for link in lost)), every[0].use.op)


def _still(link: Link) -> bool:
    row = link.row
    return row.finite and row.weight_rms > 0 and row.weight_grad_norm == 0


def _finding(names: tuple[str, ...], op: str) -> Finding:
    return Finding(
        code="unused-parameter",
        severity="warning",
        layers=names,
        message=f"{several(len(names), 'weight')} inside {op} get a gradient of exactly zero, first `{names[0]}`, while the others of the same "
        "operation learn: nothing reads what these layers give.",
        measured=float(len(names)),
        expected=0.0,
        cause="the state of a lower layer, or of one direction, is taken in the place of the last (h[0] is the first layer's, h[-1] the last's).",
        cure="Read the states of all steps, out[:, -1], or the last layer's, h[-1]; or make the layer with as many layers as are read.",
        remedy=Code("states, (h, c) = lstm(x)\nanswer = head(h[-1])"),
    )
