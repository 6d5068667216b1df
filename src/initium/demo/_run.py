"""One illness, from the data to the verdict."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from initium.demo._case import Scene
from initium.demo._cases import CASES
from initium.demo._data import digits
from initium.demo._words import heading, said
from initium.errors import ArgumentError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Generator

    from initium.demo._stage import Stage

# torch's generators take twice as many; a case with several seeds counts on from the one that is given.
_SEEDS = 1 << 63


def run(stage: Stage, case: str = "glorot-relu", steps: int | None = None, seed: int = 0) -> None:
    """Shows an illness on real digits: found, explained, cured, and both networks trained.

    Args:
        stage: Where it is shown.
        case: A name of :data:`CASES`.
        steps: Training steps; ``None`` for the case's own.
        seed: Of the split, the weights and the order of the batches; in [0, 2**63).

    Raises:
        UnknownNameError: No case has that name.
        ArgumentError: ``steps`` is not positive, or ``seed`` out of range.
        DemoError: scikit-learn is not installed.

    Example:
        >>> from initium.demo import Recorder, run
        >>> stage = Recorder()
        >>> run(stage, "zeros", steps=2)
        >>> "SYMMETRIC" in stage.text
        True
    """
    if case not in CASES:
        raise UnknownNameError(f"no case is called {case!r}; known: {', '.join(CASES)}.")
    if steps is not None and steps < 1:
        raise ArgumentError(f"steps must be >= 1; got {steps}.")
    if not 0 <= seed < _SEEDS:
        raise ArgumentError(f"a seed of the demo is an integer in [0, 2**63); got {seed}.")
    chosen, data = CASES[case], digits(seed)
    shown = chosen.data(data)
    size = f"{len(shown.y)} training and {len(shown.test_y)} test images of handwritten digits"
    stage.say((*heading(f"initium demo: {chosen.title}"), *said(f"{size}.", "dim")))
    with _one_thread():
        chosen.play(Scene(chosen, shown, steps or chosen.steps, seed, stage))


@contextlib.contextmanager
def _one_thread() -> Generator[None, None, None]:
    """Matrices this small are multiplied sooner than threads have agreed who does it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
