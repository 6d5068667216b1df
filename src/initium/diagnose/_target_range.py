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
change whatever is answered where the label is 0, and does where it is -1 instead: an error. A variance (of F.gaussian_nll_loss) that a ReLU gives, and the exponential
of a multiple above 0 of what a ReLU gives to a weight's answer: a warning.

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

from initium.diagnose._double_softmax import ONE_SIDED, head_of
from initium.diagnose._figures import share, shown
from initium.diagnose._links import links
from initium.network import bounds, exp_of_rectified
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
    if signal.misfit == "variance" and signal.loss is not None and _rectified(network):
        yield _no_variance(head, signal.loss)
    yield from _large_variance(network, head)
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


def _rectified(network: Network) -> bool:
    """One of the answers ends in a ReLU, and none in anything else that keeps it above zero."""
    above = [answer.op for answer in bounds(network) if answer.low >= 0]
    return bool(above) and all(op in ONE_SIDED for op in above)


def _no_variance(head: tuple[str, ...], loss: float) -> Finding:
    return Finding(
        code="target-range",
        severity="warning",
        layers=head,
        message=f"The loss, {shown(loss)}, divides by a variance, and a ReLU gives it: where that is off it is zero.",
        measured=0.0,
        expected=1.0,
        cause="a ReLU gives 0 for all that is below, which F.gaussian_nll_loss takes for 1e-6: the squared error there counts a million times, and "
        "no gradient leads out.",
        cure="Let softplus give the variance, or exp of what the weight gives.",
        remedy=Code("variance = torch.nn.functional.softplus(self.variance(h))"),
    )


def _large_variance(network: Network, head: tuple[str, ...]) -> Iterator[Finding]:
    found = exp_of_rectified(network)
    if found:
        yield Finding(
            code="target-range",
            severity="warning",
            layers=found or head,
            message=f"The exponential of what a ReLU gives is never below 1: `{found[0]}` makes a logarithm (of a variance, a rate) that cannot be negative.",
            measured=1.0,
            expected=0.0,
            cause="the ReLU cuts off all logarithms below 0, and no gradient leads out: nothing smaller than 1 can be learned.",
            cure="Take the exponential of what the weight gives, with nothing behind it.",
            remedy=Code("spread = (0.5 * self.log_variance(h)).exp()"),
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
