"""The play of BatchNorm: both starts train; how many steps does each need?"""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from initium.demo._pair import CURE, opening
from initium.demo._train import train
from initium.demo._words import heading, said
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


def play(scene: Scene) -> None:
    """Before, after, and the steps to the target for several seeds."""
    opening(scene)
    title = f"Steps to {100 * _TARGET:.0f} % test accuracy, SGD at learning rate {scene.case.lr:g}, {_SEEDS} seeds"
    scene.stage.say(heading(title))
    looks = frozenset(range(0, scene.steps + 1, _EVERY)) | {scene.steps}
    with scene.stage.progress("training", 2 * _SEEDS * (scene.steps + 1)) as tick:
        runs = {
            scheme: [
                train(scene.network(scheme, seed), scene.data, scene.case.lr, seed=seed, looks=looks, tick=tick)
                for seed in range(scene.seed, scene.seed + _SEEDS)
            ]
            for scheme in (scene.case.sick, CURE)
        }
    scene.stage.say(tuple(_row(scheme, points) for scheme, points in runs.items()))
    scene.stage.say((*said(""), *said(_outcome(runs[scene.case.sick], runs[CURE]), "bold")))


def _needed(points: tuple[Point, ...]) -> int | None:
    return next((point.step for point in points if point.accuracy >= _TARGET), None)


def _row(scheme: str, runs: list[tuple[Point, ...]]) -> Line:
    steps = [_needed(points) for points in runs]
    told = "  ".join(f"{'never' if step is None else step:>6}" for step in steps)
    ends = ", ".join(_end(points[-1]) for points in runs)
    return (Span(f"{scheme:<14}", "bold"), Span(f"{told}    at the end {ends}"))


def _end(point: Point) -> str:
    return f"{100 * point.accuracy:.1f} %" if point.diverged is None else f"diverged after {point.diverged}"


def _outcome(sick: list[tuple[Point, ...]], cured: list[tuple[Point, ...]]) -> str:
    """By the figures: faster for every seed, slower for every seed, or undecided."""
    last = sick[0][-1].step
    # Who never arrives is counted with the last step: a lower bound, and said to be one.
    pairs = [(_needed(a), _needed(b)) for a, b in zip(sick, cured, strict=True)]
    slow, fast = mean(last if a is None else a for a, _ in pairs), mean(last if b is None else b for _, b in pairs)
    bound = " at least" if any(a is None for a, _ in pairs) else ""
    figures = f"{CURE} needs {fast:.0f} steps on average, the haphazard start{bound} {slow:.0f}"
    if all((last + 1 if b is None else b) < (last + 1 if a is None else a) for a, b in pairs):
        both = all(points[-1].accuracy > _LEARNED for points in (*sick, *cured))
        return f"{'BatchNorm trains both, but ' if both else ''}{figures}: the good start is faster for every seed."
    if all((last + 1 if b is None else b) > (last + 1 if a is None else a) for a, b in pairs):
        return f"{figures}: the good start is NOT faster here."
    return f"{figures}: the seeds disagree."
