"""The play of unbalanced classes: an output bias that knows the class frequencies, and one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from initium.demo._train import schedule, train
from initium.demo._words import divergence, heading, outcome, said, steps
from initium.terminal import Span, number

if TYPE_CHECKING:
    from initium.demo._case import Scene
    from initium.demo._train import Point
    from initium.terminal import Line

_EARLY = (0, 2, 5, 10, 20, 50, 100)
FIX = (
    "frequencies = torch.bincount(labels) / len(labels)",
    "model[-1].bias.data = frequencies.log()",
)


def play(scene: Scene) -> None:
    """The loss at step 0 with and without the prior, and early training."""
    rare = float(scene.data.frequencies.min())
    scene.stage.say(said(f"Is it an 8? {100 * rare:.1f} % of the training images are."))
    plain, primed = scene.network(scene.case.sick), scene.network(scene.case.sick)
    scene.show("Before: output bias zero", scene.diagnosis(plain))
    scene.stage.say((*heading("The cure"), *(line for code in FIX for line in said(code))))
    prime(primed, scene.data.frequencies)
    scene.show("After: output bias log p", scene.diagnosis(primed))
    looks = frozenset(step for step in _EARLY if step < scene.steps) | {scene.steps}
    scene.stage.say(heading(f"Training both alike: {schedule(steps(scene.steps), scene.case.lr)}"))
    with scene.stage.progress("training both", 2 * (scene.steps + 1)) as tick:
        runs = [
            train(each, scene.data, scene.case.lr, seed=scene.seed, looks=looks, tick=tick) for each in (plain, primed)
        ]
    scene.stage.say((_head(), *(_row(a, b) for a, b in zip(*runs, strict=True))))
    scene.stage.say((*said(""), *said(_told(*runs), "bold"), *_end(scene, *runs)))


def prime(model: nn.Module, frequencies: torch.Tensor) -> None:
    """Sets the last bias to the log of the class frequencies."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    last.bias.data.copy_(frequencies.log())


def _head() -> Line:
    return (Span(f"{'step':>6}{'bias zero':>14}{'bias log p':>14}   (test loss in nats)", "bold"),)


def _row(plain: Point, primed: Point) -> Line:
    return (Span(f"{plain.step:>6}{number(plain.loss):>14}{number(primed.loss):>14}"),)


def _told(plain: tuple[Point, ...], primed: tuple[Point, ...]) -> str:
    saved = plain[0].loss - primed[0].loss
    first = f"The prior {'saves' if saved > 0 else 'costs'} {number(abs(saved))} nats at step 0"
    ahead = [str(a.step) for a, b in zip(plain, primed, strict=True) if b.loss < a.loss]
    if len(ahead) in {0, len(plain)}:
        return f"{first}; its loss is the {'lower' if ahead else 'higher'} one at every step that is shown."
    behind = [str(a.step) for a in plain if str(a.step) not in ahead]
    return f"{first}; its loss is lower at step {_listed(ahead)}, and not at step {_listed(behind)}."


def _listed(steps: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(steps[:-1]), steps[-1])))


def _end(scene: Scene, plain: tuple[Point, ...], primed: tuple[Point, ...]) -> tuple[Line, ...]:
    ends = plain[-1], primed[-1]
    return (*outcome(*ends, len(scene.data.test_y), "the prior"), *divergence(*ends, "the prior"))
