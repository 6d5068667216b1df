"""What a walk saw beside the weights: the inputs that reach one, the normalisations, the attentions."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputRow:
    """A floating input as it arrives at a weight, with what the model itself did to its scale on the way.

    Attributes:
        name: Where it stands in the batch (``args[0]``, ``kwargs['pixel_values']``).
        weight: The qualified name of the weight that reads it.
        mean: Mean of all elements.
        std: Standard deviation of all elements.
        rms: Root mean square.
        largest: Largest magnitude.
        spread: The rms of the largest feature over that of the median one; infinite where the median one is zero.
        given: Root mean square as it stands in the batch; NaN where nobody noted it.
    """

    name: str
    weight: str
    mean: float
    std: float
    rms: float
    largest: float
    spread: float
    given: float = math.nan


@dataclass(frozen=True, slots=True)
class NormRow:
    """One use of a normalisation.

    Attributes:
        name: The qualified name of its scale; of its shift or its statistics where it has none; else the graph's own name.
        op: The operation (``batch_norm``, ``layer_norm``, ``group_norm``, ``instance_norm``, ``rms_norm``).
        values: How many values each of its statistics is taken over; 0 where it uses stored ones.
        constant: Share of its statistics (channels, rows, groups) whose variance in this batch is below its eps.
        std: Root of the mean variance of what it reads, each statistic by itself.
        untrained: True where it uses stored statistics that are as they were made: mean 0, variance 1.
    """

    name: str
    op: str
    values: int
    constant: float
    std: float
    untrained: bool


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """One attention, by a sample of its queries; a query that sees a single key is left out.

    Attributes:
        queries: The qualified names of the weights that make its queries.
        keys: Those that make its keys.
        visible: How many keys a query sees, on average.
        entropy: Mean entropy of the attention over keys, in nats; the logarithm of ``visible`` where all are alike.
        peak: Mean of the largest attention that a query pays.
        saturated: Share of queries at which the softmax's slope is below a twentieth of its largest at every key.
        logit_std: Standard deviation of the scores over the keys of one query (root mean square over queries).
        scale: What the scores are multiplied by, times the root of a head's size: 1 for the usual ``1 / sqrt(d)``; NaN
            where the product is written out.
    """

    queries: tuple[str, ...]
    keys: tuple[str, ...]
    visible: float
    entropy: float
    peak: float
    saturated: float
    logit_std: float
    scale: float


@dataclass(frozen=True, slots=True)
class MaskRow:
    """An attention whose mask shows it one value alone of a tensor of the batch, and hides all others; or shows a query nothing.

    Attributes:
        queries: As of an :class:`AttentionRow`.
        keys: Likewise.
        given: Where the tensor stands in the batch; empty where it is none.
        blind: ``first`` or ``last`` where that query is shown no key in any sample, ``every`` where none is; ``ones`` where a
            mask of zeros and ones is added to the scores, ``filled`` where a hidden score is filled with a number among them, so that
            nothing is hidden; else empty.
    """

    queries: tuple[str, ...]
    keys: tuple[str, ...]
    given: str
    blind: str = ""


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate of a recurrent layer, by a sample of its sequences; of an unrolled cell, at its last step.

    Attributes:
        name: The qualified name of the weight of its input.
        state: That of the weight of its state.
        op: The operation (``lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``, or a cell of these).
        gate: ``i``, ``f``, ``g`` or ``o`` of an LSTM, ``r``, ``z`` or ``n`` of a GRU; empty for the one of a plain RNN.
        saturated: Share of its values at which its slope is below a twentieth of its largest.
        shut: Share of its values at which it is saturated at its lower end.
        offset: Root mean square over units of a unit's mean before the activation: what it has whatever comes in.
        std: Root mean square over units of its std there over samples and steps.
    """

    name: str
    state: str
    op: str
    gate: str
    saturated: float
    shut: float
    offset: float
    std: float


@dataclass(frozen=True, slots=True)
class StateRow:
    """What a recurrent layer hands on, by the same sample.

    Attributes:
        name: The qualified name of the weight of its input.
        state: That of the weight of its state.
        op: As of a :class:`GateRow`.
        steps: How many steps were looked at.
        reads: Root mean square over features of the std of what it reads, over samples and steps.
        rms: Root mean square of its states.
        unit_std: Root mean square over units of a unit's std over samples and steps.
        growth: By how much a small change of the first state has grown at the last, and so does a gradient on its way back.
    """

    name: str
    state: str
    op: str
    steps: int
    reads: float
    rms: float
    unit_std: float
    growth: float


@dataclass(frozen=True, slots=True)
class ScaleRow:
    """The scale of a normalisation, a learned one.

    Attributes:
        name: Its qualified name.
        rms: Root mean square of what it multiplies by; of a scale that is used as ``1 + w``, of that sum.
        zeros: Share of its values that multiply by zero.
    """

    name: str
    rms: float
    zeros: float


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table that is looked up by index.

    Attributes:
        name: Its qualified name.
        rows: How many rows it has, without the one for padding.
        zeros: How many of these are zero throughout.
        alike: How many are equal to the first of them, itself included.
    """

    name: str
    rows: int
    zeros: int
    alike: int


@dataclass(frozen=True, slots=True)
class AddedRow:
    """A table of the model, learned or fixed, where it is added to what depends on the input.

    Attributes:
        name: Its qualified name.
        rms: Root mean square of the table, as it is added.
        std: Root mean square over its places of the std, over samples, of what it is added to.
        along: The one axis of the data along which it differs, features aside; -1 where there are several, or none.
    """

    name: str
    rms: float
    std: float
    along: int = -1


@dataclass(frozen=True, slots=True)
class PartRow:
    """A cross-entropy that is a part of a loss, seen while it was computed.

    Attributes:
        loss: Its value, as a mean over its targets.
        classes: Number of classes.
        prior_loss: What the frequencies of its own targets would make of it.
        targets: How many targets it is a mean over.
    """

    loss: float
    classes: int
    prior_loss: float
    targets: int


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target that the loss compares the output with, number by number: the loss of the target itself is zero.

    Attributes:
        rms: Root mean square of the target.
        mean: Its mean.
        std: Its standard deviation.
        largest: Its largest magnitude.
        away: Root mean square of its distance from the output.
        out_std: The output's standard deviation.
        lowest: The target's least value.
        highest: Its greatest.
        least: What ends the model gives no less; minus infinity where nothing bounds it.
        most: And no more.
        end: What bounds it, in words.
        missed: The share of the target's variance that lies beyond, which no answer can explain.
    """

    rms: float
    mean: float
    std: float
    largest: float
    away: float
    out_std: float
    lowest: float
    highest: float
    least: float = -math.inf
    most: float = math.inf
    end: str = ""
    missed: float = 0.0
