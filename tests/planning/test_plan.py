"""A plan as a value: read, printed, compared, saved."""

import json
import math
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from initium.errors import ArgumentTypeError, PlanError, UnknownNameError
from initium.network import ROLES
from initium.planning import Plan, PlanDiff
from initium.records import (
    Blocks,
    Constant,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    PlanRow,
    TruncatedNormal,
    Uniform,
    Values,
)

TOKENS = torch.arange(14).reshape(2, 7)

sizes = st.floats(0, 1e30)
fills = st.one_of(
    st.builds(Constant, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(Normal, sizes),
    st.builds(Uniform, sizes),
    st.builds(TruncatedNormal, sizes, st.floats(0.1, 9)),
    st.just(Keep()),
)
pairs = st.tuples(fills, fills)
blocks = st.one_of(st.builds(Packed, st.just(0), st.just(2), fills), st.builds(Blocks, st.just(0), pairs))
matrices = st.one_of(fills, st.builds(Orthogonal, sizes), blocks)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@st.composite
def fills_for(draw, shape):
    """A fill that fits a shape."""
    count = math.prod(shape)
    values = st.lists(numbers, min_size=count, max_size=count).map(Values)
    kinds = [matrices if len(shape) > 1 else fills, *([values] if count < 20 else [])]
    return draw(st.one_of(*kinds, *([st.builds(Identity, sizes)] if len(shape) == 2 else [])))


fans = st.none() | st.integers(1, 10**6) | st.floats(0.1, 1e6)


@st.composite
def plan_rows(draw):
    names = tuple(draw(st.lists(st.text(min_size=1), min_size=1, max_size=3, unique=True)))
    shape = (2 * draw(st.integers(1, 9)), *draw(st.lists(st.integers(1, 9), max_size=3)))
    return PlanRow(
        name=names[0],
        names=names,
        shape=shape,
        role=draw(st.sampled_from(ROLES)),
        module=draw(st.text()),
        fan_in=draw(fans),
        fan_out=draw(fans),
        before=draw(st.text()),
        after=draw(st.text()),
        fill=draw(fills_for(shape)),
        law=draw(st.text()),
        reason=draw(st.text()),
        assumed=draw(st.booleans()),
    )


plans = st.builds(
    Plan, st.text(), st.text(), st.lists(plan_rows(), max_size=4).map(tuple), st.lists(st.text(), max_size=2).map(tuple)
)


@given(plans)
def test_a_plan_comes_back_from_json_as_it_was(made):
    assert Plan.from_json(made.to_json()) == made


@given(plans)
def test_every_plan_can_be_printed_and_differs_from_itself_in_nothing(made):
    assert str(made)
    assert repr(made)
    assert not made.diff(made)


def test_a_plan_comes_back_from_a_file(mixed, plan_of, tmp_path):
    made = plan_of(mixed, batch=TOKENS)
    made.save(tmp_path / "plan.json")
    loaded = Plan.load(str(tmp_path / "plan.json"))
    assert loaded == made
    assert loaded.apply(mixed).rows


def test_a_plan_made_on_a_batch_of_meta_is_the_plan(plan_of):
    real = nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 3))
    with torch.device("meta"):
        fake = nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 3))
    x = torch.ones(2, 20)
    assert plan_of(fake, batch=x.to("meta")) == plan_of(real, batch=x)


def test_a_row_is_found_by_any_name(mixed, plan_of):
    made = plan_of(mixed, batch=TOKENS)
    assert made["head.weight"] is made["tokens.weight"]
    assert made["head.weight"].names == ("tokens.weight", "head.weight")


def test_an_unknown_row_lists_names_nearby(mixed, plan_of):
    with pytest.raises(UnknownNameError, match=r"no parameter 'wide\.wieght'.*wide\.weight"):
        plan_of(mixed)["wide.wieght"]


def test_a_plan_is_a_collection_of_rows(mlp, plan_of):
    made = plan_of(mlp)
    assert len(made) == 6
    assert list(made) == list(made.rows)


def test_the_table_says_everything(mixed, plan_of):
    text = str(plan_of(mixed, batch=TOKENS))
    for word in ("parameter", "shape", "fan_in", "fan_out", "before", "after", "law", "std", "reason"):
        assert word in text
    (line,) = [line for line in text.splitlines() if line.startswith("wide.weight")]
    for word in ("48x12", " 12 ", " 48 ", "relu", "He normal, fan_in", f"{math.sqrt(2 / 12):.4g}", "eq. 10"):
        assert word in line
    assert "tokens.weight = head.weight" in text
    assert "note: `amount`: left alone" in text
    assert "note: `tokens.weight`: tied: also called `head.weight`" in text


def test_a_guess_is_marked_in_the_table_and_in_the_notes(mlp, plan_of):
    text = str(plan_of(mlp))
    assert text.count("(assumed)") == 6
    assert "note: no batch was given" in text
    assert "(assumed)" not in str(plan_of(mlp, batch=torch.ones(2, 20)))


def test_a_note_fits_the_terminal(mlp, plan_of, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    text = str(plan_of(mlp))
    assert max(map(len, text.splitlines())) <= 60
    assert "so every row is assumed" in " ".join(text.split())


def test_an_unknown_operation_is_a_note(plan_of):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4)

        def forward(self, x):
            return torch.linalg.inv(self.first(x))

    made = plan_of(Odd(), batch=torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))
    assert any("linalg_inv" in note and "known to no rule" in note for note in made.notes)
    assert made["first.weight"].assumed


def test_a_weight_of_integers_is_told_what_can_be_done(plan_of):
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 3, dtype=torch.int64), requires_grad=False)

        def forward(self, x):
            return x @ self.weight.float()

    made = plan_of(Whole(), batch=torch.ones(2, 4))
    assert made["weight"].law == "keep"
    assert any("`weight`: left alone" in note for note in made.notes)
    made = plan_of(Whole(), batch=torch.ones(2, 4), overrides={"weight": 0.1})
    (note,) = (note for note in made.notes if "`weight`" in note and "apply" in note)
    assert "requires_grad" not in note
    assert ".to(torch.float32)" in note


class Padded(nn.Module):
    """Its table has a row of padding, and is its head as well."""

    def __init__(self, table, *, tied):
        super().__init__()
        self.table, self.tied = table, tied

    def forward(self, x):
        y = self.table(x)
        return y @ self.table.weight.T if self.tied else y


@pytest.mark.parametrize("batch", [TOKENS, None])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_a_row_of_padding_is_said_to_be_filled(plan_of, kind, tied, batch):
    padded = Padded(kind(14, 4, padding_idx=3), tied=tied)
    made = plan_of(padded, batch=batch)
    assert any("`table.weight`: row 3 is padding" in note and "data[3] = 0" in note for note in made.notes)
    plain = Padded(kind(14, 4), tied=tied)
    for other in (plan_of(padded, "zeros", batch=batch), plan_of(plain, batch=batch)):
        assert not any("padding" in note for note in other.notes)
    kept = plan_of(padded, overrides={"table.weight": "keep"}, batch=batch)
    assert not any("padding" in note for note in kept.notes)


def test_the_summary_is_one_line(mixed, plan_of):
    assert repr(plan_of(mixed, batch=TOKENS)) == "Plan(textbook for Mixed: 17 parameters, 1 kept)"


# ---- differences ----


def test_another_scheme_differs_in_law_and_std(mlp, plan_of):
    difference = plan_of(mlp, "he_normal").diff(plan_of(mlp, "glorot_normal"))
    assert [(change.name, change.what) for change in difference] == [
        (name, what) for name in ("0.weight", "2.weight", "4.weight") for what in ("law", "std")
    ]
    first = difference.changes[0]
    assert (first.here, first.there) == ("He normal, fan_in", "Glorot normal")
    assert difference
    assert len(difference) == 6


def test_a_parameter_that_one_plan_lacks_is_a_difference(mlp, plan_of):
    longer, shorter = plan_of(mlp, "he_normal"), plan_of(mlp[:3], "he_normal")
    assert [(c.name, c.here, c.there) for c in longer.diff(shorter)] == [
        ("4.weight", "He normal, fan_in", ""),
        ("4.bias", "zeros", ""),
    ]
    assert [(c.name, c.there) for c in shorter.diff(longer)] == [("4.weight", "He normal, fan_in"), ("4.bias", "zeros")]


def test_another_width_differs_in_shape_and_std(plan_of):
    narrow, wide = nn.Linear(4, 4), nn.Linear(8, 4)
    assert [c.what for c in plan_of(narrow, "he_normal").diff(plan_of(wide, "he_normal"))] == ["shape", "std"]


def test_another_fill_of_the_same_std_differs(mlp, plan_of):
    here, there = plan_of(mlp, overrides={"0.bias": 2.00001}), plan_of(mlp, overrides={"0.bias": 2.00002})
    (change,) = here.diff(there)
    assert (change.what, change.here, change.there) == ("fill", "Constant(value=2.00001)", "Constant(value=2.00002)")


def test_a_difference_prints_as_a_table(mlp, plan_of):
    text = str(plan_of(mlp, "he_normal").diff(plan_of(mlp, "zeros")))
    assert "0.weight" in text
    assert "He normal, fan_in" in text
    assert str(PlanDiff(())) == "no difference"
    assert repr(PlanDiff(())) == "PlanDiff(0 differences)"


@pytest.mark.parametrize("other", [None, "plan.json"])
def test_what_is_no_plan_is_not_compared(mlp, plan_of, other):
    with pytest.raises(ArgumentTypeError, match=rf"compared with a plan; got {type(other).__name__}\..*Plan\.load"):
        plan_of(mlp).diff(other)


# ---- broken files ----


def test_a_path_that_is_not_there_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Plan.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Plan("textbook", "Empty", ()).save(tmp_path / "nowhere" / "plan.json")


def broken(made, change):
    record = json.loads(made.to_json())
    change(record)
    return json.dumps(record)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(version=2), "version 2; this initium reads version 1"),
        (lambda r: r.pop("version"), "version None"),
        (lambda r: r.update(initium="report"), '"initium": "plan" is missing'),
        (lambda r: r.pop("rows"), "'rows' is missing"),
        (lambda r: r.update(rows=3), "a list was expected"),
        (lambda r: r.update(notes=[3]), "text was expected"),
        (lambda r: r["rows"].append(3), "row 6 of the plan is broken: an object was expected"),
        (lambda r: r["rows"][0].pop("fill"), r"row 0 of the plan \('0.weight'\) is broken: field 'fill' is missing"),
        (lambda r: r["rows"][0].update(colour="red"), "unknown field 'colour'"),
        (lambda r: r["rows"][0].update(shape=[-1]), "a length >= 0 was expected"),
        (lambda r: r["rows"][0].update(shape=[True]), "a length >= 0 was expected"),
        (lambda r: r["rows"][0].update(role="king"), "one of weight"),
        (lambda r: r["rows"][0].update(fan_in="3"), "a number >= 0 or null"),
        (lambda r: r["rows"][0].update(assumed=1), "true or false"),
        (lambda r: r["rows"][0].update(name=None), "text was expected"),
        (lambda r: r["rows"][0].update(names=["b"]), "names must hold the name"),
        (lambda r: r["rows"][0].update(fill={"kind": "normal", "std": -1.0}), "std must be finite and >= 0"),
        (lambda r: r["rows"][0].update(fill={"kind": "normal", "std": "x"}), "'fill'"),
        (lambda r: r["rows"][0].update(fill={"kind": "cauchy"}), "no kind of fill"),
        (lambda r: r["rows"][0].update(fill=[]), "'fill'"),
        (lambda r: r["rows"][0].update(fill={"kind": "packed", "axis": 0, "parts": 2}), "'fill'"),
        (
            lambda r: r["rows"][0].update(
                fill={"kind": "packed", "axis": 5, "parts": 2, "each": {"kind": "normal", "std": 1.0}}
            ),
            "axis 5",
        ),
        (lambda r: r["rows"][1].update(fill={"kind": "orthogonal", "gain": 1.0}), "2 or more axes"),
        (lambda r: r["rows"][1].update(fill={"kind": "identity", "gain": 1.0}), "2 axes"),
        (lambda r: r["rows"][0].update(fill={"kind": "delta_orthogonal", "gain": 1.0}), "3 to 5 axes"),
        (lambda r: r["rows"][1].update(fill={"kind": "values", "values": [1.0]}), "50 elements, and 1 values"),
        (lambda r: r["rows"][1].update(fill={"kind": "values", "values": ["x"]}), "'fill'"),
        (lambda r: r["rows"][1].update(fill={"kind": "values", "values": []}), "one or more finite"),
        (lambda r: r["rows"][1].update(fill={"kind": "blocks", "axis": 0, "fills": []}), "one or more fills"),
        (lambda r: r["rows"][1].update(fill={"kind": "blocks", "axis": 0, "fills": 3}), "a list was expected"),
        (
            lambda r: r["rows"][1].update(fill={"kind": "blocks", "axis": 0, "fills": [{"kind": "keep"}] * 3}),
            "3 equal blocks",
        ),
    ],
)
def test_a_broken_plan_is_refused_with_the_place(mlp, plan_of, change, said):
    with pytest.raises(PlanError, match=said):
        Plan.from_json(broken(plan_of(mlp), change))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"rows": []}', "[" * 100_000])
def test_what_is_no_plan_at_all_is_refused(text):
    with pytest.raises(PlanError, match="this is no plan"):
        Plan.from_json(text)


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("{")
    with pytest.raises(PlanError, match=r"plan\.json: this is no plan"):
        Plan.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PlanError, match=r"plan\.json"):
        Plan.load(path)
