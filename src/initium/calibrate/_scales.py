"""Which weights are bound to a size, and which are free."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from initium.calibrate._bindings import (
    alone,
    answers,
    binding,
    drives,
    gives_way,
    goes_out,
    passes,
    reason,
    renewed_behind,
    scalable,
)
from initium.calibrate._first_way import first_way
from initium.calibrate._joint import Joint, joints
from initium.calibrate._streams import Line, end_size, lines_of
from initium.calibrate._written import CLOSE, HEAD, closing_of, layers_of
from initium.network import log_scales
from initium.planning import law_of_fill
from initium.records import Constant
from initium.schemes import textbook

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from initium.network import Facts, Network, Use
    from initium.records import Fill

# Where a table starts on the way to the size at which it learns like the rest, and where one that stands beside the data.
TABLE, BESIDE = 0.6, 0.02


@dataclass(frozen=True, slots=True)
class Scales:
    """The sizes at which weights are to start.

    Attributes:
        bound: By weight, the rms that its output gets, and why.
        free: Likewise, where a later normalisation or a later weight makes up for any size. Of tables, the std.
        tables: Which of the free ones are tables.
        beside: The tables that are added to the data or joined with it: position, class token, bias of attention.
        divided: The free ones whose size is divided out before they multiply: it is their std, and changes no signal.
        tied: The std of tables that are the output's weight too: what is looked up comes first, and the output binds.
        soft: Which of the bound ones may leave their size somewhat where that lets the network learn at one rate.
        sources: By weight, those whose output it reads with no norm between.
        inside: Which of the chained ones stand inside of a branch, whose end makes up for them.
        driven: Which of the soft ones lead into an activation whose second moment is not in proportion to its input's.
        anchors: By table and end of a branch, those whose sizes it follows: what its stream begins as.
        rigid: Which of those follow closely.
        held: What pays for leaving the place where it starts: tables to which a branch is added before any norm, whose end
            would drown them, ends of branches of a stream without norms that begins as the data, and ends of branches behind
            whose sum a norm stands, which makes the stream 1.
        lines: The residual streams.
        starts: By weight, the size from which it moves.
        layers: By vector that multiplies the output of a residual branch, its value.
        closing: By scale of a norm that only outputs read, its value, where 1 changes nothing.
        closes: By such a scale that may move, the outputs' weights.
        joints: By node that goes out, or term of it, those that make it together; none of them moves for its rate.
        turned: The uses that multiply by the transpose of what their weight begins as: no size is theirs.
        answers: Which of the bound ones go out by themselves, and stay as they are.
        scored: Which of the soft ones make queries or keys beside values.
        logs: Which of the bound ones give the log of a factor, and may shrink.
        given: What parameters get by other rules than this one's; ``Keep`` for what is written out already.
    """

    bound: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    free: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    tables: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    divided: frozenset[str] = frozenset()
    tied: dict[str, float] = field(default_factory=dict[str, float])
    soft: frozenset[str] = frozenset()
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    inside: frozenset[str] = frozenset()
    driven: frozenset[str] = frozenset()
    anchors: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    rigid: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    lines: dict[int, Line] = field(default_factory=dict[int, Line])
    starts: dict[str, float] = field(default_factory=dict[str, float])
    layers: dict[str, float] = field(default_factory=dict[str, float])
    closing: dict[str, float] = field(default_factory=dict[str, float])
    closes: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    joints: dict[str, Joint] = field(default_factory=dict[str, Joint])
    given: dict[str, Fill] = field(default_factory=dict[str, "Fill"])
    turned: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    scored: frozenset[str] = frozenset()
    logs: frozenset[str] = frozenset()

    @property
    def movable(self) -> list[str]:
        """The weights whose size may change."""
        moving, still = self.soft | self.terms | self.logs, self.together
        bound, free = [name for name in self.bound if name in moving], [name for name in self.free if name not in still]
        return [*bound, *free, *self.closes]

    @property
    def together(self) -> frozenset[str]:
        """The weights and tables that make with others what goes out."""
        return frozenset(name for joint in self.joints.values() for name in joint.names)

    @property
    def terms(self) -> frozenset[str]:
        """Those of them that are added to one another: one may be larger or smaller than the rest."""
        sums = (joint.names for joint in self.joints.values() if joint.degree == 1 and len(joint.names) > 1)
        return frozenset(name for names in sums for name in names if name in self.bound and name not in self.tied)

    @property
    def chained(self) -> dict[str, tuple[str, ...]]:
        """By soft weight that follows no stream and reads what others gave, those: its size is to be theirs."""
        return {name: self.sources[name] for name in self.soft if name not in self.anchors and self.sources.get(name)}

    @property
    def loose(self) -> frozenset[int]:
        """The streams on which no norm stands: all of one may grow or shrink together."""
        return frozenset(number for number, line in self.lines.items() if line.loose)

    def size(self, name: str) -> float:
        """Its size now."""
        found = self.bound.get(name) or self.free.get(name)
        return found[0] if found else self.closing[name]

    @property
    def goals(self) -> dict[str, float]:
        """The rms of the output of every weight whose size is that of its output."""
        every, others = {**self.bound, **self.free}, {*self.tables, *self.tied, *self.divided}
        return {name: size for name, (size, _) in every.items() if name not in others}


def scales_of(network: Network, given: Mapping[str, Fill]) -> Scales:
    """Where every weight starts, by what stands around it; what is given by others is left alone."""
    every, network = network.uses, first_way(network)
    known = {facts.name: facts for facts in network.parameters}
    first: dict[str, Use] = {}
    for use in network.uses:
        for name in (use.name, *use.joined):
            first.setdefault(name, use)
    read = frozenset(node for use in every for node in use.sources)
    ending = {use.name for use in network.uses if use.node not in read or goes_out(use)}
    outputs = {name for name in ending if not known[name].renewed}  # a norm makes the same of any size
    answering = outputs - {use.name for use in network.uses if use.node in read or not use.leaves or use.normalised}
    bound, free = _by_place(known, {name: use for name, use in first.items() if name not in given}, outputs, answering)
    logs = {name for name in log_scales(network) if name in {**bound, **free} and not known[name].normalised}
    bound |= dict.fromkeys(sorted(logs), (HEAD, f"the log of a factor, which starts near 1: rms {HEAD:g}"))
    free = {name: place for name, place in free.items() if name not in logs}
    beside = frozenset(
        name
        for name, facts in known.items()
        if facts.role == "embedding" and not (name in first or name in given or facts.frozen)
    )
    free |= dict.fromkeys(sorted(beside), (BESIDE, "a table beside the data"))
    divided = _divided(known, given)
    free |= {name: (std, "its size is divided out before it multiplies") for name, std in divided.items()}
    layers = layers_of(known)
    open_to = {name: facts for name, facts in known.items() if name not in given}
    together = joints(
        network,
        [name for name in bound if known[name].head or name in answering],
        [name for name in free if known[name].role == "embedding"],
    )
    weighed = {name for joint in together.values() if joint.weighed for name in joint.names}
    going = {name for name in bound if answers(known[name], ends=name in outputs)}
    closing = closing_of(open_to, going | weighed)
    closed = {name for closes in closing for name in known[closes].closes}
    made = Scales(
        bound=bound,
        free=free,
        tables=frozenset(name for name in free if known[name].role == "embedding"),
        beside=beside,
        divided=frozenset(divided),
        tied={
            name: HEAD / (CLOSE if name in closed else 1.0) / math.sqrt(known[name].fan_in or 1.0)
            for name in bound
            if first[name].layout == "lookup" and known[name].role != "embedding"
        },
        lines=lines_of(network),
        layers=layers | {name: fill.value for name in layers if isinstance(fill := given.get(name), Constant)},
        closing=closing,
        joints=together,
        given=dict(given),
        turned=frozenset(use.node for use in every) - {use.node for use in network.uses},
    )
    several = made.tied.keys() | made.together
    by_itself = frozenset(name for name in going - several if known[name].role == "weight")
    made = replace(made, answers=by_itself, logs=frozenset(logs - by_itself - several))
    made = _with_ends(_with_tables(made), known, outputs, logs)
    return _with_freedom(made, network, known, outputs | logs)


def _by_place(
    known: Mapping[str, Facts], first: Mapping[str, Use], outputs: Collection[str], answering: Collection[str]
) -> tuple[dict[str, tuple[float, str]], dict[str, tuple[float, str]]]:
    """The weights and looked-up tables that are bound to a size by where they stand, and those that are free."""
    bound, free = dict[str, tuple[float, str]](), dict[str, tuple[float, str]]()
    for name, use in first.items():
        facts = known[name]
        if not scalable(facts, use, known.get(facts.magnitude)):
            continue
        if facts.role == "weight":
            found = binding(facts, ends=name in outputs)
            (bound if found else free)[name] = found or (1.0, reason(facts))
        elif facts.role == "embedding" and name in answering and not use.joined:
            bound[name] = HEAD, f"its rows go out, by way of no weight: an output of rms {HEAD:g}"
        elif facts.role == "embedding":
            free[name] = TABLE / use.factor, "a table that is looked up"
    return bound, free


def _divided(known: Mapping[str, Facts], given: Collection[str]) -> dict[str, float]:
    """By weight whose size is divided out, the std at which it starts: its textbook's."""
    found, rule = dict[str, float](), textbook().rule
    for name, facts in known.items():
        if facts.divided_out and not (facts.frozen or facts.computed_by or name in given):
            choice = rule(facts)
            law = None if choice is None else law_of_fill(choice.fill, facts.shape)
            if law is not None and law.std > 0:
                found[name] = law.std
    return found


def _with_tables(scales: Scales) -> Scales:
    """Tables of one stream at one size: the output's weight's where it is one of them, in sum 1 where no norm follows."""
    free, anchors, held = dict(scales.free), dict[str, tuple[str, ...]](), set[str]()
    for line in scales.lines.values():
        several = tuple(name for name in line.feed if name in scales.tables or name in scales.tied)
        given = [scales.tied[name] for name in several if name in scales.tied]
        behind = math.sqrt(sum(line.feed[name] ** 2 for name in several) / max(len(several), 1))
        for name in several:
            if name in scales.tied or (len(several) < 2 and line.met):  # noqa: PLR2004  one table is alone
                continue
            size = given[0] if given else (TABLE if line.met else len(several) ** -0.5) / behind
            free[name] = size, "a table on a residual stream"
            anchors[name] = several if len(several) > 1 else ()
            if not (given or line.met or line.loose) and line.ends:
                held.add(name)
    return replace(scales, free=free, anchors=anchors, rigid=frozenset(anchors), held=frozenset(held))


def _with_ends(scales: Scales, known: Mapping[str, Facts], outputs: Collection[str], logs: Collection[str]) -> Scales:
    """Ends of branches by what their stream begins as, but for logs of factors."""
    every = {**scales.bound, **scales.free}.items()
    sizes = {name: size for name, (size, _) in every if name not in scales.divided} | scales.tied
    groups = dict(scales.bound), dict(scales.free)
    anchors, rigid, held = dict(scales.anchors), set(scales.rigid), set(scales.held)
    for group, free in zip(groups, (False, True), strict=True):
        for name, (_, why) in group.items():
            place = known[name].residual
            if place is None or place.stream is None or known[name].normalised or known[name].head:
                continue
            if name in scales.divided or name in logs or (name in outputs and alone(place)):
                continue
            line = scales.lines[place.stream.number]
            wanted = end_size(known[name], line, sizes, scales.layers)
            if wanted is None:
                continue
            group[name] = wanted, why
            if free or line.bare:
                anchors[name] = tuple(line.feed)
            if line.bare:  # one that begins as the data cannot follow it
                (rigid if line.feed else held).add(name)
    return replace(
        scales, bound=groups[0], free=groups[1], anchors=anchors, rigid=frozenset(rigid), held=frozenset(held)
    )


def _with_freedom(scales: Scales, network: Network, known: Mapping[str, Facts], outputs: Collection[str]) -> Scales:
    """Which may move, and what from."""
    fixed, loose = {*scales.tied, *outputs}, scales.loose
    soft = frozenset(name for name in scales.bound if name not in fixed and gives_way(known[name], loose))
    renewed = frozenset(name for name in scales.bound if name not in fixed and renewed_behind(known[name]))
    made = replace(
        scales,
        held=scales.held | renewed,
        soft=soft | renewed,
        sources=_sources(network, known, loose),
        driven=frozenset(name for name in soft if drives(known[name])),
        scored=frozenset(name for name in soft if known[name].attention),
        starts={name: size for name, (size, _) in {**scales.bound, **scales.free}.items()} | scales.closing,
        closes={name: each for name in scales.closing if scales.answers.issuperset(each := known[name].closes)},
    )
    return replace(
        made,
        inside=frozenset(name for name in made.chained if (place := known[name].residual) and place.in_branch),
    )


def _sources(network: Network, known: Mapping[str, Facts], loose: Collection[int]) -> dict[str, tuple[str, ...]]:
    """By weight, those whose output it reads with no norm between."""
    named = {use.node: use.name for use in network.uses}
    found = dict[str, tuple[str, ...]]()
    for use in network.uses:
        if use.name not in found:
            read = {named[node] for node in use.met if node in named}
            found[use.name] = tuple(sorted(name for name in read if passes(known[name], loose)))
    return found
