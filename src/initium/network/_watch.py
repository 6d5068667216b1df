"""What a traced run does behind the graph's back: writes to the model's tensors, and values that no node makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from initium.network._leaves import operands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor, fx

_SWITCH: Any = torch._C._set_grad_enabled  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - what no_grad() calls
_UNSEEN = frozenset({torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__array__})
_DATA: Any = torch.Tensor.data  # of the class, it is a descriptor
_CUTS = frozenset({torch.Tensor.detach, torch.detach, _DATA.__get__})
_LIFTED = frozenset({torch.ops.aten.lift_fresh.default, torch.ops.aten.lift_fresh_copy.default})


class Watch(TorchDispatchMode):
    """Sees every operation of a run: copies a tensor of the model before the first write to it, and notes what is made."""

    supports_higher_order_operators = True

    def __init__(self, mine: Iterable[Tensor]) -> None:
        super().__init__()
        self._mine = {_place(tensor): tensor for tensor in mine}
        self._before: dict[int, Tensor] = {}
        self._made: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs the operation as it is."""
        return self._watched(func, args, kwargs)

    def _watched(self, func: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        for place in map(_place, written(func, args)):
            if place in self._mine and place not in self._before:
                self._before[place] = self._mine[place].detach().clone()
        result = func(*args, **(kwargs or {}))
        if func not in _LIFTED:
            known = {0, *map(_place, operands(args, kwargs))}
            for tensor in operands(result):
                if (place := _place(tensor)) not in known:
                    self._made[place] = StorageWeakRef(tensor.untyped_storage())
        return result

    def put_back(self) -> None:
        """Undoes the writes to the model's tensors."""
        with torch.no_grad():
            for place, before in self._before.items():
                self._mine[place].detach().copy_(before)

    def unseen(self, graph: fx.GraphModule) -> Iterator[Tensor]:
        """The graph's constants that this run computed out of the tracer's sight; masks and counts aside."""
        for value in _constants(graph):
            if self._knows(value) and not self._weight(value):
                yield value

    def _weight(self, value: Tensor) -> bool:
        """A layer that the run itself made: drawn anew each time, and a constant to what follows."""
        return isinstance(value, torch.nn.Parameter) and value.is_leaf and _place(value) not in self._mine

    def keep_drawn(self, graph: fx.GraphModule) -> None:
        """Takes the fills of such weights out of the graph, which holds them as they were filled."""
        for node in list(graph.graph.nodes):
            first = node.args[0] if node.op == "call_function" and node.args else None
            if not isinstance(first, torch.fx.Node) or first.op != "get_attr":
                continue
            value = getattr(graph, str(first.target), None)
            if isinstance(value, torch.Tensor) and self._weight(value) and first in written(node.target, node.args):
                node.replace_all_uses_with(first)
                graph.graph.erase_node(node)

    def _knows(self, value: Tensor) -> bool:
        if wrapped(value):  # torch.func's own tensors, which should not have left it
            return True
        place = _place(value)
        return place in self._mine or (place in self._made and not self._made[place].expired())


class LightWatch(Watch):
    """The same where nothing is compiled: torch lets the compiler step over a mode, and loads it to do so."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs the operation as it is."""
        return self._watched(func, args, kwargs)


def _constants(graph: torch.nn.Module) -> Iterator[Tensor]:
    """The floating tensors that a graph holds itself, and those of the graphs in it (the branches of a ``cond``)."""
    for node in getattr(graph, "graph").nodes:  # noqa: B009 - of a module that is a graph
        value = getattr(graph, str(node.target), None) if node.op == "get_attr" else None
        if isinstance(value, torch.nn.Module) and hasattr(value, "graph"):
            yield from _constants(value)
        lifted = all(user.target in _LIFTED for user in node.users)
        if isinstance(value, torch.Tensor) and value.is_floating_point() and not lifted:
            yield value


def blind(graph: fx.GraphModule, parameters: int) -> bool:
    """True where no parameter is used and constants stand in their place: the work is done in another thread."""
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"][:parameters]
    return bool(placeholders) and not any(node.users for node in placeholders) and any(True for _ in _constants(graph))


class Calls(TorchFunctionMode):
    """Notes what a graph cannot show; entered inside what is traced.

    Which switches of the gradient mode switched anything: within an ``autograd.Function`` (a reversible layer, a reentrant
    checkpoint) the mode is off already, and the function has its own way back. A graph that kept the idle switch would
    have no gradient there, nor after it, because the return to "on" is the function's and not the program's.

    And questions that are no operation (``tolist``, ``numpy``): each is asked again as one that is. So is a deep copy.

    Below autograd, a program's own ``detach()`` is made of an alias: autograd, which detaches what it saves, saves none.

    Args:
        below: Whether the graph is taken there.
    """

    def __init__(self, *, below: bool) -> None:
        super().__init__()
        self._below = below
        self._idle: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs the call as it is, a switch in any version of torch."""
        if func in _UNSEEN and isinstance(args[0], torch.Tensor):
            args[0].detach().sum().item()
        if func is torch.Tensor.__deepcopy__:  # a copy of the memory, which no operation shows
            return args[0].detach().clone()
        if self._below and func in _CUTS:
            return func(torch.ops.aten.alias(args[0]), *args[1:])
        if func is not _SWITCH:
            return func(*args, **(kwargs or {}))
        idle = torch.is_grad_enabled() == args[0]
        result = func(*args, **(kwargs or {}))  # the node that the tracer made of it
        if idle:
            self._idle.append(result)
        if torch.is_grad_enabled() != args[0]:  # torch 2.6 notes the switch for the graph and does not make it
            with torch._C.DisableTorchFunction():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                func(*args)
        return result

    def remove_idle(self, graph: fx.Graph) -> None:
        """Takes the switches that switched nothing out of the graph."""
        for node in [node for node in graph.nodes if node.target is _SWITCH and node in self._idle]:
            graph.erase_node(node)


def written(func: Any, args: Any) -> list[Any]:  # noqa: ANN401 - any operator and its arguments
    """The arguments that an operator writes to."""
    schema = getattr(func, "_schema", None)
    if schema is None or not schema.is_mutable:
        return []
    pairs = zip(schema.arguments, args, strict=False)
    return [given for argument, given in pairs if argument.alias_info is not None and argument.alias_info.is_write]


def _place(value: Any) -> int:  # noqa: ANN401 - an argument that is written to may be a list
    """Names the memory of a tensor; 0 where it has none of its own (sparse tensors, lists)."""
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or wrapped(value):
        return 0
    return value.untyped_storage()._cdata  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - names a storage


def wrapped(value: Tensor) -> bool:
    """Whether it is one of ``torch.func``'s own tensors."""
    functorch: Any = torch._C._functorch  # noqa: SLF001  # pyright: ignore - torch has no public name for it
    return functorch.is_functorch_wrapped_tensor(value)
