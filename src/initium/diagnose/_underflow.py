"""``underflow``: in half precision the signal or the gradient is below the smallest numbers that there are.

Theory: float16 has normal numbers down to 2^-14 = 6.1e-5 and, losing digits, subnormal ones in steps of u = 2^-24 = 6.0e-8; half a step
is rounded to zero. Rounding to a step u has the standard deviation ``u / sqrt(12)``, at rms r a relative error of
``u / (r sqrt(12))`` (Micikevicius et al. 2018, section 3.2, for what it does to gradients and for the scaling of the loss).
bfloat16 has the range of float32, and its u is 2^-133 = 9.2e-41.

Limits: an rms r at which the error is above a tenth, ``r < 10 u / sqrt(12)`` (1.7e-7 in float16), or a gradient of zero at a
weight whose readers have one that is zero for the same reason or within ten times that limit, or zero everywhere while the loss of
the same output in double precision has one, in at least a quarter of the uses: a
warning; an error where none of those weights gets a gradient at all.

Not a fault: anything in float32 or float64; a gradient that is zero because a weight behind it is (a zero head, a branch that begins at
zero), or beside large ones, for which underflow is no reason.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(7) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)).half()
    >>> batch = initium.Batch((torch.randn(256, 64).half(),), target=torch.arange(256) % 10)
    >>> _ = initium.initialize(model, batch, "normal(0.02)", seed=0)
    >>> report = initium.diagnose(model, batch, torch.nn.functional.cross_entropy)
    >>> "underflow" in {each.code for each in report.findings}
    True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import several, shown
from initium.diagnose._links import links
from initium.diagnose._words import LSUV, names
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_STEPS = {"float16": 2.0**-24, "bfloat16": 2.0**-133}
_TENTH, _NEAR, _QUARTER = 10 / math.sqrt(12), 10.0, 4


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for the signals that underflow, and one for the gradients."""
    half = [link for link in links(network, signal) if link.row.dtype in _STEPS and link.row.finite]
    signals = tuple(link for link in half if 0 < link.row.out_rms < _floor(link))
    gradients = _lost(half, signal)
    if signals and _QUARTER * len(signals) >= len(half):
        yield _of_signals(signals, len(half))
    if gradients and _QUARTER * len(gradients) >= len(half):
        yield _of_gradients(gradients, half)


def _floor(link: Link) -> float:
    return _TENTH * _STEPS[link.row.dtype]


def _lost(half: list[Link], signal: Signal) -> tuple[Link, ...]:
    """The uses whose gradient is lost in rounding; those of a reader come later, so that its case is known first."""
    readers: dict[str, list[Link]] = {}
    for link in half:
        for source in link.use.sources:
            readers.setdefault(source, []).append(link)
    found: dict[str, Link] = {}
    for link in reversed(half):
        behind = readers.get(link.use.node, [])
        fell = bool(behind) and all(
            each.row.weight_rms > 0 and (each.use.node in found or 0 < each.row.grad_rms < _NEAR * _floor(each))
            for each in behind
        )
        fell |= signal.rounded_away
        if 0 < link.row.grad_rms < _floor(link) or (link.row.grad_rms == 0 and fell):
            found[link.use.node] = link
    return tuple(link for link in half if link.use.node in found)


def _of_signals(faint: tuple[Link, ...], count: int) -> Finding:
    smallest = min(faint, key=lambda link: link.row.out_rms)
    return Finding(
        code="underflow",
        severity="warning",
        layers=names(faint),
        message=f"The signal underflows in {several(len(faint))} of {count}, from `{faint[0].use.name}` on: its rms at "
        f"`{smallest.use.name}` is {shown(smallest.row.out_rms)}, the smallest number of {smallest.row.dtype} "
        f"{shown(_STEPS[smallest.row.dtype])}.",
        measured=smallest.row.out_rms,
        expected=_floor(smallest),
        cause="numbers so small are kept in whole steps of that size: more than a tenth of what they say is rounding.",
        cure="Rescale the weights on real data, so that the signal is of unit size, or compute in bfloat16 or float32.",
        remedy=LSUV,
    )


def _of_gradients(lost: tuple[Link, ...], half: list[Link]) -> Finding:
    dtype, step = lost[0].row.dtype, _STEPS[lost[0].row.dtype]
    left = [link.row.grad_rms for link in half if link.row.grad_rms > 0]
    none = sum(link.row.grad_rms == 0 for link in lost)
    zero = f", and is zero in {none} of them" if none else ""
    return Finding(
        code="underflow",
        severity="error" if all(link.row.weight_grad_norm == 0 for link in lost) else "warning",
        layers=names(lost),
        message=f"The gradient underflows in {several(len(lost))} of {len(half)}, first at `{lost[-1].use.name}` on its way "
        f"back{zero}: the smallest that is left has rms {shown(min(left, default=0.0))}, the smallest number of {dtype} is {shown(step)}.",
        measured=min(link.row.grad_rms for link in lost),
        expected=_floor(lost[0]),
        cause=f"{dtype} rounds a gradient to steps of {shown(step)}: under half of that it is zero, and at this size more than a "
        "tenth of it is rounding.",
        cure="Multiply the loss before backward and divide the gradients after it (torch.amp.GradScaler does), or compute in "
        "bfloat16.",
        remedy=Code(
            "scaler = torch.amp.GradScaler()\nscaler.scale(loss).backward()\nscaler.step(optimizer)\nscaler.update()"
        ),
    )
