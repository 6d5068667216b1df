"""Models by their names in model libraries: ``timm:NAME``, ``torchvision:NAME``, ``hf:TYPE`` or ``hf:config.json``.

Nothing is downloaded: a name or a configuration says what is built, and its weights are random.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from initium.cli._inputs import example_of, sized
from initium.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from initium.random import Stream

# The heads by which a configuration that names no architecture is built, the first that it has.
_HEADS = (
    "CausalLM",
    "Seq2SeqLM",
    "ImageTextToText",
    "MaskedLM",
    "ImageClassification",
    "SemanticSegmentation",
    "SpeechSeq2Seq",
    "CTC",
    "AudioClassification",
)
_BOTH = ("Seq2SeqLM", "SpeechSeq2Seq")  # of an encoder with a decoder
_IMAGE, _CLIP = (2, 3, 224, 224), (2, 3, 16, 112, 112)


def library_of(target: str) -> str | None:
    """The library that a target names a model of; ``None`` for an object of a module or a file."""
    where, colon, _ = target.partition(":")
    return where if colon and where in _BUILDERS else None


def library_model(target: str) -> nn.Module:
    """The model of a library, built by it with random weights."""
    where, _, name = target.partition(":")
    try:
        return _BUILDERS[where](name)
    except ArgumentError:
        raise
    except ModuleNotFoundError as error:
        library = {"hf": "transformers"}.get(where, where)
        if error.name is not None and error.name.partition(".")[0] != library:
            library = f"{library}, and it needs {error.name}"
            cure = f"pip install {error.name}"
        else:
            cure = f"pip install {library}"
        raise ArgumentError(
            f"{target} is built by {library}, which is not installed for {sys.executable}: {cure}."
        ) from error
    except Exception as error:
        raise ArgumentError(f"{target} cannot be built: {type(error).__name__}: {str(error).rstrip('.')}.") from error


def library_batch(target: str, model: nn.Module, shape: tuple[int, ...] | None, stream: Stream) -> object:
    """An example of what such a model is called with, of a shape where one is given; ``None`` where nobody knows."""
    where, _, name = target.partition(":")
    if where == "hf":
        return example_of(model, shape, stream)
    known = _timm_shape(model) if where == "timm" else _torchvision_shape(name)
    return None if known is None and shape is None else sized(shape or known or (), stream)


def _timm(name: str) -> nn.Module:
    timm = importlib.import_module("timm")
    if not timm.is_model(name.partition(".")[0]):
        raise ArgumentError(_unknown(name, "timm", timm.list_models(), "timm.list_models()"))
    return timm.create_model(name, pretrained=False)


def _timm_shape(model: nn.Module) -> tuple[int, ...]:
    given: Any = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    return 2, *given.get("input_size", _IMAGE[1:])


def _torchvision(name: str) -> nn.Module:
    models = importlib.import_module("torchvision.models")
    if name not in models.list_models():
        raise ArgumentError(_unknown(name, "torchvision", models.list_models(), "torchvision.models.list_models()"))
    known = inspect.signature(models.get_model_builder(name)).parameters
    # Unasked, a detector fetches the weights of its backbone.
    return models.get_model(name, **{each: None for each in ("weights", "weights_backbone") if each in known})


def _torchvision_shape(name: str) -> tuple[int, ...] | None:
    """Of images for a classifier and a segmenter, of clips for video; a detector's batch is no tensor."""
    models = importlib.import_module("torchvision.models")
    kind = str(models.get_model_builder(name).__module__)
    if "detection" in kind or "optical" in kind:
        return None
    if "video" in kind:
        return _CLIP
    try:
        size = int(models.get_model_weights(name).DEFAULT.transforms().crop_size[0])
    except (AttributeError, TypeError, IndexError):
        return _IMAGE
    return 2, 3, size, size


def _hf(name: str) -> nn.Module:
    transformers = importlib.import_module("transformers")
    config = _hf_config(transformers, name)
    return _hf_class(transformers, config)(config)


def _hf_config(transformers: Any, name: str) -> Any:  # noqa: ANN401 - a library without types
    path = Path(name)
    path = path / "config.json" if name and path.is_dir() else path
    if path.is_file():
        return _hf_file(transformers, path)
    if path.suffix == ".json":
        raise ArgumentError(f"there is no file {path} in {Path.cwd()}.")
    mapping = transformers.CONFIG_MAPPING
    if name not in mapping:
        raise ArgumentError(_unknown(name, "transformers", mapping.keys(), "transformers.CONFIG_MAPPING"))
    return mapping[name]()


def _hf_file(transformers: Any, path: Path) -> Any:  # noqa: ANN401
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArgumentError(f"{path} is no JSON: {str(error).rstrip('.')}.") from error
    kind = written.get("model_type") if isinstance(written, dict) else None
    if kind not in transformers.CONFIG_MAPPING:
        close = _close(kind, transformers.CONFIG_MAPPING.keys()) if isinstance(kind, str) else ""
        raise ArgumentError(
            f"{path} is no configuration of transformers: its model_type is {kind!r}. "
            f"{close or 'Write one with config.save_pretrained().'}"
        )
    return transformers.CONFIG_MAPPING[kind].from_dict(written)


def _hf_class(transformers: Any, config: Any) -> Callable[[Any], nn.Module]:  # noqa: ANN401
    for name in getattr(config, "architectures", None) or ():
        if hasattr(transformers, name):
            return getattr(transformers, name)
    both = getattr(config, "is_encoder_decoder", False)
    for head in (*_BOTH, *_HEADS) if both else _HEADS:
        auto = getattr(transformers, f"AutoModelFor{head}", None)
        if auto is not None and type(config) in auto._model_mapping:  # noqa: SLF001 - no public way to ask
            return auto.from_config
    return transformers.AutoModel.from_config


def _unknown(name: str, library: str, known: Iterable[str], listed: str) -> str:
    return f"{library} has no model {name!r}. {_close(name, known) or f'{listed} has the names.'}"


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, [*known], n=5)
    return f"Close to it: {', '.join(close)}." if close else ""


_BUILDERS: dict[str, Callable[[str], nn.Module]] = {"timm": _timm, "torchvision": _torchvision, "hf": _hf}


def hollow(target: str) -> nn.Module | None:
    """The model without memory, to be planned; ``None`` where it asks its own values as it is built."""
    try:
        with torch.device("meta"):
            return library_model(target)
    except ArgumentError as error:
        if error.__cause__ is None or isinstance(error.__cause__, ModuleNotFoundError):
            raise
        return None
