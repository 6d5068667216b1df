"""The letters of an ``einsum``."""

from __future__ import annotations


def terms(equation: str) -> tuple[list[str], str]:
    """The operands' letters and the output's, a dot for an ellipsis; with no arrow, whatever stands once comes out, sorted."""
    left, arrow, output = equation.replace(" ", "").replace("...", ".").partition("->")
    once = sorted(letter for letter in set(left) - {",", "."} if left.count(letter) == 1)
    return left.split(","), output if arrow else "." * ("." in left) + "".join(once)
