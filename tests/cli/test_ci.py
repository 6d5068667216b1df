"""What a CI asks of the command line: choices of codes, thresholds, files for machines, and what a project accepts."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from initium.cli import app
from initium.cli._views import Files
from initium.diagnose import CHECKS, explained
from initium.errors import ArgumentError
from initium.records import Signal
from initium.report import Report

MODELS = """import torch
from torch import nn

built = []

def zeros():
    print("built")
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net
"""
LINE = MODELS.splitlines().index("def zeros():") + 1
TARGET = ("diagnose", "starts.py:zeros", "--shape", "32,16")
ACCEPTED = '[[tool.initium.ignore]]\ncode = "symmetry"\nreason = "zero on purpose"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "starts.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "starts", raising=False)
    return tmp_path


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 1),
        (("--fail-on", "info"), 1),
        (("--fail-on", "never"), 0),
        (("--ignore", "symmetry"), 0),
        (("--ignore", "symmetry", "--ignore", "dead-units"), 0),
        (("--ignore", "dead-units"), 1),
        (("--select", "symmetry"), 1),
        (("--select", "dead-units", "--select", "saturation"), 0),
        (("--select", "symmetry", "--ignore", "symmetry"), 0),
    ],
)
def test_the_exit_code_is_of_the_findings_that_count(arguments: tuple[str, ...], code: int) -> None:
    assert ran(*TARGET, *arguments)[0] == code


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_an_unknown_code_is_told_before_the_work(option: str) -> None:
    code, text = ran(*TARGET, option, "symetry")
    assert code == 2
    assert f"no check has the code 'symetry'; known: {', '.join(CHECKS)}." in text
    assert "built" not in text


def test_what_the_project_accepts_is_left_out_and_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pyproject.toml").write_text(ACCEPTED)
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder / "inner")
    code, text = ran("diagnose", "../starts.py:zeros", "--shape", "32,16", "--json", "report.json")
    assert code == 0
    assert "suppressed by pyproject.toml (symmetry)" in " ".join(text.split())
    made = json.loads((folder / "inner" / "report.json").read_text())
    assert (made["verdict"], made["findings"]) == ("healthy", [])
    (apart,) = made["suppressed"]
    assert (apart["finding"]["code"], apart["reason"]) == ("symmetry", "zero on purpose")


def test_an_entry_without_a_reason_could_not_run(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[[tool.initium.ignore]]\ncode = "symmetry"\n')
    code, text = ran(*TARGET)
    assert code == 2
    assert "the ignore of 'symmetry' has no reason" in text
    assert "built" not in text


def test_every_file_is_written_and_agrees(folder: Path) -> None:
    code, text = ran(*TARGET, "--json", "r.json", "--sarif", "r.sarif", "--junit", "r.xml")
    assert code == 1
    assert all(f"wrote {name}" in text for name in ("r.json", "r.sarif", "r.xml"))
    codes = [each["code"] for each in json.loads((folder / "r.json").read_text())["findings"]]
    (run,) = json.loads((folder / "r.sarif").read_text())["runs"]
    assert [each["ruleId"] for each in run["results"]] == codes
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "starts.py"}, "region": {"startLine": LINE}}
    failed = ET.parse(folder / "r.xml").findall(".//failure")  # noqa: S314 - our own file
    assert len(failed) == 1


@pytest.mark.parametrize("option", ["--html", "--sarif", "--junit"])
def test_a_file_that_cannot_be_written_is_told_before_the_work(option: str) -> None:
    code, text = ran(*TARGET, option, "nowhere/file")
    assert code == 2
    assert f"{option} nowhere/file cannot be written" in text
    assert "built" not in text


def test_annotations_stand_at_the_line_that_builds_the_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = ran(*TARGET, "--format", "github")
    assert code == 1
    assert f"\n::error file=starts.py,line={LINE},title=initium symmetry::All units " in text
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder.parent))
    assert f"::error file={folder.name}/starts.py,line={LINE}," in ran(*TARGET, "--format", "github")[1]


def page(report: Report, predicted: Signal | None, laws: dict[str, str]) -> str:
    assert predicted is not None
    assert {row.name for row in predicted.rows} <= laws.keys()
    return f"<p>{report.title}</p>"


def no_extra(report: Report, **_: object) -> str:
    raise ArgumentError(f"an HTML report of {report.title} needs altair: pip install 'initium[html]'.")


@pytest.mark.parametrize(("form", "code"), [(page, 1), (no_extra, 2)])
def test_a_page_is_written_by_the_report_itself(
    form: Callable[..., str], code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Report, "html", form, raising=False)
    exit_code, text = ran(*TARGET, "--html", "report.html")
    assert exit_code == code
    if code == 1:
        assert (folder / "report.html").read_text() == "<p>Sequential</p>"
    else:
        assert "pip install 'initium[html]'" in text
        assert not (folder / "report.html").exists()


@pytest.mark.parametrize("code", CHECKS)
def test_every_code_is_explained(code: str) -> None:
    exit_code, text = ran("explain", code)
    assert exit_code == 0
    told = explained(code)
    for part in (told.what, told.theory, told.limits, told.not_a_fault, told.example):
        assert " ".join(part.split()) in " ".join(text.split())


def test_explain_alone_lists_every_code() -> None:
    code, text = ran("explain")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines() if line[0] != " "] == list(CHECKS)


def test_an_unknown_code_is_not_explained() -> None:
    code, text = ran("explain", "symetry")
    assert code == 2
    assert f"no check has the code 'symetry'; known: {', '.join(CHECKS)}." in text


def test_two_forms_do_not_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "same"
    with pytest.raises(ArgumentError, match="--json and --sarif both go to"):
        Files(json=path, sarif=path).check()
    assert not path.exists()
    Files(json=path, sarif=tmp_path / "other").check()
