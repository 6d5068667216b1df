"""Every illness of the demo, in a few steps: found, cured, and told by the figures alone."""

import builtins
import importlib
import math

import pytest
import torch

from initium.demo import CASES, DemoError, Recorder, run
from initium.demo._data import digits, one_against_the_rest
from initium.demo._nets import perceptron
from initium.demo._pace import _outcome
from initium.demo._prior import _told
from initium.demo._train import Point, train
from initium.demo._words import divergence, outcome
from initium.errors import ArgumentError, UnknownNameError
from initium.terminal import plain

FOUND = {
    "glorot-relu": ("VANISHING", "vanishing-gradient", "before ReLU"),
    "zeros": ("SYMMETRIC", "symmetry", "64 units, 1 distinct"),
    "tiny": ("VANISHING", "vanishing-gradient", "std 0.01 at every width before ReLU"),
    "huge": ("EXPLODING", "exploding-signal", "std 1 at every width before ReLU"),
    "tanh-huge": ("SATURATED", "saturation", "std 1"),
    "batchnorm": ("HAPHAZARD", "haphazard-under-norm", "Steps to 90 %"),
    "output-bias": ("MISCALIBRATED", "output-prior", "nats at step 0"),
}


def shown(case: str, steps: int = 2, seed: int = 0) -> str:
    stage = Recorder()
    run(stage, case, steps=steps, seed=seed)
    return stage.text


def test_every_case_has_a_test() -> None:
    assert FOUND.keys() == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_the_illness_is_found_and_cured(case: str) -> None:
    text = shown(case)
    before, after = text.split("The cure\n", 1)
    for expected in FOUND[case][:2]:
        assert expected in before
    assert "HEALTHY" in after
    assert "error" not in after.replace("errors", "")
    assert FOUND[case][2] in text


def test_the_default_names_glorot_and_the_half_that_it_predicts() -> None:
    text = " ".join(shown("glorot-relu").split())
    assert "Glorot before ReLU: a layer multiplies the second moment by 1/2 (predicted), 0." in text


def test_the_same_seed_shows_the_same_and_leaves_torchs_generator() -> None:
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    assert shown("zeros") == shown("zeros")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("case", ["output-bias", "batchnorm", "zeros"])
@pytest.mark.parametrize("width", [60, 80])
def test_no_line_is_wider_than_the_stage(case: str, width: int) -> None:
    stage = Recorder()
    stage.width = width
    run(stage, case, steps=2)
    assert max(map(len, stage.text.splitlines())) <= width


@pytest.mark.parametrize(
    ("without", "cured", "told"),
    [(0.1, 0.9, "the cure helped"), (0.9, 0.1, "did NOT help"), (0.9, 0.91, "beyond chance")],
)
def test_the_words_follow_the_figures(without: float, cured: float, told: str) -> None:
    lines = outcome(Point(9, 1.0, without), Point(9, 1.0, cured), 360)
    assert told in " ".join(plain(lines).split())


def test_answers_that_are_not_numbers_are_no_bar() -> None:
    text = shown("huge", steps=9)
    training = text.split("Training both alike: 9 steps", 1)[1]
    assert training.count("not finite    ") >= 7
    assert "% (its loss is not finite) without" in " ".join(training.split())
    assert "Test loss not finite without and" in training


def test_one_step_is_no_steps() -> None:
    for case in CASES:
        text = shown(case, steps=1)
        assert "1 step" in text
        assert "1 steps" not in text


def run_of(*accuracies: float) -> tuple[Point, ...]:
    return tuple(Point(5 * place, 1.0, accuracy) for place, accuracy in enumerate(accuracies))


@pytest.mark.parametrize(
    ("sick", "cured", "told"),
    [
        (run_of(0.1, 0.2), run_of(0.1, 0.3), "Neither start reaches 90 % within 5 steps."),
        (run_of(0.1, 0.6), run_of(0.1, 0.9), "BatchNorm trains both, but the textbook start needs 5 steps on average,"),
        (
            run_of(0.1, 0.2),
            run_of(0.1, 0.9),
            "The textbook start needs 5 steps on average, the haphazard one at least 5",
        ),
        (run_of(0.1, 0.9), run_of(0.1, 0.8), "needs at least 5 steps on average, the haphazard one 5 steps: the good"),
    ],
)
def test_the_pace_is_told_by_the_figures(sick: tuple[Point, ...], cured: tuple[Point, ...], told: str) -> None:
    assert told in _outcome([sick] * 3, [cured] * 3)


@pytest.mark.parametrize(
    ("plain", "primed", "told"),
    [
        ((0.7, 0.5), (0.4, 0.4), "saves 0.3 nats at step 0; its loss is the lower one at every step that is shown."),
        ((0.4, 0.4), (0.7, 0.5), "costs 0.3 nats at step 0; its loss is the higher one at every step that is shown."),
        ((0.7, 0.3), (0.4, 0.4), "its loss is lower at step 0, and not at step 1."),
        ((0.7, 0.3, 0.2), (0.4, 0.2, 0.3), "its loss is lower at step 0 and 1, and not at step 2."),
    ],
)
def test_the_prior_is_told_by_the_figures(plain: tuple[float, ...], primed: tuple[float, ...], told: str) -> None:
    points = [tuple(Point(step, loss, 0.5) for step, loss in enumerate(losses)) for losses in (plain, primed)]
    assert told in _told(*points)


def test_digits_are_standardised_by_the_training_part() -> None:
    data = digits(0)
    seen = data.x.std(0, correction=0) > 0
    assert len(data.x) + len(data.test_x) == 1797
    # A mean of n float32 values of size 1: n roundings at the very most.
    torch.testing.assert_close(data.x.mean(0), torch.zeros(64), atol=1437 * 2**-24, rtol=0)
    torch.testing.assert_close(
        data.x.std(0, correction=0)[seen], torch.ones(int(seen.sum())), atol=1437 * 2**-24, rtol=0
    )


def test_one_digit_against_the_rest_is_rare() -> None:
    data = one_against_the_rest(digits(0))
    # A tenth of the samples, within four standard deviations of a draw of that many.
    assert float(data.frequencies.min()) == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 1437))


def test_an_unknown_case_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="zeros"):
        run(Recorder(), "cold")
    with pytest.raises(ArgumentError, match="steps must be >= 1"):
        run(Recorder(), "zeros", steps=0)
    for seed in (-1, 1 << 63, 1 << 70):
        with pytest.raises(ArgumentError, match=r"in \[0, 2\*\*63\); got"):
            run(Recorder(), "zeros", seed=seed)


def test_the_cure_that_is_shown_is_the_one_that_is_applied() -> None:
    cure = shown("zeros", seed=7).split("The cure\n", 1)[1].splitlines()[1]
    assert cure == 'initium.initialize(model, batch, scheme="textbook", seed=7)'


def test_a_run_that_diverged_says_when() -> None:
    text = " ".join(shown("huge", steps=9).split())
    assert "Without the cure the training loss was not finite after 1 step: no step was taken from there on." in text
    assert "With the cure the training" not in text
    assert "diverged" not in shown("zeros")
    both = plain(divergence(Point(9, math.nan, 0.1, 2), Point(9, math.nan, 0.1, 5), "the prior"))
    assert both.splitlines()[1].startswith("With the prior the training loss was not finite after 5 steps")


def test_no_step_follows_a_loss_that_is_not_finite() -> None:
    data = digits(0)
    model = perceptron(2, 8, torch.nn.ReLU)
    data.x[:] = math.inf
    before = [parameter.clone() for parameter in model.parameters()]
    points = train(model, data, 0.1, seed=0, looks=frozenset({0, 3}), tick=lambda: None)
    assert [point.diverged for point in points] == [None, 0]
    assert all(map(torch.equal, before, model.parameters()))


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise builtins.ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(DemoError, match=r"pip install 'initium\[demo\]'"):
        digits(0)
