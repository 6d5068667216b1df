"""Plan, apply, measure and LSUV on models as libraries write them, of tiny size, with random weights; prints one table.

Run from a checkout, after ``make test`` or any installation of initium:

    python benchmarks/library_models.py            # every model
    python benchmarks/library_models.py gpt mamba  # those whose name contains one of the words

torchvision, timm and transformers are optional: a model of a library that cannot be imported is skipped, and the table
says why. Nothing is downloaded. The models without a library come from ``tests/architectures``.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table

from initium import InitiumError, lsuv, measure
from initium.network import as_batch, read
from initium.planning import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from initium.network import Batch, Network
    from initium.planning import Plan
    from initium.records import Receipt

TESTS = Path(__file__).parents[1] / "tests"
WORDS, LENGTH, SAMPLES = 128, 16, 4
Built = tuple["nn.Module", Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the table.

    Attributes:
        parameters: Number of elements of all parameters.
        uses: Uses of weights in one forward pass.
        planned: Seconds to trace and plan.
        measured: Seconds to measure the traced network.
        calibrated: Seconds of LSUV on the traced network.
        worst: The largest ``|std - 1|`` over the calibrated weights, as LSUV's own check measured it.
        left: Weights that LSUV left alone, of all.
        unknown: Operations that no rule knows.
    """

    parameters: int
    uses: int
    planned: float
    measured: float
    calibrated: float
    worst: float
    left: str
    unknown: str

    def cells(self) -> Iterator[str]:
        """The line as strings."""
        yield f"{self.parameters:,}"
        yield str(self.uses)
        yield from (f"{seconds:.2f}" for seconds in (self.planned, self.measured, self.calibrated))
        yield f"{self.worst:.1e}"
        yield from (self.left, self.unknown)


# ---- the models ----


def _tokens() -> torch.Tensor:
    return torch.randint(3, WORDS, (SAMPLES, LENGTH))


def _images(size: int) -> torch.Tensor:
    return torch.randn(SAMPLES, 3, size, size)


def _transformers(kind: str, config: dict[str, Any], *, decoder: bool = False) -> Built:
    """A language model of transformers from a configuration."""
    maker = getattr(import_module("transformers"), kind)
    model = maker(maker.config_class(vocab_size=WORDS, **config))
    tokens = _tokens()
    batch = {"input_ids": tokens, "labels": tokens.clone()}
    return model, batch | ({"decoder_input_ids": _tokens()} if decoder else {})


LLAMA = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
GPT2 = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}
T5 = {"d_model": 64, "d_ff": 128, "d_kv": 16, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}
MIXTRAL = LLAMA | {"num_local_experts": 4, "num_experts_per_tok": 2}
MAMBA = {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8, "time_step_rank": 4}


def _resnet18() -> Built:
    return import_module("torchvision.models").resnet18(num_classes=10), _images(64)


def _vit() -> Built:
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 4}
    return import_module("timm").create_model("vit_tiny_patch16_224", num_classes=10, **size), _images(32)


def _ours(name: str) -> Built:
    sys.path.insert(0, str(TESTS))
    try:
        return import_module("architectures").ARCHITECTURES[name]()
    finally:
        sys.path.remove(str(TESTS))


MODELS: dict[str, Callable[[], Built]] = {
    "MLP": lambda: _ours("mlp"),
    "ResNet-18 (torchvision)": _resnet18,
    "ViT (timm)": _vit,
    "GPT-2 (transformers)": lambda: _transformers("GPT2LMHeadModel", GPT2),
    "Llama (transformers)": lambda: _transformers("LlamaForCausalLM", LLAMA),
    "T5 (transformers)": lambda: _transformers("T5ForConditionalGeneration", T5, decoder=True),
    "Mixtral (transformers)": lambda: _transformers("MixtralForCausalLM", MIXTRAL),
    "Mamba (transformers)": lambda: _transformers("MambaForCausalLM", MAMBA),
    "LSTM classifier": lambda: _ours("lstm"),
    "U-Net": lambda: _ours("unet"),
    "registered out of order": lambda: _ours("registered out of order"),
}


# ---- the run ----


def run(model: nn.Module, given: object) -> Figures:
    """Everything once on one model; each step on the model as the step before left it."""
    batch = as_batch(given)
    planned, (network, made) = _timed(lambda: _planned(model, batch))
    made.apply(model, seed=0)
    measured, _ = _timed(lambda: measure(model, batch, network=network))
    calibrated, receipt = _timed(lambda: lsuv(model, batch, network=network))
    count = sum(parameter.numel() for parameter in model.parameters())
    return Figures(count, len(network.uses), planned, measured, calibrated, *_receipt(receipt, network))


def _planned(model: nn.Module, batch: Batch) -> tuple[Network, Plan]:
    """The graph and the plan; what the library itself froze (sinusoidal tables) is kept."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    network = read(model, batch)
    return network, plan(network, overrides=dict.fromkeys(frozen, "keep"))


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def _receipt(receipt: Receipt, network: Network) -> tuple[float, str, str]:
    calibrated = [row for row in receipt.rows if row.factor is not None]
    worst = max((abs(row.after - 1) for row in calibrated), default=0.0)
    left = len(receipt.rows) - len(calibrated)
    return worst, f"{left} of {len(receipt.rows)}", ", ".join(network.unknown) or "none"


COLUMNS = (
    *("model", "parameters", "uses", "trace + plan s", "measure s", "LSUV s"),
    *("worst |std - 1|", "left alone", "unknown operations"),
)


def main(words: list[str]) -> None:
    """Runs the models that were asked for, prints the table, and below it what was skipped or failed, and why."""
    torch.set_num_threads(1)
    run(*_ours("mlp"))  # the first trace loads half of torch
    table = Table(*COLUMNS, title=f"tiny models, batch of {SAMPLES}, one thread, torch {torch.__version__}")
    for column in table.columns[1:8]:
        column.justify = "right"
    told: list[str] = []
    for name, build in MODELS.items():
        if not words or any(word.lower() in name.lower() for word in words):
            cells = _cells(build)
            told += [f"{name} {cells}"] if isinstance(cells, str) else []
            table.add_row(name, *(["-"] if isinstance(cells, str) else cells))
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table, *told, sep="\n", markup=False)


def _cells(build: Callable[[], Built]) -> list[str] | str:
    """The figures, or in words why there are none."""
    torch.manual_seed(0)
    try:
        model, given = build()
    except (ImportError, RuntimeError) as error:  # torchvision raises RuntimeError beside a torch it was not built for
        return f"is skipped, its library cannot be imported: {error}"
    try:
        return list(run(model, given).cells())
    except InitiumError as error:
        return f"failed: {type(error).__name__}: {error}"


if __name__ == "__main__":
    main(sys.argv[1:])
