"""LSUV against the `lsuv` of PyPI, in one run: time, forward passes, final stds, peak memory.

Run from a checkout, with any installation of initium:

    pip install lsuv==0.3.0 torchvision transformers
    python benchmarks/lsuv.py                      # every model
    python benchmarks/lsuv.py resnet50 --batch 16  # those whose name contains a word
    python benchmarks/lsuv.py digits               # 500 layers without a norm, trained before and after

Every figure is taken in a process of its own, both methods with the same number of threads, in eval mode (the peer
changes to it itself) on the same normal input, from the same weights, each with its orthogonal start. ``std`` is the
range over the outputs of all linear layers and convolutions in a plain forward after the call. ``memory`` is the peak
above what the process held before the call; beside it a plain forward under ``no_grad``, and its largest output of a layer.
``passes`` are calls of the model for the peer, and for initium its work on real numbers over that of one forward.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from memory import forgotten, peak
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import initium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LLAMA = {
    "vocab_size": 1024,
    "hidden_size": 512,
    "intermediate_size": 1376,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 256,
}
LAYERS = (nn.Linear, nn.Conv2d)


def _vision(name: str, batch: int) -> tuple[nn.Module, Any]:
    return getattr(import_module("torchvision.models"), name)(weights=None), torch.randn(batch, 3, 224, 224)


def _llama(batch: int) -> tuple[nn.Module, Any]:
    library = import_module("transformers")
    model = library.LlamaForCausalLM(library.LlamaConfig(**LLAMA))
    return model, torch.randint(0, LLAMA["vocab_size"], (batch, 128))


MODELS: dict[str, Callable[[int], tuple[nn.Module, Any]]] = {
    "resnet18": lambda batch: _vision("resnet18", batch),
    "resnet50": lambda batch: _vision("resnet50", batch),
    "vit_b_16": lambda batch: _vision("vit_b_16", batch),
    "llama, 12 layers": _llama,
}


# ---- one figure, in a process of its own ----


def forward(model: nn.Module, x: Any) -> None:  # noqa: ANN401 - whatever the model takes
    """A plain forward."""
    with torch.no_grad():
        model(x)


def ours(model: nn.Module, x: Any) -> None:  # noqa: ANN401
    """Initium's."""
    initium.lsuv(model, x)


def kept(model: nn.Module, x: Any) -> None:  # noqa: ANN401
    """initium's, from the weights as they are: no second set of weights is drawn."""
    initium.lsuv(model, x, pre=None)


def inside(model: nn.Module, x: Any) -> None:  # noqa: ANN401
    """initium's, in the model's own memory: no way back."""
    initium.lsuv(model, x, undo=False)


def theirs(model: nn.Module, x: Any) -> None:  # noqa: ANN401
    """PyPI's, which has this file's name."""
    sys.path[:] = [each for each in sys.path if Path(each).resolve() != Path(__file__).resolve().parent]
    import_module("lsuv.lsuvinit").LSUVinit(model, x, verbose=False)


METHODS = {
    "forward": forward,
    "initium": ours,
    "initium, pre=None": kept,
    "initium, undo=False": inside,
    "lsuv 0.3.0": theirs,
}


class _Work(FlopCounterMode):
    """The work on real numbers; of tensors without memory, with which a model is traced, there is none."""

    def _count_flops(self, packet: Any, out: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - torch's own form
        hollow = isinstance(out, Tensor) and (out.is_meta or type(out) is not Tensor)
        return out if hollow else super()._count_flops(packet, out, args, kwargs)


def work(call: Callable[[], object]) -> int:
    """Attention's fast path is one operation whose work the counter does not know: without it both are counted alike."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _Work(display=False) as counter:
            call()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops()


def _stds(model: nn.Module, x: Any) -> Iterator[tuple[float, int]]:  # noqa: ANN401
    """The std of every layer's output, and its bytes."""
    found: list[tuple[float, int]] = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: found.append((float(out.double().std()), out.nbytes)))
        for module in model.modules()
        if isinstance(module, LAYERS)
    ]
    forward(model, x)
    for hook in hooks:
        hook.remove()
    yield from found


def _warm() -> None:
    """Loads what initium loads once in a process, at its first large fills: Numba, a second and 100 MiB."""
    for _ in range(8):
        initium.init.orthogonal_(torch.empty(512, 2048), generator=torch.Generator().manual_seed(0))


def figure(name: str, method: str, options: argparse.Namespace) -> dict[str, Any]:
    """What one method does to one model."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model, x = MODELS[name](options.batch)
    model.eval()
    forward(model, x)  # what a library loads at its first call is nobody's
    _warm()
    calls: list[int] = []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(1))
    before = forgotten()
    begun = time.perf_counter()
    METHODS[method](model, x)
    times = [time.perf_counter() - begun]
    above = peak() - before if before is not None else 0
    hook.remove()
    while sum(times) < options.seconds:
        begun = time.perf_counter()
        METHODS[method](model, x)
        times.append(time.perf_counter() - begun)
    stds = list(_stds(model, x))
    passes = float(len(calls))
    if method.startswith("initium"):
        passes = work(lambda: kept(model, x)) / work(lambda: forward(model, x))
    return {
        "seconds": statistics.median(times),
        "passes": passes,
        "low": min(std for std, _ in stds),
        "high": max(std for std, _ in stds),
        "memory": above,
        "layer": max(size for _, size in stds),
    }


# ---- the table ----


def _ask(name: str, method: str, options: argparse.Namespace) -> dict[str, Any] | str:
    asked = [
        sys.executable,
        __file__,
        "--one",
        name,
        method,
        "--batch",
        str(options.batch),
        "--seconds",
        str(options.seconds),
        "--threads",
        str(options.threads),
    ]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - this very file
    lines = (done.stdout or done.stderr).strip().splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 else lines[-1][-60:]


def _row(name: str, method: str, found: dict[str, Any], least: float) -> tuple[str, ...]:
    mega = 2**20
    return (
        name,
        method,
        f"{found['seconds']:.2f}",
        f"{found['seconds'] / least:.1f}",
        f"{found['passes']:.2f}",
        f"{found['low']:.4f} to {found['high']:.4f}",
        f"{found['memory'] / mega:.0f}",
        f"{found['layer'] / mega:.0f}",
    )


def show(options: argparse.Namespace) -> None:
    """Prints the table as it comes."""
    table = Table("model", "method", "s", "over initium", "passes", "std", "memory MiB", "a layer MiB")
    for name in MODELS:
        if options.words and not any(word in name for word in options.words):
            continue
        found = {method: _ask(name, method, options) for method in METHODS}
        mine = found["initium"]
        for method, one in found.items():
            if isinstance(one, str) or isinstance(mine, str):
                table.add_row(name, method, *[""] * 5, str(one))
            else:
                table.add_row(*_row(name, method, one, mine["seconds"]))
    Console(width=140).print(table)


# ---- digits ----


def digits(depth: int = 500, width: int = 64, steps: int = 400, rate: float = 1e-4) -> None:
    """A deep ReLU network without norms on real digits, from torch's own start and from LSUV's."""
    torch.set_num_threads(1)
    data = import_module("sklearn.datasets").load_digits()
    x, y = torch.tensor(data.data, dtype=torch.float32), torch.tensor(data.target)
    x = (x - x.mean()) / x.std()
    for start in ("torch's own", "lsuv"):
        torch.manual_seed(0)
        layers = [part for at in range(depth) for part in (nn.Linear(width if at else 64, width), nn.ReLU())]
        model = nn.Sequential(*layers, nn.Linear(width, 10))
        if start == "lsuv":
            initium.lsuv(model, x[:512])
        losses = list(_trained(model, x, y, steps, rate))
        hits = float((model(x).argmax(1) == y).float().mean().detach())
        said = f"loss {losses[0]:.3f} at the start, {statistics.mean(losses[-20:]):.3f} at the end, accuracy {hits:.1%}"
        Console().print(f"{depth} ReLU layers, {steps} steps of Adam at {rate:g}, {start}: {said}")


def _trained(model: nn.Module, x: Tensor, y: Tensor, steps: int, rate: float) -> Iterator[float]:
    generator, adam = torch.Generator().manual_seed(0), torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        chosen = torch.randint(0, len(x), (128,), generator=generator)
        loss = F.cross_entropy(model(x[chosen]), y[chosen])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        yield float(loss.detach())


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="parts of names; `digits` trains instead")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.0, help="repeat each call for so long, and take the median")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "METHOD"), help="one figure, as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(figure(*options.one, options)))  # noqa: T201 - what the parent reads
    elif options.words == ["digits"]:
        digits()
    else:
        show(options)


if __name__ == "__main__":
    main()
