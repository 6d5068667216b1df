"""Every use of a weight, in execution order: the site, what stands around it, and how the parameter itself lies."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from initium.network._degree import degree
from initium.network._factors import factors_behind
from initium.network._facts import Neighbour, Use
from initium.network._neighbours import NOTHING
from initium.network._ops import op_name, shape_of
from initium.network._packed import output_runs, parameter_axis
from initium.network._sites import sites

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import fx

    from initium.network._places import Places
    from initium.network._readings import Readings
    from initium.network._sites import Site

_UNSPLIT = frozenset({"gates", "lookup", "added"})


def uses(read: Readings, places: Places) -> list[Use]:
    """The uses at every data node."""
    found: list[Use] = []
    count: dict[str, int] = defaultdict(int)
    reached, met = dict["fx.Node", frozenset[str]](), dict["fx.Node", frozenset[str]]()
    for node in read.nodes:
        if read.kinds.kind[node] == "data":
            here = list(sites(read.kinds, node))
            for site in here:
                name = read.name_of(site.weight)
                read_here = read.kinds.data_parents(node) if site.layout == "gates" else [site.data]  # states too
                sources, near = (
                    frozenset[str]().union(*(known.get(each, frozenset()) for each in read_here if each is not None))
                    for known in (reached, met)
                )
                made = _use(read, site, name, count[name], sources)
                found.append(replace(made, met=near, **_place(places, node)))
                count[name] += 1
            begins, parents = here or node.op == "placeholder", read.kinds.data_parents(node)
            itself = frozenset({node.name})
            reached[node] = itself if begins else frozenset[str]().union(*{reached[each] for each in parents})
            close = set[frozenset[str]]() if read.neighbours.regions.is_norm(node) else {met[each] for each in parents}
            met[node] = itself if begins else frozenset[str]().union(*close)
    return found


def _place(places: Places, node: fx.Node) -> dict[str, Any]:
    return {
        "residual": places.residual.get(node),
        "attention": places.attention.get(node, ()),
        "head": places.head.get(node, ""),
        "heads": places.heads.get(node, ()),
        "leaves": node in places.leaving,
    }


def _use(read: Readings, site: Site, name: str, index: int, sources: frozenset[str]) -> Use:
    runs = output_runs(read.keeping, site.node, site.unit_axis) if site.layout not in _UNSPLIT else [1]
    split = len(runs) if len(set(runs)) == 1 else 1
    layout, parts, axis, start = _packing(read, site, name, split)
    beyond = math.lcm(site.parts, split) // site.parts  # groups keep an input's outputs apart already
    ahead, origin = read.neighbours.following(site.node), read.kinds.origin[site.weight]
    grows = None if origin.moved else degree(site.weight, [read.placeholders[name]])
    proportional = grows == 1.0 and _largest(read, name, origin.names)
    joined = _joined(read, site, name, origin.names) if grows is None and site.layout == "lookup" else ()
    own = origin.moved or proportional or grows == 0.0 or bool(joined)
    several = not own and sum(count > 1 for count in _axes(read, origin.names).values()) > 1
    return Use(
        node=site.node.name,
        name=name,
        op=op_name(site.node),
        index=index,
        layout=layout,
        fan_in=site.fan_in,
        fan_out=site.fan_out / beyond,
        unit_axis=site.unit_axis,
        parts=parts,
        axis=axis,
        start=start,
        bias=read.kinds.origin[site.bias].names[0] if site.bias is not None else None,
        before=_before(read, site),
        after=Neighbour("gates", "gates") if site.layout == "gates" else ahead.neighbour,
        activated=ahead.activated.name if ahead.activated is not None else "",
        normalised=ahead.normalised and site.layout != "gates",
        renewed=ahead.renewed and site.layout != "gates",
        direct=origin.moved,
        divided_out=grows == 0.0,
        proportional=proportional,
        joined=joined,
        made_of=tuple(origin.names) if several else (),
        factor=factors_behind(read, site.node) if site.layout == "lookup" else 1.0,
        sources=sources,
        reads="" if site.data is None else site.data.name,
        note="" if split == len(runs) else f"packs matrices of {runs} outputs, taken as one",
    )


def _joined(read: Readings, site: Site, name: str, names: Iterable[str]) -> tuple[str, ...]:
    """The other tables that a looked-up one is joined of, each with as many axes: it grows as all of them do."""
    held = {each: read.placeholders[each] for each in names}
    alike = len({len(shape_of(each)) for each in held.values()}) == 1
    whole = alike and len(held) > 1 and degree(site.weight, list(held.values())) == 1.0
    return tuple(each for each in held if each != name) if whole else ()


def _axes(read: Readings, names: Iterable[str]) -> dict[str, int]:
    """How many axes each has, those of one element aside."""
    return {name: sum(size > 1 for size in shape_of(read.placeholders[name])) for name in names}


def _largest(read: Readings, name: str, names: Iterable[str]) -> bool:
    """Whether the other parameters, of which a weight is made too, only scale it along some of its axes: rates, steps, gains."""
    axes = _axes(read, names)
    return all(count < axes[name] for each, count in axes.items() if each != name)


def _before(read: Readings, site: Site) -> Neighbour:
    if site.role == "embedding":
        return Neighbour("input", "indices")
    return NOTHING if site.data is None else read.neighbours.preceding(site.data)


def _packing(read: Readings, site: Site, name: str, split: int) -> tuple[str, int, int, int]:
    """The layout of the parameter itself, how many matrices it packs, along which axis, and where on it this one begins."""
    parameter = read.placeholders[name]
    axis, slices, start = parameter_axis(site.weight, parameter, site.out_axis)
    layout = _layout(site, axis, shape_of(parameter))
    if layout == "batched":
        return layout, shape_of(parameter)[0], 0, 0
    if layout == "conv_transpose" and site.parts > 1:
        return layout, site.parts, 0, 0  # groups part the inputs, which come first
    parts = math.lcm(site.parts, split) if layout == "conv" else site.parts * split
    return layout, parts * slices, axis, start


def _layout(site: Site, axis: int, shape: tuple[int, ...]) -> str:
    """Which way round the parameter itself lies, whatever views stand between it and the operation."""
    if site.layout not in {"out_in", "in_out"}:
        return site.layout
    if op_name(site.node) in {"einsum", "tensordot"}:
        return site.layout
    if len(shape) > 2 and op_name(site.node) != "bilinear":  # noqa: PLR2004 - a stack of matrices
        return "batched"
    return "out_in" if axis == 0 else "in_out"
