"""A walk over the graph on real tensors: the one interpreter that measuring and calibrating share."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, fx

from initium.errors import InitiumError, TraceError
from initium.network._leaves import map_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.network._facts import Use
    from initium.network._network import Network


class Walk(fx.Interpreter):
    """Runs a network's graph node by node; a subclass sees the output of every use of a weight, and may replace it.

    Values are dropped as soon as nobody reads them, so the walk holds no more than a plain forward pass.
    """

    def __init__(self, network: Network, *, on_shapes: bool = False) -> None:
        if network.trace is None or (network.trace.fake and not on_shapes):
            raise TraceError("a walk on data needs a network that was traced on data, on a device with memory.")
        super().__init__(network.trace.graph)
        self.extra_traceback = False  # an error's message is the model's own
        self.network = network
        self.choices: dict[str, Any] = {}  # what these nodes give, whatever the weights are
        self._uses: dict[str, list[Use]] = defaultdict(list)
        self._activated: dict[str, list[Use]] = defaultdict(list)
        for use in network.uses:
            self._uses[use.node].append(use)
            if use.activated:
                self._activated[use.activated].append(use)

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:  # noqa: ARG002 - for subclasses
        """Called with the output of an operation that uses a weight and with the operation's own arguments.

        Returns the value that the rest of the network sees.
        """
        return output

    def at_activation(self, use: Use, value: Tensor) -> None:
        """Called with the value that goes into the activation that follows a use."""

    def operation(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """What a node gives."""
        if n.name in self.choices:
            return map_tensors(self.choices[n.name], Tensor.clone)
        return super().run_node(n)

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """Runs one node and shows it to the hooks."""
        uses = self._uses.get(n.name, ())
        args = cast("Sequence[Any]", self.fetch_args_kwargs_from_env(n)[0]) if uses else ()
        result = self.operation(n)
        for use in uses:
            result = self._seen(use, result, args)
        for use in self._activated.get(n.name, ()):
            self.at_activation(use, result if isinstance(result, Tensor) else result[0])
        return result

    def _seen(self, use: Use, result: Any, args: Sequence[Any]) -> Any:  # noqa: ANN401 - a tensor or a tuple of them
        if isinstance(result, Tensor):
            return self.at_use(use, result, args)
        first = self.at_use(use, result[0], args)
        return result if first is result[0] else (first, *result[1:])


def run_walk(walk: Walk, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The graph's outputs for these placeholders; the model's random operations draw from the current random state.

    Raises:
        TraceError: The graph does not run on them: they lead where the traced ones did not.
    """
    try:
        return cast("list[Tensor]", walk.run(*tensors, enable_io_processing=False))
    except InitiumError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise TraceError(
            f"the graph of {walk.network.title} holds the sizes and the branches that were met while it was traced, and "
            f"with these values it does not run: {type(error).__name__}: {reason}. Nothing was changed. Give the batch "
            "that it was traced with; where the weights choose the way (routed experts), other weights choose another: "
            "then keep the weights that chose (lsuv: pre=None), call on a model that is initialised already, or on the part "
            "whose way does not depend on them (a backbone)."
        ) from error
