"""The cost of `initium.diagnose` against one plain forward and backward pass, in one run: time, and peak memory.

Run from a checkout, with any installation of initium:

    pip install torchvision transformers "initium[html]"
    python benchmarks/diagnose.py              # every model, then 1,000 layers
    python benchmarks/diagnose.py resnet llama # those whose name contains a word
    python benchmarks/diagnose.py layers       # 1,000 layers: the report, its text, its page

Every model is in training mode, with a cross-entropy, on the same batch for both. Times are taken in one process, one call
of each in turn; ``s`` are medians, ``ratio`` is the median of the ratios of neighbours. The first diagnosis of a process
loads what it needs (the tracer, quadratures of the activations): ``first s`` is that one. ``memory`` is the peak above what
the process held before the call, each in a process of its own; a plain pass keeps its gradients, as training does.
A library that is absent costs its rows and nothing else.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import time
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from memory import forgotten, peak
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

import initium

if TYPE_CHECKING:
    from collections.abc import Callable

LLAMA = {
    "vocab_size": 1024,
    "hidden_size": 512,
    "intermediate_size": 1376,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 256,
}
CLASSES, MEGA = 1000, 2**20


# ---- models ----


def loss(output: Any, target: Tensor) -> Tensor:  # noqa: ANN401 - a tensor, or a library's own output
    """Cross-entropy of what a model answers, over its last axis."""
    scores = getattr(output, "logits", output)
    return F.cross_entropy(scores.flatten(0, -2), target.flatten())


class _Sum(nn.Module):
    def __init__(self, inside: nn.Module, beside: nn.Module) -> None:
        super().__init__()
        self.inside, self.beside = inside, beside

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.inside(x) + self.beside(x))


def _conv(old: int, new: int, size: int, step: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(old, new, size, step, size // 2, bias=False), nn.BatchNorm2d(new)]


def _bottleneck(old: int, width: int, step: int) -> nn.Module:
    inside = [*_conv(old, width, 1), nn.ReLU(), *_conv(width, width, 3, step), nn.ReLU(), *_conv(width, 4 * width, 1)]
    beside = [] if old == 4 * width and step == 1 else _conv(old, 4 * width, 1, step)
    return _Sum(nn.Sequential(*inside), nn.Sequential(*beside))


def residual(batch: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Bottlenecks by hand, as in ResNet-50, of half its widths."""
    parts: list[nn.Module] = [*_conv(3, 32, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    old = 32
    for stage, count in enumerate((3, 4, 6, 3)):
        for place in range(count):
            width = 32 * 2**stage
            parts.append(_bottleneck(old, width, 2 if stage and not place else 1))
            old = 4 * width
    model = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(old, CLASSES))
    return model, torch.randn(batch, 3, 224, 224), torch.randint(0, CLASSES, (batch,))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.packed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.packed(self.one(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.two(x))))


def transformer(batch: int, width: int = 512) -> tuple[nn.Module, Tensor, Tensor]:
    """Twelve pre-norm blocks by hand."""
    words = LLAMA["vocab_size"]
    blocks = [_Block(width, 8) for _ in range(12)]
    model = nn.Sequential(nn.Embedding(words, width), *blocks, nn.LayerNorm(width), nn.Linear(width, words))
    return model, torch.randint(0, words, (batch, 128)), torch.randint(0, words, (batch, 128))


def resnet50(batch: int) -> tuple[nn.Module, Tensor, Tensor]:
    """From torchvision."""
    model = import_module("torchvision.models").resnet50(weights=None)
    return model, torch.randn(batch, 3, 224, 224), torch.randint(0, CLASSES, (batch,))


def llama(batch: int) -> tuple[nn.Module, Tensor, Tensor]:
    """From transformers, of 12 layers."""
    library = import_module("transformers")
    model = library.LlamaForCausalLM(library.LlamaConfig(**LLAMA))
    return model, *torch.randint(0, LLAMA["vocab_size"], (2, batch, 128))


MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor, Tensor]]] = {
    "resnet50, batch 8": lambda: resnet50(8),
    "resnet50, batch 16": lambda: resnet50(16),
    "llama, 12 layers": lambda: llama(8),
    "bottlenecks by hand, batch 16": lambda: residual(16),
    "transformer by hand, 12 layers": lambda: transformer(8),
    "transformer by hand, width 192": lambda: transformer(8, 192),
}


# ---- the figures of one model, in a process of its own ----


def plain(model: nn.Module, x: Tensor, target: Tensor) -> None:
    """One forward and one backward pass."""
    loss(model(x), target).backward()


def diagnosed(model: nn.Module, x: Tensor, target: Tensor) -> None:
    """The diagnosis."""
    initium.diagnose(model, initium.Batch((x,), target=target), loss)


METHODS = {"plain": plain, "diagnose": diagnosed}


def _timed(call: Callable[..., None], model: nn.Module, x: Tensor, target: Tensor) -> float:
    model.zero_grad()
    begun = time.perf_counter()
    call(model, x, target)
    return time.perf_counter() - begun


def times(name: str, repeats: int) -> dict[str, float]:
    """Seconds of both, one call of each in turn."""
    model, x, target = MODELS[name]()
    model.train()
    plain(model, x, target)
    first = _timed(diagnosed, model, x, target)
    pairs = [(_timed(plain, model, x, target), _timed(diagnosed, model, x, target)) for _ in range(repeats)]
    medians = [statistics.median(each) for each in zip(*pairs, strict=True)]
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    return {"plain": medians[0], "diagnose": medians[1], "ratio": ratio, "first": first}


def memory(name: str, method: str) -> dict[str, float]:
    """The peak of one call above what was held before it."""
    small = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))
    for call in METHODS.values():  # what a library loads at its first call is nobody's
        call(small, torch.randn(2, 3, 8, 8), torch.arange(2))
    model, x, target = MODELS[name]()
    model.train()
    before = forgotten()
    METHODS[method](model, x, target)
    return {"memory": peak() - before if before is not None else 0}


def layers(count: int) -> dict[str, float]:
    """A report of a deep perceptron: the diagnosis, its text, its page; each the first of its process."""
    parts = [part for _ in range(count) for part in (nn.Linear(64, 64), nn.ReLU())]
    model, x, target = nn.Sequential(*parts, nn.Linear(64, 10)), torch.randn(64, 64), torch.arange(64) % 10
    initium.init.orthogonal_(model[0].weight, generator=torch.Generator().manual_seed(0))
    begun = [time.perf_counter()]
    report = initium.diagnose(model, initium.Batch((x,), target=target), loss)
    begun.append(time.perf_counter())
    report.print(file=(text := io.StringIO()))
    begun.append(time.perf_counter())
    page = report.html()
    begun.append(time.perf_counter())
    again = report.html()
    begun.append(time.perf_counter())
    found = [late - early for early, late in pairwise(begun)]
    sizes = {"characters": len(text.getvalue()), "bytes": len(page.encode()), "again": float(again == page)}
    return dict(zip(("diagnose", "text", "page", "second"), found, strict=True)) | sizes


# ---- the tables ----


def _ask(*asked: object, threads: int) -> dict[str, float] | str:
    line = [sys.executable, __file__, "--threads", str(threads), "--one", *map(str, asked)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - this very file
    lines = (done.stdout or done.stderr).strip().splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 else lines[-1][-60:]


def show(options: argparse.Namespace) -> None:
    """Prints the table of the models."""
    table = Table("model", "plain s", "diagnose s", "ratio", "first s", "plain MiB", "diagnose MiB", "ratio")
    for name in MODELS:
        if options.words and not any(word in name for word in options.words):
            continue
        asked = [("times", name, options.repeats), ("memory", name, "plain"), ("memory", name, "diagnose")]
        took, least, most = (_ask(*each, threads=options.threads) for each in asked)
        if isinstance(took, str) or isinstance(least, str) or isinstance(most, str):
            table.add_row(name, next(each for each in (took, least, most) if isinstance(each, str)))
            continue
        time_row = [f"{took[each]:.2f}" for each in ("plain", "diagnose", "ratio", "first")]
        held = least["memory"], most["memory"]
        table.add_row(name, *time_row, *(f"{each / MEGA:.0f}" for each in held), f"{held[1] / held[0]:.2f}")
    Console(width=140).print(table)


def show_layers(options: argparse.Namespace) -> None:
    """Prints the figures of a deep network."""
    table = Table("layers", "diagnose s", "text s", "page s", "together s", "second page s", "page MB", "text kB")
    for count in (100, 1000):
        found = _ask("layers", count, threads=options.threads)
        if isinstance(found, str):
            table.add_row(str(count), found)
            continue
        three = [found[each] for each in ("diagnose", "text", "page")]
        shown = [*three, sum(three), found["second"], found["bytes"] / 1e6, found["characters"] / 1e3]
        table.add_row(str(count), *(f"{each:.2f}" for each in shown))
    Console(width=140).print(table)


def _one(asked: list[str]) -> dict[str, float]:
    match asked:
        case ["times", name, repeats]:
            return times(name, int(repeats))
        case ["memory", name, method]:
            return memory(name, method)
        case ["layers", count]:
            return layers(int(count))
        case _:
            raise SystemExit(f"no such figure: {asked}")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="parts of names, or `layers`")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs="+", metavar="FIGURE", help="one figure, as JSON")
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        print(json.dumps(_one(options.one)))  # noqa: T201 - what the parent reads
        return
    if options.words != ["layers"]:
        show(options)
    if not options.words or "layers" in options.words:
        show_layers(options)


if __name__ == "__main__":
    main()
