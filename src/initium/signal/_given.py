"""What a batch, and a model's buffers, hold that is not read, or is nothing but zeros where it multiplies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.network import factors, named_tensors, unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from initium.network import Batch, Network


def unread_names(network: Network, batch: Batch) -> tuple[str, ...]:
    """The tensors of the batch that no way leads from to the output, those that are one value again and again left out."""
    idle = unread(network)
    given = [*named_tensors(batch.args, "args"), *named_tensors(dict(batch.kwargs), "kwargs")] if idle else []
    return tuple(name for place, (name, value) in enumerate(given) if place in idle and _varied(value.detach()))


def _varied(value: Tensor) -> bool:
    """More than one number: a mask of ones says nothing that could be missed."""
    return _strided(value) and bool((value != value.flatten()[0]).any())


def blank(network: Network, values: Sequence[Tensor]) -> tuple[str, ...]:
    """The factors that are zero throughout; none where all that the batch holds is (a stand-in for data).

    Args:
        network: A network that was read with a batch.
        values: Of its placeholders, in their order.
    """
    known, trace = factors(network), network.trace
    if not known or trace is None:
        return ()
    places = [node.name for node in trace.graph.graph.nodes if node.op == "placeholder"]
    held = [(name, value.detach()) for name, value in zip(places, values, strict=True)]
    zero = tuple(name for name, value in held if name in known and _is_zero(value))
    entries = {node.name for node in trace.entries}
    real = any(bool(value.any()) for name, value in held if name in entries and _strided(value)) if zero else False
    return zero if real else ()


def _is_zero(value: Tensor) -> bool:
    return value.is_floating_point() and _strided(value) and not bool(value.any())


def _strided(value: Tensor) -> bool:
    return value.layout == torch.strided and not value.is_nested and value.numel() > 1
