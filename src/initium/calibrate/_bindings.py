"""What the facts of one weight say of its size: what binds it, what makes up for it, and where it may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.calibrate._streams import adds
from initium.calibrate._written import HEAD
from initium.errors import InitiumError
from initium.gains import variance_slope
from initium.network import WEIGHT_NORM
from initium.schemes import steep_gain

if TYPE_CHECKING:
    from collections.abc import Collection

    from initium.network import Facts, Residual, Use

# A function c x of a signal grows as the signal; so near to that an integral's error leaves it.
_SLOPE = 1e-6


def goes_out(use: Use) -> bool:
    """What is an answer beside what others make of it; keys and values in a cache, and streams, are none."""
    return use.leaves and not use.attention and (use.residual is None or not use.residual.branches)


def scalable(facts: Facts, use: Use, magnitude: Facts | None) -> bool:
    """Whether a weight has a size of its own to be given: no gate, no composed one, none whose magnitude is frozen."""
    if facts.frozen or facts.whole or facts.inverted or use.layout == "gates" or facts.role == "recurrent":
        return False
    composed = bool(facts.computed_by) or not (use.direct or use.proportional or use.joined)
    return (not composed or facts.computed_by == WEIGHT_NORM) and not (magnitude and magnitude.frozen)


def scale_free(facts: Facts) -> bool:
    """Whether a norm makes the same of any size, behind the weight or behind its activation."""
    return facts.normalised or facts.renewed


def passes(facts: Facts, loose: Collection[int]) -> bool:
    """Whether what a weight gives reaches its readers at its size: no norm stands behind it or its activation, or on its stream."""
    if facts.divided_out:
        return False
    place = facts.residual
    stream = place.stream if place is not None and place.place in {"stream", "last"} else None
    return not scale_free(facts) and (stream is None or stream.number in loose)


def drives(facts: Facts) -> bool:
    """Whether an activation follows that drives the size of a signal apart or together: all but those of slope 1."""
    activation = facts.after.activation
    try:
        return activation is not None and abs(variance_slope(activation) - 1.0) > _SLOPE
    except InitiumError:
        return True


def gives_way(facts: Facts, loose: Collection[int]) -> bool:
    """Where a norm or the next weight makes up for a size: no output reads it, no softmax, no stream that may not move as a whole."""
    place = facts.residual
    out = facts.head and not facts.renewed
    if out or facts.after.kind == "softmax" or (facts.attention and not _packs_values(facts)):
        return False
    if facts.renewed or place is None or place.stream is None or place.place not in {"stream", "last"}:
        return True
    return place.stream.number in loose and not place.leaves


def renewed_behind(facts: Facts) -> bool:
    """The end of a branch whose sum is normalised on the stream."""
    place = facts.residual
    return place is not None and adds(place) and place.norm_after and not place.leaves and not facts.head


def answers(facts: Facts, *, ends: bool) -> bool:
    """Whether its output goes out, and its size with it; ``ends`` where no other weight reads it."""
    return not scale_free(facts) and bool(facts.head or (ends and alone(facts.residual)))


def binding(facts: Facts, *, ends: bool) -> tuple[float, str] | None:
    """The rms that a weight's output must have; ``None`` for a free one."""
    if answers(facts, ends=ends):
        if not facts.head:
            return HEAD, f"what it gives goes out, by way of no other weight: rms {HEAD:g}"
        guess = f": a softmax of it is within {HEAD**2 / 2:.2g} of guessing"
        return HEAD, f"an output of rms {HEAD:g}" + (guess if facts.head in {"softmax", "unknown"} else "")
    place = facts.residual
    if facts.normalised or _made_up_for(facts):
        return None
    if place is not None and adds(place):
        return 1.0, f"the last of one of {place.branches} branches, which are not to drown their stream"
    return _into(facts)


def alone(place: Residual | None) -> bool:
    """Not one of several branches: what such a weight gives, and no other reads, is an output like any other."""
    return place is None or place.place != "last" or place.branches < 2  # noqa: PLR2004


def _made_up_for(facts: Facts) -> bool:
    """Whether a weight further on makes up for any size: that of a product's factor, of a linear chain, of values."""
    place = facts.residual
    if place is not None and place.place in {"stream", "last"} and place.branches:
        return place.place == "last" and place.norm_first and not place.leaves
    return (facts.after.kind in {"product", "linear"} and not _compared(facts)) or _only_values(facts)


def _into(facts: Facts) -> tuple[float, str]:
    if steep := steep_gain(facts):
        return steep, f"small enough for the slope of {facts.after} at 0"
    return 1.0, f"unit second moment into {facts.after}"


def _compared(facts: Facts) -> bool:
    """Whether it makes queries or keys, and no values: their product goes to a softmax, however that is written."""
    return bool(facts.attention) and all(part and "v" not in part and part != "out" for part, _ in facts.attention)


def _packs_values(facts: Facts) -> bool:
    """Whether values stand beside queries or keys in one weight, on a stream that norms close: nothing else makes up for them.

    On any other stream their size is worth more than an even rate: a ViT whose scores start small learns late.
    """
    place = facts.residual
    return place is not None and place.norm_after and any("v" in part for part, _ in facts.attention)


def _only_values(facts: Facts) -> bool:
    return bool(facts.attention) and all(part == "v" for part, _ in facts.attention)


def reason(facts: Facts) -> str:
    """Why a free weight is free."""
    if facts.normalised:
        return "scale-free behind a norm"
    if facts.residual is not None and facts.residual.place == "last":
        return "the end of a branch on a stream that is normalised before it is read"
    return f"{facts.after} follows, and makes up for any size"
