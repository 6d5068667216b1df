"""Sizes at which all weights learn at one rate, as nearly as they may."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from initium.calibrate._effects import effects_of
from initium.calibrate._written import CLOSE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from initium.calibrate._balance import Round
    from initium.calibrate._scales import Scales
    from initium.network import Network

# What it costs to leave the size where a weight starts, in squared decades of size, against the mean squared decades of
# rate. Sizes along a chain are to stay alike and near 1, the more so in one of more weights than SHALLOW: at one price
# where what follows is in proportion to its input, at another where it is not, and a stream may move as a whole; free
# weights have theirs; an end of a branch pays for what sets it apart from its stream, and a table from those beside it.
FLAT, SHALLOW = 0.1, 8
# Of weights whose size is divided out nothing but the rate shows it.
LEVEL, DRIVEN, FREE, UNSEEN, ANCHOR, RIGID = 0.1, 0.8, 0.4, 0.05, 1.0, 200.0
# The size before an activation that is not in proportion to its input moves by no more than this factor, others by this: a
# normalisation's eps stays far below.
NEAR, FAR = 4.0, 20.0
# Queries and keys that stand beside values in one weight grow by no more than this: scores are twice as large then.
MOST = math.sqrt(2)
# Newton's steps between bounds: how many at most, when none moves a size any more, and the least part of one that is tried.
SOLVES, STILL, SHORT = 50, 1e-4, 1e-3


@dataclass(slots=True)
class Told:
    """What walks have told of how rates follow sizes, where :func:`effects_of` says something else.

    Attributes:
        changes: By walk, what each rate did beyond what was expected, and the move that it did so at, both in decades.
    """

    changes: list[tuple[dict[str, float], dict[str, float]]] = field(
        default_factory=list[tuple[dict[str, float], dict[str, float]]]
    )

    def hear(self, network: Network, before: tuple[Scales, Round], after: tuple[Scales, Round]) -> None:
        """Takes in a walk after another: what was found along its move holds for the next along the same."""
        (old, was), (new, now) = before, after
        names, places = [name for name in was.rates if name in now.rates], old.movable
        move = np.log10([new.size(name) / old.size(name) for name in places])
        change = np.array([math.log10(now.rates[name] / was.rates[name]) for name in names])
        length = float(move @ move)
        if length > STILL**2 and names:
            beyond = (change - self.reach(network, old, names) @ move) / length
            told = dict(zip(names, beyond.tolist(), strict=True)), dict(zip(places, move.tolist(), strict=True))
            self.changes.append(told)

    def reach(self, network: Network, scales: Scales, names: Sequence[str]) -> NDArray[np.float64]:
        """By rate and size that may move, the decades of one for a decade of the other."""
        places = {name: place for place, name in enumerate(scales.movable)}
        effects = effects_of(network, scales)
        reach = np.zeros((len(names), len(places)))
        for row, name in enumerate(names):
            for other, effect in effects.get(name, {}).items():
                reach[row, places[other]] += effect
        for beyond, move in self.changes:
            reach += np.outer([beyond.get(name, 0.0) for name in names], [move.get(name, 0.0) for name in places])
        return reach


def moved(network: Network, scales: Scales, found: Round, told: Told) -> dict[str, float]:
    r"""The sizes that bring the rates together.

    Formula:
        With y the log10 of the sizes against where they start and r the log10 of the rates, linear in y by
        ``effects_of``: the y between their bounds that minimise ``mean (r - mean r)^2`` and what moving costs. That
        is, n being the number of rates and d = max(1, l / SHALLOW) for a chain of l weights with no norm between:
        along a chain ``FLAT d^3 (y - y read)^2`` and ``LEVEL d / n y^2``, or DRIVEN for LEVEL before an activation
        that is not in proportion to its input; on a stream and in its branches without the d, and ``LEVEL / n (y - y
        read)^2``; ``FREE / n (y - m)^2`` for what is free, for terms of answers, the norms before them and logs of
        factors, UNSEEN for FREE where a size is divided out, and ``FREE / n m^2`` once for their mean m: together
        they move at the price of one; ``ANCHOR / n (y - y of the stream)^2`` for the ends of branches, of a stream of
        size 1 where a norm stands behind their sum, and ``RIGID / n`` of it for tables that are added to one another
        and for ends where no norm stands.

    Args:
        network: The traced model.
        scales: The sizes now.
        found: What a walk at these sizes found.
        told: What walks before it told.

    Returns:
        By name, the new size of every weight that moves.

    Reference:
        Broyden (1965), "A class of methods for solving nonlinear simultaneous equations", eq. (4.5), for what
        walks tell; Bertsekas (1982), "Projected Newton methods for optimization problems with simple constraints", for the
        bounds.
    """
    names, places = list(found.rates), {name: place for place, name in enumerate(scales.movable)}
    if len(names) < 2 or not places:  # noqa: PLR2004  one rate is even with itself
        return {}
    now = _moves(scales, places)
    reach = told.reach(network, scales, names)
    rates = np.array([math.log10(found.rates[name]) for name in names])
    lower, upper = np.log10([_bounds(scales, found, name) for name in places]).T
    # Rates at the starting sizes, as far as they are linear.
    final = _within(reach, rates - reach @ now, _pulls(scales, places, len(names)), lower, upper)
    return {name: scales.starts[name] * 10.0 ** float(final[place]) for name, place in places.items()}


def _bounds(scales: Scales, found: Round, name: str) -> tuple[float, float]:
    """By what its size may be multiplied at least and at most."""
    widest = NEAR if name in scales.driven or name in scales.scored else FAR
    if name in scales.closes:  # until the outputs read what they would without a mean or a sum behind the norm
        seen = max(found.inputs.get(each, 0.0) for each in scales.closes[name]) / scales.size(name)
        wanted = min(max(1.0 / seen, 1.0 / FAR), 1.0 / CLOSE) if seen > 0 else 1.0
        return min(wanted, 1.0), max(wanted, 1.0)
    if name in scales.terms:  # whatever the rates ask for, the first loss stays as near to guessing
        return 1.0 / NEAR, 1.0
    if name in scales.logs:
        return 1.0 / FAR, 1.0
    return 1.0 / widest, MOST if name in scales.scored else widest


def cost(scales: Scales, found: Round) -> float:
    """What :func:`moved` makes small, at these sizes."""
    places = {name: place for place, name in enumerate(scales.movable)}
    rates = np.array([math.log10(rate) for rate in found.rates.values()])
    if not len(rates) or not places:
        return 0.0
    paid = _pulls(scales, places, len(rates)) @ _moves(scales, places)
    return float(rates.var() + (paid**2).sum())


def _moves(scales: Scales, places: Mapping[str, int]) -> NDArray[np.float64]:
    return np.array([math.log10(scales.size(name) / scales.starts[name]) for name in places])


def _pulls(scales: Scales, places: Mapping[str, int], count: int) -> NDArray[np.float64]:
    """What moving costs: one row for each that pays, whose square is the price."""
    rows, lengths = list["NDArray[np.float64]"](), _lengths(scales)

    def mean_of(names: Collection[str]) -> NDArray[np.float64]:
        row = np.zeros(len(places))
        for each in names:
            if each in places:  # what does not move counts as what stays
                row[places[each]] += 1.0 / len(names)
        return row

    def pay(name: str, start: NDArray[np.float64], price: float) -> None:
        row = -start
        row[places[name]] += 1.0
        rows.append(math.sqrt(price) * row)

    chained, streams = (
        scales.chained,
        scales.inside.union(*((*line.feed, *line.ends) for line in scales.lines.values())),
    )
    movable = places.keys() - scales.soft
    free = {name for name in movable if name in scales.tables or not scales.anchors.get(name)}
    nothing, together = mean_of(()), mean_of(free)
    rows.append(math.sqrt(FREE / count) * together)
    for name in places:
        deep = max(1.0, lengths.get(name, 1) / SHALLOW)
        level = (DRIVEN if name in scales.driven else LEVEL) / count * (1.0 if name in streams else deep)
        if name in chained:
            pay(name, mean_of(chained[name]), level if name in scales.inside else FLAT * deep**3)
        followed, close = scales.anchors.get(name, ()), (RIGID if name in scales.rigid else ANCHOR) / count
        if followed or name in scales.held:
            pay(name, nothing if name in scales.held else mean_of(followed), close)
        if name in scales.soft and name not in scales.held:
            pay(name, nothing, level)
        elif name in free:
            pay(name, together, (UNSEEN if name in scales.divided else FREE) / count)
    return np.array(rows)


def _lengths(scales: Scales) -> dict[str, int]:
    """How many weights the longest chain holds that a weight stands in: each reads the one before with no norm between."""
    read, readers = scales.sources, defaultdict[str, list[str]](list)
    for name, sources in read.items():
        for source in sources:
            readers[source].append(name)
    before, after = dict[str, int](), dict[str, int]()
    for name in read:
        before[name] = 1 + max((before.get(each, 0) for each in read[name]), default=0)
    for name in reversed(read):
        after[name] = 1 + max((after.get(each, 0) for each in readers[name]), default=0)
    return {name: before[name] + after[name] - 1 for name in read}


def _within(
    reach: NDArray[np.float64],
    rates: NDArray[np.float64],
    pulls: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The least squares between bounds, by Newton's steps over what no bound holds back."""
    # By the normal equations: every size pays for moving, which keeps them well posed, and of a thousand weights the singular
    # values take ten times as long.
    centred = (reach - reach.mean(0)) / math.sqrt(len(rates))
    square = centred.T @ centred + pulls.T @ pulls
    slope = centred.T @ (rates - rates.mean()) / math.sqrt(len(rates))
    sizes = np.clip(np.zeros(len(lower)), lower, upper)
    for _ in range(SOLVES):
        down = square @ sizes + slope
        free = ~(((sizes <= lower) & (down > 0)) | ((sizes >= upper) & (down < 0)))
        wanted = np.zeros(len(lower))
        wanted[free] = _solved(square[np.ix_(free, free)], -down[free])
        now, share = _height(square, slope, sizes), 1.0
        while _height(square, slope, tried := np.clip(sizes + share * wanted, lower, upper)) > now and share > SHORT:
            share /= 2
        if np.abs(tried - sizes).max() < STILL:
            break
        sizes = tried
    return sizes


def _height(square: NDArray[np.float64], slope: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    return float(sizes @ (square @ sizes / 2 + slope))


def _solved(square: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        return np.asarray(np.linalg.solve(square, wanted), np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(square, wanted, rcond=None)[0], np.float64)
