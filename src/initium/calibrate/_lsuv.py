"""Layer-sequential unit variance, exact and in one pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, SupportsFloat, cast

import torch

from initium.calibrate._choice import Choice, choose
from initium.calibrate._commit import commit
from initium.calibrate._start import Pre, scheme_of, start
from initium.calibrate._walks import Calibrating, Found, Verifying
from initium.checks import number
from initium.errors import ArgumentError, PlanError
from initium.network import as_batch, read, run_walk, unchanged
from initium.records import Receipt, ReceiptRow
from initium.signal import needs_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from initium.network import Batch, Network, Trace, Walk

# An output that misses its target by more says so in its row: this much, or as many roundings of its own precision.
_MISSED, _ROUNDINGS = 1e-3, 4


def lsuv(
    model: nn.Module,
    batch: object,
    *,
    pre: Pre | None = "orthogonal",
    target: SupportsFloat = 1.0,
    seed: int = 0,
    network: Network | None = None,
) -> Receipt:
    r"""Rescales every weight so that its operation's output has the target std on real data.

    Formula:
        ``W <- f W`` with the ``f > 0`` that solves ``std(f W x + b) = target``, layer after layer in execution order,
        ``x`` being what the layers before give once they are rescaled.

    An operation is linear in its weight, so its rescaled output is known without running it again, and one forward
    pass of the model does the whole network. A second one checks the result; a third, before them, traces the model
    (``network=`` saves it). The std is over all elements of the output; sums are in float32, or in float64 where the
    output is. The model runs in its own train or eval mode, and all passes draw the same dropout masks.

    Calibrated are linear layers, convolutions, transposed convolutions, and bare parameters in matrix products.
    Embeddings, recurrent weights, frozen and composed weights are left alone, each with its reason in the receipt; so
    is a weight whose input is zero or constant. All or nothing: an error, an interrupt, or a value that is not finite
    leaves the model as it was, bit for bit.

    Args:
        model: Any module that can be traced, with real tensors.
        batch: A tensor, a tuple of positional arguments, a dict of keyword arguments, or :class:`~initium.network.Batch`.
        pre: The start: ``"orthogonal"`` or ``"he"`` draws the calibrated weights anew and sets their biases to zero;
            ``None`` keeps weights and biases as they are.
        target: The std that every output gets, > 0.
        seed: Of the start; not used where ``pre`` is ``None``.
        network: The model as ``read`` with this batch, where the caller has it.

    Returns:
        A receipt with a row for each weight in execution order: the output's std before, the factor, the std that the
        check measured, and a note. Without a factor the weight was left alone.

    Raises:
        ArgumentError: ``target`` is not a positive number, a parameter or a tensor of the batch is on ``meta``, or a
            parameter was made in inference mode.
        BatchError: The batch is empty, holds NaN, does not fit the model, or an output is not finite.
        PlanError: A weight is computed by a parametrisation or holds integers, or a factor is too large for its dtype.
        TraceError: The model cannot be traced.
        UnknownNameError: ``pre`` is no known start.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.calibrate import lsuv
        >>> net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        >>> receipt = lsuv(net, torch.randn(128, 16), seed=0)
        >>> [f"{row.name} {row.after:.3f}" for row in receipt.rows]
        ['0.weight 1.000', '2.weight 1.000', '4.weight 1.000']

    Reference:
        Mishkin & Matas (2016), "All you need is a good init", algorithm 1.

    Deviation:
        The bias is a term of its own, so that the factor is exact and nothing is iterated; one pass, not one or more a
        layer; std, not variance, is the target (the same at 1).
    """
    target = _target(target)
    scheme = scheme_of(pre)
    given = as_batch(batch)
    needs_values(model, "lsuv", given, gradients=False)
    network = network or read(model, given)
    choices = choose(model, network)
    values = start(dict(model.named_parameters()), network, choices, scheme, seed)
    first, second = Calibrating(network, choices, target), Verifying(network)
    _run(first, model, given, values)
    values = _scaled(model, values, first.found)
    _run(second, model, given, values)
    receipt = Receipt(
        action=f"lsuv pre={pre} target={target:g}",
        seed=None if pre is None else seed,
        rows=tuple(_rows(choices, first, second, target)),
        notes=tuple(_notes(network, choices, values)),
    )
    commit(model, values)  # last: what comes before may fail or be interrupted
    return receipt


def _target(value: SupportsFloat) -> float:
    target = number(value, "target")
    if not (math.isfinite(target) and target > 0):
        raise ArgumentError(f"target is the std that every output gets, a finite number > 0; got {value!r}.")
    return target


def _run(walk: Walk, model: nn.Module, batch: Batch, values: Mapping[str, Tensor]) -> None:
    """Walks with these values in the place of the model's, drawing from the random state of the call; changes nothing."""
    traced = cast("Trace", walk.network.trace)
    with unchanged(model), torch.no_grad():
        parameters, buffers, inputs = traced.bind(model, batch, values)
        run_walk(walk, [*parameters, *buffers, *inputs])


def _scaled(model: nn.Module, values: dict[str, Tensor], found: Mapping[str, Found]) -> dict[str, Tensor]:
    """The start's values times the factors; of a kept start, only what a factor changes."""
    scaled = dict(values)
    for name, one in found.items():
        if one.factor != 1:
            held = values[name] if name in values else model.get_parameter(name).detach()
            scaled[name] = held * one.factor
            _check_fits(name, scaled[name], one.factor)
    return scaled


def _check_fits(name: str, scaled: Tensor, factor: float) -> None:
    if not math.isfinite(max(abs(float(end)) for end in torch.aminmax(scaled))):
        raise PlanError(
            f"`{name}` times the factor {factor:.4g} does not fit into {scaled.dtype}. Nothing was changed. Its input is "
            "almost zero: look at what comes before it, or calibrate in float32."
        )


def _rows(choices: Mapping[str, Choice], first: Calibrating, second: Verifying, target: float) -> Iterator[ReceiptRow]:
    for name, choice in choices.items():
        after = second.seen[name]
        one = first.found.get(name)
        if one is None:
            reason = choice.reason or "no element of this batch reached it"
            yield ReceiptRow(name, first.seen.get(name, 0.0), None, after, f"left alone: {reason}")
        else:
            slack = max(_MISSED, _ROUNDINGS * second.eps[name]) * target
            yield ReceiptRow(name, one.before, one.factor, after, _note(choice, one, after, target, slack))


def _note(choice: Choice, one: Found, after: float, target: float, slack: float) -> str:
    missed = not one.note and abs(after - target) > slack
    parts = [
        one.note or f"std {target:g}",
        choice.remark,
        "the check measured another std" if missed else "",
    ]
    return "; ".join(part for part in parts if part)


def _notes(network: Network, choices: Mapping[str, Choice], values: Mapping[str, Tensor]) -> Iterator[str]:
    """What the rows do not say: biases that were set to zero, and weights that no row is about."""
    zeroed = [name for name in values if name not in choices]
    asked = network.trace.asked if network.trace else ()
    if asked:
        yield (
            f"the way through the network depends on its weights ({', '.join(asked)}): it was calibrated along the way "
            "that was traced before; pre=None on the result traces it anew"
        )
    yield from network.strange
    if zeroed:
        yield f"set to zero, as biases of calibrated weights: {', '.join(zeroed)}"
    for facts in network.parameters:
        if facts.name not in choices and facts.mentionable:
            yield f"left alone: `{facts.name}` ({facts.role}); {'; '.join(facts.notes) or 'no operation multiplies data by it'}"
