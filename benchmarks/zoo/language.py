"""Every kind of model of transformers, from its own configuration with all sizes made small.

A configuration says its sizes by name: those that are known here are set, in it and in the configurations inside of it. What
a model takes is read off the names of its ``forward``. A kind that does not run so is none: the sweep says why.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torch
import transformers
from transformers.models.auto import modeling_auto

from zoo.case import SAMPLES, Case, runs, whole

WORDS, LENGTH, SIDE = 128, 16, 64
SIZES: dict[str, int] = (
    dict.fromkeys(
        (
            "hidden_size",
            "d_model",
            "n_embd",
            "embed_dim",
            "dim",
            "embedding_size",
            "emb_dim",
            "model_dim",
            "projection_dim",
            "attention_hidden_size",
            "word_embed_proj_dim",
        ),
        64,
    )
    | dict.fromkeys(
        (
            "intermediate_size",
            "encoder_ffn_dim",
            "decoder_ffn_dim",
            "d_ff",
            "ffn_dim",
            "hidden_dim",
            "n_inner",
            "moe_intermediate_size",
            "shared_expert_intermediate_size",
            "feed_forward_proj_dim",
        ),
        128,
    )
    | dict.fromkeys(
        (
            "num_hidden_layers",
            "encoder_layers",
            "decoder_layers",
            "num_layers",
            "n_layer",
            "n_layers",
            "num_decoder_layers",
            "num_encoder_layers",
            "depth",
        ),
        2,
    )
    | dict.fromkeys(
        ("num_attention_heads", "encoder_attention_heads", "decoder_attention_heads", "num_heads", "n_head", "n_heads"),
        4,
    )
    | dict.fromkeys(("num_key_value_heads", "n_group", "topk_group", "n_groups"), 2)
    | dict.fromkeys(("head_dim", "d_kv", "v_head_dim"), 16)
    | dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4)
    | dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k"), 2)
    | dict.fromkeys(("vocab_size", "type_vocab_size"), WORDS)
    | dict.fromkeys(
        ("max_position_embeddings", "n_positions", "n_ctx", "max_source_positions", "max_target_positions"), 64
    )
    | {
        "image_size": SIDE,
        "patch_size": 8,
        "q_lora_rank": 32,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 16,
    }
    | {"state_size": 8, "time_step_rank": 4, "num_labels": 10, "sliding_window": 8, "max_seq_len": 64}
)
TOKENS = dict.fromkeys(("pad_token_id", "bos_token_id", "decoder_start_token_id"), 0) | {"eos_token_id": 1}
TASKS = (
    *("CAUSAL_LM", "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM", "IMAGE_CLASSIFICATION", "SEMANTIC_SEGMENTATION"),
    *("AUDIO_CLASSIFICATION", "OBJECT_DETECTION", "SPEECH_SEQ_2_SEQ", "SEQUENCE_CLASSIFICATION"),
)
MAPPINGS = (
    *(getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES") for task in TASKS),
    modeling_auto.MODEL_MAPPING_NAMES,
)


def shrunk(config: Any) -> Any:  # noqa: ANN401 - any configuration
    """The configuration with every size that is known here made small, by its values and those inside of it."""
    for name, value in list(vars(config).items()):
        if isinstance(value, transformers.PretrainedConfig):
            shrunk(value)
        elif isinstance(value, bool) or not isinstance(value, (int, type(None))):
            continue
        elif value is not None and name in SIZES:
            setattr(config, name, min(value, SIZES[name]) if name != "num_labels" else SIZES[name])
        elif name in TOKENS:
            setattr(config, name, TOKENS[name])
    if isinstance(kinds := getattr(config, "layer_types", None), list):
        config.layer_types = _several(kinds, getattr(config, "num_hidden_layers", 2))
    return config


def _several(kinds: list[str], count: int) -> list[str]:
    """So many, of as many different ones as there are."""
    different = list(dict.fromkeys(kinds))
    return (different + kinds)[:count]


def arguments(model: Any, config: Any) -> dict[str, Any]:  # noqa: ANN401 - any model
    """What its forward asks for."""
    names = set(inspect.signature(model.forward).parameters)
    words = whole(min(WORDS, _found(config, "vocab_size") or WORDS), SAMPLES, LENGTH, low=2)
    given: dict[str, Any] = {}
    if "pixel_values" in names:
        channels, side = _found(config, "num_channels") or 3, _found(config, "image_size") or SIDE
        given["pixel_values"] = torch.randn(SAMPLES, channels, side, side)
    if "input_values" in names:
        given["input_values"] = torch.randn(SAMPLES, 4000)
    if "input_features" in names:
        given["input_features"] = torch.randn(SAMPLES, _found(config, "num_mel_bins") or 80, 128)
    if "input_ids" in names:
        given["input_ids"] = words
    if not given:
        message = f"forward asks for {sorted(names)}, of which none is known here"
        raise RuntimeError(message)
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in names:
        given["decoder_input_ids"] = words.clone()
    if "use_cache" in names:
        given["use_cache"] = False
    return given | (_labels(type(model).__name__, words) if "labels" in names else {})


def _labels(kind: str, words: torch.Tensor) -> dict[str, Any]:
    """Random classes, or the words themselves."""
    if kind.endswith("Classification"):
        return {"labels": whole(10, SAMPLES)}
    texts = ("CausalLM", "MaskedLM", "ConditionalGeneration", "LMHead")
    return {"labels": words.clone()} if any(text in kind for text in texts) else {}


def _found(config: Any, name: str) -> int | None:  # noqa: ANN401 - any configuration
    """A size of the configuration, or of the first inside of it that has it."""
    value = getattr(config, name, None)
    if isinstance(value, int):
        return value
    for inner in vars(config).values():
        if isinstance(inner, transformers.PretrainedConfig) and (found := _found(inner, name)):
            return found
    return None


def build(kind: str) -> Case:
    """The first of its classes that runs."""
    failed: Exception | None = None
    for mapping in MAPPINGS:
        if kind not in mapping:
            continue
        names = mapping[kind]
        maker = getattr(transformers, names if isinstance(names, str) else names[0])
        for smaller in (shrunk, lambda config: shrunk(shrunk(config))):
            try:
                config = smaller(maker.config_class())
                model = maker(config).train()
                return runs(Case(model, arguments(model, config)))
            except (
                RuntimeError,
                ValueError,
                TypeError,
                AttributeError,
                KeyError,
                IndexError,
                NotImplementedError,
                ImportError,
                AssertionError,
            ) as error:
                failed = error
    message = f"{kind} does not run with sizes made small: {type(failed).__name__}: {str(failed)[:120]}"
    raise RuntimeError(message) from failed


MODELS = {kind: partial(build, kind) for kind in modeling_auto.MODEL_MAPPING_NAMES}
