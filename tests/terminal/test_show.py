"""What a stream gets: no more than it can take, and the same text with colour and without."""

import io
import re

import pytest

from initium.terminal import Span, columns, show, write


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


def written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return re.sub(r"\x1b\[[\d;]*m", "", stream.buffer.getvalue().decode(stream.encoding))


@pytest.mark.parametrize(
    ("encoding", "told"), [("utf-8", "ünï █ 层"), ("latin-1", "ünï ? ?"), ("cp1252", "ünï ? ?"), ("ascii", "?n? ? ?")]
)
def test_what_cannot_be_encoded_is_replaced(encoding: str, told: str) -> None:
    pipe = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    write("ünï █ 层", pipe)
    assert written(pipe) == told + "\n"
    for stream in (io.TextIOWrapper(io.BytesIO(), encoding=encoding), Terminal(encoding)):
        show(((Span("ünï "), Span("█ 层", "red")),), stream)
        assert written(stream) == told + "\n"


@pytest.mark.parametrize("text", ["[red]x[/red]", ":smile:", "\x1b[31mred", "a\tb\rc\x07", "层.weight", "\ud800"])
def test_a_terminal_and_a_pipe_get_the_same_text(text: str) -> None:
    pipe, terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), Terminal()
    for stream in (pipe, terminal):
        show(((Span("name", "bold"), Span(f" {text}")),), stream)
    assert written(terminal) == written(pipe)
    assert "\x1b" not in written(pipe)


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert columns(Terminal()) == 72
    assert columns(io.StringIO()) is None
