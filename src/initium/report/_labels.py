"""Names of uses that fit a column or an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.terminal import apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records import SignalRow


def labels(rows: Sequence[SignalRow], width: int, ellipsis: str = "…") -> tuple[list[str], str]:
    """Names of weights in few columns, uses told apart, and the part that all of them share."""
    room = width - max((len(with_use("", row)) for row in rows), default=0)
    names, shared = apart([row.name.removesuffix(".weight") for row in rows], room, ellipsis)
    return [with_use(name, row) for name, row in zip(names, rows, strict=True)], shared


def with_use(name: str, row: SignalRow) -> str:
    """A name, with the number of its use from the second on."""
    return f"{name} #{row.use + 1}" if row.use else name
