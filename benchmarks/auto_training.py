"""Training from ``auto`` against training from the model's own start, on real data; prints a table and a count.

Run from a checkout, after ``make test`` or any installation of initium, and ``pip install scikit-learn``:

    python benchmarks/auto_training.py                     # all models: about 12 minutes on one core
    python benchmarks/auto_training.py gpt vit             # those whose name contains one of the words
    python benchmarks/auto_training.py --steps 50 mlp      # a first look: seconds
    python benchmarks/auto_training.py --libraries timm    # those of timm and transformers too, where installed
    python benchmarks/auto_training.py --out figures.json  # every figure behind the table

Every model is built twice with each seed: as its author starts it, and then started by
``initium.initialize(model, batch, "auto", seed=seed)`` on its first batch. Both see the same batches: digits of
scikit-learn, each at a random place of a larger square, or characters of the docstrings of Python's own modules.

Each start gets the learning rate that suits it, by optimiser: of RATES, a factor of 3 apart, the one with the lowest final
loss over the seeds, found by walking downhill from the middle. The rate is constant, with no warm-up and no clipping.

How to read the table: "own" and "auto" are the training loss, mean over the last tenth of the steps and over the seeds,
each at its own learning rate (beside it; ! where it is the smallest or the largest of all). "auto / own" is below 1 where
auto is better, and in brackets stands what single seeds give: where they disagree, believe neither. "at step 0" is the loss
of the first batch above that of guessing: log K, or for the autoencoder the mean square of what is to be rebuilt. The count
below the table is of the lines where auto is at least as low, within 1 %.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from auto_libraries import LIBRARIES
from auto_models import MODELS
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import initium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from auto_data import Task
    from torch import nn

RATES = {
    "AdamW": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    "SGD": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
}
MIDDLE, STARTS, NEAR = 2, ("own", "auto"), 1.01


@dataclass(frozen=True, slots=True)
class Line:
    """One model with one optimiser, from one start.

    Attributes:
        model: Its name.
        optimiser: Likewise.
        start: ``own`` or ``auto``.
        first: The loss at step 0 above that of guessing, mean over the seeds.
        losses: By learning rate, the final loss with each seed; infinite where it diverged.
    """

    model: str
    optimiser: str
    start: str
    first: float
    losses: dict[float, list[float]]

    @property
    def rate(self) -> float:
        """The learning rate with the lowest final loss."""
        return min(self.losses, key=lambda rate: statistics.fmean(self.losses[rate]))

    @property
    def final(self) -> list[float]:
        """The final losses at that rate, by seed."""
        return self.losses[self.rate]


def started(build: Callable[[], nn.Module], task: Task, start: str, seed: int) -> tuple[Callable[[], nn.Module], float]:
    """What gives the model as it starts, and its loss at step 0."""
    torch.manual_seed(seed)
    model = build()
    inputs, wanted = task.draws(torch.Generator().manual_seed(seed))
    if start == "auto":
        initium.initialize(model, inputs, "auto", seed=seed)
    values = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        first = float(task.loss(model(inputs), wanted))

    def again() -> nn.Module:
        model.load_state_dict(values)
        return model.train()

    return again, first


def trained(model: nn.Module, task: Task, optimiser: str, rate: float, *, seed: int, steps: int) -> float:
    """The mean training loss of the last tenth of the steps."""
    chosen = (
        torch.optim.AdamW(model.parameters(), rate, fused=True)
        if optimiser == "AdamW"
        else torch.optim.SGD(model.parameters(), rate, momentum=0.9, fused=True)
    )
    generator, losses = torch.Generator().manual_seed(seed), list[float]()
    for _ in range(steps):
        inputs, wanted = task.draws(generator)
        loss = task.loss(model(inputs), wanted)
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            return math.inf
    return statistics.fmean(losses[-max(1, steps // 10) :])


def downhill(rates: tuple[float, ...], loss: Callable[[float], list[float]]) -> dict[float, list[float]]:
    """The losses on the way from the middle to a rate on both sides of which it is higher."""
    found = dict[float, list[float]]()

    def mean(place: int) -> float:
        if not 0 <= place < len(rates):
            return math.inf
        if rates[place] not in found:
            found[rates[place]] = loss(rates[place])
        return statistics.fmean(found[rates[place]])

    place = MIDDLE if mean(MIDDLE) <= mean(MIDDLE + 1) else MIDDLE + 1
    step = -1 if place == MIDDLE else 1
    while mean(place + step) < mean(place):
        place += step
    return found


def lines(
    name: str, made: tuple[Callable[[], nn.Module], Callable[[], Task]], seeds: int, steps: int, starts: Iterable[str]
) -> Iterator[Line]:
    """Both optimisers from these starts."""
    build, task = made[0], made[1]()
    for start in starts:
        each = [started(build, task, start, seed) for seed in range(seeds)]
        first = statistics.fmean(loss for _, loss in each) - task.guess
        for optimiser, rates in RATES.items():
            loss = partial(final, [again for again, _ in each], task, optimiser, steps=steps)
            yield Line(name, optimiser, start, first, downhill(rates, loss))


def final(models: list[Callable[[], nn.Module]], task: Task, optimiser: str, rate: float, *, steps: int) -> list[float]:
    """The final loss of every seed."""
    return [trained(again(), task, optimiser, rate, seed=seed, steps=steps) for seed, again in enumerate(models)]


# ---- the table ----


def table(found: Mapping[tuple[str, str, str], Line], title: str) -> tuple[Table, str]:
    """All lines, and the count below them."""
    columns = ("model", "optimiser", "own", "rate", "auto", "rate", "auto / own", "own at step 0", "auto at step 0")
    shown = Table(*columns, title=title)
    for column in shown.columns[2:]:
        column.justify = "right"
    ratios = dict[tuple[str, str], float]()
    for (name, optimiser, start), own in found.items():
        auto = found.get((name, optimiser, "auto"))
        if start == "own" and auto is not None:
            ratio = statistics.fmean(auto.final) / statistics.fmean(own.final)
            ratios[name, optimiser] = ratio
            each = sorted(mine / theirs for mine, theirs in zip(auto.final, own.final, strict=True))
            cells = [cell for line in (own, auto) for cell in (f"{statistics.fmean(line.final):.4f}", _rate(line))]
            firsts = (f"{line.first:+.3f}" for line in (own, auto))
            shown.add_row(name, optimiser, *cells, f"{ratio:.3f} ({each[0]:.2f}-{each[-1]:.2f})", *firsts)
    low = sum(ratio <= NEAR for ratio in ratios.values())
    counts = [f"auto at least as low (within 1 %): {low} of {len(ratios)} lines"]
    for optimiser in RATES:
        mine = [ratio for (_, each), ratio in ratios.items() if each == optimiser]
        if mine:
            middle = statistics.median(mine)
            counts.append(f"{optimiser} {sum(r <= NEAR for r in mine)} of {len(mine)}, median ratio {middle:.3f}")
    return shown, "; ".join(counts)


def _rate(line: Line) -> str:
    rates = RATES[line.optimiser]
    return f"{line.rate:g}" + ("!" if line.rate in {rates[0], rates[-1]} else "")


def main() -> None:
    """Trains, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only models whose name contains one of these")
    parser.add_argument("--steps", type=int, default=300, metavar="N", help="of every run (300)")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="starts and orders of the data (2)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch; models are small (1)")
    parser.add_argument("--libraries", action="store_true", help="models of timm and transformers too, where installed")
    parser.add_argument("--list", action="store_true", help="print the names of the models, and stop")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures there as JSON")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    every = MODELS | (LIBRARIES if given.libraries else {})
    chosen = {
        name: made
        for name, made in every.items()
        if not given.words or any(word.lower() in name.lower() for word in given.words)
    }
    console = Console(width=None if Console().is_terminal else 150)
    if given.list or not chosen:
        console.print(*every, sep="\n", markup=False)
        parser.exit(0 if given.list else 2, "" if given.list else "no model's name contains any of these words\n")
    found, told = dict[tuple[str, str, str], Line](), list[str]()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=len(chosen) * len(RATES) * len(STARTS))
        for name, made in chosen.items():
            progress.update(task, description=name)
            try:
                for line in lines(name, made, given.seeds, given.steps, STARTS):
                    found[line.model, line.optimiser, line.start] = line
                    progress.advance(task)
            except (ImportError, initium.InitiumError) as error:
                told.append(f"{name} is left out: {type(error).__name__}: {error}")
    title = f"{given.steps} steps, {given.seeds} seeds, torch {torch.__version__}"
    console.print(*table(found, title), *told, sep="\n", markup=False)
    if given.out:
        given.out.write_text(json.dumps([asdict(line) for line in found.values()], indent=1) + "\n")


if __name__ == "__main__":
    main()
