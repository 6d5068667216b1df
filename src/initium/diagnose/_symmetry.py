"""``symmetry``: every unit of a layer computes the same and learns the same, so a wide layer is worth one unit.

Theory: units with equal incoming weights give equal outputs; if their outgoing weights are equal too, they get equal
gradients, and no step of gradient descent ever tells them apart (Goodfellow, Bengio & Courville 2016, section 8.4).
``distinct`` is 0 only where units agree in value AND in gradient, so it proves the case; it does not guess from zeros.

Limits: exact, up to rounding (``distinct == 0``), in a layer with a constant weight, or whose equal outputs vary with the
input. A matrix of one value, whose units only their biases, or what reads them, tell apart, is a warning where an activation
follows it, or at least half of the weights are such.

Not a fault: a zero weight whose gradient differs from unit to unit (a zero head, the last layer of a residual branch,
LoRA's B, adaLN-Zero): the first step breaks it. Nor layers behind dead units or underflow, where equal means nothing.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10))
    >>> batch = torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "zeros", seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'symmetry'
    >>> _ = initium.initialize(model, batch, "textbook", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from initium.diagnose._figures import several, shown
from initium.diagnose._links import links
from initium.diagnose._words import TEXTBOOK, names
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_ROUNDING = 1e-6
_CURE = "Draw the weights at random; zeros are for biases."


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all the layers whose units are equal."""
    every = links(network, signal)
    # A weight that is used again learns from all its uses: one that tells its units apart is enough.
    apart = {link.use.name for link in every if not _symmetric(link)}
    equal = tuple(link for link in every if link.use.name not in apart)
    if equal and not _self_breaking(equal, every):
        yield _finding(equal, every)
    elif not equal:
        constant = tuple(link for link in every if _one_value(link))
        most = 2 * len(constant) >= len(every) and len(constant) > 1
        used = Counter(link.use.name for link in every)
        features = any(
            used[link.use.name] == 1 and (link.use.after.kind == "activation" or _whole_cell(link, every))
            for link in constant
        )
        yield from (_rank_one(constant),) if most or features else ()


def _symmetric(link: Link) -> bool:
    row = link.row
    return row.finite and row.distinct == 0 and (_constant(link) or row.unit_std > 0)


def _constant(link: Link) -> bool:
    return link.row.weight_std <= _ROUNDING * link.row.weight_rms


def _one_value(link: Link) -> bool:
    """A matrix of one value: whatever its biases add, every unit sees the same one sum of its inputs."""
    plain = link.plain or (link.use.layout == "gates" and link.use.direct and not link.facts.computed_by)
    return plain and link.row.finite and not link.zeroed and _constant(link) and _sums_alike(link)


def _whole_cell(link: Link, every: tuple[Link, ...]) -> bool:
    """A recurrent layer of which every matrix is constant: all units of its state are one."""
    beside = [other for other in every if other.use.node == link.use.node]
    return link.use.layout == "gates" and all(_constant(other) for other in beside)


def _sums_alike(link: Link) -> bool:
    """Several units, each of which sums the same several inputs: a kernel on one channel, and no kernel for each channel."""
    return link.units > 1 and (min(link.facts.shape[:2]) > 1 or (link.use.fan_in > 1 and link.use.parts == 1))


def _rank_one(constant: tuple[Link, ...]) -> Finding:
    value = shown(constant[0].row.weight_rms)
    return Finding(
        code="symmetry",
        severity="warning",
        layers=names(constant),
        message=f"{several(len(constant), 'weight')} hold one value throughout, first `{constant[0].use.name}`: all units of a "
        "layer see the same one sum of its inputs.",
        measured=0.0,
        expected=1.0,
        cause=f"every element of `{constant[0].use.name}` is {value} in magnitude; the biases alone tell the units apart.",
        cure=_CURE,
        remedy=TEXTBOOK,
    )


def _self_breaking(equal: tuple[Link, ...], every: tuple[Link, ...]) -> bool:
    """Zero weights in the company of others that learn: the first step of those brings them a gradient of their own."""
    learning = [
        link for link in every if link.row.weight_grad_norm > 0 and link.row.distinct > 0 and not link.facts.frozen
    ]
    return all(link.zeroed for link in equal) and 2 * len(equal) < len(every) and bool(learning)


def _finding(equal: tuple[Link, ...], every: tuple[Link, ...]) -> Finding:
    value = shown(equal[0].row.weight_rms)
    constant = sum(map(_constant, equal))
    still = sum(link.row.weight_grad_norm == 0 for link in every)
    learns = f" {still} of {len(every)} weights get no gradient at all." if still else ""
    return Finding(
        code="symmetry",
        severity="error",
        layers=names(equal),
        message=f"All units compute the same and learn the same in {several(len(equal))} of {len(every)}, "
        f"first `{equal[0].use.name}`: each is worth one unit.{learns}",
        measured=0.0,
        expected=1.0,
        cause=f"the weights are constant (`{equal[0].use.name}` is {value} throughout), so nothing tells one unit from "
        "another."
        if constant
        else f"the rows of `{equal[0].use.name}` repeat each other.",
        cure=_CURE,
        remedy=TEXTBOOK,
    )
