"""A run written down as a graph, operation by operation, as autograd has not yet seen them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import torch
from torch import Tensor, fx, nn
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily
from torch.fx import _symbolic_trace
from torch.fx._lazy_graph_module import (
    _make_graph_module,  # pyright: ignore[reportPrivateUsage] - no public name
    _use_lazy_graph_module,  # pyright: ignore[reportPrivateUsage]
)
from torch.fx.experimental.proxy_tensor import (
    PreDispatchTorchFunctionMode,
    ProxyTorchDispatchMode,
    disable_autocast_cache,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from initium.network._leaves import operands
from initium.network._noted import noted
from initium.network._watch import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initium.network._noted import Hearing

_ATEN = torch.ops.aten
_PLAIN = frozenset({Tensor, nn.Parameter, FakeTensor})
_SWITCHES = frozenset(
    {
        torch._C._set_grad_enabled,  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - what no_grad() calls
        torch.amp.autocast_mode._enter_autocast,  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        torch.amp.autocast_mode._exit_autocast,  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    }
)
_LEAVES = (type(None), bool, int, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format)


class UnrecordedError(Exception):
    """The run does something that this recorder has no note for; ``make_fx`` may have."""


def record(run: Callable[..., Sequence[Tensor]], tensors: Sequence[Tensor], hearing: Hearing | None) -> fx.GraphModule:
    """The graph of ``run(*tensors)``: a placeholder for each tensor, then what happens to them, then what it returns.

    What ``make_fx(..., pre_dispatch=True)`` writes, node by node, at a third of its time and without the compiler that it loads
    (seconds, in a process that compiles nothing). Transforms (``vmap``) and control flow as operations are left to it.

    Raises:
        UnrecordedError: There is no note for something that the run does.
    """
    recorder = Recorder(hearing)
    for tensor in tensors:
        recorder.place(tensor)
    with (
        enable_python_dispatcher(),
        _Switches(recorder.graph),
        recorder,
        disable_autocast_cache(),
        patch.object(_symbolic_trace, "_is_fx_tracing_flag", new=True),  # what is compiled runs as it was written
    ):
        results = run(*tensors)
    return recorder.close(results)


class Recorder(ProxyTorchDispatchMode):
    """Writes every operation into a graph before autograd and its decompositions; of torch's class, as that place demands."""

    def __init__(self, hearing: Hearing | None) -> None:
        # Not the parent's: that one loads a compiler to ask for its settings.
        TorchDispatchMode.__init__(self, torch._C.DispatchKey.PreDispatch)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        self.enter_stack = []
        self.graph = fx.Graph()
        self._root = nn.Module()
        self._nodes = WeakTensorKeyDictionary()
        self._constants: dict[fx.Node, Tensor] = {}
        self._kept: dict[int, str] = {}
        self._hearing = hearing
        if hearing is not None:
            hearing.begin()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to be skipped by the compiler means to load it

    def node_of(self, tensor: Tensor) -> fx.Node | None:
        """The node that gave a tensor."""
        return self._nodes.get(tensor)

    def place(self, tensor: Tensor) -> None:
        """A placeholder for a tensor that the run is given."""
        node = self.graph.placeholder(f"arg{len(self.graph.nodes)}_1")
        self._track(node, tensor)

    def close(self, results: Sequence[Tensor]) -> fx.GraphModule:
        """The graph, which returns these tensors."""
        self.graph.output([self._argument(each) for each in results])
        with _use_lazy_graph_module(should_use=True):
            return _make_graph_module(self._root, self.graph, "recorded")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs an operation and notes it."""
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:
            return func(*args, **kwargs)
        if func is _ATEN.is_nonzero.default:
            with self:
                return (args[0] != 0).item()
        with torch._C.DisableTorchFunction():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            return self._noted(func, args, kwargs)

    def _noted(self, func: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        tensors = operands(args, kwargs)
        nodes = [self._nodes.get(tensor) for tensor in tensors]
        unknown = [tensor for tensor, node in zip(tensors, nodes, strict=True) if node is None]
        if any(map(wrapped, unknown)):
            raise UnrecordedError(func)
        if any(type(tensor) not in _PLAIN for tensor in unknown):
            return NotImplemented  # a subclass says itself what it is made of
        known = self._known(tensors, nodes)
        if known is not None and torch.Tag.data_dependent_output in func.tags:
            return _alone(func, args, kwargs, known)
        if func is _ATEN.lift_fresh.default:
            func = _ATEN.lift_fresh_copy.default
        node = self.graph.create_node(
            "call_function",
            func,
            tuple(self._argument(each) for each in args),
            {key: self._argument(each) for key, each in kwargs.items()},
            name=self._name(func),
        )
        result = func(*args, **kwargs)
        self._track(node, result)
        if isinstance(result, Tensor) and result.numel() == 1:
            self._keep_constant(node, func, args, kwargs, known)
        return result

    def _known(self, tensors: list[Tensor], nodes: list[fx.Node | None]) -> dict[int, Tensor] | None:
        """The constants among what an operation is given, by tensor; ``None`` where something of the run is among them."""
        given = [(id(tensor), node) for tensor, node in zip(tensors, nodes, strict=True) if node is not None]
        if any(node not in self._constants for _, node in given):
            return None
        return {tensor: self._constants[node] for tensor, node in given}

    @staticmethod
    def _name(func: Any) -> str | None:  # noqa: ANN401
        return getattr(func, "overloadpacket", func).__name__

    def _keep_constant(self, node: fx.Node, func: Any, args: Any, kwargs: Any, known: dict[int, Tensor] | None) -> None:  # noqa: ANN401
        """Of a number that the program wrote down, and of what is made of such alone, the value: it is no answer of the model."""
        if func is _ATEN.lift_fresh_copy.default:
            with unset_fake_temporarily():
                self._constants[node] = args[0].clone()
        elif known and torch.Tag.nondeterministic_seeded not in func.tags:
            self._constants[node] = _alone(func, args, kwargs, known)

    def _argument(self, value: Any) -> Any:  # noqa: ANN401
        """What a node is given, with nodes in the place of tensors."""
        if isinstance(value, Tensor):
            node = self._nodes.get(value)
            return self._held(value) if node is None else node
        if isinstance(value, list | tuple):
            if hasattr(value, "_fields"):
                raise UnrecordedError(type(cast("object", value)).__name__)
            return type(value)(self._argument(each) for each in cast("list[Any]", value))  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, _LEAVES):
            return value
        raise UnrecordedError(type(value).__name__)

    def _held(self, value: Tensor) -> fx.Node:
        """A tensor from outside, which the graph holds itself."""
        if (name := self._kept.get(id(value))) is None:
            kind = "_param_constant" if isinstance(value, nn.Parameter) else "_tensor_constant"
            name = self._kept[id(value)] = f"{kind}{len(self._kept)}"
            setattr(self._root, name, value)
        node = self.graph.create_node("get_attr", name)
        node.meta["val"] = noted(value)
        return node

    def _track(self, node: fx.Node, value: Any) -> None:  # noqa: ANN401
        if isinstance(value, Tensor):
            self._nodes[value] = node
            node.meta["val"] = noted(value)
            if self._hearing is not None:
                self._hearing(node, value)
        elif isinstance(value, list | tuple):
            node.meta["val"] = noted(value)
            for place, each in enumerate(cast("list[Any]", value)):
                if isinstance(each, Tensor | list | tuple):
                    self._track(self.graph.call_function(operator.getitem, (node, place)), each)


class _Switches(PreDispatchTorchFunctionMode):
    """Notes switches of the gradient mode and of autocast, which are no operations; of torch's class, which alone autocast tells."""

    def __init__(self, graph: fx.Graph) -> None:
        TorchFunctionMode.__init__(self)
        self._graph = graph
        self._open: list[fx.Node] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs the call as it is; a switch gives its node."""
        if func in _SWITCHES:
            return self._switched(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))

    def _switched(self, func: Any, args: Any, kwargs: Any) -> fx.Node:  # noqa: ANN401
        leaves = func is torch.amp.autocast_mode._exit_autocast  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        node = self._graph.call_function(func, (self._open.pop(),) if leaves else args)
        node.meta["val"] = None
        if func is torch.amp.autocast_mode._enter_autocast:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            self._open.append(node)
        if func is torch._C._set_grad_enabled:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            func(*args, **kwargs)
        return node


def _alone(func: Any, args: Any, kwargs: Any, known: dict[int, Tensor]) -> Any:  # noqa: ANN401
    """An operation on the values of constants, which are there even where nothing else has memory."""

    def value(each: Any) -> Any:  # noqa: ANN401
        if isinstance(each, list | tuple):
            return type(each)(map(value, cast("list[Any]", each)))  # pyright: ignore[reportUnknownVariableType]
        return known.get(id(each), each) if isinstance(each, Tensor) else each

    with unset_fake_temporarily():
        return func(*map(value, args), **{key: value(each) for key, each in kwargs.items()})
