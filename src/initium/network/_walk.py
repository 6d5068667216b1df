"""A walk over the graph on real tensors: the one interpreter that measuring and calibrating share."""

from __future__ import annotations

import copy
from collections import defaultdict
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, fx
from torch.autograd.graph import allow_mutation_on_saved_tensors

from initium.errors import InitiumError, TraceError
from initium.network._choices import as_chosen
from initium.network._ways_back import ways_back

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from initium.network._facts import Use
    from initium.network._network import Network
    from initium.network._own_backward import OwnBackward
    from initium.network._traced import Trace


class Walk(fx.Interpreter):
    """Runs a network's graph node by node; a subclass sees the output of every use of a weight, and may replace it.

    Values are dropped as soon as nobody reads them, so the walk holds no more than a plain forward pass.

    Attributes:
        keeps_choices: True for a walk that is run anew, with the choices of the traced run, where its own fit no size.
    """

    keeps_choices: ClassVar[bool] = False

    def __init__(self, network: Network, *, on_shapes: bool = False) -> None:
        if network.trace is None or (network.trace.fake and not on_shapes):
            raise TraceError("a walk on data needs a network that was traced on data, on a device with memory.")
        super().__init__(network.trace.graph)
        self.extra_traceback = False  # an error's message is the model's own
        self.network = network
        self._kept: Mapping[str, Any] = {}
        self._uses: dict[str, list[Use]] = defaultdict(list)
        self._activated: dict[str, list[Use]] = defaultdict(list)
        for use in network.uses:
            self._uses[use.node].append(use)
            if use.activated:
                self._activated[use.activated].append(use)
        self._ways_back = ways_back(network)
        self._held: dict[fx.Node, Any] = {}

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:  # noqa: ARG002 - for subclasses
        """Called with the output of an operation that uses a weight and with the operation's own arguments.

        Returns the value that the rest of the network sees.
        """
        return output

    def at_activation(self, use: Use, value: Tensor) -> None:
        """Called with the value that goes into the activation that follows a use."""

    def operation(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """What a node gives; a choice that is kept, as it was made while the model was traced."""
        result = super().run_node(n)
        return as_chosen(result, self._kept[n.name]) if n.name in self._kept else result

    def keep_choices(self, choices: Mapping[str, Any]) -> None:
        """Called before the graph is run anew, because its sizes did not fit what was chosen on the way."""
        self._kept = choices

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """Runs one node and shows it to the hooks."""
        uses = self._uses.get(n.name, ())
        args = cast("Sequence[Any]", self.fetch_args_kwargs_from_env(n)[0]) if uses else ()
        result = self.operation(n)
        if n in self._ways_back.calls and torch.is_grad_enabled():
            result = self._with_own_way_back(self._ways_back.calls[n], n, result)
        if n in self._ways_back.read:
            self._held[n] = result
        for use in uses:
            result = self._seen(use, result, args)
        for use in self._activated.get(n.name, ()):
            self.at_activation(use, result if isinstance(result, Tensor) else result[0])
        return result

    def forget(self) -> None:
        """Drops all values: what is left holds the way back, and may be held by it."""
        self._held.clear()
        self.env.clear()

    def _with_own_way_back(self, call: OwnBackward, last: fx.Node, result: Any) -> Any:  # noqa: ANN401 - any value
        """What the model's own function gives, whose gradient no operation of its forward pass tells."""
        if not any(isinstance(each, Tensor) and each.requires_grad for each in map(self._held.get, call.inputs)):
            return result
        for node, made in call.called(self._held):
            if node is last:
                result = made
            elif node in self.env:
                self.env[node] = made
        return result

    def _seen(self, use: Use, result: Any, args: Sequence[Any]) -> Any:  # noqa: ANN401 - a tensor or a tuple of them
        if isinstance(result, Tensor):
            return self.at_use(use, result, args)
        first = self.at_use(use, result[0], args)
        return result if first is result[0] else (first, *result[1:])


def run_walk(walk: Walk, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The graph's outputs for these placeholders; the model's random operations draw from the current random state.

    Where the sizes that were met while tracing do not fit what is chosen on the way (neighbours within a radius, the best
    of scored nodes), a walk that keeps choices is run once more with the choices as they were then.

    Raises:
        TraceError: The graph does not run on them: they lead where the traced ones did not.
    """
    start = _Start(walk, tensors) if walk.keeps_choices and _trace_of(walk).choices else None
    try:
        return _run(walk, tensors)
    except InitiumError:
        raise
    except Exception as error:
        if start is None or not start.again():
            raise refusal(walk, error) from error
    try:
        return _run(walk, tensors)
    except InitiumError:
        raise
    except Exception as error:
        raise refusal(walk, error) from error


def _run(walk: Walk, tensors: Sequence[Tensor]) -> list[Tensor]:
    try:
        return cast("list[Tensor]", walk.run(*tensors, enable_io_processing=False))
    finally:
        walk.forget()


def writing(trace: Trace) -> AbstractContextManager[object]:
    """In which a walk of this graph, and its way back, go.

    A function with a backward of its own may write into what torch would keep for its own: where there is one, that is kept
    apart.
    """
    return allow_mutation_on_saved_tensors() if trace.functions else nullcontext()


class _Start:
    """A walk before its first step, so that it can begin anew."""

    def __init__(self, walk: Walk, tensors: Sequence[Tensor]) -> None:
        self._walk, self._tensors = walk, tensors
        self._tables = {name: copy.copy(value) for name, value in vars(walk).items() if isinstance(value, dict | list)}
        self._versions = [tensor._version for tensor in tensors]  # noqa: SLF001 - torch's own word for it
        self._before = [None if tensor.requires_grad else tensor.clone() for tensor in tensors]

    def again(self) -> bool:
        """Takes the walk back, keeping the choices; False where the way back is lost."""
        for tensor, version, before in zip(self._tensors, self._versions, self._before, strict=True):
            if tensor._version != version:  # noqa: SLF001
                if before is None or tensor.requires_grad:
                    return False
                tensor.copy_(before)
        vars(self._walk).update(self._tables)
        self._walk.keep_choices(_trace_of(self._walk).choices)
        return True


def _trace_of(walk: Walk) -> Trace:
    """The trace that is walked."""
    return cast("Trace", walk.network.trace)


def refusal(walk: Walk, error: Exception) -> TraceError:
    """The error of a graph that does not run on what it is given."""
    reason = str(error).partition("\n")[0].rstrip(".")
    return TraceError(
        f"the graph of {walk.network.title} holds the sizes and the branches that were met while it was traced, and "
        f"with these values it does not run: {type(error).__name__}: {reason}. Nothing was changed. Give the batch "
        "that it was traced with; where the weights choose the way (routed experts), other weights choose another: "
        "then keep the weights that chose (lsuv: pre=None), call on a model that is initialised already, or on the part "
        "whose way does not depend on them (a backbone)."
    )
