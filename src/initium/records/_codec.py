"""Records to plain dictionaries and back, for JSON: one codec for every frozen record, so none can drift."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from initium.errors import ArgumentError
from initium.records._fills import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Fill,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

FILLS: dict[str, type[Any]] = {
    "constant": Constant,
    "normal": Normal,
    "truncated_normal": TruncatedNormal,
    "uniform": Uniform,
    "orthogonal": Orthogonal,
    "delta_orthogonal": DeltaOrthogonal,
    "identity": Identity,
    "factor": Factor,
    "values": Values,
    "keep": Keep,
    "packed": Packed,
    "blocks": Blocks,
}
_KINDS = {kind: name for name, kind in FILLS.items()}


def fill_to_dict(fill: Fill) -> dict[str, Any]:
    """A fill as ``{"kind": name, field: value}``; the inverse of :func:`fill_from_dict`."""
    fields = {f.name: getattr(fill, f.name) for f in dataclasses.fields(fill)}
    if isinstance(fill, Packed):
        fields["each"] = fill_to_dict(fill.each)
    if isinstance(fill, Blocks):
        fields["fills"] = [fill_to_dict(each) for each in fill.fills]
    return {"kind": _KINDS[type(fill)], **fields}


def fill_from_dict(record: Mapping[str, Any]) -> Fill:
    """The fill that :func:`fill_to_dict` wrote.

    Raises:
        ArgumentError: The kind or a field is none of a fill's.
    """
    fields = dict(record)
    kind = fields.pop("kind", None)
    if kind not in FILLS:
        raise ArgumentError(f"{kind!r} is no kind of fill; known: {', '.join(FILLS)}.")
    if kind == "packed":
        fields["each"] = fill_from_dict(fields["each"])
    if kind == "blocks":
        fields["fills"] = tuple(fill_from_dict(each) for each in fields["fills"])
    try:
        return FILLS[kind](**fields)
    except TypeError as error:
        raise ArgumentError(f"a fill of kind {kind!r} cannot be read from {dict(record)!r}: {error}.") from error
