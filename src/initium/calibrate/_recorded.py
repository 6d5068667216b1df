"""Uses that are settled, or looked at, while a model is traced for real: the pass that traces is the pass that sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from torch.fx.node import map_arg

from initium.calibrate._figures import seen_of
from initium.calibrate._lanes import Point
from initium.calibrate._masks import Counting
from initium.calibrate._walks import shares_memory
from initium.errors import InitiumError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, fx

    from initium.calibrate._figures import Seen
    from initium.calibrate._rounds import Way
    from initium.calibrate._walks import Seeing
    from initium.network import Use


class Recorded:
    """A trace that stops at every use of a weight that was met on a way like this one, and goes on with what it is given there.

    Whether the way was like that one is known when the trace is done. What cannot be settled so is passed by.

    Args:
        like: The way that it is taken to be: its batch may be another.
        settle: Makes what is done with each point.
        exact: Whether values are only looked at, as they are.

    Attributes:
        made: What was made for this trace.
        failed: True where something could not be settled.
    """

    def __init__(self, like: Way, settle: Callable[[], Seeing], *, exact: bool) -> None:
        self.parts, self._like, self._settle, self._exact = like.parts, like, settle, exact
        self._uses: dict[str, list[Use]] = {}
        for use in like.network.uses:
            self._uses.setdefault(use.node, []).append(use)
        self.begin()

    def begin(self) -> None:
        """A trace begins."""
        self.made, self.failed = self._settle(), False
        self.counting, self.streams = Counting(self._like.mask), dict[str, "Seen"]()
        self._met = set[str]()
        self._alive = WeakValueDictionary[str, "Tensor"]()

    def __call__(self, node: fx.Node, value: Tensor) -> None:
        """What a node of the trace gives."""
        if self.failed:
            return
        self._alive[node.name] = value
        try:
            if node.name in self._uses:
                self._settled(node, self._uses[node.name], value)
            if node.name in self._like.watched:
                self.streams[node.name] = seen_of(value, None, -1, 1.0, self.counting.at(value, -1))
        except (InitiumError, KeyError):  # a walk over the graph meets it again, and says it in the words of the graph
            self.failed = True

    def was(self, way: Way) -> bool:
        """Whether all uses of the way that was traced were met, each as it was taken to be."""
        return (
            not self.failed
            and {use.node for use in way.network.uses} == self._met
            and list(map(_kind, way.network.uses)) == list(map(_kind, self._like.network.uses))
            and way.parts == self.parts
        )

    def _settled(self, node: fx.Node, uses: list[Use], value: Tensor) -> None:
        small = value.is_floating_point() and value.element_size() <= 2  # noqa: PLR2004 - bytes
        if not self._exact and (small or value.requires_grad):
            self.failed = True  # it may need more precision than it has; or the way back holds it
            return
        args = cast("tuple[Any, ...]", map_arg(node.args, self._value))
        point = Point(node, tuple(uses), args, value, value.dtype, self)
        self.made([point])
        self._met.add(node.name)
        if point.output is not None and point.output is not value:
            self.failed = self.failed or shares_memory(value, args)
            value.copy_(point.output)

    def _value(self, node: fx.Node) -> Tensor:
        return self._alive[node.name]


def _kind(use: Use) -> tuple[object, ...]:
    return use.node, use.name, use.op, use.index, use.layout, use.unit_axis, use.bias, use.direct
