"""torch's generator as a source: the stream of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from initium import checks
from initium.errors import ArgumentTypeError
from initium.random._stream import WORDS, Stream, words_from

if TYPE_CHECKING:
    import torch

    from initium.random._backend import Short
    from initium.random._stream import Key

# A tensor filled by one call has no name, and each call draws a key of its own: any one name does.
NAME = "once"


class Once(Stream):
    r"""The stream of one call, whose key is one draw from torch's generator: how ``torch.manual_seed`` reaches a fill.

    The four words of the key are ``torch.empty(4, dtype=torch.int64).random_(2**32, generator=generator)``, drawn when
    the first number is wanted: a call that is refused, or fills nothing, leaves the generator where it was. A child has
    the key for its seed.

    Args:
        generator: torch's generator, on any device; None takes the default one for the CPU.

    Raises:
        ArgumentTypeError: ``generator`` is no ``torch.Generator``.

    Example:
        >>> import torch
        >>> from initium.random import Once, normal_
        >>> first, again = (
        ...     normal_(torch.empty(3), Once(torch.Generator().manual_seed(1))) for _ in range(2)
        ... )
        >>> torch.equal(first, again)
        True
    """

    __slots__ = ("_drawn", "_generator", "_short")
    seed, name = 0, NAME

    def __init__(self, generator: torch.Generator | None = None) -> None:
        object.__setattr__(self, "_generator", checks.generator(generator))  # a Stream is frozen
        object.__setattr__(self, "_drawn", None)
        object.__setattr__(self, "_short", None)

    # What it is, is its draw, which may not have been made: two are never the same, and none can be copied.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise ArgumentTypeError(
            "a key that a generator is still to draw cannot be copied or saved. Use `Stream.from_generator(generator)`, "
            "which draws at once, and its child of a name."
        )

    @property
    def key(self) -> Key:
        """The draw itself."""
        drawn: Key | None = self._drawn
        if drawn is None:
            drawn = words_from(self._generator)
            object.__setattr__(self, "_drawn", drawn)
        return drawn

    @property
    def short(self) -> Short | None:
        """What was compiled for the short fill that was drawn from here, if one was."""
        return self._short

    def remember(self, short: Short) -> None:
        """Keep what was compiled."""
        object.__setattr__(self, "_short", short)

    def child(self, name: str) -> Stream:
        """The stream of a name, with the draw for its seed.

        Args:
            name: Text, not empty.

        Returns:
            A stream.
        """
        return Stream(int.from_bytes(WORDS.pack(*self.key), "little"), name)
