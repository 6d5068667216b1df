"""The place of every weight in its architecture: residual branches, attention, output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.network._attention import Spans, attends, attentions
from initium.network._branches import branches
from initium.network._closing import closing
from initium.network._flow import flow
from initium.network._head import heads, leaving
from initium.network._heads import head_parts
from initium.network._idle import idle

if TYPE_CHECKING:
    from torch import fx

    from initium.network._facts import Attends, HeadPart
    from initium.network._readings import Readings
    from initium.network._residual import Residual


@dataclass(frozen=True, slots=True)
class Places:
    """What the architecture says of the operations that use a weight, and of parameters by name.

    Attributes:
        residual: The place on a residual stream.
        attention: The roles of the output units in an attention.
        head: The likely loss of an output weight.
        heads: The parts of the attention that a weight belongs to.
        idle: Why a parameter may be zero on purpose.
        closing: Of the scale of a norm that only output weights read, those.
        leaving: The values that go out as they are, whoever else reads them.
        attends: The attentions themselves.
    """

    residual: dict[fx.Node, Residual]
    attention: dict[fx.Node, Spans]
    head: dict[fx.Node, str]
    heads: dict[fx.Node, tuple[HeadPart, ...]]
    idle: dict[str, str]
    closing: dict[str, tuple[str, ...]]
    leaving: set[fx.Node]
    attends: tuple[Attends, ...]


def places(read: Readings) -> Places:
    """Reads the ways of the data once more, with the architecture in mind."""
    ways = flow(read)
    found = branches(ways)
    joins = found.joins.found.keys()
    spans = attentions(ways, joins)
    outputs, parts = heads(ways, joins), head_parts(ways, joins, spans)
    going, attending = leaving(ways), tuple(attends(ways, joins))
    return Places(found.of, spans, outputs, parts, idle(found), closing(ways, outputs, going), going, attending)
