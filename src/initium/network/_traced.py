"""What a traced run leaves: a graph of ATen operations, and what is needed to run it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from initium.errors import ArgumentError
from initium.network._batch import batch_tensors
from initium.network._choices import choosers
from initium.network._leaves import replaced

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from torch import Tensor, fx, nn

    from initium.network._batch import Batch
    from initium.network._own_backward import OwnBackward


@dataclass(frozen=True, slots=True)
class Trace:
    """A graph and what is needed to run it again.

    Attributes:
        graph: The operations. Its placeholders are the parameters, then the buffers, then the batch's tensors.
        parameters: The qualified names of the parameters, each tied one once.
        buffers: The qualified names of the buffers.
        output: The model's output as it came while tracing, with hollow tensors in it.
        fake: True where the tensors had shapes and no memory.
        written: Parameters that the forward pass itself writes to (weights clipped as they are used).
        asked: Operations by which the model asked for values that depend on its weights: with other weights it may
            take another way than the graph (routed experts).
        asks: True where the model asked any tensor for a value, its inputs' too: with another batch it may take another way.
        functions: The user's ``autograd.Function``s that ran: the graph has their forward pass, and its gradient is that one's.
        backwards: Their calls that a walk can make itself, and so have the gradient that they give.
        missed: Those of which some call is none of these.
        shapes: The shape of every parameter and buffer, by name.
        modes: Whether each module was in training mode.
        below: True where the graph was taken below autograd, which alone shows what ``torch.func`` does: a part under
            ``no_grad()`` has a gradient in it.
        choices: By node the whole numbers that were chosen by data and decided a size.
        spent: Parameters that are read, and have no part in what goes out: their values were asked for, or dropped.
    """

    graph: fx.GraphModule
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    output: Any
    fake: bool
    written: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ()
    asks: bool = False
    functions: tuple[str, ...] = ()
    backwards: tuple[OwnBackward, ...] = ()
    missed: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    modes: tuple[bool, ...] = ()
    below: bool = False
    choices: Mapping[str, Any] = field(default_factory=dict[str, Any])
    spent: frozenset[str] = frozenset()

    @property
    def entries(self) -> list[fx.Node]:
        """The placeholders of the batch's tensors, in their order."""
        places = [node for node in self.graph.graph.nodes if node.op == "placeholder"]
        return places[len(self.parameters) + len(self.buffers) :]

    def bind(
        self, model: nn.Module, batch: Batch, values: Mapping[str, Tensor] | None = None
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The tensors for the placeholders: detached parameters (no copies), clones of buffers and of the batch.

        A buffer is cloned because the forward pass may write to it (running statistics), and so is a parameter that it
        does write to. ``values`` take the place of the parameters that they name.
        """
        self.check(model)
        held = dict(model.named_parameters()) | dict(model.named_buffers()) | dict(values or {})
        parameters = [held[name].detach() for name in self.parameters]
        parameters = [
            tensor.clone() if name in self.written else tensor
            for name, tensor in zip(self.parameters, parameters, strict=True)
        ]
        buffers = [held[name].detach().clone() for name in self.buffers]
        return parameters, buffers, batch_tensors(batch)

    def check(self, model: nn.Module) -> None:
        """Refuses a model that is not the one that was traced, as far as names, shapes and modes tell.

        Raises:
            ArgumentError: Naming what differs.
        """
        found, modes = shapes_of(model), tuple(module.training for module in model.modules())
        if found != self.shapes:
            apart = min(set(found.items()) ^ set(self.shapes.items()))
            raise ArgumentError(
                f"network= was read of another model: `{apart[0]}` {apart[1]} is in one of them only. Read it of this one: "
                "initium.network.read(model, batch)."
            )
        if modes != self.modes:
            raise ArgumentError(
                "network= was read in another mode: train() or eval() was called since. Read it anew, or go back."
            )

    def choosers(self, weighed: Container[str]) -> set[fx.Node]:
        """The placeholders whose own values lead to a choice, by no node in ``weighed``."""
        return choosers(self.graph.graph, self.choices, weighed)

    def rebuild(self, leaves: Sequence[Tensor]) -> Any:  # noqa: ANN401 - whatever the model returns
        """The model's output with these tensors in it, in the order in which the graph returns them."""
        return replaced(self.output, iter(leaves))


def shapes_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter and buffer, by name."""
    return {name: tuple(tensor.shape) for name, tensor in (*model.named_parameters(), *model.named_buffers())}
