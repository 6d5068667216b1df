"""``norm-scale``: the learned scale of a normalisation is zero or far from one, so that it undoes what the norm does.

Theory: a norm hands on unit variance times its scale. At scale s every weight behind it reads s and gets a gradient s
times as large, every weight before it a gradient s times as large; at 0 both are 0, and what follows is the shift alone
(Ioffe & Szegedy 2015, algorithm 1, where it starts at 1).

Limits: the rms of a scale (of ``1 + w`` where it is used so) below a 30th or above 30, by :mod:`._slopes`' measure, or
zeros in more than half of it. An error where it is below a thousandth in half of all norms, and where a weight before a
norm loses its gradient to a zero; else a warning.

Not a fault: the last norm of a residual branch, which may start at zero; a norm without a scale; LayerScale and other
factors that belong to no norm, right behind one too: a norm has one scale.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(3) for part in (torch.nn.Linear(64, 64), torch.nn.LayerNorm(64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = torch.nn.init.zeros_(layers[4].weight)
    >>> initium.diagnose(model, batch).findings[0].code
    'norm-scale'
    >>> _ = torch.nn.init.ones_(layers[4].weight)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several, share, shown
from initium.diagnose._links import links
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import ScaleRow, Severity, Signal

_TIMES, _STALLED, _HALF = 30.0, 1e-3, 0.5


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all scales that are off."""
    off = odd_scales(network, signal)
    if off:
        yield _finding(off, len(signal.scales), _severity(off, network, signal))


def odd_scales(network: Network, signal: Signal) -> list[ScaleRow]:
    """The scales that are far from one and have no reason to be."""
    idle = {facts.name for facts in network.parameters if facts.idle}
    return [row for row in signal.scales if row.name not in idle and _odd(row)]


def _odd(row: ScaleRow) -> bool:
    return not 1 / _TIMES <= row.rms <= _TIMES or row.zeros > _HALF


def _severity(off: list[ScaleRow], network: Network, signal: Signal) -> Severity:
    stalled = [row for row in off if row.rms < _STALLED]
    lost = any(
        link.use.normalised and link.row.weight_grad_norm == 0 and not link.facts.frozen
        for link in links(network, signal)
    )
    silent = any(row.rms == 0 for row in off) and lost
    return "error" if silent or (stalled and 2 * len(stalled) >= len(signal.scales)) else "warning"


def _finding(off: list[ScaleRow], count: int, severity: Severity) -> Finding:
    first = off[0]
    what = f"has rms {shown(first.rms)}" if first.zeros <= _HALF else f"is zero in {share(first.zeros)} of its channels"
    return Finding(
        code="norm-scale",
        severity=severity,
        layers=tuple(row.name for row in off),
        message=f"The scale of {several(len(off), 'normalisation')} of {count} is far from 1: `{first.name}` {what}.",
        measured=first.rms,
        expected=1.0,
        cause=f"what the norm brings to unit size `{first.name}` takes away again, from the signal and from every gradient that "
        "passes.",
        cure="Start the scale of a normalisation at 1; zero is for the last one of a residual branch.",
        remedy=Code(f'torch.nn.init.ones_(model.get_parameter("{first.name}"))  # zeros where it is used as 1 + w'),
    )
