"""One forward and one backward pass over a traced network, reduced to a Signal."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import torch

from initium.network import (
    as_batch,
    bounds,
    ending,
    read,
    run_walk,
    tensors_in,
    unchanged,
    ways_back,
    worth_sparing,
    writing,
)
from initium.records import Signal
from initium.signal._alike import batch_size, one_each
from initium.signal._beside import beside
from initium.signal._classes import classification, likelihoods, rows_each
from initium.signal._copies import Alike, alike, comparable
from initium.signal._drawn import drawn, loose_shapes
from initium.signal._given import blank, unread_names
from initium.signal._inside import inside
from initium.signal._level import level
from initium.signal._masks import mask_rows
from initium.signal._measuring import Measuring
from initium.signal._misfit import misfit, watched
from initium.signal._moments import unpacked
from initium.signal._nothing import at_zero
from initium.signal._objective import Loss, check_loss, objective
from initium.signal._overflowed import overflowed
from initium.signal._regression import regression
from initium.signal._rounded import rounded_away
from initium.signal._rows import GradientFigures, gradient_figures, rows, weight_figures
from initium.signal._summed import summed, summed_beside
from initium.signal._sure import likelihoods_of_any, shares, softmaxed
from initium.signal._tables import scale_rows, table_rows
from initium.signal._unordered import unordered
from initium.signal._values import needs_values

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from torch import Tensor, nn

    from initium.network import Batch, Network, Trace
    from initium.records import SignalRow
    from initium.signal._objective import Objective


def measure(model: nn.Module, batch: object, loss: Loss | None = None, *, network: Network | None = None) -> Signal:
    r"""Moments of activations and gradients at every use of a weight, from one forward and one backward pass.

    Formula:
        ``out_std^2 = mean((y - mean(y))^2)``, ``unit_std^2 = mean_u var(y_u)``, ``grad_rms^2 = mean((dL/dy)^2)`` with
        ``y`` the operation's output, its bias included, and ``y_u`` one of its units (features or channels).

    The model runs as it stands, in its own train or eval mode, on detached parameters (frozen ones are differentiated
    too) and on clones of its buffers. Parameters, buffers, ``.grad``, ``requires_grad``, modes, hooks and random states
    stay as they were, whatever happens. Sums are taken in float32 of values divided by their largest magnitude (in
    float64 where the values are), so that neither a vanished nor an exploded signal is lost; of complex values the
    magnitude is measured. Besides the two passes the model is traced: on shapes alone where its work is large, else by
    one more forward pass; ``network=`` saves that.

    Args:
        model: Any module that can be traced, with real tensors.
        batch: A tensor, a tuple of positional arguments, a dict of keyword arguments, or :class:`~initium.network.Batch`.
        loss: What is differentiated: ``loss(output)``, or ``loss(output, target)`` where the batch has a target. It
            returns a tensor of one real number. Without it ``output.loss`` is taken where there is one, or the one number
            that the model gives, else every tensor of the output (of a transformers output ``logits`` or ``last_hidden_state`` alone) gets a fixed random
            gradient of unit variance.
        network: The model as ``read`` with this batch, where the caller has it.

    Returns:
        A signal with a row for each use, in execution order. A value that is not finite is no error: it makes
        ``finite`` false in its row. Where the loss is provably a mean cross-entropy of integer classes (or a binary one
        of a single output), ``classes`` and ``prior_loss`` say what a network that knows the frequencies alone would reach.

    Raises:
        ArgumentError: A parameter or a tensor of the batch is on ``meta``, or a parameter was made in inference mode.
        ArgumentTypeError: The batch is of no known kind.
        BatchError: The batch is empty, holds NaN, or does not fit the model.
        LossError: The loss is not one real number, has no gradient while the output has one, or cannot be called so.
        TraceError: The model cannot be traced.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from torch.nn import functional as F
        >>> from initium.network import Batch
        >>> from initium.signal import measure
        >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        >>> signal = measure(net, Batch((torch.randn(32, 8),), target=torch.arange(32) % 4), F.cross_entropy)
        >>> [row.name for row in signal.rows], signal.classes, round(signal.prior_loss, 4)
        (['0.weight', '2.weight'], 4, 1.3863)

    Reference:
        Glorot & Bengio (2010), section 4.2 (activations and back-propagated gradients by layer).
    """
    given = as_batch(batch)
    check_loss(loss)
    needs_values(model, "measuring", given, gradients=True)
    network = network or read(model, given, hollow=worth_sparing(model, given))
    with unchanged(model), torch.inference_mode(mode=False), torch.enable_grad(), writing(cast("Trace", network.trace)):
        return _measured(model, given, loss, network)


def _measured(model: nn.Module, batch: Batch, loss: Loss | None, network: Network) -> Signal:
    walk = Measuring(network)
    traced = cast("Trace", network.trace)
    parameters, buffers, inputs = traced.bind(model, batch)
    walk.samples = batch_size(inputs, tensors_in(batch.target))
    leaves = dict(zip(traced.parameters, parameters, strict=True))
    names = [name for use in network.uses for name in (use.name, use.bias) if name]
    weights = {name: weight_figures(leaves[name]) for name in dict.fromkeys(names)}
    trainable = [leaf.requires_grad_() for leaf in parameters if leaf.is_floating_point() or leaf.is_complex()]
    output = traced.rebuild(run_walk(walk, [*parameters, *buffers, *inputs]))
    aim = objective(output, batch, loss)
    with reduced_gradients({use.name: leaves[use.name] for use in network.uses}) as gradients:
        aim.backward(trainable)
    found = _alike(network, leaves)
    measured = replace(
        signal_of(walk, aim, output, batch, rows(walk, weights, gradients), loss),
        unreached=_unreached(network, leaves, gradients),
        copies=found.copies,
        repeats=found.repeats,
        drawn=drawn(network, leaves),
        loose=loose_shapes(network),
        blank=blank(network, [*parameters, *buffers, *inputs]),
        scales=scale_rows(network, leaves),
        tables=table_rows(network, leaves),
    )
    if not _sound(measured):
        return replace(measured, broken=_broken(traced, model, batch))
    return replace(measured, overflowed=overflowed(network, partial(traced.bind, model, batch), measured.rows))


def _unreached(network: Network, leaves: dict[str, Tensor], gradients: dict[str, GradientFigures]) -> tuple[str, ...]:
    """The trainable parameters that the backward pass never came to."""
    named = ((facts.name, leaves[facts.name]) for facts in network.parameters if not facts.frozen)
    return tuple(name for name, leaf in named if leaf.requires_grad and leaf.grad is None and name not in gradients)


def _alike(network: Network, leaves: dict[str, Tensor]) -> Alike:
    """Copies among the weights, and inside of one."""
    return alike(comparable((facts.name for facts in network.parameters if facts.mentionable), leaves))


@contextlib.contextmanager
def reduced_gradients(leaves: dict[str, Tensor]) -> Generator[dict[str, GradientFigures]]:
    """Reduces each leaf's gradient, all uses together, as soon as it is complete, and lets go of it."""
    found: dict[str, GradientFigures] = {}

    def take(name: str, leaf: Tensor) -> None:
        if leaf.grad is not None:
            found[name] = gradient_figures(unpacked(leaf.grad))
            leaf.grad = None

    differentiated = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    handles = [leaf.register_post_accumulate_grad_hook(partial(take, name)) for name, leaf in differentiated.items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def signal_of(  # noqa: PLR0917 - what a walk and its way back gave
    walk: Measuring,
    aim: Objective,
    output: object,
    batch: Batch,
    measured: tuple[SignalRow, ...],
    loss: Loss | None = None,
) -> Signal:
    """The signal of a walk whose way back is done: its rows, and what the answers, the targets and the loss are like."""
    known = classification(output, batch, aim.loss)
    sound = all(math.isfinite(row.out_rms) for row in measured)  # what an output that is NaN does not fit tells nothing
    asked = known is None and aim.loss is not None
    parts = likelihoods(inside(output, batch, loss) if loss else walk.compared) if asked else ()
    told = misfit(output, batch, aim.loss, loss, known=known is not None, end=_end(walk.network)) if sound else ""
    if sound and loss is None and aim.loss is not None:
        told = told or next(watched(tuple(walk.compared)), "")
    if sound and asked and not (parts or told):
        scores = tuple(softmaxed(output, batch, loss, walk.samples))
        told = "softmax twice" if any(map(shares, scores)) else ""
        parts = () if told else tuple(map(likelihoods_of_any, scores))
    found = Signal(
        rows=measured,
        loss=None if aim.loss is None else float(aim.loss.detach()),
        objective=aim.text,
        classes=known.classes if known else None,
        prior_loss=known.prior_loss if known else None,
        targets=known.targets if known else None,
        notes=(*aim.notes, *walk.notes, *_unmeasured(walk), *_unproved(batch, aim.loss)),
        misfit=told,
        regression=regression(output, batch, aim.loss, loss, bounds(walk.network)),
        level=() if aim.loss is None else level(output, batch),
        parts=parts,
        rows_each=rows_each(output, batch, walk.samples) if known else 0,
        unordered=unordered(batch, walk.samples),
        masks=mask_rows(walk.shown, walk.blind, walk.places.attends, batch),
        samples=walk.samples,
        rounded_away=rounded_away(output, batch, loss, measured),
        summed=summed(output, batch, aim.loss, loss, walk.samples),
        summed_beside=summed_beside(output, batch, loss, walk.samples) if sound else 0.0,
        unread=unread_names(walk.network, batch),
        at_zero=None if known else at_zero(output, batch, loss),
        singly=one_each(batch.target, walk.samples),
        output_finite=not any(_spoilt(tensor.detach()) for tensor in tensors_in(output)),
    )
    return replace(found, **beside(walk.places, walk.beside.values(), batch))


def _end(network: Network) -> str:
    last = ending(network)
    return last.op if last else ""


def _sound(signal: Signal) -> bool:
    return signal.output_finite and all(row.finite for row in signal.rows) and math.isfinite(signal.loss or 0.0)


def _broken(traced: Trace, model: nn.Module, batch: Batch) -> tuple[str, ...]:
    """The parameters, then the buffers, that are not finite; minus infinity in a buffer masks something out."""
    parameters, buffers, _ = traced.bind(model, batch)
    named = zip((*traced.parameters, *traced.buffers), (*parameters, *buffers), strict=True)
    return tuple(
        name for place, (name, value) in enumerate(named) if _spoilt(value.detach(), lower=place < len(parameters))
    )


def _spoilt(value: Tensor, *, lower: bool = False) -> bool:
    """NaN or infinite somewhere; minus infinity where ``lower`` alone asks for it."""
    if not (value.is_floating_point() or value.is_complex()) or not value.numel():
        return False
    if value.is_complex():
        return bool(value.isnan().any())
    if value.is_nested or value.layout != torch.strided:
        return bool(value.isnan().any()) or bool((value == torch.inf).any())
    low, high = torch.stack(torch.aminmax(unpacked(value))).tolist()  # NaN where there is one
    return math.isnan(high) or high == math.inf or (lower and low == -math.inf)


def _unproved(batch: Batch, loss: Tensor | None) -> Iterator[str]:
    """A loss that brings its own target cannot be held against what guessing costs."""
    if loss is not None and batch.target is None and "labels" not in batch.kwargs:
        yield "the batch has no target, so the loss was not held against guessing: initium.Batch((x,), target=y)"


def _unmeasured(walk: Measuring) -> Iterator[str]:
    """What the rows leave out, and what in them is zero for want of anything to measure."""
    seen_names = {use.name for use in walk.network.uses}
    for facts in walk.network.parameters:
        if facts.mentionable and facts.name not in seen_names:
            yield f"`{facts.name}` has no row: {'; '.join(facts.notes) or 'no operation multiplies data by it'}"
    yield from walk.network.strange
    if missed := ways_back(walk.network).missed:
        yield (
            f"gradients through {', '.join(sorted(missed))} are those of what it computes: a backward of its own (a "
            "straight-through estimator, a reversed gradient) is not run"
        )
    steps = [use for use in walk.network.uses if use.layout == "gates" and not use.op.endswith("_cell")]
    for node, op in {use.node: use.op for use in steps}.items():
        inside = ", ".join(f"`{use.name}`" for use in steps if use.node == node)
        yield f"the steps inside {op} were not measured one by one: {inside}"
    for use in walk.network.uses:
        seen = walk.outputs.get(use.node)
        if seen is None or seen.units == 0:
            yield f"`{use.name}` ({use.op}) saw no element of this batch"
        elif use.node not in walk.gradients:
            yield f"no gradient reaches the output of `{use.name}` ({use.op}): grad_rms is 0"
