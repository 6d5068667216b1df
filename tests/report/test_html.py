"""The page: whole, escaped, without the network, of a bearable size."""

import html as escapes
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

import initium
from diagnose.handmade import healthy, perceptron, with_rows
from initium.errors import ArgumentError
from initium.report import Report
from report.hostile import HOSTILE, INFINITE, NAMED, NAN, ZERO, hostile

DEPTH = 12
MOST_BYTES = 5_000_000


class Page(HTMLParser):
    """Every tag with its attributes, the text between, and the table's rows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.opened: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "link"}:
            self.opened.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.opened.pop() == tag, "tags close in the order in which they were opened"

    def handle_data(self, data) -> None:
        self.texts.append((self.opened[-1] if self.opened else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, *within: str) -> str:
        return "".join(text for tag, text in self.texts if tag in within)


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def page() -> str:
    return hostile(DEPTH).html()


def test_the_page_loads_nothing(page: str) -> None:
    parsed = Page(page)
    assert not parsed.all("link")
    assert not parsed.all("img")
    assert not [each for each in parsed.all("script") if "src" in each]
    assert not re.search(r"@import|url\(", parsed.text("style"))
    policy = [each["content"] for each in parsed.all("meta") if "http-equiv" in each]
    assert policy == [
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
    ]


def test_a_name_that_is_markup_is_text(page: str) -> None:
    parsed = Page(page)
    assert len(parsed.all("script")) == 3
    assert not parsed.all("img")
    assert not parsed.all("i")
    assert HOSTILE in parsed.text("th")
    assert "<i>Net</i>" in parsed.text("h1")
    assert data_of(page)["rows"][NAMED]["name"] == HOSTILE
    assert "<script>window.hacked" not in page


def test_a_name_with_control_characters_is_seen_and_sends_nothing_to_a_terminal(tmp_path: Path) -> None:
    name, seen = "a\x1b[31m\x00\x9b\ud800\x7f.weight", "a␛[31m␀\ufffd\ufffd␡.weight"
    made = hostile(DEPTH)
    told = replace(made.findings[0], layers=(name,), message=f"`{name}` is odd.", cause=name, begins=name)
    signal = with_rows(made.signal, range(NAMED, NAMED + 1), name=name)
    page = Report((told,), signal, name).html(tmp_path / "page.html")  # a half of a pair could not be written
    vega = re.compile(r'<script>(?!.*id="data").*?</script>', re.DOTALL)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", vega.sub("", page))
    parsed = Page(page)
    assert all(seen in parsed.text(tag) for tag in ("title", "th", "code", "dd"))
    assert data_of(page)["rows"][NAMED]["name"] == seen


def test_every_row_is_in_the_table_in_order(page: str) -> None:
    cells = [escapes.unescape(each) for each in re.findall(r'<th scope="row">(.*?)</th>', page)]
    assert cells == [row.name for row in hostile(DEPTH).signal.rows]
    assert [each["data-place"] for each in Page(page).all("tr") if "data-place" in each] == [
        str(at + 1) for at in range(DEPTH)
    ]


def test_what_is_zero_or_not_finite_is_data_and_not_dropped(page: str) -> None:
    rows = data_of(page)["rows"]
    assert rows[ZERO]["grad_rms"] == 0
    assert (rows[NAN]["unit_std"], rows[INFINITE]["unit_std"]) == ("nan", "inf")
    parsed = Page(page)
    assert {"nan", "inf"} <= {text for tag, text in parsed.texts if tag == "td"}
    signal = json.dumps(data_of(page)["charts"]["signal"])
    assert "isString(datum.unit_std)" in signal
    assert "datum.grad_rms === 0" in json.dumps(data_of(page)["charts"]["gradient"])


def test_a_finding_that_another_explains_stands_below_it(page: str) -> None:
    lists = re.split(r'<details class="below">', page)
    assert len(lists) == 2
    assert "gain-mismatch" in lists[1].split("</details>")[0]
    assert "output-prior" in lists[1].split("</details>", 1)[1]


def test_a_finding_knows_its_layers_and_where_it_begins(page: str) -> None:
    first, second, third = data_of(page)["findings"]
    assert (first["places"], first["first"]) == ([3, 4, 5, 6, 7, 8, 9], 4)
    assert first["runs"] == [{"first": 3, "last": 9}]
    assert second["first"] == 3
    assert (third["places"], third["first"]) == ([DEPTH], DEPTH)


def test_two_findings_that_name_each_other_are_both_shown() -> None:
    told = hostile(DEPTH)
    one, other = (
        replace(each, part_of=cause.code) for each, cause in zip(told.findings[:2], told.findings[1::-1], strict=True)
    )
    shown = Page(replace(told, findings=(one, other)).html())
    assert [each["data-finding"] for each in shown.all("button") if "data-finding" in each] == ["0", "1"]


def test_a_thousand_layers_stay_under_five_megabytes() -> None:
    page = hostile(1000).html()
    assert len(page.encode()) < MOST_BYTES
    assert len(data_of(page)["rows"]) == 1000


def test_a_page_is_written_where_one_says(tmp_path: Path) -> None:
    told = Report((), healthy(perceptron(3, 64)), "Net")
    assert (tmp_path / "net.html").exists() is False
    page = told.html(tmp_path / "net.html")
    assert (tmp_path / "net.html").read_text(encoding="utf-8") == page


def test_panels_without_a_figure_say_so() -> None:
    page = Report((), healthy(perceptron(3, 64)), "Net").html()
    told = Page(page).text("p")
    assert "None: no unit is dead, and nothing is saturated." in told
    # The hand-made rows know neither their elements nor their fan.
    assert told.count("Not known: the signal was recorded without it.") == 2
    assert "No loss was given" in told
    assert set(data_of(page)["charts"]) == {"signal", "gradient"}


def test_a_model_without_weights_has_a_page() -> None:
    assert "The batch went through no weight." in Page(Report((), initium.Signal(()), "Net").html()).text("p")


def test_a_loss_stands_beside_what_guessing_costs() -> None:
    signal = healthy(perceptron(3, 64), loss=2.5, classes=10, prior_loss=2.0)
    chart = data_of(Report((), signal, "Net").html())["charts"]["loss"]
    shown = {each["what"]: each["shown"] for values in chart["datasets"].values() for each in values}
    assert shown == {"loss at the start": "2.5", "guessing (log 10)": "2.3", "by the class frequencies": "2"}


def test_a_prediction_is_drawn_beside_and_its_gradient_only_of_the_same_objective() -> None:
    network = perceptron(3, 64)
    measured = healthy(network, objective="loss(output)")
    alike, other = (
        with_rows(healthy(network, objective=objective), range(3), unit_std=0.5, grad_rms=0.25)
        for objective in ("loss(output)", "a random cotangent")
    )
    told = Report((), measured, "Net")
    for predicted, gradient in ((alike, 0.25), (other, None)):
        rows = data_of(told.html(predicted=predicted))["rows"]
        assert [row["predicted_unit_std"] for row in rows] == [0.5] * 3
        assert [row["predicted_grad_rms"] for row in rows] == [gradient] * 3


def test_the_law_of_every_weight_has_a_column_where_it_is_known() -> None:
    told = Report((), healthy(perceptron(3, 64)), "Net")
    torch.manual_seed(0)
    laws = initium.audit({row.name: torch.randn(64, 64) * 0.02 for row in told.signal.rows}).laws
    assert set(laws.values()) == {"N(0, 0.02)"}
    assert [row["law"] for row in data_of(told.html(laws=laws))["rows"]] == [laws[row.name] for row in told.signal.rows]
    assert 'data-key="law"' in told.html(laws=laws)
    assert 'data-key="law"' not in told.html()


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_a_missing_extra_names_the_cure(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ArgumentError, match=re.escape("pip install 'initium[html]'")):
        hostile(DEPTH).html()
