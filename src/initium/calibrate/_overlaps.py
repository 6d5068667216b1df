"""Parameters that are different objects in the same memory: what is written to one is written to the other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor


def why_shared(name: str, shared: Mapping[str, str]) -> str:
    """What a receipt says of a parameter in the memory of another; empty for one in its own."""
    if name not in shared:
        return ""
    return (
        f"`{name}` lies in the memory of `{shared[name]}`, another Parameter, which a factor would change too; tie them as "
        "one Parameter"
    )


def overlaps(parameters: Mapping[str, Tensor]) -> dict[str, str]:
    """By parameter, another one that has an element in common with it."""
    by_storage = defaultdict[int, list[str]](list)
    for name, each in parameters.items():
        if each.layout == torch.strided and not each.is_meta and each.numel():
            by_storage[each.untyped_storage().data_ptr()].append(name)
    found: dict[str, str] = {}
    for names in by_storage.values():
        for one, other in _near(names, parameters):
            if _meet(parameters[one], parameters[other]):
                found.setdefault(one, other)
                found.setdefault(other, one)
    return found


def _near(names: Iterable[str], parameters: Mapping[str, Tensor]) -> Iterable[tuple[str, str]]:
    """The pairs whose ranges of memory meet; a flat buffer that many are cut from has none."""
    going: list[str] = []
    for name in sorted(names, key=lambda name: _range(parameters[name])):
        start = _range(parameters[name])[0]
        going = [each for each in going if _range(parameters[each])[1] > start]
        yield from ((each, name) for each in going)
        going.append(name)


def _range(value: Tensor) -> tuple[int, int]:
    """The bytes from its first element to its last."""
    start = int(value.storage_offset()) * value.element_size()
    last = sum((size - 1) * int(stride) for size, stride in zip(value.shape, value.stride(), strict=True))
    return start, start + (last + 1) * value.element_size()


def _meet(one: Tensor, other: Tensor) -> bool:
    """True where some byte belongs to both: of two ranges that meet, each may hold every second element."""
    places = [_bytes(each) for each in (one, other)]
    return bool(torch.isin(*places).any())


def _bytes(value: Tensor) -> Tensor:
    first = torch.tensor(value.storage_offset(), device="cpu")
    for size, stride in zip(value.shape, value.stride(), strict=True):
        first = first.unsqueeze(-1) + stride * torch.arange(size, device="cpu")
    return first.flatten() * value.element_size()
