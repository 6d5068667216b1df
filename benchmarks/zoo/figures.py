"""What is measured of one model."""

from __future__ import annotations

import math
import statistics
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

import initium
from zoo.case import above, loss

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from initium.records import Signal
    from zoo.case import Case

Figures = dict[str, Any]
WHAT = ("predict", "auto", "lsuv", "diagnose")


def looked_at(case: Case, what: Collection[str]) -> Figures:
    """All that is asked for; the model ends as ``auto`` left it."""
    found: Figures = {"parameters": sum(each.numel() for each in case.model.parameters())}
    before = initium.measure(case.model, case.batch, loss)
    if "diagnose" in what:
        report = initium.diagnose(case.model, case.batch, loss)
        found["findings"] = [[each.severity, each.code, *each.layers[:1]] for each in report.findings]
    if "predict" in what:
        found["own"] = ratios(before, initium.predict(case.model, case.batch, loss=loss))
    if "lsuv" in what:
        found["lsuv"] = calibrated(case)
    if "auto" in what:
        found |= started(case, before)
    if {"predict", "auto"} <= set(what):
        after = initium.measure(case.model, case.batch, loss)
        found["auto"] = ratios(after, initium.predict(case.model, case.batch, loss=loss))
    return found


def ratios(measured: Signal, predicted: Signal) -> list[list[Any]]:
    """By use of a weight, predicted over measured rms of the output, and of the gradient there, None for no gradient; and how."""
    expected = {(row.name, row.use): row for row in predicted.rows}
    found = list[list[Any]]()
    for row in measured.rows:
        other = expected.get((row.name, row.use))
        output = None if other is None else _ratio(other.out_rms, row.out_rms)
        gradient = None if other is None or not row.grad_rms > 0 else _ratio(other.grad_rms, row.grad_rms)
        cause = "missed" if other is None else f"{row.op} by {other.by}, {row.after.partition('(')[0]} follows"
        found.append([f"{row.name}:{row.use}", output, gradient, cause])
    return found


def _ratio(one: float, other: float) -> float:
    if one == other:
        return 1.0
    return one / other if other and math.isfinite(one / other) else math.inf


def calibrated(case: Case) -> list[list[Any]]:
    """By row of LSUV, whether the weight was calibrated, the std of its output, and what is said; the model is as before."""
    values = {name: value.clone() for name, value in case.model.state_dict().items()}
    receipt = initium.lsuv(case.model, case.batch)
    case.model.load_state_dict(values)
    return [[row.name, row.part, row.note.startswith("std"), row.after, row.note] for row in receipt.rows]


def started(case: Case, before: Signal) -> Figures:
    """Loss and rates before and after ``auto``."""
    own, lies = rates(case), higher(case)
    frozen = [name for name, each in case.model.named_parameters() if not each.requires_grad]
    initium.initialize(case.model, case.batch, "auto", overrides=dict.fromkeys(frozen, "keep"), seed=0)
    after, new = initium.measure(case.model, case.batch, loss), rates(case)
    both = [name for name in own if name in new]
    return {
        "above": [lies, higher(case)],
        "losses": [before.loss, after.loss],
        "finite": bool(after.output_finite and all(row.finite for row in after.rows)),
        "rates": {name: [own[name], new[name]] for name in both},
        "spreads": [statistics.pstdev([each[name] for name in both]) if len(both) > 1 else 0.0 for each in (own, new)],
    }


def higher(case: Case) -> float | None:
    """How far the cross-entropy is above that of guessing; buffers stay as they are."""
    with kept(case), torch.no_grad():
        return above(case.output())


def rates(case: Case) -> dict[str, float]:
    """log10 of ``|g| / |w|`` of every matrix, table and kernel that has both, by torch alone; buffers stay as they are."""
    case.model.zero_grad()
    with kept(case):
        loss(case.output()).backward()
    found = {
        name: float(each.grad.norm() / each.detach().norm())
        for name, each in case.model.named_parameters()
        if each.grad is not None and each.dim() > 1
    }
    case.model.zero_grad()
    return {name: math.log10(rate) for name, rate in found.items() if 0 < rate < math.inf}


@contextmanager
def kept(case: Case) -> Iterator[None]:
    """Chance as ever, and buffers as they were."""
    buffers = {name: value.clone() for name, value in case.model.named_buffers()}
    torch.manual_seed(0)
    yield
    with torch.no_grad():
        for name, value in case.model.named_buffers():
            value.copy_(buffers[name])
