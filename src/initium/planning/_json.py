"""A plan as JSON, with the version of its schema, and back, each field checked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from initium.errors import InitiumError, PlanError
from initium.network import ROLES
from initium.planning._blocks import misfit
from initium.records import Fill, PlanRow, fill_from_dict, fill_to_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

KIND = "plan"
VERSION = 1

Read: TypeAlias = Callable[[Any], Any]


def dumped(scheme: str, title: str, rows: Sequence[PlanRow], notes: Sequence[str]) -> str:
    """The JSON text of a plan."""
    head = {"initium": KIND, "version": VERSION, "scheme": scheme, "title": title, "notes": list(notes)}
    return json.dumps({**head, "rows": [_record(row) for row in rows]}, indent=1, allow_nan=False, ensure_ascii=False)


def _record(row: PlanRow) -> dict[str, Any]:
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return {**fields, "fill": fill_to_dict(row.fill)}


def parsed(text: str) -> tuple[str, str, tuple[PlanRow, ...], tuple[str, ...]]:
    """Scheme, title, rows and notes of a plan in JSON."""
    try:
        record = json.loads(text)
    except (json.JSONDecodeError, RecursionError, TypeError) as error:
        raise PlanError(f"this is no plan: not JSON ({error}). Give what Plan.to_json or Plan.save wrote.") from error
    _check_head(record)
    found = tuple(_row(number, each) for number, each in enumerate(_field(record, "rows", _list, "the plan")))
    where = "the plan"
    scheme, title = _field(record, "scheme", _text, where), _field(record, "title", _text, where)
    return scheme, title, found, _field(record, "notes", _texts, where)


def _check_head(record: Any) -> None:  # noqa: ANN401 - whatever the text held
    if not isinstance(record, Mapping) or record.get("initium") != KIND:
        raise PlanError('this is no plan: "initium": "plan" is missing. Give what Plan.to_json or Plan.save wrote.')
    version = record.get("version")
    if version != VERSION:
        raise PlanError(
            f"the plan's schema has version {version!r}; this initium reads version {VERSION}. Make the plan anew, or "
            "read it with the initium that wrote it."
        )


def _row(number: int, record: Any) -> PlanRow:  # noqa: ANN401
    if not isinstance(record, Mapping):
        raise PlanError(f"row {number} of the plan is broken: an object was expected; got {record!r}.")
    where = f"row {number} of the plan ({record.get('name', 'no name')!r})"
    extra = [key for key in record if key not in FIELDS]
    if extra:
        raise PlanError(f"{where} is broken: unknown field {extra[0]!r}; known: {', '.join(FIELDS)}.")
    row = PlanRow(**{name: _field(record, name, read, where) for name, read in FIELDS.items()})
    wrong = misfit(row.fill, row.shape) or ("" if row.name in row.names else "names must hold the name")
    if wrong:
        raise PlanError(f"{where} is broken: {wrong}.")
    return row


def _field(record: Mapping[str, Any], name: str, read: Read, where: str) -> Any:  # noqa: ANN401
    if name not in record:
        raise PlanError(f"{where} is broken: field {name!r} is missing.")
    try:
        return read(record[name])
    except (InitiumError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise PlanError(f"{where} is broken: field {name!r} is {record[name]!r}: {error}") from error


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str):
        return value
    raise TypeError("text was expected.")


def _truth(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, bool):
        return value
    raise TypeError("true or false was expected.")


def _list(value: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(value, list):
        return value
    raise TypeError("a list was expected.")


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(_text(each) for each in _list(value))


def _length(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise TypeError("a length >= 0 was expected.")


def _lengths(value: Any) -> tuple[int, ...]:  # noqa: ANN401
    return tuple(_length(each) for each in _list(value))


def _fan(value: Any) -> float | None:  # noqa: ANN401
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0):
        return value
    raise TypeError("a number >= 0 or null was expected.")


def _role(value: Any) -> str:  # noqa: ANN401
    if value in ROLES:
        return value
    raise TypeError(f"one of {', '.join(ROLES)} was expected.")


def _fill(value: Any) -> Fill:  # noqa: ANN401
    _check_counts(value)
    return fill_from_dict(value)


def _check_counts(value: Mapping[str, Any]) -> None:
    """Blocks are counted in integers; the records' own checks cover the rest."""
    if value.get("kind") == "packed":
        _ = _length(value["axis"]), _length(value["parts"])
        _check_counts(value["each"])
    if value.get("kind") == "blocks":
        _ = _length(value["axis"])
        for each in _list(value["fills"]):
            _check_counts(each)


FIELDS: Mapping[str, Read] = {
    "name": _text,
    "names": _texts,
    "shape": _lengths,
    "role": _role,
    "module": _text,
    "fan_in": _fan,
    "fan_out": _fan,
    "before": _text,
    "after": _text,
    "fill": _fill,
    "law": _text,
    "reason": _text,
    "assumed": _truth,
}
