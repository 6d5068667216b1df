"""``dead-units``: units whose activation passes no gradient for any sample of the batch.

Theory: a rectifier's unit is dead where its input is negative for every sample. With symmetric weights and zero biases the
sign of a unit's input is a fair coin however alike the samples are: at most half the units are dead, in the limit of
infinite depth (all samples alike) exactly half. More than that is a bias, a shifted input, or a collapse.

Limits: more than 1/2 plus 4 standard deviations of a fair coin thrown once a unit, ``4 * sqrt(1 / (4 n))``. A warning; an
error from 90 % on, or where the layer that reads these units learns nothing of the input any more. An answer of one unit that
is dead is an error: chance would have it, but no weight learns.

Not a fault: many dead units in a deep network of right gain (30 layers: a third).

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(4) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "he_normal", {"*.bias": initium.Constant(-50.0)}, seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'dead-units'
    >>> _ = initium.initialize(model, batch, "he_normal", {"*.bias": "zeros"}, seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._expected import flat
from initium.diagnose._figures import several, share, shown, titled
from initium.diagnose._links import links
from initium.diagnose._place import biased, place, uncentred
from initium.diagnose._words import Because, names
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Severity, Signal

_SIGMAS = 4.0
_MOSTLY = 0.9
# In a layer of so many units or more, all on one side are no chance: 2^-17.
_FEW = 17


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all the layers with too many dead units."""
    every = links(network, signal)
    # An input of exactly nothing (zero weights, underflow) is not what kills a unit.
    dead = tuple(link for link in every if link.row.out_rms > 0 and (link.row.dead > _bound(link) or _silent(link)))
    if dead:
        yield _finding(dead, _severity(dead, every))


def _bound(link: Link) -> float:
    """The largest share that chance allows; below 1, so that a layer of several units that is wholly dead is always found."""
    return min(0.5 + _SIGMAS * math.sqrt(0.25 / link.units), 1 - 0.5 / link.units) if link.units > 1 else 1.0


def _silent(link: Link) -> bool:
    """All units of the answer are dead, or the one that it is: no weight learns, whatever the chance of it was."""
    return bool(link.use.head) and link.row.dead == 1 and link.row.grad_rms == 0


def _severity(dead: tuple[Link, ...], every: tuple[Link, ...]) -> Severity:
    worst = max(link.row.dead for link in dead)
    return (
        "error"
        if worst >= _MOSTLY and (2 * len(dead) >= len(every) or _blocked(every) or any(map(_silent, dead)))
        else "warning"
    )


def _blocked(every: tuple[Link, ...]) -> bool:
    """Nothing of the input is left at the network's last weight."""
    last = every[-1].row
    return last.unit_std <= 1e-6 * last.out_rms


def _finding(dead: tuple[Link, ...], severity: Severity) -> Finding:
    first = max(dead, key=lambda link: link.row.dead)
    row, reason = first.row, _reason(first)
    return Finding(
        code="dead-units",
        severity=severity,
        layers=names(dead),
        message=f"{share(row.dead)} of the units after `{first.use.name}` are dead: {titled(first.use.after.text)} passes no gradient "
        f"for any sample ({several(len(dead))} with too many).",
        measured=row.dead,
        expected=0.5,
        cause=f"the output of `{first.use.name}` has mean {shown(row.out_mean)} and std {shown(row.out_std)}: "
        f"{reason.cause}.",
        cure=reason.cure,
        remedy=reason.remedy,
        part_of=reason.code,
    )


def _reason(link: Link) -> Because:
    """What holds the units where they are: the draw of few units alone, or what :func:`place` finds."""
    if flat(link.use.after):
        return place(link)
    if link.use.normalised:
        return Because(
            "a normalisation stands between, so it is neither the weight nor the input: its scale or shift leaves nothing "
            "above zero",
            "Start the normalisation at scale 1 and shift 0.",
        )
    spread = abs(link.row.out_mean) <= link.row.out_std and not biased(link) and not uncentred(link)
    if spread and link.units < _FEW:
        return Because(
            f"by the chance of the draw all {link.units} lie on the flat side",
            "Draw again (another seed), or use more units.",
        )
    return place(link)
