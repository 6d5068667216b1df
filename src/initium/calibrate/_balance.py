"""Which weights are bound to a size, which are free, and what the walk says of both."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from initium.network import addend
from initium.random import Stream
from initium.signal import Law, Predicting, laws_of, predicted_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from initium.network import Batch, Facts, Network, Use

# Logits of this rms lift a softmax's loss above log K by half of its square: 0.03.
HEAD = 0.25
# Where a table starts on the way to the size at which it learns like the rest.
TABLE = 0.3
# A free size moves by no more than this factor from where it starts: a normalisation's eps stays far below.
MOST = 20.0
# Of the weights, this share must be bound for their median rate to speak for the network.
ENOUGH = 0.3


@dataclass(frozen=True, slots=True)
class Scales:
    """The sizes at which weights are to start.

    Attributes:
        bound: By weight, the rms that its output gets, and why; it does not move.
        free: Likewise, where a later normalisation or a later weight makes up for any size. Of tables, the std.
        tables: Which of the free ones are tables.
        tied: The std of tables that are the output's weight too: what is looked up comes first, and the output binds.
    """

    bound: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    free: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    tables: frozenset[str] = frozenset()
    tied: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def goals(self) -> dict[str, float]:
        """The rms of the output of every weight that is no table."""
        every = {**self.bound, **self.free}
        return {name: size for name, (size, _) in every.items() if name not in self.tables and name not in self.tied}


def scales_of(network: Network) -> Scales:
    """Where every weight starts, by what stands around it."""
    known = {facts.name: facts for facts in network.parameters}
    first: dict[str, Use] = {}
    for use in network.uses:
        first.setdefault(use.name, use)
    bound, free = dict[str, tuple[float, str]](), dict[str, tuple[float, str]]()
    for name, use in first.items():
        facts = known[name]
        if facts.computed_by or facts.whole or facts.frozen or not use.direct or use.layout == "gates":
            continue
        if facts.role == "recurrent":
            continue
        if facts.role == "weight":
            found = _bound(facts)
            (bound if found else free)[name] = found or (1.0, _reason(facts))
        elif facts.role == "embedding":
            free[name] = TABLE, "a table on a stream that is normalised before it is read"
    tables = frozenset(name for name in free if known[name].role == "embedding")
    tied = {name: HEAD / math.sqrt(known[name].fan_in or 1.0) for name in bound if first[name].layout == "lookup"}
    return Scales(bound, free, tables, tied)


def _bound(facts: Facts) -> tuple[float, str] | None:
    """The rms that a weight's output must have; ``None`` for a free one."""
    if facts.head:
        return HEAD, f"an output of rms {HEAD:g}: a softmax of it is within {HEAD**2 / 2:.2g} of guessing"
    if facts.normalised:
        return None
    place = facts.residual
    if place is not None and place.place == "last" and place.branches:
        if place.norm_first and not place.leaves:
            return None
        if not (place.norm_after or place.norm_last):
            return (
                place.branches**-0.5,
                f"the last of branch {place.index + 1} of {place.branches}: 1/sqrt of their number",
            )
    streaming = place is not None and place.place == "stream" and bool(place.branches)
    if not streaming and (facts.after.kind in {"product", "linear"} or _only_values(facts)):
        return None
    return 1.0, f"unit second moment into {facts.after}"


def _only_values(facts: Facts) -> bool:
    return bool(facts.attention) and all(part == "v" for part, _ in facts.attention)


def _reason(facts: Facts) -> str:
    if facts.normalised:
        return "scale-free behind a norm"
    if facts.residual is not None and facts.residual.place == "last":
        return "the end of a branch on a stream that is normalised before it is read"
    return f"{facts.after} follows, and makes up for any size"


class Balancing(Predicting):
    """A predicting walk that gives the output of every weight the size that is wanted, and goes on with that."""

    def __init__(
        self, network: Network, laws: Mapping[str, Law | Tensor], stream: Stream, goals: Mapping[str, float]
    ) -> None:
        super().__init__(network, laws, stream)
        self.factors: dict[str, float] = {}
        self._goals = goals

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:
        """The output that the rescaled weight gives; a weight that is used again keeps its first factor."""
        goal = self._goals.get(use.name)
        if goal is not None and output.numel():
            bias = addend(use, output, args)
            product = output.float() if bias is None else output.float() - bias
            if use.name not in self.factors:
                size = float(product.detach().square().mean().sqrt())
                self.factors[use.name] = goal / size if size > 0 and math.isfinite(size) else 1.0
            scaled = product * self.factors[use.name]
            output = (scaled if bias is None else scaled + bias).to(output.dtype)
        return super().at_use(use, output, args)


@dataclass(frozen=True, slots=True)
class Round:
    """What one walk found.

    Attributes:
        stds: The std of every weight that gives its output the wanted size.
        rates: ``|g| / |w|`` of every weight at that size.
        outputs: The rms of the output of every tied table where it is multiplied by.
    """

    stds: dict[str, float]
    rates: dict[str, float]
    outputs: dict[str, float]


def walked(model: nn.Module, batch: Batch, network: Network, scales: Scales, seed: int) -> Round:
    """One walk forwards and back at these sizes."""
    mine = [facts for facts in network.parameters if not facts.frozen]
    laws = {facts.name: law for facts in mine if (law := _law(facts, scales)) is not None}
    walk = Balancing(network, laws_of(model, network, laws), Stream(seed), scales.goals)
    signal = predicted_by(walk, model, batch, seed, data=True)
    rows = {row.name: row for row in reversed(signal.rows)}
    sizes = {facts.name: math.prod(facts.shape) for facts in network.parameters}
    stds, rates = dict[str, float](), dict[str, float]()
    for name in {**scales.bound, **scales.free}:
        row, factor = rows.get(name), walk.factors.get(name, 1.0)
        if row is not None:
            stds[name] = factor * laws[name].std
            norm = factor**2 * row.weight_rms * math.sqrt(sizes[name])
            if norm > 0 and row.weight_grad_norm > 0 and math.isfinite(row.weight_grad_norm / norm):
                rates[name] = row.weight_grad_norm / norm
    multiplied = [row for row in signal.rows if row.name in scales.tied and "embedding" not in row.op]
    return Round(stds, rates, {row.name: row.out_rms for row in reversed(multiplied)})


def _law(facts: Facts, scales: Scales) -> Law | None:
    """The law under which a parameter walks; ``None`` for one that keeps its own."""
    if facts.name in scales.tables:
        return Law(0.0, scales.free[facts.name][0])
    if facts.name in scales.tied:
        return Law(0.0, scales.tied[facts.name])
    if facts.role in {"weight", "recurrent"} and facts.fan_in and not facts.computed_by:
        return Law(0.0, facts.fan_in**-0.5)
    if facts.role == "bias":
        return Law(0.0, 0.0)
    if facts.role in {"scale", "shift"} and facts.neutral is not None:
        return Law(facts.neutral, 0.0)
    return None
