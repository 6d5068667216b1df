"""What a walk saw beside the weights: the inputs that reach one, the normalisations, the attentions."""

from __future__ import annotations

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
    """

    name: str
    weight: str
    mean: float
    std: float
    rms: float
    largest: float
    spread: float


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
