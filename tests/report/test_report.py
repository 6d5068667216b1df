"""What a report says, to people and to machines."""

import ast
import io
import json
import math
import re
import sys
import textwrap
from dataclasses import replace

import pytest
import torch
from torch import nn

import initium
from diagnose.handmade import healthy, perceptron, travelled, with_rows
from initium.diagnose import examine
from initium.errors import UnhealthyError, UnknownNameError
from initium.records import Code
from initium.report import Report
from initium.terminal import plain

DEEP = perceptron(30, 128)


OVERRIDES = 'initium.initialize(model, batch, scheme="textbook", overrides={"head.*": "zeros"}, seed=0)'


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def report(signal: initium.Signal | None = None) -> Report:
    measured = travelled(DEEP, 1.0) if signal is None else signal
    return Report(examine(DEEP, measured), measured, DEEP.title)


def test_the_verdict_is_one_word_of_the_first_finding() -> None:
    assert report().verdict == "vanishing"
    assert report(healthy(DEEP)).verdict == "healthy"
    assert report(travelled(DEEP, 4.0)).verdict == "exploding"


def test_an_info_leaves_a_network_healthy() -> None:
    told = Report(tuple(each for each in report().findings if each.severity == "info"), healthy(DEEP), "Net")
    assert told.healthy


def test_raising_tells_everything() -> None:
    with pytest.raises(UnhealthyError, match="starts vanishing: 2 errors") as caught:
        report().raise_if("error")
    assert "vanishing-signal" in str(caught.value)
    assert "initium.initialize(" in str(caught.value)
    report(healthy(DEEP)).raise_if("info")


def test_an_unknown_severity_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="error, warning, info"):
        report().raise_if("fatal")


def test_the_dictionary_is_json_even_where_figures_are_not_finite() -> None:
    signal = with_rows(healthy(DEEP, loss=math.nan), range(3, 4), out_rms=math.inf, weight_rms=math.nan, finite=False)
    text = json.dumps(report(signal).to_dict(), allow_nan=False)
    told = json.loads(text)
    assert told["verdict"] == "not finite"
    assert told["signal"]["rows"][3]["out_rms"] is None
    assert told["findings"][0]["code"] == "nonfinite"


@pytest.mark.parametrize("width", [60, 66, 80])
@pytest.mark.parametrize("gain", [0.1, 1.0, math.sqrt(2), 9.0])
def test_no_line_is_wider_than_the_page(gain: float, width: int) -> None:
    found = report(travelled(DEEP, gain))
    wordy = tuple(replace(each, layers=("a" * 40, "b" * 40, "c")) for each in found.findings)
    for each in (found, replace(found, title="Conditional" * 9, findings=wordy)):
        assert max(map(len, plain(each.lines(width=width)).splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_a_fix_is_still_python_when_it_is_wrapped(width: int) -> None:
    fixes = (
        'initium.initialize(model, batch, scheme="textbook", seed=0)',
        "model.head.bias.data = frequencies.log()  # head: your output layer, where the logits are made",
        "model = Net(nn.Tanh())  # in place of the activation that was there\n" + OVERRIDES,
    )
    told = report()
    for fix in fixes:
        lines = plain(
            replace(told, findings=(replace(told.findings[0], remedy=Code(fix)),)).lines(width=width)
        ).splitlines()
        first = next(place for place, line in enumerate(lines) if line.startswith("  fix"))
        shown = textwrap.dedent("\n".join([lines[first].replace("fix", "   "), *lines[first + 1 :]]))
        assert ast.dump(ast.parse(shown)) == ast.dump(ast.parse(fix))


def test_a_terminal_is_drawn_in_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    told = report()
    for columns, width in (("40", 60), ("70", 70), ("200", 80)):
        monkeypatch.setenv("COLUMNS", columns)
        terminal = Terminal()
        told.print(terminal)
        shown = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
        assert [line.rstrip() for line in shown.splitlines()] == plain(told.lines(width=width)).splitlines()


def test_a_pipe_gets_no_escapes() -> None:
    pipe = io.StringIO()
    report().print(pipe)
    assert "\x1b" not in pipe.getvalue()
    assert pipe.getvalue() == str(report()) + "\n"


def test_a_terminal_gets_colour_and_brackets_stay_text() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("[red]", nn.Linear(8, 64))
            self.add_module("[/bold]", nn.Linear(64, 4))
            for parameter in self.parameters():
                nn.init.zeros_(parameter)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first, second = self.children()
            return second(first(x).relu())

    found = initium.diagnose(Odd(), torch.ones(4, 8))
    terminal = Terminal()
    found.print(terminal)
    assert "[red]" in terminal.getvalue()
    assert "[red].weight" in str(found)


def test_an_ascii_stream_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    report().print(stream)
    stream.flush()
    assert b"####" in raw.getvalue()


def test_a_printed_report_is_no_error_in_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("ascii", "latin-1", "cp1252"):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
        print(replace(report(), title="Nétz层"))  # noqa: T201 - what is tested


def test_a_long_network_is_folded() -> None:
    network = perceptron(1000, 64)
    flat = healthy(network)
    text = str(Report((), flat, "Long"))
    assert len(text.splitlines()) < 40
    assert "more alike" in text


def test_long_names_are_told_apart() -> None:
    flat = healthy(DEEP)
    rows = tuple(
        replace(each, name=f"encoder.layers.{place}.attention.projection.weight", use=place % 2)
        for place, each in enumerate(flat.rows[:12])
    )
    lines = str(Report((), replace(flat, rows=rows), "Long")).splitlines()
    assert lines[2].split()[0] == "encoder.lay….projection"
    assert [line.split()[1] for line in lines[4:16]] == [str(place) for place in range(12)]
    assert "1 #2 " in lines[5]


def test_what_was_not_measured_is_said() -> None:
    text = str(report(healthy(DEEP, notes=tuple(f"nothing of {place}" for place in range(9)))))
    assert "nothing of 3" in text
    assert "5 more in report.signal.notes" in text


def test_a_cure_is_given_once() -> None:
    assert str(report()).count("initium.initialize(") == 1


def test_a_log_is_read_from_its_first_line() -> None:
    assert str(report()).splitlines()[0].startswith(f"VANISHING  {DEEP.title}: 2 errors")
    assert str(report(healthy(DEEP))).splitlines()[0] == f"HEALTHY  {DEEP.title}: no findings in 30 uses of weights"
    one = healthy(DEEP)
    assert str(Report((), replace(one, rows=one.rows[:1]), "Net")).splitlines()[0].endswith("in 1 use of a weight")
