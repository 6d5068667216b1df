"""A use of a weight beside what was measured there, and the stretches of a network in which scale is not free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Facts, Network, Use
    from initium.records import Signal, SignalRow

_UNSCALED = frozenset({"lookup", "gates"})
_JOINTS = frozenset({"activation", "linear"})
_OUTWARD = frozenset({"output", "nothing", "softmax"})


@dataclass(frozen=True, slots=True)
class Link:
    """One use of a weight.

    Attributes:
        use: What the graph knows of it.
        row: What was measured there.
        facts: The facts of the weight.
    """

    use: Use
    row: SignalRow
    facts: Facts

    @property
    def gain(self) -> float:
        """What the weight has where a scheme has its gain: ``weight_rms * sqrt(fan_in)``."""
        return self.row.weight_rms * math.sqrt(self.use.fan_in)

    @property
    def plain(self) -> bool:
        """True where the weight itself multiplies the data, so that its values are its scale."""
        return self.use.direct and not self.facts.computed_by and self.use.layout not in _UNSCALED

    @property
    def hidden(self) -> bool:
        """True where the output is not the network's answer."""
        return self.use.after.kind not in _OUTWARD

    @property
    def zeroed(self) -> bool:
        """True where the weight is zero throughout, or a learned scale of it is: a choice, judged by its gradient alone."""
        return self.row.weight_rms == 0 or (self.row.out_rms == 0 and not self.plain)

    @property
    def units(self) -> int:
        """How many units the output has."""
        return self.facts.shape[1] if self.use.layout in {"in_out", "conv_transpose"} else self.facts.shape[0]


def links(network: Network, signal: Signal) -> tuple[Link, ...]:
    """Every measured use, in execution order."""
    uses = {(use.name, use.index): use for use in network.uses}
    facts = {name: each for each in network.parameters for name in each.names}
    return tuple(
        Link(uses[row.name, row.use], row, facts[row.name])
        for row in signal.rows
        if (row.name, row.use) in uses and row.name in facts
    )


def chains(network: Network, signal: Signal) -> Iterator[tuple[Link, ...]]:
    """The stretches with no normalisation inside: each link reads what the activation after the one before it gives.

    Normalisation makes scale free and a residual sum dilutes it, so that a slope over either says nothing. Weights that
    are zero throughout are left out: they are a choice. The network's answer ends a chain and is no part of it.
    """
    chain: list[Link] = []
    for link in links(network, signal):
        if chain and not _follows(chain[-1], link):
            yield tuple(chain)
            chain = []
        if link.hidden and not link.zeroed and link.use.layout not in _UNSCALED:
            chain.append(link)
    if chain:
        yield tuple(chain)


def _follows(last: Link, link: Link) -> bool:
    """No normalisation stands between, and both see the same thing there, as far as the facts say."""
    joined = link.use.before.kind in _JOINTS and last.use.after.kind == link.use.before.kind
    return joined and last.use.after.text == link.use.before.text and not last.use.normalised
