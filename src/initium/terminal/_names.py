"""Dotted names in a narrow column, still told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.terminal._text import cells

if TYPE_CHECKING:
    from collections.abc import Sequence


def apart(names: Sequence[str], width: int, ellipsis: str = "…") -> tuple[tuple[str, ...], str]:
    """Names that are short enough for a column, and what they were shortened by.

    Where they are too long, they lose the parts that all of them share at either end. One that is still too long has its
    inner parts cut to a letter, then left out: the indices and the last part tell names apart.

    Args:
        names: Dotted names.
        width: Columns.
        ellipsis: What stands for the parts that are left out.

    Returns:
        The names, and the pattern that they share, with ``*`` in their place; an empty one where nothing was taken off.

    Example:
        >>> apart(["blocks.0.attention.projection", "blocks.1.attention.projection"], 15)
        (('0', '1'), 'blocks.*.attention.projection')
        >>> apart(["encoder.layers.11.self_attn.out_proj", "head"], 15)
        (('…11.s.out_proj', 'head'), '')
    """
    split = [name.split(".") for name in names]
    first, last = (0, 0) if all(cells(name) <= width for name in names) else _shared(split)
    pattern = ".".join([*split[0][:first], "*", *split[0][len(split[0]) - last :]]) if first + last else ""
    inner = [parts[first : len(parts) - last] for parts in split]
    return tuple(_short(parts, width, ellipsis) for parts in inner), pattern


def _shared(split: list[list[str]]) -> tuple[int, int]:
    """How many parts all begin with and end with; one part of each name stays."""
    most = min(map(len, split)) - 1
    first = _alike(split, most)
    return first, _alike([parts[::-1] for parts in split], most - first)


def _alike(split: list[list[str]], most: int) -> int:
    return next((place for place in range(most) if len({parts[place] for parts in split}) > 1), most)


def _short(parts: list[str], width: int, ellipsis: str) -> str:
    """Inner parts from left to right, each to a letter, then away, until the name fits."""
    inner = [place for place, part in enumerate(parts[:-1]) if not part.isdecimal()]
    shown = list(parts)
    for place in inner:
        if cells(".".join(shown)) <= width:
            break
        shown[place] = shown[place][:1]
    made = ".".join(shown)
    for place in inner:
        if cells(made) <= width:
            break
        shown[place] = ""
        made = ellipsis + ".".join(filter(None, shown))
    return made
