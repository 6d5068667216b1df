"""``loss-sum``: the loss is a sum over a large batch, and so is every gradient.

Theory: the gradient of a sum over n samples is n times that of their mean, and a step of gradient descent at the same learning
rate n times as long. A rate that suits one batch suits no other, and the last, shorter batch of an epoch takes a shorter step
(Goyal et al. 2017, section 2.1, for how the rate has to follow). Optimizers that divide by the gradient's size (Adam, LAMB)
even it out; a limit on the norm, and weight decay, do not.

A part of a loss that is summed, beside one that is averaged, weighs n times what it would, and more with a larger batch: a
divergence of latents that is summed leaves a reconstruction that is averaged nothing to learn (Kingma & Welling 2014, equation
8, has both of one sample).

Limits: asked: every sample twice costs twice as much. A warning from 100 terms on, a sample each or a class that is
asked for (:mod:`._slopes` for the measure: a step that is too long by a hundred leaves plain networks at chance). Of a loss of several outputs, asked likewise: every
sample twice leaves the gradient of a sum as it is and halves that of a mean. Where there are both, and the gradient at what is
summed is more than 100 times that at what is averaged, the same measure: a warning.

Not a fault: a sum over pixels or tokens whose mean is taken over samples; a sum over a small batch, whose rate was found with it.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> batch = initium.Batch((torch.randn(2048, 64),), target=torch.arange(2048) % 10)
    >>> initium.diagnose(model, batch, torch.nn.CrossEntropyLoss(reduction="sum")).findings[0].code
    'loss-sum'
    >>> initium.diagnose(model, batch, torch.nn.CrossEntropyLoss()).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


_FAR = 100.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:  # noqa: ARG001 - the form of a check
    """One finding where the loss, or a part of it, is a sum over a large batch."""
    if signal.loss is not None and signal.summed:
        yield _whole(signal, signal.loss)
    elif signal.summed_beside > _FAR:
        yield _part(signal)


def _whole(signal: Signal, loss: float) -> Finding:
    return Finding(
        code="loss-sum",
        severity="warning",
        layers=(),
        message=f"The loss, {shown(loss)}, is a sum over {signal.samples} samples: every gradient is {signal.samples} times that of their mean, or more.",
        measured=float(signal.samples),
        expected=1.0,
        cause='every sample twice costs twice as much (reduction="sum", or .sum() at the end).',
        cure="Take the mean over the samples; with Adam it is the same step, with gradient descent, a limit on the norm or weight decay it is not.",
        remedy=Code("loss = loss / len(batch)"),
    )


def _part(signal: Signal) -> Finding:
    return Finding(
        code="loss-sum",
        severity="warning",
        layers=(),
        message=f"A part of the loss is summed over the {signal.samples} samples, and another is averaged: the gradient of the first is "
        f"{shown(signal.summed_beside)} times as large.",
        measured=signal.summed_beside,
        expected=1.0,
        cause="every sample twice leaves the gradient at some outputs as it is, and halves it at others, so that the batch's size weighs the parts "
        "against each other.",
        cure="Sum both over what belongs to one sample, and take the mean over the samples of both.",
        remedy=Code("loss = (reconstruction.flatten(1).sum(1) + divergence.sum(1)).mean()"),
    )
