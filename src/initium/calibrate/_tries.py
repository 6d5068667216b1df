"""The sweeps that find the factors: one; or, of weights that are used again, tries on a few samples and corrections on all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from initium.calibrate._moved import Moved
from initium.calibrate._rounds import samples_of
from initium.calibrate._shares import Share, Told
from initium.calibrate._swept import Swept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece
    from initium.calibrate._rounds import Way
    from initium.calibrate._seek import Seeking

# A correction below the first needs no sweep of its own, one below the last is none; and the most sweeps. What was seen of a
# few samples tells how a larger correction ends.
_NEAR, _NEAR_BY_FEW, _EXACT, MOST_ROUNDS = 1e-2, 2e-1, 1e-5, 16
# How near the few samples' own figures are brought before all are looked at, and after.
_BEFORE, _AFTER = 5e-2, 5e-4
# How often the few of all shares are looked at again, and how often each is heard, so that what all of them tell is kept.
_AGAIN, _HEARD = 2, 2


@dataclass(slots=True)
class Tries:
    """The search for the factors of weights that are used again.

    Args:
        sweep: Runs these ways with factors that are given.
        seeking: What is learnt of how figures follow factors.
        ways: All samples.
        few: A few of them; empty where none stand for all.
        pooled: What shares tell of all samples together, by what their few are now; or ``None``.
        shares: All samples in shares, the few in the first one.

    Attributes:
        sweeps: How many passes over all samples were taken.
        on_few: And over the few.
        checked: What a check of the last factors saw, where that is as good as a sweep.
    """

    sweep: Callable[[Sequence[Way], Mapping[Piece, float]], Swept]
    seeking: Seeking[Piece]
    ways: Sequence[Way]
    few: Sequence[Way]
    pooled: Callable[[Sequence[Told], Sequence[Swept]], Swept | None]
    shares: Sequence[Share]
    sweeps: int = 0
    on_few: int = 0
    checked: Swept | None = None
    _farthest: float = math.inf
    _moved: Moved = field(default_factory=Moved)

    def found(self, given: Mapping[Piece, float]) -> Iterator[dict[Piece, Found]]:
        """What was found, each time that it is worth checking."""
        thin = self._tried(given) if self.few else None
        if thin is not None and self.shares and (whole := self._by_shares(thin)) is not None:
            self.sweeps, given, thin = 1, self._after(whole, whole.off), None
            yield self._told(whole, given, self._moved.on(whole.found, given))
        given = given if thin is None else thin.factors
        while self.sweeps < MOST_ROUNDS:
            before, whole, carried = self._farthest, self._on_all(given), None
            if thin is not None and whole.largest < before / 2:
                thin = thin if thin.factors == whole.factors else self._on_few(whole.factors)
                carried = self._carried(thin, whole)
            if carried is None:
                if thin is not None:
                    self.seeking.anew()
                thin, near = None, _NEAR
                given = _next(self.seeking, whole, whole.off)
                self._moved.hear(whole.found, given)
                found = self._moved.on(whole.found, given)
            else:
                near, (given, found) = _NEAR_BY_FEW, carried
            if whole.largest < near or self.sweeps == MOST_ROUNDS:
                yield self._told(whole, given, found)
                if whole.largest <= _EXACT:
                    return  # another sweep would find the same

    def _told(self, whole: Swept, given: Mapping[Piece, float], moved: Mapping[Piece, Found]) -> dict[Piece, Found]:
        """What a pass found, with other factors of what is sought, and of what moves with it."""
        how = self._how()
        told = {piece: replace(whole.found[piece], factor=given[piece], how=how) for piece in whole.off}
        return {**whole.found, **moved, **told}

    def _on_all(self, given: Mapping[Piece, float]) -> Swept:
        self.sweeps += 1
        checked, self.checked = self.checked, None
        # Where a weight enters by a way that is no use of it, a check is farther off than the sweep was.
        seen = checked if checked and checked.largest < self._farthest else self.sweep(self.ways, given)
        self._farthest = seen.largest
        return seen

    def _by_shares(self, thin: Swept) -> Swept | None:
        """All samples once, share by share, with factors that become better as more are known; then a few of every share again."""
        self._hear(thin)
        told, whole = list[Told](), thin
        for share in self.shares:
            factors = self._after(whole, whole.off) if told else thin.factors
            few = thin if share.few is self.few else self.sweep(share.few, factors)
            told.append(Told(few, self.sweep(share.rest, factors) if share.rest else None))
            seen = self._together(thin, told, [self._foreseen(each.few, factors) for each in told])
            if seen is None:
                return None
            whole = seen
        for _ in range(_AGAIN):
            self.on_few += 1
            factors = self._after(whole, whole.off)
            now = [self.sweep(share.few, factors) for share in self.shares]
            seen = self._together(thin, told, now)
            if seen is None:
                return None
            whole = seen
            for each, there in [*zip(told, now, strict=True)] * _HEARD:
                self._learn(each.few, there)
            if whole.largest < _NEAR:
                break
        self.seeking.anew()
        self._moved.anew()
        return whole

    def _together(self, thin: Swept, told: Sequence[Told], now: Sequence[Swept]) -> Swept | None:
        """All samples so far, as they are where the few of each share are ``now``; ``None`` where these are not of one kind."""
        several = [*(each for one in told for each in one.every), *now]
        whole = self.pooled(told, now) if all(each.off.keys() == thin.off.keys() for each in several) else None
        return whole if whole is not None and whole.off.keys() == thin.off.keys() else None

    def _learn(self, *several: Swept) -> None:
        """How the figures of the same samples follow the factors."""
        self.seeking.anew()
        self._moved.anew()
        for swept in several:
            self._hear(swept)
            self._moved.hear(swept.found, swept.factors)

    def _foreseen(self, then: Swept, factors: Mapping[Piece, float]) -> Swept:
        """What the same samples would be with other factors."""
        step = {piece: math.log(factors[piece] / factor) for piece, factor in then.factors.items()}
        change = self.seeking.change(step)
        sought = {piece: replace(then.found[piece], factor=factors[piece]) for piece in then.off}
        found = then.found | self._moved.on(then.found, factors) | sought
        return Swept(found, {piece: value + change[piece] for piece, value in then.off.items()})

    def _hear(self, swept: Swept) -> None:
        """What a pass tells of how figures follow factors."""
        self.seeking.hear({piece: math.log(factor) for piece, factor in swept.factors.items()}, swept.off)

    def _after(self, swept: Swept, off: Mapping[Piece, float]) -> dict[Piece, float]:
        """The factors after those of a pass which bring what is ``off`` to its target, by what is known so far."""
        tried = swept.factors
        return {piece: tried[piece] * math.exp(step) for piece, step in self.seeking.step(off).items()}

    def _towards(self, thin: Swept, off: Mapping[Piece, float]) -> dict[Piece, float]:
        """The same by what the few tell with these factors, too."""
        self._hear(thin)
        return self._after(thin, off)

    def _on_few(self, given: Mapping[Piece, float]) -> Swept:
        self.on_few += 1
        return self.sweep(self.few, given)

    def _tried(self, given: Mapping[Piece, float]) -> Swept | None:
        """The few samples as near to their targets as they can tell, with factors that all sweep over them had."""
        for _ in range(MOST_ROUNDS):
            swept = self._on_few(given)
            if swept.throughout:
                self._moved.hear(swept.found, swept.factors)
            if swept.largest < _BEFORE and swept.throughout:
                return swept
            given = _next(self.seeking, swept, swept.off)
        return None

    def _carried(self, begun: Swept, whole: Swept) -> tuple[dict[Piece, float], dict[Piece, Found]] | None:
        """The factors that bring all samples to their targets, by what other factors do to the few; ``None`` if these tell of others.

        How far all samples are from the few, at the same factors, is taken to stay as it is: the few are brought to where all
        are right. What is used once moves with the rest, on all as on the few.
        """
        moved, thin, off = Moved(), begun, dict(whole.off)
        for _ in range(MOST_ROUNDS):
            if thin.off.keys() != off.keys():
                return None
            moved.hear(thin.found, thin.factors)
            if max(map(abs, off.values()), default=0.0) < _AFTER:
                break
            thin = self._on_few(self._towards(thin, off))
            off = {piece: value + thin.off.get(piece, 0.0) - begun.off[piece] for piece, value in whole.off.items()}
        factors = self._towards(thin, off)
        found, first = whole.found, begun.found
        led = {piece: one for piece, one in moved.on(thin.found, factors).items() if _moves(piece, found, first)}
        return factors, {
            piece: replace(found[piece], factor=found[piece].factor * one.factor / first[piece].factor)
            for piece, one in led.items()
        }

    def _how(self) -> str:
        """What a row says of it."""
        on_all = f"{_rounds(self.sweeps)} on all"
        if not self.few:
            return f"sought in {on_all}"
        part = min(samples_of(way.batch) for way in self.few)
        return f"sought in {_rounds(self.on_few)} on {part} of {samples_of(self.ways[0].batch)} samples, and {on_all}"


def _rounds(number: int) -> str:
    return f"{number} round" + ("s" if number > 1 else "")


def _moves(piece: Piece, *several: Mapping[Piece, Found]) -> bool:
    return all(piece in found and not found[piece].note for found in several)


def _next(seeking: Seeking[Piece], swept: Swept, off: Mapping[Piece, float]) -> dict[Piece, float]:
    """The factors to try next of the weights that are used again; as they are where none is off."""
    tried = swept.factors
    if all(abs(value) <= _EXACT for value in off.values()):
        return tried
    logs = seeking.next({piece: math.log(factor) for piece, factor in tried.items()}, off)
    return {piece: math.exp(log) for piece, log in logs.items()}
