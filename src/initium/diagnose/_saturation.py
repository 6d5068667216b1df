"""``saturation``: tanh, sigmoid and their kin work where they are flat, and pass next to no gradient.

Theory: ``saturated`` counts the inputs at which the slope is below a twentieth of its largest. At unit variance that is 3 %
for tanh, none for sigmoid, and 32 % for hardtanh (Glorot & Bengio 2010, section 3, for what it does to training).

Limits: above one half, at which the typical unit passes a gradient for fewer than every other sample, the inputs are at least
twice as large as at unit variance for every one of these activations. An error where most of the layers that can saturate
do so, else a warning.

Not a fault: a gate, or an output, that is meant to decide; hardtanh at unit variance.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from initium.diagnose._because import TEXTBOOK, gain_of, names
from initium.diagnose._expected import needed
from initium.diagnose._figures import several, share, shown, titled
from initium.diagnose._links import links
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_HALF = 0.5
_TOO_MUCH = 2.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all the layers that saturate."""
    able = [link for link in links(network, signal) if link.row.finite and link.use.after.kind == "activation"]
    flat = tuple(link for link in able if link.row.saturated > _HALF)
    if flat:
        alike = [link for link in able if link.use.after.text == flat[0].use.after.text]
        yield _finding(flat, len(alike))


def _finding(flat: tuple[Link, ...], able: int) -> Finding:
    first, worst = flat[0], max(link.row.saturated for link in flat)
    cause, cure = _because(first, flat)
    return Finding(
        code="saturation",
        severity="error" if 2 * len(flat) > able > 1 else "warning",
        layers=names(flat),
        message=f"{titled(first.use.after.text).capitalize()} is saturated in {several(len(flat))} of {able}, from `{first.use.name}` on: up to "
        f"{share(worst)} of its inputs are where its slope is under a twentieth of the largest.",
        measured=worst,
        expected=_HALF,
        cause=cause,
        cure=cure,
        fix=TEXTBOOK,
    )


def _because(first: Link, flat: tuple[Link, ...]) -> tuple[str, str]:
    low, high = needed(first.use.after) or (1.0, 1.0)
    size = f"its inputs have std {shown(median(link.row.out_std for link in flat))}"
    if first.plain and median(link.gain for link in flat) > _TOO_MUCH * high:
        gain = median(link.gain for link in flat)
        said = f"the weights have gain {shown(gain)} (std {shown(first.row.weight_rms)} at fan_in {first.use.fan_in:g})"
        return f"{size}: {said}; {first.use.after} needs {shown(low)} to {shown(high)}.", gain_of(first.use.after)
    if first.use.before.kind == "input":
        return f"{size} at weights of sane size: the network's input is too large.", "Standardise the input."
    return f"{size}: the signal before it, or a bias, is too large.", "Scale the weights; set the biases to zero."
