"""What README and docs show is run.

On each page, in order and in one namespace:

- a ```python block is executed; one that starts with ``>>>`` is compared with its output, as a doctest;
- a ```console block: ``$ initium ...`` is run by the command line's ``main``, in this process, and must exit with 0
  (or with N under ``<!-- exits N -->``); of ``$ make TARGET`` the target must exist; no other command may stand there;
- a block under ``<!-- not run: reason -->`` is left out; code in ``<!-- run first ... -->`` is run and not shown.
"""

import doctest
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(
    r"""
    ^<!--\ run\ first\n(?P<hidden>.*?)^-->$
    | (?:^<!--\ (?P<note>[^\n]*?)\ -->\n\n?)? ^(?P<indent>\ *)```(?P<language>[\w-]*)[^\n]*\n(?P<shown>.*?)^(?P=indent)```\ *$
    """,
    flags=re.VERBOSE | re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A piece of a page that can be run."""

    language: str
    code: str
    line: int
    note: str = ""

    @property
    def runs(self) -> bool:
        return self.language in {"python", "console"} and not re.match(r"not run: \S", self.note)


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a page, and every hidden one."""
    for match in BLOCK.finditer(text):
        if match["hidden"] is not None:
            yield Block("python", match["hidden"], text.count("\n", 0, match.start("hidden")))
        else:
            code = re.sub(rf"^{match['indent']}", "", match["shown"], flags=re.MULTILINE)
            yield Block(match["language"], code, text.count("\n", 0, match.start("shown")), match["note"] or "")


def run_python(block: Block, namespace: dict[str, object], page: str) -> None:
    if block.code.lstrip().startswith(">>>"):
        example = doctest.DocTestParser().get_doctest(block.code, namespace, page, page, block.line)
        failures: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=failures.append, clear_globs=False)
        namespace.update(example.globs)
        assert not failures, "".join(failures)
    else:
        code = compile("\n" * block.line + block.code, page, "exec", dont_inherit=True)
        exec(code, namespace)  # noqa: S102  running the page is the test


def run_console(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = re.match(r"exits (\d+)", block.note)
    targets = set(re.findall(r"^([\w-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for command in re.findall(r"^\$ (.+)$", block.code, flags=re.MULTILINE):
        match shlex.split(command, comments=True):
            case ["initium", *_] as arguments:
                assert exit_status(arguments, monkeypatch) == int(wanted[1] if wanted else 0), command
            case ["make", target, *_]:
                assert target in targets, f"the Makefile has no documented target {target!r}"
            case _:
                pytest.fail(f"`{command}` cannot be tried here: put <!-- not run: reason --> above its block")


def exit_status(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    from initium.cli import main  # noqa: PLC0415  only pages with commands need the command line

    monkeypatch.setattr("sys.argv", arguments)
    try:
        return main() or 0
    except SystemExit as stop:
        return stop.code or 0


def run_page(text: str, page: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run every block of a page; how many ran."""
    namespace: dict[str, object] = {"__name__": "__page__"}
    runnable = [block for block in blocks(text) if block.runs]
    for block in runnable:
        if block.language == "python":
            run_python(block, namespace, page)
        else:
            run_console(block, monkeypatch)
    return len(runnable)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        run_page(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)), monkeypatch)


def test_blocks_share_one_namespace_and_hidden_ones_run_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
<!-- run first
x = 1
-->

```python
y = x + 1
```

1. in a list:

   ```python
   >>> y
   2
   ```

```pycon
>>> this is not ours
```
"""
    assert run_page(text, "page.md", monkeypatch) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\n1 / 0\n```", ZeroDivisionError),
        ("```python\n>>> 1 + 1\n3\n```", AssertionError),
        ("```console\n$ make tea\n```", AssertionError),
        ("```console\n$ rm -rf x\n```", pytest.fail.Exception),
        ("<!-- not run: -->\n```python\n1 / 0\n```", ZeroDivisionError),
    ],
)
def test_a_page_that_lies_fails(text: str, complaint: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(complaint):
        run_page(text, "page.md", monkeypatch)


def test_a_block_with_a_reason_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_page("<!-- not run: needs a GPU -->\n\n```python\n1 / 0\n```", "page.md", monkeypatch) == 0
