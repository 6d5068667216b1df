"""A plan into a model: checks, then one atomic write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.planning._atomic import all_or_nothing
from initium.planning._checks import matched
from initium.planning._measured import measured_std
from initium.planning._write import write
from initium.random import Stream
from initium.records import Keep, Receipt, ReceiptRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from initium.planning._journal import Undo
    from initium.records import PlanRow


def apply(
    rows: Sequence[PlanRow], notes: tuple[str, ...], action: str, model: nn.Module, seed: int, *, undo: Undo
) -> Receipt:
    """Writes every row or none; the receipt is made before the last way back is closed."""
    stream, pairs = Stream(seed), matched(rows, model)
    with all_or_nothing(undo=undo) as opened:
        done = tuple(_write_row(row, parameter, stream, opened) for row, parameter in pairs)
        return Receipt(action, stream.seed, done, notes)


def _write_row(row: PlanRow, parameter: nn.Parameter, stream: Stream, opened: Callable[[Tensor], Tensor]) -> ReceiptRow:
    before = measured_std(parameter.detach())
    if isinstance(row.fill, Keep):
        return ReceiptRow(row.name, before, None, before, f"kept: {row.reason}")
    data = opened(parameter)
    write(data, row.fill, stream.child(row.name))
    return ReceiptRow(row.name, before, None, measured_std(data), row.law)
