"""A table shows everything, at any width."""

import io
import sys
from collections import Counter

import pytest
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
    # A sentence of the last column that repeats may be shown once.
    named = [cell for row in rows for cell in row[:-1]]
    wanted = Counter("".join(["onetwothree", *named, *{row[-1] for row in rows}]))
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


REASONS = ("a normalisation starts as the identity", "relu follows: He et al. 2015 eq. 10")


def blocks(count, *, names=("conv.weight", "conv.bias")):
    return [
        (f"layers.{block}.{name}", "128x64x3x3", REASONS[name == names[0]]) for block in range(count) for name in names
    ]


def test_blocks_that_repeat_are_one_row_of_a_long_table():
    lines = table(["name", "shape", "why"], [*blocks(12), ("head.3.weight", "10x64", "-")], width=200).splitlines()
    assert [line.split()[0] for line in lines[2:]] == [
        "layers.{0..11}.conv.weight",
        "layers.{0..11}.conv.bias",
        "head.3.weight",
    ]


def test_a_block_that_differs_in_any_cell_keeps_its_row():
    rows = [(name, "odd" if ".5." in name else shape, why) for name, shape, why in blocks(12)]
    names = [line.split()[0] for line in table(["name", "shape", "why"], rows, width=200).splitlines()[2:]]
    assert names == [f"layers.{place}.conv.{leaf}" for place in ("{0..4,6..11}", "5") for leaf in ("weight", "bias")]


def test_blocks_of_blocks_and_steps_are_spelled_short():
    rows = [(f"layers.{block}.experts.{expert}.w", "x") for block in range(3) for expert in range(0, 16, 2)]
    assert table(["name", "x"], rows, width=80).splitlines()[2].split()[0] == "layers.{0..2}.experts.{0..14..2}.w"


def test_a_short_table_a_pipe_and_plain_numbers_keep_every_row():
    assert len(table(["name", "shape", "why"], blocks(10), width=200).splitlines()) == 22
    assert len(table(["name", "shape", "why"], blocks(50)).splitlines()) == 102
    assert len(table(["step", "loss"], [(step, "x") for step in range(50)], width=80).splitlines()) == 52


def test_sentences_that_repeat_stand_below_where_they_have_no_room():
    lines = table(["name", "shape", "why"], blocks(2), width=60).splitlines()
    assert lines[0].split() == ["name", "shape", "*"]
    assert [line.split()[-1] for line in lines[2:6]] == ["1", "2", "1", "2"]
    assert lines[6:] == ["", "* why", f"1 {REASONS[1]}", f"2 {REASONS[0]}"]
    assert REASONS[0] in table(["name", "shape", "why"], blocks(2), width=80).splitlines()[3]


def test_a_name_is_not_broken_where_its_row_has_no_room():
    name = "encoder.layers.0.self_attn.in_proj_weight"
    lines = table(["name", "shape", "law"], [(name, "96x32", "Glorot uniform")], width=45).splitlines()
    assert lines[0] == "name"
    assert lines[3] == name
    assert lines[4].split() == ["96x32", "Glorot", "uniform"]


def test_a_stream_of_another_encoding_gets_ascii_rules(monkeypatch: pytest.MonkeyPatch):
    for encoding, rule in (("utf-8", "─"), ("latin-1", "-"), ("cp1252", "-"), ("ascii", "-")):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
        assert set(table(["a"], [["x"]]).splitlines()[1]) == {rule}


def test_wide_characters_keep_the_columns():
    rows = [("层", "右"), ("ab", "c")]
    assert table(["n", "x"], rows).splitlines()[2:] == ["层   右", "ab   c"]


KINDS = (("up", "linear"), ("down", "conv"))


def test_columns_of_figures_that_differ_become_ranges_where_they_were_asked_for() -> None:
    rows = [(f"h.{block}.{name}", kind, f"{block + 1}e-{block}") for block in range(12) for name, kind in KINDS]
    folded = table(("name", "op", "rms"), rows, width=60, ranged=("rms",))
    assert [line.split() for line in folded.splitlines()[2:]] == [
        ["h.{0..11}.up", "linear", "12e-11..1e-0"],
        ["h.{0..11}.down", "conv", "12e-11..1e-0"],
    ]
    assert len(table(("name", "op", "rms"), rows, width=60).splitlines()) == 2 + len(rows)


def test_a_range_ends_at_nan_leaves_out_dashes_and_spans_repeated_names() -> None:
    figures = ["0.5", "-", "nan", "0.25"] * 6
    (row,) = table(("name", "rms"), [("w", each) for each in figures], width=60, ranged=("rms",)).splitlines()[2:]
    assert row.split() == ["w", "0.25..nan"]
    (row,) = table(("name", "rms"), [("w", "-")] * 24, width=60, ranged=("rms",)).splitlines()[2:]
    assert row.split() == ["w", "-"]


def test_a_range_is_set_to_the_right_as_a_number_is() -> None:
    lines = table(("name", "rms"), [("a", "0.5..0.75"), ("b", "1e-08..inf"), ("c", "3")], width=60).splitlines()
    assert len({len(line) for line in lines[2:]}) == 1
