"""``output-prior``: the loss at step 0 against what a network that knows nothing, or the class frequencies, would have.

Theory: with equal logits the cross-entropy is log K; with logits equal to the log frequencies it is the entropy of the
classes (Lin et al. 2017, section 3.3, for the bias that does so). Random logits of variance v cost about v / 2 more.

Limits: a head is too large where the loss is more than 2 nats above log K, the price of logits of variance 4 (a critical
start has 1); an error from 10 log K on. A prior is missing where the frequencies would save more than a quarter of a nat
and more than a tenth of log K, and the loss has less than half of that yet: an info, a warning from half of log K, where
the first hundreds of steps go into the bias; so of a cross-entropy that is a part of the loss. A loss with a target that is no such cross-entropy is asked what zeros in the
place of all answers would cost: where that is a number above 0, and a thousandth or less of the loss (:mod:`._slopes`), a
warning; so are answers that vary 30 times as much as a target of ordinary size.

Not a fault: a small batch that misses classes. The entropy of K classes seen in n samples is too low by about ``(K - 1) / 2n``
(Miller 1955), which is taken off before anything is said; with fewer samples than classes nothing is.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> batch = initium.Batch((torch.randn(256, 64),), target=torch.arange(256) % 10)
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> _ = model[2].weight.data.mul_(10)
    >>> initium.diagnose(model, batch, torch.nn.functional.cross_entropy).findings[0].code
    'output-prior'
    >>> _ = initium.initialize(model, batch, "textbook", seed=0)
    >>> initium.diagnose(model, batch, torch.nn.functional.cross_entropy).healthy
    True
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initium.diagnose import _exploding_signal, _residual_growth
from initium.diagnose._figures import shown
from initium.diagnose._gain_mismatch import blown_up
from initium.diagnose._large_bias import drowning
from initium.diagnose._links import links
from initium.diagnose._norm_scale import odd_scales
from initium.diagnose._place import biased, drowned, place
from initium.diagnose._target_scale import wild
from initium.diagnose._words import LSUV, TEXTBOOK, Because
from initium.records import Finding, Refill, SetPrior

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import AddedRow, ScaleRow, Severity, Signal

_NATS = 2.0
_MANY = 10.0
_FAR = 1000.0
_SAVING, _PART, _MOST = 0.25, 0.1, 0.5
# Random scores are on the side of the frequent class for every other head, and save a part by chance.
_KNOWN = 0.5
_LARGE_INPUT, _LAWFUL, _LARGE_SCALE = 5.0, 1.5, 1.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for a head that is too sure, else for one that does not know the frequencies; of other losses, beside no answer."""
    if signal.loss is None or not math.isfinite(signal.loss):
        return
    if not signal.classes or signal.prior_loss is None:
        yield from _of_parts(network, signal)
        yield from _worse_than_nothing(network, signal, signal.loss)
        return
    uniform = math.log(signal.classes)
    every = links(network, signal)
    if signal.loss > uniform + _NATS:
        yield _too_sure(network, signal, signal.loss, uniform)
    else:
        yield from _no_prior(every[-1] if every else None, signal, signal.loss, uniform)


def _of_parts(network: Network, signal: Signal) -> Iterator[Finding]:
    """The same for each cross-entropy inside of a loss; which weight makes its scores is not known."""
    for part in signal.parts:
        known = replace(signal, prior_loss=part.prior_loss, classes=part.classes, targets=part.targets)
        uniform = math.log(part.classes)
        if part.loss > uniform + _NATS:
            told = _too_sure(network, known, part.loss, uniform)
            yield replace(
                told,
                layers=(),
                message=f"A part of the loss: {told.message[0].lower()}{told.message[1:]}",
                cause="the scores that go into it are large: not normalised, or over a small temperature, or the weights before them are.",
                cure="Normalise what is compared (cosines), or divide by the square root of its width; or start the weights before it smaller.",
                remedy=None,
                part_of="",
            )
        else:
            yield from _no_prior(None, known, part.loss, uniform)


def _worse_than_nothing(network: Network, signal: Signal, loss: float) -> Iterator[Finding]:
    """Where the answers of the start cost a thousand times what zeros would, or vary far more than what is asked for."""
    nothing, row, every = signal.at_zero, signal.regression, links(network, signal)
    far = nothing is not None and not signal.misfit and 0 < nothing * _FAR < loss
    if not far and (row is None or not wild(row)):
        return
    head = every[-1] if every else None
    reason = (
        _reason(
            head,
            every,
            odd_scales(network, signal),
            drowning(signal),
            grown=any(_residual_growth.check(network, signal)),
        )
        if head
        else None
    )
    varied = f" Its answers have std {shown(row.out_std)}, the targets {shown(row.std)}." if row is not None else ""
    yield Finding(
        code="output-prior",
        severity="warning",
        layers=(head.use.name,) if head else (),
        message=f"The loss begins at {shown(loss)}; if every answer were zero it would be {shown(nothing or 0.0)}.{varied}",
        measured=loss,
        expected=nothing or 0.0,
        cause="what the network answers at the start is not of the size that the loss takes"
        + (f": {reason.cause}" if reason else ", be it a scale, or the logarithm of one, that is far off."),
        cure="Start the last weight small, and a scale that goes out (a log_std, for one) near zero.",
        remedy=TEXTBOOK,
        part_of=reason.code if reason else "",
    )


def _too_sure(network: Network, signal: Signal, loss: float, uniform: float) -> Finding:
    every, odd = links(network, signal), odd_scales(network, signal)
    head, grown = every[-1] if every else None, any(_residual_growth.check(network, signal))
    reason = (
        _reason(head, every, odd, drowning(signal), grown=grown)
        if head
        else Because("the logits are large.", "Make the output layer smaller.")
    )
    by_gain = reason.code in {"", "exploding-signal"} and not any(_exploding_signal.check(network, signal))
    return Finding(
        code="output-prior",
        severity="error" if loss > _MANY * uniform else "warning",
        layers=(head.use.name,) if head else (),
        message=f"The loss begins at {shown(loss)}, guessing would cost {shown(uniform)} (log {signal.classes}): the network "
        "is sure of wrong answers.",
        measured=loss,
        expected=uniform,
        cause=reason.cause,
        cure=reason.cure,
        remedy=reason.remedy,
        part_of="gain-mismatch" if by_gain and blown_up(network, signal) else reason.code,
    )


def _reason(
    head: Link, every: tuple[Link, ...], odd: Sequence[ScaleRow], tables: Sequence[AddedRow], *, grown: bool
) -> Because:
    """The output bias, the network's input, what reaches the head, or the head's own gain."""
    logits = f"the logits have std {shown(head.row.out_std)} and mean {shown(head.row.out_mean)}"
    if biased(head):
        return Because(
            f"{logits}: the output bias has rms {shown(head.row.bias_rms)}, beside which what depends on the input has std "
            f"{shown(head.row.unit_std)}.",
            "Set the output bias to zero, or to the log of the class frequencies.",
            Refill(head.use.bias) if head.use.bias else TEXTBOOK,
            "large-bias" if any(link.hidden and drowned(link) for link in every) else "",
        )
    if not head.plain or not head.gain > 0:
        return Because(f"{logits}.", "Make the output layer smaller: gain 1 or less, or zero.")
    arriving = head.row.out_rms / head.gain
    entering = [
        (link, link.row.out_rms / link.gain)
        for link in every
        if link.use.before.kind == "input" and link.plain and 0 < link.gain < math.inf
    ]
    first, size = max(entering, key=lambda each: each[1], default=(head, 0.0))
    if size > _LARGE_INPUT and first.gain < _LARGE_INPUT and not biased(first):
        return Because(
            f"{logits}: the network's input has rms about {shown(size)} (at `{first.use.name}`).",
            "Standardise the input.",
            None,
            "input-scale",
        )
    drowning_it = _drowned(every, tables, logits)
    if drowning_it is not None:
        return drowning_it
    if arriving > head.gain:
        return Because(
            f"{logits}: what reaches `{head.use.name}` has rms about {shown(arriving)}, its own gain is {shown(head.gain)} (1 "
            "keeps the size): the layers before it make the signal large.",
            "Give the layers before it their usual size, or normalise what reaches it.",
            LSUV,
            "norm-scale"
            if any(row.rms > _LARGE_SCALE for row in odd)
            else "residual-growth"
            if grown
            else "exploding-signal",
        )
    return Because(
        f"{logits}: the gain of `{head.use.name}` is {shown(head.gain)} (1 keeps the size).",
        "Make the output layer smaller: gain 1 or less, or zero.",
        # Glorot's law gives a narrow head a gain of up to sqrt(2): what it wrote it would write again.
        TEXTBOOK if head.gain > _LAWFUL else Refill(head.use.name),
    )


def _drowned(every: tuple[Link, ...], tables: Sequence[AddedRow], logits: str) -> Because | None:
    """Hidden biases, or a table that is added to the data, that are carried on to the logits."""
    other = next((link for link in every if link.hidden and drowned(link)), None)
    if other is not None:
        return Because(f"{logits}: {place(other).cause}.", "Set the biases to zero.", code="large-bias")
    large = next((row for row in tables if row.rms > _LARGE_INPUT), None)
    if large is None:
        return None
    return Because(
        f"{logits}: the table `{large.name}`, of rms {shown(large.rms)}, is added to the data and carried on to them.",
        "Start the table with the std of what it is added to.",
        None,
        "large-bias",
    )


def _no_prior(head: Link | None, signal: Signal, loss: float, uniform: float) -> Iterator[Finding]:
    prior, classes = signal.prior_loss or 0.0, signal.classes or 1
    if not signal.targets or signal.targets <= classes:
        return
    entropy = min(prior + (classes - 1) / (2 * signal.targets), uniform)
    saving = uniform - entropy
    if loss > uniform - _KNOWN * saving and saving > max(_SAVING, _PART * uniform):
        severity: Severity = "warning" if saving > _MOST * uniform else "info"
        yield Finding(
            code="output-prior",
            severity=severity,
            layers=(head.use.name,) if head else (),
            message=f"The loss begins at {shown(loss)}; knowing the class frequencies alone would make it {shown(prior)}.",
            measured=loss,
            expected=prior,
            cause=f"the classes are unbalanced (entropy {shown(prior)} nats of log {classes} = {shown(uniform)}) and the output "
            "bias does not say so.",
            cure="Set the output bias to the log of the class frequencies (of one logit: log(p / (1 - p))).",
            remedy=_prior_of(head, classes),
        )


def _prior_of(head: Link | None, classes: int) -> SetPrior | None:
    """What writes the prior, where there is a bias for it."""
    if head is None or head.use.bias is None:
        return None
    return SetPrior(head.use.bias, 1 if head.units == 1 else classes)
