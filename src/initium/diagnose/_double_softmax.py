r"""``double-softmax``: the model ends in a softmax, a sigmoid or a ReLU, and the loss expects the scores before it.

Theory: ``CE(z, y) = -log softmax(z)_y`` takes scores of any size. Of probabilities, which lie between 0 and 1, it cannot fall
below ``log(1 + (K - 1) / e)``, whatever the network learns, and its gradient passes the inner softmax, whose slope is
about ``p (1 - p)``, at the start ``1 / K``. Likewise a sigmoid before a loss that applies one: the answer stays between 0.5
and 0.73. A softmax over one unit, in the model or in the loss, is the constant 1. A likelihood of counts takes the
logarithm of a rate, ``exp(z) - t z``: behind an exp, a softplus or a ReLU every rate is 1 or more. A ReLU leaves every negative score without a gradient, and without a way to say no.

Limits: the loss is recomputed from the output and is, up to rounding, the cross-entropy of it, and each row of the output sums
to 1, or (class weights, smoothed labels, a sum) it does not feel a shift of all classes; for the sigmoid, the ReLU and what makes a rate the graph's end is asked as well. A warning; an error from 1000 classes on, where the slope is
below a thousandth (:mod:`._slopes` for the measure), and for a softmax over one unit; of a loss, that is asked: it has one unit and
is zero for any answer. A softmax that reads a softmax over the same axis, and nothing between, or the answer's that reads a sigmoid: a
warning.
So are scores that the loss itself keeps within 1 of each other, asked of answers of any size; and scores that a tanh, a cosine or their kin keep between a and b, where not even
`log(1 + (K - 1) exp(a - b))`, the least that the loss can be, is below a tenth of log K.

Not a fault: log-probabilities, of which the softmax is the probabilities again; a softmax before a loss that is not
recognised, or none; a softmax over another axis (``softmax-axis``); a ReLU before a pooling (SqueezeNet); outputs that lie between 0 and 1 by chance.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> batch = initium.Batch((torch.randn(256, 64),), target=torch.arange(256) % 10)
    >>> loss = torch.nn.functional.cross_entropy
    >>> initium.diagnose(torch.nn.Sequential(*model, torch.nn.Softmax(-1)), batch, loss).findings[0].code
    'double-softmax'
    >>> initium.diagnose(model, batch, loss).healthy
    True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import several, shown
from initium.diagnose._links import links
from initium.network import bounds, ending, squashed_again
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Ending, Network
    from initium.records import Severity, Signal

_MANY_CLASSES = 1000
_SQUASHING = frozenset({"sigmoid", "hardsigmoid"})
SOFTMAXES = frozenset({"softmax", "_softmax", "log_softmax", "_log_softmax"})
ONE_SIDED = frozenset({"relu", "relu6"})
_RATES = frozenset({"exp", "softplus"}) | ONE_SIDED | _SQUASHING
_MATRIX = 2
_UNSQUASHED = "return scores  # in forward: what the last weight gives, with no softmax, sigmoid or relu behind it"
# Of what guessing costs.
_PART = 0.1


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """At most one finding: an axis that is wrong, else what is applied twice, else a ReLU on the scores."""
    end, every = ending(network), links(network, signal)
    layers = head_of(every)
    again = squashed_again(network)
    if again:
        yield _again(layers, again)
        return
    if end is None and not signal.misfit:
        return
    found = _of_axis(end, layers) if end else None
    found = found or _twice(end, signal, layers, squashed=_squashed(network, end))
    if found is None and (op := _rectifier(network, end, signal)):
        found = _one_sided(op, layers)
    if found is None and signal.classes and not signal.misfit:
        found = _bounded(network, every, signal.classes)
    yield from (found,) if found else ()


def head_of(every: tuple[Link, ...]) -> tuple[str, ...]:
    """The name of the weight that makes the answer."""
    heads = [link for link in every if link.use.head] or list(every)
    return (heads[-1].use.name,) if heads else ()


def _of_axis(end: Ending, layers: tuple[str, ...]) -> Finding | None:
    if end.op not in SOFTMAXES or not end.shape:
        return None
    units = end.shape[end.axis]
    if units == 1:
        return _finding(
            "error",
            layers,
            f"The model's answer is a {end.op.removeprefix('_')} over one unit: the constant {0 if 'log' in end.op else 1}.",
            (1.0, 2.0),
            f"the softmax goes over axis {end.axis} of {end.shape}, which has one element: no weight changes it, and none gets a "
            "gradient.",
            "One unit takes a sigmoid (inside the loss: F.binary_cross_entropy_with_logits); a softmax takes one unit a class.",
        )
    return None


def _squashed(network: Network, end: Ending | None) -> bool:
    """Whether the answer, or one of several, is what a sigmoid gives."""
    return end.op in _SQUASHING if end else any(answer.op in _SQUASHING for answer in bounds(network))


def _twice(end: Ending | None, signal: Signal, layers: tuple[str, ...], *, squashed: bool) -> Finding | None:
    if signal.misfit in {"one class", "squeezed scores"}:
        return _of_one_class(layers) if signal.misfit == "one class" else _within_the_loss(layers)
    if signal.misfit == "softmax twice":
        if not signal.classes:
            return _of_another_form(layers)
        classes = max(signal.classes, _MATRIX)
        floor = math.log1p((classes - 1) / math.e)
        return _finding(
            "error" if classes >= _MANY_CLASSES else "warning",
            layers,
            f"The softmax is applied twice: the loss is a cross-entropy of probabilities, and cannot fall below {shown(floor)}.",
            (floor, 0.0),
            "F.cross_entropy applies a softmax itself, and the model's output is one already (each row sums to 1); its slope at "
            f"the start is 1 / {classes}.",
            "Return the scores before the softmax; apply it where probabilities are shown.",
        )
    if signal.misfit == "rates as logarithms" and end is not None and end.op in _RATES:
        return _finding(
            "warning",
            layers,
            f"The model ends in {end.op}, and the loss takes what it gives for the logarithm of a rate: exp is applied twice.",
            (2.0, 1.0),
            f"the likelihood of counts is exp(z) - t z (F.poisson_nll_loss with log_input=True); a {end.op} leaves no z below zero, so that no rate "
            "below 1 can be answered.",
            "Return what the last weight gives, or say log_input=False.",
        )
    if signal.misfit == "chances as logits" and squashed:
        return _finding(
            "warning",
            layers,
            "The model ends in a sigmoid, and the loss takes what it gives for scores and squashes it again.",
            (1 / (1 + math.exp(-1.0)), 1.0),
            "a score between 0 and 1 is after a second sigmoid a chance between 0.5 and 0.73, whatever the network learns.",
            "Return the scores before the sigmoid, or take the loss of chances (F.binary_cross_entropy).",
        )
    return None


def _of_one_class(layers: tuple[str, ...]) -> Finding:
    return _finding(
        "error",
        layers,
        "The loss takes a softmax over one unit: it is zero whatever the model answers, and no weight gets a gradient.",
        (1.0, 2.0),
        "the output has one unit along the axis of classes, whose softmax is the constant 1 (F.cross_entropy takes one unit a class).",
        "One unit takes F.binary_cross_entropy_with_logits; F.cross_entropy takes two or more, and the number of the class.",
    )


def _of_another_form(layers: tuple[str, ...]) -> Finding:
    """A loss with class weights, smoothed labels, a sum: no floor is known of it."""
    return _finding(
        "warning",
        layers,
        "The softmax is applied twice: the model's output is one already, and the loss applies one itself.",
        (2.0, 1.0),
        "each row of the output sums to 1, and the loss does not change when the same number is added to all classes of a sample: "
        "it takes scores.",
        "Return the scores before the softmax; apply it where probabilities are shown.",
    )


def _within_the_loss(layers: tuple[str, ...]) -> Finding:
    return _finding(
        "warning",
        layers,
        "The scores that the loss takes a softmax of lie within 1 of each other, whatever the model answers.",
        (1.0, math.inf),
        "the loss bounds them itself (cosines that are multiplied by a temperature and not divided by it, a sigmoid or a softmax before F.cross_entropy): "
        "no share can be more than e times another, and the loss hardly falls.",
        "Divide cosines by the temperature (0.07 makes them 14 times as large); give F.cross_entropy scores that nothing squashes.",
        "scores = cosines / temperature  # in the loss",
    )


def _again(layers: tuple[str, ...], again: tuple[tuple[str, tuple[int, ...]], ...]) -> Finding:
    shape = again[0][1]
    return _finding(
        "warning",
        layers,
        f"A softmax of what is a softmax or a sigmoid already ({several(len(again), 'place')}, of shape {shape}).",
        (2.0, 1.0),
        "what comes in lies between 0 and 1, so that no share can be more than e times another, whatever the network learns.",
        "Take one of them out: scores go into one softmax (or log_softmax) alone.",
    )


def _bounded(network: Network, every: tuple[Link, ...], classes: int) -> Finding | None:
    """Scores that something bounds: how sure they can make the loss, in the best case."""
    answers = bounds(network)
    if len(answers) != 1 or math.isinf(answers[0].low) or math.isinf(answers[0].high):
        return None
    end = answers[0]
    if end.low >= 0 and end.high <= 1:  # chances, which the loss takes, or which were told already
        return None
    single = every and every[-1].units == 1 and classes == _MATRIX
    apart = min(abs(end.low), abs(end.high)) if single else end.high - end.low
    floor = math.log1p((classes - 1) * math.exp(-apart))
    if floor <= _PART * math.log(classes):
        return None
    return _finding(
        "warning",
        head_of(every),
        f"The scores lie between {end.low:g} and {end.high:g}, whatever the weights are, and the loss takes what it gives for scores: it cannot fall "
        f"below {shown(floor)}.",
        (floor, 0.0),
        f"{end.op} bounds them: the softmax of {classes} classes that lie so near each other stays near 1 / {classes}, however sure the network is.",
        "Return the scores as the last weight gives them; or multiply what is bounded (cosines by 16 and more, or by a learned scale).",
    )


def _rectifier(network: Network, end: Ending | None, signal: Signal) -> str:
    """The ReLU whose answers a loss takes for scores; of several answers, one that ends in it while scores were seen to be zero."""
    if end is not None:
        taken = signal.classes or signal.misfit in {"rectified scores", "chances as logits"}  # small ones lie below 1
        return end.op if end.op in ONE_SIDED and taken else ""
    ops = [answer.op for answer in bounds(network)] if signal.misfit == "rectified scores" else []
    return next((op for op in ops if op in ONE_SIDED), "")


def _one_sided(op: str, layers: tuple[str, ...]) -> Finding:
    return _finding(
        "warning",
        layers,
        f"The model ends in a {op}, and the loss takes what it gives for scores.",
        (0.0, 1.0),
        "a score below zero becomes 0 and gets no gradient: a class whose scores are negative is never pushed up, and no class can "
        "be put below another that is at 0.",
        "Return the scores as the last weight gives them.",
    )


def _finding(  # noqa: PLR0917 - the parts of a finding
    severity: Severity,
    layers: tuple[str, ...],
    message: str,
    figures: tuple[float, float],
    cause: str,
    cure: str,
    code: str = _UNSQUASHED,
) -> Finding:
    return Finding(
        code="double-softmax",
        severity=severity,
        layers=layers,
        message=message,
        measured=figures[0],
        expected=figures[1],
        cause=cause,
        cure=cure,
        remedy=Code(code),
    )
