"""``initium.random.orthogonal_`` against ``torch.nn.init.orthogonal_``, the same number of threads; prints one table.

Run from a checkout, after ``make test`` or any installation of initium:

    python benchmarks/orthogonal.py                 # every shape
    python benchmarks/orthogonal.py 512 4096x1024   # some of them
    python benchmarks/orthogonal.py --threads 1     # another number of threads than torch's own

Both are run in turn in one process, and the medians compared. "reflectors" is the time without that of the Gaussian
numbers, which depends on the backend of the stream. "1 = 2 threads" is about the bits in float64. The memory is what one
fill adds to the peak of a fresh process that holds torch and the tensor, in MB and in float64 matrices of that shape.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table

from initium.random import Stream, normal_, orthogonal_

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPES: dict[str, tuple[int, ...]] = {
    "40x25": (40, 25),
    "64": (64, 64),
    "512": (512, 512),
    "1024": (1024, 1024),
    "2048": (2048, 2048),
    "4096": (4096, 4096),
    "4096x1024": (4096, 1024),
    "512x512x3x3": (512, 512, 3, 3),
}
STREAM = Stream(0).child("benchmark.weight")
# Seconds that one shape may take, and the fewest and most runs of each.
PATIENCE, FEWEST, MOST = 12.0, 3, 300
FILLS = {"torch": "torch.nn.init.orthogonal_(w)", "initium": "orthogonal_(w, Stream(0, 'w'))"}
# The peak is that of the process's own memory; getrusage would count what it was started from.
MEMORY = """
import torch
from initium.random import Stream, normal_, orthogonal_

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

# What is loaded once is not the fill's: compiled loops for the Gaussian numbers, the library of linear algebra.
normal_(torch.empty(1 << 20, dtype=torch.float64), Stream(0, "w"))
w = torch.empty(8, 8)
{fill}
w = torch.zeros({shape})
before = peak()
{fill}
print(peak() - before)
"""


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def race(shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Medians of torch's fill, of ours, and of our Gaussian numbers alone."""
    out = torch.empty(shape)
    gaussian = torch.empty(out.numel(), dtype=torch.float64)
    runners = (
        lambda: torch.nn.init.orthogonal_(out),
        lambda: orthogonal_(out, STREAM),
        lambda: normal_(gaussian, STREAM),
    )
    rounds = [[seconds(runner) for runner in runners]]
    began = time.perf_counter()
    while len(rounds) <= FEWEST or (len(rounds) <= MOST and time.perf_counter() - began < PATIENCE):
        rounds.append([seconds(runner) for runner in runners])
    theirs, ours, numbers = (median(column) for column in zip(*rounds[1:], strict=True))
    return theirs, ours, numbers


def error(w: torch.Tensor) -> float:
    """The largest distance of the smaller Gram matrix from the identity."""
    matrix = w.flatten(1).double()
    gram = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    return float((gram - torch.eye(len(gram))).abs().max())


def same_bits(shape: tuple[int, ...]) -> bool:
    """Whether float64 comes out the same with 1 and with 2 threads."""
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(orthogonal_(torch.empty(shape, dtype=torch.float64), STREAM))
    torch.set_num_threads(before)
    return torch.equal(*found)


def memory(shape: tuple[int, ...], fill: str) -> str:
    """Megabytes beside the tensor, and how many matrices of that shape in float64 they are; known on Linux alone."""
    script = MEMORY.format(shape=shape, fill=fill)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603  our own words
    if done.returncode:
        return "-"
    kilobytes = int(done.stdout)
    return f"{kilobytes / 1024:.0f} = {kilobytes * 1024 / (8 * torch.Size(shape).numel()):.1f}"


def cells(shape: tuple[int, ...]) -> Iterator[str]:
    """One line of the table."""
    theirs, ours, numbers = race(shape)
    reflectors = max(ours - numbers, 0.0)
    yield from (f"{value * 1e3:.4g}" for value in (theirs, ours, reflectors))
    yield from (f"{theirs / value:.2f}" if value else "-" for value in (ours, reflectors))
    yield from (f"{error(fill(torch.empty(shape))):.1e}" for fill in (torch.nn.init.orthogonal_, _ours))
    yield "yes" if same_bits(shape) else "NO"
    yield from (memory(shape, fill) for fill in FILLS.values())


def _ours(out: torch.Tensor) -> torch.Tensor:
    return orthogonal_(out, STREAM)


COLUMNS = (
    *("shape", "torch ms", "ours ms", "reflectors", "ratio", "reflectors"),
    *("torch |Q'Q-I|", "ours |Q'Q-I|", "1 = 2 threads", "torch MB = matrices", "ours MB = matrices"),
)


def main() -> None:
    """Runs the shapes that were asked for and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=", ".join(SHAPES))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    unknown = set(given.shapes) - set(SHAPES)
    if unknown:
        parser.error(f"no shape {', '.join(sorted(unknown))}; there are {', '.join(SHAPES)}")
    torch.set_num_threads(given.threads)
    table = Table(*COLUMNS, title=f"float32, {given.threads} thread(s), torch {torch.__version__}")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in given.shapes or SHAPES:
        table.add_row(name, *cells(SHAPES[name]))
    Console(width=None if sys.stdout.isatty() else 150).print(table)


if __name__ == "__main__":
    main()
