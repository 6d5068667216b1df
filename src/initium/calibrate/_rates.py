"""Sizes at which all weights learn at one rate, as nearly as they may."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from initium.calibrate._effects import effects_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from initium.calibrate._balance import Round
    from initium.calibrate._scales import Scales
    from initium.network import Network

# What it costs to leave the size where a weight starts, in squared decades of size, against the mean squared decades of
# rate. A bound weight pays for itself, and more in a network of more weights than SHALLOW, so that a deep one stays flat;
# free ones pay on average.
BOUND, SHALLOW, FREE = 0.1, 8, 0.2
# A bound size moves by no more than this factor, a free one by this: a normalisation's eps stays far below.
NEAR, FAR = 4.0, 20.0


def moved(network: Network, scales: Scales, found: Round) -> dict[str, float]:
    r"""The sizes that bring the rates together.

    Formula:
        With y the log10 of the sizes against where they start and r the log10 of the rates, linear in y by
        ``effects_of``: the y that minimise
        ``mean (r - mean r)^2 + BOUND max(1, count / SHALLOW)^3 sum over bound y^2 + FREE / count * sum over free y^2``.

    Args:
        network: The traced model.
        scales: The sizes now.
        found: What a walk at these sizes found.

    Returns:
        By name, the new size of every weight that moves.
    """
    names, places = list(found.rates), {name: place for place, name in enumerate(scales.movable)}
    if len(names) < 2 or not places:  # noqa: PLR2004  one rate is even with itself
        return {}
    now = np.array([math.log10(scales.size(name) / scales.starts[name]) for name in places])
    effects = effects_of(network, {name: scales.size(name) for name in places}, scales.layers)
    reach = np.zeros((len(names), len(places)))
    for row, name in enumerate(names):
        for other, effect in effects.get(name, {}).items():
            reach[row, places[other]] += effect
    rates = np.array([math.log10(found.rates[name]) for name in names])
    # Rates at the starting sizes, as far as they are linear.
    flat = BOUND * max(1.0, len(names) / SHALLOW) ** 3
    prices = np.array([flat if name in scales.chained else FREE / len(names) for name in places])
    wanted = _least(reach, rates - reach @ now, prices)
    limits = np.log10([NEAR if name in scales.bound else FAR for name in places])
    final = np.clip(wanted, -limits, limits)
    return {name: scales.starts[name] * 10.0 ** float(final[place]) for name, place in places.items()}


def _least(reach: NDArray[np.float64], rates: NDArray[np.float64], prices: NDArray[np.float64]) -> NDArray[np.float64]:
    count = len(rates)
    centred, target = reach - reach.mean(0), rates - rates.mean()
    system = np.concatenate((centred / math.sqrt(count), np.diag(np.sqrt(prices))))
    wanted = np.concatenate((-target / math.sqrt(count), np.zeros(len(prices))))
    return np.asarray(np.linalg.lstsq(system, wanted, rcond=None)[0], np.float64)
