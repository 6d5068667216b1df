"""What belongs to one illness stands together, whatever the checks say one by one."""

import pytest

from initium.diagnose._illnesses import illnesses
from initium.records import Finding

ORDER = tuple("abcdef")


def finding(code: str, severity: str = "error", layers: str = "abc", part_of: str = "") -> Finding:
    return Finding(code, severity, tuple(layers), "", 0.0, 0.0, "", "", part_of=part_of)


def told(*findings: Finding) -> list[tuple[str, str, str]]:
    return [(each.code, each.severity, each.part_of) for each in illnesses(findings, ORDER)]


def test_a_named_cause_leads_and_is_as_grave_as_what_it_causes() -> None:
    assert told(finding("saturation", part_of="input-scale"), finding("input-scale", "info", "a")) == [
        ("input-scale", "error", ""),
        ("saturation", "error", "input-scale"),
    ]


def test_a_named_cause_that_nobody_found_is_no_part_of_anything() -> None:
    assert told(finding("saturation", part_of="input-scale")) == [("saturation", "error", "")]


def test_a_chain_of_causes_has_one_illness() -> None:
    found = told(
        finding("vanishing-gradient", part_of="saturation"),
        finding("saturation", part_of="large-bias"),
        finding("large-bias", "warning"),
    )
    assert found == [
        ("large-bias", "error", ""),
        ("vanishing-gradient", "error", "saturation"),
        ("saturation", "error", "large-bias"),
    ]


def test_a_milder_finding_explains_nothing_graver_unless_it_is_named() -> None:
    assert told(finding("vanishing-gradient"), finding("dead-units", "info")) == [
        ("vanishing-gradient", "error", ""),
        ("dead-units", "info", ""),
    ]


def test_what_comes_before_is_not_explained_by_what_comes_behind() -> None:
    assert told(finding("exploding-signal", layers="ef"), finding("output-prior", layers="a"))[1][2] == ""
    assert (
        told(finding("exploding-signal", layers="ab"), finding("output-prior", layers="f"))[1][2] == "exploding-signal"
    )


def test_causes_in_a_circle_end() -> None:
    found = told(finding("saturation", part_of="dead-units"), finding("dead-units", part_of="saturation"))
    assert found == [("saturation", "error", ""), ("dead-units", "error", "saturation")]


@pytest.mark.parametrize("code", ["saturation", "dead-units"])
def test_nothing_is_lost(code: str) -> None:
    many = [finding(code, layers=each) for each in ORDER]
    assert len(told(*many)) == len(ORDER)
