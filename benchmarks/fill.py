"""How fast weights are filled, against ``torch.nn.init`` in the same run, with the same number of threads; prints tables.

Run from a checkout, after ``make test`` or any installation of initium:

    python benchmarks/fill.py                       # 2^24 elements, as many threads as torch takes
    python benchmarks/fill.py --threads 1 --elements 22
    python benchmarks/fill.py --device cuda         # against torch's own kernels, and the device's copy bandwidth

The two are timed in turns; a figure is the median of its turns. Memory is the peak above what was there before the
fill, the tensor itself included in what was there.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import memory
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import init as theirs

from initium import init as ours
from initium import random

if TYPE_CHECKING:
    from collections.abc import Callable

STREAM = random.Stream(0, "weight")
SMALL, CALLS = (40, 25), 2000


@dataclass(frozen=True, slots=True)
class Row:
    """One fill: its name, what is filled, and the two calls."""

    name: str
    tensor: torch.Tensor
    theirs: Callable[[torch.Tensor], object]
    ours: Callable[[torch.Tensor], object]


def rows(count: int, device: str) -> list[Row]:
    """The large fills."""
    side = 1 << (count.bit_length() - 1) // 2
    flat = {t: torch.empty(count, dtype=t, device=device) for t in (torch.float32, torch.bfloat16, torch.float16)}
    matrix = torch.empty(side, count // side, device=device)
    cut = {"std": 0.02, "a": -0.04, "b": 0.04}
    table = []
    for dtype, tensor in flat.items():
        short = str(dtype).removeprefix("torch.")
        table += [
            Row(f"normal {short}", tensor, theirs.normal_, ours.normal_),
            Row(f"uniform {short}", tensor, theirs.uniform_, ours.uniform_),
            Row(
                f"truncated normal {short}",
                tensor,
                lambda w: theirs.trunc_normal_(w, **cut),
                lambda w: ours.trunc_normal_(w, **cut),
            ),
        ]
    return [
        *table,
        Row("normal float64", torch.empty(count, dtype=torch.float64, device=device), theirs.normal_, ours.normal_),
        Row("kaiming_normal_", matrix, theirs.kaiming_normal_, ours.kaiming_normal_),
        Row("kaiming_uniform_", matrix, theirs.kaiming_uniform_, ours.kaiming_uniform_),
        Row("xavier_normal_", matrix, theirs.xavier_normal_, ours.xavier_normal_),
        Row("xavier_uniform_", matrix, theirs.xavier_uniform_, ours.xavier_uniform_),
        Row("normal, transposed", matrix.t(), theirs.normal_, ours.normal_),
    ]


def small(device: str) -> list[Row]:
    """Fills of 1,000 elements: what a call itself costs."""
    tensor = torch.empty(SMALL, device=device)
    names = "normal_ uniform_ trunc_normal_ kaiming_normal_ kaiming_uniform_ xavier_normal_ xavier_uniform_".split()
    return [
        *(Row(name, tensor, getattr(theirs, name), getattr(ours, name)) for name in names),
        *(
            Row(f"random.{name}", tensor, getattr(theirs, name), from_stream(name))
            for name in ("normal_", "uniform_", "trunc_normal_")
        ),
    ]


def from_stream(name: str) -> Callable[[torch.Tensor], object]:
    """A fill from a stream that is there already, as a plan makes it."""
    fill = getattr(random, name)
    return lambda tensor: fill(tensor, STREAM)


def seconds(call: Callable[[torch.Tensor], object], tensor: torch.Tensor, calls: int) -> float:
    """Seconds a call."""
    wait(tensor)
    began = time.perf_counter()
    for _ in range(calls):
        call(tensor)
    wait(tensor)
    return (time.perf_counter() - began) / calls


def wait(tensor: torch.Tensor) -> None:
    """Until a GPU has done what it was told."""
    if tensor.is_cuda:
        torch.cuda.synchronize()


def timed(row: Row, repeats: int, calls: int) -> tuple[float, float]:
    """The medians of both, taken in turns."""
    both = (row.theirs, row.ours)
    turns = [[seconds(call, row.tensor, calls) for call in both] for _ in range(repeats + 1)][1:]
    first, second = zip(*turns, strict=True)
    return statistics.median(first), statistics.median(second)


def peak(row: Row) -> str:
    """The most memory that our fill takes beside the tensor, in MB."""
    if row.tensor.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        row.ours(row.tensor)
        return f"{(torch.cuda.max_memory_allocated() - before) / 1e6:.1f}"
    before = memory.forgotten()
    row.ours(row.tensor)
    return "?" if before is None else f"{max(0, memory.peak() - before) / 1e6:.1f}"


def large_table(count: int, repeats: int, device: str) -> Table:
    """Speed at size."""
    table = Table("fill", *("torch ms", "initium ms", "ratio", "G elements/s", "peak MB"), title=f"{count:,} elements")
    for row in rows(count, device):
        slow, fast = timed(row, repeats, 1)
        figures = (1e3 * slow, 1e3 * fast, slow / fast, count / fast / 1e9)
        table.add_row(row.name, *(f"{figure:.2f}" for figure in figures), peak(row))
    return table


def small_table(repeats: int, device: str) -> Table:
    """The cost of a call."""
    table = Table("fill", "torch us", "initium us", "ratio", title="1,000 elements float32")
    for row in small(device):
        slow, fast = timed(row, repeats, CALLS)
        table.add_row(row.name, f"{1e6 * slow:.1f}", f"{1e6 * fast:.1f}", f"{slow / fast:.2f}")
    return table


def copied(count: int, repeats: int) -> str:
    """What the device does where it only moves memory."""
    source, target = (torch.empty(count, device="cuda") for _ in range(2))
    taken = statistics.median(seconds(target.copy_, source, 10) for _ in range(repeats))
    return f"copy: {count / taken / 1e9:.1f} G elements/s of float32"


def machine(device: str) -> str:
    """Where the figures were made."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor()
    info = Path("/proc/cpuinfo")
    if device == "cpu" and info.exists():
        models = [line.split(":")[1] for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].strip() if models else name
    capability = torch.backends.cpu.get_cpu_capability() if device == "cpu" else "CUDA"
    return f"{name}, {capability}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=24, metavar="N", help="2^N elements (24)")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="turns of each (7)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="for both; 0 as torch chooses (0)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    count = 1 << given.elements
    for fill in (random.normal_, random.uniform_, random.trunc_normal_):
        fill(torch.empty(1 << 20, device=given.device), STREAM)  # what is compiled once is not what is timed
    console = Console()
    console.print(machine(given.device))
    console.print(large_table(count, given.repeats, given.device))
    console.print(small_table(given.repeats, given.device))
    if given.device == "cuda":
        console.print(copied(count, given.repeats))


if __name__ == "__main__":
    main()
