"""``input-scale``: what comes into the network is not standardised, and the first weight feels it.

Theory: the gradient of a weight is the gradient behind it times what it reads, so at inputs of rms s one step changes the
weight s times as much, and its output s^2 times, as at inputs of rms 1. The curvature of the loss along the mean of the
inputs is ``mean^2 + std^2`` to ``std^2`` along what varies, whose ratio a step has to serve both (LeCun, Bottou, Orr &
Mueller 1998, "Efficient BackProp", sections 4.3 and 5.1).

Limits: measured at the weight, after what the model itself does to its input. ``s^2`` above 30 is a warning, at which a
gradient is too large by :mod:`._slopes`' measure (s above 5.5); so is ``(mean / std)^2`` above 100, the same measure's
wild one, since images from 0 to 1 have 10 and more and train; so is an input without any value above a hundredth. An error
where the consequence is there already: at that weight most of a bounded activation, a gate or a softmax of attention is
saturated or nearly all units are dead, or the loss begins at ten times what guessing costs. Every input is one number
throughout, while a target that was recognised tells the samples apart: a warning.

Not a fault: an input of any size before a normalisation, or whose first weight a normalisation follows; images from 0 to
1; one-hot and sparse inputs, whose rms is small and whose largest value is not; an input that is the same number
everywhere (a stand-in for data), of which nothing can be said unless targets tell its samples apart; coordinates that only go into sines.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> batch = torch.rand(256, 64) * 255
    >>> initium.diagnose(model, batch).findings[0].code
    'input-scale'
    >>> initium.diagnose(model, (batch - 127.5) / 73.6).healthy
    True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.diagnose._links import links
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import InputRow, Severity, Signal

_LARGE, _SHIFTED, _FAINT = math.sqrt(30), 10.0, 1e-2
_HALF, _MOSTLY, _MANY = 0.5, 0.9, 10.0
_UNLIKE, _BYTE = 10.0, 255.0
_CURE = (
    "Standardise the input: subtract the mean and divide by the std of the training set, for each feature (of images, each "
    "channel)."
)


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for every input of the batch that is too large or too far from zero where it is first read."""
    readers = {link.use.name: link for link in reversed(links(network, signal))}
    if signal.told_apart and _nothing(signal.inputs, readers):
        yield _constant(signal.inputs[0])
        return
    told = set[str]()
    for row in signal.inputs:
        link = readers.get(row.weight)
        if link is not None and row.name not in told and not link.use.normalised and off(row) and _its_own(row, link):
            told.add(row.name)
            yield _finding(row, link, _severity(link, signal))


def _nothing(rows: tuple[InputRow, ...], readers: dict[str, Link]) -> bool:
    """Every input is one number throughout, and is so as it comes."""
    given = [row.std == 0 and row.weight in readers and readers[row.weight].use.before.kind == "input" for row in rows]
    return bool(given) and all(given)


def _its_own(row: InputRow, link: Link) -> bool:
    """Not what the model makes of an input of usual size (a sum over neighbours)."""
    return link.use.before.kind == "input" or not row.given <= _LARGE


def off(row: InputRow) -> bool:
    """True where it is too large, or too far from zero."""
    odd = row.rms > _LARGE or abs(row.mean) > _SHIFTED * row.std or row.largest < _FAINT
    return math.isfinite(row.rms) and row.std > 0 and odd


def faint(signal: Signal) -> str:
    """This check's code where an input is so small that any bias drowns it, else nothing."""
    return "input-scale" if any(0 < row.largest < _FAINT and off(row) for row in signal.inputs) else ""


def _severity(link: Link, signal: Signal) -> Severity:
    guessing = math.log(signal.classes) if signal.classes and signal.classes > 1 else math.inf
    lost = signal.loss is not None and signal.loss > _MANY * guessing
    flat = link.hidden and (link.row.saturated > _HALF or link.row.dead >= _MOSTLY)
    sharp = [row.saturated > _HALF for row in signal.attentions if link.use.name in (*row.queries, *row.keys)]
    held = [row.saturated > _HALF for row in signal.gates if row.name == link.use.name]
    return "error" if lost or flat or any((*sharp, *held)) else "warning"


def _constant(row: InputRow) -> Finding:
    return Finding(
        code="input-scale",
        severity="warning",
        layers=(row.weight,),
        message=f"The input `{row.name}` is {shown(row.mean)} everywhere, in every sample, and the targets of the samples differ.",
        measured=0.0,
        expected=1.0,
        cause="nothing that tells one sample from another comes in.",
        cure="Look at what the data loader gives: whole numbers divided by whole numbers (x // 255), a scale that was applied twice, a file "
        "that was not read.",
        remedy=Code("x = x.float() / 255  # before anything else is done to it"),
    )


def _finding(row: InputRow, link: Link, severity: Severity) -> Finding:
    large = row.rms > _LARGE
    return Finding(
        code="input-scale",
        severity=severity,
        layers=(link.use.name,),
        message=f"The input `{row.name}` is not standardised: at `{link.use.name}` it has mean {shown(row.mean)}, std "
        f"{shown(row.std)} and rms {shown(row.rms)}.",
        measured=row.rms if large or row.largest < _FAINT else abs(row.mean) / row.std,
        expected=1.0 if large or row.largest < _FAINT else 0.0,
        cause=f"{_cause(row, large=large)}.",
        cure=_CURE,
        remedy=Code("x = (x - x.mean(0)) / x.std(0).clamp(min=1e-6)  # the training set's, kept for later"),
    )


def _cause(row: InputRow, *, large: bool) -> str:
    if row.largest < _FAINT:
        return (
            f"its largest value is {shown(row.largest)}, beside which any bias is large, and the first weight's gradient is as many times "
            "too small"
        )
    if not large:
        return (
            f"its mean is {shown(abs(row.mean) / row.std)} times its std, so that all samples look nearly the same to the "
            "first weight"
        )
    step = f"a step changes what the first weight gives {shown(row.rms**2)} times as much as at rms 1"
    if _BYTE / 2 < row.largest <= _BYTE and row.mean > 0:
        return f"its values go up to {shown(row.largest)}, as bytes of an image do; {step}"
    if math.isfinite(row.spread) and row.spread > _UNLIKE:
        return f"its features are in unlike units (the largest has {shown(row.spread)} times the rms of the median one); {step}"
    return f"its largest value is {shown(row.largest)}; {step}"
