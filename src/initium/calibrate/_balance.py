"""What a walk says of weights that are given the sizes they are to have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from initium.network import ANSWERS, WEIGHT_NORM, addend
from initium.planning import law_of_fill, write
from initium.random import Stream
from initium.records import Constant, Keep, Normal, Values
from initium.schemes import textbook
from initium.signal import Law, Predicting, laws_of, there_and_back

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, fx, nn

    from initium.calibrate._scales import Scales
    from initium.network import Batch, Facts, Network, Use
    from initium.schemes import Rule

# Elements. To make an orthogonal matrix of more takes longer than the walk, and its units see enough of a draw for a law to hold.
LARGEST = 1 << 18


class Balancing(Predicting):
    """A predicting walk that gives the output of every weight the size that is wanted, and goes on with that."""

    def __init__(
        self,
        network: Network,
        laws: Mapping[str, Law | Tensor],
        stream: Stream,
        scales: Scales,
        pooled: Mapping[str, float],
    ) -> None:
        super().__init__(network, laws, stream, watched=sorted(scales.beside))
        self.answering = {use.name: use.reads for use in reversed(network.uses) if use.name in scales.answers}
        self.read = dict.fromkeys(self.answering.values(), 0.0)
        self.factors: dict[str, float] = {}
        self.squares: dict[str, list[tuple[float, int]]] = {}
        self.used: set[str] = set()
        self.multiplied: dict[str, float] = {}
        self.arrived: dict[str, float] = {}
        self._spreads: dict[str, float] = {}
        self._sizes: dict[str, float] = {}
        self.joint: dict[str, float] = {}
        self._goals, self._pooled, self._joints = scales.goals, pooled, scales.joints
        self._turned, self._tied = scales.turned, scales.tied

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """Also the spread of what several weights give together, and the size of what answers are made of."""
        result = super().run_node(n)
        if isinstance(result, torch.Tensor) and result.numel():
            if n.name in self.read:
                self.read[n.name] = _rms(result)
            if n.name in self._joints:
                self.joint[n.name] = _spread(result.detach())
        return result

    def norm(self, name: str, value: Tensor) -> float:
        """The L2 norm of what stood for a parameter."""
        law = self.laws[name]
        if name in self.hollow and isinstance(law, Law):
            return math.hypot(abs(law.mean), law.std) * math.sqrt(value.numel())
        return _rms(value) * math.sqrt(value.numel())

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:
        """The output that the rescaled weight gives; a weight that is used again keeps its first factor."""
        self.used.update((use.name, *use.joined))
        if use.name in self._tied and "embedding" not in use.op:
            self.multiplied.setdefault(use.name, _rms(output))
        if use.name not in self._goals or not output.numel():
            self._sizes[use.node] = _rms(output)
            return output
        bias = addend(use, output, args)
        product = output.to(torch.promote_types(output.dtype, torch.float32))
        product = product if bias is None else product - bias
        size, given, goal = _rms(product), self._given(use), self._goals[use.name]
        # No more than the rounding of what came before is what a norm leaves of a mean: weights that made a signal of it
        # would be huge.
        square = 0.0 if size <= torch.finfo(product.dtype).eps * given else size**2
        if use.node not in self._turned:
            self.squares.setdefault(use.name, []).append((square, product.numel()))
        if use.name not in self.factors and square > 0:  # a state that begins as zero tells nothing
            self.factors[use.name] = _factor(goal, square * self._pooled.get(use.name, 1.0))
        scaled = product * self.factors.get(use.name, 1.0)
        output = (scaled if bias is None else scaled + bias).to(output.dtype)
        self._sizes[use.node] = max(_rms(output), 0.0 if square > 0 else given)
        if use.after.kind in ANSWERS:
            self._spreads[use.node] = _spread(output)
        return output

    def _given(self, use: Use) -> float:
        """The largest of what the weights before it gave; 0 where one is not known to have given anything."""
        given = [self._sizes.get(node, 0.0) for node in use.sources]
        return max(given) if given and all(given) else 0.0

    def at_activation(self, use: Use, value: Tensor) -> None:
        """The rms of what the activation sees, which other weights may have added to.

        Of an answer, the size of the product by the time that it goes out: biases and shifts are no part of it, so spreads are
        compared. What a loss of the model's own bends may hold a target by then, and tells nothing.
        """
        if use.name not in self._goals or not value.numel():
            return
        if use.after.kind not in ANSWERS:
            if not use.head:
                self.arrived.setdefault(use.name, _rms(value))
        elif spread := self._spreads.get(use.node):
            self.arrived.setdefault(use.name, self._goals[use.name] * _spread(value) / spread)


def _rms(value: Tensor) -> float:
    """The root of the mean square of all elements."""
    wide = value.detach().to(torch.promote_types(value.dtype, torch.float32))
    return float(torch.linalg.vector_norm(wide)) / math.sqrt(max(value.numel(), 1))


def _spread(value: Tensor) -> float:
    """The std of all elements."""
    wide = value.detach().to(torch.promote_types(value.dtype, torch.float32))
    return _rms(wide - wide.mean())


def _factor(goal: float, square: float) -> float:
    return goal / math.sqrt(square) if square > 0 and math.isfinite(square) else 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one walk found.

    Attributes:
        stds: The std of every weight that gives its output the wanted size.
        rates: ``|g| / |w|`` of every weight at that size.
        outputs: The rms of the output of every tied table where it is multiplied by.
        inputs: By weight, the rms of what it reads first; 0 where that is nothing but rounding.
        arrived: By weight, the rms of what the activation behind it sees first, or of what goes out.
        joint: By value that goes out and that several weights give together, the std of its elements.
        pooled: Of weights that are used more than once, the mean square of what they give all uses against the first's.
    """

    stds: dict[str, float]
    rates: dict[str, float]
    outputs: dict[str, float]
    inputs: dict[str, float]
    arrived: dict[str, float]
    joint: dict[str, float]
    pooled: dict[str, float]


def walked(
    model: nn.Module, batch: Batch, network: Network, scales: Scales, *, seed: int, before: Round | None = None
) -> Round:
    """One walk forwards and back at these sizes; what a weight gives all its uses is known from the walk before."""
    known = {facts.name: facts for facts in network.parameters}
    sizes, rest = {name: math.prod(facts.shape) for name, facts in known.items()}, textbook().rule
    laws = {
        name: law
        for name, facts in known.items()
        if not facts.frozen and (law := _law(facts, scales, rest)) is not None
    }
    laws |= {
        facts.magnitude: Law(laws[facts.name].std * math.sqrt(sizes[facts.name] / sizes[facts.magnitude]), 0.0)
        for facts in known.values()
        if facts.name in laws and facts.magnitude in sizes and not known[facts.magnitude].frozen
    }
    held = laws_of(model, network, laws) | _written(model, known, scales, rest, Stream(seed))
    walk = Balancing(network, held, Stream(seed), scales, before.pooled if before else {})
    back = there_and_back(walk, model, batch, seed, data=True)
    stds, rates = dict[str, float](), dict[str, float]()
    # Under N(0, 1 / fan_in) what comes out is as large as what goes in.
    seen = {name: [one for one in found if one[0] > 0] or found[:1] for name, found in walk.squares.items()}
    inputs = {name: math.sqrt(found[0][0]) for name, found in seen.items()}
    # A draw of few outputs tells little of what they read.
    inputs |= {
        name: walk.read[node] for name, node in walk.answering.items() if inputs.get(name) and walk.read[node] > 0
    }
    for name in (name for name, facts in known.items() if name in walk.used and not facts.frozen):
        factor = walk.factors.get(name, 1.0)
        if name in scales.bound or name in scales.free:
            stds[name] = factor * laws[name].std
        norm = factor**2 * walk.norm(name, back.leaves[name])
        gradient = float(back.gradients[name].norm) if name in back.gradients else 0.0
        if norm > 0 and 0 < gradient / norm < math.inf and inputs.get(name) != 0:
            rates[name] = gradient / norm
    for name in scales.beside:
        if name in back.gradients and (gradient := float(back.gradients[name].norm)) > 0:
            stds[name] = laws[name].std
            rates[name] = gradient / (stds[name] * math.sqrt(sizes[name]))
    pooled = {name: _pooled(found) for name, found in seen.items() if len(found) > 1}
    return Round(stds, rates, walk.multiplied, inputs, walk.arrived, walk.joint, pooled)


def _pooled(found: Sequence[tuple[float, int]]) -> float:
    """Of mean squares of so many values each, the mean against the first."""
    mean, first = sum(square * count for square, count in found) / sum(count for _, count in found), found[0][0]
    return mean / first if first > 0 and math.isfinite(mean / first) else 1.0


def _law(facts: Facts, scales: Scales, rest: Rule) -> Law | None:
    """The law under which a parameter walks; ``None`` for one that keeps its own."""
    name = facts.name
    if name in scales.given:
        return law_of_fill(scales.given[name], facts.shape)
    if name in scales.layers or name in scales.closing:
        return Law(constant_of(facts, scales), 0.0)
    if name in scales.tables or name in scales.tied or name in scales.divided:
        return Law(0.0, scales.tied.get(name) or scales.size(name))
    return None if facts.whole or facts.computed_by not in {"", WEIGHT_NORM} else _drawn(facts, scales, rest)


def constant_of(facts: Facts, scales: Scales) -> float:
    """What a LayerScale, or the scale of a norm that only outputs read, starts at: of the latter 0 may be the identity."""
    if facts.name in scales.layers:
        return scales.layers[facts.name]
    return scales.closing[facts.name] + (facts.neutral or 0.0) - 1.0


def _written(
    model: nn.Module, known: Mapping[str, Facts], scales: Scales, rest: Rule, stream: Stream
) -> dict[str, Tensor]:
    """What a plan writes that is no draw of independent normals: a gate's uniform weights, a state's orthogonal ones.

    One unit behind a state that hardly varies sees one draw of it, and the size of that is nothing that a law tells.
    """
    found, parameters = dict[str, "Tensor"](), dict(model.named_parameters())
    for name, facts in known.items():
        own = name in scales.bound or name in scales.free
        if own or facts.frozen or facts.whole or facts.computed_by or math.prod(facts.shape) > LARGEST:
            continue
        choice = rest(facts)
        fill = scales.given.get(name) or (choice.fill if choice else None)
        if fill is not None and not isinstance(fill, Keep | Constant | Normal | Values):
            found[name] = torch.empty(facts.shape, dtype=parameters[name].dtype)
            write(found[name], fill, stream.child(name))
    return found


def _drawn(facts: Facts, scales: Scales, rest: Rule) -> Law | None:
    """Under N(0, 1 / fan_in) what has a size of its own; under the law of its textbook what has none."""
    if facts.fan_in and (facts.name in scales.bound or facts.name in scales.free):
        return Law(0.0, facts.fan_in**-0.5)
    choice = rest(facts)
    return None if choice is None else law_of_fill(choice.fill, facts.shape)
