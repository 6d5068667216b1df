"""What machines read: JSON by its schema, SARIF, JUnit XML, annotations; whatever a name holds."""

import dataclasses
import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator, ValidationError

from diagnose.handmade import healthy, perceptron, travelled
from initium.diagnose import CHECKS, examine, explained
from initium.errors import UnknownNameError
from initium.records import Finding, Ignore, Signal, SignalRow, Suppressed
from initium.report import SCHEMA_VERSION, Place, Report, github, junit, sarif, schema

DEEP = perceptron(30, 128)
HOSTILE = 'a"<b>&]]>\x00\x1b[31m\ud800\n::error title=x::y%\r, {0} [click](http://evil)\\'
AT = Place("sub dir/models.py", 7)


def report() -> Report:
    signal = travelled(DEEP, 1.0)
    return Report(examine(DEEP, signal), signal, DEEP.title)


def hostile() -> Report:
    finding = Finding("symmetry", "error", (HOSTILE,), HOSTILE, float("nan"), float("inf"), HOSTILE, HOSTILE)
    apart = Suppressed(replace(finding, code="dead-units"), Ignore("dead-units", HOSTILE, source=HOSTILE))
    unused = (Ignore("saturation", HOSTILE, layers=HOSTILE),)
    return Report((finding,), healthy(DEEP), HOSTILE, suppressed=(apart,), unused=unused)


REPORTS = {
    "sick": report(),
    "well": Report((), healthy(DEEP), "Net"),
    "parted": report().only(["vanishing-signal"], [Ignore("vanishing-gradient", "known", source="x"), "symmetry"]),
    "hostile": hostile(),
}
EVERY = pytest.mark.parametrize("told", REPORTS.values(), ids=REPORTS)


@EVERY
def test_a_report_is_json_of_the_published_schema(told: Report) -> None:
    Draft202012Validator.check_schema(schema())
    text = json.dumps(told.to_dict(), allow_nan=False)
    Draft202012Validator(schema()).validate(json.loads(text))
    assert json.loads(text)["schema_version"] == SCHEMA_VERSION == schema()["properties"]["schema_version"]["const"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("verdict",), None),
        (("schema_version",), 2),
        (("findings", 0, "severity"), "fatal"),
        (("findings", 0, "layers"), "0.weight"),
        (("signal", "rows", 0, "out_rms"), "1"),
        (("suppressed", 0, "reason"), None),
    ],
)
def test_the_schema_refuses_what_is_none(place: tuple[str | int, ...], value: object) -> None:
    made = REPORTS["parted"].to_dict()
    holder = made
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    with pytest.raises(ValidationError):
        Draft202012Validator(schema()).validate(made)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Finding", Finding("x", "error", (), "", 0.0, 0.0, "", "").to_dict()),
        ("Ignore", dataclasses.asdict(Ignore("x", "y"))),
        ("Signal", dict.fromkeys(each.name for each in dataclasses.fields(Signal))),
        ("SignalRow", dict.fromkeys(each.name for each in dataclasses.fields(SignalRow))),
    ],
)
def test_the_schema_describes_every_field(name: str, made: dict[str, object]) -> None:
    described = schema()["$defs"][name]
    same = described["properties"].keys() == made.keys() == set(described["required"])
    assert same, "`make docs` writes the schema from the records"
    assert all("description" in each or "$ref" in each for each in described["properties"].values())


@EVERY
def test_sarif_has_what_the_standard_requires(told: Report) -> None:
    log = json.loads(json.dumps(sarif(told, AT), allow_nan=False))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "initium"
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert len(run["results"]) == len(told.findings) + len(told.suppressed)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        for location in result["locations"]:
            assert location["physicalLocation"]["artifactLocation"]["uri"] == "sub%20dir/models.py"
            assert location["physicalLocation"]["region"]["startLine"] == 7
            assert location["logicalLocations"][0]["fullyQualifiedName"]
    apart = [result["suppressions"] for result in run["results"] if "suppressions" in result]
    assert [each[0]["justification"] for each in apart] == [each.ignore.reason for each in told.suppressed]
    assert all(each[0]["kind"] == "external" for each in apart)


def test_sarif_names_the_layers_and_helps() -> None:
    (run,) = sarif(report())["runs"]
    layers = [each["logicalLocations"][0]["fullyQualifiedName"] for each in run["results"][0]["locations"]]
    assert tuple(layers) == report().findings[0].layers
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules.keys() == CHECKS.keys()
    assert explained("symmetry").not_a_fault in rules["symmetry"]["help"]["markdown"]


def test_every_rule_has_what_code_scanning_asks_for() -> None:
    rules = sarif(report())["runs"][0]["tool"]["driver"]["rules"]
    assert rules
    for rule in rules:
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["name"].isidentifier()
        assert rule["name"].lower() == rule["id"].replace("-", "")


def test_findings_of_one_code_are_told_apart_from_run_to_run() -> None:
    first, second = (Finding("x", "info", (layer,), "", 0.0, 0.0, "", "") for layer in ("a", "b"))
    prints = [
        [each["partialFingerprints"] for each in sarif(Report(found, healthy(DEEP)))["runs"][0]["results"]]
        for found in ((first, second), (second, first))
    ]
    assert prints[0] == prints[1][::-1]
    assert prints[0][0] != prints[0][1]


def test_a_name_is_no_link_and_no_argument_in_sarif() -> None:
    text = sarif(hostile())["runs"][0]["results"][0]["message"]["text"]
    assert r"\[click\](http://evil)\\" in text
    assert "{{0}}" in text


@EVERY
@pytest.mark.parametrize("least", ["error", "warning", "info", None])
def test_junit_is_xml_whose_counts_are_true(told: Report, least: str | None) -> None:
    root = ET.fromstring(junit(told, least).encode())  # noqa: S314 - our own text
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    assert set(CHECKS) <= {case.attrib["name"] for case in cases}
    assert all(case.attrib["classname"] for case in cases)
    counts = {
        "tests": cases,
        "failures": suite.findall("*/failure"),
        "skipped": suite.findall("*/skipped"),
        "errors": [],
    }
    for holder in (root, suite):
        assert {name: int(holder.attrib[name]) for name in counts} == {name: len(each) for name, each in counts.items()}
    grave = {each.code for each in told.at_least(least)} if least else set()
    assert {case.attrib["name"] for case in cases if case.find("failure") is not None} == grave


def test_junit_says_why_a_check_is_skipped_and_keeps_what_does_not_fail() -> None:
    root = ET.fromstring(junit(REPORTS["parted"], None))  # noqa: S314 - our own text
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    skipped = cases["vanishing-gradient"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "known"
    assert "Cause: " in (cases["vanishing-signal"].findtext("system-out") or "")


def test_an_unknown_severity_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="error, warning, info"):
        junit(report(), "fatal")


@EVERY
def test_annotations_are_one_line_each_and_nothing_escapes(told: Report) -> None:
    first, *rest = re.split(r"[\r\n]", github(told, AT))
    assert not first.startswith("::")
    assert len(rest) == len(told.findings) + len(told.suppressed) + len(told.unused)
    for line in rest:
        assert re.fullmatch(r"::(error|warning|notice) file=sub dir/models\.py,line=7,title=[^:,]*::.*", line)


def test_an_annotation_is_what_the_toolkit_reads_back() -> None:
    line = github(hostile()).splitlines()[1]
    message = line.split("::", 2)[2]
    back = message.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    assert back.startswith(f"{HOSTILE}\nCause: {HOSTILE}\n")
