"""``initium explain``: what a check finds, and by which right."""

import textwrap
from collections.abc import Iterator
from typing import Annotated

import typer

from initium.cli._errors import told
from initium.diagnose import CHECKS, Explanation, explained
from initium.terminal import page, write

_INDENT = "  "


@told
def explain(
    code: Annotated[
        str | None, typer.Argument(help="The code of a finding, such as vanishing-gradient; none for a list.")
    ] = None,
) -> None:
    """What a check finds: theory, what is measured, from where on, what is no fault, an example.

    \b
    initium explain
    initium explain vanishing-gradient
    """  # noqa: D301 - a backspace tells click to keep the lines
    write("\n".join(_list() if code is None else _told(explained(code))))


def _list() -> Iterator[str]:
    room = max(map(len, CHECKS)) + 2
    for code in CHECKS:
        yield textwrap.fill(
            f"{code.ljust(room)}{explained(code).what}", page(), subsequent_indent=" " * room, break_on_hyphens=False
        )


def _told(what: Explanation) -> Iterator[str]:
    yield textwrap.fill(f"{what.code}: {what.what}", page(), break_on_hyphens=False)
    yield from _section("Theory", what.theory)
    yield from _section("Limits", what.limits)
    yield from _section("Not a fault", what.not_a_fault)
    if what.example:
        yield f"\nExample\n{textwrap.indent(what.example, _INDENT)}"
    for name, text in what.shared:
        yield from _section(f"Above: {name}", text)


def _section(title: str, text: str) -> Iterator[str]:
    yield f"\n{title}"
    yield "\n\n".join(map(_filled, text.split("\n\n"))) if text else f"{_INDENT}Nothing is written of it."


def _filled(paragraph: str) -> str:
    return textwrap.fill(
        paragraph,
        page(),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
