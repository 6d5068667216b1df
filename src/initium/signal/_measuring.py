"""The walk that measures: it reduces every output and every gradient at once, and holds no activation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import fx

from initium.errors import InitiumError
from initium.gains import Reach, reach
from initium.network import SUMS, Walk, behind, op_name, root, shape_of, written
from initium.signal._alike import apart
from initium.signal._attentions import softmax_figures
from initium.signal._beside import Beside, arguments, places_of, seen_at
from initium.signal._distinct import gaps, rounding
from initium.signal._inside import Compared
from initium.signal._masks import added_ones, blind_end, filled_in_sight, shown_keys
from initium.signal._moments import UnitMoments, unit_moments
from initium.signal._slopes import passing, pointwise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from initium.network import Network, Use

_COMPARES = {"cross_entropy_loss": "cross-entropy", "binary_cross_entropy_with_logits": "chances"}
_ERRORS = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_KEPT = (
    "with these values other sizes would be chosen than were met while tracing: the choices were kept as they were then"
)


@dataclass(frozen=True, slots=True)
class Reduced:
    """What is kept of an output or of the gradient there.

    Attributes:
        moments: Its moments by unit.
        gaps: Each unit's largest distance from the first unit, relative to the largest magnitude; of a large value no
            further than tells the units apart.
        dtype: The dtype in which it was computed.
        units: How many units it has; 0 where it has no element.
    """

    moments: UnitMoments
    gaps: Tensor
    dtype: torch.dtype
    units: int


def reduce(value: Tensor, axis: int, terms: float) -> Reduced:
    """Reduces a value to what is kept of it; each element is a sum of so many products at most."""
    units = value.shape[axis] if value.ndim and value.numel() else value.numel()
    moments = unit_moments(value, axis)
    return Reduced(moments, gaps(value, axis, moments.largest, rounding(value.dtype, terms)), value.dtype, units)


def _overwritten(network: Network) -> frozenset[str]:
    """The nodes whose values some operation writes into, itself or through views; a loss may write into an output."""
    nodes = network.trace.graph.graph.nodes if network.trace else ()
    given = [each for node in nodes for each in written(node.target, node.args)]
    given += [each for node in nodes if node.op == "output" for each in node.all_input_nodes]
    return frozenset(root(each).name for each in given if isinstance(each, fx.Node))


def _compares(node: fx.Node) -> str:
    """The kind of a comparison that a model makes itself; of torch's errors it shows where two shapes are made one."""
    if op_name(node) == "broadcast_tensors" and len(cast("list[Any]", node.args[0])) == 2:  # noqa: PLR2004 - an answer and a target
        return "error" if any(op_name(end) in _ERRORS for user in node.users for end in user.users) else ""
    return _COMPARES.get(op_name(node), "") if len(node.args) > 1 else ""


def _held_apart(output: Tensor) -> Tensor:
    """The output, or a copy where it is a view (``linear`` on sequences, ``einsum``).

    An operation in place gives a view a new history, and a hook on the old one never hears a gradient.
    """
    return output.clone() if output._is_view() else output  # noqa: SLF001 - torch's own word for it


def _keep(found: dict[str, Reduced], use: Use, terms: float, gradient: Tensor | None, *, vector: bool) -> None:
    """Reduces a gradient; the hook knows the table and not the walk, which would hold what the hook hangs on.

    None comes where other outputs of the same operation have one: of a recurrent layer whose last states alone are read.
    """
    if gradient is None:
        return
    found[use.node] = reduce(_by_units(gradient, vector=vector), use.unit_axis, terms)


def _by_units(output: Tensor, *, vector: bool) -> Tensor:
    """An output with an axis of units: what a vector gives is one unit, and has none."""
    return output.unsqueeze(-1) if vector else output


def _blind(given: Mapping[str, Any]) -> str:
    mask = given.get("attn_mask") if "query" in given else None
    added = isinstance(mask, torch.Tensor) and mask.is_floating_point() and added_ones(mask, given.get("key", mask).mT)
    return "ones" if added else blind_end(given)


def _scored(network: Network) -> dict[str, str]:
    """The sums and products whose value the softmax of an attention takes, with that softmax's node."""
    attends = {each.node for each in network.attends}
    nodes = network.trace.graph.graph.nodes if network.trace else ()
    found: dict[str, str] = {}
    for node in nodes:
        if node.name in attends and "softmax" in op_name(node):
            here = behind(node.all_input_nodes[0])
            masks = len(here.all_input_nodes) == 2 or op_name(here) == "masked_fill"  # noqa: PLR2004 - scores and a mask
            if op_name(here) in {*SUMS, "mul", "masked_fill"} and masks:
                found[here.name] = node.name
    return found


class Measuring(Walk):
    """A walk that fills three tables by node: outputs, gradients at outputs, and slopes of activations.

    Beside them it notes how far apart the samples are, where somebody has set how many there are, and what inputs,
    normalisations and attentions are like.
    """

    keeps_choices = True
    looks_beside: ClassVar[bool] = True

    def __init__(self, network: Network, *, on_shapes: bool = False) -> None:
        super().__init__(network, on_shapes=on_shapes)
        self.outputs: dict[str, Reduced] = {}
        self.gradients: dict[str, Reduced] = {}
        self.activations: dict[str, tuple[Tensor, Tensor]] = {}
        self.apart: dict[str, Tensor] = {}
        self.beside: dict[tuple[str, str], Beside] = {}
        self.shown: dict[str, tuple[Tensor, int]] = {}
        self.blind: dict[str, str] = {}
        self.compared: list[Compared] = []
        self.samples = 0
        self._overwritten = _overwritten(network)
        vectors = {name for facts in network.parameters if len(facts.shape) == 1 for name in facts.names}
        self._vectors = {
            use.node for use in network.uses if use.name in vectors and use.layout == "out_in" and use.fan_out == 1
        }
        self.notes: dict[str, None] = {}
        self.places = places_of(network)
        self._scored = _scored(network)
        self._reaches: dict[Any, tuple[Callable[[Tensor], Tensor], Reach] | None] = {}

    def by(self, use: Use) -> str:  # noqa: ARG002  a prediction knows more ways
        """How the output of a use was found."""
        return "measured"

    def keep_choices(self, choices: Mapping[str, Any]) -> None:
        """Says that what was chosen by data was taken as it was met."""
        super().keep_choices(choices)
        self.notes[_KEPT] = None

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """Looks at what a node is about to read, then runs it."""
        if self.looks_beside and (kind := _compares(n)):
            two = n.args[0] if kind == "error" else n.args[:2]
            self.compared.append(Compared(kind, *(self._value(each).detach() for each in cast("list[Any]", two))))
        if self.looks_beside and (n.name in self.places or n.name in self._scored):
            self.beside.update(seen_at(self.places, n, self._value, self._moments))
            self._look_at_mask(n)
        return super().run_node(n)

    def _look_at_mask(self, n: fx.Node) -> None:
        if n.name in self.places.attends:
            given = {name: self._value(each) for name, each in arguments(n).items()}
            seen = shown_keys(given)
            self.shown.update({} if seen is None else {n.name: seen})
            self.blind[n.name] = self.blind.get(n.name) or _blind(given)
        if n.name in self._scored:
            values = [self._value(each) for each in n.args[:3]]
            if op_name(n) == "masked_fill":
                self.blind[self._scored[n.name]] = "filled" if filled_in_sight(*values) else ""
            elif any(added_ones(one, other) for one, other in (values[:2], values[1::-1])):
                self.blind[self._scored[n.name]] = "ones"

    def _value(self, argument: Any) -> Any:  # noqa: ANN401 - an argument of a node, and what it stands for
        return self.env[argument] if isinstance(argument, fx.Node) else argument

    def _moments(self, node: fx.Node) -> UnitMoments | None:
        """The moments by channel of a value whose channels are the units of a use."""
        seen, uses = self.outputs.get(node.name), self._uses.get(node.name)
        shape = shape_of(node)
        if seen is None or not uses or len(shape) < 2 or seen.units != shape[1]:  # noqa: PLR2004 - a batch of channels
            return None
        return seen.moments if uses[0].unit_axis % len(shape) == 1 else None

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:  # noqa: ARG002 - the hook's form
        """Reduces the output, and its gradient when that comes; several weights of one operation share both."""
        if use.node not in self.outputs:
            vector = use.node in self._vectors
            terms = max(max(each.fan_in, each.fan_out) for each in self._uses[use.node])
            self.outputs[use.node] = reduce(_by_units(output, vector=vector), use.unit_axis, terms)
            distance = apart(output, self.samples)
            if distance is not None:
                self.apart[use.node] = distance
            if output.requires_grad:
                output = _held_apart(output) if use.node in self._overwritten else output
                output.register_hook(partial(_keep, self.gradients, use, terms, vector=vector))
        return output

    def at_activation(self, use: Use, value: Tensor) -> None:
        """Reduces the slope of the activation that follows."""
        if use.activated in self.activations or value.is_complex():
            return
        if use.after.kind == "softmax" and not use.head:
            self._at_choice(use, value)
        if use.after.activation is None:
            return
        known = self._reach(use.after.activation, str(use.after))
        if known is None or value.numel() == 0:
            return
        trace = self.network.trace
        # A backward of the model's own is not run by the walk.
        steps = trace is not None and bool(trace.functions)
        found = passing(known[0], value, self._unit_axis(use, value), known[1], steps=steps)
        if found is not None:
            self.activations[use.activated] = found

    def _at_choice(self, use: Use, value: Tensor) -> None:
        """How often a softmax on the way is as good as decided: its slope is nearly zero at every unit."""
        axis = self._unit_axis(use, value)
        if self.looks_beside and value.ndim > 1 and value.shape[axis] > 1:
            found = softmax_figures(value, axis)["saturated"].to(value)
            self.activations[use.activated] = torch.zeros_like(found), found

    def _reach(self, activation: Any, text: str) -> tuple[Callable[[Tensor], Tensor], Reach] | None:  # noqa: ANN401
        """The function and its reach, read once; what is no function of one number is noted."""
        if activation not in self._reaches:
            try:
                function = pointwise(activation)
                self._reaches[activation] = function, reach(function)
            except (InitiumError, RuntimeError, TypeError, IndexError) as error:
                self._reaches[activation] = None
                self.notes[f"dead and saturated were not measured before `{text}`: {error}"] = None
        return self._reaches[activation]

    def _unit_axis(self, use: Use, value: Tensor) -> int:
        """The use's axis where it still counts the same units, else the last."""
        seen = self.outputs.get(use.node)
        inside = -value.ndim <= use.unit_axis < value.ndim
        return use.unit_axis if inside and seen and value.shape[use.unit_axis] == seen.units else -1
