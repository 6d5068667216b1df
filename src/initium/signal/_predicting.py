"""The walk that predicts: torch's own operations, and weights that are known by their law."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch

from initium.network import addend
from initium.random import normal_
from initium.signal._laws import Law, too_large
from initium.signal._measuring import Measuring
from initium.signal._products import Product, RandomProduct
from initium.signal._rows import GradientFigures, WeightFigures, weight_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, fx

    from initium.network import Network, Use
    from initium.random import Stream

_EXACT = "weights that are too large to be drawn: their products were, by the covariances of positions"
_MEAN_OF_ABS = math.sqrt(2 / math.pi)


class Predicting(Measuring):
    """Runs a graph on weights, or on draws by their laws; of the large ones the products are drawn, never the weights.

    The gradients of the parameters in ``watched``, which no operation multiplies by, are asked for too.
    """

    looks_beside = False

    def __init__(
        self,
        network: Network,
        laws: Mapping[str, Law | Tensor],
        stream: Stream,
        *,
        watched: Sequence[str] = (),
    ) -> None:
        super().__init__(network, on_shapes=True)
        self.laws, self.stream = laws, stream
        self.watched = watched
        self.norms: dict[str, float] = {}
        self.anchors: list[Tensor] = []
        self.sizes = {facts.name: math.prod(facts.shape) for facts in network.parameters}
        self.hollow = {name for name in too_large(network) if isinstance(laws[name], Law)}
        self._undrawn = {use.node: use for use in network.uses if use.name in self.hollow and use.layout != "gates"}

    def by(self, use: Use) -> str:
        """How the output of a use was found."""
        if use.node in self._undrawn and use.layout != "lookup":
            return "covariances" if use.op == "linear" else "moment"
        return "draws" if isinstance(self.laws[use.name], Law) else "values"

    def parameter(self, name: str, like: Tensor) -> Tensor:
        """What stands for a parameter: drawn by its law, or its own values, or, of a large weight, nothing but a shape."""
        law = self.laws[name]
        if not isinstance(law, Law):
            return law.detach()
        device = "cpu" if like.is_meta else like.device
        if name in self.hollow:
            return torch.zeros((), dtype=like.dtype, device=device).expand(like.shape)
        if law.std == 0 or not (like.is_floating_point() or like.is_complex()):
            return torch.full(like.shape, law.mean, dtype=like.dtype, device=device)
        made = torch.empty(like.shape, dtype=torch.promote_types(like.dtype, torch.float32), device=device)
        return normal_(made, self.stream.child(name), 0.0, law.std).add_(law.mean).to(like.dtype)

    def figures(self, name: str, value: Tensor) -> WeightFigures:
        """The figures of a weight or a bias; of one that was not drawn, those of its law."""
        law = self.laws[name]
        if name not in self.hollow or not isinstance(law, Law):
            return weight_figures(value)
        rms, std = (torch.tensor(each, device=value.device) for each in (math.hypot(abs(law.mean), law.std), law.std))
        return WeightFigures(rms, std, rms, torch.zeros_like(rms))

    def weight_gradients(self) -> dict[str, GradientFigures]:
        """Those of weights that were not drawn."""
        return {name: _figures(norm, self.sizes[name]) for name, norm in self.norms.items()}

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - the interpreter's own form
        """A constant of the graph; one that was met while there was no memory is taken as ones."""
        found = super().get_attr(target, args, kwargs)
        if isinstance(found, torch.Tensor) and (found.is_meta or getattr(found, "fake_mode", None) is not None):
            self.notes[f"the constant {target} of the graph has no values: taken as ones"] = None
            return torch.ones(found.shape, dtype=found.dtype, device="cpu")
        return found

    def operation(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """What a node gives: drawn where its weight was not."""
        use = self._undrawn.get(n.name)
        if use is None:
            return super().operation(n)
        return self._product(n, use, cast("Sequence[Any]", self.fetch_args_kwargs_from_env(n)[0]))

    def _product(self, n: fx.Node, use: Use, args: Sequence[Any]) -> Tensor:
        law, stream = cast("Law", self.laws[use.name]), self.stream.child(f"{use.name}@{use.node}")
        meta: Any = n.meta.get("tensor_meta") or n.meta.get("val")
        shape = tuple(meta.shape)
        if use.layout == "lookup":
            return _rows(args, law, shape, stream, meta.dtype)
        data = next(each for each in args if isinstance(each, torch.Tensor) and 0 not in each.stride())
        exact, std = use.op == "linear", math.hypot(abs(law.mean), law.std)
        product = Product(shape, std, use.fan_in, use.fan_out, exact, stream, use.name, self.norms)
        self.notes[
            _EXACT if exact else f"the product of `{use.name}` ({use.op}) was drawn by its second moment alone"
        ] = None
        self.anchors.append(torch.zeros((), requires_grad=True, device="cpu"))
        made = cast("Tensor", RandomProduct.apply(data, self.anchors[-1], product))
        bias = addend(use, made, args)
        return made if bias is None else (made + bias).to(made.dtype)


def _rows(args: Sequence[Any], law: Law, shape: tuple[int, ...], stream: Stream, dtype: torch.dtype) -> Tensor:
    """Rows of a table: the same index, the same row."""
    indices = next(each for each in args if isinstance(each, torch.Tensor) and not each.is_floating_point())
    found, places = indices.unique(return_inverse=True)
    table = normal_(torch.empty(len(found), shape[-1], device=indices.device), stream, 0.0, law.std).add_(law.mean)
    return table[places].reshape(shape).to(dtype)


def _figures(norm: float, size: int) -> GradientFigures:
    value = torch.tensor(norm, device="cpu")
    return GradientFigures(value, value, value * _MEAN_OF_ABS / math.sqrt(size))
