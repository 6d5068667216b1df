"""Write docs/reference from the docstrings of what is public; with ``--check``, only say whether that would change it.

A page for each public room (a module or package of ``initium`` whose name has no leading underscore), on it an entry
for each name of its ``__all__`` (without one: for each public function and class that it defines). ``initium`` itself
only points to where its names live.
"""

import argparse
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import initium

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
SECTION = re.compile(r"^([A-Z][\w ]*):$")
LONGEST_LINE = 100
LONGEST_VALUE = 400
FUNCTION = re.compile(r"<function ([\w.]+) at 0x[0-9a-f]+>")
ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")
PRIVATE = re.compile(r"\binitium\.(\w+\.)*_\w+\.")
NOTICE = "<!-- Written by `make docs` from the docstrings: change those. -->"


@dataclass(frozen=True)
class Verbatim:
    """An annotation that was written as a string, shown without quotes."""

    text: str

    def __repr__(self) -> str:
        """The annotation as it stands in the source."""
        return self.text


def signature(name: str, thing: Any) -> str:
    """The call as one types it, one argument a line where the whole is long."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    plain = [each.replace(annotation=unquoted(each.annotation)) for each in found.parameters.values()]
    returned = inspect.Signature.empty if inspect.isclass(thing) else unquoted(found.return_annotation)
    shown = found.replace(parameters=plain, return_annotation=returned)
    text = ADDRESS.sub("...", FUNCTION.sub(r"\1", f"{name}{shown}"))
    if len(text) <= LONGEST_LINE:
        return text
    head, arrow, tail = text.rpartition(" -> ") if returned is not inspect.Signature.empty else (text, "", "")
    inside = "".join(f"    {each},\n" for each in arguments(head[len(name) + 1 : -1]))
    return f"{name}(\n{inside}){arrow}{tail}"


def unquoted(annotation: Any) -> Any:
    """A string annotation without its quotes; any other as it is."""
    return Verbatim(annotation) if isinstance(annotation, str) else annotation


def arguments(text: str) -> Iterator[str]:
    """Split at the commas that stand in no bracket and no string."""
    depth, start, quote = 0, 0, ""
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "," and not depth:
            yield text[start:at].strip()
            start = at + 1
        else:
            depth += (letter in "([{") - (letter in ")]}")
    yield text[start:].strip()


def prose(docstring: str) -> str:
    """A docstring in Markdown: titled sections, lists of arguments, fenced examples."""
    out: list[str] = []
    lines = inspect.cleandoc(docstring).splitlines()
    at = 0
    while at < len(lines):
        title = SECTION.match(lines[at])
        if title and at + 1 < len(lines) and lines[at + 1].startswith(" "):
            end = next((n for n in range(at + 1, len(lines)) if lines[n] and not lines[n].startswith(" ")), len(lines))
            out += [f"**{title[1]}**", "", *body(title[1], inspect.cleandoc("\n" + "\n".join(lines[at + 1 : end]))), ""]
        else:
            end = next((n for n in range(at + 1, len(lines)) if SECTION.match(lines[n])), len(lines))
            out += [*body("", "\n".join(lines[at:end])), ""]
        at = end
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out).replace("``", "`")).strip()


def body(title: str, text: str) -> list[str]:
    """What stands under a title."""
    if title in {"Args", "Attributes", "Raises"}:
        return [re.sub(r"^(\*{0,2}[\w., ]+?):(?=\s)", r"- `\1`:", line) for line in text.splitlines()]
    out: list[str] = []
    for block in re.split(r"\n\n+", text):
        example = block.lstrip().startswith(">>>")
        out += ["```pycon", inspect.cleandoc("\n" + block), "```", ""] if example else [block, ""]
    return out[:-1]


def public(room: ModuleType) -> list[str]:
    """The names that a room offers."""
    own = [name for name, value in vars(room).items() if getattr(value, "__module__", None) == room.__name__]
    return [
        name
        for name in getattr(room, "__all__", None) or [each for each in own if each[0] != "_"]
        if name != "__version__"
    ]


def entry(name: str, thing: Any) -> Iterator[str]:
    """A public name: its call, its docstring, and for a class its methods and properties."""
    yield f"## `{name}`"
    short = name.rpartition(".")[2]
    if not callable(thing) or not hasattr(thing, "__name__"):
        shown = PRIVATE.sub("", ADDRESS.sub("...", repr(thing)))
        yield f"```text\n{shown if len(shown) <= LONGEST_VALUE else type(thing).__name__}\n```"
        return
    yield f"```text\n{signature(short, thing)}\n```"
    yield prose(thing.__doc__ or "")
    if inspect.isclass(thing) and not issubclass(thing, BaseException):
        for member, value in vars(thing).items():
            yield from member_entry(f"{short}.{member}", value)


def member_entry(name: str, value: Any) -> Iterator[str]:
    """A public method or property of a class."""
    target = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if "._" in name or not (inspect.isfunction(target) or isinstance(target, property)) or not target.__doc__:
        return
    yield f"### `{name}`"
    if inspect.isfunction(target):
        bound = value.__get__(None, object) if isinstance(value, staticmethod) else target.__get__(object())
        yield f"```text\n{signature(name.rpartition('.')[2], bound)}\n```"
    yield prose(target.__doc__)


def page(room: ModuleType) -> str:
    """The page of a room."""
    parts = [NOTICE, f"# `{room.__name__}`", prose(room.__doc__ or "")]
    for name in public(room):
        parts += entry(f"{room.__name__}.{name}", getattr(room, name))
    return "\n\n".join(filter(None, parts)) + "\n"


def surface(rooms: list[ModuleType]) -> str:
    """The page of ``initium`` itself: where each of its names lives, in full where that is nowhere else."""
    homes = {id(getattr(room, name)): (room.__name__, name) for room in rooms for name in public(room)}
    homes |= {id(room): (room.__name__, "") for room in rooms}
    short, full = [], []
    for name in public(initium):
        thing = getattr(initium, name)
        sentence = " ".join(inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0].replace("``", "`").split())
        if id(thing) in homes:
            home, other = homes[id(thing)]
            anchor = f"#{home.replace('.', '')}{other.lower()}" if other else ""
            there = f"[`{home}{'.' if other else ''}{other}`]({home.rpartition('.')[2]}.md{anchor})"
        else:
            there = "below"
            full += entry(f"initium.{name}", thing)
        short.append(f"| `initium.{name}` | {sentence.replace('|', chr(92) + '|')} | {there} |")
    table = "\n".join(["| name | what it is | in full |", "|---|---|---|", *short])
    return "\n\n".join([NOTICE, "# `initium`", prose(initium.__doc__ or ""), table, *full]) + "\n"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    names = sorted(each.name for each in pkgutil.iter_modules(initium.__path__) if each.name[0] != "_")
    rooms = [importlib.import_module(f"initium.{name}") for name in names]
    first = {
        room.__name__: inspect.cleandoc(room.__doc__ or "").partition("\n\n")[0].replace("``", "`") for room in rooms
    }
    index = [f"- [`{name}`]({name.rpartition('.')[2]}.md): {' '.join(text.split())}" for name, text in first.items()]
    contents = "\n".join(["- [`initium`](initium.md): the surface that most programs need", *index])
    return {
        "index.md": f"{NOTICE}\n\n# Reference\n\n{contents}\n",
        "initium.md": surface(rooms),
        **{f"{room.__name__.rpartition('.')[2]}.md": page(room) for room in rooms},
    }


def main() -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page would change")
    check = parser.parse_args().check
    wanted = pages()
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    stale = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if check:
        print(
            f"docs/reference is stale, run `make docs`: {', '.join(stale)}" if stale else "docs/reference is up to date"
        )
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    print(f"docs/reference: {len(wanted)} pages, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
