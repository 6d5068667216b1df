"""``output-prior``: the loss at step 0 against what a network that knows nothing, or the class frequencies, would have.

Theory: with equal logits the cross-entropy is log K; with logits equal to the log frequencies it is the entropy of the
classes (Lin et al. 2017, section 3.3, for the bias that does so). Random logits of variance v cost about v / 2 more.

Limits: a head is too large where the loss is more than 2 nats above log K, the price of logits of variance 4 (a critical
start has 1); an error from 10 log K on. A prior is missing where the frequencies would save more than a quarter of a nat
and more than a tenth of log K, and the loss has none of that yet: an info, a warning from half of log K, where the first hundreds of steps go into the bias.

Not a fault: a small batch that misses classes. The entropy of K classes seen in n samples is too low by about ``(K - 1) / 2n``
(Miller 1955), which is taken off before anything is said; with fewer samples than classes nothing is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._because import TEXTBOOK
from initium.diagnose._figures import shown
from initium.diagnose._links import links
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Severity, Signal

_NATS = 2.0
_MANY = 10.0
_SAVING, _PART, _MOST = 0.25, 0.1, 0.5
_KNOWN = 0.1


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for a head that is too sure, else for one that does not know the frequencies."""
    if signal.loss is None or not math.isfinite(signal.loss) or not signal.classes or signal.prior_loss is None:
        return
    uniform = math.log(signal.classes)
    if signal.loss > uniform + _NATS:
        yield _too_sure(network, signal, signal.loss, uniform)
    else:
        yield from _no_prior(network, signal, signal.loss, uniform)


def _head(network: Network, signal: Signal) -> tuple[str, ...]:
    every = links(network, signal)
    return (every[-1].use.name,) if every else ()


def _too_sure(network: Network, signal: Signal, loss: float, uniform: float) -> Finding:
    every = links(network, signal)
    logits = f"the logits have std {shown(every[-1].row.out_std)}" if every else "the logits are large"
    gain = f", the head's gain is {shown(every[-1].gain)} (1 keeps the size)" if every and every[-1].plain else ""
    return Finding(
        code="output-prior",
        severity="error" if loss > _MANY * uniform else "warning",
        layers=_head(network, signal),
        message=f"The loss begins at {shown(loss)}, guessing would cost {shown(uniform)} (log {signal.classes}): the network "
        "is sure of wrong answers.",
        measured=loss,
        expected=uniform,
        cause=f"{logits}{gain}.",
        cure="Make the output layer smaller: gain 1 or less, or zero.",
        fix=TEXTBOOK,
    )


def _no_prior(network: Network, signal: Signal, loss: float, uniform: float) -> Iterator[Finding]:
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
            layers=_head(network, signal),
            message=f"The loss begins at {shown(loss)}; knowing the class frequencies alone would make it {shown(prior)}.",
            measured=loss,
            expected=prior,
            cause=f"the classes are unbalanced (entropy {shown(prior)} nats of log {classes} = {shown(uniform)}) and the output "
            "bias does not say so.",
            cure="Set the output bias to the log of the class frequencies (of one logit: log(p / (1 - p))).",
            fix="model.head.bias.data = frequencies.log()  # head: your output layer",
        )
