"""``saturation``: tanh, sigmoid and their kin work where they are flat, and pass next to no gradient.

Theory: ``saturated`` counts the inputs at which the slope is below a twentieth of its largest. At unit variance that is 3 %
for tanh, none for sigmoid, and 32 % for hardtanh (Glorot & Bengio 2010, section 3, for what it does to training).

Limits: above one half, at which the typical unit passes a gradient for fewer than every other sample, the inputs are at
least twice as large as at unit variance for every one of these activations. An error where most of the layers that can
saturate do so, else a warning. Of a weight that is ten times as large as its activation needs (the limit of
:mod:`._gain_mismatch`), above a quarter: the inputs then are twice as large as at unit variance, and it is the weight that makes
them so. Of recurrent layers, gates that large weights or inputs drive to both ends
(:mod:`._gates`), and of a softmax on the way (a router), samples for which it is as good as decided.

Not a fault: a gate, or an output, that is meant to decide; hardtanh at unit variance.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(9) for part in (torch.nn.Linear(64, 64), torch.nn.Tanh())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "normal(1.0)", seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'saturation'
    >>> _ = initium.initialize(model, batch, "glorot_normal", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._expected import needed
from initium.diagnose._figures import several, share, shown, titled
from initium.diagnose._gates import driven
from initium.diagnose._links import links
from initium.diagnose._place import place
from initium.diagnose._words import names
from initium.errors import InitiumError
from initium.gains import saturation
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_HALF, _QUARTER, _TIMES = 0.5, 0.25, 10.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all the layers that saturate, and one for gates of recurrent layers."""
    able = [link for link in links(network, signal) if link.row.finite and _able(link)]
    flat = tuple(link for link in able if link.row.saturated > (_QUARTER if _oversized(link) else _HALF))
    if flat:
        alike = [link for link in able if link.use.after.text == flat[0].use.after.text]
        yield _finding(flat, len(alike))
    yield from driven(signal)


def _able(link: Link) -> bool:
    """Before an activation, or before a softmax that chooses on the way (a router), not in the answer."""
    return link.use.after.kind == "activation" or (link.use.after.kind == "softmax" and not link.use.head)


def _oversized(link: Link) -> bool:
    """A weight that is ten times as large as the activation behind it can use."""
    fitting = needed(link.use.after) if link.plain and link.use.after.kind == "activation" else None
    return fitting is not None and link.gain > _TIMES * fitting[1]


def _finding(flat: tuple[Link, ...], able: int) -> Finding:
    first, worst = flat[0], max(link.row.saturated for link in flat)
    reason = place(first)
    return Finding(
        code="saturation",
        severity="error" if 2 * len(flat) > able > 1 else "warning",
        layers=names(flat),
        message=f"{titled(first.use.after.text).capitalize()} is saturated in {several(len(flat))} of {able}, from `{first.use.name}` on: up to "
        f"{share(worst)} of its inputs are where its slope is under a twentieth of the largest.",
        measured=worst,
        expected=_healthy(first),
        cause=f"its inputs have std {shown(first.row.out_std)} after `{first.use.name}`: {reason.cause}.",
        cure=reason.cure,
        remedy=reason.remedy,
        part_of=reason.code,
    )


def _healthy(link: Link) -> float:
    """The share at inputs of unit variance."""
    function = link.use.after.activation
    try:
        return saturation(function, 1.0) if function is not None else 0.0
    except InitiumError:
        return 0.0
