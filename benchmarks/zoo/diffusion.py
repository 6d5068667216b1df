"""Small models of diffusers: denoisers and autoencoders."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import torch

from zoo.case import Case, images, runs

DOWN, UP = ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D")
CROSS = ("DownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D", "UpBlock2D")
WIDE = {"block_out_channels": (32, 64), "norm_num_groups": 8, "layers_per_block": 1}
CODER = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2} | WIDE
TRANSFORMER = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2}


def _words(width: int) -> torch.Tensor:
    return torch.randn(4, 7, width, generator=torch.Generator().manual_seed(1))


TIMES = torch.tensor([1, 5, 20, 100])
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "UNet2DModel": (
        {"sample_size": 16, "down_block_types": DOWN, "up_block_types": UP} | WIDE,
        {"sample": images(16), "timestep": TIMES},
    ),
    "UNet2DConditionModel": (
        {
            "sample_size": 16,
            "down_block_types": CROSS[0],
            "up_block_types": CROSS[1],
            "cross_attention_dim": 32,
            "attention_head_dim": 8,
        }
        | WIDE,
        {"sample": images(16, 4), "timestep": TIMES, "encoder_hidden_states": _words(32)},
    ),
    "DiTTransformer2DModel": (
        TRANSFORMER | {"in_channels": 4, "out_channels": 4, "sample_size": 16, "patch_size": 2, "norm_num_groups": 8},
        {"hidden_states": images(16, 4), "timestep": TIMES, "class_labels": TIMES},
    ),
    "PixArtTransformer2DModel": (
        TRANSFORMER
        | {
            "in_channels": 4,
            "out_channels": 8,
            "sample_size": 16,
            "patch_size": 2,
            "cross_attention_dim": 32,
            "caption_channels": 24,
            "use_additional_conditions": False,
        },
        {
            "hidden_states": images(16, 4),
            "timestep": TIMES,
            "encoder_hidden_states": _words(24),
            "added_cond_kwargs": {},
        },
    ),
    "AutoencoderKL": (CODER | {"latent_channels": 4}, {"sample": images(32)}),
    "VQModel": (CODER | {"latent_channels": 3, "num_vq_embeddings": 64}, {"sample": images(32)}),
    "AutoencoderTiny": (
        {
            "encoder_block_out_channels": (16, 16),
            "decoder_block_out_channels": (16, 16),
            "num_encoder_blocks": (1, 2),
            "num_decoder_blocks": (2, 1),
        },
        {"sample": images(32)},
    ),
}


def build(kind: str) -> Case:
    """From the configuration above."""
    config, batch = KINDS[kind]
    return runs(Case(getattr(import_module("diffusers"), kind)(**config).train(), batch))


MODELS = {kind: partial(build, kind) for kind in KINDS}
