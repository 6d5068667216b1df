"""The search for factors of which figures are made many times over, on figures that are known."""

import math
from collections.abc import Callable, Mapping

import pytest

from initium.calibrate._seek import Seeking, by_uses

Figures = Callable[[Mapping[str, float]], dict[str, float]]


def tries(figures: Figures, names: str, uses: int, exact: float = 1e-4) -> int:
    """How many tries it takes, from factors of 1, until no figure is off by more."""
    seeking: Seeking[str] = Seeking(by_uses(lambda _: uses))
    places = dict.fromkeys(names, 0.0)
    for count in range(1, 40):
        off = figures(places)
        if max(map(abs, off.values())) < exact:
            return count
        places = seeking.next(places, off)
    return 40


def test_a_figure_that_is_its_factor_alone_is_right_at_the_second_try() -> None:
    assert tries(lambda at: {"a": at["a"] - 1.3}, "a", 1) == 2


@pytest.mark.parametrize("power", [2, 6, 30])
def test_a_figure_that_is_made_of_a_power_is_found(power: int) -> None:
    assert tries(lambda at: {"a": power * (at["a"] + 0.4)}, "a", power) <= 4


def test_an_explosion_is_come_back_from() -> None:
    def explodes(at: Mapping[str, float]) -> dict[str, float]:
        return {"a": math.log(math.exp(at["a"]) + math.exp(20 * at["a"])) - 0.5}

    assert tries(explodes, "a", 20) <= 10


@pytest.mark.parametrize("coupling", [0.3, -0.4, 0.8])
def test_figures_that_hang_together_are_found_together(coupling: float) -> None:
    def pair(at: Mapping[str, float]) -> dict[str, float]:
        a, b = at["a"] + coupling * at["b"] - 1, at["b"] + coupling * math.sin(at["a"]) + 0.5
        return {"a": a, "b": b}

    assert tries(pair, "ab", 1) <= 9


def test_a_figure_that_comes_later_begins_anew() -> None:
    seeking: Seeking[str] = Seeking(by_uses(lambda _: 1))
    seeking.next({"a": 0.0}, {"a": 1.0})
    assert seeking.next({"a": -1.0, "b": 0.0}, {"a": 0.0, "b": 0.5}) == {"a": -1.0, "b": -0.5}


def test_slopes_that_are_known_are_right_at_the_second_try() -> None:
    slopes = {"a": {"a": 3.0, "b": 2.0}, "b": {"a": 1.0, "b": 2.0}}
    seeking: Seeking[str] = Seeking(lambda key, _: slopes[key])
    places = seeking.next({"a": 0.0, "b": 0.0}, {"a": 1.0, "b": -0.5})
    assert 3 * places["a"] + 2 * places["b"] == pytest.approx(-1.0)
    assert places["a"] + 2 * places["b"] == pytest.approx(0.5)


def test_slopes_that_tell_no_factors_apart_let_each_of_them_move() -> None:
    seeking: Seeking[str] = Seeking(lambda _, __: {"a": 1.0, "b": 1.0})
    assert seeking.next({"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 0.0})["a"] == pytest.approx(-0.5)


def test_some_factors_are_corrected_as_if_the_others_stood_still() -> None:
    slopes = {"a": {"a": 1.0}, "b": {"a": 5.0, "b": 2.0}, "c": {"b": 1.0, "c": 4.0}}
    seeking: Seeking[str] = Seeking(lambda key, _: slopes[key])
    seeking.hear(dict.fromkeys("abc", 0.0), dict.fromkeys("abc", 0.1))
    step = seeking.step({"b": 0.2, "c": 0.4})
    assert step == pytest.approx({"b": -0.1, "c": -0.075})


def test_what_was_learnt_tells_how_figures_move_with_factors() -> None:
    slopes = {"a": {"a": 2.0, "b": 0.5}, "b": {"a": 0.25, "b": 1.0}}
    seeking = Seeking[str](lambda key, _: slopes[key])
    seeking.hear({"a": 0.0, "b": 0.0}, {"a": 0.1, "b": 0.1})
    told = seeking.change({"a": 0.2, "b": 0.4})
    assert told == pytest.approx({"a": 0.6, "b": 0.45})
    assert seeking.slopes() == {key: pytest.approx(row) for key, row in slopes.items()}
