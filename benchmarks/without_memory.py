"""Models that have no memory: a Llama of 70 billion parameters on meta, and networks of up to 1,000 layers.

Run from a checkout, after ``make test`` or any installation of initium, with ``pip install transformers``:

    python benchmarks/without_memory.py                      # all
    python benchmarks/without_memory.py llama --tokens 128   # a longer batch
    python benchmarks/without_memory.py layers               # 250, 500 and 1,000 layers

Each row runs in a process of its own. Memory is the peak of the process, what importing takes included; a plan does not
depend on the length of the batch, and a prediction takes memory in proportion to it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import memory
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import initium

if TYPE_CHECKING:
    from collections.abc import Callable

WORK: dict[str, Callable[[nn.Module, Any], object]] = {
    "plan": initium.plan,
    "predict": initium.predict,
    "plan, auto": lambda model, batch: initium.plan(model, batch, "auto", seed=0),
    "plan and predict": lambda model, batch: initium.predict(model, batch, initium.plan(model, batch)),
}


def llama(tokens: int) -> tuple[nn.Module, Any]:
    """The configuration of Llama 3 70B."""
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415  optional, and only for this model

    config = LlamaConfig(
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=128256,
        use_cache=False,
    )
    with torch.device("meta"):
        return LlamaForCausalLM(config), {"input_ids": torch.zeros(1, tokens, dtype=torch.long)}


def layers(count: int) -> tuple[nn.Module, Any]:
    """Linear layers of 64 units with a ReLU after each, and an output of ten classes."""
    with torch.device("meta"):
        parts = [part for _ in range(count - 1) for part in (nn.Linear(64, 64), nn.ReLU())]
        return nn.Sequential(*parts, nn.Linear(64, 10)), torch.empty(64, 64)


MODELS: dict[str, Callable[[int], tuple[nn.Module, Any]]] = {"llama": llama, "layers": layers}
ROWS = {"llama": ("plan", "predict", "plan, auto"), "layers": ("plan and predict", "plan, auto")}


def one(kind: str, size: int, work: str) -> dict[str, float]:
    """Seconds and peak bytes of one row."""
    model, batch = MODELS[kind](size)
    began = time.perf_counter()
    WORK[work](model, batch)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"seconds": time.perf_counter() - began, "bytes": memory.peak(), "parameters": parameters}


def main() -> None:
    """Prints one table; with --one, one row as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="llama, layers (both)")
    parser.add_argument("--tokens", type=int, default=16, metavar="N", help="of the Llama's batch (16)")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        kind, size, work = given.one
        print(json.dumps(one(kind, int(size), work)))  # noqa: T201  to the process that started this one
        return
    table = Table("model", "parameters", "call", "seconds", "peak GB")
    for kind in given.kinds or MODELS:
        for size in (given.tokens,) if kind == "llama" else (250, 500, 1000):
            for work in ROWS[kind]:
                command = [sys.executable, __file__, "--one", kind, str(size), work]
                run = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  this very file
                found = json.loads(run.stdout.splitlines()[-1])
                title = f"Llama, {size} tokens" if kind == "llama" else f"{size:,} layers"
                table.add_row(
                    title,
                    f"{found['parameters']:,}",
                    work,
                    f"{found['seconds']:.1f}",
                    f"{found['bytes'] / 1e9:.2f}",
                )
    Console().print(table)


if __name__ == "__main__":
    main()
