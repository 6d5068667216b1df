"""``target-range``: the target has values that the model's last operation, or the loss, has no place for.

Theory: a ReLU answers nothing below 0, a sigmoid nothing outside of 0 to 1, a tanh and an LSTM nothing outside of -1 to 1; for a
target beyond, the best answer is the end of the range, where their slope is 0. A cross-entropy of chances, ``-t log p - (1
- t) log(1 - p)``, is least at ``p = t`` for t from 0 to 1 alone; beyond, it has no lower bound, and the scores grow for
ever. A loss of margins, ``max(0, 1 - t z)`` and its kin, is a function of ``t z`` and takes labels -1 and 1: at ``t = 0`` it is a
constant, and only one class is learned.

Limits: asked of the loss (:class:`~initium.records.TargetRow`) and read from the graph: the interval in which the answer lies whatever
the weights are, from what ends the model (states of a recurrent layer and vectors of length 1 too) through what scales it. A target of
whose variance a tenth lies beyond: a warning. A loss that is the binary cross-entropy of scores, recomputed, of
a target beyond 0 to 1: an error. Outputs from 0 to 1 whose rows sum to 1, or a loss that is the cross-entropy of scores, recomputed, of
a target of which a row sums to 2 or more: a warning. A loss of one answer a sample, with labels 0 and 1, that does not
change whatever is answered where the label is 0, and does where it is -1 instead: an error.

Not a fault: soft labels from 0 to 1; noise that goes a little beyond; a model whose answer is scaled behind its last
activation.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1), torch.nn.Sigmoid())
    >>> inputs, loss = torch.randn(256, 64), torch.nn.functional.mse_loss
    >>> initium.diagnose(model, initium.Batch((inputs,), target=inputs[:, :1]), loss).findings[0].code
    'target-range'
    >>> initium.diagnose(model, initium.Batch((inputs,), target=inputs[:, :1].sigmoid()), loss).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._double_softmax import head_of
from initium.diagnose._figures import share, shown
from initium.diagnose._links import links
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal, TargetRow

# Of the target's variance a tenth: noise that goes a little beyond is a hundredth.
_PART = 0.1


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding where the target goes beyond."""
    head = head_of(links(network, signal))
    if signal.misfit == "no chances" and signal.loss is not None:
        yield _no_chances(head, signal.loss)
    if signal.misfit == "one of several" and signal.loss is not None:
        yield _one_of_several(head)
    if signal.misfit == "one side" and signal.loss is not None:
        yield _one_side(head, signal.loss)
    row = signal.regression
    if row is not None and row.std > 0 and row.missed > _PART:
        yield _out_of_reach(row, head)


def _no_chances(head: tuple[str, ...], loss: float) -> Finding:
    return Finding(
        code="target-range",
        severity="error",
        layers=head,
        message=f"The loss, {shown(loss)}, is a cross-entropy of chances, and the target has values that are none: below 0 or above 1.",
        measured=loss,
        expected=0.0,
        cause="it is the mean of -t log p - (1 - t) log(1 - p), which for a t beyond 0 to 1 has no lower bound (a mask that is stored as 255, "
        "labels -1 and 1, or 1 and 2).",
        cure="Bring the target to 0 and 1: target / 255, (target + 1) / 2, target - 1.",
        remedy=Code("target = (target > 0).float()"),
    )


def _one_of_several(head: tuple[str, ...]) -> Finding:
    return Finding(
        code="target-range",
        severity="warning",
        layers=head,
        message="The model gives each class a share of 1, and the target has samples of several classes: their ones sum to more.",
        measured=1.0,
        expected=2.0,
        cause="a softmax, the model's or the loss's own, makes each row sum to 1, so that a class can only be answered at the cost of the others.",
        cure="Classes that exclude nothing take a sigmoid each: return scores, and take F.binary_cross_entropy_with_logits.",
        remedy=Code(
            "loss = torch.nn.functional.binary_cross_entropy_with_logits  # of the scores, with no softmax in the model"
        ),
    )


def _one_side(head: tuple[str, ...], loss: float) -> Finding:
    return Finding(
        code="target-range",
        severity="error",
        layers=head,
        message=f"The loss, {shown(loss)}, takes labels -1 and 1, and the target's are 0 and 1: it does not hear the samples of label 0.",
        measured=0.0,
        expected=-1.0,
        cause="it is a function of label times answer (a hinge, a margin), which takes labels -1 and 1; of a label 0 it is a constant, so that "
        "the network learns to answer 1 to everything.",
        cure="Bring the labels to -1 and 1: 2 * target - 1.",
        remedy=Code("target = 2 * target - 1"),
    )


def _out_of_reach(row: TargetRow, head: tuple[str, ...]) -> Finding:
    beyond = max(row.least - row.lowest, row.highest - row.most)
    return Finding(
        code="target-range",
        severity="warning",
        layers=head,
        message=f"The target goes from {shown(row.lowest)} to {shown(row.highest)}, and the model ends in {row.end}, which gives "
        f"{row.least:g} to {row.most:g}.",
        measured=beyond,
        expected=0.0,
        cause=f"values up to {shown(beyond)} beyond can never be answered: {share(row.missed)} of the target's variance, and at the end of the "
        f"range the slope of {row.end} is 0.",
        cure=f"Let a weight give the answer, with no {row.end} behind it, or bring the target into its range.",
        remedy=Code("target = (target - target.min()) / (target.max() - target.min())  # into 0 to 1"),
    )
