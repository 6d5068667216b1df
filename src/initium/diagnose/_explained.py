"""What a check is about, in words: read from the docstring of its file, which is the one place where it is written.

A docstring begins with the code and a sentence. Its other paragraphs begin with ``Theory:``, ``Limits:``, ``Not a fault:`` or
``Example:``, and go on until the next of these. A file that it refers to (``:mod:``) explains what several checks share.
"""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.diagnose._table import CHECKS
from initium.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = re.compile(r"``(?P<code>[\w-]+)``: (?P<what>.+)", re.DOTALL)
_SECTION = re.compile(r"(Theory|Limits|Not a fault|Example):\s+", re.DOTALL)
_FILE = re.compile(r":mod:`\._(\w+)`")
_ROLE = re.compile(r":\w+:`~?\.?_?([\w.]+)`")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a check finds, and by which right.

    Attributes:
        code: The code of its findings.
        what: The illness in a sentence.
        theory: Why it is one, with the papers.
        limits: What is measured, and from where on it is a finding.
        not_a_fault: What looks alike and is left alone.
        example: A faulty program and its cure, as a session of the interpreter; empty where none was written.
        shared: What the limits refer to: a word and its text.
    """

    code: str
    what: str
    theory: str
    limits: str
    not_a_fault: str
    example: str = ""
    shared: tuple[tuple[str, str], ...] = ()


def explained(code: str) -> Explanation:
    """What is behind a code.

    Args:
        code: A code of :data:`CHECKS`.

    Returns:
        The explanation; its texts are empty where Python was told to drop docstrings (``-OO``).

    Raises:
        UnknownNameError: No check has that code.

    Example:
        >>> explained("nonfinite").limits
        'None; a single value is enough.'
    """
    if code not in CHECKS:
        raise UnknownNameError(f"no check has the code {code!r}; known: {', '.join(CHECKS)}.")
    home = CHECKS[code].__module__
    return read_explanation(code, _document(home), tuple(_shared(_document(home), home.rpartition(".")[0])))


def read_explanation(code: str, docstring: str, shared: tuple[tuple[str, str], ...] = ()) -> Explanation:
    """An explanation out of a docstring that has the form of a check's."""
    first, *rest = docstring.split("\n\n")
    head = _HEAD.match(first)
    parts = dict[str, list[str]]()
    name = "Theory"
    for paragraph in rest:
        titled = _SECTION.match(paragraph)
        name = titled[1] if titled else name
        parts.setdefault(name, []).append(paragraph[titled.end() :] if titled else paragraph)
    prose = {name: "\n\n".join(map(_prose, told)) for name, told in parts.items() if name != "Example"}
    theory, limits, not_a_fault = (_begun(prose.get(each, "")) for each in ("Theory", "Limits", "Not a fault"))
    example = inspect.cleandoc("    " + "\n\n".join(parts.get("Example", [])))
    return Explanation(code, _prose(head["what"]) if head else "", theory, limits, not_a_fault, example, shared)


def _begun(text: str) -> str:
    """As a sentence begins; behind its title it went on in lower case."""
    return text[:1].upper() + text[1:]


def _document(module: str) -> str:
    return inspect.getdoc(importlib.import_module(module)) or ""


def _shared(docstring: str, package: str) -> Iterator[tuple[str, str]]:
    """The files that a docstring refers to, and those that they refer to, each once."""
    waiting, told = _FILE.findall(docstring), set[str]()
    while waiting:
        name = waiting.pop(0)
        if name not in told:
            told.add(name)
            text = _document(f"{package}._{name}")
            yield name, "\n\n".join(map(_prose, text.split("\n\n")))
            waiting += _FILE.findall(text)


def _prose(paragraph: str) -> str:
    """One line of plain text with backticks for code."""
    linked = _ROLE.sub(r"`\1`", _FILE.sub(r"*\1*", paragraph))
    return " ".join(linked.replace("``", "`").split())
