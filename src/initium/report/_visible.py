"""Characters that no page shows: a name may hold an escape, which whoever copies it would send to a terminal."""

from __future__ import annotations

from typing import Any, cast

_REPLACED = 0xFFFD
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
_NONE = dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000)), _REPLACED)
_SHOWN = _PICTURES | _NONE


def visible(value: Any) -> Any:  # noqa: ANN401 - a text, or what holds texts
    r"""The same with a picture in the place of each control character, and of what is no character the sign for that.

    Args:
        value: A text, a list or a dict of such; anything else is given back.

    Example:
        >>> visible("a\x1b[31m")
        'a␛[31m'
    """
    match value:
        case str():
            # What is markup already was made of texts that are visible.
            return value if hasattr(value, "__html__") else value.translate(_SHOWN)
        case dict():
            return {visible(key): visible(each) for key, each in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [visible(each) for each in cast("list[Any]", value)]
        case _:
            return value
