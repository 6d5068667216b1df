"""Layer-sequential unit variance, exact and in one pass."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, SupportsFloat

from initium.calibrate._call import calibrated
from initium.calibrate._given import at_most, lone, mask_of
from initium.calibrate._lent import apart, lent_notes
from initium.calibrate._masks import mask_notes
from initium.calibrate._outcome import Call
from initium.calibrate._receipt import notes_of, rows_of
from initium.calibrate._rounds import Wanted
from initium.calibrate._start import scheme_of
from initium.calibrate._targets import growths
from initium.calibrate._weights import Weights
from initium.checks import positive
from initium.errors import UnknownNameError
from initium.network import as_module, random_state_kept
from initium.planning import Plan, all_or_nothing
from initium.records import Receipt
from initium.signal import needs_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from initium.calibrate._choice import ScaleFree
    from initium.calibrate._figures import Statistic
    from initium.calibrate._given import Mask
    from initium.calibrate._outcome import Outcome
    from initium.calibrate._start import Pre
    from initium.calibrate._targets import Branches
    from initium.network import Network
    from initium.planning import Undo

_WORDS = {
    "statistic": ("std", "rms", "channel"),
    "branches": ("unit", "balanced"),
    "scale_free": ("normalise", "keep"),
}


def lsuv(
    model: nn.Module,
    batch: object,
    *,
    pre: Pre | Plan | None = "orthogonal",
    target: SupportsFloat = 1.0,
    statistic: Statistic = "std",
    branches: Branches = "unit",
    scale_free: ScaleFree = "normalise",
    mask: Mask | None = None,
    batches: int | None = 8,
    seed: int = 0,
    network: Network | None = None,
    undo: Undo = True,
) -> Receipt:
    r"""Rescales every weight so that its operation's output has the target std on real data.

    Formula:
        ``W <- f W`` with the ``f > 0`` that solves ``std(f W x + b) = target``, layer after layer in execution order,
        ``x`` being what the layers before give once they are rescaled.

    An operation is linear in its weight, so its rescaled output is known without running it again, and one forward
    pass of the model does the whole network. A second one checks the result. The model is traced on weights without
    memory, which costs no arithmetic, unless it asks for values that depend on its weights: then it is calibrated and checked
    while it is traced for real, and a few samples are traced before. Sums are in float32, or in float64 where the output is. The model runs in its own train or eval mode, and all passes draw
    the same dropout masks.

    Calibrated is whatever multiplies data: linear layers, convolutions, parameters in matrix products, embeddings (by
    the rows that are looked up), stacks of experts; queries, keys and values each by itself where one weight packs them;
    a recurrent layer gate by gate, both its weights together, on its real states; weights under weight_norm by their
    magnitude. A weight that is used again has one factor, by all its uses together. Where one of them reads another, it is
    sought: on a few samples first, then on all, share by share; that is a fifth of a pass more, or a pass or two where few
    samples tell too little, and its row says in how many rounds. An expert
    that got nothing has its siblings' factor. Frozen, integer and otherwise computed weights are left alone, each with its
    reason in the receipt; so is a weight whose input is zero or constant in all uses. All or nothing: an error, an interrupt, or a
    value that is not finite leaves the model as it was, bit for bit.

    Weights are drawn and scaled where the model has them, and what they were waits in a temporary file, so that the call holds
    no more in memory than a forward pass under ``no_grad`` and one layer.

    Args:
        model: Any module that can be traced, with real tensors.
        batch: A tensor, a tuple of positional arguments, a dict of keyword arguments, or :class:`~initium.network.Batch`;
            or an iterable of such, over which every figure is pooled.
        pre: The start: ``"orthogonal"`` or ``"he"`` draws the calibrated weights anew and sets their biases to zero; a plan
            is drawn as a whole; ``None`` keeps weights and biases as they are.
        target: The std that every output gets, > 0.
        statistic: ``"std"`` of all elements; ``"rms"``, their root mean square; ``"channel"``, the root mean square of the
            channels' own stds, so that what differs from channel to channel does not count.
        branches: ``"unit"`` gives the last weight of a residual branch the target like any other, so the stream grows with
            the square root of their number; ``"balanced"`` gives it the std of the stream's beginning over that root.
        scale_free: ``"normalise"`` or ``"keep"`` a weight whose scale a normalisation takes out.
        mask: Which positions count (padding does not): truth values or 0 and 1 of the batch's first axes, the key of such a
            tensor in the batch, or a function from a batch to one.
        batches: How many batches of an iterable are looked at; ``None`` for all. They go through the model side by side,
            so memory grows with their number.
        seed: Of the start; not used where ``pre`` is ``None``.
        network: The model as ``read`` with this batch, where the caller has it.
        undo: Where the old weights are kept until the call has succeeded. ``True``: in a temporary file without a name, and in
            memory where no disk has room for them, or they are little. ``"memory"``: there, one more set of weights.
            ``False``: nowhere; a call that fails then leaves weights that are neither the old ones nor the new ones. See
            :func:`~initium.planning.all_or_nothing`.

    Returns:
        A receipt with a row for each weight, or part of one, in execution order: the figure before, the factor, what the
        check measured, and a note. Without a factor the weight was left alone.

    Raises:
        ArgumentError: ``target`` is not a positive number, a parameter or a tensor of the batch is on ``meta``, a
            parameter was made in inference mode, or the mask fits no output.
        ArgumentTypeError: The batch, the mask or ``undo`` is of no known kind.
        BatchError: A batch is empty, holds NaN, does not fit the model, or an output is not finite.
        PlanError: A factor is too large for its weight's dtype, or ``pre`` is a plan of another model.
        TraceError: The model cannot be traced, is lazy and has no shapes yet, or a batch is nested; or the batches lead
            different ways.
        UnknownNameError: An option is in no table.

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
    wanted = Wanted(positive(target, "target", "the std that every output gets"), statistic, branches)
    _check_words(statistic=statistic, branches=branches, scale_free=scale_free)
    if not isinstance(pre, Plan):
        scheme_of(pre)
    with random_state_kept(as_module(model)):  # a loader draws its order
        given = at_most(batch, batches)
    for each in given:
        needs_values(model, "lsuv", each, gradients=False)
    given, lent = apart(as_module(model), given)
    masks = [mask_of(mask, each) for each in given]
    with all_or_nothing(undo=undo) as opened, closing(Weights(model, opened, undo)) as weights:
        call = Call(model, given, masks, wanted, pre, scale_free, seed, weights)
        outcome = calibrated(call, network)
        return Receipt(  # last: what comes before may fail or be interrupted
            action=f"lsuv pre={pre.scheme if isinstance(pre, Plan) else pre} target={wanted.target:g}",
            seed=None if pre is None else seed,
            rows=tuple(rows_of(outcome.choices, outcome.found, outcome.settling, outcome.seeing, statistic)),
            notes=(*_notes(call, outcome), *lent_notes(lent, outcome.values)),
        )


def _check_words(**options: str) -> None:
    for name, value in options.items():
        if value not in _WORDS[name]:
            known = ", ".join(map(repr, _WORDS[name]))
            raise UnknownNameError(f"{name}={value!r} is no choice of lsuv; known: {known}.")


def _notes(call: Call, outcome: Outcome) -> Iterator[str]:
    """What the rows do not say of the call as a whole, and then of parameters that no row is about."""
    network = outcome.ways[0].network
    asked = network.trace.asked if network.trace else ()
    if asked:
        yield (
            f"the way through the network depends on its weights ({', '.join(asked)}): it was traced anew with the new ones, "
            "and the check is of the way that they take"
        )
    if len(call.batches) > 1:
        yield f"figures are pooled over {len(call.batches)} batches"
    if lone(call.batches):
        yield "the batch holds one sample: a std over its own elements says little of data; give a few dozen"
    if outcome.sweeps > 1:
        yield f"weights that are used again were corrected by sweeping {outcome.sweeps} times"
    yield from growths(outcome.lanes, [way.streams for way in outcome.ways])
    yield from mask_notes([lane.counting for lane in outcome.lanes])
    yield from notes_of(network, outcome.choices, outcome.found, outcome.values)
