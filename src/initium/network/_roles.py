"""What every parameter does that some operation reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from initium.network._numbers import used_at, zeros_and_ones
from initium.network._ops import LINEAR, MOVES, NOISE, NORMS, POOLS, SUMS, op_name, shape_of
from initium.network._sites import bias_of_stack, sites

if TYPE_CHECKING:
    from torch import fx

    from initium.network._facts import Role
    from initium.network._readings import Readings
    from initium.network._sites import Site

_STRENGTH = ("weight", "recurrent", "lookup", "weighing", "scale", "factor", "embedding", "shift", "bias", "other")
_MULTIPLIERS, _VECTORS = frozenset({"weight", "recurrent"}), frozenset({"scale", "shift", "bias"})
_ROUNDING = 1e-12
# Operations that multiply pointwise: the positions of their factors.
_FACTORS = {"mul": (0, 1), "div": (0, 1), "addcmul": (1, 2), "addcdiv": (1, 2), "lerp": (2,)}
# Where a lookup has its padding; -1 is none.
_PADDING = {"embedding": 2, "embedding_bag": 8, "_embedding_bag": 8}
_BETWEEN = MOVES | NOISE | POOLS
_JOINS = frozenset("cat stack concat linear where scaled_dot_product_attention index_put".split())


class Part(NamedTuple):
    """What a parameter was seen to do.

    Attributes:
        role: Its role.
        layout: Of a weight or a table.
        note: What a reader should know.
        mixed: True where some of its elements are a weight and others a bias or a scale.
        neutral: Of a scale or a shift, the value at which it changes nothing; ``None`` where nobody can tell.
        factor: True where it multiplies the data, element by element.
        weighing: True where it weighs two signals against each other, as x mu + y (1 - mu).
        padding: Of a table that is looked up: the row that stands for padding.
        choosing: True where nothing comes of it but a choice, as of a codebook that is compared with the data.
        at: The operation where it meets the data.
    """

    role: Role
    layout: str = ""
    note: str = ""
    mixed: bool = False
    neutral: float | None = None
    factor: bool = False
    weighing: bool = False
    padding: int | None = None
    choosing: bool = False
    at: fx.Node | None = None


def roles(read: Readings) -> dict[str, Part]:
    """What each parameter does, by name; what no operation reads is not in it."""
    found: dict[str, Part] = {}
    for node in read.nodes:
        table_s_norm = read.kinds.kind[node] == "parameter" and op_name(node) in NORMS
        if node.op == "output" or not (read.kinds.kind[node] == "data" or table_s_norm):
            continue
        weights = {site.weight: site for site in sites(read.kinds, node)}
        signals = {site.data for site in weights.values()}
        for operand in read.kinds.parameter_inputs(node):
            seen = Part("embedding", "added") if operand in signals else _part(read, node, operand, weights)
            seen = seen._replace(choosing=node in read.choosing, at=node)
            for name in read.kinds.origin[operand].names:
                found[name] = _stronger(found.get(name), _own(read, operand, name, seen))
    return found


def _own(read: Readings, operand: fx.Node, name: str, seen: Part) -> Part:
    """A vector that a weight is computed with (a gain, a magnitude) is no weight itself."""
    vector = sum(size > 1 for size in shape_of(read.placeholders[name])) < 2  # noqa: PLR2004 - a matrix has two
    composed = seen.role in {"weight", "embedding"} and name != read.name_of(operand)
    if composed and vector:
        return Part("other", "", seen.note)
    return seen._replace(neutral=_neutral(read, operand, name, 1.0 if seen.role == "scale" else 0.0))


def _neutral(read: Readings, operand: fx.Node, name: str, wanted: float) -> float | None:
    """The value at which what is used is the wanted one: that one itself, or, where something is computed of it, 0 or 1."""
    used = {value: used_at(operand, read.placeholders[name], value, read.numbers) for value in (wanted, 0.0, 1.0)}
    return next((value for value, found in used.items() if found is not None and abs(found - wanted) < _ROUNDING), None)


def _part(read: Readings, node: fx.Node, operand: fx.Node, weights: dict[fx.Node, Site]) -> Part:
    name, through = op_name(node), read.kinds.origin[operand].through
    note = f"reaches {name} through {', '.join(through)}" if through else ""
    if operand in weights:
        together = [f"`{each}`" for each in read.kinds.origin[operand].names]
        note = note or (f"reaches {name} as one weight made of {', '.join(together)}" if len(together) > 1 else "")
        return Part(weights[operand].role, weights[operand].layout, note, padding=_padding(node))
    if name in NORMS:
        return _of_norm(node, operand, note)
    return Part("bias", "", note) if weights else _beside_data(read, node, operand, note)


def _padding(node: fx.Node) -> int | None:
    place = _PADDING.get(op_name(node))
    row = node.args[place] if place is not None and len(node.args) > place else None
    return row if isinstance(row, int) and row >= 0 else None


def _of_norm(node: fx.Node, operand: fx.Node, note: str) -> Part:
    """By its place among the arguments; a table that is normalised itself (learned queries) stands in the data's."""
    places = dict(zip(NORMS[op_name(node)], ("scale", "shift"), strict=True))
    place = next((place for place, value in enumerate(node.args) if value is operand), None)
    role: Role = "scale" if places.get(place) == "scale" else "shift" if places.get(place) == "shift" else "embedding"
    return Part(role, "added" if role == "embedding" else "", note)


def _beside_data(read: Readings, node: fx.Node, operand: fx.Node, note: str) -> Part:
    """A parameter that meets the data in no weight operation: added, multiplied, joined."""
    name = op_name(node)
    if name in SUMS and _mixes(read, node, operand):
        return Part("other", "", note or "zeros and ones in what signals are mixed by")
    if name in SUMS:
        vector: Role = "shift" if _follows_norm(read, node) else "bias"
        table = sum(size > 1 for size in shape_of(operand)) > 1 and not _shifts_units(read, node, operand)
        return Part("embedding", "added", note) if table else Part(vector, "", note)
    if name in _JOINS:
        return Part("embedding", "added", note)
    if bias_of_stack(read.kinds, node):
        return Part("bias", "", note)
    if (
        name == "mul"
        and len(read.kinds.origin[operand].names) == 1
        and ((_follows_norm(read, node) and not _scaled(read, node)) or _is_normalised(read, node))
    ):
        return Part("scale", "", note)
    factor = any(len(node.args) > place and node.args[place] is operand for place in _FACTORS.get(name, ()))
    return Part("other", "", note or f"used by {name}", factor=factor)


def _shifts_units(read: Readings, node: fx.Node, operand: fx.Node) -> bool:
    """True for the biases of a stack of matrices (experts): every element is that of a unit, and none of a position."""
    shape, data = shape_of(operand), read.kinds.data_inputs(node)
    varied = {axis - len(shape) for axis, size in enumerate(shape) if size > 1}
    made_by = sites(read.kinds, data[0]) if len(data) == 1 else ()
    return any(site.stack_axes and varied <= {*site.stack_axes, _from_end(site)} for site in made_by)


def _from_end(site: Site) -> int:
    axes = len(shape_of(site.node))
    return site.unit_axis % axes - axes if axes else site.unit_axis


def _mixes(read: Readings, node: fx.Node, operand: fx.Node) -> bool:
    """True for zeros and ones in what other data are multiplied by: how streams are mixed.

    A matrix of both is an identity or a choice, wherever it is added; ones alone, and a vector, may be any bias (that of
    packed gates, of which one is open), and count as a factor.
    """
    parameters = [read.values[name].detach() for name in read.kinds.origin[operand].names]
    if not all(map(zeros_and_ones, parameters)):
        return False
    matrix = sum(size > 1 for size in shape_of(operand)) > 1
    return (matrix and not any(bool((value != 0).all()) for value in parameters)) or _weighs(read, node)


def _weighs(read: Readings, node: fx.Node) -> bool:
    """True where all that is made of a value multiplies other data."""
    for user in node.users:
        name, several = op_name(user), len(read.kinds.data_inputs(user)) > 1
        moved = name in MOVES and not several and _weighs(read, user)
        if not moved and not (several and (name in LINEAR or name in _FACTORS)):
            return False
    return bool(node.users)


def _follows_norm(read: Readings, node: fx.Node) -> bool:
    """True where the data that the parameter meets has just been normalised."""
    return any(read.neighbours.preceding(parent).kind == "norm" for parent in read.kinds.data_inputs(node))


def _is_normalised(read: Readings, node: fx.Node) -> bool:
    """True where what was centred is scaled before it is divided by its std: ``a * (x - mean) / (std + eps)``."""
    return any(read.neighbours.regions.scaled(user) is node for user in node.users)


def _scaled(read: Readings, node: fx.Node) -> bool:
    """True where the norm before has a scale of its own: a second one is a factor of the branch (LayerScale) and no part of the norm."""
    for parent in read.kinds.data_inputs(node):
        here = parent
        while op_name(here) not in NORMS and op_name(here) in _BETWEEN and len(read.kinds.data_inputs(here)) == 1:
            (here,) = read.kinds.data_inputs(here)
        place = NORMS[op_name(here)][0] if op_name(here) in NORMS else len(here.args)
        if len(here.args) > place and here.args[place] is not None:
            return True
    return False


def _stronger(one: Part | None, other: Part) -> Part:
    """A parameter with two roles (a tied embedding) takes the one that multiplies data.

    So does a decay: at the first step it multiplies a state of zeros, and what comes of that is added to the data. What it
    does for a choice alone is no role beside another: no gradient comes of it.
    """
    if one is None:
        return other
    if one.role == other.role == "scale" and {one.neutral, other.neutral} == {0.0, 1.0}:
        return Part("other", "", "weighs two signals against each other", weighing=True)
    first, second = sorted((one, other), key=_rank)
    if second.choosing and not first.choosing:
        return first._replace(padding=other.padding if one.padding is None else one.padding)
    mixed = one.mixed or other.mixed or (first.role in _MULTIPLIERS and second.role in _VECTORS)
    return first._replace(mixed=mixed, padding=other.padding if one.padding is None else one.padding)


def _rank(part: Part) -> tuple[bool, int]:
    if part.weighing:
        return part.choosing, _STRENGTH.index("weighing")
    strength = "factor" if part.factor else "lookup" if part.layout == "lookup" else part.role
    return part.choosing, _STRENGTH.index(strength)
