"""Models of torch alone: those of the tests, and those that ``auto_training.py`` trains."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from auto_models import MODELS as TRAINED

from zoo.case import Case, runs

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from architectures import ARCHITECTURES


def _tested(name: str) -> Case:
    model, batch = ARCHITECTURES[name]()
    return runs(Case(model.train(), batch if isinstance(batch, (dict, tuple)) else (batch,)))


def _trained(name: str) -> Case:
    build, task = TRAINED[name]
    inputs, _ = task().draws(torch.Generator().manual_seed(0))
    return runs(Case(build().train(), (inputs,)))


MODELS: dict[str, Callable[[], Case]] = {
    **{name: (lambda name=name: _tested(name)) for name in ARCHITECTURES},
    **{f"{name} (trained)": (lambda name=name: _trained(name)) for name in TRAINED},
}
