"""Inputs, normalisations, attentions and half precision: the faulty program is found, its twin and its likes are not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from initium.records import Finding

CODES = {"input-scale", "degenerate-batchnorm", "attention-collapse", "underflow"}


@pytest.fixture(autouse=True)
def seed():
    """What a test draws for itself is the same whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def found(model: nn.Module, given: Tensor, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy) -> list[Finding]:
    target = torch.arange(len(given)) % 10
    report = initium.diagnose(model, initium.Batch((given,), target=target), loss)
    return [finding for finding in report.findings if finding.code in CODES]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in findings]


def mlp(*first: nn.Module, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(*first, nn.Linear(20, 64), activation(), nn.Linear(64, 64), activation(), nn.Linear(64, 10))


def picture_net(*after: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), *after, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    )


def pictures() -> Tensor:
    return torch.randint(0, 256, (32, 3, 12, 12)).float()


def test_bytes_of_an_image_are_an_input_that_is_not_standardised() -> None:
    (finding,) = found(picture_net(), pictures())
    assert (finding.code, finding.layers) == ("input-scale", ("0.weight",))
    assert "as bytes of an image do" in finding.cause
    assert "args[0]" in finding.message
    report = initium.diagnose(
        picture_net(), initium.Batch((pictures(),), target=torch.arange(32) % 10), F.cross_entropy
    )
    assert report.findings[0].code == "input-scale"  # before what comes of it


def test_features_in_unlike_units_are_named() -> None:
    (finding,) = found(mlp(), torch.randn(64, 20) * torch.logspace(0, 4, 20))
    assert (finding.code, finding.severity) == ("input-scale", "error")  # the loss shows it already
    assert "unlike units" in finding.cause


def test_what_a_large_input_saturates_makes_it_an_error() -> None:
    given = torch.randn(64, 20)
    assert told(found(mlp(activation=nn.Tanh), 30 * given)) == [("error", "input-scale")]
    assert told(found(mlp(), 6 * given)) == [("warning", "input-scale")]
    assert told(found(mlp(activation=nn.Tanh), given)) == []


def test_an_input_far_from_zero_is_found_by_its_mean() -> None:
    (finding,) = found(mlp(), 1 + 0.05 * torch.randn(64, 20))
    assert (finding.severity, finding.code) == ("warning", "input-scale")
    assert finding.measured == pytest.approx(20, rel=0.1)


HARMLESS = {
    "images from 0 to 1": lambda: (picture_net(), torch.rand(32, 3, 12, 12)),
    "bytes before a batch norm": lambda: (picture_net(nn.BatchNorm2d(16)), pictures()),
    "bytes that a norm reads": lambda: (nn.Sequential(nn.BatchNorm2d(3), picture_net()), pictures()),
    "units that a norm evens out": lambda: (mlp(nn.BatchNorm1d(20)), torch.randn(64, 20) * torch.logspace(0, 4, 20)),
    "one-hot": lambda: (mlp(), F.one_hot(torch.randint(0, 20, (64,)), 20).float()),
}


@pytest.mark.parametrize("made", HARMLESS.values(), ids=HARMLESS)
def test_inputs_that_do_no_harm_are_left_alone(made: Callable[[], tuple[nn.Module, Tensor]]) -> None:
    assert found(*made()) == []


class Attention(nn.Module):
    """One head beside a residual stream."""

    def __init__(
        self, gain: float = 1.0, scale: float | None = None, reach: int = 99, *, written: bool = False
    ) -> None:
        super().__init__()
        self.norm, self.value, self.head = nn.LayerNorm(64), nn.Linear(64, 64), nn.Linear(64, 10)
        self.query, self.key = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)
        for layer in (self.query, self.key):
            nn.init.normal_(layer.weight, std=gain / 8)
        self.scale, self.written = scale, written
        places = torch.arange(32)
        self.register_buffer("near", (places[:, None] - places).abs() < reach)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        query, key, value = self.query(y), self.key(y), self.value(y)
        if self.written:
            mixed = (query @ key.transpose(1, 2) * (self.scale or 1 / 8)).softmax(-1) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, self.near, scale=self.scale)
        return self.head((x + mixed).mean(1))


@pytest.mark.parametrize(
    ("given", "severity", "cause"),
    [
        ({"scale": 1.0}, "warning", "8 times what 1 / sqrt(d)"),
        ({"scale": 1.0, "written": True}, "warning", "a missing 1 / sqrt(d)"),
        ({"gain": 10.0}, "error", "and the scores grow with that of the queries"),
    ],
)
def test_an_attention_on_one_key_is_found_with_its_weights(given: dict[str, float], severity: str, cause: str) -> None:
    (finding,) = found(Attention(**given), torch.randn(32, 32, 64))
    assert (finding.severity, finding.code) == (severity, "attention-collapse")
    assert finding.layers == ("query.weight", "key.weight")
    assert cause in finding.cause


@pytest.mark.parametrize("given", [{}, {"gain": 0.01}, {"reach": 2}, {"reach": 3}, {"written": True}])
def test_an_attention_that_looks_everywhere_or_may_not_is_no_fault(given: dict[str, float]) -> None:
    assert found(Attention(**given), torch.randn(32, 32, 64)) == []


def test_an_attention_that_shows_each_query_one_key_is_none() -> None:
    (finding,) = found(Attention(reach=1), torch.randn(32, 32, 64))
    assert (finding.severity, finding.code) == ("error", "attention-collapse")
    assert "each query one key alone" in finding.message


def normed(norm: Callable[[int], nn.Module] = nn.BatchNorm1d, width: int = 64) -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, width), norm(width), nn.ReLU(), nn.Linear(width, 10))


def test_a_batch_norm_of_two_samples_gives_signs() -> None:
    (finding,) = found(normed(), torch.randn(2, 20))
    assert (finding.severity, finding.code, finding.layers) == ("warning", "degenerate-batchnorm", ("1.weight",))
    assert found(normed(), torch.randn(3, 20)) == []


@pytest.mark.parametrize(("width", "severity"), [(1, "error"), (2, "warning")])
def test_a_norm_over_one_or_two_features_leaves_nothing(width: int, severity: str) -> None:
    (finding,) = found(normed(nn.LayerNorm, width), torch.randn(64, 20))
    assert (finding.severity, finding.code) == (severity, "degenerate-batchnorm")
    assert found(normed(nn.LayerNorm, 3), torch.randn(64, 20)) == []
    assert found(normed(nn.RMSNorm, width), torch.randn(64, 20)) == []


def test_a_norm_that_leaves_nothing_of_a_branch_is_a_warning() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.norm, self.mix = mlp(), nn.LayerNorm(1), nn.Linear(1, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = self.body(x)
            seen = x.mean(1, keepdim=True)
            return x + self.mix(self.norm(seen))

    assert told(found(Beside(), torch.randn(64, 20))) == [("warning", "degenerate-batchnorm")]
    report = initium.diagnose(
        Beside(), initium.Batch((torch.randn(64, 20),), target=torch.arange(64) % 10), F.cross_entropy
    )
    assert not report.at_least("error")  # the answer is what is beside the branch, too, and varies


def test_one_pooled_branch_of_two_samples_is_worth_an_info_until_they_are_trained_on() -> None:
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
    first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8))
    model = nn.Sequential(first, pooled, nn.Flatten(), nn.Linear(8, 10))
    looked = initium.diagnose(model, torch.randn(2, 3, 8, 8), lambda output: output.square().mean()).findings
    assert told([each for each in looked if each.code in CODES]) == [("info", "degenerate-batchnorm")]
    # Targets that tell the two apart make it a batch of the training.
    assert told(found(model, torch.randn(2, 3, 8, 8))) == [("warning", "degenerate-batchnorm")]
    assert found(model, torch.randn(3, 3, 8, 8)) == []


def test_a_batch_norm_whose_channels_do_not_vary_is_found() -> None:
    dead = normed()
    dead.insert(1, nn.ReLU())
    nn.init.constant_(dead[0].bias, -50.0)
    findings = [each for each in found(dead, torch.randn(64, 20)) if each.code == "degenerate-batchnorm"]
    assert [(each.severity, each.layers, each.measured) for each in findings] == [("warning", ("2.weight",), 1.0)]
    same = found(normed(), torch.ones(64, 20))  # the same sample again: no fault of the network
    assert told(same) == [("warning", "input-scale")]


def test_stored_statistics_that_nobody_collected_are_worth_what_they_leave_undone() -> None:
    given = torch.randn(64, 20)
    looked = initium.diagnose(normed().eval(), given).findings
    assert told([each for each in looked if each.code in CODES]) == [("info", "degenerate-batchnorm")]
    assert told(found(normed().eval(), given)) == [
        ("warning", "degenerate-batchnorm")
    ]  # with a loss it is a step of training
    large = normed().eval()
    nn.init.normal_(large[0].weight, std=10.0)
    assert told(found(large, given)) == [("warning", "degenerate-batchnorm")]
    assert found(large.train(), given) == []
    large.train()(given)
    assert found(large.eval(), given) == []


def deep(dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    layers = [nn.Linear(64, 64) for _ in range(5)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    parts = [part for layer in layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*parts, nn.Linear(64, 10)).to(dtype), torch.randn(64, 64).to(dtype)


@pytest.mark.parametrize(("size", "severity"), [(1e-4, "warning"), (1e-6, "error"), (1.0, None)])
def test_a_gradient_below_the_steps_of_float16_is_found(size: float, severity: str | None) -> None:
    model, given = deep(torch.float16)
    findings = found(model, given, lambda output, target: size * F.cross_entropy(output, target))
    if severity is None:
        assert findings == []
        return
    (finding,) = findings
    assert (finding.severity, finding.code) == (severity, "underflow")
    assert "0.weight" in finding.layers
    assert "GradScaler" in finding.fix


def test_a_loss_that_nothing_reaches_does_not_underflow() -> None:
    model, given = deep(torch.float16)
    assert found(model, given, lambda output, target: 1 + F.relu(target.float()[:, None] - output - 1e4).mean()) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_has_the_range_does_not_underflow(dtype: torch.dtype) -> None:
    model, given = deep(dtype)
    assert found(model, given, lambda output, target: 1e-4 * F.cross_entropy(output, target)) == []


def test_a_zero_head_in_float16_is_no_underflow() -> None:
    model, given = deep(torch.float16)
    nn.init.zeros_(model[-1].weight)
    assert found(model, given) == []


def test_a_signal_below_the_steps_of_float16_is_found() -> None:
    model, given = deep(torch.float16)
    with torch.no_grad():
        given *= 1e-7
    findings = found(model, given)
    assert ("warning", "underflow") in told(findings)
    assert any(finding.message.startswith("The signal underflows") for finding in findings)


def test_a_signal_that_vanishes_says_how_alike_samples_became() -> None:
    model = nn.Sequential(*(part for _ in range(20) for part in (nn.Linear(64, 64), nn.ReLU())), nn.Linear(64, 10))
    report = initium.diagnose(model, torch.randn(64, 64))
    finding = next(each for each in report.findings if each.code == "vanishing-signal")
    assert "(1 less their mean cosine); a critical ReLU network of this depth leaves 0.0" in finding.cause
