"""The output's bias from the labels of batches: what a network would say that has seen no input."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, SupportsFloat, cast, get_args

import torch

from initium.calibrate._batches import batches_of
from initium.checks import number
from initium.errors import ArgumentError, BatchError, PlanError, UnknownNameError
from initium.network import random_state_kept, read, shape_of
from initium.planning import plan
from initium.records import Constant, Keep, Values
from initium.schemes import sigmoid_prior, softmax_prior
from initium.signal import needs_values
from initium.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from initium.network import Batch, Network
    from initium.records import Receipt

Kind = Literal["softmax", "sigmoid", "mean"]
_PAIR = 2
_LAWS = {"softmax": "log of class frequencies", "sigmoid": "-log((1 - p) / p)", "mean": "mean of the targets"}


def output_prior(
    model: nn.Module,
    batches: object,
    *,
    bias: str | None = None,
    kind: Kind | None = None,
    smooth: SupportsFloat = 1.0,
    network: Network | None = None,
) -> Receipt:
    r"""Sets the bias of the output to what the labels say before any input is seen, and nothing else.

    $$b_k = \log \frac{n_k + s}{N + K s} \text{ (softmax)}, \qquad b_k = \log \frac{n_k + s}{N - n_k + s} \text{ (sigmoid)},
    \qquad b_k = \frac{1}{N} \sum_i y_{ik} \text{ (mean)}$$

    with $n_k$ of N labels in class k of K, or positive at unit k, and s = ``smooth``. The loss then begins at that of guessing
    by frequency, as far as the rest of the output is small.

    The labels are each batch's target, or its ``labels=``. The model runs once, on the first batch, to be traced
    (``network=`` saves it); the others are only counted. All or nothing, as the plan that does it:
    :func:`initium.plan` with ``prior=`` does the same with frequencies that are known.

    Args:
        model: Any module that can be traced, with real tensors.
        batches: One batch, or a list or a ``DataLoader`` of them. A list of two within it is an input and its target.
        bias: The name of the bias, where the model has several outputs.
        kind: Which formula. Without it, what follows the bias decides (softmax, sigmoid, a loss in the model), and where
            nothing does the labels: whole numbers in the output's shape less its units are classes of a softmax, zeros
            and ones in its own shape are those of sigmoids, and any other values there are averaged.
        smooth: Added to each count, >= 0; the mean has none. With 0 a class that never comes is refused.
        network: The model as ``read`` with the first batch, where the caller has it.

    Returns:
        A receipt with a row for the bias; its figures are the std over the bias's elements.

    Raises:
        ArgumentError: ``smooth`` is negative, a count is zero with ``smooth=0``, or a tensor is on ``meta``.
        ArgumentTypeError: The batches are none.
        BatchError: A batch is empty or does not fit the model, has no target, or one that is no label of this output.
        PlanError: There is no output's bias, or several and none was named, or it is frozen.
        TraceError: The model cannot be traced.
        UnknownNameError: ``kind`` is no known one.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.calibrate import output_prior
        >>> from initium.network import Batch
        >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
        >>> labels = torch.tensor([0] * 89 + [1] * 9 + [2] * 2)
        >>> output_prior(net, Batch((torch.randn(100, 8),), target=labels), smooth=0).rows[0].name
        '2.bias'
        >>> [round(p, 2) for p in net[2].bias.softmax(-1).tolist()]
        [0.89, 0.09, 0.02]

    Reference:
        Bishop (2006), eq. 4.63, for a softmax; Lin et al. (2017), section 4.1, for a sigmoid.
    """
    if kind is not None and kind not in get_args(Kind):
        raise UnknownNameError(f"kind={kind!r} is no known one; known: {', '.join(map(repr, get_args(Kind)))}.")
    added = number(smooth, "smooth")
    if not 0 <= added < float("inf"):
        raise ArgumentError(f"smooth is what is added to each count, a finite number >= 0; got {smooth!r}.")
    with random_state_kept(model):  # a loader draws a seed
        coming = batches_of(batches)
        first = next(coming)
        needs_values(model, "output_prior", first, gradients=False)
        network = network or read(model, first)
        output = _output(network, bias)
        law = kind or _kind(output, _labels(first))
        count = _counted(output, law, itertools.chain((first,), coming))
    fill = _fill(law, count, added)
    name = output.bias
    receipt = plan(network, overrides={"*": Keep()}, prior={name: fill}).apply(model)
    row = next(row for row in receipt.rows if row.name == name)
    return replace(
        receipt,
        action=f"output_prior kind={law} smooth={added:g}",
        seed=None,
        rows=(replace(row, note=f"{_LAWS[law]}, from {count.labels} labels"),),
        notes=tuple(_notes(output, count)),
    )


@dataclass(frozen=True, slots=True)
class _Output:
    """An output's bias, and how the output lies.

    Attributes:
        bias: Its name.
        units: How many values it has.
        axis: On which axis of the output they lie.
        axes: How many axes the output has.
        told: The formula that the graph tells; empty where it does not.
    """

    bias: str
    units: int
    axis: int
    axes: int
    told: str

    def holds(self, labels: Tensor) -> bool:
        """True for labels with a value for each unit."""
        if self.units == 1:
            return True
        return labels.ndim == self.axes and labels.shape[self.axis] == self.units


@dataclass(frozen=True, slots=True)
class _Count:
    """Sums over labels.

    Attributes:
        sums: For each unit: how often its class comes, how often it is positive, or the sum of its targets.
        each: How many labels each unit had.
        labels: How many there were.
        ignored: How many stood for no class.
    """

    sums: Tensor
    each: int
    labels: int
    ignored: int

    def __add__(self, other: _Count) -> _Count:
        return _Count(
            self.sums + other.sums, self.each + other.each, self.labels + other.labels, self.ignored + other.ignored
        )


def _output(network: Network, bias: str | None) -> _Output:
    """The output that was named, or the only one."""
    heads = [use for use in network.uses if use.head]
    found = list(dict.fromkeys(use.bias for use in heads if use.bias))
    if bias is None and len(found) != 1:
        if found:
            raise PlanError(
                f"{network.title} has several outputs: say which, bias={found[0]!r} (known: {', '.join(map(repr, found))})."
            )
        weights = ", ".join(f"`{use.name}`" for use in heads) or "none that the graph shows"
        raise PlanError(
            f"no output of {network.title} has a bias (output weights: {weights}). Make its last layer with bias=True; where "
            "a bias reaches the output by another way, name it: bias=."
        )
    name = found[0] if bias is None else bias
    uses = [use for use in network.uses if use.bias is not None and name in network.facts(use.bias).names]
    if not uses:
        known = ", ".join(map(repr, found)) or "none"
        raise PlanError(f"bias={name!r} is no bias that an operation of {network.title} adds; outputs have: {known}.")
    use, facts = uses[0], network.facts(name) if bias is None else network.facts(uses[0].bias or "")
    nodes = {node.name: node for node in network.trace.graph.graph.nodes} if network.trace else {}
    axes = len(shape_of(nodes[use.node]))
    told = {"softmax": "softmax", "sigmoid": "sigmoid", "regression": "mean"}.get(use.head, "")
    return _Output(facts.name, math.prod(facts.shape), use.unit_axis % max(axes, 1), axes, told)


def _labels(batch: Batch) -> Tensor:
    labels = batch.target if batch.target is not None else batch.kwargs.get("labels")
    if not isinstance(labels, torch.Tensor):
        raise BatchError(
            f"the labels are a batch's target, a tensor; got {type(labels).__name__}. Give initium.Batch((x,), target=y), or a "
            "loader of pairs."
        )
    return labels.detach().cpu()


def _kind(output: _Output, labels: Tensor) -> Kind:
    """The formula that the graph tells, or else the labels do."""
    if output.told:
        return cast("Kind", output.told)
    binary = bool(((labels == 0) | (labels == 1)).all())
    if output.holds(labels):
        return "sigmoid" if binary else "mean"
    if labels.is_floating_point():
        raise BatchError(
            f"labels of shape {tuple(labels.shape)} have no value for each of the {output.units} units of `{output.bias}`, on "
            f"axis {output.axis} of {output.axes}, and {str(labels.dtype).removeprefix('torch.')} names no class. Give classes "
            "as integers, or a target in the output's shape."
        )
    return "softmax"


def _counted(output: _Output, kind: str, batches: Iterator[Batch]) -> _Count:
    total: _Count | None = None
    with progress("output_prior", None) as tick:
        for batch in batches:
            part = _part(output, kind, _labels(batch))
            total = part if total is None else total + part
            tick(f"{total.labels} labels")
    if total is None or not total.labels:
        raise BatchError(
            f"no label of these batches counts: {0 if total is None else total.ignored} stand for no class."
        )
    return total


def _part(output: _Output, kind: str, labels: Tensor) -> _Count:
    whole = not (labels.is_floating_point() or labels.is_complex())
    if kind == "softmax" and whole and not (output.holds(labels) and output.units > 1):
        return _classes(output, labels)
    if not output.holds(labels) or labels.is_complex():
        raise BatchError(
            f"kind={kind!r} needs a target with a value for each of the {output.units} units of `{output.bias}`, on axis "
            f"{output.axis} of {output.axes}; got one of shape {tuple(labels.shape)}. For classes as integers it is "
            "kind='softmax'."
        )
    table = (
        labels.double().movedim(output.axis, -1).reshape(-1, output.units)
        if output.units > 1
        else labels.double().reshape(-1, 1)
    )
    if not bool(torch.isfinite(table).all()) or (kind != "mean" and bool(((table < 0) | (table > 1)).any())):
        low, high = table.aminmax()
        raise BatchError(
            f"the target runs from {float(low):.4g} to {float(high):.4g}; kind={kind!r} takes "
            + ("finite numbers." if kind == "mean" else "shares from 0 to 1. For values of any size it is kind='mean'.")
        )
    return _Count(table.sum(0), len(table), labels.numel(), 0)


def _classes(output: _Output, labels: Tensor) -> _Count:
    """Classes as integers; what is below zero stands for none."""
    flat = labels.long().reshape(-1)
    kept = flat[flat >= 0]
    if output.units < _PAIR or (kept.numel() and int(kept.max()) >= output.units):
        found = int(kept.max()) if kept.numel() else "none"
        raise BatchError(
            f"`{output.bias}` has {output.units} units, and the largest class among the labels is {found}: the classes of a "
            "softmax are 0 to units - 1. Look for labels that begin at 1, or an output of another size."
        )
    return _Count(
        torch.bincount(kept, minlength=output.units).double(), kept.numel(), kept.numel(), flat.numel() - kept.numel()
    )


def _fill(kind: str, count: _Count, smooth: float) -> Constant | Values:
    if kind == "softmax":
        return softmax_prior((count.sums + smooth).tolist())
    if kind == "sigmoid":
        return sigmoid_prior(((count.sums + smooth) / (count.each + 2 * smooth)).tolist())
    means = (count.sums / count.each).tolist()
    return Values(tuple(means)) if len(means) > 1 else Constant(means[0])


def _notes(output: _Output, count: _Count) -> Iterator[str]:
    if count.ignored:
        yield f"{count.ignored} labels below zero stand for no class: not counted"
    if not output.told:
        yield "nothing behind the bias tells the loss: the formula is read from the labels, or as asked"
