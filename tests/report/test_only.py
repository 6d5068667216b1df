"""What is known of is set apart with its reason, and never dropped in silence."""

from dataclasses import replace
from pathlib import Path

import pytest

from diagnose.handmade import healthy, perceptron, travelled
from initium.diagnose import examine
from initium.errors import ArgumentError, UnknownNameError
from initium.records import Finding, Ignore
from initium.report import Report, accepted

DEEP = perceptron(30, 128)
SICK = travelled(DEEP, 1.0)
REPORT = Report(examine(DEEP, SICK), SICK, DEEP.title)
CODES = [each.code for each in REPORT.findings]


def finding(*layers: str) -> Finding:
    return Finding("dead-units", "error", layers, "m", 1.0, 0.0, "c", "d")


def test_nothing_is_lost() -> None:
    parted = REPORT.only([CODES[0]], [Ignore(CODES[0], "known")])
    assert not parted.findings
    assert parted.verdict == "healthy"
    assert sorted(each.finding.code for each in parted.suppressed) == sorted(CODES)
    assert REPORT.only() == REPORT


def test_it_is_told_with_its_reason_and_counted() -> None:
    text = " ".join(
        str(REPORT.only(ignore=[Ignore(code, "we know", source="pyproject.toml") for code in CODES])).split()
    )
    for code in CODES:
        assert f"1 finding suppressed by pyproject.toml ({code}): we know" in text
    twice = replace(REPORT, findings=(finding("a"), finding("b"))).only(ignore=[Ignore("dead-units", "we know")])
    assert "2 findings suppressed by the caller (dead-units): we know" in " ".join(str(twice).split())


def test_what_belonged_to_an_accepted_illness_stands_by_itself() -> None:
    leader = REPORT.findings[0]
    rest = REPORT.only(ignore=[leader.code]).findings
    assert rest
    assert {each.part_of for each in REPORT.findings[1:]} == {leader.code}
    assert {each.part_of for each in rest} == {""}


def test_what_covers_nothing_is_said() -> None:
    told = Report((), healthy(DEEP), "Net").only(ignore=[Ignore("dead-units", "long ago", layers="head.*", source="x")])
    assert told.unused == (Ignore("dead-units", "long ago", layers="head.*", source="x"),)
    assert "nothing to suppress for x (dead-units at head.*): long ago" in " ".join(str(told).split())


@pytest.mark.parametrize(
    ("layers", "glob", "covered"),
    [
        (("experts.0", "experts.1"), "experts.*", True),
        (("experts.0", "head"), "experts.*", False),
        (("Experts.0",), "experts.*", False),
        ((), "*", True),
        ((), "experts.*", False),
    ],
)
def test_a_glob_covers_a_finding_with_all_of_its_layers(layers: tuple[str, ...], glob: str, *, covered: bool) -> None:
    assert Ignore("dead-units", "why", glob).covers(finding(*layers)) is covered
    assert not Ignore("symmetry", "why").covers(finding(*layers))


def test_the_first_ignore_that_covers_is_the_one_that_is_told() -> None:
    first, second = Ignore("dead-units", "one", source="a"), Ignore("dead-units", "two", source="b")
    told = replace(REPORT, findings=(finding("a"),)).only(ignore=[first, second])
    assert [each.ignore for each in told.suppressed] == [first]
    assert told.unused == (second,)


def test_unknown_codes_list_the_known() -> None:
    for call in (
        lambda: REPORT.only(["x"]),
        lambda: REPORT.only(ignore=["x"]),
        lambda: REPORT.only(ignore=[Ignore("x", "y")]),
    ):
        with pytest.raises(UnknownNameError, match="no check has the code 'x'; known: input-scale, "):
            call()


def test_a_reason_is_needed() -> None:
    with pytest.raises(ArgumentError, match="an ignore of 'dead-units' has no reason"):
        Ignore("dead-units", " ")


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


ENTRY = '[[tool.initium.ignore]]\ncode = "dead-units"\nlayers = "experts.*"\nreason = "sparse"\n'


def test_the_nearest_file_that_knows_initium_counts(tmp_path: Path) -> None:
    written(tmp_path, ENTRY)
    inner = written(tmp_path / "package" / "inner", "[tool.ruff]\nline-length = 80\n")
    assert accepted(inner) == (Ignore("dead-units", "sparse", "experts.*", "pyproject.toml"),)
    assert accepted(written(tmp_path / "other", "[tool.initium]\n")) == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[tool.initium.ignore]]\ncode = "dead-units"\n', "the ignore of 'dead-units' has no reason. Add reason = "),
        ('[[tool.initium.ignore]]\ncode = "dead-units"\nreason = " "\n', "has no reason"),
        ('[[tool.initium.ignore]]\ncode = "dead"\nreason = "x"\n', "no check has the code 'dead'.*known: input-scale"),
        ('[[tool.initium.ignore]]\nreason = "x"\n', r"is \[\[tool.initium.ignore\]\] with code"),
        ('[[tool.initium.ignore]]\ncode = "dead-units"\nreason = "x"\nlayer = "a"\n', "got layer = 'a'"),
        ('[[tool.initium.ignore]]\ncode = "dead-units"\nreason = 3\n', "got reason = 3"),
        ('[tool.initium.ignore]\ndead-units = "x"\n', "is a list of tables"),
        ('[tool.initium]\nignore = ["dead-units"]\n', "got 'dead-units'"),
        ("[tool.initium]\nselect = 1\n", "knows only `ignore`; got select"),
        ("[tool.initium\n", "is no TOML"),
    ],
)
def test_an_entry_that_is_wrong_is_told_with_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint) as caught:
        accepted(written(tmp_path, text))
    assert str(tmp_path / "pyproject.toml") in str(caught.value)
