"""Which weights are bound to a size, and which are free."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from initium.network import WEIGHT_NORM
from initium.schemes import steep_gain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import nn

    from initium.network import Facts, Network, Use

# Logits of this rms lift a softmax's loss above log K by half of its square: 0.03.
HEAD = 0.25
# Where a table starts on the way to the size at which it learns like the rest, and where one that stands beside the data.
TABLE, BESIDE = 0.6, 0.02
# A LayerScale for up to 10 branches: CaiT's for its shallow models.
LAYER = 0.1

# What may follow a weight that starts at zero on purpose.
_SILENT = frozenset({"sum", "product", "output", "unknown", "nothing"})


@dataclass(frozen=True, slots=True)
class Scales:
    """The sizes at which weights are to start.

    Attributes:
        bound: By weight, the rms that its output gets, and why.
        free: Likewise, where a later normalisation or a later weight makes up for any size. Of tables, the std.
        tables: Which of the free ones are tables.
        tied: The std of tables that are the output's weight too: what is looked up comes first, and the output binds.
        chained: Which of those read what another weight gave with no norm between, so that sizes add up along the depth.
        beside: The tables that are added to the data or joined with it: position, class token, bias of attention.
        starts: By weight, the size from which it moves.
        layers: By vector that multiplies the output of a residual branch, its value.
        written: The weights that are written out already.
        soft: Which of the bound ones may leave their size somewhat where that lets the network learn at one rate.
    """

    bound: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    free: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    tables: frozenset[str] = frozenset()
    tied: dict[str, float] = field(default_factory=dict[str, float])
    soft: frozenset[str] = frozenset()
    chained: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    starts: dict[str, float] = field(default_factory=dict[str, float])
    layers: dict[str, float] = field(default_factory=dict[str, float])
    written: frozenset[str] = frozenset()

    @property
    def movable(self) -> list[str]:
        """The weights whose size may change."""
        return [*(name for name in self.bound if name in self.soft), *self.free]

    def size(self, name: str) -> float:
        """Its size now."""
        return (self.bound.get(name) or self.free[name])[0]

    @property
    def goals(self) -> dict[str, float]:
        """The rms of the output of every weight that is no table."""
        every = {**self.bound, **self.free}
        return {name: size for name, (size, _) in every.items() if name not in self.tables and name not in self.tied}


def scales_of(network: Network, written: Collection[str] = ()) -> Scales:
    """Where every weight starts, by what stands around it; those that are written out already are left alone."""
    known = {facts.name: facts for facts in network.parameters}
    first: dict[str, Use] = {}
    for use in network.uses:
        first.setdefault(use.name, use)
    read = frozenset(node for use in network.uses for node in use.sources)
    ends = {use.name for use in network.uses if use.node not in read}
    bound, free = dict[str, tuple[float, str]](), dict[str, tuple[float, str]]()
    for name, use in first.items():
        facts = known[name]
        if name in written or facts.frozen or facts.whole or use.layout == "gates" or facts.role == "recurrent":
            continue
        if (facts.computed_by or not use.direct) and facts.computed_by != WEIGHT_NORM:
            continue
        if (size := known.get(facts.magnitude)) and size.frozen:
            continue  # its size is the frozen magnitude
        if facts.role == "weight":
            found = _bound(facts, ends=name in ends)
            (bound if found else free)[name] = found or (1.0, _reason(facts))
        elif facts.role == "embedding":
            free[name] = TABLE, "a table on a stream that is normalised before it is read"
    beside = frozenset(
        name for name, facts in known.items() if facts.role == "embedding" and name not in first and not facts.frozen
    )
    free |= dict.fromkeys(sorted(beside), (BESIDE, "a table beside the data"))
    tables = frozenset(name for name in free if known[name].role == "embedding")
    tied = {name: HEAD / math.sqrt(known[name].fan_in or 1.0) for name in bound if first[name].layout == "lookup"}
    soft = frozenset(name for name in bound if name not in tied and name not in ends and _soft(known[name]))
    chained = frozenset(name for name in soft if known[name].before.kind != "norm")
    starts = {name: size for name, (size, _) in {**bound, **free}.items()}
    return Scales(bound, free, tables, tied, soft, chained, beside, starts, _layers(known), frozenset(written))


def written_out(model: nn.Module, network: Network) -> dict[str, str]:
    """Weights that start at one constant on purpose, and why: what is added or multiplied starts silent, or is composed.

    A constant weight before an activation is none of them: there all units would stay alike.
    """
    held, direct = dict(model.named_parameters()), {use.name for use in network.uses if use.direct}
    found = dict[str, str]()
    for facts in network.parameters:
        value = held[facts.name].detach()
        if facts.role not in {"weight", "recurrent"} or value.is_meta or not value.numel() or facts.computed_by:
            continue
        first = value.flatten()[0]
        if bool((value == first).all()):
            if facts.name not in direct:
                found[facts.name] = f"{float(first.real):.3g} throughout, and no factor of the data itself"
            elif not first and (facts.idle or facts.head or facts.after.kind in _SILENT or _added(facts)):
                found[facts.name] = "zero throughout, so that what it leads to starts silent"
    return found


def _added(facts: Facts) -> bool:
    return facts.residual is not None and facts.residual.place in {"last", "beside"}


def _layers(known: Mapping[str, Facts]) -> dict[str, float]:
    """What LayerScales start at; a scalar, as of ReZero, keeps the zero that its author gave it."""
    places = (facts.residual for facts in known.values() if facts.residual is not None)
    found = {name: place.branches for place in places for name in place.multipliers if place.branches}
    return {name: min(LAYER, 1 / branches) for name, branches in found.items() if math.prod(known[name].shape) > 1}


def _soft(facts: Facts) -> bool:
    """Inside of a chain, where the next weight makes up for a size: no output, no stream, no softmax reads it."""
    place = facts.residual
    on_stream = place is not None and bool(place.branches) and place.place in {"stream", "last"}
    return not (facts.head or facts.attention or on_stream or facts.after.kind in {"softmax", "attention"})


def _bound(facts: Facts, *, ends: bool) -> tuple[float, str] | None:
    """The rms that a weight's output must have; ``None`` for a free one."""
    if facts.head:
        return HEAD, f"an output of rms {HEAD:g}: a softmax of it is within {HEAD**2 / 2:.2g} of guessing"
    if facts.normalised:
        return None
    place = facts.residual
    if ends and (place is None or place.place != "last" or place.branches < 2):  # noqa: PLR2004  else one of many
        return HEAD, f"no other weight reads what it gives, so it is an output: rms {HEAD:g}"
    if _made_up_for(facts):
        return None
    if place is not None and place.place == "last" and place.branches and not (place.norm_after or place.norm_last):
        return place.branches**-0.5, f"the last of one of {place.branches} branches: 1/sqrt of their number"
    return _into(facts)


def _made_up_for(facts: Facts) -> bool:
    """Whether a weight further on makes up for any size: that of a product's factor, of a linear chain, of values."""
    place = facts.residual
    if place is not None and place.place in {"stream", "last"} and place.branches:
        return place.place == "last" and place.norm_first and not place.leaves
    return facts.after.kind in {"product", "linear"} or _only_values(facts)


def _into(facts: Facts) -> tuple[float, str]:
    if steep := steep_gain(facts):
        return steep, f"small enough for the slope of {facts.after} at 0"
    return 1.0, f"unit second moment into {facts.after}"


def _only_values(facts: Facts) -> bool:
    return bool(facts.attention) and all(part == "v" for part, _ in facts.attention)


def _reason(facts: Facts) -> str:
    if facts.normalised:
        return "scale-free behind a norm"
    if facts.residual is not None and facts.residual.place == "last":
        return "the end of a branch on a stream that is normalised before it is read"
    return f"{facts.after} follows, and makes up for any size"
