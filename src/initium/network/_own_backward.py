"""The user's ``autograd.Function``s: where they stand in a graph, which has their forward pass alone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import get_proxy_mode, get_proxy_slot
from torch.utils._pytree import tree_flatten, tree_map

from initium.network._ops import op_name
from initium.network._recorder import Recorder
from initium.network._rejoined import root
from initium.network._watch import written

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterator, Mapping

# What autograd makes of an argument that a forward pass gives back as it is.
_SAME = frozenset({"view_as", "alias"})


@dataclass(frozen=True, slots=True)
class OwnBackward:
    """One call of a function with a backward of its own.

    Attributes:
        function: The user's class.
        args: What it was called with; the node that gives it in the place of a tensor of the graph.
        outputs: The nodes of the tensors that it gave, ``None`` for anything else; a tuple where it gave one.
        inside: The nodes of its forward pass.
    """

    function: type[torch.autograd.Function]
    args: tuple[Any, ...]
    outputs: fx.Node | tuple[fx.Node | None, ...]
    inside: frozenset[fx.Node]

    @property
    def inputs(self) -> list[fx.Node]:
        """The nodes that it read."""
        return [each for each in tree_flatten(self.args)[0] if isinstance(each, fx.Node)]

    @property
    def given(self) -> tuple[fx.Node | None, ...]:
        """The nodes of its outputs."""
        return self.outputs if isinstance(self.outputs, tuple) else (self.outputs,)

    def called(self, values: Mapping[fx.Node, Any]) -> list[tuple[fx.Node, Tensor]]:
        """What the function gives for these values, with its own way back, by node."""

        def value(each: object) -> object:
            return values[each] if isinstance(each, fx.Node) else each

        args: tuple[Any, ...] = tree_map(value, self.args)
        with torch.enable_grad():
            made = self.function.apply(*args)
        several = made if isinstance(self.outputs, tuple) else (made,)
        return [(node, each) for node, each in zip(self.given, several, strict=True) if node is not None]


@dataclass(slots=True)
class Called:
    """What a traced run calls of the user's functions.

    Attributes:
        names: Those that ran, by name.
        calls: Those calls that can be made again on other values: the graph has all that they read and gave.
        missed: The names of those of which some call can not.
    """

    names: dict[str, None] = field(default_factory=dict[str, None])
    calls: list[OwnBackward] = field(default_factory=list[OwnBackward])
    missed: dict[str, None] = field(default_factory=dict[str, None])
    _deep: int = 0

    def run(self, cls: type[torch.autograd.Function], forward: Any, args: tuple[Any, ...], kwargs: Any) -> Any:  # noqa: ANN401
        """Runs a forward pass and notes what it read and gave; one inside of another is that one's."""
        self.names[cls.__qualname__] = None
        mode: Any = get_proxy_mode()
        tracer = None if mode is None or kwargs or self._deep else getattr(mode, "tracer", mode)
        given = args[1:] if _takes_context(cls) else args
        read, before = (None, None) if tracer is None else (_nodes(given, tracer), _last(tracer.graph))
        self._deep += 1
        try:
            result = forward(*args, **kwargs)
        finally:
            self._deep -= 1
        call = None if read is None or before is None else _noted(cls, read, result, before, tracer)
        if call is not None:
            self.calls.append(call)
        elif not self._deep:
            self.missed[cls.__qualname__] = None
        return result

    def standing(self, graph: fx.Graph) -> Iterator[OwnBackward]:
        """The calls as the finished graph has them: all nodes that they read and gave are there."""
        there = set(graph.nodes)
        for call in self.calls:
            outputs = tuple(_itself(node, call, there) for node in call.given)
            if there.issuperset(call.inputs) and any(outputs):
                several = isinstance(call.outputs, tuple)
                yield replace(call, outputs=outputs if several else cast("fx.Node", outputs[0]))
            else:
                self.missed[call.function.__qualname__] = None


def _noted(
    cls: type[torch.autograd.Function],
    read: tuple[Any, ...],
    result: Any,  # noqa: ANN401 - what the user's function gives
    before: fx.Node,
    tracer: Any,  # noqa: ANN401 - torch has no public name for it
) -> OwnBackward | None:
    """The call, where the graph has all of it and nothing that it was given is written to."""
    several = isinstance(result, tuple)
    inside, outputs = frozenset(_since(before)), _nodes(result if several else (result,), tracer, outputs=True)
    if outputs is None:
        return None
    call = OwnBackward(cls, read, outputs if several else outputs[0], inside)
    return call if _by_arguments_alone(call) and not _writes_outside(inside) else None


def _by_arguments_alone(call: OwnBackward) -> bool:
    """Whether it has all tensors from its arguments: no closure and no module brings others."""
    known = call.inside.union(call.inputs)
    modules = any(isinstance(each, torch.nn.Module) for each in tree_flatten(call.args)[0])
    return not modules and all(
        parent in known or parent.op == "get_attr" for node in call.inside for parent in node.all_input_nodes
    )


def _itself(node: fx.Node | None, call: OwnBackward, there: Container[fx.Node]) -> fx.Node | None:
    """The node of an output; of an argument that was given back, the view that autograd made of it."""
    if node is None or node not in there:
        return None
    if node not in call.inputs:
        return node
    views = [user for user in node.users if op_name(user) in _SAME and user not in call.inside]
    return views[0] if len(views) == 1 else None


@contextlib.contextmanager
def own_backwards() -> Generator[Called]:
    """Collects the calls of the user's ``autograd.Function``s that run: a graph has their forward pass alone.

    Their forward passes are watched, not ``apply``: a module that keeps ``step = Step.apply`` holds the method itself.
    """
    found = Called()

    def watched(cls: type[torch.autograd.Function], forward: Any) -> Any:  # noqa: ANN401 - any function
        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return found.run(cls, forward.__get__(None, cls), args, kwargs)

        return staticmethod(run)

    with contextlib.ExitStack() as patches:
        for cls in _below(torch.autograd.Function):
            if "forward" in vars(cls) and not cls.__module__.startswith("torch."):
                patches.enter_context(patch.object(cls, "forward", watched(cls, vars(cls)["forward"])))
        yield found


def _below(cls: type[torch.autograd.Function]) -> Iterator[type[torch.autograd.Function]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)


def _takes_context(cls: type[torch.autograd.Function]) -> bool:
    """True for ``forward(ctx, ...)``; a class with a ``setup_context`` of its own has ``forward(...)``."""
    return cls.setup_context is torch.autograd.Function.setup_context


def _nodes(values: tuple[Any, ...], tracer: Any, *, outputs: bool = False) -> tuple[Any, ...] | None:  # noqa: ANN401
    """The values with nodes in the place of tensors; ``None`` where a floating one has none."""
    unknown: list[Tensor] = []

    def node_of(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, Tensor):
            return None if outputs else value
        node = tracer.node_of(value) if isinstance(tracer, Recorder) else _slot(value, tracer)
        if node is None:
            unknown.append(value)
        return node

    found = tree_map(node_of, values)
    return None if unknown else found


def _slot(value: Tensor, tracer: Any) -> fx.Node | None:  # noqa: ANN401
    slot: Any = get_proxy_slot(value, tracer, None)
    return None if slot is None else slot.proxy.node


def _last(graph: fx.Graph) -> fx.Node:
    return next(iter(reversed(graph.nodes)), graph._root)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _since(before: fx.Node) -> Iterator[fx.Node]:
    """The nodes that came after one."""
    node = before.next
    while node.op != "root":
        yield node
        node = node.next


def _writes_outside(inside: frozenset[fx.Node]) -> bool:
    """Whether it writes to what it was given: called again, it would do so twice."""
    places = (given for node in inside for given in written(node.target, node.args))
    return any(root(place) not in inside for place in places)
