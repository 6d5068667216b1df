"""A signal's rows as the views take them: the figures that have a column, and names that fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from initium.report._labels import labels, with_use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from initium.records import Signal, SignalRow

Figure: TypeAlias = float | str | bool | None
"""A number; ``nan``, ``inf`` or ``-inf``, for which JSON has no word; or ``None`` for what is not known."""
_LABEL = 18
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of every row.

    Attributes:
        key: Its name in the data.
        title: Its head.
        tip: What it is, in one sentence.
        of: The figure of a row.
    """

    key: str
    title: str
    tip: str
    of: Callable[[SignalRow], float | None]


COLUMNS = (
    Column("unit_std", "unit std", "Each unit's standard deviation over the batch, root mean square over units.", lambda row: row.unit_std),
    Column("out_std", "out std", "Standard deviation of all of the output's elements.", lambda row: row.out_std),
    Column("out_rms", "out rms", "Root mean square of the output.", lambda row: row.out_rms),
    Column("out_mean", "out mean", "Mean of the output.", lambda row: row.out_mean),
    Column("dead", "dead", "Share of units whose activation passes no gradient anywhere in the batch.", lambda row: row.dead),
    Column("saturated", "saturated", "Share of elements at which the activation is nearly flat.", lambda row: row.saturated),
    Column("distinct", "distinct", "Share of units that differ from the first; 0 is symmetry.", lambda row: row.distinct),
    Column("grad_rms", "grad rms", "Root mean square of the gradient at the output.", lambda row: row.grad_rms),
    Column("weight_grad_norm", "|g|", "L2 norm of the weight's gradient.", lambda row: row.weight_grad_norm),
    Column("update_ratio", "|g|/|w|", "The weight's gradient over the weight, both L2 norms.", lambda row: row.update_ratio),
    Column("weight_rms", "w rms", "Root mean square of the weight.", lambda row: row.weight_rms),
    Column("gain", "gain", "The weight's root mean square times the square root of its fan_in.", lambda row: row.gain),
    Column("bias_rms", "bias rms", "Root mean square of the bias; 0 where there is none.", lambda row: row.bias_rms),
)  # fmt: skip


def entries(signal: Signal, predicted: Signal | None, laws: Mapping[str, str] | None = None) -> list[dict[str, Figure]]:
    """One entry a row, in execution order: its place from 1, its names, its weight's law where it is known, its figures."""
    told = {(row.name, row.use): row for row in predicted.rows} if predicted else {}
    # Gradients of two objectives are no prediction of each other.
    both = predicted is not None and predicted.objective == signal.objective
    named = zip(signal.rows, labels(signal.rows, _LABEL)[0], strict=True)
    law = laws or {}
    return [
        _entry(place, row, label, told, both=both) | {"law": law.get(row.name, "")}
        for place, (row, label) in enumerate(named, start=1)
    ]


def _entry(
    place: int, row: SignalRow, label: str, told: dict[tuple[str, int], SignalRow], *, both: bool
) -> dict[str, Figure]:
    expected = told.get((row.name, row.use))
    return {
        "place": place,
        "name": with_use(row.name, row),
        "label": label,
        "op": row.op,
        "after": row.after,
        "finite": row.finite,
        **{column.key: figure(column.of(row)) for column in COLUMNS},
        "predicted_unit_std": figure(expected.unit_std if expected else None),
        "predicted_grad_rms": figure(expected.grad_rms if expected and both else None),
    }


def figure(value: float | None) -> Figure:
    """A figure as JSON can hold it, to as many digits as anybody looks at."""
    if value is None or math.isfinite(value):
        return value if value is None else float(f"{value:.{_DIGITS}g}")
    return str(float(value))
