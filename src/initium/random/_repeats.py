"""The same call once more: a short fill whose law follows from the tensor's shape and dtype and the other arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initium.random._fill import again, note

if TYPE_CHECKING:
    import torch

    from initium.random._backend import Short
    from initium.random._fill import Source
    from initium.random._once import Once


class Repeats:
    """What the calls of one function came to, so that an equal one asks for no law.

    A thousand elements are filled in the time in which Python calls some ten functions: a function that has fans, a gain
    and a law to ask for takes longer to ask than to fill.

    Args:
        values: The types whose equal instances are one argument: a tensor is none, nor is a layer or a user's own number.

    Example:
        >>> import torch
        >>> from initium.random import Once, Repeats, normal_
        >>> repeats, once, out = Repeats(frozenset({float})), Once(), torch.empty(3)
        >>> out is normal_(out, once, 0.0, 0.5)
        True
        >>> repeats.keep(out, once, (0.5,), {})
        >>> repeats.fill(out, None, (0.5,), {}) in {True, False}  # not before Numba is loaded
        True
    """

    __slots__ = ("_known", "_values")

    def __init__(self, values: frozenset[type]) -> None:
        self._known: dict[Any, Short] = {}
        self._values = values

    def fill(self, out: torch.Tensor, source: Source, given: tuple[object, ...], named: dict[str, object]) -> bool:
        """Fill as an equal call did; False, and nothing done, where none is known or the tensor is no plain memory.

        Args:
            out: The tensor.
            source: Where the key comes from.
            given: The other arguments by position.
            named: Those by name.

        Returns:
            Whether it was filled.
        """
        try:
            short = self._known.get(_case(out, given, named))
        except Exception:  # noqa: BLE001  what is no tensor, or cannot be a key, may raise anything: the checks tell
            return False
        return short is not None and again(out, source, short)

    def keep(self, out: torch.Tensor, once: Once, given: tuple[object, ...], named: dict[str, object]) -> None:
        """Remember the fill that this draw was made for, if it was a short one and its arguments are values.

        Args:
            out: The tensor.
            once: The draw.
            given: The other arguments by position.
            named: Those by name.
        """
        if (short := once.short) is None or not self._values.issuperset(map(type, (*given, *named.values()))):
            return
        note(self._known, _case(out, given, named), short)


def _case(out: torch.Tensor, given: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
    case = (out.dtype, out.shape, given, *map(type, given))
    return (*case, *named.items(), *map(type, named.values())) if named else case
