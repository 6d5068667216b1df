"""Findings to illnesses: what another finding explains, or says as well, stands behind it.

A check that looks for a cause names the code that finds that cause by itself; where such a finding is there, it leads.
What no check can name, because it reads other figures, follows by what becomes of what (:data:`_LEADS_TO`), and
only along the graph: a signal drags on what stands behind it, a gradient on what stands before.

A named cause is as grave as its worst symptom. A wrong gain leads nothing: that a signal vanishes by it is said, with the
gain, by the finding of the signal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from initium.records import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from initium.records import Finding, Severity

_SIGNAL = ("vanishing-signal", "vanishing-gradient", "gain-mismatch")
_GROWN = ("exploding-gradient", "saturation", "gain-mismatch", "attention-collapse", "output-prior", "nonfinite")
_LEADS_TO: Mapping[str, tuple[str, ...]] = {
    "input-scale": (*_GROWN, "exploding-signal", "dead-units", "update-ratio"),
    "target-range": ("target-scale", "output-prior", "dead-units", "double-softmax"),
    "target-scale": ("output-prior",),
    "norm-scale": (
        *_SIGNAL,
        "exploding-signal",
        "dead-units",
        "haphazard-under-norm",
        "symmetry",
        "update-ratio",
        "underflow",
    ),
    "dead-embedding": (*_SIGNAL, "symmetry"),
    "shared-weight": (*_SIGNAL, "exploding-signal", "exploding-gradient", "missing-activation"),
    "degenerate-batchnorm": (*_SIGNAL, "dead-units"),
    "double-softmax": ("output-prior", "missing-softmax", "vanishing-gradient"),
    "softmax-axis": ("double-softmax", "missing-softmax", "output-prior", "vanishing-gradient", "attention-collapse"),
    "missing-softmax": ("output-prior",),
    "unused-parameter": ("vanishing-gradient", "update-ratio"),
    "symmetry": (*_SIGNAL, "identical-shards", "output-prior"),
    "identical-shards": ("symmetry",),
    "large-bias": (*_SIGNAL, "dead-units", "saturation", "output-prior", "nonzero-bias", "attention-collapse"),
    "nonzero-bias": ("output-prior",),
    "attention-collapse": ("vanishing-gradient",),
    "dead-units": _SIGNAL,
    "saturation": ("dead-units", "vanishing-signal", "vanishing-gradient", "gain-mismatch", "update-ratio"),
    "residual-growth": (*_GROWN, "exploding-signal", "update-ratio"),
    "exploding-signal": (*_GROWN, "update-ratio"),
    "exploding-gradient": ("gain-mismatch", "update-ratio"),
    "vanishing-gradient": ("vanishing-signal", "underflow", "gain-mismatch", "update-ratio"),
    "vanishing-signal": ("underflow", "gain-mismatch", "update-ratio"),
    "nonfinite": ("vanishing-gradient",),
    "haphazard-under-norm": ("gain-mismatch", "update-ratio"),
}
"""What becomes of an illness."""


def illnesses(findings: Sequence[Finding], order: Sequence[str]) -> tuple[Finding, ...]:
    """The same findings, each symptom right behind its illness and ``part_of`` it; the gravest illness first.

    Args:
        findings: The gravest first, and among equals the cause before its symptoms.
        order: The layers of the network, by name, in execution order.

    Returns:
        All of them.
    """
    places = {name: place for place, name in reversed(tuple(enumerate(order)))}
    causes = {at: cause for at in range(len(findings)) if (cause := _cause(at, findings, places)) is not None}
    roots = [_root(at, causes) for at in range(len(findings))]
    gravest: dict[int, Severity] = {}
    for at, root in enumerate(roots):
        known: tuple[Severity, ...] = (gravest.get(root, "info"), findings[at].severity)
        gravest[root] = min(known, key=SEVERITIES.index)
    told = [
        replace(
            each, part_of=findings[causes[at]].code if roots[at] != at else "", severity=gravest.get(at, each.severity)
        )
        for at, each in enumerate(findings)
    ]
    # Sorting is stable: what is equal keeps the order of the checks.
    ranked = sorted(gravest, key=lambda root: SEVERITIES.index(gravest[root]))
    return tuple(told[at] for root in ranked for at in _with_symptoms(root, roots))


def _with_symptoms(root: int, roots: list[int]) -> Iterator[int]:
    yield root
    yield from (at for at, mine in enumerate(roots) if mine == root and at != root)


def _cause(at: int, findings: Sequence[Finding], places: Mapping[str, int]) -> int | None:
    """The finding that explains this one: the named one, else the first of those that lead to it."""
    mine = findings[at]
    others = [other for other in range(len(findings)) if other != at and findings[other].code != mine.code]
    named = [other for other in others if findings[other].code == mine.part_of]
    leading = [other for other in others if mine.code in _LEADS_TO.get(findings[other].code, ())]
    linked = [other for other in (*named, *leading) if _linked(findings[other], mine, places)]
    graver = [other for other in linked if other in named or not _milder(findings[other], mine)]
    return next(iter(graver), None)


def _milder(cause: Finding, finding: Finding) -> bool:
    return SEVERITIES.index(cause.severity) > SEVERITIES.index(finding.severity)


def _linked(cause: Finding, symptom: Finding, places: Mapping[str, int]) -> bool:
    """The cause's first layer comes before the symptom's last; on the way back, before is behind."""
    begins, ends = ([places[name] for name in each.layers if name in places] for each in (cause, symptom))
    if not begins or not ends:
        return True
    return (
        min(begins) <= max(ends)
        or "vanishing-gradient" in {cause.code, symptom.code}
        or symptom.code.endswith("gradient")
    )


def _root(at: int, causes: Mapping[int, int]) -> int:
    """Follows causes to the one that has none; of a circle, its first member is the illness."""
    way = [at]
    while way[-1] in causes:
        following = causes[way[-1]]
        if following in way:
            return min(way[way.index(following) :])
        way.append(following)
    return way[-1]
