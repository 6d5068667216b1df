"""Structure: what the graph and exact values prove is found with its layer, and what only looks like it is left in peace."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from architectures import ARCHITECTURES
from diagnose.healthy import HEALTHY, WIDTH, Attention, Calls, Plus, conv, images, mlp, rows
from initium.records import Finding

STRUCTURAL = frozenset(
    {
        "double-softmax",
        "missing-softmax",
        "unused-parameter",
        "identical-shards",
        "missing-activation",
        "residual-growth",
        "update-ratio",
        "nonzero-bias",
        "bias-before-norm",
    }
)
CLASSES = 10


pytestmark = pytest.mark.usefixtures("drawn_alike")


def found(model: nn.Module, batch: object, code: str, loss=None) -> list[Finding]:
    return [each for each in initium.diagnose(model, batch, loss).findings if each.code == code]


def one(model: nn.Module, batch: object, code: str, loss=None) -> Finding:
    (finding,) = found(model, batch, code, loss)
    return finding


# ---- health ----


@pytest.mark.parametrize("name", [*HEALTHY, *ARCHITECTURES])
def test_a_healthy_model_is_left_in_peace(name: str) -> None:
    model, batch = (HEALTHY | ARCHITECTURES)[name]()
    alarms = [each for each in initium.diagnose(model, batch).at_least("warning") if each.code in STRUCTURAL]
    if name == "transformer encoder":  # it does clone its layer
        assert [each.code for each in alarms] == ["identical-shards"]
    else:
        assert alarms == []


# ---- the answer and its loss ----


def classes(count: int = CLASSES) -> initium.Batch:
    return initium.Batch((rows(64),), target=torch.arange(64) % count)


def ending(*parts: nn.Module, count: int = CLASSES) -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, count), *parts)


def test_a_softmax_before_a_cross_entropy_is_applied_twice() -> None:
    finding = one(ending(nn.Softmax(-1)), classes(), "double-softmax", nn.CrossEntropyLoss())
    assert (finding.severity, finding.layers) == ("warning", ("2.weight",))
    assert finding.measured == pytest.approx(math.log1p(9 / math.e))
    perfect = F.cross_entropy(F.one_hot(torch.arange(CLASSES)).float(), torch.arange(CLASSES))
    assert finding.measured == pytest.approx(float(perfect), rel=1e-6)


def test_with_a_thousand_classes_it_is_an_error() -> None:
    finding = one(ending(nn.Softmax(-1), count=1000), classes(1000), "double-softmax", F.cross_entropy)
    assert finding.severity == "error"


def test_pixels_are_classified_along_the_channels() -> None:
    model = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 5), nn.Softmax(1))
    batch = initium.Batch((images(),), target=torch.randint(0, 5, (8, 16, 16)))
    assert one(model, batch, "double-softmax", F.cross_entropy).layers == ("2.weight",)


@pytest.mark.parametrize(
    ("end", "loss"),
    [
        (nn.LogSoftmax(-1), F.cross_entropy),
        (nn.LogSoftmax(-1), F.nll_loss),
        (nn.Softmax(-1), lambda output, target: F.nll_loss(output.log(), target)),
        (nn.Softmax(-1), lambda output, target: F.mse_loss(output, F.one_hot(target, CLASSES).float())),
        (nn.Identity(), F.cross_entropy),
        (nn.Hardtanh(-30, 30), F.cross_entropy),
    ],
    ids=["log-softmax", "likelihood", "logarithm in the loss", "squares", "scores", "scores within wide bounds"],
)
def test_an_ending_that_fits_its_loss_is_no_fault(end, loss) -> None:
    assert found(ending(end), classes(), "double-softmax", loss) == []
    assert found(ending(end), classes(), "missing-softmax", loss) == []


def chances(shape: tuple[int, ...]) -> initium.Batch:
    return initium.Batch((rows(64),), target=torch.rand(64, *shape).round())


@pytest.mark.parametrize("shape", [(1,), (CLASSES,)])
def test_a_sigmoid_before_a_loss_that_applies_one_is_found(shape: tuple[int, ...]) -> None:
    model = ending(nn.Sigmoid(), count=shape[0])
    finding = one(model, chances(shape), "double-softmax", F.binary_cross_entropy_with_logits)
    assert (finding.severity, finding.layers) == ("warning", ("2.weight",))
    assert found(model, chances(shape), "double-softmax", F.binary_cross_entropy) == []


def test_scores_that_lie_between_0_and_1_by_chance_are_scores() -> None:
    model = ending(count=1)
    nn.init.constant_(model[-1].bias, 0.5)
    model[-1].weight.data.mul_(1e-3)
    given = chances((1,))
    assert bool(((model(*given.args) - 0.5).abs() < 0.5).all())
    assert found(model, given, "double-softmax", F.binary_cross_entropy_with_logits) == []


def test_a_sigmoid_before_a_cross_entropy_is_found() -> None:
    assert one(ending(nn.Sigmoid()), classes(), "double-softmax", F.cross_entropy).severity == "warning"


def test_a_relu_on_the_scores_is_found() -> None:
    finding = one(ending(nn.ReLU()), classes(), "double-softmax", F.cross_entropy)
    assert (finding.severity, finding.layers) == ("warning", ("2.weight",))
    assert (
        found(ending(nn.ReLU()), initium.Batch((rows(64),), target=torch.rand(64, 10)), "double-softmax", F.mse_loss)
        == []
    )


def test_a_softmax_over_one_unit_is_the_constant_one() -> None:
    finding = one(ending(nn.Softmax(-1), count=1), rows(), "double-softmax")
    assert finding.severity == "error"
    assert "constant 1" in finding.message


def test_a_softmax_over_the_batch_is_found() -> None:
    assert one(ending(nn.Softmax(0)), classes(), "softmax-axis", F.cross_entropy).severity == "error"
    over_nodes = Calls(lambda m, x: torch.softmax(m.body(x), 0), body=ending(count=1))
    assert found(over_nodes, rows(), "softmax-axis") == []


def test_a_likelihood_of_scores_has_no_bound() -> None:
    finding = one(ending(), classes(), "missing-softmax", F.nll_loss)
    assert (finding.severity, finding.layers) == ("error", ("2.weight",))
    assert one(ending(nn.Softmax(-1)), classes(), "missing-softmax", F.nll_loss).severity == "warning"


def test_labels_of_a_language_model_are_seen_through_the_shift() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(30, WIDTH), nn.Linear(WIDTH, 30)

        def forward(self, tokens: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.head(torch.relu(self.table(tokens))).softmax(-1)
            return {"logits": logits, "loss": F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())}

    tokens = torch.randint(0, 30, (4, 9))
    assert one(Model(), {"tokens": tokens, "labels": tokens}, "double-softmax").layers == ("head.weight",)


# ---- activations ----


def test_a_network_without_activations_is_one_matrix() -> None:
    finding = one(mlp(WIDTH, 64, 64, 10, activation=nn.Identity), rows(), "missing-activation")
    assert (finding.severity, finding.layers) == ("warning", ("0.weight", "2.weight", "4.weight"))


@pytest.mark.parametrize(
    "between",
    [nn.Identity, nn.Dropout, lambda: nn.BatchNorm2d(8), lambda: nn.AvgPool2d(3, 1, 1)],
    ids=["nothing", "dropout", "batch norm", "mean"],
)
def test_what_follows_a_line_bends_nothing(between) -> None:
    body = [part for _ in range(3) for part in (conv(8, 8), between())]
    model = nn.Sequential(conv(3, 8), *body, nn.Flatten(), nn.Linear(8 * 256, 10))
    assert one(model, images(), "missing-activation").severity == "warning"


@pytest.mark.parametrize(
    "between", [nn.ReLU, lambda: nn.MaxPool2d(3, 1, 1), lambda: nn.GroupNorm(2, 8)], ids=["relu", "maximum", "norm"]
)
def test_what_bends_is_an_activation(between) -> None:
    body = [part for _ in range(3) for part in (conv(8, 8), between())]
    model = nn.Sequential(conv(3, 8), between(), *body, nn.Flatten(), nn.Linear(8 * 256, 10))
    assert [each for each in found(model, images(), "missing-activation") if each.severity != "info"] == []


def test_one_missing_activation_among_many_is_an_info() -> None:
    model = nn.Sequential(*mlp(WIDTH, 64, 64), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    finding = one(model, rows(), "missing-activation")
    assert (finding.severity, finding.layers) == ("info", ("2.weight", "3.weight"))


@pytest.mark.parametrize(
    "model",
    [
        lambda: nn.Sequential(nn.Linear(WIDTH, 4), nn.Linear(4, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10)),
        lambda: nn.Sequential(
            mlp(WIDTH, 64, 64), nn.Unflatten(1, (4, 16)), Attention(16), nn.Flatten(), nn.Linear(64, 10)
        ),
        lambda: nn.Sequential(
            nn.Linear(WIDTH, 64).requires_grad_(requires_grad=False), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
        ),
    ],
    ids=["bottleneck", "attention", "frozen"],
)
def test_two_weights_in_a_row_with_a_reason_are_no_fault(model) -> None:
    assert found(model(), rows(), "missing-activation") == []


# ---- biases ----


def test_a_bias_before_a_batch_norm_does_nothing() -> None:
    model = nn.Sequential(nn.Linear(WIDTH, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    finding = one(model, rows(), "bias-before-norm")
    assert (finding.severity, finding.layers) == ("info", ("0.weight",))
    with torch.no_grad():
        x, before = rows(), None
        before = model(x)
        model[0].bias.add_(3.0)
        # Sums of 16 values near 3 in float32.
        assert torch.allclose(model(x), before, atol=1e-4)


@pytest.mark.parametrize(
    "norm",
    [nn.LayerNorm, lambda width: nn.GroupNorm(4, width), lambda width: nn.BatchNorm1d(width).eval()],
    ids=["layer", "group", "eval"],
)
def test_a_bias_before_another_norm_does_something(norm) -> None:
    model = nn.Sequential(nn.Linear(WIDTH, 64), norm(64), nn.ReLU(), nn.Linear(64, 10))
    assert found(model, rows(), "bias-before-norm") == []


def test_a_bias_that_something_else_reads_too_does_something() -> None:
    def forward(m, x: Tensor) -> Tensor:
        h = m.first(x)
        return m.last(torch.relu(m.norm(h)) + h)

    model = Calls(forward, first=nn.Linear(WIDTH, 64), norm=nn.BatchNorm1d(64), last=nn.Linear(64, 10))
    assert found(model, rows(), "bias-before-norm") == []


def biased(size: float) -> nn.Module:
    model = mlp(WIDTH, 64, 64, 64, 10)
    for place in (0, 2, 4):
        nn.init.kaiming_normal_(model[place].weight)
        nn.init.uniform_(model[place].bias, -size, size)
    return model


def test_biases_as_large_as_the_signal_are_told() -> None:
    finding = one(biased(4.0), rows(64), "nonzero-bias")
    assert (finding.severity, finding.layers[0]) == ("warning", "0.weight")
    assert found(biased(0.1), rows(64), "nonzero-bias") == []
    assert found(biased(100.0), rows(64), "nonzero-bias") == []
    assert one(biased(100.0), rows(64), "large-bias").severity == "warning"


# ---- gradients that never come ----


def cut(where: int, how: str = "detach", depth: int = 6) -> nn.Module:
    def forward(m, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(how != "no_grad"):
            for part in m.layers[:where]:
                x = torch.relu(part(x))
        x = x.detach() if how == "detach" else x
        for part in m.layers[where:-1]:
            x = torch.relu(part(x))
        return m.layers[-1](x)

    return Calls(forward, layers=nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(depth)))


@pytest.mark.parametrize(("how", "told"), [("detach", ".detach()"), ("no_grad", "torch.no_grad()")])
def test_a_body_that_is_cut_off_is_an_error(how: str, told: str) -> None:
    finding = one(cut(5, how), rows(), "unused-parameter")
    assert (finding.severity, finding.layers) == ("error", tuple(f"layers.{place}.weight" for place in range(5)))
    assert told in finding.cause


def test_a_part_that_is_cut_off_is_a_warning() -> None:
    finding = one(cut(2), rows(), "unused-parameter")
    assert (finding.severity, finding.layers) == ("warning", ("layers.0.weight", "layers.1.weight"))


def test_a_branch_that_is_detached_is_a_warning() -> None:
    def forward(m, x: Tensor) -> Tensor:
        x = torch.relu(m.first(x))
        return m.last(torch.relu(x + m.branch(x).detach()))

    model = Calls(forward, first=nn.Linear(WIDTH, 32), branch=mlp(32, 64, 32), last=nn.Linear(32, 10))
    finding = one(model, rows(), "unused-parameter")
    assert (finding.severity, finding.layers) == ("warning", ("branch.0.weight", "branch.2.weight"))


def test_what_is_frozen_is_not_cut_off() -> None:
    model = cut(5)
    for part in model.layers[:5]:
        part.requires_grad_(requires_grad=False)
    assert found(model, rows(), "unused-parameter") == []


def test_a_model_that_never_has_a_gradient_says_why() -> None:
    def forward(m, x: Tensor) -> Tensor:
        with torch.no_grad():
            return m.body(x)

    report = initium.diagnose(Calls(forward, body=mlp(WIDTH, 64, 10)), rows())
    (finding,) = report.at_least("error")
    assert (finding.code, finding.layers) == ("unused-parameter", ("body.0.weight", "body.2.weight"))
    assert "nothing in the output carries a gradient" in finding.cause
    assert report.verdict == "cut off"


def test_unreached_are_the_parameters_that_autograd_gives_none() -> None:
    def forward(m, x: Tensor) -> Tensor:
        h = torch.relu(m.norm(m.first(x)))
        return m.last(h) * m.zero + m.side(h).detach().sum()

    class Zeroed(Calls):
        def __init__(self) -> None:
            super().__init__(
                forward,
                first=nn.Linear(WIDTH, 16),
                norm=nn.LayerNorm(16),
                last=nn.Linear(16, 4),
                side=nn.Linear(16, 2),
                spare=nn.LayerNorm(3),
            )
            self.zero = nn.Parameter(torch.zeros(4))

    model, x = Zeroed(), rows()
    model(x).sum().backward()
    expected = tuple(name for name, parameter in model.named_parameters() if parameter.grad is None)
    assert expected == ("side.weight", "side.bias", "spare.weight", "spare.bias")
    assert initium.diagnose(model, x).signal.unreached == expected


class Decoder(nn.Module):
    """A block that can look at an encoder; or, slipped, one that forgot its second weight."""

    def __init__(self, *, slipped: bool) -> None:
        super().__init__()
        self.own, self.one, self.other = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.slipped = slipped

    def forward(self, x: Tensor, encoded: Tensor | None = None) -> Tensor:
        x = x + torch.tanh(self.own(x))
        if self.slipped:
            return x + torch.tanh(self.one(x))
        return x if encoded is None else x + self.other(torch.tanh(self.one(encoded)))


@pytest.mark.parametrize(
    ("slipped", "count", "severity"), [(False, 3, "info"), (True, 3, "warning"), (False, 1, "warning")]
)
def test_what_no_block_of_a_stack_calls_serves_another_mode(slipped: bool, count: int, severity: str) -> None:  # noqa: FBT001
    blocks = (Decoder(slipped=slipped) for _ in range(count))
    finding = one(nn.Sequential(*blocks, nn.Linear(WIDTH, 10)), rows(), "unused-parameter")
    assert finding.severity == severity


# ---- copies ----


def test_a_layer_that_is_cloned_over_depth_is_found() -> None:
    layer = nn.Linear(WIDTH, WIDTH)
    model = nn.Sequential(*(part for _ in range(4) for part in (copy.deepcopy(layer), nn.Tanh())), nn.Linear(WIDTH, 10))
    finding = one(model, rows(), "identical-shards")
    assert (finding.severity, finding.measured) == ("warning", 3.0)
    assert finding.layers == ("0.weight", "2.weight", "4.weight", "6.weight")
    initium.initialize(model, rows(), seed=0)
    assert found(model, rows(), "identical-shards") == []


def test_torchs_own_encoder_clones_its_layer_and_its_transformer_does_not() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 64, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    assert one(encoder, torch.randn(4, 6, WIDTH), "identical-shards").measured == 8.0
    whole = nn.Transformer(WIDTH, 4, 2, 2, 64, batch_first=True)
    assert found(whole, (torch.randn(4, 6, WIDTH), torch.randn(4, 5, WIDTH)), "identical-shards") == []


def test_tied_layers_are_one_layer() -> None:
    layer = nn.Linear(WIDTH, WIDTH)
    assert (
        found(nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), nn.Linear(WIDTH, 10)), rows(), "identical-shards") == []
    )


def test_experts_that_are_copies_are_found() -> None:
    def forward(m, x: Tensor) -> Tensor:
        weights = torch.softmax(m.router(x), -1)
        return sum(weights[:, place, None] * part(x) for place, part in enumerate(m.experts))

    expert = mlp(WIDTH, 64, 10)
    model = Calls(forward, router=nn.Linear(WIDTH, 3), experts=nn.ModuleList(copy.deepcopy(expert) for _ in range(3)))
    finding = one(model, rows(), "identical-shards")
    assert (finding.severity, finding.measured) == ("warning", 4.0)


class Stack(nn.Module):
    def __init__(self, *, equal: bool) -> None:
        super().__init__()
        self.router, self.experts = nn.Linear(WIDTH, 12), nn.Parameter(0.1 * torch.randn(12, WIDTH, 10))
        if equal:
            self.experts.data[:] = self.experts.data[0].clone()

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bi,eio,be->bo", x, self.experts, torch.softmax(self.router(x), -1))


def test_a_stack_of_equal_experts_is_found() -> None:
    finding = one(Stack(equal=True), rows(), "identical-shards")
    assert (finding.layers, finding.measured) == (("experts",), 12.0)
    assert found(Stack(equal=False), rows(), "identical-shards") == []


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_shards_of_one_seed_are_found(shards: int) -> None:
    model = mlp(WIDTH, 64, 64, 10)
    block = torch.randn(64 // shards, 64) / 8
    model[2].weight.data = block.repeat(shards, 1)
    finding = one(model, rows(), "identical-shards")
    assert (finding.severity, finding.layers, finding.measured) == ("warning", ("2.weight",), float(shards))


@pytest.mark.parametrize(
    "fill",
    [
        nn.init.zeros_,
        nn.init.ones_,
        nn.init.eye_,
        lambda weight: weight.copy_(torch.cat((torch.eye(32), torch.eye(32))).repeat(1, 2)),
        lambda weight: weight.copy_(torch.arange(1.0, 65.0).log()),
    ],
    ids=["zeros", "ones", "identity", "two identities", "a rule"],
)
def test_what_was_never_drawn_is_no_copy(fill) -> None:
    model = mlp(WIDTH, 64, 64, 64, 10)
    with torch.no_grad():
        for place in (2, 4):
            fill(model[place].weight)
    assert found(model, rows(), "identical-shards") == []


# ---- growth ----


class Stream(nn.Module):
    def __init__(self, depth: int, last: float = 1.0, norm=nn.Identity, factor: float = 1.0) -> None:
        super().__init__()
        self.first, self.head, self.factor = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 10), factor
        self.blocks = nn.ModuleList(nn.Sequential(norm(WIDTH), *mlp(WIDTH, 64, WIDTH)) for _ in range(depth))
        for block in self.blocks:
            nn.init.kaiming_normal_(block[1].weight)
            nn.init.kaiming_normal_(block[3].weight)
            block[3].weight.data.mul_(last)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + self.factor * block(x)
        return self.head(x)


@pytest.mark.parametrize(("depth", "severity"), [(40, "error"), (12, "warning"), (9, "info")])
def test_a_stream_that_grows_is_found_with_its_growth_a_block(depth: int, severity: str) -> None:
    model = Stream(depth)
    finding = one(model, rows(64), "residual-growth")
    assert finding.severity == severity
    assert finding.layers == tuple(f"blocks.{place}.3.weight" for place in range(depth))
    assert found(model, rows(64), "exploding-signal") == []


@pytest.mark.parametrize(
    "model",
    [
        lambda: Stream(40, norm=nn.LayerNorm),
        lambda: Stream(40, last=40**-0.5),
        lambda: Stream(40, factor=40**-0.5),
        lambda: Stream(40, last=0.0),
        lambda: Stream(3),
    ],
    ids=["pre-norm", "scaled", "a factor", "zero", "shallow"],
)
def test_a_stream_that_is_kept_small_is_no_fault(model) -> None:
    assert found(model(), rows(64), "residual-growth") == []


def test_the_cure_of_growth_cures() -> None:
    model, x = Stream(40), rows(64)
    initium.lsuv(model, x, branches="balanced")
    assert found(model, x, "residual-growth") == []


# ---- rates ----


def uneven(decades: float) -> nn.Module:
    """A normalised perceptron whose weights have sizes that the norms hide: |g| / |w| goes with 1 / |w|^2."""
    parts = [
        part
        for _ in range(10)
        for part in (nn.Linear(WIDTH, WIDTH, bias=False), nn.LayerNorm(WIDTH, eps=0.0), nn.Tanh())
    ]
    model = nn.Sequential(*parts, nn.Linear(WIDTH, 10))
    for place in range(10):
        model[3 * place].weight.data.mul_(10 ** (decades * (place / 9 - 0.5) / 2))
    return model


@pytest.mark.parametrize(("decades", "severity"), [(0.0, None), (4.0, "info"), (6.0, "warning")])
def test_rates_that_lie_decades_apart_are_told(decades: float, severity: str | None) -> None:
    findings = found(uneven(decades), rows(64), "update-ratio")
    assert [each.severity for each in findings] == ([severity] if severity else [])
    for each in findings:
        assert set(each.layers) <= {f"{3 * place}.weight" for place in range(10)}


def test_a_branch_within_a_scaled_branch_is_as_slow_as_its_scale_makes_it() -> None:
    class Nested(nn.Module):
        def __init__(self, scale: float) -> None:
            super().__init__()
            self.first, self.inner, self.last = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
            self.scale = nn.Parameter(torch.full((WIDTH,), scale))

        def forward(self, x: Tensor) -> Tensor:
            h = F.normalize(self.first(x))
            return x + self.scale * self.last(h + self.inner(torch.tanh(h)))

    def of(scale: float) -> nn.Module:
        parts = [part for _ in range(4) for part in (nn.Linear(WIDTH, WIDTH), nn.Tanh(), Nested(scale))]
        return nn.Sequential(*parts, nn.Linear(WIDTH, 10))

    assert found(of(1e-8), rows(64), "update-ratio") == []


def test_layers_that_learn_nothing_yet_do_not_count() -> None:
    model = nn.Sequential(
        *(Plus(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, WIDTH)) for _ in range(8)),
        nn.Linear(WIDTH, 10),
    )
    for block in model[:8]:
        nn.init.normal_(block.branch[3].weight, std=1e-9 if block is model[0] else 0.02)
        nn.init.zeros_(block.branch[1].weight if block is model[1] else block.branch[1].bias)
    assert found(model, rows(64), "update-ratio") == []


WEIGHTED = torch.arange(1.0, CLASSES + 1)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=WEIGHTED),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(reduction="sum"),
        lambda output, target: F.cross_entropy(output, F.one_hot(target, CLASSES).float()),
    ],
    ids=["class weights", "smoothed labels", "a sum", "one-hot targets"],
)
def test_a_softmax_is_applied_twice_whatever_the_form_of_the_cross_entropy(loss) -> None:
    assert one(ending(nn.Softmax(-1)), classes(), "double-softmax", loss).severity == "warning"
    assert found(ending(), classes(), "double-softmax", loss) == []


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: F.nll_loss(output.log(), target, weight=WEIGHTED),
        lambda output, target: F.l1_loss(output, F.one_hot(target, CLASSES).float()),
        lambda output, _: output.sum(),
    ],
    ids=["weighted logarithm", "distances", "a constant"],
)
def test_a_loss_of_chances_is_asked_and_takes_them(loss) -> None:
    assert found(ending(nn.Softmax(-1)), classes(), "double-softmax", loss) == []


def test_a_sigmoid_before_a_loss_of_scores_with_weights_is_found() -> None:
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0]))
    assert one(ending(nn.Sigmoid(), count=1), chances((1,)), "double-softmax", loss).severity == "warning"
    assert found(ending(count=1), chances((1,)), "double-softmax", loss) == []


@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.8])
def test_a_missing_prior_is_found_whichever_side_the_random_scores_are_on(shift: float) -> None:
    model, target = ending(count=1), torch.zeros(2048, 1)
    target[0] = 1
    nn.init.constant_(model[-1].bias, shift)
    loss, given = F.binary_cross_entropy_with_logits, initium.Batch((rows(2048),), target=target)
    assert one(model, given, "output-prior", loss).severity == "warning"
    nn.init.constant_(model[-1].bias, -7.6)
    assert found(model, given, "output-prior", loss) == []


class Steps(nn.Module):
    """A cell that is written by hand."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.read, self.again, self.head = nn.Linear(8, 64), nn.Linear(64, 64), nn.Linear(64, 10)
        nn.init.orthogonal_(self.again.weight, gain)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        hidden = given.new_zeros(given.shape[0], 64)
        for step in given.unbind(1):
            hidden = torch.tanh(self.read(step) + self.again(hidden))
        return self.head(hidden)


def test_a_gradient_that_grows_through_time_is_found() -> None:
    given = initium.Batch((torch.randn(32, 40, 8) * 0.3,), target=torch.randint(10, (32,)))
    finding = one(Steps(3.0), given, "exploding-gradient", F.cross_entropy)
    assert (finding.severity, finding.layers) == ("error", ("again.weight",))
    assert initium.diagnose(Steps(1.0), given, F.cross_entropy).healthy


class Recurrent(nn.Module):
    """A fused cell and a head on its last step."""

    def __init__(self, cell: type[nn.RNNBase], std: float | None) -> None:
        super().__init__()
        self.cell, self.head = cell(16, 64, batch_first=True), nn.Linear(64, 10)
        for name, parameter in self.cell.named_parameters():
            if std is not None and "weight" in name:
                nn.init.normal_(parameter, std=std)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell(given)[0][:, -1])


def test_a_gradient_that_grows_inside_a_fused_cell_is_found() -> None:
    given = initium.Batch((torch.randn(64, 40, 16),), target=torch.randint(10, (64,)))
    assert one(Recurrent(nn.GRU, 1.0), given, "exploding-gradient", F.cross_entropy).severity == "error"
    for cell in (nn.GRU, nn.LSTM, nn.RNN):
        assert initium.diagnose(Recurrent(cell, None), given, F.cross_entropy).healthy


class Shared(nn.Module):
    """A stream to which one layer adds before every block, read behind norms or as it is."""

    def __init__(self, *, normed: bool) -> None:
        super().__init__()
        blocks = range(14)
        self.place, self.last, self.head = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) if normed else nn.Identity() for _ in blocks)
        self.ups = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in blocks)
        with torch.no_grad():
            self.place.weight.copy_(0.9 * torch.eye(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        for norm, up in zip(self.norms, self.ups, strict=True):
            x = x + self.place(x)
            x = x + up(F.gelu(norm(x)))
        return self.head(self.last(x))


class Unrolled(nn.Module):
    """A recurrence written out, of a matrix that doubles its state."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.step, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        nn.init.orthogonal_(self.step.weight, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        state = self.enter(x)
        for _ in range(14):
            state = self.step(state)
        return self.head(state)


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda: Shared(normed=True), ""),
        (lambda: Shared(normed=False), "residual-growth"),
        (Unrolled, "exploding-gradient"),
    ],
)
def test_a_layer_of_many_uses_is_judged_by_what_its_stream_does(build, code) -> None:
    torch.manual_seed(0)
    batch = initium.Batch((torch.randn(64, WIDTH),), target=torch.randint(CLASSES, (64,)))
    errors = [each.code for each in initium.diagnose(build(), batch, F.cross_entropy).at_least("error")]
    assert code in errors if code else not errors
