"""A few models of timm and transformers, for ``auto_training.py --libraries``; without weights, nothing is downloaded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auto_data import CLASSES, LENGTH, SEEN, SIDE, Task, characters, read
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable


class Logits(nn.Module):
    """A model of transformers that takes numbers of characters and gives logits alone."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Batch, places to logits."""
        return self.inner(input_ids=x, use_cache=False).logits


def _timm(name: str, **size: object) -> nn.Module:
    return import_module("timm").create_model(name, in_chans=1, num_classes=CLASSES, **size)


def _language(kind: str, **sizes: Any) -> nn.Module:
    maker = getattr(import_module("transformers"), kind)
    return Logits(maker(maker.config_class(vocab_size=characters()[1], bos_token_id=0, eos_token_id=0, **sizes)))


VIT = {"img_size": SIDE, "patch_size": 3, "embed_dim": 48, "depth": 3, "num_heads": 4}
CONVNEXT = {"depths": (1, 1, 2, 1), "dims": (16, 16, 32, 32), "patch_size": 1}
GPT2 = {
    "n_embd": 48,
    "n_layer": 4,
    "n_head": 4,
    "n_positions": LENGTH,
    "resid_pdrop": 0,
    "embd_pdrop": 0,
    "attn_pdrop": 0,
}
LLAMA = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": LENGTH,
}

LIBRARIES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Task]]] = {
    "ViT (timm)": (lambda: _timm("vit_tiny_patch16_224", **VIT), lambda: SEEN),
    "ConvNeXt (timm)": (lambda: _timm("convnext_atto", **CONVNEXT), lambda: SEEN),
    "ResNet-10-t (timm)": (lambda: _timm("resnet10t"), lambda: SEEN),
    "GPT-2 (transformers)": (lambda: _language("GPT2LMHeadModel", **GPT2), read),
    "Llama (transformers)": (lambda: _language("LlamaForCausalLM", **LLAMA), read),
}
