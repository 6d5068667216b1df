"""What a network knows of its parameters once it is a graph: values only, no tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from initium.gains import Activation
    from initium.network._residual import Residual

Role = Literal["weight", "recurrent", "bias", "scale", "shift", "embedding", "other"]
WEIGHT_NORM = "weight_norm"
# How the names of a direction and of its magnitude end, in torch.nn.utils.parametrizations and in the older torch.nn.utils.
MAGNITUDES = {"original1": "original0", "_v": "_g"}
ROLES: tuple[Role, ...] = ("weight", "recurrent", "bias", "scale", "shift", "embedding", "other")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What stands before or after an operation that uses a weight, seen through views, dropout, pooling and bias adds.

    Attributes:
        kind: ``input``, ``activation``, ``linear`` (another weight), ``norm``, ``sum``, ``product``, ``attention``,
            ``softmax``, ``embedding``, ``output``, ``nothing`` or ``unknown``.
        text: The same in the field's words: ``leaky_relu(0.2)``, ``norm``, ``unknown: aten.foo``.
        activation: For ``activation``: its name and parameters, or, for one that has no name, the pointwise function.
    """

    kind: str
    text: str
    activation: Activation | Callable[[torch.Tensor], torch.Tensor] | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class HeadPart:
    """One weight of an attention: what makes its queries, keys or values, or takes its output.

    Attributes:
        role: ``q``, ``k``, ``v`` or ``out``.
        name: The weight's qualified name; several parts of a fused weight have the same.
        units: Its output units of this role; of ``out`` all.
        inputs: Inputs summed into one output.
        size: Units of one head, as the attention's own operation has them; 0 for ``out``.
        source: The first role that reads the same value, norms and biases aside: ``q`` for the keys of self-attention.
        ordered: Whether the units of a head lie side by side, in the order of the heads; ``None`` where that cannot be seen.
        plain: True where the operation takes the parameter itself, and it requires a gradient.
    """

    role: str
    name: str
    units: int
    inputs: int
    size: int
    source: str
    ordered: bool | None
    plain: bool


@dataclass(frozen=True, slots=True)
class Attends:
    """One attention.

    Attributes:
        node: The operation that makes the attention itself: torch's own, or a softmax of products.
        queries: The names of the weights that make its queries.
        keys: Those that make its keys.
    """

    node: str
    queries: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a weight by an operation of the graph.

    Attributes:
        node: The operation's node in the graph.
        name: The weight's qualified name.
        op: The operation (``linear``, ``conv2d``, ``matmul``, ``embedding``, ``lstm`` ...).
        index: 0, 1, ... where the weight is used again.
        layout: ``out_in``, ``in_out``, ``conv``, ``conv_transpose``, ``lookup``, ``gates``, ``batched``.
        fan_in: Inputs summed into one output.
        fan_out: Outputs that one input reaches: what the gradient sums over.
        unit_axis: The output's axis of units (features or channels).
        parts: How many matrices the weight packs.
        axis: The weight's axis along which they are packed.
        bias: The qualified name of the bias that the operation itself adds.
        before: What precedes, along the data.
        after: What follows.
        activated: The node whose value the following activation, the softmax or the reader of the output takes; empty where
            something else follows, or where others had a part in it.
        normalised: True where a normalisation follows before anything else does, so that the weight's scale is free.
        renewed: True where an activation follows, and a normalisation before anything else is made of what it gives.
        direct: True where the operation multiplies by the parameter itself, views and slices aside; False where other
            operations or other parameters stand between (weight standardisation, a low-rank update).
        divided_out: True where those make the same of every positive multiple of the parameter: its size is free.
        proportional: True where those make of every positive multiple of the parameter that multiple, and other parameters
            only scale it along some of its axes: a mask, a quantisation on the weight's own scale, a transform to complex
            numbers, the rates of a state space.
        joined: Of a lookup, the other parameters of which its table is joined or summed, which grows as all of them do.
        made_of: The parameters that it is made of, where several of them are matrices and no one of them sets its size: an
            LU decomposition, a low-rank update, noise of learned spreads. Empty of all others.
        factor: Of a lookup, the constants that multiply its rows before anything else is made of them.
        sources: The nodes whose values it reads, with no other use between: of uses, and of the model's inputs.
        start: Where on that axis of the parameter the part that it uses begins.
        residual: Its place on a residual stream; ``None`` where the network has no residual branch.
        attention: What its output units are to an attention, run by run: ``(("q", 64), ("k", 16), ("v", 16))``; the roles
            are ``q``, ``k``, ``v`` and ``out`` (``kv`` for units that are both), empty for units that are none.
        heads: The parts of the attention that it belongs to, one a role; a role that several weights make is left out. Empty
            for a weight of no attention, or of several that differ.
        head: For a weight whose output is the model's: ``softmax``, ``sigmoid``, ``regression``, or ``unknown`` where the
            graph does not tell the loss; empty for any other.
        leaves: True where its output goes out, whoever else reads it: by way of no other weight, no activation and no norm.
        met: Those of them whose values come to it with no norm between.
        reads: The node whose value it multiplies; empty where it reads none.
        note: What a reader should know of it.
    """

    node: str
    name: str
    op: str
    index: int
    layout: str
    fan_in: float
    fan_out: float
    unit_axis: int
    parts: int
    axis: int
    bias: str | None
    before: Neighbour
    after: Neighbour
    activated: str
    normalised: bool
    direct: bool = True
    divided_out: bool = False
    proportional: bool = False
    sources: frozenset[str] = frozenset()
    note: str = ""
    start: int = 0
    residual: Residual | None = None
    attention: tuple[tuple[str, int], ...] = ()
    head: str = ""
    heads: tuple[HeadPart, ...] = ()
    leaves: bool = False
    reads: str = ""
    renewed: bool = False
    joined: tuple[str, ...] = ()
    factor: float = 1.0
    met: frozenset[str] = frozenset()
    made_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one parameter.

    Attributes:
        name: The first qualified name that ``named_parameters`` gives.
        names: Every qualified name; more than one for a tied parameter.
        shape: Its shape.
        role: What it does: ``weight`` (multiplies data), ``recurrent`` (multiplies a state over time), ``bias``,
            ``scale`` and ``shift`` of a normalisation, ``embedding`` (looked up by index, or a table added to the
            data), ``other``.
        owner: The type of the module that holds it.
        layout: As in :class:`Use`; empty where there is none.
        fan_in: As in :class:`Use`, of the first use; ``None`` where the parameter has no fan.
        fan_out: Likewise.
        parts: How many matrices it packs.
        axis: The axis along which they are packed.
        before: What precedes its first use.
        after: What follows its first use.
        uses: How often it is used in one forward pass.
        normalised: True where a normalisation makes its scale free.
        renewed: As in :class:`Use`, of all its uses.
        assumed: True where a fact is a guess.
        frozen: True where ``requires_grad`` is off.
        computed_by: The parametrisation that computes a weight from it (``weight_norm``); empty for none.
        neutral: Of a scale or a shift, the value at which it changes nothing: 1 and 0, but 0 of a scale that is used as
            ``1 + w``; ``None`` where nobody can tell.
        notes: What a reader should know.
        whole: True where it holds integers or truth values: nothing can be drawn into it, and it has no gradient.
        padding: Of a table that is looked up: the row that stands for padding and gets no gradient.
        residual: As in :class:`Use`, of its first use.
        attention: Likewise, of all its parts in their order along ``axis``.
        head: Likewise, of any use.
        heads: Likewise, where all uses have the same.
        idle: Why it may be zero on purpose, such as "multiplies the output of a residual branch"; empty for most.
        closes: Of the scale of a norm that nothing but output weights reads, those.
        divided_out: As in :class:`Use`, of all its uses.
        inverted: True where its determinant or its inverse is taken: an invertible layer of a flow.
        leads: Of a bias, all that follows the sum that it is a term of with no norm between, the gates of a recurrent layer
            included; empty of all others.
    """

    name: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    role: Role
    owner: type
    layout: str
    fan_in: float | None
    fan_out: float | None
    parts: int
    axis: int
    before: Neighbour
    after: Neighbour
    uses: int
    normalised: bool
    assumed: bool
    frozen: bool
    computed_by: str
    neutral: float | None = None
    notes: tuple[str, ...] = ()
    whole: bool = False
    padding: int | None = None
    residual: Residual | None = None
    attention: tuple[tuple[str, int], ...] = ()
    head: str = ""
    idle: str = ""
    heads: tuple[HeadPart, ...] = ()
    closes: tuple[str, ...] = ()
    divided_out: bool = False
    inverted: bool = False
    leads: tuple[Neighbour, ...] = ()
    renewed: bool = False

    @property
    def mentionable(self) -> bool:
        """True for what multiplies data or may do so: a report that leaves it out has to say so."""
        return self.role in {"weight", "recurrent", "embedding"} or sum(size > 1 for size in self.shape) > 1

    @property
    def magnitude(self) -> str:
        """Of a direction under weight_norm, the name of the magnitude beside it; empty for any other parameter."""
        if self.computed_by == WEIGHT_NORM:
            for end, other in MAGNITUDES.items():
                if self.name.endswith(end):
                    return self.name.removesuffix(end) + other
        return ""
