"""From what a user writes to a scheme: a name, or a call with plain values."""

from __future__ import annotations

import ast
import inspect
from difflib import get_close_matches
from typing import Any

from initium.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from initium.schemes._rule import Scheme
from initium.schemes._table import SCHEMES


def scheme(spec: Scheme | str) -> Scheme:
    """The scheme that a specification names.

    Args:
        spec: A :class:`Scheme`, the name of one (``"textbook"``), or a call with plain values (``"normal(0.02)"``,
            ``"he_normal(mode='fan_out')"``). Nothing is evaluated but numbers and strings.

    Returns:
        The scheme.

    Raises:
        UnknownNameError: No scheme has that name.
        ArgumentError: The text is no call, or the arguments do not fit.
        ArgumentTypeError: Neither a scheme nor a string.

    Example:
        >>> scheme("uniform(bound=0.1)").name
        'uniform(0.1)'
    """
    if isinstance(spec, Scheme):
        return spec
    if not isinstance(spec, str):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
        raise ArgumentTypeError(
            f'a scheme is a Scheme, a name such as "textbook", or a call such as "normal(0.02)"; got {spec!r} of type '
            f"{type(spec).__name__}."
        )
    name, args, kwargs = _parse(spec)
    return _make(spec, name, args, kwargs)


def _parse(spec: str) -> tuple[str, list[Any], dict[str, Any]]:
    try:
        node = ast.parse(spec.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, [], {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            values = {each.arg: ast.literal_eval(each.value) for each in node.keywords}
            return node.func.id, [ast.literal_eval(each) for each in node.args], _named(values)
    except (SyntaxError, ValueError):
        pass
    if spec.strip().isidentifier() or not spec.strip().replace("-", "_").isidentifier():
        raise ArgumentError(
            f"{spec!r} is no scheme: write a name or a call with plain values, such as "
            f'"he_normal" or "normal(0.02)". Known: {", ".join(SCHEMES)}.'
        )
    return spec.strip(), [], {}


def _named(values: dict[str | None, Any]) -> dict[str, Any]:
    """Keyword arguments; ``**`` has no name and is refused."""
    if None in values:
        raise ValueError
    return {str(key): value for key, value in values.items()}


def _make(spec: str, name: str, args: list[Any], kwargs: dict[str, Any]) -> Scheme:
    if name not in SCHEMES:
        plain = name.lower().replace("-", "_").replace("xavier", "glorot").replace("kaiming", "he")
        near = get_close_matches(plain, SCHEMES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"no scheme is called {name!r}.{hint} Known: {', '.join(SCHEMES)}.")
    signature = inspect.signature(SCHEMES[name])
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        takes = ", ".join(str(each).partition(":")[0] for each in signature.parameters.values()) or "nothing"
        raise ArgumentError(f"{spec!r} does not fit scheme {name!r}, which takes {takes}: {error}.") from error
    try:
        return SCHEMES[name](*bound.args, **bound.kwargs)
    except TypeError as error:
        raise ArgumentError(f"{spec!r} does not fit scheme {name!r}: {error}.") from error
