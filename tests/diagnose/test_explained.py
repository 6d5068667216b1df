"""Every check explains itself, from the docstring of its file."""

import pytest

from initium.diagnose import CHECKS, Explanation, explained
from initium.diagnose._explained import read_explanation
from initium.errors import UnknownNameError


@pytest.mark.parametrize("code", CHECKS)
def test_every_check_has_an_explanation(code: str) -> None:
    told = explained(code)
    assert told.code == code
    assert told.what, f"the docstring of {CHECKS[code].__module__} begins with ``{code}``: and a sentence"
    for part in ("theory", "limits", "not_a_fault"):
        assert getattr(told, part), f"the docstring of {CHECKS[code].__module__} has no paragraph {part!r}"
    assert ":mod:" not in str(told)
    assert "``" not in str(told)


@pytest.mark.parametrize("code", CHECKS)
def test_a_docstring_begins_with_the_code_that_its_check_finds(code: str) -> None:
    module = __import__(CHECKS[code].__module__, fromlist=["check"])
    assert module.__doc__.startswith(f"``{code}``: ")


def test_a_docstring_is_taken_apart() -> None:
    docstring = (
        "``a-b``: it is ``so``,\nand so.\n\nTheory: one.\n\nMore of it.\n\nLimits: see :mod:`._slopes`.\n\nNot a fault: two\nlines.\n\n"
        "Example:\n    >>> 1\n    1\n\n    >>> 2\n    2"
    )
    assert read_explanation("a-b", docstring) == Explanation(
        "a-b", "it is `so`, and so.", "One.\n\nMore of it.", "See *slopes*.", "Two lines.", ">>> 1\n1\n\n>>> 2\n2"
    )


def test_a_docstring_that_was_dropped_is_empty_words() -> None:
    assert read_explanation("x", "") == Explanation("x", "", "", "", "")


def test_what_a_file_refers_to_is_explained_with_it() -> None:
    assert [name for name, _ in explained("vanishing-signal").shared] == ["slopes", "chance", "gates"]


def test_an_unknown_code_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="known: input-scale, "):
        explained("symetry")
