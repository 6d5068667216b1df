"""Each change is told once, in a file that the release notes can be built from."""

import re
from pathlib import Path

import pytest

FRAGMENTS = sorted(path for path in (Path(__file__).parents[1] / "changelog.d").iterdir() if path.name != "README.md")


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_named_by_subject_and_kind_and_says_something(fragment: Path) -> None:
    assert re.fullmatch(r"(\d+|\+[a-z0-9-]+)\.(breaking|added|changed|fixed|removed)\.md", fragment.name)
    assert fragment.read_text(encoding="utf-8").strip().endswith(".")
