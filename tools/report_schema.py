"""The JSON Schema of a report, from the records that it is made of: their fields, types and docstrings."""

import dataclasses
import inspect
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from initium import records
from initium.records import Finding, Ignore, Signal
from initium.report import SCHEMA_VERSION

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {str: "string", bool: "boolean", int: "integer", float: ["number", "null"]}
FIELD = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)
TEXT = {"type": "string"}
LEFT_OUT = ("remedy",)  # its code is told


def report_schema() -> dict[str, Any]:
    """The schema: a report, and under ``$defs`` each record."""
    kinds: dict[str, Any] = {}
    finding, ignore, signal = (reference(each, kinds) for each in (Finding, Ignore, Signal))
    shown = kinds["Finding"]["properties"]
    shown["fix"] = {**TEXT, "description": "The cure as Python; empty where no code says it."}
    kinds["Finding"] = of(shown, "One thing that is wrong, or worth knowing.")
    kinds["Suppressed"] = of(
        {
            "finding": finding,
            "reason": {**TEXT, "description": "Why it is accepted."},
            "source": {**TEXT, "description": "Where that was said, such as pyproject.toml."},
        },
        "A finding that is known of and accepted; it counts in no verdict.",
    )
    whole = of(
        {
            "schema_version": {"const": SCHEMA_VERSION, "description": "The version of this form."},
            "title": {**TEXT, "description": "The type name of the model."},
            "verdict": {
                **TEXT,
                "description": "The gravest finding in one word; healthy where none is worse than an info.",
            },
            "healthy": {"type": "boolean", "description": "True where no finding is an error or a warning."},
            "findings": listed(finding, "What is wrong, the gravest first, the cause before its symptoms."),
            "suppressed": listed({"$ref": "#/$defs/Suppressed"}, "Findings that are known of and accepted."),
            "unused": listed(ignore, "Ignores that covered nothing."),
            "signal": signal,
        },
        "What `initium diagnose --json` and Report.to_dict() give. Figures that are not finite are null. Fields may be added "
        "within a version; none goes away or changes its meaning.",
    )
    head = {"$schema": DIALECT, "$id": f"urn:initium:report:{SCHEMA_VERSION}", "title": "A report of initium"}
    return {**head, **whole, "$defs": dict(sorted(kinds.items()))}


def of(properties: Mapping[str, Any], description: str) -> dict[str, Any]:
    """An object that has all of these."""
    return {"type": "object", "description": description, "properties": dict(properties), "required": list(properties)}


def listed(items: dict[str, Any], description: str) -> dict[str, Any]:
    """Any number of them."""
    return {"type": "array", "items": items, "description": description}


def reference(record: type, kinds: dict[str, Any]) -> dict[str, Any]:
    """A reference to a record, which is described among ``kinds``."""
    if record.__name__ not in kinds:
        document = inspect.getdoc(record) or ""
        told = {name: plain(text) for name, text in FIELD.findall(document)}
        hints = get_type_hints(record, localns=vars(records))
        kinds[record.__name__] = {}  # a record may hold its own kind
        names = [each.name for each in dataclasses.fields(record) if each.name not in LEFT_OUT]
        shown = {name: {**kind(hints[name], kinds), "description": told[name]} for name in names}
        kinds[record.__name__] = of(shown, plain(document.partition("\n\n")[0]))
    return {"$ref": f"#/$defs/{record.__name__}"}


def kind(hint: Any, kinds: dict[str, Any]) -> dict[str, Any]:
    """A type as JSON knows it."""
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if dataclasses.is_dataclass(hint):
        return reference(hint, kinds)
    match get_origin(hint), get_args(hint):
        case (origin, words) if origin is Literal:
            return {"enum": list(words)}
        case (origin, (item, last)) if origin is tuple and last is Ellipsis:
            return {"type": "array", "items": kind(item, kinds)}
        case (origin, items) if origin is tuple:
            return {"type": "array", "prefixItems": [kind(each, kinds) for each in items], "items": False}
        case (origin, choices) if origin in {Union, types.UnionType}:
            return {"anyOf": [{"type": "null"} if each is type(None) else kind(each, kinds) for each in choices]}
        case _:
            raise TypeError(f"no JSON is known for {hint!r}")


def plain(text: str) -> str:
    """One line, backticks for code."""
    return " ".join(re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`").split())
