"""What shares of the samples tell of all of them, each swept with factors that those before it told."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initium.calibrate._figures import spread_of
from initium.calibrate._found import found
from initium.calibrate._swept import Swept, off_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.calibrate._figures import Seen, Statistic
    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece
    from initium.calibrate._rounds import Way


@dataclass(frozen=True, slots=True)
class Share:
    """Some of the samples.

    Attributes:
        few: A few of them, which tell how all of them follow the factors.
        rest: The others.
    """

    few: Sequence[Way]
    rest: Sequence[Way]


@dataclass(frozen=True, slots=True)
class Told:
    """What the sweeps over one share saw, with the same factors.

    Attributes:
        few: Of the few.
        rest: Of the others.
    """

    few: Swept
    rest: Swept | None

    @property
    def every(self) -> list[Swept]:
        """Of all of them."""
        return [self.few] if self.rest is None else [self.few, self.rest]


def pooled(told: Sequence[Told], now: Sequence[Swept], statistic: Statistic) -> Swept | None:
    """All shares as they would be with other factors; ``None`` where they are not of one kind.

    The figures of a share are taken to change from its factors to these as those of its few samples do, which are ``now``.
    """
    several = [(each, one.few, there) for one, there in zip(told, now, strict=True) for each in one.every]
    first = told[0].few.found
    if any(_kinds(each.found) != _kinds(first) for each, _, _ in several):
        return None
    seen = defaultdict["Piece", list["Seen"]](list)
    for each, then, there in several:
        for piece in first:
            by = _by(piece, then, there)
            seen[piece] += [one.over(by) for one in each.seen[piece]]
    made: dict[Piece, Found] = {}
    figures: dict[Piece, float] = {}
    factors = now[0].factors
    for piece, one in first.items():
        spread, before = spread_of(seen[piece], statistic), _mean([each.found[piece].before for each, _, _ in several])
        if piece in factors:
            made[piece] = replace(one, before=before, factor=factors[piece])
            figures[piece] = spread.at(factors[piece])
        else:
            made[piece] = one if one.note else replace(found(spread, one.target), before=before)
    return Swept(made, off_of(made, figures, factors))


def _kinds(several: dict[Piece, Found]) -> dict[Piece, str]:
    return {piece: one.note for piece, one in several.items()}


def _by(piece: Piece, then: Swept, now: Swept) -> float:
    """What an output is to be divided by, before its factor."""
    if piece in now.off:
        return now.factors[piece] / then.factors[piece] / math.exp(now.off[piece] - then.off[piece])
    if any(piece not in each.found or each.found[piece].note for each in (then, now)):
        return 1.0
    return now.found[piece].factor / then.found[piece].factor


def _mean(several: Sequence[float]) -> float:
    return math.sqrt(sum(each**2 for each in several) / len(several))
