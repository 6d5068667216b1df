"""What a walk saw at each use of a weight: moments of activations and gradients."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initium.records._seen import (
        AddedRow,
        AttentionRow,
        GateRow,
        InputRow,
        MaskRow,
        NormRow,
        PartRow,
        ScaleRow,
        StateRow,
        TableRow,
        TargetRow,
    )


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One use of a weight, in execution order. Every figure is over one batch; a std divides by n, not n - 1.

    Attributes:
        name: The weight's qualified name.
        op: The operation that uses it (``linear``, ``conv2d``, ``embedding`` ...).
        use: 0, 1, ... where the weight is used again.
        after: The activation that follows (``relu``, ``linear`` for none ...).
        out_mean: Mean of the operation's output, its bias included where the operation adds it.
        out_std: Standard deviation of all of the output's elements.
        out_rms: Root mean square of the output.
        unit_std: Root mean square over units of each unit's std over the batch (and positions): what the output still
            knows of its input. Random biases keep ``out_std`` up while this one falls.
        dead: Share of units (output features or channels) whose following activation passes no gradient anywhere in
            the batch; 0 where no activation follows that can die.
        saturated: Share of the output's elements at which the slope of the following activation is below a twentieth
            of its largest; 0 where the activation cannot saturate.
        grad_rms: Root mean square of the gradient at the operation's output.
        weight_std: Standard deviation of the weight.
        weight_rms: Root mean square of the weight.
        bias_rms: Root mean square of the bias that the operation adds; 0 where it adds none.
        bias_median: Median magnitude of that bias: what its typical unit has, whatever a few others do.
        weight_grad_norm: L2 norm of the weight's gradient (all uses together); of a frozen weight too.
        weight_grad_mean_abs: Mean absolute value of the weight's gradient.
        distinct: Share of the output's units that differ from the first in value or in gradient: 0 means that every
            unit computes the same and learns the same (symmetry).
        finite: False where the output, its gradient or the weight holds a NaN or an infinity.
        by: How the output was found: ``measured``; or, predicted, on the weight's own ``values``, on ``draws`` of it by its
            law, by ``covariances`` of positions where it is too large for both, or by its second ``moment`` alone (such a
            convolution).
        dtype: That of the output, as torch names it (``float32``); empty where nobody noted it.
        alike: Mean cosine between the outputs for two samples of the batch; NaN where the output has no axis of samples
            (its first, as long as the batch), and where it was predicted.
        elements: Elements of the weight; 0 where that was not kept.
        fan_in: Inputs that the operation sums into one output; 0 where that was not kept.
    """

    name: str
    op: str
    use: int
    after: str
    out_mean: float
    out_std: float
    out_rms: float
    unit_std: float
    dead: float
    saturated: float
    grad_rms: float
    weight_std: float
    weight_rms: float
    bias_rms: float
    bias_median: float
    weight_grad_norm: float
    weight_grad_mean_abs: float
    distinct: float
    finite: bool
    by: str = "measured"
    dtype: str = ""
    alike: float = math.nan
    elements: int = 0
    fan_in: float = 0.0

    @property
    def gain(self) -> float | None:
        """``weight_rms * sqrt(fan_in)``, to compare with the gain of an activation; ``None`` without the fan."""
        return self.weight_rms * math.sqrt(self.fan_in) if self.fan_in else None

    @property
    def update_ratio(self) -> float | None:
        """``|g| / |w|``, both L2 norms of the whole weight: how fast it moves, for its size; ``None`` without its elements."""
        if not self.elements:
            return None
        norm = self.weight_rms * math.sqrt(self.elements)
        if norm:
            return self.weight_grad_norm / norm
        return math.inf if self.weight_grad_norm else math.nan


@dataclass(frozen=True, slots=True)
class Signal:
    """Moments of activations and gradients, one row for each use of a weight in execution order.

    Attributes:
        rows: The uses.
        source: ``measured`` or ``predicted``.
        loss: The loss that was differentiated; ``None`` where a random cotangent took its place.
        objective: What was differentiated, in words.
        classes: Number of classes where the loss was recognised as a classification of integer targets, else ``None``.
        prior_loss: Cross-entropy of the batch's own class frequencies in nats, likewise.
        targets: How many targets that is an average over, likewise.
        notes: What was not measured, and why (law 4: everything unknown is said).
        broken: Parameters and buffers that hold a NaN or an infinity, by qualified name.
        output_finite: False where the model's output holds a NaN or plus infinity; minus infinity masks a choice out.
        inputs: The floating inputs that reach a weight with no other between; empty where the signal is predicted.
        norms: The normalisations that are operations of torch's, likewise.
        attentions: The attentions, likewise.
        masks: The attentions that a mask shows one value alone of what is in the batch, likewise.
        unreached: Trainable parameters that got no gradient at all: none was computed, which is not a gradient of zero. Of a
            prediction, nobody asked.
        copies: Groups of different parameters with equal values, none of them constant. Of a prediction, likewise.
        repeats: Parameters that are one block of rows again and again, and how often. Likewise.
        misfit: How the output does not fit the loss that was recognised by its value: ``softmax twice`` (a cross-entropy of
            probabilities), ``chances as logits`` (a loss that applies a sigmoid or a softmax, of an output from 0 to 1),
            ``no softmax`` (the log-likelihood of scores that are no log-probabilities), ``no log`` (of probabilities), ``broadcast`` (each
            number of the output is compared with each of the target), ``no chances`` (a loss of chances, of a target beyond 0 to
            1), ``one of several`` (chances that sum to 1, in the model or by the loss, of a target with several ones), ``one class`` (one unit, and a loss that
            is zero whatever it answers), ``one side`` (a loss of
            margins, to which a label of 0 says nothing), ``over samples`` (a softmax that the loss takes over the samples), ``rates as logarithms`` (a likelihood of counts that takes logarithms, of an output that is
            nowhere negative), ``scores as chances`` (a loss that takes the logarithm of chances, of an output that holds none), ``scores as shares`` (a
            loss of overlap, of such an output), ``repeated`` (an error of torch's of shapes of which one is spread over the other), ``rectified
            scores`` (a loss of scores, of an output that is nowhere negative and often zero), ``variance`` (a loss that divides by one that
            the model gives), ``squeezed scores`` (a cross-entropy inside of the loss, of what the loss keeps within 1 of each other); empty
            where it fits, or nobody can tell.
        gates: The gates of recurrent layers, fused ones too. Of a prediction, as all that follows, nobody asked.
        states: What those layers hand on.
        drawn: The frozen matrices and kernels whose values lie as one draw puts them: no training has touched them.
        scales: The learned scales of normalisations.
        tables: The tables that are looked up by index.
        added: The tables of the model that are added to what depends on the input.
        samples: How many samples the batch holds: the first size that its tensors share; 0 where they share none.
        singly: True where the target is one number, or one class, for each of these samples.
        rounded_away: True where no weight got a gradient in half precision, and the loss of the same output in double has one.
        loose: Shapes of matrices that multiply what a weight gave, on a way to another, lie as one draw puts them, and are neither
            parameters nor buffers.
        blank: The buffers and tensors of the batch that multiply something and are zero throughout, by the graph's own names.
        summed: True where the loss is a sum over the samples, of a hundred terms and more.
        summed_beside: How many times as large the gradient at what the loss sums over the samples is as at what it averages; 0 of one alone.
        at_zero: The loss if every answer were zero, where a target was given and that is a number. Of a prediction, nobody asked.
        unread: The tensors of the batch that lead nowhere, by where they stand; those that are one value throughout left out.
        overflowed: The operation that gives the first infinity, in half precision, where no gradient is left and all that goes out is finite.
        parts: The cross-entropies inside of a loss that is none itself.
        unordered: True where the batch's rows, and their targets, follow each other as shuffled samples do, and not as the steps of a sequence.
        rows_each: How many targets a sample has, where a cross-entropy takes them one by one with the rows of scores; 0 elsewhere.
        level: The axes of the output, behind the first, along which it does not change at all while the target does, and how long they are.
        regression: The target, where the loss is zero of the target itself and feels its size; ``None`` for any other.
    """

    rows: tuple[SignalRow, ...]
    source: str = "measured"
    loss: float | None = None
    objective: str = ""
    classes: int | None = None
    prior_loss: float | None = None
    targets: int | None = None
    notes: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    output_finite: bool = True
    inputs: tuple[InputRow, ...] = ()
    norms: tuple[NormRow, ...] = ()
    attentions: tuple[AttentionRow, ...] = ()
    masks: tuple[MaskRow, ...] = ()
    unreached: tuple[str, ...] = ()
    copies: tuple[tuple[str, ...], ...] = ()
    repeats: tuple[tuple[str, int], ...] = ()
    misfit: str = ""
    gates: tuple[GateRow, ...] = ()
    states: tuple[StateRow, ...] = ()
    scales: tuple[ScaleRow, ...] = ()
    tables: tuple[TableRow, ...] = ()
    added: tuple[AddedRow, ...] = ()
    regression: TargetRow | None = None
    parts: tuple[PartRow, ...] = ()
    level: tuple[tuple[int, int], ...] = ()
    rows_each: int = 0
    unordered: bool = False
    samples: int = 0
    singly: bool = False
    drawn: tuple[str, ...] = ()
    rounded_away: bool = False
    loose: tuple[tuple[int, ...], ...] = ()
    blank: tuple[str, ...] = ()
    summed: bool = False
    summed_beside: float = 0.0
    at_zero: float | None = None
    unread: tuple[str, ...] = ()
    overflowed: str = ""

    @property
    def told_apart(self) -> bool:
        """True where a target that was recognised differs from sample to sample: two that look the same have two answers."""
        told = self.prior_loss or (self.regression.std if self.regression else 0.0)
        return self.samples > 1 and told > 0

    def to_dict(self) -> dict[str, Any]:
        """The signal as plain lists, numbers and strings, ready for JSON."""
        return dataclasses.asdict(self)
