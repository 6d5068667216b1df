"""Weights by name, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from initium.network import Facts, Network

_INSIDE = ("state_dict", "model_state_dict", "model", "module")


@dataclass(frozen=True, slots=True)
class Source:
    """Weights, by name.

    Attributes:
        title: What they are of.
        shapes: The shape of each.
        names: All names of each, more than one for a tied one.
        load: The tensor of a name.
        network: What is known of the model; ``None`` where there are shapes alone.
        notes: What was left out.
    """

    title: str
    shapes: dict[str, tuple[int, ...]]
    names: dict[str, tuple[str, ...]]
    load: Callable[[str], torch.Tensor]
    network: Network | None = None
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Facts]:
        """The facts of each parameter; empty where there are shapes alone."""
        return {each.name: each for each in self.network.parameters} if self.network else {}


def mapping(weights: Mapping[str, object], title: str) -> Source:
    """The tensors of a mapping, or of the one inside it, where it is a checkpoint with other things beside."""
    nested = next((key for key in _INSIDE if isinstance(weights.get(key), Mapping)), None)
    if nested and not any(isinstance(value, torch.Tensor) for value in weights.values()):
        return mapping(cast("Mapping[str, object]", weights[nested]), title)
    tensors = {str(name): value for name, value in weights.items() if isinstance(value, torch.Tensor)}
    rest = len(weights) - len(tensors)
    names: dict[tuple[Any, ...], list[str]] = {}
    for name, value in tensors.items():
        names.setdefault(_where(name, value), []).append(name)
    tied = {each[0]: tuple(each) for each in names.values()}
    shapes = {name: tuple(tensors[name].shape) for name in tied}
    notes = (f"{rest} entries are no tensors and are left out",) if rest else ()
    return Source(title, shapes, tied, lambda name: tensors[name], None, notes)


def _where(name: str, value: torch.Tensor) -> tuple[Any, ...]:
    """Equal for one memory seen in one way: a tied weight."""
    if value.is_meta or not value.numel() or value.layout != torch.strided or value.is_quantized:
        return (name,)
    return (value.device, value.data_ptr(), value.dtype, *value.shape, value.stride())
