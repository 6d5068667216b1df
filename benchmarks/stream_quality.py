"""The statistical quality of the random stream: every distribution, at any count, against scipy's exact laws.

Run from a checkout, after ``make test`` or any installation of initium:

    python benchmarks/stream_quality.py                            # a quick look, 2^22 values a distribution
    python benchmarks/stream_quality.py --count 2^30               # the whole run
    python benchmarks/stream_quality.py --only normal words        # some parts of it
    python benchmarks/stream_quality.py --count 2^30 --write docs/stream-quality.md
    python benchmarks/stream_quality.py --self-check               # broken generators: is each caught?
    python benchmarks/stream_quality.py --resolution               # the laws as float32 has them, without chance
    python benchmarks/stream_quality.py --raw | dieharder -a -g 200
    python benchmarks/stream_quality.py --raw --short 1024 | dieharder -a -g 200

Exits with 1 if a test is suspect (Holm's rule at 1e-3 over all tests of the run), or a broken generator is not caught.
numpy 2 is needed for its count of bits.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from quality import page, raw, resolution
from quality.battery import jobs
from quality.broken import COUNT, attempts, caught
from quality.results import Result, suspects
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def _number(text: str) -> int:
    """A count as ``1000``, ``2^20`` or ``2**20``."""
    base, power, exponent = text.replace("**", "^").partition("^")
    return int(base) ** int(exponent) if power else int(base)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=_number, default=1 << 22, help="values a distribution, as 2^30 (default 2^22)")
    parser.add_argument("--seed", type=_number, default=0, help="the seed of every stream (default 0)")
    parser.add_argument("--only", nargs="+", metavar="PART", help="words, streams, or the name of a law")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the figures into a Markdown page as well")
    parser.add_argument("--self-check", action="store_true", help="try generators that are broken on purpose")
    parser.add_argument("--resolution", action="store_true", help="how far the laws in float32 lie from the exact ones")
    parser.add_argument("--raw", nargs="?", type=_number, const=-1, metavar="N", help="words to stdout, N or endlessly")
    parser.add_argument(
        "--short", type=_number, metavar="N", help="with --raw: the first N words of each name, in turn"
    )
    parser.add_argument("--name", default="layers.0.weight", help="with --raw: the name of the stream")
    return parser.parse_args(words)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def measure(given: argparse.Namespace, console: Console) -> list[Result]:
    """Every part that was asked for."""
    known = list(jobs(given.count, given.seed))
    words = dict.fromkeys(job.word for job in known)
    if unknown := [word for word in given.only or () if word not in words]:
        sys.exit(f"--only knows {', '.join(words)}; got {', '.join(unknown)}.")
    asked = [job for job in known if not given.only or job.word in given.only]
    results: list[Result] = []
    with _progress(console) as progress:
        whole = progress.add_task("all", total=sum(job.count for job in asked))
        for job in asked:
            progress.update(whole, description=job.title)
            results += job.run(lambda n: progress.advance(whole, n))
    return results


def check(console: Console) -> int:
    """Tell of each generator whether it is caught; how many verdicts are wrong."""
    wrong = 0
    console.print(f"{COUNT:,} values each", markup=False)
    for attempt in attempts():
        found = caught(attempt.run())
        right = attempt.sound != bool(found)
        wrong += not right
        by = f"{found[0].test} (p = {page.probability(found[0].p)}), {len(found)} in all" if found else "nothing"
        console.print(
            f"{'as it should' if right else 'WRONG'}: {attempt.name}: caught by {by}", markup=False, soft_wrap=True
        )
    return wrong


def main(words: list[str]) -> int:
    """Run what was asked for; 0 if all is well."""
    given = _arguments(words)
    if given.raw is not None:
        return raw.write(raw.source(given.seed, given.name, given.short), given.raw)
    torch.set_num_threads(1)  # the stream is drawn on all cores; what is left to torch is small
    console = Console(width=None if sys.stdout.isatty() else 150)
    if given.resolution:
        console.print(page.resolution(list(resolution.lines())))
        return 0
    if given.self_check:
        return int(check(console) > 0)
    results = measure(given, console)
    console.print(page.table(results), page.summary(results), sep="\n")
    if given.write:
        page.write(given.write, results, given.count, given.seed)
    return int(bool(suspects(results)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
