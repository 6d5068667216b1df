"""How often `initium.audit` names the law that weights were drawn from, and how often it accuses what is as it was planned.

Run from a checkout, with any installation of initium:

    pip install timm               # its initialisers are drawn too, where it is installed
    python benchmarks/audit.py     # minutes
    python benchmarks/audit.py --draws 2 --largest 10000

Every initialiser draws tensors of several shapes and dtypes, from 1,000 elements on. "law" is the share whose law is named
right; "or a tie" counts those too of which the row says that it may as well be the right one; "std" is the share whose 99 %
interval holds the std that was asked for. Below, models are started by a scheme and audited against it: a finding there is
a false alarm.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import initium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPES = ((32, 32), (128, 48), (64, 16, 3, 3), (300, 300), (1000, 1000))
DTYPES = (torch.float32, torch.bfloat16, torch.float64)
SCHEMES = ("textbook", "gpt2", "depth_scaled", "t_fixup", "auto")
# Std of N(0, 1) that is drawn anew beyond 2.
CUT = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))


@dataclass(frozen=True, slots=True)
class Initialiser:
    """One way to draw a weight.

    Attributes:
        draw: Fills a tensor in place.
        kind: The law, as a row names it.
        std: The std that it means for a shape.
    """

    draw: Callable[[Tensor], object]
    kind: str
    std: Callable[[torch.Size], float]


def fans(shape: torch.Size) -> tuple[int, int]:
    """Of (out, in, ...): inputs and outputs of one position."""
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def scaling(shape: torch.Size, scale: float, mode: str) -> float:
    """The std of Keras's VarianceScaling."""
    fan_in, fan_out = fans(shape)
    return math.sqrt(scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode])


def keras(scale: float, mode: str, law: str) -> Initialiser:
    """VarianceScaling by its published formula."""

    def draw(weight: Tensor) -> None:
        std = scaling(weight.shape, scale, mode)
        if law == "uniform":
            weight.uniform_(-math.sqrt(3) * std, math.sqrt(3) * std)
        elif law == "normal":
            weight.normal_(0, std)
        else:
            wide = std / CUT
            nn.init.trunc_normal_(weight, 0, wide, -2 * wide, 2 * wide)

    return Initialiser(draw, law, lambda shape: scaling(shape, scale, mode))


def initialisers() -> dict[str, Initialiser]:
    """By name."""
    init = nn.init
    found = {
        "torch normal_ 0.02": Initialiser(partial(init.normal_, std=0.02), "normal", lambda _: 0.02),
        "torch uniform_ 0.1": Initialiser(
            partial(init.uniform_, a=-0.1, b=0.1), "uniform", lambda _: 0.1 / math.sqrt(3)
        ),
        "torch xavier_uniform_": Initialiser(init.xavier_uniform_, "uniform", lambda s: scaling(s, 1, "fan_avg")),
        "torch xavier_normal_": Initialiser(init.xavier_normal_, "normal", lambda s: scaling(s, 1, "fan_avg")),
        "torch kaiming_uniform_": Initialiser(init.kaiming_uniform_, "uniform", lambda s: scaling(s, 2, "fan_in")),
        "torch kaiming_normal_ fan_out": Initialiser(
            partial(init.kaiming_normal_, mode="fan_out"), "normal", lambda s: scaling(s, 2, "fan_out")
        ),
        "torch Linear's own": Initialiser(
            partial(init.kaiming_uniform_, a=math.sqrt(5)), "uniform", lambda s: scaling(s, 1 / 3, "fan_in")
        ),
        "torch trunc_normal_ 0.02, cut at 2": Initialiser(
            partial(init.trunc_normal_, std=0.02, a=-0.04, b=0.04), "truncated_normal", lambda _: 0.02 * CUT
        ),
        "torch trunc_normal_ 0.02 (cut at 100 std)": Initialiser(
            partial(init.trunc_normal_, std=0.02), "normal", lambda _: 0.02
        ),
        "torch orthogonal_": Initialiser(init.orthogonal_, "orthogonal", lambda s: max(s[0], math.prod(s[1:])) ** -0.5),
        "transformers normal 0.02 / sqrt(24)": Initialiser(
            partial(init.normal_, std=0.02 / math.sqrt(24)), "normal", lambda _: 0.02 / math.sqrt(24)
        ),
        "Keras GlorotUniform": keras(1, "fan_avg", "uniform"),
        "Keras GlorotNormal": keras(1, "fan_avg", "truncated_normal"),
        "Keras HeNormal": keras(2, "fan_in", "truncated_normal"),
        "Keras HeUniform": keras(2, "fan_in", "uniform"),
        "Keras LecunNormal": keras(1, "fan_in", "truncated_normal"),
        "Keras VarianceScaling untruncated": keras(1, "fan_out", "normal"),
        "zeros": Initialiser(init.zeros_, "constant", lambda _: 0.0),
        "ones": Initialiser(init.ones_, "constant", lambda _: 0.0),
    }
    try:
        layers = import_module("timm.layers")
    except (ImportError, RuntimeError):  # torchvision raises RuntimeError beside a torch it was not built for
        return found
    return found | {
        "timm trunc_normal_ 0.02": Initialiser(partial(layers.trunc_normal_, std=0.02), "normal", lambda _: 0.02),
        "timm trunc_normal_tf_ 0.02": Initialiser(
            partial(layers.trunc_normal_tf_, std=0.02), "truncated_normal", lambda _: 0.02 * CUT
        ),
        "timm lecun_normal_": Initialiser(layers.lecun_normal_, "truncated_normal", lambda s: scaling(s, 1, "fan_in")),
    }


def laws(draws: int, largest: int) -> Table:
    """Accuracy, a line an initialiser."""
    table = Table("initialiser", "tensors", "law", "law or a tie", "std")
    for column in table.columns[1:]:
        column.justify = "right"
    total = defaultdict[str, list[bool]](list)
    for name, one in initialisers().items():
        held = defaultdict[str, list[bool]](list)
        for right, tied, near in _looked_at(one, draws, largest):
            held["law"].append(right)
            held["tie"].append(right or tied)
            held["std"].append(near)
        for kind, each in held.items():
            total[kind] += each
        table.add_row(name, *_cells(held))
    table.add_section()
    table.add_row("all", *_cells(total))
    return table


def _cells(held: dict[str, list[bool]]) -> Iterator[str]:
    yield f"{len(held['law']):,}"
    yield from (f"{100 * sum(held[kind]) / len(held[kind]):.1f} %" for kind in ("law", "tie", "std"))


def _looked_at(one: Initialiser, draws: int, largest: int) -> Iterator[tuple[bool, bool, bool]]:
    for shape in SHAPES:
        for dtype in DTYPES if math.prod(shape) <= largest else ():
            for _ in range(draws):
                weight = torch.empty(shape)
                one.draw(weight)
                row = initium.audit({"layer.weight": weight.to(dtype)})["layer.weight"]
                tied = any(one.kind.split("_")[-1] in tie for tie in row.ties)
                yield row.kind == one.kind, tied, row.low <= one.std(weight.shape) <= row.high


def alarms(seeds: int) -> tuple[Table, list[str]]:
    """Findings where weights are as they were planned: a line a scheme, and each in words."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    models = import_module("architectures").ARCHITECTURES
    table = Table("scheme", "models", "rows", "findings")
    said = list[str]()
    for column in table.columns[1:]:
        column.justify = "right"
    for scheme in SCHEMES:
        rows, findings, count = 0, 0, 0
        for name, build in models.items():
            for seed in range(seeds):
                torch.manual_seed(seed)
                model, batch = build()
                try:
                    initium.initialize(model, batch, scheme, seed=seed)
                except initium.InitiumError:
                    break  # the scheme refuses this model, and says why
                found = initium.audit(model, scheme, batch, seed=seed)
                rows, findings, count = rows + len(found.rows), findings + len(found.findings), count + 1
                said += [f"{scheme}, {name}, seed {seed}: {each.message}" for each in found.findings]
        table.add_row(scheme, f"{count}", f"{rows:,}", str(findings))
    return table, said


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=12, metavar="N", help="of every initialiser, shape and dtype (12)")
    parser.add_argument(
        "--largest", type=int, default=10**6, metavar="N", help="elements of the largest tensor (1,000,000)"
    )
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="starts of every model by every scheme (2)")
    given = parser.parse_args()
    torch.manual_seed(0)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(laws(given.draws, given.largest))
    table, said = alarms(given.seeds)
    console.print(table, *said, sep="\n", markup=False)


if __name__ == "__main__":
    main()
