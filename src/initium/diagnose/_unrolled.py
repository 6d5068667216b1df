"""Recurrence that a program writes out, step by step: whether the last state still knows the first."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.diagnose._links import links
from initium.diagnose._words import TEXTBOOK
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

# As of the fused operations: eight steps or more, of whose half a sum with what is nearer leaves nothing in float32.
_SEVERAL, _ROUNDED = 8, 2.0**-23


def unrolled(network: Network, signal: Signal) -> Iterator[Finding]:
    """One for every weight that reads what it gave the step before, by an activation alone, half of whose steps get no gradient beside the others."""
    by_name: dict[str, list[Link]] = {}
    for link in links(network, signal):
        by_name.setdefault(link.use.name, []).append(link)
    for uses in by_name.values():
        if len(uses) >= _SEVERAL and _ungated(uses) and _forgets(uses):
            yield _finding(uses)


def _ungated(uses: list[Link]) -> bool:
    """Each reads the one before, and nothing is multiplied between them, or kept beside."""
    return all(
        before.use.node in link.use.sources and link.use.before.kind == "activation" for before, link in pairwise(uses)
    )


def _forgets(uses: list[Link]) -> bool:
    figures = [link.row.grad_rms for link in uses]
    return figures[-1] > 0 and max(figures[: len(figures) // 2]) < _ROUNDED * figures[-1]


def _finding(uses: list[Link]) -> Finding:
    first, last = uses[0].row, uses[-1].row
    return Finding(
        code="vanishing-gradient",
        severity="warning",
        layers=(last.name,),
        message=f"The last state forgets the first {len(uses) // 2} of {len(uses)} steps: through the uses of `{last.name}` the gradient falls from "
        f"{shown(last.grad_rms)} to {shown(first.grad_rms)}.",
        measured=first.grad_rms / last.grad_rms,
        expected=1.0,
        cause=f"one weight and an activation ({uses[-1].use.after}) multiply again and again; less than float32's eps of a change in the first half "
        "comes to the end.",
        cure="Give the recurrent weight an orthogonal start of gain 1 before tanh; or take gates (LSTM, GRU), or read all states.",
        remedy=TEXTBOOK,
    )
