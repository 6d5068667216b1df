"""One call of lsuv: read, start, sweep, scale, check; and again where new weights lead a new way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from initium.calibrate._choice import choose
from initium.calibrate._few import few_of, shares_of
from initium.calibrate._found import after
from initium.calibrate._given import signature
from initium.calibrate._outcome import Outcome
from initium.calibrate._passes import Passes
from initium.calibrate._receipt import farthest, missed
from initium.calibrate._rounds import ways_of
from initium.calibrate._routed import MORE, few_network, looked, plain, swept
from initium.calibrate._seek import Seeking
from initium.calibrate._siblings import siblings, unreached
from initium.calibrate._start import start
from initium.calibrate._tries import MOST_ROUNDS, Tries
from initium.network import read, read_hollow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor

    from initium.calibrate._choice import Choice
    from initium.calibrate._found import Found
    from initium.calibrate._outcome import Call
    from initium.calibrate._pieces import Piece
    from initium.calibrate._rounds import Way
    from initium.calibrate._walks import Seeing, Settling
    from initium.network import Network, Trace

# How often a model whose way depends on its weights is calibrated anew; and what the check disagrees with.
_MOST_WAYS, _MOST_CORRECTIONS = 4, 8


def calibrated(call: Call, network: Network | None) -> Outcome:
    """The weights drawn and scaled where the model has them, and checked by a plain pass."""
    networks = [network] if network is not None else _hollow(call)
    if networks is None and (few := few_network(call)) is not None and few.trace and few.trace.asked:
        return _routed(call, *_swept(call, few))
    if networks is None or len(call.batches) > 1:
        networks = _read(call, network)
    choices = choose(call.model, networks[0], call.scale_free)
    _begin(call, networks[0], choices, _idle(networks[0], choices))
    if not any(cast("Trace", each.trace).asked for each in networks):
        return _corrected(call, networks, choices, _turn(call, networks, choices, routed=False))
    if call.weights.values:
        networks = _read(call, None, call.weights.values)
        choices = choose(call.model, networks[0], call.scale_free)
    return _routed(call, networks, choices, None)


def _hollow(call: Call) -> list[Network] | None:
    """The network of a single batch without the model's work; ``None`` where that cannot be had, or there are several."""
    network = read_hollow(call.model, call.batches[0]) if len(call.batches) == 1 else None
    return None if network is None else [network]


def _swept(call: Call, few: Network) -> tuple[list[Network], dict[str, Choice], Settling | None]:
    """The start drawn; and the batch's network, with what was found while it was traced."""
    choices = choose(call.model, few, call.scale_free)
    _begin(call, few, choices, _idle(few, choices))
    again = few_network(call, call.weights.values) if call.weights.values else few
    if again is not None and _idle(again, choose(call.model, again, call.scale_free)):
        again = few_network(call, call.weights.values, MORE) or again
    choices = choose(call.model, again or few, call.scale_free)
    if again is not None and plain(choices):
        network, settling = swept(call, again, choices)
    else:
        network, settling = read(call.model, call.batches[0], values=call.weights.values), None
    choices = choose(call.model, network, call.scale_free)
    _begin(call, network, {name: one for name, one in choices.items() if name not in call.weights.values}, ())
    return [network], choices, settling


def _routed(call: Call, networks: Sequence[Network], choices: dict[str, Choice], settling: Settling | None) -> Outcome:
    """What is calibrated on the way that its own weights choose; the sweep may be done already."""
    outcome = (
        _turn(call, networks, choices, routed=True) if settling is None else _told(call, networks, choices, settling)
    )
    far = farthest(outcome.seeing, outcome.found, call.wanted.statistic)
    for _ in range(_MOST_WAYS - 1):
        if not far and not _strangers(outcome):
            return outcome
        networks = [way.network for way in outcome.ways]
        choices = choose(call.model, networks[0], call.scale_free)
        fresh = {name: choice for name, choice in choices.items() if name not in call.weights.values}
        _begin(call, networks[0], fresh, ())
        outcome, before = _turn(call, networks, choices, routed=True), far
        far = farthest(outcome.seeing, outcome.found, call.wanted.statistic)
        if far >= before > 0:  # on the same way: what is used again may leave what is used once behind
            break
    return _led(call, outcome) if far else outcome


def _led(call: Call, outcome: Outcome) -> Outcome:
    """What misses its target corrected on the way that the weights choose, and looked at on the one that they choose then."""
    networks = [way.network for way in outcome.ways]
    choices = choose(call.model, networks[0], call.scale_free)
    made = _corrected(call, networks, choices, outcome)
    passes = _passes(call, choices, gates=False, again=True)
    passes.settling = made.settling
    return _checked_anew(call, made.ways, passes, made.found, made.sweeps)


def _told(call: Call, networks: Sequence[Network], choices: dict[str, Choice], settling: Settling) -> Outcome:
    """What a sweep found while the model was traced, written and checked."""
    ways, passes = ways_of(call.batches, call.masks, networks), _passes(call, choices, gates=False, again=True)
    passes.settling = settling
    found = settling.found | unreached(networks[0], choices, settling.found)
    call.weights.scale(found, choices, again=True)
    return _checked_anew(call, ways, passes, found, 1)


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


def _idle(network: Network, choices: Mapping[str, Choice]) -> Collection[str]:
    """What no element reached, beside siblings that are calibrated."""
    return siblings(network, choices, [name for name, choice in choices.items() if not choice.reason])


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
    few = None if routed or given else few_of(call.model, ways, choices)
    shares = shares_of(call.model, ways, few) if few and call.wanted.branches == "unit" else []
    again = (
        routed or bool(few) or any(len(choice.uses) > 1 for choice in choices.values())
    )  # it may not be the last try
    passes = _passes(call, choices, gates=bool(few), again=again)
    tries = Tries(passes.sweep, Seeking(passes.slopes), ways, few.ways if few else [], passes.pooled, shares)
    outcome: Outcome | None = None
    for sought in tries.found(given or {}):
        found = sought | unreached(networks[0], choices, sought)
        weights.scale(found, choices, again=again)
        if routed:
            return _checked_anew(call, ways, passes, found, tries.sweeps)
        seeing, lanes = passes.check(ways, found, tries.seeking.step, correct=True)
        settling = cast("Seeing", passes.settling)
        outcome = Outcome(ways, choices, seeing.found, settling, seeing, lanes, weights.values, tries.sweeps)
        if not missed(seeing, seeing.found, call.wanted.statistic):
            break
        tries.checked = passes.swept(seeing)
    return cast("Outcome", outcome)  # sweeps end with one worth checking


def _passes(call: Call, choices: Mapping[str, Choice], *, gates: bool, again: bool) -> Passes:
    return Passes(call.model, call.weights, choices, call.wanted, gates=gates, again=again)


def _checked_anew(
    call: Call, ways: Sequence[Way], passes: Passes, found: Mapping[Piece, Found], sweeps: int
) -> Outcome:
    """The check on the way that the new weights choose: while it is traced where it is the one that was swept."""
    recorded = None
    if len(call.batches) == 1:
        way, recorded = looked(call, ways[0])
        ways = [way]
    else:
        ways = ways_of(call.batches, call.masks, _read(call, None, call.weights.values))
    known = choose(call.model, ways[0].network, call.scale_free) | dict(passes.choices)
    settling = cast("Seeing", passes.settling)
    if recorded is not None:
        return Outcome(ways, known, found, settling, recorded.made, [recorded], call.weights.values, sweeps)
    seeing, lanes = passes.check(ways, found, lambda _: {}, correct=False)
    return Outcome(ways, known, seeing.found, settling, seeing, lanes, call.weights.values, sweeps)


def _read(call: Call, network: Network | None, values: Mapping[str, Tensor] | None = None) -> list[Network]:
    """A network for every batch; batches of the same shapes share one."""
    known, several = dict[object, "Network"](), len(call.batches) > 1  # of a single one it is known by now
    if network is not None:
        known[signature(call.batches[0])] = network
    for batch in call.batches:
        key = signature(batch)
        if key not in known:
            known[key] = read(call.model, batch, values=values, hollow=several)
    return [known[signature(batch)] for batch in call.batches]
