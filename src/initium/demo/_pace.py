"""The play of BatchNorm: both starts train; how many steps does each need?"""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from initium.demo._pair import CURE, opening
from initium.demo._train import schedule, train
from initium.demo._words import heading, said, steps
from initium.terminal import Span

if TYPE_CHECKING:
    from initium.demo._case import Scene
    from initium.demo._train import Point
    from initium.terminal import Line

_TARGET = 0.9
_SEEDS = 3
_EVERY = 5
# Five times what guessing among ten digits gives.
_LEARNED = 0.5
_COLUMN = 8


def play(scene: Scene) -> None:
    """Before, after, and the steps to the target for several seeds."""
    opening(scene)
    what = f"At most {schedule(steps(scene.steps), scene.case.lr)}; looked at every {_EVERY} steps."
    scene.stage.say((*heading(f"Steps to {100 * _TARGET:.0f} % test accuracy"), *said(what, "dim")))
    looks = frozenset(range(0, scene.steps + 1, _EVERY)) | {scene.steps}
    with scene.stage.progress("training", 2 * _SEEDS * (scene.steps + 1)) as tick:
        runs = {
            scheme: [
                train(scene.network(scheme, seed), scene.data, scene.case.lr, seed=seed, looks=looks, tick=tick)
                for seed in range(scene.seed, scene.seed + _SEEDS)
            ]
            for scheme in (scene.case.sick, CURE)
        }
    scene.stage.say((_head(scene.seed), *(_row(scheme, points) for scheme, points in runs.items())))
    scene.stage.say((*said(""), *said(_outcome(runs[scene.case.sick], runs[CURE]), "bold")))


def _needed(points: tuple[Point, ...]) -> int | None:
    return next((point.step for point in points if point.accuracy >= _TARGET), None)


def _head(first: int) -> Line:
    seeds = "".join(f"  seed {seed}".rjust(_COLUMN) for seed in range(first, first + _SEEDS))
    return (Span(" " * 14), Span(f"{seeds}   accuracy at the end", "bold"))


def _row(scheme: str, runs: list[tuple[Point, ...]]) -> Line:
    never = f"> {runs[0][-1].step}"
    told = "".join(f"  {never if step is None else step}".rjust(_COLUMN) for step in map(_needed, runs))
    ends = ", ".join(_end(points[-1]) for points in runs)
    return (Span(f"{scheme:<14}", "bold"), Span(f"{told}   {ends}"))


def _end(point: Point) -> str:
    return f"{100 * point.accuracy:.1f} %" if point.diverged is None else f"diverged after {point.diverged}"


def _outcome(sick: list[tuple[Point, ...]], cured: list[tuple[Point, ...]]) -> str:
    """By the figures: faster for every seed, slower for every seed, or undecided."""
    last = sick[0][-1].step
    pairs = [(_needed(a), _needed(b)) for a, b in zip(sick, cured, strict=True)]
    if all(step is None for pair in pairs for step in pair):
        return f"Neither start reaches {100 * _TARGET:.0f} % within {steps(last)}."
    slow, fast = map(list, zip(*pairs, strict=True))
    figures = f"the {CURE} start needs {_average(fast, last)} on average, the haphazard one {_average(slow, last)}"
    told = f"{figures[0].upper()}{figures[1:]}"
    late = [((last + 1 if a is None else a), (last + 1 if b is None else b)) for a, b in pairs]
    if all(b < a for a, b in late):
        both = all(points[-1].accuracy > _LEARNED for points in (*sick, *cured))
        return f"{f'BatchNorm trains both, but {figures}' if both else told}: the good start is faster for every seed."
    if all(b > a for a, b in late):
        return f"{told}: the good start is NOT faster here."
    return f"{told}: the seeds disagree."


def _average(needed: list[int | None], last: int) -> str:
    """The mean; who never arrives is counted with the last step: a lower bound, and said to be one."""
    bound = "at least " if None in needed else ""
    return f"{bound}{steps(round(mean(last if step is None else step for step in needed)))}"
