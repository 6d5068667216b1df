"""Where random numbers come from: a seed and a name."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, SupportsIndex

import torch
from torch._C import _len_torch_dispatch_stack  # pyright: ignore[reportPrivateUsage]  no public name does it
from torch.utils._python_dispatch import _disable_current_modes  # pyright: ignore[reportPrivateUsage]  no public name does it

from initium import checks
from initium.errors import ArgumentError, ArgumentTypeError
from initium.random._observed import observed

if TYPE_CHECKING:
    from collections.abc import Iterable

_CPU = torch.device("cpu")
Key = tuple[int, int, int, int]
WORDS = Struct("<4I")
_WORD = 1 << 32
UNNAMED = (
    "only a named stream draws, so that two tensors never share their numbers: "
    'use `Stream(seed).child("layers.0.weight")`.'
)


def _seed(value: SupportsIndex) -> int:
    if isinstance(value, torch.Generator):
        raise ArgumentTypeError(
            "a seed is an integer in [0, 2**128); got a torch.Generator. Use `Stream.from_generator(generator)`."
        )
    seed = value if type(value) is int else checks.integer(value, "a seed")
    if not 0 <= seed < 1 << 128:
        raise ArgumentError(f"a seed is an integer in [0, 2**128); got {seed}.")
    return seed


# Where each thread draws its keys: to make a tensor for every one takes as long as to fill 500 elements.
_ROOMS = threading.local()


def words_from(generator: torch.Generator | None) -> Key:
    """Four words drawn from torch's generator."""
    if _len_torch_dispatch_stack():
        # A seed is a value: inside a trace or a fake mode it must not become an operation, which would have none.
        with _disable_current_modes():
            return words_from(generator)
    if not observed():
        return words_unobserved(generator)
    device = _CPU if generator is None else generator.device
    k0, k1, s0, s1 = _one_by_one(_words(device), generator)
    return k0, k1, s0, s1


def words_unobserved(generator: torch.Generator | None) -> Key:
    """The same where nobody watches what is done to tensors."""
    try:
        room = _ROOMS.words
    except AttributeError:
        with torch.inference_mode(mode=False):
            room = _ROOMS.words = _words(_CPU)
    if generator is None:  # to name it takes a tenth of the time
        k0, k1, s0, s1 = room.random_(_WORD).tolist()
    elif generator.device == _CPU:
        k0, k1, s0, s1 = room.random_(_WORD, generator=generator).tolist()
    else:
        k0, k1, s0, s1 = _one_by_one(_words(generator.device), generator)
    return k0, k1, s0, s1


def _one_by_one(room: torch.Tensor, generator: torch.Generator | None) -> Iterable[int]:
    return map(int, room.random_(_WORD, generator=generator))  # of torch 2.6 a transform's tensor makes no list


def _words(device: torch.device) -> torch.Tensor:
    return torch.empty(4, dtype=torch.int64, device=device)


@lru_cache(maxsize=256)
def _key(seed: int, name: str) -> Key:
    digest = blake2b(name.encode(), key=seed.to_bytes(16, "little"), digest_size=16).digest()
    return WORDS.unpack(digest)  # pyright: ignore[reportReturnType]  four, as the format says


@dataclass(frozen=True, slots=True)
class Stream:
    r"""A source of random numbers that is a value, not a state: number i is a function of (seed, name, i).

    ``key = BLAKE2b(name, key=seed, digest_size=16)``; word i is word ``i & 3`` of
    ``Philox4x32-10(counter=i >> 2, key)``. Nothing is used up by drawing: the same stream gives the same values again,
    on any device, with any number of threads, whole or in slices.

    Only a named stream draws. ``Stream(seed)`` is the root; ``.child(name)`` names it, with a parameter's qualified
    name as a rule; a child of a child joins the names with ``/``.

    Args:
        seed: An integer in [0, 2**128).
        name: The name, or None for the root.

    Raises:
        ArgumentError: The seed is out of range, or the name is empty.
        ArgumentTypeError: The seed is no integer (a truth value is none), or the name is no text.

    Example:
        >>> from initium.random import Stream
        >>> stream = Stream(0).child("layers.0.weight")
        >>> [f"{word:08x}" for word in stream.key]
        ['377c7da3', '522d1712', 'ff4cf840', 'd7635f86']
        >>> stream.child("re").name
        'layers.0.weight/re'

    Reference:
        Saarinen & Aumasson (2015), RFC 7693 (BLAKE2b); Salmon et al. (2011), section 3.3 (Philox).
    """

    seed: int
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", _seed(self.seed))
        if self.name is None:
            return
        if not isinstance(self.name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  checked at the door
            raise ArgumentTypeError(f"a stream's name is text; got {self.name!r} of type {type(self.name).__name__}.")
        if not self.name:
            raise ArgumentError("a stream's name may not be empty: use the parameter's qualified name.")
        try:
            self.name.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"a stream's name is text that UTF-8 can write; got {self.name!r}.") from error
        object.__setattr__(self, "name", str(self.name))

    @classmethod
    def from_generator(cls, generator: torch.Generator | None = None) -> Stream:
        r"""The root stream of a 128-bit seed drawn from torch's generator: how ``torch.manual_seed`` reaches us.

        The generator advances by the same amount whatever is filled afterwards. It may live on any device; what is
        drawn from the stream does not depend on the device of the tensor that is filled.

        Args:
            generator: torch's generator; None takes torch's default one for the CPU.

        Returns:
            An unnamed stream.

        Raises:
            ArgumentTypeError: ``generator`` is no ``torch.Generator``.

        Example:
            >>> import torch
            >>> from initium.random import Stream
            >>> first, again = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
            >>> Stream.from_generator(first) == Stream.from_generator(again)
            True
        """
        return cls(int.from_bytes(WORDS.pack(*words_from(checks.generator(generator))), "little"))

    def child(self, name: str) -> Stream:
        """The stream of a name below this one: ``name`` at the root, ``mine/name`` further down.

        Args:
            name: Text, not empty; a parameter's qualified name as a rule.

        Returns:
            A stream of the same seed.

        Raises:
            ArgumentError: The name is empty.
            ArgumentTypeError: The name is no text.

        Example:
            >>> from initium.random import Stream
            >>> Stream(0).child("head.weight")
            Stream(seed=0, name='head.weight')
        """
        named = Stream(self.seed, name)
        return named if self.name is None else Stream(self.seed, f"{self.name}/{named.name}")

    @property
    def key(self) -> Key:
        """The four 32-bit words ``k0 k1 s0 s1``: Philox's key, then the upper half of its counter."""
        if self.name is None:
            raise ArgumentError(UNNAMED)
        return _key(self.seed, self.name)
