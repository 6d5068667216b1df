"""Weights that the batch did not reach: experts without tokens get what their siblings got."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from initium.calibrate._found import Found
from initium.calibrate._pieces import Piece, rest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from initium.calibrate._choice import Choice
    from initium.network import Network

_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


def siblings(network: Network, choices: Mapping[str, Choice], settled: Iterable[str]) -> dict[str, list[str]]:
    """By weight that no element reached, the settled ones of its shape whose name differs in one number alone."""
    reached, by_key = set(settled), defaultdict[tuple[object, ...], list[str]](list)
    for name in reached:
        for key in _keys(name, network.facts(name).shape):
            by_key[key].append(name)
    found: dict[str, list[str]] = {}
    for facts in network.parameters:
        idle = facts.name not in reached and not facts.frozen and not facts.whole and facts.role != "bias"
        if idle and (facts.name not in choices or not choices[facts.name].reason):
            beside = next((by_key[key] for key in _keys(facts.name, facts.shape) if key in by_key), [])
            if beside:
                found[facts.name] = beside
    return found


def _keys(name: str, shape: tuple[int, ...]) -> Iterator[tuple[object, ...]]:
    """The name with one of its numbers left open, the last one first."""
    for match in reversed(list(_NUMBER.finditer(name))):
        yield name[: match.start()], name[match.end() :], shape


def unreached(network: Network, choices: Mapping[str, Choice], found: Mapping[Piece, Found]) -> dict[Piece, Found]:
    """The factors of what no element reached: whole weights by their siblings, the rest of a stack by its slices."""
    by_name: dict[str, dict[Piece, Found]] = defaultdict(dict)
    for piece, one in found.items():
        by_name[piece.name][piece] = one
    made: dict[Piece, Found] = {}
    for name, pieces in by_name.items():
        rest = rest_of(pieces, network.facts(name).shape)
        if rest is not None:
            made[rest] = _mean(
                list(pieces.values()), f"not reached by this batch: the factor of its {len(pieces)} siblings"
            )
    for name, beside in siblings(network, choices, by_name).items():
        ones = [one for each in beside for piece, one in by_name[each].items() if not piece.spans]
        if ones:
            made[Piece(name)] = _mean(ones, f"not reached by this batch: the factor of its {len(ones)} siblings")
    return made


def _mean(several: list[Found], note: str) -> Found:
    """The geometric mean of factors."""
    factor = math.exp(sum(math.log(one.factor) for one in several) / len(several))
    return Found(math.nan, factor, several[0].target, note)
