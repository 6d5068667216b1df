"""``broadcast-target``: the loss compares each answer with each target, because their shapes broadcast.

Theory: of an output of shape (n, 1) and a target of shape (n,), ``output - target`` has shape (n, n). The mean over all
pairs is least where every answer is the mean of the targets: the network is taught to ignore its input, while the loss
falls as if it learned.

Limits: exact. Output and target have as many numbers, in shapes that broadcast to more, and the loss of both broadcast is
the loss. An error.

Not a fault: shapes that are the same; classes against scores; a loss that broadcasts a weight.

Example:
    >>> import torch, initium, warnings
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    >>> batch, loss = torch.randn(256, 64), torch.nn.functional.mse_loss
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # torch's own, of the sizes
    ...     initium.diagnose(model, initium.Batch((batch,), target=batch[:, 0]), loss).findings[0].code
    'broadcast-target'
    >>> initium.diagnose(model, initium.Batch((batch,), target=batch[:, :1]), loss).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._double_softmax import head_of
from initium.diagnose._figures import shown
from initium.diagnose._links import links
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding where shapes broadcast."""
    if signal.misfit == "repeated" and signal.loss is not None:
        yield _repeated(network, signal, signal.loss)
    if signal.misfit != "broadcast" or signal.loss is None:
        return
    yield Finding(
        code="broadcast-target",
        severity="error",
        layers=head_of(links(network, signal)),
        message=f"The loss, {shown(signal.loss)}, compares each answer with each target: their shapes differ, and broadcast.",
        measured=signal.loss,
        expected=0.0,
        cause="output and target have as many numbers in other shapes, such as (n, 1) and (n,), of which a difference has shape (n, n); "
        "it is least where every answer is the mean of the targets.",
        cure="Give both one shape: output.squeeze(-1), or target.unsqueeze(-1).",
        remedy=Code("target = target.reshape(output.shape)"),
    )


def _repeated(network: Network, signal: Signal, loss: float) -> Finding:
    return Finding(
        code="broadcast-target",
        severity="warning",
        layers=head_of(links(network, signal)),
        message=f"The loss, {shown(loss)}, compares an answer with several targets, or a target with several answers: their shapes differ, and broadcast.",
        measured=loss,
        expected=0.0,
        cause="an axis is of length 1, or missing, in one of them alone, such as (n, 1) against (n, k): the best answer is the mean of what it is "
        "compared with.",
        cure="Give both one shape: an answer for each target, or a sum of the targets over the axis that one answer stands for.",
        remedy=Code("target = target.sum(-1, keepdim=True)"),
    )
