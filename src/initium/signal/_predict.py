"""What a network would show, from moments: no data, and no weight's values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch

from initium import checks
from initium.network import as_batch, random_state_kept, read, run_walk, tensors_in, writing
from initium.random import Stream
from initium.signal._halved import halved
from initium.signal._laws import laws_of, unwritten
from initium.signal._likeness import bag_starts, hollow_input, likeness, rows_of_table
from initium.signal._measure import reduced_gradients, signal_of
from initium.signal._objective import Loss, check_loss, objective
from initium.signal._predicting import Predicting
from initium.signal._rows import rows
from initium.signal._typical import settled, typical

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from torch import Tensor, fx, nn

    from initium.network import Batch, Network, Trace
    from initium.records import Signal
    from initium.signal._laws import Law
    from initium.signal._objective import Objective
    from initium.signal._rows import GradientFigures

# So many draws for the typical figure, and up to so many, where it wanders; but no more than use so many weights in all.
DRAWS, MOST, USES = 4, 16, 1024
# torch's own generator takes no larger seed; a stream does.
_SEEDS = 1 << 64
_UNWRITTEN = "holds NaN or infinity, as memory that nobody has written: predicted as if it suited its role"


def predict(
    model: nn.Module,
    batch: object,
    laws: Mapping[str, Law | float] | None = None,
    loss: Loss | None = None,
    *,
    moments: tuple[float, float] | None = None,
    seed: int = 0,
    draws: int | None = None,
    network: Network | None = None,
) -> Signal:
    r"""The moments that :func:`measure` would find, expected from the laws of weights and the moments of a batch.

    Formula:
        ``E[y^2] = (std^2 + mean^2) fan_in E[x^2]`` at a weight, given its input; everything between two weights, and every
        derivative, is torch's own operation, on values that follow the law so far.

    A weight with a law is drawn by it, one without is walked as it is. One of more than 2^25 elements never is (of 2^18, in
    models above 2^28), but known by its law: given x, its product is Gaussian with the covariance ``std^2 x_p . x_q`` between positions, and is drawn itself, as its gradient is. So a model on
    ``meta`` is predicted in half the memory of its activations. The figures are geometric means over a few draws: a narrow network's scale
    wanders with its depth, and most stand below the mean over all.

    Args:
        model: Any module that can be traced, with or without memory.
        batch: As for :func:`measure`. Of floating inputs the mean and the second moments are used (between elements,
            positions and samples) and not the values: the samples, along the first axis, are turned about their mean at
            random. Integers and masks choose, and are taken as they are, and so is what decides a size without a weight (the
            positions that tell who is near). On ``meta``: N(0, 1), and indices drawn evenly.
        laws: For parameters by name, the law or the std to suppose; every other one has its values. On ``meta``, or where a
            parameter holds NaN, what suits its role.
        loss: As for :func:`measure`.
        moments: Mean and std of every floating input instead of the batch's own; its elements are then independent.
        seed: Of the draws.
        draws: How many to take the typical figure of; without a number four, and up to sixteen while the figures of more
            than a fifth of the rows are not known to 7 %, as in narrow networks; fewer where weights are used more than 64
            times, so that all walks together use no more than 1,024; one where a weight is so large that it is not drawn.
        network: The model as ``read`` with this batch, where the caller has it.

    Returns:
        A signal whose ``source`` is ``predicted``; its notes say which products were drawn by their covariances, which by
        their second moment alone, and which constants had no values.

    Raises:
        ArgumentError: A parameter's law is given under a name that the model does not have.
        BatchError: The batch is empty, holds NaN, or does not fit the model.
        LossError: The loss is not one real number with a gradient.
        TraceError: The model cannot be traced.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.signal import predict
        >>> with torch.device("meta"):
        ...     net = nn.Sequential(*(layer for _ in range(9) for layer in (nn.Linear(400, 400, bias=False), nn.ReLU())))
        >>> signal = predict(net, torch.empty(50, 400, device="meta"))
        >>> [round(row.out_rms, 1) for row in signal.rows[:3]]
        [1.0, 0.7, 0.5]

    Reference:
        He et al. (2015), eq. (7); Lee et al. (2018), section 2.2, for the covariances; Langsrud (2005), "Rotation tests", for
        samples that have given second moments.

    Deviation:
        The papers carry the kernel in closed form through each activation; here it is carried by values that have it, so
        that any operation that torch can run and differentiate has a rule.
    """
    given = as_batch(batch)
    check_loss(loss)
    network = network or read(model, given)
    known = laws_of(model, network, laws)
    found: list[Signal] = []
    most = min(max(USES // max(len(network.uses), 1), 1), MOST)
    wanted = None if draws is None else checks.integer(draws, "draws", least=1)
    while len(found) < (wanted or most):
        draw = len(found)
        stream = Stream(seed) if draw == 0 else Stream(seed).child(str(draw))
        walk = Predicting(network, known, stream)
        back = there_and_back(walk, model, given, seed + draw, loss=loss, moments=moments)
        found.append(_signal(walk, given, back))
        if wanted is None and (walk.hollow or (len(found) % DRAWS == 0 and settled(found))):
            break  # large enough to stand for its mean, or near enough to it
    unknown = tuple(f"`{name}` {_UNWRITTEN}" for name in unwritten(model, network, known))
    return replace(typical(found), notes=(*found[0].notes, *unknown))


@dataclass(frozen=True, slots=True)
class Returned:
    """What a predicting walk came back with.

    Attributes:
        leaves: By name, what stood for each parameter.
        gradients: By name, the figures of the gradient of every used or watched parameter.
        output: The model's.
        aim: What the gradients are of.
    """

    leaves: dict[str, Tensor]
    gradients: dict[str, GradientFigures]
    output: object
    aim: Objective


def there_and_back(
    walk: Predicting,
    model: nn.Module,
    batch: Batch,
    seed: int,
    *,
    loss: Loss | None = None,
    moments: tuple[float, float] | None = None,
    data: bool = False,
) -> Returned:
    """A walk forwards and back; the model and all random states stay as they are.

    The seed is that of the model's own random operations. With ``data`` the batch's own values are walked where it has any.
    """
    traced = cast("Trace", walk.network.trace)
    thrift = halved(worth=bool(walk.hollow) and not traced.functions)  # those are kept apart by hooks of their own
    with random_state_kept(model), torch.inference_mode(mode=False), torch.enable_grad(), writing(traced), thrift:
        torch.manual_seed(seed % _SEEDS)
        return _returned(walk, model, batch, loss, moments, data=data)


def _returned(
    walk: Predicting,
    model: nn.Module,
    batch: Batch,
    loss: Loss | None,
    moments: tuple[float, float] | None,
    *,
    data: bool,
) -> Returned:
    traced, network = cast("Trace", walk.network.trace), walk.network
    held = dict(model.named_parameters()) | dict(model.named_buffers())
    given = {name: walk.parameter(name, held[name]) for name in traced.parameters}
    leaves = given | {name: given[name].clone() for name in traced.written}
    buffers = [_buffer(name, held[name]) for name in traced.buffers]
    drawn = {name: leaf for name, leaf in leaves.items() if name not in walk.hollow}
    trainable = [leaf.requires_grad_() for leaf in drawn.values() if leaf.is_floating_point() or leaf.is_complex()]
    kept = traced.choosers({use.node for use in network.uses}) if moments is None else set()
    inputs = list(_inputs(traced, batch, moments, walk.stream.child("batch"), data=data, kept=kept))
    output = traced.rebuild(run_walk(walk, [*leaves.values(), *buffers, *inputs]))
    aim = objective(output, batch, loss)
    asked = dict.fromkeys((*(use.name for use in network.uses), *walk.watched))
    with reduced_gradients({name: drawn[name] for name in asked if name in drawn}) as gradients:
        aim.backward([*trainable, *walk.anchors])
    return Returned(given, gradients | walk.weight_gradients(), output, aim)


def _signal(walk: Predicting, batch: Batch, found: Returned) -> Signal:
    names = [name for use in walk.network.uses for name in (use.name, use.bias) if name]
    weights = {name: walk.figures(name, found.leaves[name]) for name in dict.fromkeys(names)}
    made = signal_of(walk, found.aim, found.output, batch, rows(walk, weights, found.gradients))
    return replace(made, source="predicted")


def _buffer(name: str, value: Tensor) -> Tensor:
    """Its own values; on ``meta`` ones, and the running mean that a normalisation starts with."""
    if not value.is_meta:
        return value.detach().clone()
    at_start = 0 if name.rpartition(".")[2] == "running_mean" else 1
    return torch.full(value.shape, at_start, dtype=value.dtype, device="cpu")


def _inputs(
    traced: Trace,
    batch: Batch,
    moments: tuple[float, float] | None,
    stream: Stream,
    *,
    data: bool,
    kept: Container[fx.Node],
) -> Iterator[Tensor]:
    tensors = tensors_in((batch.args, dict(batch.kwargs)))
    for index, (node, value) in enumerate(zip(traced.entries, tensors, strict=True)):
        own = stream.child(str(index))
        if value.is_meta:
            starts = bag_starts(node, value)
            yield hollow_input(value, rows_of_table(node), moments, own) if starts is None else starts
        else:
            yield value.detach().clone() if data or node in kept else likeness(value.detach().clone(), moments, own)
