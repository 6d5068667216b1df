"""``large-bias``: biases beside which what depends on the input is small.

Theory: a unit's input is ``w . x + b``. At unit variance the first part has about the size of the weight's gain; where
``b`` is several times that, a rectifier's unit is a constant line or dead for nearly every sample, and a bounded unit sits
at one end: the layer hands on which biases were drawn. Hence zero biases everywhere but in an output that has a prior.

Limits: a bias with a median magnitude above 1 and above three times what depends on the input (at three standard
deviations 0.3 % of a Gaussian's samples change sides), in at least two hidden layers (or the only one, which saturates) and in half of those
that have a bias: a warning. What it does is for the findings that measure it to say. Of recurrent layers, gates that are held where
nothing is handed on (:mod:`._gates`). Of a table that is added to the data (positions), an rms above 30 times the std,
over samples, of what it is added to (a small transformer learned at 10 and not at 100); an error where an attention has
collapsed on it.

Not a fault: biases that silence some units, or most, and leave the others alone (``dead-units`` judges those); the
small biases of torch's default beside a signal that vanished for another reason; the bias of a gate, of an output, or before
a normalisation.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(4) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "he_normal", {"*.bias": initium.Normal(20.0)}, seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'large-bias'
    >>> _ = initium.initialize(model, batch, "he_normal", {"*.bias": "zeros"}, seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several, shown
from initium.diagnose._gates import held
from initium.diagnose._links import links
from initium.diagnose._words import TEXTBOOK, names
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import AddedRow, Severity, Signal

_TIMES, _SIZE, _HALF, _FEWEST = 3.0, 1.0, 0.5, 2
# Measured on a transformer that learns to reverse 12 tokens (Adam, SGD with momentum, 300 steps): at 10 it learns, at 100 it does not.
_DROWNED = 30.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all the layers whose bias drowns the signal."""
    biased = [link for link in links(network, signal) if judged(link)]
    large = tuple(link for link in biased if drowns(link))
    alone = len(biased) == 1 and any(link.row.saturated > _HALF for link in large)
    if (len(large) >= _FEWEST and 2 * len(large) >= len(biased)) or alone:
        yield _finding(large, len(biased))
    yield from held(signal)
    tables = drowning(signal)
    if tables:
        sharp = any(row.saturated > _HALF for row in signal.attentions)
        yield _table(tables, "error" if sharp else "warning")


def drowning(signal: Signal) -> list[AddedRow]:
    """The tables beside which what they are added to is nothing."""
    return [row for row in signal.added if row.std > 0 and row.rms > _DROWNED * row.std]


def drowns(link: Link) -> bool:
    """True where the bias decides for nearly every sample."""
    row = link.row
    return row.bias_median > max(_SIZE, _TIMES * row.unit_std) and (row.dead <= _HALF or row.saturated > _HALF)


def judged(link: Link) -> bool:
    """True of a hidden bias before an activation, or before nothing at all."""
    return bool(link.use.bias) and link.hidden and link.plain and not link.use.normalised and link.row.finite


def _finding(large: tuple[Link, ...], count: int) -> Finding:
    first = large[0].row
    return Finding(
        code="large-bias",
        severity="warning",
        layers=names(large),
        message=f"Biases drown the signal in {several(len(large))} of {count}, first at `{first.name}`: their rms is "
        f"{shown(first.bias_rms)}, what depends on the input has std {shown(first.unit_std)}.",
        measured=first.bias_rms,
        expected=0.0,
        cause=f"`{large[0].use.bias}` and others were not started at zero; a bias so large decides for nearly every sample alike.",
        cure="Set the biases to zero; only an output that has a prior needs another value.",
        remedy=TEXTBOOK,
    )


def _table(tables: list[AddedRow], severity: Severity) -> Finding:
    first = tables[0]
    return Finding(
        code="large-bias",
        severity=severity,
        layers=tuple(dict.fromkeys(row.name for row in tables)),
        message=f"The table `{first.name}` drowns what it is added to: its rms is {shown(first.rms)}, what depends on the sample has "
        f"std {shown(first.std)}.",
        measured=first.rms / first.std,
        expected=1.0,
        cause="it is the same for every sample (positions, for one), so that all samples look nearly the same to what follows.",
        cure="Start it with the std of what it is added to (positions and tokens alike at 0.02, for one).",
        remedy=TEXTBOOK,
    )
