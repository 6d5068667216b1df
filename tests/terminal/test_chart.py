"""Pictures out of numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initium.terminal import (
    Chart,
    Lane,
    Scale,
    Span,
    bar,
    cells,
    draw,
    gauge,
    number,
    paragraph,
    plain,
    scales,
    shorten,
)

FIGURES = st.floats(min_value=0, allow_infinity=True) | st.just(math.nan)


def chart(values: tuple[float, ...], *, lanes: int = 2) -> Chart:
    labels = tuple((f"layers.{place}.attention.weight", "linear") for place in range(len(values)))
    return Chart(labels, (15, 7), (Lane("signal", values), Lane("gradient", values))[:lanes])


@given(st.lists(FIGURES, max_size=60))
def test_no_figure_breaks_the_picture(values: list[float]) -> None:
    lines = plain(draw(chart(tuple(values)))).splitlines()
    assert all(len(line) <= 80 for line in lines)


@given(st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=60))
def test_ascii_alone_where_asked(values: list[float]) -> None:
    assert plain(draw(chart(tuple(values)), ascii_only=True)).isascii()


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_a_larger_figure_has_no_shorter_bar(one: float, other: float) -> None:
    scale = Scale(-10, 10)
    small, large = sorted((one, other))
    assert len(bar(small, scale, 20)) <= len(bar(large, scale, 20))


def test_axes_are_equally_long_and_reach_the_next_power() -> None:
    first, second = scales([[1.0, 1e-4], [3e-2, 2e-2]])
    assert first.high - first.low == second.high - second.low
    assert (first.high, second.high) == (0, -1)


def test_flat_figures_stay_flat() -> None:
    (axis,) = scales([[1.0, 1.1, 0.9]])
    assert axis.high - axis.low == 3


def test_nothing_has_no_bar_and_nan_shouts() -> None:
    assert bar(0.0, Scale(-1, 1), 5) == ""
    assert bar(math.nan, Scale(-1, 1), 5) == "!!!!!"


@given(st.text(max_size=60), st.integers(3, 40))
def test_shortened_text_fits_and_keeps_both_ends(text: str, width: int) -> None:
    short = shorten(text, width)
    assert cells(short) <= width
    # Where a character of two columns has no room, none stands in its place.
    ends = {short[:1] in {text[:1], "…"}, short[-1:] in {text[-1:], "…"}}
    assert short == text or ends == {True}


@given(st.floats(1e-300, 1e300))
def test_a_number_fits_its_column(value: float) -> None:
    assert len(number(value)) <= 7
    # One digit where the power takes three, two elsewhere: half a unit of the last one.
    assert math.isclose(float(number(value)), value, rel_tol=0.5 if abs(math.log10(value)) > 99 else 0.05)


def test_both_ends_of_a_long_chart_are_shown() -> None:
    text = plain(draw(chart(tuple(10.0**-place for place in range(100)))))
    assert "  1 " in text
    assert "100 " in text
    assert len(text.splitlines()) < 45


def test_all_rows_of_a_short_chart_are_shown() -> None:
    assert len(draw(chart((1.0,) * 20))) == 22


def test_rows_that_are_left_out_are_counted_from_three_on():
    # One step in four hundred rows: both ends and the step are kept, and what lies between them is counted.
    text = plain(draw(chart((1.0,) * 200 + (100.0,) * 200)))
    assert [line.split()[:2] for line in text.splitlines() if "alike" in line] == [["⋮", "198"], ["⋮", "197"]]
    for gap in range(1, 4):
        shown = plain(draw(chart((*(1.0,) * (2 + gap), *(10.0 ** (-4 * place) for place in range(1, 18))))))
        assert ("alike" in shown) == (gap > 2)


def test_wide_names_keep_the_bars_in_line():
    made = Chart((("层.0",), ("ab.1",), ("层" * 20,)), (8,), (Lane("signal", (1.0, 1.0, 1.0)),), title="网.*")
    starts = [cells(line[: line.index("█")]) for line in plain(draw(made)).splitlines()[2:]]
    assert starts == [starts[0]] * 3
    assert plain(draw(made)).startswith("    网.*")


def test_a_narrow_lane_keeps_the_name_of_its_title() -> None:
    made = Chart((("a",),), (1,), (Lane("signal (batch std)", (1.0,)),))
    assert plain(draw(made, 40)).splitlines()[0].split() == ["signal", "(batch", "std)"]
    assert plain(draw(made, 22)).splitlines()[0].split() == ["signal"]


def test_a_chart_of_nothing_has_a_head() -> None:
    assert len(draw(chart(()))) == 2


@pytest.mark.parametrize(("share", "full"), [(0.0, 0), (0.5, 5), (1.0, 10), (2.0, 10), (-1.0, 0), (math.nan, 0)])
def test_a_gauge_is_straight(share: float, full: int) -> None:
    assert gauge(share, 10).count("█") == full
    assert gauge(share, 10, ascii_only=True).count("#") == full


def test_markup_is_text() -> None:
    assert plain(paragraph(Span("head"), "[bold]text[/bold]", 40, 6)) == "head  [bold]text[/bold]"
