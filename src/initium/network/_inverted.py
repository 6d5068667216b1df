"""Matrices that a network inverts, or whose volume it counts: invertible layers of flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import inputs, op_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._kinds import Kinds

_INVERTS = frozenset(
    "det linalg_det _linalg_det logdet slogdet linalg_slogdet _linalg_slogdet inverse linalg_inv linalg_inv_ex".split()
)


def inverted_names(graph: fx.Graph, kinds: Kinds) -> Iterator[str]:
    """The parameters whose determinant or inverse is taken as they are."""
    for node in graph.nodes:
        if op_name(node) in _INVERTS:
            origins = (kinds.origin.get(parent) for parent in inputs(node))
            yield from (origin.names[0] for origin in origins if origin is not None and origin.moved)
