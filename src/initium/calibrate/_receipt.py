"""What lsuv says it did: a row for every weight or part of one, and what no row is about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.calibrate._figures import spread_of
from initium.calibrate._pieces import Piece
from initium.records import ReceiptRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from initium.calibrate._choice import Choice
    from initium.calibrate._figures import Statistic
    from initium.calibrate._found import Found
    from initium.calibrate._walks import Seeing
    from initium.network import Network

# An output that misses its target by more says so in its row: this much, or as many roundings of its own precision.
_MISSED, _ROUNDINGS = 1e-3, 4
NOT_REACHED = "no element of this batch reached it"


def figures_of(seeing: Seeing, statistic: Statistic) -> dict[Piece, float]:
    """The pooled figure of every piece that was seen."""
    return {piece: spread_of(several, statistic).std for piece, several in seeing.seen.items()}


def slack_of(seeing: Seeing, piece: Piece, target: float) -> float:
    """By how much a figure may differ from its target."""
    return max(_MISSED, _ROUNDINGS * seeing.eps.get(piece, 0.0)) * target


def missed(seeing: Seeing, found: Mapping[Piece, Found], statistic: Statistic) -> list[Piece]:
    """The pieces that were given a factor and are not where they should be."""
    after = figures_of(seeing, statistic)
    return [
        piece
        for piece, one in found.items()
        if not one.note and piece in after and abs(after[piece] - one.target) > slack_of(seeing, piece, one.target)
    ]


def farthest(seeing: Seeing, found: Mapping[Piece, Found], statistic: Statistic) -> float:
    """By how much of its target the farthest of these misses it; 0 where none does."""
    after, far = figures_of(seeing, statistic), missed(seeing, found, statistic)
    return max((abs(after[piece] / found[piece].target - 1) for piece in far), default=0.0)


def rows_of(
    choices: Mapping[str, Choice], found: Mapping[Piece, Found], before: Seeing, seeing: Seeing, statistic: Statistic
) -> Iterator[ReceiptRow]:
    """The rows, weight by weight in the order of first use."""
    after, figures = figures_of(seeing, statistic), figures_of(before, statistic)
    far = set(missed(seeing, found, statistic))
    names = dict.fromkeys([*choices, *(piece.name for piece in found)])
    for name in names:
        mine = [piece for piece in found if piece.name == name]
        if mine and (name not in choices or not choices[name].reason):
            for piece in sorted(mine, key=lambda piece: piece.spans):
                choice, one = choices.get(name), found[piece]
                note = _note(choice, piece, one, statistic, missed=piece in far, seen=piece in after)
                yield ReceiptRow(name, one.before, one.factor, after.get(piece, math.nan), note, piece.label)
        else:
            pieces = [piece for piece in after if piece.name == name] or [Piece(name)]
            reason = choices[name].reason or NOT_REACHED
            for piece in pieces:
                figure = figures.get(piece, 0.0)
                yield ReceiptRow(name, figure, None, after.get(piece, 0.0), f"left alone: {reason}", piece.label)


def _note(choice: Choice | None, piece: Piece, one: Found, statistic: Statistic, *, missed: bool, seen: bool) -> str:
    uses = len(choice.uses) if choice is not None else 0
    parts = [
        one.note or f"{statistic} {one.target:.4g}",
        one.how,
        f"used {uses} times: the figure of all uses together" if uses > 1 and not piece.spans else "",
        choice.remark if choice is not None else "",
        f"the check measured another {statistic}" if missed else "",
        "the new weights lead another way, which does not reach it" if not (seen or one.note) else "",
    ]
    return "; ".join(part for part in parts if part)


def notes_of(
    network: Network, choices: Mapping[str, Choice], found: Mapping[Piece, Found], written: Collection[str]
) -> Iterator[str]:
    """What the rows do not say: biases that were set to zero, and weights that no row is about."""
    carriers = {choice.carrier for choice in choices.values()}
    named = {*choices, *carriers, *(piece.name for piece in found)}
    zeroed = [name for name in written if name not in named]
    yield from network.strange
    if zeroed:
        yield f"written by the start, as biases of calibrated weights or rows of the plan: {', '.join(zeroed)}"
    yield from unmentioned(network, named)


def unmentioned(network: Network, named: Collection[str]) -> Iterator[str]:
    """The weights that no row is about, and why."""
    for facts in network.parameters:
        if facts.name not in named and facts.mentionable:
            yield f"left alone: `{facts.name}` ({facts.role}); {'; '.join(facts.notes) or 'no operation multiplies data by it'}"
