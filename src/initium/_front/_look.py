"""One look at a model: read, measured, examined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose import examine
from initium.network import collector_spared, read, worth_sparing
from initium.report import Report
from initium.signal import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from initium.network import Batch


def look(model: nn.Module, batch: Batch, loss: Callable[..., object] | None) -> Report:
    """A report of a model as it stands; it leaves the model as it was.

    Args:
        model: The model.
        batch: What it is called with.
        loss: The loss, if there is one.

    Returns:
        The report, without what :meth:`~initium.Report.cure` needs.
    """
    hollow = worth_sparing(model, batch)
    with collector_spared():
        network = read(model, batch, hollow=hollow)
        signal = measure(model, batch, loss, network=network)
    return Report(examine(network, signal), signal, network.title)
