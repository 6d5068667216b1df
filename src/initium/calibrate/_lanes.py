"""Batches that go through the network side by side, so that a weight's figures are those of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

from initium.calibrate._figures import seen_of
from initium.calibrate._masks import Counting
from initium.calibrate._resident import Resident
from initium.errors import InitiumError, TraceError
from initium.network import Walk, addend, cast_as, casting, op_name, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Mapping, Sequence

    from torch import fx

    from initium.calibrate._figures import Seen
    from initium.calibrate._order import Step
    from initium.calibrate._pieces import Part
    from initium.network import Network, Use

_FAINT = 2.0**-10  # of a half-precision output: below it, steps are too coarse for a std


class Stage(Protocol):
    """What one batch meets on its way.

    Attributes:
        counting: Which positions of the batch count.
        parts: What every use is made of.
        streams: What was seen at the watched nodes.
    """

    counting: Counting
    parts: Mapping[tuple[str, str], tuple[Part, ...]]
    streams: dict[str, Seen]


@dataclass(slots=True)
class Point:
    """An operation that uses weights, as one batch reaches it.

    Attributes:
        node: Its node.
        uses: The uses at it.
        args: Its arguments.
        output: What it gives, and what the lane goes on with; ``None`` of a recurrent layer.
        dtype: What its output is computed in.
        lane: The batch that reaches it.
        result: All that a recurrent layer gives. Where the lane stops it has not run: it is run where its gates are looked at.
    """

    node: fx.Node
    uses: tuple[Use, ...]
    args: tuple[Any, ...]
    output: Tensor | None
    dtype: torch.dtype
    lane: Stage
    result: Any = None


class Lane(Walk):
    """One batch on its way, that stops at every use of a weight and goes on with what it is given there.

    Attributes:
        counting: Which positions of the batch count.
        parts: What every use is made of.
        streams: What was seen at the watched nodes.
    """

    def __init__(
        self,
        network: Network,
        parts: Mapping[tuple[str, str], tuple[Part, ...]],
        order: Sequence[Step],
        *,
        watched: Container[str] = (),
        mask: Tensor | None = None,
        choices: Mapping[str, Any] | None = None,
        exact: bool = False,
        resident: Resident | None = None,
    ) -> None:
        super().__init__(network)
        self.counting, self.parts = Counting(mask), parts
        self.streams: dict[str, Seen] = {}
        self._order, self._watched, self._exact = order, watched, exact
        self._resident = resident or Resident()
        self.keep_choices(choices or {})

    def points(self, tensors: Sequence[Tensor]) -> Generator[list[Point]]:
        """Runs the graph, stopping where weights are used: at one place, or at several that are settled together."""
        self.args_iter, self.env = iter(tensors), {}
        for step in self._order:
            running = {node: self._passed(node) for node in step.nodes}
            points = [point for node in step.nodes if (point := self._gone_on(node, running[node])) is not None]
            if points:
                yield points
                for point in points:
                    self._gone_on(point.node, running[point.node])
            for node in step.nodes:
                if node.name in self._watched:
                    self.streams[node.name] = self._figures(self.env[node])  # by no name: one would hold it for long
            self._resident.let_go(self.env[last] for last in step.done)
            for last in step.done:
                del self.env[last]
            self._resident.look()
        self.args_iter, self.env = iter(()), {}

    def _figures(self, value: Tensor) -> Seen:
        return seen_of(value, None, -1, 1.0, self.counting.at(value, -1))

    def _gone_on(self, node: fx.Node, running: Generator[Point, Any, Any]) -> Point | None:
        """Where a node stops next; ``None`` where it is done."""
        try:
            return next(running)
        except StopIteration as end:
            self.env[node] = end.value
            return None

    def _passed(self, node: fx.Node) -> Generator[Point, Any, Any]:
        uses = tuple(self._uses.get(node.name, ()))
        if not uses:
            return self._guarded(self.operation, node)
        args, kwargs = self.fetch_args_kwargs_from_env(node)
        if uses[0].layout == "gates":
            point = Point(node, uses, tuple(args), None, torch.float32, self)
            yield point
            result, point.result, point.args = point.result, None, ()
            return result
        output, others = _first(self._guarded(self.operation, node))
        point = Point(node, uses, tuple(args), output, output.dtype, self)
        del output  # what is settled takes its place: no second one is held
        if not self._exact:
            point.output = _accurate(point, kwargs)
        yield point
        settled, point.output, point.args = point.output, None, ()
        return settled if others is None else (settled, *others)

    def again(self, point: Point) -> None:
        """Runs the operation once more where the lane stands, with what its arguments are by now."""
        point.output = None
        point.output = _first(self._guarded(self.operation, point.node))[0]

    def _guarded(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any value
        try:
            return operation(*args, **kwargs)
        except InitiumError:
            raise
        except Exception as error:
            raise refusal(self, error) from error


def _first(result: Any) -> tuple[Tensor, tuple[Any, ...] | None]:  # noqa: ANN401 - a tensor or several
    return (result, None) if isinstance(result, Tensor) else (result[0], tuple(result[1:]))


def _accurate(point: Point, kwargs: Mapping[str, Any]) -> Tensor:
    """The output, in float32 where half precision overflows, or is too coarse, before the weight is rescaled."""
    output = cast("Tensor", point.output)
    if not output.is_floating_point() or output.element_size() > 2 or output.numel() == 0:  # noqa: PLR2004 - bytes
        return output
    largest = float(output.abs().amax())
    if max(_FAINT, 4 * _largest_bias(point, output)) < largest < torch.finfo(output.dtype).max:
        return output
    target: Any = point.node.target
    return _first(
        target(*[_wide(each) for each in point.args], **{name: _wide(each) for name, each in kwargs.items()})
    )[0]


def _largest_bias(point: Point, output: Tensor) -> float:
    """What is added may be all that is left of an output."""
    biases = [addend(use, output, point.args) for use in point.uses]
    return max((float(bias.abs().amax()) for bias in biases if bias is not None and bias.numel()), default=0.0)


def _wide(value: Any) -> Any:  # noqa: ANN401 - an argument of an operation
    if isinstance(value, Tensor) and value.is_floating_point() and value.element_size() <= 2:  # noqa: PLR2004 - bytes
        return value.float()
    return [_wide(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


class _Apart:
    """A lane that is cast as its own graph says: where it stops inside autocast, the others do not go on in it."""

    def __init__(self, going: Generator[list[Point]]) -> None:
        self._going, self._casting = going, casting()

    def next(self) -> list[Point] | None:
        """Where the lane stops next; ``None`` at its end."""
        cast_as(self._casting)
        points = next(self._going, None)
        self._casting = casting()
        return points


def sweep(lanes: Sequence[Lane], tensors: Sequence[Sequence[Tensor]], settle: Callable[[list[Point]], None]) -> None:
    """Takes all lanes from use to use together; at each, ``settle`` says what every lane goes on with.

    Raises:
        TraceError: The batches lead different ways.
    """
    going = [_Apart(lane.points(given)) for lane, given in zip(lanes, tensors, strict=True)]
    while steps := [points for lane in going if (points := lane.next()) is not None]:
        _check(steps, len(going))
        settle([point for points in steps for point in points])


def _check(steps: Sequence[Sequence[Point]], lanes: int) -> None:
    places = {
        tuple((op_name(each.node), *((use.name, use.index) for use in each.uses)) for each in step) for step in steps
    }
    if len(places) > 1 or len(steps) < lanes:
        names = " and ".join(dict.fromkeys(f"`{step[0].uses[0].name}`" for step in steps))
        raise TraceError(
            f"the batches lead different ways: not all reach {names} at the same step. Give batches of one kind."
        )


def of_each_lane(points: Sequence[Point]) -> list[Point]:
    """The first point of every lane."""
    found: dict[int, Point] = {}
    for point in points:
        found.setdefault(id(point.lane), point)
    return list(found.values())
