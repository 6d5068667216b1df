"""What a plan expected of a parameter, and what its values look like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from initium.audit._found import Found
from initium.audit._law import number
from initium.audit._why import why
from initium.planning import expected_std
from initium.records import (
    Constant,
    DeltaOrthogonal,
    Factor,
    Identity,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
    Values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from initium.audit._fans import Place
    from initium.audit._law import Law
    from initium.audit._pieces import Piece
    from initium.records import PlanRow, Severity

SILENT = frozenset({"nonfinite", "integers", "empty"})
_APPLY = "apply the plan, or change what was planned"
_TRAINED = "none where it was trained; else apply the plan"
_DEFAULT = "PyTorch default"
Random = Normal | TruncatedNormal | Uniform | Orthogonal | DeltaOrthogonal


@dataclass(frozen=True, slots=True)
class Case:
    """A parameter, or one block of it, beside its plan.

    Attributes:
        row: The plan's row.
        piece: The values, and what was planned for them.
        place: Where the parameter stands.
        recipes: The names that fit.
        fix: The call that applies the plan.
    """

    row: PlanRow
    piece: Piece
    place: Place
    recipes: tuple[str, ...]
    fix: str

    @property
    def law(self) -> Law:
        """What the values look like."""
        return self.piece.law

    def found(self, code: str, severity: Severity, told: str, expected: float, cause: str) -> Found:
        """A finding about this parameter."""
        told = self.piece.where + told
        if code == "trained-or-mixed":
            return Found(code, severity, self.row.name, told, self.law.std, expected, cause, _TRAINED)
        return Found(code, severity, self.row.name, told, self.law.std, expected, cause, _APPLY, self.fix)


def compared(cases: Iterable[Case]) -> list[Found]:
    """The differences between plan and values of one parameter; of blocks that are off in one way, the first."""
    made: dict[str, Found] = {}
    for case in cases:
        for found in _compared(case):
            made.setdefault(found.code, found)
    return list(made.values())


def _compared(case: Case) -> Iterator[Found]:
    if case.law.kind in SILENT:
        return
    fill = case.piece.fill
    std = expected_std(fill, case.piece.shape) or 0.0
    match fill:
        case Constant(value):
            yield from _constant(case, value)
        case Values() | Identity() | Factor():
            yield from _given(case, std)
        case Normal() | TruncatedNormal() | Uniform() | Orthogonal() | DeltaOrthogonal():
            yield from _random(case, fill, std) if std else _constant(case, 0.0)
        case _:
            assert_never(fill)


def _given(case: Case, std: float) -> Iterator[Found]:
    """Values that were planned one by one, and are others."""
    if case.recipes and case.recipes[0].startswith(_DEFAULT):
        told = f"is as PyTorch's modules start ({case.recipes[0]}) where {case.row.law} was planned"
        yield case.found("untouched-default", "warning", told, std, "no initialisation reached it")
    else:
        told = (
            f"is {case.law.text} (std {number(case.law.std)}), and not the values of {case.row.law}, which was planned"
        )
        yield case.found("wrong-values", "warning", told, std, "the plan was not applied, or it was trained")


def _constant(case: Case, value: float) -> Iterator[Found]:
    law = case.law
    if law.kind == "constant":
        told = f"is {number(law.value)} throughout where {number(value)} was planned"
        yield case.found(
            "wrong-constant", "warning", told, value, "another start was chosen, or the plan was not applied"
        )
    elif case.recipes and case.recipes[0].startswith(_DEFAULT):
        told = f"is as PyTorch's modules start ({case.recipes[0]}) where {number(value)} was planned"
        yield case.found("untouched-default", "warning", told, value, "no initialisation reached it")
    elif value == 0 and case.row.role == "bias":
        told = f"is not zero: {law.text}, std {number(law.std)}"
        yield case.found("nonzero-bias", "warning", told, value, "it was drawn, set for a reason, or trained")
    else:
        told = f"is {law.text} (std {number(law.std)}) where {number(value)} was planned"
        yield case.found("not-constant", "warning", told, value, "it was drawn, or trained")


def _random(case: Case, fill: Random, std: float) -> Iterator[Found]:
    law = case.law
    if math.prod(case.piece.shape) == 1 and law.value:
        return  # one number is no constant yet
    if law.kind in {"constant", "blocks", "ramp", "identity"}:
        code = "unexpected-zeros" if law.kind == "constant" and not law.value else "not-random"
        told = f"is {law.text} where {case.row.law} was planned"
        yield case.found(code, "error", told, std, "it was set on purpose and the plan does not know, or never drawn")
    elif case.piece.fits.std or law.low <= std <= law.high:
        yield from _family(case, fill, std)
    elif any(each.startswith(_DEFAULT) for each in case.recipes):
        told = (
            f"is as PyTorch's modules start ({case.recipes[0]}), std {number(law.std)} where {number(std)} was planned"
        )
        yield case.found("untouched-default", "warning", told, std, "no initialisation reached it")
    else:
        code, cause = why(law, std, case.place)
        told = f"has std {number(law.std)} where {number(std)} was planned ({_off(law.std / std)})"
        severity = "info" if law.kind == "other" else "warning"
        yield case.found("trained-or-mixed" if law.kind == "other" else code, severity, told, std, cause)


def _family(case: Case, fill: Random, std: float) -> Iterator[Found]:
    """The std is right: is the law?"""
    law, kind = case.law, _kind(fill)
    if law.random and law.mean and not case.piece.fits.mean:
        told = f"has mean {number(law.mean)} where 0 was planned"
        yield case.found("nonzero-mean", "warning", told, std, "it was drawn about another mean, or trained")
    if isinstance(fill, TruncatedNormal) and case.piece.beyond:
        told = f"has {case.piece.beyond} values outside the planned truncation at {number(fill.cut)} std"
        yield case.found(
            "outside-truncation", "warning", told, std, "it was drawn without a cut, or cut at absolute bounds"
        )
    elif kind == law.kind or any(_means(tie, kind) for tie in law.ties):
        return
    elif "orthogonal" in kind:
        told = f"is not {kind.replace('_', '-')}: {law.text}"
        yield case.found("not-orthogonal", "warning", told, std, "another law of the same size was drawn")
    elif law.kind == "other" and not law.untold:
        yield case.found(
            "trained-or-mixed", "info", f"follows no known law: {law.evidence}", std, "trained, or a mixture"
        )
    elif not law.untold:
        told = f"is {law.text} where {case.row.law} was planned, with the right std"
        yield case.found("other-law", "info", told, std, "another law of the same size was drawn")


def _kind(fill: Random) -> str:
    match fill:
        case Normal():
            return "normal"
        case TruncatedNormal():
            return "truncated_normal"
        case Uniform():
            return "uniform"
        case Orthogonal():
            return "orthogonal"
        case DeltaOrthogonal():
            return "delta_orthogonal"
        case _:
            assert_never(fill)


def _means(tie: str, kind: str) -> bool:
    return tie.startswith("normal cut") if kind == "truncated_normal" else tie == kind


def _off(ratio: float) -> str:
    """13 % too large; from twice on, a factor."""
    if 0.5 < ratio < 2:  # noqa: PLR2004 - beyond, a percentage says little
        return f"{100 * abs(ratio - 1):.3g} % too {'large' if ratio > 1 else 'small'}"
    return f"{number(ratio)} times as large" if ratio > 1 else f"{number(1 / ratio)} times too small"
