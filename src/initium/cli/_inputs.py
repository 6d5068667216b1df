"""Example inputs: standard normal values, and for a model that says what it takes, that."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from initium.errors import ArgumentError
from initium.random import normal_, uniform_

if TYPE_CHECKING:
    from torch import nn

    from initium.random import Stream

_TOKENS, _SAMPLES = (2, 16), 16_000
_IDS = ("input_ids", "decoder_input_ids")


def sized(sizes: tuple[int, ...], stream: Stream) -> torch.Tensor:
    """Standard normal values."""
    try:
        empty = torch.empty(sizes)
    except (RuntimeError, OverflowError, TypeError) as error:
        shown = ",".join(map(str, sizes))
        raise ArgumentError(f"--shape {shown} does not fit into memory; give smaller sizes.") from error
    return normal_(empty, stream)


def example_of(model: nn.Module, shape: tuple[int, ...] | None, stream: Stream) -> dict[str, torch.Tensor]:
    """What a model of transformers is called with, by the name of its main input and its configuration."""
    config: Any = model.config
    name = str(getattr(model, "main_input_name", "input_ids"))
    given = {name: _values(name, config, shape, stream)}
    if (
        getattr(config, "is_encoder_decoder", False)
        and "decoder_input_ids" in inspect.signature(model.forward).parameters
    ):
        given["decoder_input_ids"] = _tokens(config, (given[name].shape[0], _TOKENS[1]), stream.child("decoder"))
    return given


def _values(name: str, config: Any, shape: tuple[int, ...] | None, stream: Stream) -> torch.Tensor:  # noqa: ANN401
    if name in _IDS:
        return _tokens(config, shape or _TOKENS, stream)
    return sized(shape or _shape(name, config), stream)


def _tokens(config: Any, shape: tuple[int, ...], stream: Stream) -> torch.Tensor:  # noqa: ANN401
    """Tokens of the vocabulary; the last few stand for images and sounds in some."""
    text: Any = config.get_text_config() if hasattr(config, "get_text_config") else config
    words = int(getattr(text, "vocab_size", None) or 2)
    return (uniform_(torch.empty(shape), stream) * min(words, max(words - 256, 2))).long()


def _shape(name: str, config: Any) -> tuple[int, ...]:  # noqa: ANN401
    vision: Any = getattr(config, "vision_config", None) or config
    size = getattr(vision, "image_size", None) or 224
    height, width = (size, size) if isinstance(size, int) else (*size, *size)[:2]
    match name:
        case "pixel_values":
            return 2, int(getattr(vision, "num_channels", None) or 3), height, width
        case "input_values":
            return 2, _SAMPLES
        case "input_features":
            return 2, int(getattr(config, "num_mel_bins", 80)), 2 * int(getattr(config, "max_source_positions", 1500))
        case _:
            raise ArgumentError(
                f"this model takes `{name}`, of which no example is known: give --shape, or --batch file.py:name."
            )
