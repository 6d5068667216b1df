"""Real models: what is named as the cause is what was broken, and what bypasses a fault is no fault."""

import copy
import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from initium.records import Finding

WIDTH = 64


@pytest.fixture(autouse=True)
def seed():
    """What a test draws for itself is the same whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def batch(scale: float = 1.0, shift: float = 0.0) -> initium.Batch:
    generator = torch.Generator().manual_seed(1)
    return initium.Batch(
        (scale * torch.randn(256, WIDTH, generator=generator) + shift,), target=torch.arange(256).remainder(10)
    )


def perceptron(depth: int, activation: type[nn.Module] = nn.ReLU, nonlinearity: str = "relu") -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(WIDTH, WIDTH if place < depth - 1 else 10) for place in range(depth)]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity=nonlinearity)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*(part for layer in layers for part in (layer, activation())))[:-1]


def found(model: nn.Module, given: initium.Batch | None = None, code: str = "") -> Finding | None:
    """The first finding of a code that is more than an info."""
    report = initium.diagnose(model, given or batch(), F.cross_entropy)
    return next((each for each in report.at_least("warning") if each.code == code), None)


def fill(model: nn.Sequential, name: str, function, *places: int) -> nn.Sequential:
    with torch.no_grad():
        for place in places or range(0, len(model), 2):
            function(getattr(model[place], name))
    return model


def clean(model: nn.Module, given: initium.Batch | None = None) -> bool:
    return not initium.diagnose(model, given or batch(), F.cross_entropy).at_least("warning")


CAUSES = {
    "tanh, large biases": ("saturation", "the bias of `0.weight`", lambda: fill(perceptron(6, nn.Tanh, "tanh"), "bias", lambda b: b.fill_(9.0), 0, 2, 4, 6, 8), {}),
    "tanh, large weights": ("saturation", "`0.weight` has gain 15", lambda: fill(perceptron(6, nn.Tanh, "linear"), "weight", lambda w: w.mul_(15)), {}),
    "tanh, raw input": ("saturation", "the network's input is too large", lambda: perceptron(2, nn.Tanh, "linear"), {"scale": 30.0}),
    "tanh, not centred": ("saturation", "the values of `0.weight` are not centred", lambda: fill(perceptron(6, nn.Tanh, "linear"), "weight", lambda w: w.uniform_(0, 1)), {"shift": 3.0}),
    "relu, negative biases": ("dead-units", "the bias of `0.weight` has rms 40", lambda: fill(perceptron(6), "bias", lambda b: b.fill_(-40.0), 0, 2, 4), {}),
    "relu, random biases": ("large-bias", "`0.bias` and others were not started at zero", lambda: fill(perceptron(6), "bias", lambda b: b.normal_(std=10), 0, 2, 4, 6, 8), {}),
    "relu, not centred": ("exploding-signal", "are not centred: their mean is 0.", lambda: fill(perceptron(6), "weight", lambda w: w.uniform_(0, 1)), {}),
    "one tiny layer": ("vanishing-gradient", "one layer does it: `8.weight`", lambda: fill(perceptron(12), "weight", lambda w: w.mul_(1e-4), 8), {}),
    "head too large": ("output-prior", "the gain of `6.weight`", lambda: fill(perceptron(4), "weight", lambda w: w.mul_(10), 6), {}),
    "large before the head": ("output-prior", "the layers before it make the signal large", lambda: fill(perceptron(3), "weight", lambda w: w.mul_(8), 0), {}),
    "wrong output bias": ("output-prior", "the output bias has rms", lambda: fill(perceptron(4), "bias", lambda b: b[3].fill_(40.0), 6), {}),
    "nan in a bias": ("nonfinite", "`4.bias` itself holds NaN", lambda: fill(perceptron(5), "bias", lambda b: b[2].fill_(math.nan), 4), {}),
    "nan in a weight": ("nonfinite", "`4.weight` itself holds NaN", lambda: fill(perceptron(5), "weight", lambda w: w[2, 2].fill_(math.nan), 4), {}),
}  # fmt: skip


@pytest.mark.parametrize(("code", "cause", "model", "given"), CAUSES.values(), ids=CAUSES)
def test_what_was_broken_is_named(code, cause, model, given):
    finding = found(model(), batch(**given), code)
    assert finding is not None
    assert cause in finding.cause, finding.cause


class Root(nn.Module):
    """A root whose slope at zero is infinite."""

    def forward(self, x: Tensor) -> Tensor:
        return (0 * x).sqrt()


def test_a_gradient_that_is_not_finite_is_followed_back_to_where_it_begins():
    model = nn.Sequential(*perceptron(3)[:4], Root(), perceptron(2)[-1])
    finding = found(model, code="nonfinite")
    assert finding is not None
    assert "the gradient is first not finite at the output of `2.weight` (linear)" in finding.cause


def test_an_explosion_is_told_once():
    model = fill(perceptron(12), "weight", lambda w: w.mul_(5))
    findings = initium.diagnose(model, batch(), F.cross_entropy).findings
    assert findings[0].code == "exploding-signal"
    assert "output-prior" in {each.code for each in findings}
    assert {each.part_of for each in findings} == {"", "exploding-signal"}
    assert findings[0].part_of == ""


def unbalanced() -> initium.Batch:
    given = batch()
    return initium.Batch(given.args, target=(torch.arange(256) % 32 == 0).long())


@pytest.mark.parametrize("outputs", [1, 10])
def test_the_call_that_writes_a_prior_does(outputs):
    given, model = unbalanced(), perceptron(3)
    model[4] = nn.Linear(WIDTH, outputs)
    nn.init.zeros_(model[4].weight)
    nn.init.zeros_(model[4].bias)

    loss = F.cross_entropy
    if outputs == 1:
        given, loss = (
            initium.Batch(given.args, target=given.target[:, None].float()),
            F.binary_cross_entropy_with_logits,
        )
    report = initium.diagnose(model, given, loss)
    (finding,) = (each for each in report.findings if each.code == "output-prior")
    names = {"model": model, "target": given.target, "batch": given, "initium": initium}
    exec(finding.fix, names)  # noqa: S102  the call that the report prints
    after = initium.diagnose(model, given, loss)
    assert not [each for each in after.findings if each.code == "output-prior"]
    assert after.signal.loss == pytest.approx(after.signal.prior_loss, rel=0.5)


def normed(norm: type[nn.Module], depth: int = 8) -> nn.Sequential:
    parts = list(perceptron(depth))
    return nn.Sequential(
        *(each for part in parts for each in ([norm(WIDTH), part] if isinstance(part, nn.ReLU) else [part]))
    )


def scaled(model: nn.Module, value: float) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.LayerNorm):
            nn.init.constant_(module.weight, value)
    return model


def test_a_norm_that_leaves_nothing_is_named_and_not_the_input():
    finding = found(scaled(normed(nn.BatchNorm1d), 0.0), code="dead-units")
    assert finding is not None
    assert "a normalisation stands between" in finding.cause


def test_weights_of_usual_size_are_not_called_too_small():
    finding = found(scaled(normed(nn.LayerNorm), 1e-3), code="haphazard-under-norm")
    assert finding is not None
    assert "what these weights read is that small, not they" in finding.cause


def test_a_buffer_that_is_not_finite_is_named():
    model = normed(nn.BatchNorm1d, 4).eval()
    model[4].running_var[0] = math.nan
    finding = found(model, code="nonfinite")
    assert finding is not None
    assert "the buffer `4.running_var` holds NaN" in finding.cause
    model[4].running_var[0] = 1.0
    with torch.no_grad():
        model[4].weight[0] = math.inf
    finding = found(model, code="nonfinite")
    assert finding is not None
    assert "`4.weight` itself holds NaN or infinity" in finding.cause


def test_no_gradient_at_all_is_found_in_any_network():
    layers = (nn.TransformerEncoderLayer(WIDTH, 4, WIDTH, 0.0, batch_first=True) for _ in range(2))
    model = nn.Sequential(nn.Unflatten(1, (1, WIDTH)), *layers, nn.Flatten(), nn.Linear(WIDTH, 10))
    assert clean(model)
    finding = found(scaled(model, 0.0), code="vanishing-gradient")
    assert finding is not None
    assert finding.message == "No weight gets a gradient."


class Recurrent(nn.Module):
    """A fused recurrent network, read at its last state."""

    def __init__(self, kind: type[nn.Module], factor: float) -> None:
        super().__init__()
        self.steps, self.head = kind(8, 32, batch_first=True), nn.Linear(32, 10)
        for parameter in self.steps.parameters():
            parameter.data.mul_(factor)

    def forward(self, x: Tensor) -> Tensor:
        state = self.steps(x)[1]
        return self.head((state[0] if isinstance(state, tuple) else state)[-1])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_an_explosion_inside_a_fused_recurrence_is_found_and_its_steps_are_said_to_be_unmeasured(kind):
    given = initium.Batch((torch.randn(32, 100, 8),), target=torch.arange(32) % 10)
    well = initium.diagnose(Recurrent(kind, 1.0), given, F.cross_entropy)
    forgets = {"vanishing-gradient"} if kind is nn.RNN else set[str]()  # by no gate, over a hundred steps
    assert {each.code for each in well.at_least("warning")} == forgets
    assert any("were not measured one by one: `steps.weight_ih_l0`" in note for note in well.signal.notes)
    finding = found(Recurrent(kind, 50.0), given, code="exploding-gradient")
    assert finding is not None
    assert finding.layers == ("steps.weight_hh_l0",)
    assert "Through the 100 steps" in finding.message


class Straight(torch.autograd.Function):
    """A sign whose gradient is passed straight through."""

    @staticmethod
    def forward(ctx, x):  # noqa: ARG004
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):  # noqa: ARG004
        return gradient


class Binary(nn.Module):
    """Two layers whose signals are signs."""

    def __init__(self, sign) -> None:
        super().__init__()
        self.a, self.b, self.head, self.sign = (
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, 10),
            sign,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.sign(self.b(self.sign(self.a(x)))))


@pytest.mark.parametrize("sign", [lambda x: x + (x.sign() - x).detach(), Straight.apply], ids=["detached", "function"])
def test_a_straight_through_estimator_is_not_dead(sign):
    assert clean(Binary(sign))


class Sign(nn.Module):
    """A step."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sign()


def test_a_step_without_a_slope_is_blamed_on_itself():
    finding = found(Binary(torch.sign), code="dead-units")
    assert finding is not None
    assert "sign has the slope 0 everywhere" in finding.cause
    layers = [part for _ in range(6) for part in (nn.Linear(WIDTH, WIDTH), Sign())]
    report = initium.diagnose(nn.Sequential(*layers, nn.Linear(WIDTH, 10)), batch(), F.cross_entropy)
    assert not any("input" in each.cure for each in report.findings)


@pytest.mark.parametrize("given", [{"scale": 1000.0}, {"scale": 0.3, "shift": 100.0}], ids=["large", "not centred"])
def test_an_input_that_is_not_standardised_is_blamed_before_the_layers(given):
    finding = found(perceptron(6), batch(**given), "output-prior")
    assert finding is not None
    assert "the network's input has rms about" in finding.cause
    first, *rest = initium.diagnose(perceptron(6, nn.Tanh, "linear"), batch(**given), F.cross_entropy).findings
    assert (first.code, first.severity) == ("input-scale", "error")
    saturated = next(each for each in rest if each.code == "saturation")
    assert "the network's input is too large or not centred" in saturated.cause


def test_one_sample_tells_nothing_of_what_depends_on_the_input():
    given = initium.Batch((torch.randn(1, WIDTH),), target=torch.tensor([3]))
    report = initium.diagnose(perceptron(6), given, F.cross_entropy)
    assert [(each.code, each.severity) for each in report.findings] == [("vanishing-signal", "info")]


def test_large_biases_are_the_cause_of_what_they_swell():
    """One value moves all units alike, so that the std stands; random ones make it grow."""
    one = fill(perceptron(7), "bias", lambda b: b.fill_(30.0), 0, 2, 4, 6, 8, 10)
    count = itertools.count()
    many = fill(perceptron(7), "bias", lambda b: b.normal_(std=30 * 4.0 ** next(count)), 0, 2, 4, 6, 8, 10)
    for model, code in ((one, "output-prior"), (many, "exploding-signal")):
        finding = found(model, code=code)
        assert finding is not None
        assert "the bias of `0.weight` has rms" in finding.cause


@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh])
def test_torchs_default_is_no_warning_in_a_shallow_network(activation):
    layers = [nn.Linear(WIDTH, WIDTH), activation(), nn.Linear(WIDTH, WIDTH), activation(), nn.Linear(WIDTH, 10)]
    assert clean(nn.Sequential(*layers))


def test_no_call_is_offered_that_writes_what_is_there():
    model = perceptron(50)
    with torch.no_grad():
        model[-1].weight.mul_(1.0)
    for seed in range(4):
        initium.initialize(model, batch(), seed=seed)
        for each in initium.diagnose(model, batch(), F.cross_entropy).at_least("warning"):
            assert "textbook" not in each.fix


class Residual(nn.Module):
    """A stream and its branches; ``last`` scales the last weight of each."""

    def __init__(self, depth: int, last: float, *, norm: bool = False, inner: int = 1) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(perceptron(inner + 2)[:-1].append(nn.Linear(WIDTH, WIDTH)) for _ in range(depth))
        for part in (part for block in self.blocks for part in block[::2]):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")  # each of its own draw
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) if norm else nn.Identity() for _ in range(depth))
        self.head = perceptron(1)[0]
        for block in self.blocks:
            nn.init.kaiming_normal_(block[-1].weight)
            block[-1].weight.data.mul_(last)

    def forward(self, x: Tensor) -> Tensor:
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x = x + block(norm(x))
        return self.head(x)


def test_a_residual_stream_that_doubles_is_an_explosion():
    finding = found(Residual(40, 1.0), code="residual-growth")
    assert finding is not None
    assert finding.severity == "error"
    assert finding.measured > 1e3
    assert found(Residual(40, 1.0), code="exploding-signal") is None


@pytest.mark.parametrize(
    "model",
    [
        lambda: Residual(40, 0.0),
        lambda: Residual(40, 0.1),
        lambda: Residual(40, 1.0, norm=True),
        lambda: Residual(8, 1e-5, norm=True),
    ],
    ids=["zero", "a tenth", "pre-norm", "faint"],
)
def test_residual_branches_as_the_field_starts_them_are_clean(model):
    assert not initium.diagnose(model(), batch(), F.cross_entropy).at_least("error")


def test_a_faint_branch_is_no_fall_of_the_network():
    """Four weights of a branch, a tenth of the usual size each: the stream beside them carries everything."""
    model = Residual(3, 0.1, inner=3)
    for block in model.blocks:
        fill(block, "weight", lambda w: w.mul_(0.03))
    assert clean(model)


class Skips(nn.Module):
    """Down and up again with skip connections."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [8, 16, 32]
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip([1, *sizes], sizes, strict=False)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((32, 16), (32, 8), (16, 8)))
        self.head = nn.Linear(8 * 64, 10)
        for layer in [*self.down, *self.up]:
            nn.init.zeros_(layer.bias)
            nn.init.kaiming_normal_(layer.weight, mode="fan_in" if layer in self.down else "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        x, kept = x.view(-1, 1, 8, 8), []
        for layer in self.down:
            x = F.relu(layer(x))
            kept.append(x)
        x = F.relu(self.up[0](x))
        x = F.relu(self.up[1](torch.cat([x, kept[1]], 1)))
        x = F.relu(self.up[2](torch.cat([x, kept[0]], 1)))
        return self.head(x.flatten(1))


def test_skip_connections_are_no_chain():
    torch.manual_seed(0)
    model = Skips()
    assert clean(model)
    with torch.no_grad():
        model.down[2].weight.mul_(1e-4)
        model.up[0].weight.mul_(1e-4)
    assert not initium.diagnose(model, batch(), F.cross_entropy).at_least("error")


class Adapted(nn.Module):
    """A network with a low-rank update beside it."""

    def __init__(self, a: float, b: float, *, frozen: bool) -> None:
        super().__init__()
        self.base = perceptron(3)
        self.a, self.b = nn.Linear(WIDTH, 4, bias=False), nn.Linear(4, 10, bias=False)
        nn.init.normal_(self.a.weight, std=a)
        nn.init.normal_(self.b.weight, std=b)
        self.base.requires_grad_(not frozen)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.b(self.a(x))


@pytest.mark.parametrize(
    ("a", "b", "frozen", "severity"),
    [(0, 0, True, "error"), (0, 0, False, "warning"), (0.1, 0, True, None), (0, 0.1, True, None)],
)
def test_two_zeros_one_behind_the_other_never_learn(a, b, frozen, severity):
    model = Adapted(a, b, frozen=frozen)
    finding = found(model, code="vanishing-gradient")
    assert (finding.severity if finding else None) == severity
    if finding:
        assert finding.layers == ("a.weight", "b.weight")
    # And so it is: whatever the steps, they stay zero.
    trained = copy.deepcopy(model)
    free = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(free, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(trained(batch().args[0]), batch().target).backward()
        optimizer.step()
    stuck = not (trained.a.weight.any() or trained.b.weight.any())
    assert stuck == (severity is not None)


class Rounded(torch.autograd.Function):
    """A step whose gradient passes as if it were not there."""

    @staticmethod
    def forward(_, x):
        return (x * 8).round() / 8

    @staticmethod
    def backward(_, gradient):
        return gradient


class Quantised(nn.Linear):
    def forward(self, x):
        return nn.functional.linear(x, Rounded.apply(self.weight), self.bias)


def test_a_gradient_that_a_backward_of_its_own_passes_on_is_not_called_lost():
    torch.manual_seed(0)
    net, x = nn.Sequential(Quantised(16, 32), nn.ReLU(), Quantised(32, 10)), torch.randn(32, 16)
    report = initium.diagnose(net, x)
    assert not [each for each in report.findings if each.code == "vanishing-gradient"]
    assert "Rounded" not in str(report)  # its gradient is no guess
