"""The line of a target: where ``models.py:build`` begins."""

from __future__ import annotations

import ast
import os
from pathlib import Path

from initium.report import Place


def place_of(target: str) -> Place | None:
    """The line on which a file defines what a target names; ``None`` where the target is no file's.

    The path is told from the root of the checkout that GitHub names, else from the current directory.
    """
    where, _, name = target.rpartition(":")
    path = Path(where)
    if path.suffix != ".py" or not path.is_file():
        return None
    found, root = path.resolve(), Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    shown = found.relative_to(root) if found.is_relative_to(root) else found
    return Place(shown.as_posix(), _line(ast.parse(path.read_bytes()), name.partition(".")[0]))


def _line(tree: ast.Module, name: str) -> int:
    """Of the last definition, which is the one that holds; 1 where the name comes from elsewhere."""
    return max((node.lineno for node in tree.body if name in _defined(node)), default=1)


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [each.id for each in targets if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []
