"""``unused-input``: a tensor of the batch that leads nowhere: the network answers without it.

Theory: what no operation takes on a way to the output changes no answer, and no loss of the output can teach the network to look
at it: the edges of a graph that nobody gathers along, a second input that is overwritten by the first.

Limits: exact, from the graph: no way at all, be it by whole numbers, of a tensor that is more than one value again and again.
A warning where a loss was given, else an info.

Of the states of a recurrent layer in one direction, whose steps are two or more, the first alone is read: likewise.

Not a fault: a mask of ones; what the model asks for a value (its way may follow from the answer); a model that leaves torch on
its way.

Example:
    >>> import torch, initium
    >>> class Pair(torch.nn.Module):
    ...     def __init__(self, both):
    ...         super().__init__()
    ...         self.one, self.other, self.both = torch.nn.Linear(8, 4), torch.nn.Linear(8, 4), both
    ...
    ...     def forward(self, x, y):
    ...         return self.one(x) + self.other(y if self.both else x)
    >>> batch = initium.Batch((torch.randn(64, 8), torch.randn(64, 8)), target=torch.randn(64, 4))
    >>> initium.diagnose(Pair(both=False), batch, torch.nn.functional.mse_loss).findings[0].code
    'unused-input'
    >>> initium.diagnose(Pair(both=True), batch, torch.nn.functional.mse_loss).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network import read_at_first
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for everything that is given and not read, and one for steps that no answer depends on."""
    first = read_at_first(network)
    if first:
        yield _first_step(tuple(dict.fromkeys(use.name for use in network.uses if use.node in first)), signal)
    if not signal.unread:
        return
    given = ", ".join(f"`{name}`" for name in signal.unread)
    yield Finding(
        code="unused-input",
        severity="info" if signal.loss is None else "warning",
        layers=(),
        message=f"{given} of the batch {'lead' if len(signal.unread) > 1 else 'leads'} nowhere: the model answers without it.",
        measured=float(len(signal.unread)),
        expected=0.0,
        cause="no operation on a way to the output takes it.",
        cure="Use it in forward (look for a name that was overwritten, or a result that was dropped), or leave it out of the batch.",
    )


def _first_step(layers: tuple[str, ...], signal: Signal) -> Finding:
    return Finding(
        code="unused-input",
        severity="info" if signal.loss is None else "warning",
        layers=layers,
        message=f"Of the states of `{layers[0]}` the first step's alone is read: no answer depends on the steps that follow.",
        measured=1.0,
        expected=0.0,
        cause="a state knows what came before it, and the first nothing but the first input.",
        cure="Read the last state: out[:, -1] of a layer with batch_first=True.",
        remedy=Code("h = out[:, -1]"),
    )
