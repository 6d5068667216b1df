"""The plain play: the ill start, its cure, and both networks trained alike."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from initium.demo._train import Point, schedule, train
from initium.demo._words import curves, divergence, heading, losses, outcome, said, steps

if TYPE_CHECKING:
    from torch import nn

    from initium.demo._case import Scene
    from initium.report import Report

_LOOKS = 8
CURE = "textbook"


def play(scene: Scene) -> None:
    """Before, after, and what training makes of both."""
    sick, cured = opening(scene)
    compared(scene, sick, cured)


def opening(scene: Scene) -> tuple[nn.Module, nn.Module]:
    """The diagnosis of the ill start, the cure, and the diagnosis again."""
    sick = scene.network(scene.case.sick)
    report = scene.diagnosis(sick)
    scene.show(f"Before: {scene.case.sick}", report)
    cured = copy.deepcopy(sick)
    return sick, _cured(scene, cured, report)


def _cured(scene: Scene, model: nn.Module, before: Report) -> nn.Module:
    """Applies the cure that the report names, and looks again."""
    # A report cannot know the seed of this run and names 0.
    fix = before.findings[0].fix.replace("seed=0", f"seed={scene.seed}") if before.findings else ""
    told = fix or f"The report asks for none; the {CURE} start is shown all the same."
    scene.stage.say((*heading("The cure"), *said(told)))
    made = scene.network(CURE)
    model.load_state_dict(made.state_dict())
    report = scene.diagnosis(model)
    scene.show(f"After: {CURE}", report)
    return model


def compared(scene: Scene, sick: nn.Module, cured: nn.Module) -> tuple[Point, Point]:
    """Trains both on the same batches and says what came of it."""
    case, looks = scene.case, frozenset(round(scene.steps * part / _LOOKS) for part in range(_LOOKS + 1))
    scene.stage.say(heading(f"Training both alike: {schedule(steps(scene.steps), case.lr)}"))
    results: list[tuple[Point, ...]] = []
    with scene.stage.progress("training both", 2 * (scene.steps + 1)) as tick, torch.enable_grad():
        results.extend(
            train(each, scene.data, case.lr, seed=scene.seed, looks=looks, tick=tick) for each in (sick, cured)
        )
    before, after = results
    names, stage = (f"{case.sick}, test", f"{CURE}, test"), scene.stage
    stage.say(curves(names, before, after, stage.width, ascii_only=stage.ascii_only))
    ends = before[-1], after[-1]
    stage.say((*said(""), *outcome(*ends, len(scene.data.test_y)), *divergence(*ends), *losses(*ends)))
    return ends
