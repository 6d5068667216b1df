"""``report.cure(model)`` heals what a call can heal, says what it cannot, and is all or nothing."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.records import Code, Finding, Refill, SetPrior
from initium.report import Report
from initium.terminal import plain
from lawful import Failing, fingerprint

WIDTH = 64


def perceptron(depth: int, std: float, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    body = [part for _ in range(depth) for part in (nn.Linear(WIDTH, WIDTH), activation())]
    model = nn.Sequential(*body, nn.Linear(WIDTH, 10))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)
    return model


def batch(classes: int = 10) -> initium.Batch:
    torch.manual_seed(1)
    return initium.Batch((torch.randn(256, WIDTH),), target=torch.randint(classes, (256,)))


def report_on(model: nn.Module, given: initium.Batch | None = None) -> Report:
    return initium.diagnose(model, given or batch(), F.cross_entropy)


@pytest.mark.parametrize(
    ("depth", "std", "activation"),
    [(14, 0.01, nn.ReLU), (14, 0.4, nn.ReLU), (14, 0.0, nn.ReLU), (10, 1.0, nn.Tanh), (30, 0.125, nn.GELU)],
)
def test_a_bad_start_is_healed_and_the_model_is_what_the_report_says(depth, std, activation):
    model = perceptron(depth, std, activation)
    cured = report_on(model).cure(model)
    assert not cured.before.healthy
    assert cured.healed
    assert cured.after.healthy
    assert not cured.left
    assert cured.steps[-1].helped
    again = report_on(model)
    assert again.signal == cured.after.signal


def test_a_healthy_model_is_left_alone():
    model = perceptron(4, math.sqrt(2 / WIDTH))
    report, before = report_on(model), fingerprint(model)
    cured = report.cure(model)
    assert cured.healed
    assert cured.steps == ()
    assert fingerprint(model) == before
    assert "nothing to do" in str(cured)


class Stepping(nn.Module):
    """Nothing passes a gradient: only another program helps."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x):
        return self.last(torch.sign(self.first(x)))


def test_what_no_call_cures_is_left_with_its_code_and_the_weights_as_they_were():
    torch.manual_seed(0)
    model = Stepping()
    report, before = report_on(model), fingerprint(model)
    cured = report.cure(model)
    assert not cured.healed
    assert cured.left
    assert not any(step.helped for step in cured.steps)
    assert fingerprint(model) == before
    assert "left: error" in str(cured)


def test_a_remedy_that_does_not_help_is_taken_back():
    model = perceptron(6, 0.01)
    report = report_on(model)
    useless = Finding("made-up", "error", (), "m.", 1.0, 0.0, "c.", "c.", Refill("0.bias", 3.0))
    only = Report((useless, *report.findings), report.signal, report.title, report.course)
    cured = only.cure(model)
    assert cured.healed
    assert (model[0].bias == 0).all()


def test_the_prior_of_the_batch_is_written():
    model = perceptron(3, math.sqrt(2 / WIDTH))
    nn.init.zeros_(model[-1].weight)
    given = initium.Batch(batch().args, target=(torch.arange(256) % 64 == 0).long())
    report = report_on(model, given)
    finding = next(each for each in report.findings if each.code == "output-prior")
    assert finding.severity == "warning"
    assert isinstance(finding.remedy, SetPrior)
    cured = report.cure(model)
    assert cured.healed
    counts = given.target.bincount(minlength=10).clamp(min=1)
    torch.testing.assert_close(model[-1].bias.data, (counts / counts.sum()).log().float())


def test_a_cure_that_fails_at_any_operation_leaves_every_bit():
    model = perceptron(3, 0.01)
    report = report_on(model)
    other = copy.deepcopy(model)
    with Failing() as counting:
        report.cure(other)
    before = fingerprint(model)
    for at in range(1, counting.count, max(1, counting.count // 12)):
        with pytest.raises(KeyboardInterrupt), Failing(at):
            report.cure(model)
        assert fingerprint(model) == before


def test_another_model_is_refused():
    report = report_on(perceptron(4, 0.01))
    with pytest.raises(initium.ArgumentError, match=r"the report speaks of `2\.weight`"):
        report.cure(nn.Sequential(nn.Linear(WIDTH, 10)))


def test_a_report_that_nobody_measured_says_so():
    report = report_on(perceptron(4, 0.01))
    with pytest.raises(initium.ArgumentError, match=r"initium\.diagnose\(model, batch\)"):
        Report(report.findings, report.signal, report.title).cure(perceptron(4, 0.01))


def test_a_report_and_its_cure_travel():
    model = perceptron(6, 0.01)
    report = pickle.loads(pickle.dumps(report_on(model)))  # noqa: S301 - our own bytes
    cured = report.cure(model)
    assert cured.healed
    assert set(cured.to_dict()) == {"healed", "steps", "before", "after"}


@pytest.mark.parametrize("width", [60, 80])
def test_a_cure_fits_its_page(width):
    model = perceptron(14, 0.01)
    cured = report_on(model).cure(model)
    for ascii_only in (False, True):
        text = plain(cured.lines(width=width, ascii_only=ascii_only))
        assert max(map(len, text.splitlines())) <= width
        assert ascii_only == text.isascii()


def test_code_is_never_run():
    model = perceptron(4, math.sqrt(2 / WIDTH))
    report = report_on(model)
    written = Finding("made-up", "error", (), "m.", 1.0, 0.0, "c.", "c.", Code("raise SystemExit"))
    cured = Report((written,), report.signal, report.title, report.course).cure(model)
    assert all(not isinstance(step.remedy, Code) for step in cured.steps)


def test_what_is_accepted_is_not_treated():
    model = perceptron(14, 0.01)
    report = report_on(model)
    codes = [each.code for each in report.findings]
    before = fingerprint(model)
    cured = report.only(ignore=codes).cure(model)
    assert (cured.steps, cured.healed) == ((), True)
    assert fingerprint(model) == before


@pytest.mark.parametrize("how", [{"ignore": ["output-prior"]}, {"select": ["symmetry"]}])
def test_what_is_accepted_stays_so_at_every_look(how):
    model = perceptron(4, 0.0)
    # Rare classes: what the head does not know stays, when the zeros are cured.
    given = initium.Batch((torch.randn(256, WIDTH),), target=(torch.arange(256) == 0).long())
    report = initium.diagnose(model, given, F.cross_entropy).only(**how)
    assert report.verdict == "symmetric"
    cured = report.cure(model)
    assert [type(step.remedy).__name__ for step in cured.steps] == ["Reinitialize"]
    assert cured.healed
    assert "output-prior" in {each.finding.code for each in cured.after.suppressed}
    assert "output-prior" in {each.code for each in initium.diagnose(model, given, F.cross_entropy).findings}
