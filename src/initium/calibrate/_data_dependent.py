"""Every pre-activation centred and of unit std, channel by channel, by weights and biases: data-dependent initialisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsFloat

from initium.calibrate._centring import Centring, Looking, moved, walk
from initium.calibrate._channels import begun, channels_of
from initium.calibrate._commit import commit
from initium.calibrate._start import Pre, scheme_of
from initium.calibrate._told import notes, rows
from initium.checks import positive, truth
from initium.network import as_batch, read
from initium.records import Receipt
from initium.signal import needs_values

if TYPE_CHECKING:
    from torch import nn

    from initium.network import Network


def data_dependent(
    model: nn.Module,
    batch: object,
    *,
    pre: Pre | None = None,
    centre: bool = True,
    target: SupportsFloat = 1.0,
    seed: int = 0,
    network: Network | None = None,
) -> Receipt:
    r"""Gives every output channel of every weight mean 0 and the target std on real data, by its row and its bias.

    $$w_c \leftarrow \frac{w_c}{\sigma_c}, \qquad b_c \leftarrow -\frac{\mu_c}{\sigma_c}$$

    with the mean $\mu_c$ and the std $\sigma_c$ of $w_c \cdot x$ over the batch and its positions, layer after layer in
    execution order, x being what the layers before give once they are rescaled. Under weight_norm the magnitude g is
    what is divided, and the direction stays.

    An operation is linear in its weight, so what its rescaled output is follows without running it again: one forward
    pass does the whole network, a second one checks it, and a third, before them, traces the model (``network=`` saves it).
    The model runs in its own train or eval mode, and all passes draw the same dropout masks.

    Done are linear layers, convolutions, transposed convolutions, all with groups, packed projections and bare
    parameters in a matrix product. A weight with no bias is scaled and not centred. Embeddings, recurrent weights, frozen
    and composed weights are left alone, each with its reason; so is a channel that is one number for the whole batch.
    All or nothing: an error, an interrupt or a value that is not finite leaves the model as it was, bit for bit.

    Args:
        model: Any module that can be traced, with real tensors.
        batch: A tensor, a tuple of positional arguments, a dict of keyword arguments, or :class:`~initium.network.Batch`.
            A few hundred samples: each channel has a mean and a std of its own.
        pre: The start: ``"orthogonal"`` or ``"he"`` draws the weights anew and sets their biases to zero; ``None`` keeps
            weights and biases as they are, and of a weight only the direction of its rows counts.
        centre: Whether biases are set; without, only rows are scaled.
        target: The std that every channel gets, > 0.
        seed: Of the start; not used where ``pre`` is ``None``.
        network: The model as ``read`` with this batch, where the caller has it.

    Returns:
        A receipt with a row for each weight in execution order: the root mean square over its channels of their stds,
        before and after; the geometric mean of their factors; and how far the worst channel is off.

    Raises:
        ArgumentError: ``target`` is not a positive number, a parameter or a tensor of the batch is on ``meta``, or a
            parameter was made in inference mode.
        BatchError: The batch is empty, holds NaN, does not fit the model, or an output is not finite.
        PlanError: A value is too large for its dtype.
        TraceError: The model cannot be traced.
        UnknownNameError: ``pre`` is no known start.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.calibrate import data_dependent
        >>> net = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 10))
        >>> x = 3 + 2 * torch.randn(256, 16)
        >>> _ = data_dependent(net, x)
        >>> bool(net(x).mean(0).abs().max() < 1e-5), bool((net(x).std(0, correction=0) - 1).abs().max() < 1e-5)
        (True, True)

    Reference:
        Salimans & Kingma (2016), "Weight normalization", section 3, eq. (6); Kingma & Dhariwal (2018), "Glow", section
        3.1, for the same of an affine layer (ActNorm).

    Deviation:
        In the paper it is the start of weight_norm, with directions drawn from N(0, 0.05^2); here it is one of any weight, and
        the directions are those that ``pre`` gives. A bias that was there is replaced.
    """
    scheme, wanted = scheme_of(pre), positive(target, "target", "the std that every channel gets")
    centre = truth(centre, "centre")
    given = as_batch(batch)
    needs_values(model, "data_dependent", given, gradients=False)
    network = network or read(model, given)
    channels = channels_of(model, network)
    values = begun(model, network, channels, scheme, seed)
    first, second = Centring(network, channels, 0.0, wanted, centre=centre), Looking(network)
    walk(first, model, given, values)
    values = moved(model, values, channels, first.found)
    walk(second, model, given, values)
    receipt = Receipt(
        action=f"data_dependent pre={pre} target={wanted:g}" + ("" if centre else " centre=False"),
        seed=None if pre is None else seed,
        rows=tuple(rows(channels, first, second.seen, mean=0.0, std=wanted)),
        notes=tuple(notes(network, channels)),
    )
    commit(model, values)  # last: what comes before may fail or be interrupted
    return receipt
