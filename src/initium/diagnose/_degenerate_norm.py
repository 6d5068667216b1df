"""``degenerate-batchnorm``: a normalisation whose statistics are of nothing.

Theory: a normalisation of n values takes away two of them, the mean and the size. Of one value nothing is left but the shift;
of two, the sign of their difference: the output is -1 and 1 whatever comes in, and no gradient passes (Ioffe & Szegedy 2015,
algorithm 1). Where the variance is below eps the output is not of unit variance but smaller, and a constant stays one. In
eval mode a BatchNorm uses what it has stored: as it was made, mean 0 and variance 1, which is no normalisation.

Limits: one value is an error where a weight, or every weight, loses its gradient to it, a warning where other ways lead around it (a branch that is
constant beside what goes on). Two in at least half of the norms of a network are a warning, and where the targets of the samples
tell them apart, which makes it a batch of the training; in fewer, an info (a pooled branch, whose values are the samples of this batch). A BatchNorm in train mode on one sample is a warning where a loss is given,
which makes it a step of training. More than half of the channels below eps in at least half of the norms are a warning. Stored
statistics as they were made are an info, and a warning where a loss is given, likewise, or what they should normalise is more than
ten times off unit std.

Not a fault: some channels that are constant (dead units, a branch that begins at zero), a zero scale, a BatchNorm in eval mode
that has been trained or that does not track (``track_running_stats=False``). Where the weights before a norm are far too small
``haphazard-under-norm`` says so, and where the samples are all the same ``vanishing-signal``, and this does not.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.BatchNorm1d(32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> initium.diagnose(model, torch.randn(2, 64)).findings[0].code
    'degenerate-batchnorm'
    >>> initium.diagnose(model, torch.randn(256, 64)).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose import _haphazard, _vanishing_signal
from initium.diagnose._figures import several, share, shown
from initium.diagnose._links import links
from initium.diagnose._words import Because
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.network import Network
    from initium.records import NormRow, Severity, Signal

_HALF, _OFF, _PAIR = 0.5, 10.0, 2
_BATCH = "batch_norm"
_SAMPLES = Because(
    "each channel has two values in this batch (two samples, one place), of which the norm leaves the sign of their difference.",
    "Diagnose and train with larger batches, or normalise over features (GroupNorm, LayerNorm).",
    None,
)
_FEATURES = Because(
    "each of its statistics is of two values, of which the norm leaves the sign of their difference.",
    "Normalise over more values: fewer groups, or another axis.",
    None,
)


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for each way in which norms of a network are degenerate."""
    norms = [row for row in signal.norms if row.std == row.std]
    live = [row for row in norms if row.values > 0]
    single = [row for row in live if row.values == 1 and row.op != "rms_norm"]
    pairs = [row for row in live if row.values == _PAIR and row.op != "rms_norm"]
    constant = [row for row in live if row.values > _PAIR and row.constant > _HALF]
    stored = [row for row in norms if row.untrained]
    if single:
        yield _single(single, "error" if _cut_off(network, signal) else "warning")
    if pairs:
        yield _pairs(pairs, "warning" if 2 * len(pairs) >= len(live) or signal.told_apart else "info")
    batched = [row for row in live if row.op == _BATCH]
    if signal.samples == 1 and signal.loss is not None and batched and not (single or pairs):
        yield _of_one_sample(batched)
    if constant and 2 * len(constant) >= len(live) and not _told(network, signal):
        yield _constant(constant, len(live))
    if stored:
        trains = signal.loss is not None  # a step of training, at every one of which they stay as they are
        yield _untrained(stored, "warning" if trains or any(_off(row) for row in stored) else "info")


def _cut_off(network: Network, signal: Signal) -> bool:
    """A weight whose output goes to a norm alone gets no gradient, or none at all does."""
    if all(row.weight_grad_norm == 0 for row in signal.rows):
        return True
    behind = (link for link in links(network, signal) if link.use.normalised and not link.facts.frozen)
    return any(link.row.weight_grad_norm == 0 for link in behind)


def _told(network: Network, signal: Signal) -> bool:
    """Others say why what norms read is constant: weights that are too small, no way from the input, the same sample."""
    return any(_haphazard.check(network, signal)) or any(_vanishing_signal.check(network, signal))


def _off(row: NormRow) -> bool:
    return row.std > _OFF or 0 < row.std < 1 / _OFF


def _finding(
    severity: Severity,
    rows: Sequence[NormRow],
    message: str,
    figures: tuple[float, float],
    reason: Because,
) -> Finding:
    return Finding(
        code="degenerate-batchnorm",
        severity=severity,
        layers=tuple(dict.fromkeys(row.name for row in rows)),
        message=message,
        measured=figures[0],
        expected=figures[1],
        cause=reason.cause,
        cure=reason.cure,
        remedy=reason.remedy,
    )


def _single(rows: Sequence[NormRow], severity: Severity) -> Finding:
    return _finding(
        severity,
        rows,
        f"{several(len(rows), 'normalisation')} of a single value, first `{rows[0].name}` ({rows[0].op}): nothing is left but "
        "its shift.",
        (1.0, 3.0),
        Because(
            "the mean of one value is that value, so what comes in is taken away whole, and no gradient passes.",
            "Normalise over more values: fewer groups, another axis, or no norm behind a pooling to one place.",
            None,
        ),
    )


def _pairs(rows: Sequence[NormRow], severity: Severity) -> Finding:
    return _finding(
        severity,
        rows,
        f"{several(len(rows), 'normalisation')} of two values, first `{rows[0].name}` ({rows[0].op}): it gives -1 and 1 whatever "
        "comes in.",
        (2.0, 3.0),
        _SAMPLES if rows[0].op == _BATCH else _FEATURES,
    )


def _of_one_sample(rows: Sequence[NormRow]) -> Finding:
    return _finding(
        "warning",
        rows,
        f"{several(len(rows), 'BatchNorm')} of a batch of one sample, first `{rows[0].name}`: each sample is normalised by itself.",
        (1.0, 2.0),
        Because(
            f"the statistics are of one sample (as few as {min(row.values for row in rows)} values); what tells it from others in mean and size "
            "is taken away, and in eval mode, by the statistics of many, it comes back: the two modes are different networks.",
            "Train with larger batches, or normalise over features (GroupNorm, LayerNorm, InstanceNorm), which is the same in both modes.",
            None,
        ),
    )


def _constant(rows: Sequence[NormRow], count: int) -> Finding:
    worst = max(rows, key=lambda row: row.constant)
    return _finding(
        "warning",
        rows,
        f"Most of what {several(len(rows), 'normalisation')} of {count} read is constant in this batch: at `{worst.name}` "
        f"{share(worst.constant)} of the variances are below its eps.",
        (worst.constant, 0.0),
        Because(
            f"what it reads has std {shown(worst.std)}: dead units stand before it, or a weight that is too small.",
            "Look at what stands before the first of these.",
            None,
        ),
    )


def _untrained(rows: Sequence[NormRow], severity: Severity) -> Finding:
    worst = max(rows, key=lambda row: max(row.std, 1 / row.std) if row.std > 0 else 0.0)
    return _finding(
        severity,
        rows,
        f"{several(len(rows), 'BatchNorm')} in eval mode with statistics as they were made (mean 0, variance 1), first "
        f"`{rows[0].name}`: it does not normalise.",
        (worst.std, 1.0),
        Because(
            f"model.eval() was called before any training, so what they read goes on at its own size (std {shown(worst.std)} "
            f"at `{worst.name}`), which is not what training starts from.",
            "Diagnose in train mode; to train with stored statistics, load or collect them first.",
            Code("model.train()"),
        ),
    )
