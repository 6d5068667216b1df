"""``target-scale``: what the network is to answer is far larger, or far smaller, than what it answers at the start.

Theory: an output of unit size that has to become y has to travel |y|, and at a learning rate of lr an optimizer that
normalises its steps (Adam) goes about lr a step; the gradient of a squared error is as large as the distance itself, and
so is that of every weight behind it. What is smaller than the answers of the start by the same measure is lost in the
noise that these begin with, and its loss is a thousandth of what merely forgetting them saves (LeCun, Bottou, Orr &
Mueller 1998, "Efficient BackProp", section 4.5, for targets of the activation's own size).

Limits: asked of a loss that is zero of the target itself and feels its size, and told by the output. Too large: the target
lies 30 times as far from the output as the output varies, and more than 30 (:mod:`._slopes` for the measure). Too small:
the output varies 30 times as much as the target, and the target varies by less than a thirtieth; beside one of ordinary size it is
the output that is at fault (``output-prior``). A warning.

Not a fault: a model that answers in the target's units (scaled back at its end, a bias at the target's mean); a head that is
zero; a loss of ratios or angles; classes, and chances; a target that is one number throughout (a stand-in, a label of a
least-squares GAN).

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    >>> inputs = torch.randn(256, 64)
    >>> prices = 200_000 + 50_000 * inputs[:, :1]
    >>> loss = torch.nn.functional.mse_loss
    >>> initium.diagnose(model, initium.Batch((inputs,), target=prices), loss).findings[0].code
    'target-scale'
    >>> scaled = (prices - prices.mean()) / prices.std()
    >>> initium.diagnose(model, initium.Batch((inputs,), target=scaled), loss).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.diagnose._links import links
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal, TargetRow

_TIMES = 30.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding where the target is out of the output's reach."""
    row = signal.regression
    if row is None or not row.std > 0:
        return
    every = links(network, signal)
    head = (every[-1].use.name,) if every else ()
    if wild(row):
        return
    if row.away > _TIMES * max(row.out_std, 1.0):
        yield _finding(row, head, "far from", row.away, "learned in units that the network does not start in")
    elif row.out_std > _TIMES * row.std:
        yield _finding(
            row, head, "small beside", row.out_std / row.std, "lost in the answers that the network starts with"
        )


def ordinary(row: TargetRow) -> bool:
    """A target of about unit size: what is far larger than that is at fault itself (``output-prior``)."""
    return 1 / _TIMES <= row.std <= _TIMES


def wild(row: TargetRow) -> bool:
    """Answers that vary far more than an ordinary target does."""
    return ordinary(row) and row.out_std > _TIMES * row.std


def _finding(row: TargetRow, head: tuple[str, ...], how: str, measured: float, what: str) -> Finding:
    return Finding(
        code="target-scale",
        severity="warning",
        layers=head,
        message=f"The target is {how} what the network answers: mean {shown(row.mean)}, std {shown(row.std)}, largest {shown(row.largest)}; "
        f"the output has std {shown(row.out_std)}.",
        measured=measured,
        expected=1.0,
        cause=f"the loss is zero where the output is the target, so that the target is {what}: it is {shown(row.away)} away.",
        cure="Standardise the target: subtract the mean and divide by the std of the training set, and undo that on what the model "
        "answers.",
        remedy=Code("target = (target - target.mean(0)) / target.std(0)  # the training set's, kept for later"),
    )
