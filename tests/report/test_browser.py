"""The page in a real browser: it draws, answers to the pointer, sorts, highlights, and complains of nothing."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from report.hostile import HOSTILE, hostile

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DEPTH = 12
EAR = """<script>
window.heard = [];
addEventListener("error", (event) => heard.push(event.message));
addEventListener("unhandledrejection", (event) => heard.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => heard.push(event.blockedURI));
for (const level of ["error", "warn"]) console[level] = (...words) => heard.push(words.join(" "));
</script>"""
HAND = """<script>(async () => {
  const wait = (time) => new Promise((done) => setTimeout(done, time));
  while (document.body.dataset.ready !== "yes" && !heard.length) await wait(50);
  const table = document.querySelector("tbody");
  const places = (test) => [...table.rows].filter(test).map((row) => Number(row.dataset.place));
  const order = () => places(() => true);
  const chosen = () => places((row) => row.classList.contains("chosen"));
  const buttons = [...document.querySelectorAll(".choose")];
  const pressed = () => buttons.map((each) => each.getAttribute("aria-pressed") === "true");
  const marks = (key, colour) =>
    document.querySelectorAll(`#chart-${key} [fill="${colour}"], #chart-${key} [stroke="${colour}"]`).length;
  const probe = { first: { chosen: chosen(), pressed: pressed() } };
  probe.drawn = Object.fromEntries([...document.querySelectorAll(".chart")].map((each) => [each.id, each.querySelectorAll("path").length]));
  probe.lefts = [...document.querySelectorAll(".chart svg > g")].map((each) => each.getAttribute("transform"));

  const chart = document.getElementById("chart-gradient");
  const box = chart.getBoundingClientRect();
  const wide = chart.clientWidth - 60 - 38;
  const hover = (place, kind = "pointermove") =>
    chart.dispatchEvent(new PointerEvent(kind, { clientX: box.left + 60 + (wide * (place - 0.5)) / COUNT, clientY: box.top + 50 }));
  hover(3);
  probe.tip = { shown: !document.getElementById("tip").hidden, text: document.getElementById("tip").textContent };
  probe.at = places((row) => row.classList.contains("at"));
  hover(3, "pointerleave");
  probe.gone = document.getElementById("tip").hidden;

  buttons[2].click();
  probe.third = { chosen: chosen(), pressed: pressed() };
  buttons[2].click();
  probe.none = { chosen: chosen(), pressed: pressed() };

  const head = (key) => document.querySelector(`[data-key="${key}"]`);
  for (const [name, key] of [["up", "unit_std"], ["down", "unit_std"], ["named", "name"]]) {
    head(key).querySelector("button").click();
    probe[name] = { order: order(), sort: head(key).getAttribute("aria-sort") };
  }
  const ink = () => document.querySelector("#chart-signal .mark-text text").getAttribute("fill");
  probe.light = ink();
  document.getElementById("theme").click();
  await wait(300);
  probe.dark = ink();
  probe.heard = heard;
  probe.hacked = window.hacked === undefined ? "no" : "yes";
  const told = document.createElement("pre");
  told.id = "probe";
  told.textContent = JSON.stringify(probe);
  document.body.append(told);
})();</script>"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a driver inside of the page saw."""
    if BROWSER is None:
        pytest.skip("no chromium is installed")
    folder = tmp_path_factory.mktemp("browser")
    before, end, after = hostile(DEPTH).html().rpartition("</body>")
    page = before.replace("<title>", f"{EAR}<title>", 1) + HAND.replace("COUNT", str(DEPTH)) + end + after
    (folder / "page.html").write_text(page, encoding="utf-8")
    return probed(folder)


def probed(folder: Path) -> dict:
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    told = [*flags.split(), "--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}"]
    page = (folder / "page.html").as_uri()
    done = subprocess.run(
        [BROWSER, *told, "--window-size=1280,1600", "--virtual-time-budget=30000", "--dump-dom", page],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


def test_nothing_is_complained_of_and_no_name_is_run(probe: dict) -> None:
    assert probe["heard"] == []
    assert probe["hacked"] == "no"


def test_every_panel_is_drawn_and_all_begin_at_one_place(probe: dict) -> None:
    assert probe["drawn"].keys() == {"chart-signal", "chart-gradient", "chart-ratio", "chart-gain"}
    assert min(probe["drawn"].values()) > DEPTH
    assert set(probe["lefts"]) == {"translate(60,8)"}


def test_the_pointer_shows_the_layer_under_it(probe: dict) -> None:
    assert probe["tip"]["shown"]
    assert HOSTILE in probe["tip"]["text"]
    assert "linear → relu" in probe["tip"]["text"]
    assert probe["at"] == [3]
    assert probe["gone"]


def test_a_chosen_finding_marks_its_layers_and_is_let_go_again(probe: dict) -> None:
    assert probe["first"] == {"chosen": [3, 4, 5, 6, 7, 8, 9], "pressed": [True, False, False]}
    assert probe["third"] == {"chosen": [DEPTH], "pressed": [False, False, True]}
    assert probe["none"] == {"chosen": [], "pressed": [False, False, False]}


def test_the_table_sorts_by_figures_and_what_is_no_number_comes_last(probe: dict) -> None:
    # The hand-made signal falls; layer 7 is NaN and layer 8 infinite.
    falling = [place for place in range(1, DEPTH + 1) if place not in {7, 8}]
    assert probe["up"] == {"order": [*falling[::-1], 8, 7], "sort": "ascending"}
    assert probe["down"] == {"order": [8, *falling, 7], "sort": "descending"}


def test_the_table_sorts_by_names_as_people_count(probe: dict) -> None:
    order = [place for place in probe["named"]["order"] if place != 3]
    assert order == [place for place in range(1, DEPTH + 1) if place != 3]


def test_the_theme_changes_the_charts_too(probe: dict) -> None:
    assert probe["light"] != probe["dark"]
