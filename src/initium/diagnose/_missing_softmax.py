r"""``missing-softmax``: a likelihood is taken of numbers that are no log-probabilities, or no probabilities.

Theory: ``NLL(z, y) = -z_y`` is the log-likelihood of the target only where ``sum_c exp(z_c) = 1``. Of raw scores it has no lower
bound: its gradient is ``-1`` for the target and 0 for every other class, whatever the network answers, so that the scores
grow for ever. Of probabilities (the logarithm forgotten) it lies between -1 and 0, and rare classes are given up. Likewise
a divergence (``KL``), and the likelihood of an alignment (CTC). A loss that takes the logarithm itself, ``-log p_y``, takes
probabilities: a score below 0 has no logarithm and is cut off at a small number, which has no slope, and what a ReLU cuts off is
0 already.

Limits: exact. The loss is recomputed from the output: it is, up to rounding, the mean of ``-output[target]``, is not 0, and in
some row the exponentials do not sum to 1: by a hundredth and more, so that a small number before the logarithm is none. A loss of another form, of classes or of their probabilities, is asked: it is a
likelihood where ``L(z + c) = L(z) - k c`` for every c, with one k above 0, ``L(0)`` is not above 0, and the targets make a difference. An error of raw scores, a warning of probabilities. It takes probabilities where ``L(softmax(z)) = k CE(z)``, or
``L(sigmoid(z)) = k BCE(z)``, for every z: an error where the output lies beyond 0 to 1, has rows that do not sum to 1 (for a loss that does not divide by
their sum), or comes from a ReLU. So is a loss of overlap (Dice, Jaccard), which is 0 of the target itself, less of twice the target and more of ones
throughout, of an output beyond 0 to 1.

Not a fault: log-probabilities; a loss that is not recognised.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> batch = initium.Batch((torch.randn(256, 64),), target=torch.arange(256) % 10)
    >>> loss = torch.nn.functional.nll_loss
    >>> initium.diagnose(model, batch, loss).findings[0].code
    'missing-softmax'
    >>> initium.diagnose(torch.nn.Sequential(*model, torch.nn.LogSoftmax(-1)), batch, loss).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._double_softmax import ONE_SIDED as RECTIFIERS
from initium.diagnose._double_softmax import head_of
from initium.diagnose._figures import shown
from initium.diagnose._links import links
from initium.diagnose._softmax_axis import aside
from initium.network import ending
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding where the likelihood is none."""
    if signal.loss is None:
        return
    if signal.misfit == "scores as chances":
        yield _no_chances(network, signal, signal.loss)
    if signal.misfit == "scores as shares":
        yield _no_shares(network, signal, signal.loss)
    end = ending(network)
    if signal.misfit not in {"no softmax", "no log"} or (end is not None and aside(end, signal)):
        return
    raw = signal.misfit == "no softmax"
    yield Finding(
        code="missing-softmax",
        severity="error" if raw else "warning",
        layers=head_of(links(network, signal)),
        message=f"The loss, {shown(signal.loss)}, is a likelihood of {'raw scores' if raw else 'probabilities'}, where it takes "
        "log-probabilities.",
        measured=signal.loss,
        expected=0.0,
        cause="it falls with everything that is added to the output, and the exponentials of the output do not sum to 1: it has no lower bound, and the "
        "scores grow for ever."
        if raw
        else "it falls with everything that is added to the output, and each row of the output sums to 1: the logarithm is missing.",
        cure="Take F.cross_entropy of the scores, which applies the log_softmax; or end the model in F.log_softmax(scores, dim=-1).",
        remedy=Code("loss = torch.nn.functional.cross_entropy  # of the scores, with no softmax in the model"),
    )


def _no_chances(network: Network, signal: Signal, loss: float) -> Finding:
    end = ending(network)
    made = f"comes from a {end.op}" if end and end.op in RECTIFIERS else "holds numbers that are none"
    return Finding(
        code="missing-softmax",
        severity="error",
        layers=head_of(links(network, signal)),
        message=f"The loss, {shown(loss)}, takes the logarithm of probabilities, and the output {made}.",
        measured=loss,
        expected=0.0,
        cause="of probabilities the loss is the cross-entropy of their scores; what is 0 or below has no logarithm, is cut off at a small number "
        "and gets no gradient.",
        cure="End the model in a softmax over the classes (a sigmoid for one unit); or return the scores and take F.cross_entropy "
        "(F.binary_cross_entropy_with_logits), which apply it.",
        remedy=Code("loss = torch.nn.functional.cross_entropy  # of the scores, with nothing behind the last weight"),
    )


def _no_shares(network: Network, signal: Signal, loss: float) -> Finding:
    return Finding(
        code="missing-softmax",
        severity="error",
        layers=head_of(links(network, signal)),
        message=f"The loss, {shown(loss)}, measures how probabilities and target overlap, and the output holds numbers that are none.",
        measured=loss,
        expected=0.0,
        cause="of twice the target it is less than of the target itself: beyond 0 to 1 it has no lower bound, and what is divided by may be zero.",
        cure="End the model in a sigmoid (a softmax over exclusive classes), or apply it in the loss.",
        remedy=Code("loss = lambda output, target: dice(output.sigmoid(), target)"),
    )
