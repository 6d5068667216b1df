"""Weights that hold the same values: as other weights do, or one block of rows after the other.

A few elements of each tell which may be equal, all weights of one shape in one transfer; whole weights are compared only
there, so that telling costs next to nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor

_MATRIX, _PROBES, _FEWEST, _LOOKED_AT = 2, 4, 16, 1024
_SHARDS = (8, 6, 5, 4, 3, 2)


class Alike(NamedTuple):
    """Groups of weights with equal values, and the weights that are one block of rows, with the number of blocks."""

    copies: tuple[tuple[str, ...], ...]
    repeats: tuple[tuple[str, int], ...]


def alike(weights: Mapping[str, Tensor]) -> Alike:
    """What of some weights is there more than once, and looks drawn.

    Args:
        weights: By name; no tensor twice.
    """
    shapes: dict[tuple[object, ...], dict[str, Tensor]] = defaultdict(dict)
    for name, value in weights.items():
        if value.ndim >= _MATRIX and value.numel() >= _FEWEST:
            shapes[value.shape, value.dtype, value.device][name] = value
    copies, repeats = list[tuple[str, ...]](), list[tuple[str, int]]()
    for several in shapes.values():
        probed = _probed(several)
        copies += _copies(several, probed)
        repeats += [(name, count) for name, value in several.items() for count in _blocks(value, probed[name])]
    return Alike(tuple(copies), tuple(repeats))


def _starts(value: Tensor) -> dict[int, int]:
    """By the number of blocks that a weight may be of, the row at which the second would begin."""
    rows = len(value)
    counts = [*([rows] if value.ndim > _MATRIX and rows > _SHARDS[0] else []), *_SHARDS]
    return {count: rows // count for count in counts if rows % count == 0 and value.numel() // count >= _FEWEST}


def _probed(several: dict[str, Tensor]) -> dict[str, list[list[Any]]]:
    """The first elements of the first row, of the rows where blocks may begin, and of the last row, of weights of one shape."""
    like = next(iter(several.values()))
    size = like.numel() // len(like)
    rows = torch.tensor([0, *_starts(like).values(), len(like) - 1], device="cpu")
    places = rows[:, None] * size + torch.arange(min(size, _PROBES), device="cpu")
    places = places.to(like.device)
    found = torch.stack([value.reshape(-1)[places] for value in several.values()]).tolist()
    return dict(zip(several, found, strict=True))


def _copies(several: dict[str, Tensor], probed: dict[str, list[list[Any]]]) -> Iterator[tuple[str, ...]]:
    keyed: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for name, rows in probed.items():
        keyed[tuple(element for row in rows for element in row)].append(name)
    for names in keyed.values():
        waiting = names
        while len(waiting) > 1:
            first, *others = waiting
            equal = {name for name in others if torch.equal(several[name], several[first])}
            if equal and _drawn(several[first]):
                yield (first, *(name for name in others if name in equal))
            waiting = [name for name in others if name not in equal]


def _blocks(value: Tensor, probed: list[list[Any]]) -> Iterator[int]:
    """The largest number of equal blocks of rows, if any."""
    first, *others = probed
    for (count, part), row in zip(_starts(value).items(), others, strict=False):
        if row == first:
            blocks = value.unflatten(0, (count, part))
            if bool((blocks[1:] == blocks[:1]).all()) and _drawn(blocks[0]):
                yield count
                return


def _drawn(value: Tensor) -> bool:
    """Random numbers, as far as a look tells: not mostly zeros, of many sizes, and no row (nor column) like all the others.

    Constants, identities, Dirac kernels, and tables whose rows repeat (``log(1 ... n)`` of a state space) are chosen so.
    """
    flat = value.reshape(len(value), -1)
    if 2 * int((flat != 0).sum()) <= flat.numel():
        return False
    sizes = flat.abs().reshape(-1)[:_LOOKED_AT]
    rows, columns = (each.shape[0] > 1 and bool((each == each[:1]).all()) for each in (flat, flat.T))
    return len(sizes.unique()) > _FEWEST // 2 and not rows and not columns


def comparable(names: Iterable[str], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is asked about: floating or complex parameters, of a dtype and a layout that compare."""
    chosen = {name: values[name].detach() for name in dict.fromkeys(names)}
    return {
        name: value
        for name, value in chosen.items()
        if (value.is_floating_point() or value.is_complex())
        and value.element_size() > 1
        and value.layout == torch.strided
    }
