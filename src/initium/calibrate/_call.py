"""One call of lsuv: read, start, sweep, scale, check; and again where new weights lead a new way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from initium.calibrate._choice import choose
from initium.calibrate._few import few_of, shares_of
from initium.calibrate._found import after
from initium.calibrate._given import signature
from initium.calibrate._passes import Passes
from initium.calibrate._receipt import farthest, missed
from initium.calibrate._rounds import ways_of
from initium.calibrate._seek import Seeking
from initium.calibrate._siblings import siblings, unreached
from initium.calibrate._start import start
from initium.calibrate._tries import MOST_ROUNDS, Tries
from initium.network import read

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor, nn

    from initium.calibrate._choice import Choice, ScaleFree
    from initium.calibrate._found import Found
    from initium.calibrate._lanes import Lane
    from initium.calibrate._pieces import Piece
    from initium.calibrate._rounds import Wanted, Way
    from initium.calibrate._start import Pre
    from initium.calibrate._walks import Seeing
    from initium.calibrate._weights import Weights
    from initium.network import Batch, Network, Trace
    from initium.planning import Plan

# How often a model whose way depends on its weights is calibrated anew; and what the check disagrees with.
_MOST_WAYS, _MOST_CORRECTIONS = 4, 8


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked.

    Attributes:
        weights: What is written.
    """

    model: nn.Module
    batches: Sequence[Batch]
    masks: Sequence[Tensor | None]
    wanted: Wanted
    pre: Pre | Plan | None
    scale_free: ScaleFree
    seed: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        ways: The batches with the graphs of the check.
        choices: What was done with each weight.
        found: The factor of each piece.
        settling: What the last sweep saw before the factors.
        seeing: What the check saw.
        lanes: The check's lanes.
        values: What was written.
        sweeps: How many sweeps the factors took.
    """

    ways: Sequence[Way]
    choices: Mapping[str, Choice]
    found: Mapping[Piece, Found]
    settling: Seeing
    seeing: Seeing
    lanes: Sequence[Lane]
    values: Mapping[str, Tensor]
    sweeps: int


def calibrated(call: Call, network: Network | None) -> Outcome:
    """The weights drawn and scaled where the model has them, and checked by a plain pass."""
    networks = _read(call, network)
    choices = choose(call.model, networks[0], call.scale_free)
    idle = siblings(networks[0], choices, [name for name, choice in choices.items() if not choice.reason])
    _begin(call, networks[0], choices, idle)
    routed = any(cast("Trace", each.trace).asked for each in networks)
    if routed and call.weights.values:
        networks = _read(call, None, call.weights.values)
        choices = choose(call.model, networks[0], call.scale_free)
    outcome = _turn(call, networks, choices, routed=routed)
    if not routed:
        return _corrected(call, networks, choices, outcome)
    for _ in range(_MOST_WAYS - 1):
        if not missed(outcome.seeing, outcome.found, call.wanted.statistic) and not _strangers(outcome):
            break
        networks = [way.network for way in outcome.ways]
        choices = choose(call.model, networks[0], call.scale_free)
        fresh = {name: choice for name, choice in choices.items() if name not in call.weights.values}
        _begin(call, networks[0], fresh, ())
        outcome = _turn(call, networks, choices, routed=routed)
    return outcome


def _corrected(call: Call, networks: Sequence[Network], choices: dict[str, Choice], outcome: Outcome) -> Outcome:
    """What the check disagrees with, sought anew from what was written, as long as that brings it nearer.

    A weight may also enter by a way that is no use of it: a table in the distances to its own rows, a weight in what is made
    of weights alone. There a sweep sees its start and not its factor.
    """
    far = farthest(outcome.seeing, outcome.found, call.wanted.statistic)
    taken = outcome.sweeps  # what was sought to the last would be so again
    for _ in range(_MOST_CORRECTIONS):
        if not far or taken >= MOST_ROUNDS:
            break
        call.weights.keep()
        again = {piece for piece, one in outcome.found.items() if not one.note and len(choices[piece.name].uses) > 1}
        new, before = _turn(call, networks, choices, routed=False, given=dict.fromkeys(again, 1.0)), outcome
        found, taken = after(before.found, new.found), new.sweeps
        outcome = replace(new, found=found, settling=before.settling, sweeps=before.sweeps + taken)
        nearer = farthest(outcome.seeing, outcome.found, call.wanted.statistic)
        if nearer >= far:
            break
        far = nearer
    return outcome


def _begin(call: Call, network: Network, choices: Mapping[str, Choice], besides: Collection[str]) -> None:
    """The start of these weights, drawn into the model."""
    values = call.weights.start()
    opened = call.weights.opened
    new = start(call.model, network, choices, besides, pre=call.pre, seed=call.seed, opened=opened)
    call.weights.values = {**values, **new}


def _strangers(outcome: Outcome) -> bool:
    """True where the way that the new weights take reaches one that was not calibrated, and could be."""
    known = {piece.name for piece in outcome.found}
    return any(piece.name not in known and not outcome.choices[piece.name].reason for piece in outcome.seeing.seen)


def _turn(
    call: Call,
    networks: Sequence[Network],
    choices: dict[str, Choice],
    *,
    routed: bool,
    given: Mapping[Piece, float] | None = None,
) -> Outcome:
    """The first of the found factors that the check agrees with, or the last."""
    weights, ways = call.weights, ways_of(call.batches, call.masks, networks)
    few = [] if routed or given else few_of(call.model, ways, choices)
    shares = shares_of(call.model, ways) if few and call.wanted.branches == "unit" else []
    again = (
        routed or bool(few) or any(len(choice.uses) > 1 for choice in choices.values())
    )  # it may not be the last try
    passes = Passes(call.model, weights, choices, call.wanted, gates=bool(few), again=again)
    tries = Tries(passes.sweep, Seeking(passes.slopes), ways, few, passes.share, shares)
    outcome: Outcome | None = None
    for sought in tries.found(given or {}):
        found = sought | unreached(networks[0], choices, sought)
        weights.scale(found, choices, again=again)
        checked, known = ways, choices
        if routed:
            checked = ways_of(call.batches, call.masks, _read(call, None, weights.values))
            known = choose(call.model, checked[0].network, call.scale_free) | choices
        seeing, lanes = passes.check(checked, found, tries.seeking.step, correct=not routed)
        settling = cast("Seeing", passes.settling)
        outcome = Outcome(checked, known, seeing.found, settling, seeing, lanes, weights.values, tries.sweeps)
        if routed or not missed(seeing, seeing.found, call.wanted.statistic):
            break
        tries.checked = passes.swept(seeing)
    return cast("Outcome", outcome)  # sweeps end with one worth checking


def _read(call: Call, network: Network | None, values: Mapping[str, Tensor] | None = None) -> list[Network]:
    """A network for every batch; batches of the same shapes share one."""
    known: dict[object, Network] = {}
    if network is not None:
        known[signature(call.batches[0])] = network
    for batch in call.batches:
        key = signature(batch)
        if key not in known:
            known[key] = read(call.model, batch, values=values, hollow=True)
    return [known[signature(batch)] for batch in call.batches]
