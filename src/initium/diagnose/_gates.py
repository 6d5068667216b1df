"""Recurrent layers: what the steps inside of one operation say of its gates, its states and its gradient.

A gate is flat where its slope is below a twentieth of its largest, at more than half of its values. Where its inputs vary
more than they lie off zero, the weights are too large, or what they read. Where they lie off zero it is held there: by a
bias. A forget gate that is held open, with an input gate nearly shut, is a long memory (chrono initialisation, Tallec &
Ollivier 2018), and so is an update gate that is held at either end; a forget gate or an output gate that is shut, a
candidate at one end, an input gate that is shut beside a forget gate that is not open hand on nothing that is worth
learning from.

Without gates a step multiplies the state by one weight, and what is left of a step that lies t behind falls by the power of t
(Bengio, Simard & Frasconi 1994). Where the last state alone is read, and half of the steps leave of the other half less than
float32's eps, which a sum with what is nearer rounds away, that half is not read at all (Le, Jaitly & Hinton 2015, section 4.1,
for what a plain RNN then learns). Measured, 64 units at torch's default, Adam, 600 steps: the sign of a sum over the last ten
of 54 steps is learned to 93 %, over the first ten to 50 %, and that from an orthogonal start to 84 %. A gate can learn to
hold; of gated layers this is not said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import share, shown
from initium.diagnose._input_scale import off
from initium.diagnose._words import TEXTBOOK
from initium.network import read_at_last
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import GateRow, Severity, Signal, StateRow

_HALF = 0.5
# As for a chain of layers: what is too large for one step of a usual size, and what is too faint for a hundred.
_WILD, _FAINT = 1e2, 1e-2
# Twice the gain at which a linear recurrence keeps its size; of so many steps a rate can be told.
_LARGE, _SEVERAL = 2.0, 8
_ROUNDED = 2.0**-23  # float32's eps
_UNGATED = frozenset({"rnn_tanh", "rnn_relu"})
_NAMES = {
    "i": "input gate",
    "f": "forget gate",
    "g": "candidate",
    "o": "output gate",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
    "": "tanh",
}


def driven(signal: Signal) -> Iterator[Finding]:
    """Gates that large weights, or large inputs, push to both ends."""
    unscaled = {row.weight for row in signal.inputs if off(row)}
    layers = _layers(signal)
    flat = {key: [gate for gate in gates if _driven(gate, key[0] in unscaled)] for key, gates in layers.items()}
    flat = {key: gates for key, gates in flat.items() if gates}
    if flat:
        many = sum(map(len, flat.values())) * 2 >= sum(len(layers[key]) for key in flat)
        caused = next((key[0] for key in flat if key[0] in unscaled), "")
        yield _driven_finding(
            [gate for gates in flat.values() for gate in gates], caused, "error" if many else "warning"
        )


def held(signal: Signal) -> Iterator[Finding]:
    """Gates that a bias holds where nothing is handed on."""
    unscaled = {row.weight for row in signal.inputs if off(row)}
    barred = [
        gate
        for (name, _), gates in _layers(signal).items()
        for gate in gates
        if name not in unscaled and _held(gate) and _barred(gate, {each.gate: each for each in gates})
    ]
    if barred:
        yield _held_finding(barred)


def grown(signal: Signal) -> Iterator[Finding]:
    """Recurrent layers whose steps multiply a change, and so the gradient on its way back."""
    gain = {row.name: row.gain or 0.0 for row in signal.rows}
    for row in signal.states:
        rises = row.growth > 1 and row.steps >= _SEVERAL and gain.get(row.state, 0.0) > _LARGE
        if row.growth > _WILD or rises:
            yield _grown_finding(row, gain.get(row.state, 0.0), "error" if row.growth > _WILD else "warning")


def faint(network: Network, signal: Signal) -> Iterator[Finding]:
    """Recurrent layers of whose input next to nothing is left in their states."""
    idle = {facts.name for facts in network.parameters if facts.idle or facts.frozen}
    for row in signal.states:
        if row.reads > 0 and row.unit_std < _FAINT * min(row.reads, 1.0) and not {row.name, row.state} & idle:
            yield _faint_finding(row, {each.name: each.weight_rms for each in signal.rows})


def forgetful(network: Network, signal: Signal) -> Iterator[Finding]:
    """Recurrent layers without gates whose last state alone is read, and knows nothing of the first half of the steps."""
    ended = read_at_last(network)
    rows = {row.state: row for row in signal.states if row.op in _UNGATED}
    by_node: dict[str, list[StateRow]] = {}
    for use in network.uses:
        if use.node in ended and use.name in rows:
            by_node.setdefault(use.node, []).append(rows[use.name])
    for states in by_node.values():
        if all(row.growth < _ROUNDED**2 and row.steps >= _SEVERAL for row in states):
            yield _forgetful_finding(states)


def _layers(signal: Signal) -> dict[tuple[str, str], list[GateRow]]:
    found: dict[tuple[str, str], list[GateRow]] = {}
    for gate in signal.gates:
        found.setdefault((gate.name, gate.state), []).append(gate)
    return found


def _driven(gate: GateRow, unscaled: bool) -> bool:  # noqa: FBT001 - of its input
    return gate.saturated > _HALF and (unscaled or gate.std >= gate.offset)


def _held(gate: GateRow) -> bool:
    return gate.saturated > _HALF and gate.std < gate.offset


def _barred(gate: GateRow, beside: dict[str, GateRow]) -> bool:
    shut = gate.shut > _HALF
    match gate.gate:
        case "i":
            memory = beside["f"]
            return shut and memory.saturated - memory.shut <= _HALF
        case "f" | "o":
            return shut
        case "r" | "z":
            return False
        case _:
            return True


def _named(gate: GateRow) -> str:
    return f"{_NAMES[gate.gate]} of `{gate.state}`"


def _driven_finding(flat: list[GateRow], caused: str, severity: Severity) -> Finding:
    first, worst = flat[0], max(gate.saturated for gate in flat)
    reason = (
        f"what `{caused}` reads is not standardised"
        if caused
        else "the weights are too large for what they read, or what they read is too large"
    )
    return Finding(
        code="saturation",
        severity=severity,
        layers=_weights(flat),
        message=f"{len(flat)} gates of recurrent layers are saturated, first the {_named(first)}: up to {share(worst)} of their values "
        "are where the slope is under a twentieth of the largest.",
        measured=worst,
        expected=0.0,
        cause=f"before its activation the {_NAMES[first.gate]} has std {shown(first.std)} over samples and steps: {reason}.",
        cure="Standardise the input."
        if caused
        else "Start the input's weights by Glorot's law and the state's orthogonal, of gain 1.",
        remedy=None if caused else TEXTBOOK,
        part_of="input-scale" if caused else "",
    )


def _held_finding(barred: list[GateRow]) -> Finding:
    first = barred[0]
    return Finding(
        code="large-bias",
        severity="warning",
        layers=_weights(barred),
        message=f"Biases hold {len(barred)} gates of recurrent layers at one end, first the {_named(first)}: before its activation its "
        f"units lie {shown(first.offset)} off zero, what depends on the input has std {shown(first.std)}.",
        measured=first.offset,
        expected=0.0,
        cause=f"the {_NAMES[first.gate]} is saturated at {share(first.saturated)} of its values, whatever comes in: next to nothing "
        "passes it, and no gradient.",
        cure="Set these biases to zero, the forget gate's to 1 or more.",
        remedy=TEXTBOOK,
    )


def _grown_finding(row: StateRow, gain: float, severity: Severity) -> Finding:
    return Finding(
        code="exploding-gradient",
        severity=severity,
        layers=(row.state,),
        message=f"Through the {row.steps} steps of `{row.state}` ({row.op}) a small change of the state grows {shown(row.growth)} "
        "times, and so does the gradient on its way back.",
        measured=row.growth,
        expected=1.0,
        cause=f"`{row.state}` has gain {shown(gain)} (weight_rms * sqrt(fan_in)) and multiplies at every step, "
        f"by {shown(row.growth ** (1 / row.steps))} on average.",
        cure="Give a recurrent weight an orthogonal start of gain 1.",
        remedy=TEXTBOOK,
    )


def _faint_finding(row: StateRow, sizes: dict[str, float]) -> Finding:
    return Finding(
        code="vanishing-signal",
        severity="warning",
        layers=(row.name, row.state),
        message=f"The states of `{row.state}` ({row.op}) hardly depend on the input: their std is {shown(row.unit_std)} over samples and "
        f"steps, that of what they are made of {shown(row.reads)}.",
        measured=row.unit_std,
        expected=min(row.reads, 1.0),
        cause=f"`{row.name}` has rms {shown(sizes.get(row.name, 0.0))} and `{row.state}` {shown(sizes.get(row.state, 0.0))}, or a gate "
        "is shut.",
        cure="Start the input's weights by Glorot's law and the state's orthogonal, of gain 1.",
        remedy=TEXTBOOK,
    )


def _forgetful_finding(states: list[StateRow]) -> Finding:
    row = max(states, key=lambda each: each.growth)
    a_step = row.growth ** (1 / row.steps)
    return Finding(
        code="vanishing-gradient",
        severity="warning",
        layers=tuple(dict.fromkeys(name for each in states for name in (each.name, each.state))),
        message=f"The last state of `{row.state}` ({row.op}), which alone is read, knows nothing of the first half of {row.steps} steps: of a "
        f"change of the first state {shown(row.growth)} is left.",
        measured=row.growth,
        expected=1.0,
        cause=f"a step multiplies what is there by {shown(a_step)} on average, and no gate can hold anything: what is more than "
        f"{shown(math.log(_ROUNDED) / math.log(a_step)) if a_step > 0 else 0} steps back is below the rounding of what is nearer.",
        cure="Start the state's weight orthogonal, of gain 1 or a little more, take a layer with gates (LSTM, GRU), or read the mean over steps.",
        remedy=Code(f'torch.nn.init.orthogonal_(model.get_parameter("{row.state}"))'),
    )


def _weights(gates: list[GateRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for gate in gates for name in (gate.name, gate.state)))
