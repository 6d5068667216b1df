"""Every public name has its place in docs/reference, and links between pages lead somewhere."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import initium

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "changelog.d/README.md", *(ROOT / "docs").rglob("*.md")]
ROOMS = ["initium", *(f"initium.{each.name}" for each in pkgutil.iter_modules(initium.__path__) if each.name[0] != "_")]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_in_the_reference(room: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    public = getattr(importlib.import_module(room), "__all__", [])
    missing = [name for name in public if name != "__version__" and not re.search(rf"`{room}\.{name}\b", text)]
    assert not missing, "not in docs/reference (`make docs` writes it from the docstrings)"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose)
    assert not [each for each in targets if "://" not in each and not (page.parent / each).exists()]
