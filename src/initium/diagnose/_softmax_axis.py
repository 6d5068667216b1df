"""``softmax-axis``: a softmax on the way goes over the samples, so that they compete with each other.

Theory: the weights of an attention are to sum to 1 over the keys of one query. Over the first axis they sum to 1 over the
batch: what one sample attends to depends on who else is in the batch, shrinks as the batch grows, and is 1 throughout for
a batch of one.

Limits: exact. A softmax over the first axis, as long as the batch, of three axes or more, that a product of matrices takes
sample by sample. An error.

Not a fault: a softmax over nodes of one graph or members of one set, which has no axis of samples; over time in a layout
of time first, where no batched product follows; the answer's own, which ``double-softmax`` judges.

Example:
    >>> import torch, initium
    >>> class Attention(torch.nn.Module):
    ...     def __init__(self, axis):
    ...         super().__init__()
    ...         self.q, self.k, self.v = (torch.nn.Linear(64, 64) for _ in range(3))
    ...         self.axis = axis
    ...
    ...     def forward(self, x):
    ...         return (self.q(x) @ self.k(x).mT / 8).softmax(self.axis) @ self.v(x)
    >>> batch = torch.randn(16, 20, 64)
    >>> initium.diagnose(Attention(0), batch).findings[0].code
    'softmax-axis'
    >>> initium.diagnose(Attention(-1), batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._links import links
from initium.network import across_samples
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all softmaxes over samples."""
    found = across_samples(network)
    if not found:
        return
    name, shape = found[0]
    makers = {each for attends in network.attends if attends.node == name for each in (*attends.queries, *attends.keys)}
    yield Finding(
        code="softmax-axis",
        severity="error",
        layers=tuple(dict.fromkeys(link.use.name for link in links(network, signal) if link.use.name in makers)),
        message=f"{len(found)} softmax on the way goes over the batch (axis 0 of {shape}), not over what is to be weighed.",
        measured=0.0,
        expected=float(len(shape) - 1),
        cause="the weights of one sample then depend on the other samples, and do not sum to 1 over its keys.",
        cure="Let it go over the keys: softmax(dim=-1) of queries by keys.",
        remedy=Code("weights = scores.softmax(dim=-1)"),
    )
