"""Softmaxes in the place of an activation, one weight behind the other.

A softmax over n units hands on shares of about 1 / n, and its slope is ``p (1 - p)``, about 1 / n too: what the next weight gives
depends on the input n times less, and so on with every layer, while the gradient falls as much on its way back. At least two in
a row are judged, by the fall of the gradient from the reader of the last to the first: below 1/100 a warning, below 1/1000 an error
(:mod:`._slopes` for the measure). One alone is a soft choice (a codebook, a mixture), unless the weight that
gives the scores of classes reads it (measured on digits, 64 units before the last weight, 300 steps: 0.10 of them right with SGD and
0.4 to 0.6 with Adam, where ReLU has 0.98); and none of the readers reads anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.diagnose._words import names
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link

_STALLED, _SLOW, _FEWEST = 1e-3, 1e-2, 2


def squashed(every: tuple[Link, ...], classes: int | None) -> Iterator[Finding]:
    """A finding for every run of softmaxes between weights in which the gradient falls; one alone counts before the scores of classes."""
    for run, end in _runs(every):
        fall = run[0].row.grad_rms / end.row.grad_rms if end.row.grad_rms > 0 else 1.0
        if (len(run) >= _FEWEST or (classes and end.use.head)) and fall < _SLOW:
            yield _finding(run, end, fall)


def _runs(every: tuple[Link, ...]) -> Iterator[tuple[tuple[Link, ...], Link]]:
    """Links behind which a softmax stands that one weight alone reads, as long as they follow each other; and that reader."""
    readers: dict[str, list[Link]] = {}
    for link in every:
        for source in link.use.sources:
            readers.setdefault(source, []).append(link)
    following = {link.use.node: reader for link in every if (reader := _reader(link, readers)) is not None}
    starts = following.keys() - {reader.use.node for reader in following.values()}
    for first in (link for link in every if link.use.node in starts):
        run = [first]
        while run[-1].use.node in following:
            run.append(following[run[-1].use.node])
        yield tuple(run[:-1]), run[-1]


def _reader(link: Link, readers: dict[str, list[Link]]) -> Link | None:
    found = readers.get(link.use.node, [])
    if link.use.after.kind != "softmax" or len(found) != 1:
        return None
    (reader,) = found
    return reader if reader.use.before.kind == "softmax" and reader.use.sources == frozenset({link.use.node}) else None


def _finding(run: tuple[Link, ...], end: Link, fall: float) -> Finding:
    return Finding(
        code="vanishing-gradient",
        severity="error" if fall < _STALLED and len(run) >= _FEWEST else "warning",
        layers=names((*run, end)),
        message=f"The gradient falls through {len(run)} {'softmax' if len(run) == 1 else 'softmaxes'} in a row: multiplied by {shown(fall)} from `{end.use.name}` back to "
        f"`{run[0].use.name}`.",
        measured=fall,
        expected=1.0,
        cause=f"a softmax stands where an activation should: over {run[0].units} units its values and its slope are about 1 / {run[0].units}.",
        cure="Use relu, gelu or tanh between the layers; a softmax belongs behind the last one, where probabilities are shown.",
        remedy=Code("h = torch.nn.functional.relu(h)  # and no softmax between weights"),
    )
