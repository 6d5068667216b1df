"""Within-layer normalisation, channel by channel, and then rates of change that are even between layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, SupportsFloat, cast

import numpy as np
import torch

from initium.calibrate._centring import Centring, Looking, moved, walk
from initium.calibrate._channels import begun, channels_of
from initium.calibrate._commit import commit
from initium.calibrate._homogeneous import scales
from initium.calibrate._learned import norm_of, scaled
from initium.calibrate._start import Pre, scheme_of
from initium.calibrate._told import notes, rows
from initium.checks import finite, truth
from initium.errors import BatchError
from initium.network import as_batch, read, run_walk, unchanged
from initium.records import Receipt
from initium.signal import needs_values, objective

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from initium.calibrate._centring import Seen, Shift
    from initium.calibrate._channels import Channels, Key
    from initium.network import Batch, Network, Trace, Use


def within_layer(
    model: nn.Module,
    batch: object,
    *,
    pre: Pre | None = "he",
    mean: SupportsFloat = 0.0,
    balance: bool = True,
    seed: int = 0,
    network: Network | None = None,
) -> Receipt:
    r"""Gives every channel one mean and unit std on real data, then evens out how fast the layers will change.

    $$w_c \leftarrow \frac{w_c}{\sigma_c}, \quad b_c \leftarrow \beta - \frac{\mu_c}{\sigma_c}; \qquad
    C_k = \frac{\|\partial \ell / \partial W_k\|}{\|W_k\|}, \quad W_k \leftarrow r_k W_k, \quad
    r_k = \sqrt{C_k / \bar C}$$

    The first half is :func:`data_dependent` with the mean $\beta$. For the second, $\ell$ is a random linear function of the
    output, with a weight of its own for each sample and position, so that one backward pass of the batch has the expected
    square of a single sample's gradient. What a factor does further on is undone in the weights that read it, and biases
    follow their layer: a network of linear, convolution and pooling layers with ReLU and its kin, sums and concatenations
    computes the same as before. In a chain of those $\bar C$ is the geometric mean of all $C_k$ and the rates are then equal;
    where layers are tied together by sums they are as even as least squares can make them.

    A scale that something would notice stays: in front of tanh, GELU, softmax, attention, products and whatever else has
    no scale of its own, and at the output. Behind a normalisation a weight's scale is free and nothing has to be undone.
    Weights that are used more than once, in several parts or frozen stay as the first half left them.

    One forward pass does the first half; a forward and a backward pass measure the rates, and the same again checks the
    result; one more forward pass, before them, traces the model (``network=`` saves it). All or nothing: an error, an
    interrupt or a value that is not finite leaves the model as it was, bit for bit.

    Args:
        model: Any module that can be traced, with real tensors.
        batch: As for :func:`data_dependent`.
        pre: The start, as for :func:`data_dependent`: ``"he"`` draws Gaussian weights, ``None`` keeps what is there.
        mean: $\beta$, the mean of every channel. Above zero it keeps more units of a ReLU at work.
        balance: Whether the second half is done.
        seed: Of the start; not used where ``pre`` is ``None``.
        network: The model as ``read`` with this batch, where the caller has it.

    Returns:
        A receipt as that of :func:`data_dependent`; the notes have the geometric std of the
        rates before and after, 1 where all are equal. Where no scale that can move makes them more even, none is moved.

    Raises:
        ArgumentError: ``mean`` is not finite, a parameter or a tensor of the batch is on ``meta``, or a parameter was made in
            inference mode.
        BatchError: The batch is empty, holds NaN, does not fit the model, or an output or a gradient is not finite.
        PlanError: A value is too large for its dtype.
        TraceError: The model cannot be traced.
        UnknownNameError: ``pre`` is no known start.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.calibrate import within_layer
        >>> net = nn.Sequential(nn.Linear(16, 200), nn.ReLU(), nn.Linear(200, 50), nn.ReLU(), nn.Linear(50, 10))
        >>> receipt = within_layer(net, torch.randn(256, 16), seed=0)
        >>> receipt.notes[0].endswith("after 1")
        True

    Reference:
        Kraehenbuehl, Doersch, Donahue & Darrell (2016), "Data-dependent initializations of convolutional neural networks",
        algorithms 1 and 2.

    Deviation:
        The paper iterates the second half with a damping factor, on a chain; here the factors are solved for at once, on
        any graph. Its starts from PCA and k-means are not here.
    """
    scheme, beta, balance = scheme_of(pre), finite(mean, "mean"), truth(balance, "balance")
    given = as_batch(batch)
    needs_values(model, "within_layer", given, gradients=True)
    network = network or read(model, given)
    channels = channels_of(model, network)
    values = begun(model, network, channels, scheme, seed)
    first = Centring(network, channels, beta, 1.0, centre=True)
    walk(first, model, given, values)
    values = moved(model, values, channels, first.found)
    balanced: dict[Key, tuple[float, float]] = {}
    told: list[str] = []
    if balance:
        values, balanced, seen, told = _balanced(model, given, network, channels, first.found, values=values)
    else:
        last = Looking(network)
        walk(last, model, given, values)
        seen = last.seen
    receipt = Receipt(
        action=f"within_layer pre={pre} mean={beta:g}" + ("" if balance else " balance=False"),
        seed=None if pre is None else seed,
        rows=tuple(rows(channels, first, seen, mean=beta, std=1.0, balanced=balanced)),
        notes=(*told, *notes(network, channels)),
    )
    commit(model, values)  # last: what comes before may fail or be interrupted
    return receipt


def _balanced(
    model: nn.Module,
    batch: Batch,
    network: Network,
    channels: Mapping[Key, Channels],
    found: Mapping[Key, Shift],
    *,
    values: dict[str, Tensor],
) -> tuple[dict[str, Tensor], dict[Key, tuple[float, float]], Mapping[Key, Seen], list[str]]:
    """The values at which the rates are even, what was multiplied, what the check saw, and what there is to say."""
    mine = dict(_movable(network, channels, found))
    seen, rates = _rates(model, batch, network, values, [each.scaled for each in mine.values()])
    idle = [each.name for each in mine.values() if not rates[each.scaled]]
    told = (
        [f"no gradient reaches them, so their scale stays: {', '.join(f'`{name}`' for name in idle)}"] if idle else []
    )
    mine = {node: each for node, each in mine.items() if rates[each.scaled] > 0}
    names = [each.scaled for each in mine.values()]
    weights, outputs = _solved(network, mine, rates)
    new = dict(values)
    for node, each in mine.items():
        factors = {each.scaled: weights[node]} | ({each.bias: outputs[node]} if each.bias else {})
        new |= scaled({name: _held(model, new, name) for name in factors}, factors)
    again, after = _rates(model, batch, network, new, names)
    before, now = _spread(rates, names), _spread(after, names)
    said = f"rates |g| / |w| of {len(names)} weights, geometric std {before:.4g}"
    if now >= before:
        return values, {}, seen.seen, [f"{said}: no scale that can move makes them more even", *told]
    balanced = {(each.name, each.start): (weights[node], outputs[node]) for node, each in mine.items()}
    return new, balanced, again.seen, [f"{said}, after {now:.4g}", *told]


def _held(model: nn.Module, values: Mapping[str, Tensor], name: str) -> Tensor:
    return values[name] if name in values else model.get_parameter(name).detach()


def _spread(rates: Mapping[str, float], names: list[str]) -> float:
    """The geometric std of these rates: 1 where all are equal."""
    return (
        math.exp(float(np.std([math.log(rates[name]) for name in names])))
        if names and all(map(rates.get, names))
        else 1.0
    )


def _movable(
    network: Network, channels: Mapping[Key, Channels], found: Mapping[Key, Shift]
) -> Iterator[tuple[str, Channels]]:
    """By the use's node, the weights with one use whose bias, if any, is their own."""
    names = [use.name for use in network.uses]
    for use in network.uses:
        each, shift = channels[use.name, use.start], found.get((use.name, use.start))
        whole = names.count(use.name) == 1 and shift is not None and not shift.note
        if whole and (use.bias is None or each.bias):
            yield use.node, each


def _rates(
    model: nn.Module, batch: Batch, network: Network, values: Mapping[str, Tensor], names: list[str]
) -> tuple[Looking, dict[str, float]]:
    """What a forward pass with these values sees, and ``|g| / |w|`` of the named parameters after a backward pass.

    Raises:
        BatchError: A gradient is not finite.
    """
    looking, traced = Looking(network), cast("Trace", network.trace)
    with unchanged(model), torch.inference_mode(mode=False), torch.enable_grad():
        parameters, buffers, inputs = traced.bind(model, batch, values)
        leaves = dict(zip(traced.parameters, parameters, strict=True))
        wanted = {name: leaves[name].requires_grad_() for name in names}
        output = traced.rebuild(run_walk(looking, [*parameters, *buffers, *inputs]))
        aim = objective(output, batch, None)
        if wanted:
            aim.backward(list(wanted.values()))
    found: dict[str, float] = {}
    for name, leaf in wanted.items():
        rate = norm_of(leaf.grad) / norm_of(leaf) if leaf.grad is not None and bool(leaf.detach().any()) else 0.0
        if not math.isfinite(rate):
            raise BatchError(
                f"the gradient of `{name}` is not finite. Nothing was changed. Work in float32, or leave the rates as they "
                "are: balance=False."
            )
        found[name] = rate
    return looking, found


def _solved(
    network: Network, mine: Mapping[str, Channels], rates: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """What each weight, and what each output, is multiplied by.

    With s the log of what a value's scale is multiplied by, a weight's factor is s of its output less s of its input, and
    its log rate falls by twice that: ``2 (s_out - s_in) + m = log C``, in the least squares.
    """

    def still(use: Use) -> bool:
        return use.bias is None and use.layout not in {"gates", "lookup", "added"}

    found = scales(network, lambda use: use.node in mine, still)
    places: dict[object, int] = {}
    for node in mine:
        for root in (found.before[node], found.after[node]):
            if root is not None:
                places.setdefault(root, len(places))
    table, wanted = np.zeros((len(mine), len(places) + 1)), np.zeros(len(mine))
    for row, (node, each) in enumerate(mine.items()):
        wanted[row], table[row, -1] = math.log(rates[each.scaled]), 1.0
        for root, sign in ((found.after[node], 2.0), (found.before[node], -2.0)):
            if root is not None:
                table[row, places[root]] += sign
    solved = np.linalg.lstsq(table, wanted, rcond=None)[0] if mine else np.zeros(1)

    def size(root: object) -> float:
        return 0.0 if root is None else float(solved[places[root]])

    outputs = {node: math.exp(size(found.after[node])) for node in mine}
    return {node: outputs[node] / math.exp(size(found.before[node])) for node in mine}, outputs
