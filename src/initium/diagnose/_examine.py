"""A network and its signal to everything that is wrong with its start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose import _beyond
from initium.diagnose._illnesses import illnesses
from initium.diagnose._table import CHECKS
from initium.records import SEVERITIES, Finding

if TYPE_CHECKING:
    from initium.network import Network
    from initium.records import Signal

# Errors of the answer and its loss, which say nothing of what happens before, and a cause that says nothing of what it does.
_UNTOLD = frozenset(
    {
        "output-prior",
        "double-softmax",
        "softmax-axis",
        "missing-softmax",
        "broadcast-target",
        "target-range",
        "unused-input",
        "loss-sum",
        "dropout",
        "norm-scale",
    }
)


def examine(network: Network, signal: Signal) -> tuple[Finding, ...]:
    """Runs every check of :data:`CHECKS` on one pair of records; no model is needed.

    Where none of them finds an error, a signal or a gradient that is out of all bounds is still one.

    Args:
        network: What was read of the model, with the batch.
        signal: What was measured with it.

    Returns:
        The findings: the gravest illness first, what is ``part_of`` it right behind.

    Example:
        >>> import torch
        >>> from initium.diagnose import examine
        >>> from initium.network import as_batch, read
        >>> from initium.signal import measure
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
        >>> for parameter in net.parameters():
        ...     _ = torch.nn.init.zeros_(parameter)
        >>> batch = as_batch(torch.randn(64, 8))
        >>> network = read(net, batch)
        >>> [finding.code for finding in examine(network, measure(net, batch, network=network))]
        ['symmetry']
    """
    found = [finding for check in CHECKS.values() for finding in check(network, signal)]
    if not any(finding.severity == "error" and finding.code not in _UNTOLD for finding in found):
        found = [*_beyond.check(network, signal), *found]  # what is explained needs no last resort
    ranked = _once(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
    return illnesses(ranked, [row.name for row in signal.rows])


def _once(found: list[Finding]) -> list[Finding]:
    """Of the same layers, used again, the gravest finding alone: a head that runs on every level of a pyramid."""
    said = dict[tuple[str, tuple[str, ...]], Finding]()
    for finding in found:
        said.setdefault((finding.code, finding.layers), finding)
    return list(said.values())
