"""What initium promises, on hundreds of models of other libraries: a line for each, and what held on how many.

Run from a checkout, with any installation of initium and of the libraries to be looked at:

    pip install timm transformers torchvision diffusers torch_geometric segmentation_models_pytorch scikit-learn
    python benchmarks/sweep.py                           # all of all libraries that are there: hours
    python benchmarks/sweep.py --library timm --every 4  # every fourth model of timm
    python benchmarks/sweep.py --what auto bert swin     # models whose name contains a word, auto alone
    python benchmarks/sweep.py --out figures.jsonl       # every figure, a line a model; a second run goes on from there

A model is built small, with random weights; nothing is downloaded. It counts if its own forward and backward pass run. Each
has a process of its own, which is stopped after --limit seconds.

What is measured (--what, several with commas):
    predict   of every use of a weight, the predicted over the measured rms of its output, and of the gradient there, at the
              model's own start and after auto; held are 15 % and 30 %
    auto      the loss at step 0, and the spread of log10 |g|/|w| over the weights, before and after; held is what is no worse
    lsuv      std of every weight's output after it, and how many were left with a reason
    diagnose  what it says of the model at its own start: an error there is taken for a false alarm
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.progress import Progress
from zoo import LIBRARIES, builders
from zoo.figures import WHAT, looked_at
from zoo.held import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from zoo.case import Case

Figures = dict[str, Any]


# ---- one model, in a process of its own ----


def apart(build: Callable[[], Case], what: Sequence[str], limit: float) -> Figures:
    """The figures of one model, or why there are none."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_within, args=(there, build, what))
    began = time.monotonic()
    process.start()
    there.close()
    found: Figures = {"failed": f"stopped after {limit:g} s", "step": "time"}
    if here.poll(limit):
        try:
            found = here.recv()
        except EOFError:
            found = {"failed": "its process ended without a word", "step": "process"}
    process.kill()
    process.join()
    return found | {"seconds": round(time.monotonic() - began, 1)}


def _within(out: Connection, build: Callable[[], Case], what: Sequence[str]) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    step = "build"
    try:
        case = build()
        step = "initium"
        out.send(looked_at(case, what))
    except Exception as error:  # noqa: BLE001 - whatever a library raises is a line of the table
        out.send({"failed": f"{type(error).__name__}: {str(error)[:300]}", "step": step})


# ---- all of them ----


def chosen(library: str, words: Sequence[str], every: int) -> Iterator[tuple[str, Callable[[], Case]]]:
    """The models that were asked for."""
    named = [
        (name, build)
        for name, build in builders(library).items()
        if not words or any(word.lower() in name.lower() for word in words)
    ]
    yield from islice(named, 0, None, every)


def main() -> None:
    """Looks at all models that were asked for, and prints what held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only models whose name contains one of these")
    parser.add_argument("--library", action="append", choices=list(LIBRARIES), help="only this one; may be given again")
    parser.add_argument("--what", default=",".join(WHAT), metavar="A,B", help=f"of {', '.join(WHAT)} (all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th model (1)")
    parser.add_argument("--limit", type=float, default=300, metavar="S", help="seconds for one model (300)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="models at once, of one thread each (1)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="figures, a line a model; models in it are not run again"
    )
    given = parser.parse_args()
    what = given.what.split(",")
    if unknown := set(what) - set(WHAT):
        parser.error(f"--what {', '.join(sorted(unknown))}: one or several of {', '.join(WHAT)}")
    console, told = Console(width=None if Console().is_terminal else 150), list[str]()
    torch.set_num_threads(1)
    jobs = list[tuple[str, str, "Callable[[], Case]"]]()
    for library in given.library or LIBRARIES:
        try:
            jobs += [(library, *each) for each in chosen(library, given.words, given.every)]
        except (
            ImportError,
            RuntimeError,
        ) as error:  # torchvision raises RuntimeError beside a torch it was not built for
            told.append(f"{library} is skipped: {error}")
    found = _before(given.out)
    with Progress(console=console, transient=True) as progress, ThreadPoolExecutor(given.jobs) as pool:
        task = progress.add_task("", total=len(jobs))

        def run(job: tuple[str, str, Callable[[], Case]]) -> None:
            library, name, build = job
            progress.update(task, description=f"{library} {name}")
            if (library, name) not in found:
                found[library, name] = figures = apart(build, what, given.limit)
                if given.out:
                    with given.out.open("a") as lines:
                        lines.write(json.dumps({"library": library, "model": name} | figures) + "\n")
            progress.advance(task)

        list(pool.map(run, jobs))
    console.print(
        *tables({(library, name): found[library, name] for library, name, _ in jobs}), *told, sep="\n", markup=False
    )


def _before(path: Path | None) -> dict[tuple[str, str], Figures]:
    """What an earlier run left."""
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(line.pop("library"), line.pop("model")): line for line in lines}


if __name__ == "__main__":
    main()
