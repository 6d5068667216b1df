"""A table shows everything, at any width."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from initium.terminal import table


def test_numbers_stand_to_the_right_and_words_to_the_left():
    lines = table(["name", "std"], [["a", 0.5], ["long name", 12.25], ["none", "-"]]).splitlines()
    assert lines[2:] == ["a             0.5", "long name   12.25", "none            -"]


cells = st.text(alphabet="abcdefgh 0123.[]", min_size=1, max_size=40).map(str.strip)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=4), st.integers(1, 100))
def test_a_narrow_table_folds_and_loses_no_character(rows, width):
    text = table(["one", "two", "three"], rows, width=width)
    assert all(len(line) <= max(width, 24) for line in text.splitlines())
    wanted = Counter("onetwothree" + "".join(cell for row in rows for cell in row))
    shown = Counter(text)
    assert [letter for letter in wanted if letter != " " and shown[letter] < wanted[letter]] == []


def test_what_looks_like_markup_is_shown_as_it_is():
    assert "[red]x[/red]" in table(["a"], [["[red]x[/red]"]])


def test_there_is_no_colour():
    assert "\x1b" not in table(["a"], [["x"]], title="t")


def test_a_title_stands_above():
    assert table(["a"], [["x"]], title="Title").splitlines()[0] == "Title"


def test_no_rows_make_a_header_alone():
    assert table(["a", "b"], []).splitlines()[0].split() == ["a", "b"]
