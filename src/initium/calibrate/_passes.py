"""The passes of one search: sweeps that find factors, and checks of what was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from initium.calibrate._check import Checking, alone_in
from initium.calibrate._figures import spread_of
from initium.calibrate._powers import powers_of, slopes_of
from initium.calibrate._receipt import figures_of, missed
from initium.calibrate._rounds import ran
from initium.calibrate._seek import by_uses
from initium.calibrate._shares import pooled
from initium.calibrate._swept import Swept, off_of
from initium.calibrate._targets import target_of
from initium.calibrate._walks import Seeing, Settling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from initium.calibrate._check import Step
    from initium.calibrate._choice import Choice
    from initium.calibrate._found import Found
    from initium.calibrate._lanes import Lane
    from initium.calibrate._pieces import Piece
    from initium.calibrate._rounds import Wanted, Way
    from initium.calibrate._shares import Told
    from initium.calibrate._weights import Weights


@dataclass(slots=True)
class Passes:
    """Passes over all samples or a few.

    Args:
        model: The model.
        weights: What is written.
        choices: What is done with each weight.
        wanted: What is asked for.
        gates: Whether gates are sought as what is used again is, and not where a sweep comes to them.
        again: Whether what is written may be taken back.

    Attributes:
        settling: What the last sweep saw before the factors.
    """

    model: nn.Module
    weights: Weights
    choices: Mapping[str, Choice]
    wanted: Wanted
    gates: bool
    again: bool
    settling: Seeing | None = None
    _last: Settling | None = None
    _ways: Sequence[Way] = ()
    _sought: set[Piece] = field(default_factory=set["Piece"])

    def sweep(self, ways: Sequence[Way], given: Mapping[Piece, float]) -> Swept:
        """Finds the factors of what is used once, and sees what those that are given do."""
        streams, statistic = [way.streams for way in ways], self.wanted.statistic
        target = partial(target_of, target=self.wanted.target, branches=self.wanted.branches, streams=streams)
        settle = partial(Settling, self.choices, statistic, target, dict(given))
        made, _ = ran(self.model, ways, self.weights.start(), settle)
        made.close()
        self._sought = {piece for piece in made.found if self._is_sought(piece, len(made.seen[piece]), len(ways))}
        figures = {piece: spread_of(made.seen[piece], statistic).at(made.found[piece].factor) for piece in self._sought}
        self.settling = self._last = made
        self._ways = ways
        # Gates that a sweep comes to are solved there.
        throughout = all(piece in given or _is_gate(self.choices[piece.name]) for piece in self._sought)
        return Swept(made.found, off_of(made.found, figures, self._sought), made.seen, throughout)

    def slopes(self, piece: Piece, off: float) -> Mapping[Piece, float]:
        """How fast the figure of a sought piece follows the factors, as far as the last sweep tells."""
        made, uses = self._last, self.choices[piece.name].uses
        if made is not None and piece in made.slopes:
            return made.slopes[piece]
        if made is None or _is_gate(self.choices[piece.name]):  # bounded states, unless they explode
            return by_uses(lambda _: len(uses))(piece, off)
        powers = powers_of(self._ways[0], self._sought)[piece]
        return slopes_of(piece, made.found[piece], made.seen[piece], powers, self.wanted.statistic)

    def pooled(self, told: Sequence[Told], now: Sequence[Swept]) -> Swept | None:
        """What shares tell of all samples together, by what their few are now."""
        self.settling = Seeing()
        for each in (each for one in told for each in one.every):
            for piece, several in each.seen.items():
                self.settling.seen[piece] += several
        return pooled(told, now, self.wanted.statistic)

    def check(
        self, ways: Sequence[Way], found: Mapping[Piece, Found], step: Step, *, correct: bool
    ) -> tuple[Checking, list[Lane]]:
        """A plain pass with what was written; it may ``correct`` what has drifted."""
        carriers = {name: choice.carrier for name, choice in self.choices.items() if correct and not choice.reason}
        alone = alone_in(ways, carriers)
        settle = partial(Checking, found, self.wanted.statistic, alone, self.weights, step, again=self.again)
        return ran(self.model, ways, self.weights.values, settle, exact=True)

    def swept(self, checking: Checking) -> Swept | None:
        """What a check tells of the next factors; ``None`` where it met others that it could not correct."""
        statistic = self.wanted.statistic
        if not self._sought.issuperset(missed(checking, checking.found, statistic)):
            return None
        figures = figures_of(checking, statistic)
        return Swept(checking.found, off_of(checking.found, figures, self._sought & figures.keys()))

    def _is_sought(self, piece: Piece, seen: int, lanes: int) -> bool:
        uses = self.choices[piece.name].uses
        return (len(uses) > 1 and seen > lanes) or (self.gates and _is_gate(self.choices[piece.name]))


def _is_gate(choice: Choice) -> bool:
    return any(use.layout == "gates" for use in choice.uses)
