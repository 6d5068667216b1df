"""Models by their names in model libraries, which are stood in for: a name, a builder, a configuration."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from initium.cli import app


class Images(nn.Sequential):
    """A classifier as a library builds it: it knows the size of its images."""

    pretrained_cfg = {"input_size": (3, 6, 6)}  # noqa: RUF012 - as the library has it

    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


class Words(nn.Module):
    """A language model as a library builds it, from a configuration, and called by keywords."""

    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.table, self.head = nn.Embedding(config.vocab_size, 8), nn.Linear(8, config.vocab_size)

    def forward(self, input_ids, decoder_input_ids=None):
        assert input_ids.max() < self.config.vocab_size if not input_ids.is_meta else True
        assert (decoder_input_ids is not None) == self.config.is_encoder_decoder
        return self.head(self.table(input_ids))


class Configured(SimpleNamespace):
    """A configuration with its defaults."""

    def __init__(self, vocab_size=50, *, is_encoder_decoder=False, **others):
        super().__init__(vocab_size=vocab_size, is_encoder_decoder=is_encoder_decoder, **others)

    from_dict = classmethod(lambda cls, written: cls(**written))


def plain(*, weights=None):
    assert weights is None


def detector(*, weights=None, weights_backbone="web"):
    assert weights is weights_backbone is None


def asked(calls, name, made):
    """A builder that notes what it was called with."""
    return lambda *args, **kwargs: (calls.append((name, args, kwargs)), made())[1]


@pytest.fixture
def calls(monkeypatch):
    found = []
    timm, torchvision, transformers = ModuleType("timm"), ModuleType("torchvision.models"), ModuleType("transformers")
    timm.list_models, timm.is_model = lambda: ["small_net", "large_net"], lambda name: name in timm.list_models()
    timm.create_model = asked(found, "timm", Images)
    builders = {"plain": plain, "found": detector}
    torchvision.list_models, torchvision.get_model_builder = lambda: [*builders], builders.__getitem__
    torchvision.get_model = asked(found, "torchvision", Images)
    auto = SimpleNamespace(_model_mapping={Configured: Words}, from_config=Words)
    transformers.CONFIG_MAPPING, transformers.AutoModelForCausalLM = {"words": Configured}, auto
    for module in (timm, torchvision, transformers):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    return found


def ran(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_a_name_of_timm_is_built_untrained_and_traced_with_images_of_its_size(calls):
    code, text = ran("plan", "timm:small_net")
    assert code == 0, text
    assert "no batch was given" not in text
    assert all(kwargs == {"pretrained": False} for _, _, kwargs in calls)
    assert ran("diagnose", "timm:small_net")[0] in {0, 1}


def test_a_name_of_torchvision_is_built_with_no_weights_of_its_backbone_either(calls):
    assert ran("plan", "torchvision:plain", "--shape", "2,3,6,6")[0] == 0
    assert ran("plan", "torchvision:found", "--shape", "2,3,6,6")[0] == 0
    assert [kwargs for _, _, kwargs in calls if "weights_backbone" in kwargs]
    assert all(value is None for _, _, kwargs in calls for value in kwargs.values())


@pytest.mark.parametrize("shape", [(), ("--shape", "3,5")])
@pytest.mark.usefixtures("calls")
def test_a_type_or_a_configuration_of_transformers_is_traced_with_tokens(tmp_path, shape):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "words", "vocab_size": 7, "is_encoder_decoder": True}))
    for target in ("hf:words", f"hf:{path}", f"hf:{tmp_path}"):
        code, text = ran("plan", target, *shape)
        assert code == 0, text
        assert "embedding" in text


def test_a_large_model_is_planned_without_memory(monkeypatch, calls):
    monkeypatch.setattr("initium.cli._target._LARGE", 10)
    made = []
    monkeypatch.setattr(sys.modules["timm"], "create_model", lambda *_, **__: (made.append(Images()), made[-1])[1])
    assert ran("plan", "timm:small_net")[0] == 0
    assert [model[0].weight.device.type for model in made] == ["meta"]
    assert calls == []


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("timm:smal_net", "timm has no model 'smal_net'. Close to it: small_net."),
        ("torchvision:plane", "torchvision has no model 'plane'. Close to it: plain."),
        ("hf:word", "transformers has no model 'word'. Close to it: words."),
        ("hf:zzz", "transformers has no model 'zzz'. transformers.CONFIG_MAPPING has the names."),
        ("hf:lost.json", "there is no file lost.json"),
        ("timm:", "timm has no model ''. timm.list_models() has the names."),
        ("hf:", "transformers has no model ''. transformers.CONFIG_MAPPING has the names."),
    ],
)
@pytest.mark.usefixtures("calls")
def test_an_unknown_name_is_told_with_what_is_close_to_it(target, told):
    code, text = ran("plan", target)
    assert code == 2
    assert told in text


@pytest.mark.usefixtures("calls")
def test_a_misspelt_model_type_is_told_with_what_is_close_to_it(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "wordz"}))
    code, text = ran("plan", f"hf:{path}")
    assert code == 2
    assert "its model_type is 'wordz'. Close to it: words." in text


@pytest.mark.parametrize(
    ("library", "package"), [("timm", "timm"), ("torchvision", "torchvision"), ("hf", "transformers")]
)
def test_a_library_that_is_not_there_is_told_with_the_command_that_installs_it(monkeypatch, library, package):
    monkeypatch.setitem(sys.modules, package, None)
    code, text = ran("plan", f"{library}:anything")
    assert code == 2
    assert f"pip install {package}." in text
    assert "Traceback" not in text


@pytest.mark.usefixtures("calls")
def test_a_builder_that_fails_is_told_in_one_line(monkeypatch):
    def fails(*_, **__):
        raise ValueError("needs a licence.")

    monkeypatch.setattr(sys.modules["timm"], "create_model", fails)
    code, text = ran("plan", "timm:small_net")
    assert code == 2
    assert "timm:small_net cannot be built: ValueError: needs a licence." in text


@pytest.mark.usefixtures("calls")
def test_the_same_seed_makes_the_same_example():
    torch.manual_seed(5)
    assert ran("diagnose", "hf:words") == ran("diagnose", "hf:words", "--seed", "0")
