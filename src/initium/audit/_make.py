"""From weights to rows and findings: one tensor at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initium.audit._alone import alone, cloned, digest
from initium.audit._audit import Audit
from initium.audit._compare import SILENT, Case, compared
from initium.audit._fans import pattern, places
from initium.audit._found import Found, gathered
from initium.audit._identify import identify
from initium.audit._law import ERROR, Law
from initium.audit._pieces import Piece, taken_apart
from initium.audit._recipes import agreed, effective, recipes
from initium.audit._row import AuditRow
from initium.audit._sources import source
from initium.errors import ArgumentError
from initium.planning import Plan, expected_std, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from initium.audit._fans import Place
    from initium.audit._recipes import Recipe
    from initium.audit._source import Source
    from initium.audit._sources import Weights
    from initium.network import Network
    from initium.records import PlanRow
    from initium.schemes import Scheme


@dataclass(frozen=True, slots=True)
class _Seen:
    """One parameter that was looked at."""

    name: str
    dtype: torch.dtype
    law: Law
    place: Place
    names: tuple[str, ...]
    pieces: tuple[Piece, ...]


def audit(
    weights: Weights,
    scheme: Scheme | Plan | str | None = None,
    batch: object = None,
    *,
    network: Network | None = None,
) -> Audit:
    r"""From weights alone, the law that every parameter's values look like; against a plan, where the two differ.

    A law is the likeliest of those that a goodness-of-fit test does not rule out (Kolmogorov's distance by Massart's bound
    $P(D > d) \le 2 e^{-2 n d^2}$, and the fourth moment of a normal), each at level 0.01 over the number of parameters, so
    that in 99 of 100 audits of drawn weights no law is taken for another. Of more than 2^16 values the shape is tested
    on that many, at places that are fixed; moments, ends and copies are those of all values.

    Args:
        weights: An ``nn.Module``, a state dict, or a path: of a ``.safetensors`` or ``.pt`` file, of the ``.index.json`` of a
            checkpoint in several files, or of the folder that holds it. Files are read tensor by tensor, one file at a
            time. Without a module there are shapes alone.
        scheme: What was meant: a scheme as :func:`initium.plan` takes it, for a module; or a plan.
        batch: The batch with which a module is traced for its true fans.
        network: The model as ``read`` with this batch, where the caller has it.

    Returns:
        One row a parameter, and the findings.

    Raises:
        ArgumentError: No parameter, no such file, an index that names what is not there, or a scheme for what is no module.
        ArgumentTypeError: Neither module nor mapping nor path.
        BatchError: The batch does not fit the model.
        TraceError: The model cannot be traced.
        UnknownNameError: No scheme has that name.

    Example:
        >>> import torch
        >>> from initium.audit import audit
        >>> found = audit(torch.nn.Linear(64, 64), "he_normal")
        >>> found["weight"].law, found["weight"].recipes[0]
        ('uniform', 'PyTorch default, U(+-1/sqrt(fan_in))')
        >>> found.findings[0].code
        'untouched-default'

    Reference:
        Massart 1990, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality", theorem 1; Anscombe and Glynn
        1983, "Distribution of the kurtosis statistic b2 for normal samples".
    """
    given = source(weights, batch, network)
    planned = _planned(given, scheme)
    rows_of = {name: row for row in planned for name in row.names} if planned else {}
    seen, found = _look(given, rows_of)
    shown = _agreed(seen)
    rows = tuple(_row(given, each, shown[each.name], rows_of.get(each.name)) for each in seen)
    found += [
        finding
        for each in seen
        for finding in compared(_cases(each, rows_of.get(each.name), shown[each.name], _fix(scheme)))
    ]
    notes = planned.notes if planned and given.network else given.notes  # a plan says what was assumed
    return Audit(given.title, planned.scheme if planned else "", rows, gathered(found), notes)


def _cases(each: _Seen, row: PlanRow | None, known: tuple[Recipe, ...], fix: str) -> Iterator[Case]:
    if row is None:
        return
    for piece in each.pieces:
        fitting = recipes(piece.law, each.place) if piece.where else known
        yield Case(row, piece, each.place, tuple(recipe.name for recipe in fitting), fix)


def _planned(given: Source, scheme: Scheme | Plan | str | None) -> Plan | None:
    if scheme is None or isinstance(scheme, Plan):
        return scheme
    if given.network is None:
        raise ArgumentError(
            f"a scheme plans a model, and {given.title} has shapes alone. Pass the model, or the plan that was made for it: "
            "scheme=initium.Plan.load(path)."
        )
    return plan(given.network, scheme)


def _fix(scheme: Scheme | Plan | str | None) -> str:
    return f"initium.initialize(model, batch, {scheme!r})" if isinstance(scheme, str) else "plan.apply(model)"


def _comparable(given: Source, name: str, row: PlanRow) -> bool:
    """What a parametrisation computes from is not what it computes; a plan of other shapes is of another model."""
    fact = given.facts.get(name)
    return row.shape == given.shapes[name] and (fact is None or not fact.computed_by)


def _look(given: Source, rows_of: dict[str, PlanRow]) -> tuple[list[_Seen], list[Found]]:
    where = places(given.shapes, given.facts)
    seen: list[_Seen] = []
    found: list[Found] = []
    groups: dict[tuple[object, ...], list[str]] = {}
    for name in given.shapes:
        each, own, mark = _looked_at(given, name, where[name], rows_of.get(name))
        seen.append(each)
        found += own
        if mark is not None:
            groups.setdefault(mark, []).append(name)
    return seen, [*found, *cloned(groups.values())]


def _looked_at(
    given: Source, name: str, place: Place, row: PlanRow | None
) -> tuple[_Seen, list[Found], tuple[object, ...] | None]:
    """One parameter, what is wrong with it whatever was planned, and its digest; its values are let go before the next's."""
    tensor, fact, level = given.load(name), given.facts.get(name), ERROR / len(given.shapes)
    law, copies = identify(tensor, fact.parts if fact else 1, level)
    # What is frozen was filled on purpose.
    found = list(alone(name, fact.role if fact else "", law, None if fact and fact.frozen else copies))
    told = row is not None and law.kind not in SILENT and _comparable(given, name, row)
    pieces = taken_apart(tensor, row.fill, law, level) if row is not None and told else ()
    return _Seen(name, tensor.dtype, law, place, given.names[name], pieces), found, digest(tensor, law)


def _agreed(seen: list[_Seen]) -> dict[str, tuple[Recipe, ...]]:
    """The recipes that fit: the same of parameters that are alike in all but an index, the model's commonest first."""
    groups: dict[tuple[str, str], list[_Seen]] = {}
    for each in seen:
        groups.setdefault((pattern(each.name), each.law.kind), []).append(each)
    made: dict[str, tuple[Recipe, ...]] = {}
    for group in groups.values():
        fitting = agreed([recipes(each.law, each.place) for each in group])
        made |= {each.name: found for each, found in zip(group, fitting, strict=True)}
    votes = Counter(recipe.plain for found in made.values() for recipe in found)
    return {name: tuple(sorted(found, key=lambda recipe: -votes[recipe.plain])) for name, found in made.items()}


def _evidence(law: Law, place: Place) -> str:
    """What was tested of the values; which axes were, and which of them a recipe fits."""
    if not (law.random and place.axes):
        return law.evidence
    alone = {fans.axis: recipes(law, replace(place, fans=(fans,))) for fans in place.fans if fans.axis is not None}
    fitting = [f"axis {axis} fits {found[0].plain if found else 'no recipe'}" for axis, found in alone.items()]
    return "; ".join([law.evidence, place.axes, *fitting])


def _row(given: Source, each: _Seen, known: tuple[Recipe, ...], row: PlanRow | None) -> AuditRow:
    law, fact = each.law, given.facts.get(each.name)
    gain = effective(law, each.place) if law.random and not known and len(given.shapes[each.name]) > 1 else ""
    return AuditRow(
        name=each.name,
        names=each.names,
        shape=given.shapes[each.name],
        dtype=str(each.dtype).removeprefix("torch."),
        role=fact.role if fact else "",
        kind=law.kind,
        law=law.text,
        mean=law.mean,
        std=law.std,
        low=law.low,
        high=law.high,
        value=law.value,
        recipes=tuple(recipe.name for recipe in known) or ((gain,) if gain else ()),
        nominal=known[0].std if known else None,
        ties=law.ties,
        evidence=_evidence(law, each.place),
        planned=row.law if row else "",
        planned_std=expected_std(row.fill, row.shape) if row else None,
        notes=law.notes,
    )
