"""One draw, from what the caller gave to numbers in memory; the short ones in few steps.

A thousand elements take as long as a dozen calls of Python functions, so that a short fill which was made before, by the
same numbers and in the same dtype, asks only what can have changed since and calls what was compiled.
"""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import increment_version

from initium import checks
from initium.checks import sound
from initium.random import _door
from initium.random._choice import compiled_for, forced
from initium.random._laws import Law
from initium.random._observed import watched
from initium.random._once import Once
from initium.random._stream import Stream, words_unobserved
from initium.random._threads import ALONE
from initium.random._write import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import SupportsFloat

    from initium.random._backend import Short
    from initium.random._stream import Key

# Where a key comes from: a stream, or one draw from torch's generator.
Source = torch.Generator | Stream | None
# The law of a real value, or of the two parts of a complex one.
Laws = tuple[Law, Law | None]
# What a number is if an equal one of its type is the same: a tensor is none, nor is a number of the user's own class.
_OWN = frozenset((int, float))
MOST = 1024  # so many laws are kept, and then forgotten together
_known: dict[Any, Short] = {}


def fill(
    out: torch.Tensor, stream: Stream, start: int, laws: Callable[..., Laws], *numbers: SupportsFloat
) -> torch.Tensor:
    """Check all that a draw is given, and write it."""
    # A compiler would guard the table, and compile anew whenever it grows.
    short = None if torch.compiler.is_compiling() else _looked_up(out, laws, numbers)
    if short is not None and type(start) is int and start == 0 and again(out, stream, short):
        return out
    out, stream = checks.destination(out), _door.named(stream)
    law, imaginary = laws(out.is_complex(), *numbers)
    write(out, stream, _door.index(start, out.numel()), law, imaginary)
    if imaginary is None and not torch.compiler.is_compiling() and _OWN.issuperset(map(type, numbers)):
        _learn(out, stream, law, (laws, out.dtype, numbers, *map(type, numbers)))
    return out


def again(out: torch.Tensor, source: Source, short: Short) -> bool:
    """Fill as was done before, asking only what can have changed; False, and nothing done, where something has.

    No compiler may be at work.
    """
    if (
        not watched()
        and sound(out)
        and 0 < (count := out.numel()) < ALONE
        and out.is_cpu
        and not out.is_neg()
        and not forced()
        and out.untyped_storage().nbytes() >= (out.storage_offset() + count) * out.element_size()
        and (address := out.data_ptr())
        and (key := words_unobserved(None) if source is None else _key(source))
    ):
        increment_version(out)
        short(address, count, key)
        if type(source) is Once:
            source.remember(short)
        return True
    return False


def _key(source: torch.Generator | Stream) -> Key | None:
    """Of a named stream, or drawn for once; None where there is neither."""
    if type(source) is torch.Generator:
        return words_unobserved(source)
    return source.key if isinstance(source, Stream) and source.name is not None else None


def _looked_up(out: torch.Tensor, laws: Callable[..., Laws], numbers: tuple[SupportsFloat, ...]) -> Short | None:
    try:
        return _known.get((laws, out.dtype, numbers, *map(type, numbers)))
    except Exception:  # noqa: BLE001  what is no tensor, or no number, may raise anything: the checks tell
        return None


def _learn(out: torch.Tensor, stream: Stream, law: Law, case: object) -> None:
    if short := compiled_for(out, law):
        note(_known, case, short)
        if type(stream) is Once:
            stream.remember(short)


def note(known: dict[Any, Short], case: object, short: Short) -> None:
    """Remember what a case came to; a full table is forgotten first."""
    if len(known) >= MOST:
        known.clear()
    known[case] = short


def remembered(laws: Callable[..., Laws]) -> Callable[..., Laws]:
    """Laws by their numbers, kept where these are Python's own."""
    kept = lru_cache(maxsize=256, typed=True)(laws)

    @wraps(laws)
    def call(parts: bool, *numbers: SupportsFloat) -> Laws:  # noqa: FBT001  a key
        return (kept if _OWN.issuperset(map(type, numbers)) else laws)(parts, *numbers)

    return call
