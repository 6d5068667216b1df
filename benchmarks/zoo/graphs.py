"""Three layers of every graph convolution of torch_geometric that takes nodes and edges, with ReLU between."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch_geometric.nn as pyg
from torch import nn

from zoo.case import CLASSES, Case, runs, whole

if TYPE_CHECKING:
    from torch import Tensor

NODES, EDGES, WIDTH = 64, 256, 32
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "GCNConv": (),
    "SAGEConv": (),
    "GraphConv": (),
    "GATConv": (),
    "GATv2Conv": (),
    "TransformerConv": (),
    "TAGConv": (),
    "ARMAConv": (),
    "SGConv": (),
    "ChebConv": (3,),
    "LEConv": (),
    "ClusterGCNConv": (),
    "MFConv": (),
    "FeaStConv": (),
    "ResGatedGraphConv": (),
    "SuperGATConv": (),
    "FiLMConv": (),
    "MixHopConv": (),
    "GeneralConv": (),
    "GENConv": (),
}


class Layers(nn.Module):
    """Node features and edges to scores."""

    def __init__(self, name: str) -> None:
        super().__init__()
        maker, more = getattr(pyg, name), ARGUMENTS[name]
        wide = [WIDTH, *([3 * WIDTH] * 2 if name == "MixHopConv" else [WIDTH] * 2)]
        self.layers = nn.ModuleList(maker(size, WIDTH, *more) for size in wide)
        self.head = nn.Linear(3 * WIDTH if name == "MixHopConv" else WIDTH, CLASSES)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Scores of every node."""
        for layer in self.layers:
            x = layer(x, edges).relu()
        return self.head(x)


def build(name: str) -> Case:
    """A random graph."""
    features = torch.randn(NODES, WIDTH, generator=torch.Generator().manual_seed(0))
    return runs(Case(Layers(name).train(), (features, whole(NODES, 2, EDGES))))


MODELS = {name: partial(build, name) for name in ARGUMENTS if hasattr(pyg, name)}
