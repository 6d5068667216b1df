"""A transformer of a billion parameters in bfloat16 on the CPU: its library's own start against ``initialize``.

Run from a checkout, after ``make test`` or any installation of initium, with ``pip install transformers``:

    python benchmarks/large_model.py              # a Llama of 1.1 billion parameters
    python benchmarks/large_model.py --layers 4   # a smaller one

Each start runs in a process of its own on the same model with memory that was touched before, so that neither pays for
the system's first page. Memory is the peak above the weights.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time

import memory
import torch
from rich.console import Console
from rich.table import Table

STARTS = {
    "transformers": "_init_weights of transformers on every module",
    "initialize": "initium.initialize(model, batch)",
    "lean": "initium.initialize(model, batch, undo=False)",
    "apply": "plan.apply(model, undo=False), planned before on meta",
}


def built(layers: int) -> torch.nn.Module:
    """A Llama on meta."""
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415  optional, and only where a start is timed

    config = LlamaConfig(
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=4,
        vocab_size=32000,
        use_cache=False,
        attn_implementation="eager",
    )
    with torch.device("meta"):
        return LlamaForCausalLM(config).to(torch.bfloat16)


def with_memory(model: torch.nn.Module) -> torch.nn.Module:
    """The same model with memory, all of it touched; buffers as a model has them that was built with memory."""
    model.to_empty(device="cpu")
    pattern = torch.randn(1 << 16).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.view(-1).copy_(pattern.repeat(-(-parameter.numel() // len(pattern)))[: parameter.numel()])
    rotary = model.model.rotary_emb
    rotary.inv_freq.copy_(10000.0 ** -(torch.arange(0, 64, 2) / 64))
    return model


def started(name: str, layers: int) -> dict[str, float]:
    """Seconds and bytes of one start."""
    import initium  # noqa: PLC0415  a process that times transformers does without

    model = built(layers)
    batch = {"input_ids": torch.arange(16).reshape(2, 8)}
    plan = (
        initium.plan(model, {"input_ids": torch.arange(16, device="meta").reshape(2, 8)}) if name == "apply" else None
    )
    model = with_memory(model)
    initium.random.normal_(torch.empty(1 << 20), initium.random.Stream(0, "warm"))
    before, began = memory.forgotten() or 0, time.perf_counter()
    if name == "transformers":
        for module in model.modules():
            model._init_weights(module)  # noqa: SLF001  what its from_config calls on each module
    elif plan is not None:
        plan.apply(model, seed=0, undo=False)
    else:
        initium.initialize(model, batch, seed=0, undo=name == "initialize")
    return {
        "seconds": time.perf_counter() - began,
        "bytes": memory.peak() - before if before else math.nan,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def main() -> None:
    """Prints one table; with --start, one start as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=22, metavar="N", help="blocks of 44 million parameters (22)")
    parser.add_argument("--start", choices=STARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.start:
        print(json.dumps(started(given.start, given.layers)))  # noqa: T201  to the process that started this one
        return
    table = Table("start", "seconds", "ratio", "peak MB above the weights")
    first = 0.0
    for name, title in STARTS.items():
        command = [sys.executable, __file__, "--start", name, "--layers", str(given.layers)]
        run = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  this very file
        found = json.loads(run.stdout.splitlines()[-1])
        first = first or found["seconds"]
        table.add_row(
            title, f"{found['seconds']:.2f}", f"{first / found['seconds']:.2f}", f"{found['bytes'] / 1e6:.0f}"
        )
        table.title = f"{found['parameters']:,} parameters in bfloat16, {torch.get_num_threads()} threads"
    Console().print(table)


if __name__ == "__main__":
    main()
