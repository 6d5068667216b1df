"""Memory that a call writes to and others read: a batch that lies in the model's own weights, weights of several processes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from initium.network import map_tensors, tensors_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from initium.network import Batch


def apart(model: nn.Module, batches: Sequence[Batch]) -> tuple[list[Batch], list[str]]:
    """The batches with copies of what lies in the memory of parameters, and the names of these."""
    owners = {_memory(each): name for name, each in model.named_parameters() if _plain(each)}

    def lent(value: Tensor) -> str:
        return owners.get(_memory(value), "") if _plain(value) else ""

    every = [each for batch in batches for each in tensors_in((batch.args, dict(batch.kwargs)))]
    names = sorted({name for each in every if (name := lent(each))})
    if not names:
        return list(batches), names
    made: list[Batch] = []
    for batch in batches:
        args, kwargs = map_tensors(
            (batch.args, dict(batch.kwargs)), lambda each: each.detach().clone() if lent(each) else each
        )
        made.append(replace(batch, args=args, kwargs=kwargs))
    return made, names


def lent_notes(lent: Collection[str], written: Mapping[str, Tensor]) -> Iterator[str]:
    """What a receipt says of them."""
    if lent:
        yield (
            f"the batch lies in the memory of {', '.join(f'`{name}`' for name in lent)}, which is written to: figures are those of "
            "the batch as it was, of which a copy was taken"
        )
    shared = sorted(name for name, each in written.items() if each.device.type == "cpu" and each.is_shared())
    if shared:
        more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        yield (
            f"`{shared[0]}`{more} lies in memory that processes share: another one that holds it sees values change while the "
            "call runs, and the new ones after it"
        )


def _plain(value: Tensor) -> bool:
    if type(value) not in {
        torch.Tensor,
        torch.nn.Parameter,
    }:  # what has memory of another kind is refused where it is met
        return False
    return value.layout == torch.strided and not (value.is_meta or value.is_nested) and value.numel() > 0


def _memory(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()
