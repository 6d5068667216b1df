"""What was set apart, in sentences: how many findings, by whom, and why; and what covered nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.terminal import Span, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.records import Ignore, Suppressed
    from initium.terminal import Line


def sentences(suppressed: Sequence[Suppressed], unused: Sequence[Ignore]) -> Iterator[str]:
    """A sentence for each ignore that covers findings, then one for each that covers none."""
    for ignore in dict.fromkeys(each.ignore for each in suppressed):
        count = sum(each.ignore == ignore for each in suppressed)
        yield f"{count} finding{'s' if count > 1 else ''} suppressed by {_named(ignore)}: {ignore.reason}"
    for ignore in unused:
        yield f"nothing to suppress for {_named(ignore)}: {ignore.reason}"


def lines(suppressed: Sequence[Suppressed], unused: Sequence[Ignore], width: int) -> Iterator[Line]:
    """The same, wrapped."""
    told = tuple(sentences(suppressed, unused))
    if told:
        yield (Span(""),)
    for sentence in told:
        yield from paragraph(Span("note", "dim"), sentence, width, 6, "dim")


def _named(ignore: Ignore) -> str:
    at = "" if ignore.layers == "*" else f" at {ignore.layers}"
    return f"{ignore.source or 'the caller'} ({ignore.code}{at})"
