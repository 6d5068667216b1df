"""The graph and the facts of every parameter: what schemes, walks and checks think with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initium.network._facts import Attends, Facts, Use
    from initium.network._traced import Trace


@dataclass(frozen=True, slots=True)
class Network:
    """A network that was read once.

    Attributes:
        parameters: Facts of every parameter, in the order of ``named_parameters``; a tied parameter once.
        uses: Every use of a weight, in execution order; empty where no batch was given.
        trace: The graph, ``None`` where the network was read from its modules alone.
        unknown: Operations on the data's way that no rule knows (law 4).
        strays: Shapes of the weights that require a gradient and are no parameters of the model.
        title: The type name of the model.
        attends: Every attention, in execution order.
    """

    parameters: tuple[Facts, ...]
    uses: tuple[Use, ...]
    trace: Trace | None
    unknown: tuple[str, ...]
    title: str
    strays: tuple[tuple[int, ...], ...] = ()
    attends: tuple[Attends, ...] = ()

    @property
    def assumed(self) -> bool:
        """True where the network was read with no batch, so that every fact about neighbours is a guess."""
        return self.trace is None

    def facts(self, name: str) -> Facts:
        """The facts of one parameter, by any of its names."""
        return next(facts for facts in self.parameters if name in facts.names)

    @property
    def strange(self) -> tuple[str, ...]:
        """What was met on the way and is not understood, or not the model's, in words (law 4)."""
        unknown = (
            f"operation {each} is known to no rule: what stands beyond it is marked unknown" for each in self.unknown
        )
        strays = (
            f"a weight of shape {each} requires a gradient and is no parameter of the model, so nobody initialises or "
            "trains it: assign it as nn.Parameter, and keep layers in nn.ModuleList, not in a list"
            for each in self.strays
        )
        below = (
            "torch.func or torch.autograd.grad is used, so the model was traced below autograd: gradients are measured "
            "through its torch.no_grad() parts too"
        )
        beyond = [below] if self.trace is not None and self.trace.below else []
        return (*unknown, *strays, *beyond)
