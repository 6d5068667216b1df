"""The house plan holds: imports go one way, nothing heavy comes uninvited, the version is one."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest

import initium

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "initium"
PLAN = ROOT / "docs" / "design.md"
UNINVITED = frozenset(
    "altair matplotlib numba rich safetensors scipy sklearn transformers triton typer vl_convert".split()
)


@dataclass(frozen=True)
class Import:
    """One import as written: the module it stands in, the line, and the module of the tree that it names."""

    module: str
    line: int
    target: str


def ranks(plan: str) -> dict[str, int]:
    """The rooms table of the house plan: room -> rank."""
    table: dict[str, int] = {}
    for row in re.finditer(r"^\| (\d+) \| ([^|]+) \|", plan, flags=re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", row[2]):
            room = name.removesuffix("/").removesuffix(".py")
            assert room not in table, f"{PLAN.name} ranks `{room}` twice"
            table[room] = int(row[1])
    return table


def modules(source: Path) -> dict[str, Path]:
    """Every module under ``source`` by its dotted name; a package goes by its own name, without ``__init__``."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named(node: ast.AST, package: str) -> Iterator[tuple[str, list[str]]]:
    """What an import names: each module, and the names taken from it (``import_module("...")`` counts)."""
    match node:
        case ast.Import(names=names):
            yield from ((alias.name, []) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            parents = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            yield ".".join([*parents, *filter(None, [module])]), [alias.name for alias in names]
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            yield name, []
        case _:
            return


def imports(source: Path) -> Iterator[Import]:
    """Every import of the tree by the tree: in functions and under TYPE_CHECKING too."""
    tree = modules(source)
    root = source.name
    for module, path in tree.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
            for base, names in named(node, package):
                if base == root or base.startswith(f"{root}."):
                    taken = {f"{base}.{name}" if f"{base}.{name}" in tree else base for name in names} or {base}
                    for target in sorted(taken):
                        yield Import(module, node.lineno, target)


def room(module: str) -> str:
    """The room of a module: the first part below the root, or ``__init__`` for the root itself."""
    return [*module.split(".", 2), "__init__"][1]


def trespasses(source: Path, table: dict[str, int]) -> list[str]:
    """Every import that goes neither to a room of lower rank nor stays at home, as a sentence."""
    found = []
    for each in imports(source):
        mine, theirs = room(each.module), room(each.target)
        if mine != theirs and not table.get(theirs, 99) < table.get(mine, -1):
            found.append(
                f"{each.module}:{each.line} imports {each.target}: `{mine}` (rank {table.get(mine, 'none')})"
                f" may not know `{theirs}` (rank {table.get(theirs, 'none')})"
            )
    return found


def cycle(source: Path) -> list[str]:
    """One import cycle between files, or nothing."""
    graph: dict[str, set[str]] = {name: set() for name in modules(source)}
    for each in imports(source):
        if each.target != each.module:
            graph[each.module].add(each.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def plant(tmp_path: Path, files: dict[str, str]) -> Path:
    """A tree of source files to try the guard on."""
    source = tmp_path / "initium"
    for name, text in {"__init__.py": "", **files}.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return source


def test_every_room_under_src_is_in_the_plan() -> None:
    table = ranks(PLAN.read_text(encoding="utf-8"))
    assert {room(name) for name in modules(SOURCE)} <= table.keys()


def test_imports_go_one_way() -> None:
    assert not trespasses(SOURCE, ranks(PLAN.read_text(encoding="utf-8")))


def test_no_file_imports_itself_by_a_detour() -> None:
    assert not cycle(SOURCE)


@pytest.mark.parametrize(
    "forbidden",
    [
        "import initium.planning",
        "from initium.planning import apply",
        "from initium import planning",
        "from ..planning import apply",
        "from .. import planning",
        "def late():\n    from initium.planning._write import write",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from initium.planning import Plan",
        "import importlib\nimportlib.import_module('initium.planning')",
        "from initium.init import normal_",
        "from initium import gain",
        "import initium",
        "from initium.attic import box",
    ],
)
def test_the_guard_finds_a_forbidden_import(tmp_path: Path, forbidden: str) -> None:
    source = plant(
        tmp_path,
        {
            "gains/__init__.py": "",
            "gains/_closed.py": forbidden,
            "init/__init__.py": "",
            "planning/__init__.py": "",
            "planning/_write.py": "",
        },
    )
    found = trespasses(source, {"gains": 1, "init": 1, "planning": 4, "__init__": 7})
    assert len(found) == 1
    assert found[0].startswith("initium.gains._closed:")


def test_the_guard_lets_lawful_imports_pass(tmp_path: Path) -> None:
    source = plant(
        tmp_path,
        {
            "records/__init__.py": "from ._plan import Row",
            "records/_plan.py": "Row = int",
            "planning/__init__.py": "from initium.planning._write import write\nfrom .. import records",
            "planning/_write.py": "import torch\nfrom initium.records import Row\nfrom initium_elsewhere import x\nwrite = Row",
        },
    )
    assert not trespasses(source, {"records": 0, "planning": 4, "__init__": 7})
    assert not cycle(source)


def test_the_guard_finds_a_cycle(tmp_path: Path) -> None:
    source = plant(
        tmp_path,
        {
            "gains/__init__.py": "",
            "gains/_a.py": "from initium.gains import _b",
            "gains/_b.py": "def late():\n    from ._a import x",
        },
    )
    assert set(cycle(source)) == {"initium.gains._a", "initium.gains._b"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after one statement."""
    script = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_initium_loads_torch_and_nothing_heavy_besides() -> None:
    assert not (loaded_by("import initium") - loaded_by("import torch")) & UNINVITED


def test_the_version_is_said_once() -> None:
    assert initium.__version__ == metadata.version("initium")
