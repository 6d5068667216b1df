"""What shares of the samples tell of all of them, each swept with factors that those before it told."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initium.calibrate._figures import spread_of
from initium.calibrate._found import found
from initium.calibrate._tries import Swept, off_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.calibrate._figures import Seen, Statistic
    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece
    from initium.calibrate._walks import Settling


@dataclass(frozen=True, slots=True)
class Share:
    """What the sweep over a share saw.

    Attributes:
        made: All of it.
        thin: What a few samples are with the same factors.
    """

    made: Settling
    thin: Swept


def pooled(shares: Sequence[Share], now: Swept, statistic: Statistic) -> Swept | None:
    """All shares as they would be with the factors of ``now``; ``None`` where they are not of one kind.

    The figures of a share are taken to change from its factors to these as those of the few samples did.
    """
    first, *others = (share.made.found for share in shares)
    if any(_kinds(each) != _kinds(first) for each in others):
        return None
    seen = defaultdict["Piece", list["Seen"]](list)
    for share in shares:
        for piece in first:
            by = _by(piece, share.thin, now)
            seen[piece] += [each.over(by) for each in share.made.seen[piece]]
    made: dict[Piece, Found] = {}
    figures: dict[Piece, float] = {}
    for piece, one in first.items():
        spread, before = spread_of(seen[piece], statistic), _mean([share.made.found[piece].before for share in shares])
        if piece in now.off:
            made[piece] = replace(one, before=before, factor=now.factors[piece])
            figures[piece] = spread.at(now.factors[piece])
        else:
            made[piece] = one if one.note else replace(found(spread, one.target), before=before)
    return Swept(made, off_of(made, figures, now.off))


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
