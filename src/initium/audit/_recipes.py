"""Names for a law and its std: every recipe whose std lies in the interval, the simplest first."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from initium.audit._law import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.audit._fans import Fans, Place
    from initium.audit._law import Law

# std of a standard normal cut at 2: schemes that make up for it divide by this.
_CUT = 0.8796256610342398
_ROOT3 = math.sqrt(3)
# Numbers of one figure are at least a tenth apart.
_SHARP = 1.05
_GAINS = (("sqrt(2)", math.sqrt(2)), ("5/3", 5 / 3), ("1/sqrt(2)", math.sqrt(0.5)))
_HEADS = (16, 32, 64, 128, 256)
_BY_INDEX = "(i+1)"
_LETTERS = {"normal": "N(0, {})", "uniform": "U(-{0}, {0})", "truncated_normal": "N(0, {}) cut"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A name, and the std of the elements that it gives.

    Attributes:
        name: The name in the field's words.
        std: The std.
        kind: The law: ``normal``, ``uniform``, ``truncated_normal``, ``orthogonal``.
    """

    name: str
    std: float
    kind: str

    @property
    def plain(self) -> str:
        """The name without whose reading of the fans it is."""
        return self.name.partition(" (")[0] if self.name.endswith(")") and " (" in self.name else self.name


def recipes(law: Law, place: Place) -> tuple[Recipe, ...]:
    """Every recipe of the law whose std the values allow, the simplest first."""
    if law.kind in {"orthogonal", "delta_orthogonal"}:
        return tuple(_gained(law))
    if law.kind == "sparse" or not law.random or law.mean:
        return ()
    for tier in _tiers(law, place):
        found: dict[str, Recipe] = {}
        for name, std in tier:
            if law.low <= std <= law.high:
                made = Recipe(name, std, law.kind)
                found.setdefault(made.plain, made)
        if found:
            return tuple(found.values())
    return ()


def _gained(law: Law) -> Iterator[Recipe]:
    known = [("1", 1.0), ("sqrt(2)", math.sqrt(2)), ("5/3", 5 / 3), (number(law.value), law.value)]
    width = law.high / law.std - 1 if law.std else 0.0
    name = next(text for text, gain in known if math.isclose(gain, law.value, rel_tol=width))
    yield Recipe(f"gain {name}", law.std, law.kind)


def _tiers(law: Law, place: Place) -> Iterator[Iterator[tuple[str, float]]]:
    """The simpler ones first; what is less simple counts where none of these fits.

    A number of one figure is evidence where the interval is narrower than the numbers are apart.
    """
    tied = _textbook("uniform", place) if "uniform" in law.ties else ()
    plain = chain(_textbook(law.kind, place), tied)
    sharp = law.high < law.low * _SHARP
    yield chain(_round(law, 1), plain) if sharp else plain
    yield chain(() if sharp else _round(law, 1), _textbook(law.kind, place, rare=True), _by_depth(law, place))
    yield _round(law, 2)


def _textbook(kind: str, place: Place, *, rare: bool = False) -> Iterator[tuple[str, float]]:
    for fans in place.fans:
        note = f" ({fans.note})" if fans.note else ""
        yield from ((name + note, std) for name, std in (_rare if rare else _common)(kind, fans))


def _unit(law: Law) -> list[tuple[str, float]]:
    """How a number is written for the law, and the std that it gives to 1."""
    letters = _LETTERS[law.kind]
    match law.kind:
        case "uniform":
            return [(letters, 1 / _ROOT3)]
        case "truncated_normal":
            # Written either before the cut (torch) or after it (JAX, Keras).
            return [(letters, law.std / law.value), ("std {} after the cut", 1.0)]
        case _:
            return [(letters, 1.0)]


def _round(law: Law, figures: int, factor: float = 1.0, suffix: str = "") -> Iterator[tuple[str, float]]:
    """The number of so many figures that lies in the interval."""
    for letters, unit in _unit(law):
        value = float(f"{law.std / unit / factor:.{figures - 1}e}")
        if figures == 1 or float(f"{value:.0e}") != value:
            yield letters.format(f"{value:g}{suffix}"), value * unit * factor


def _common(kind: str, fans: Fans) -> Iterator[tuple[str, float]]:
    word = {"truncated_normal": "truncated normal"}.get(kind, kind)
    into, out = fans.into, fans.out
    if kind == "uniform":
        yield "PyTorch default, U(+-1/sqrt(fan_in))", 1 / math.sqrt(3 * into)
    yield f"LeCun {word}", 1 / math.sqrt(into)
    yield f"Glorot {word}", math.sqrt(2 / (into + out))
    yield f"He {word}, fan_in", math.sqrt(2 / into)
    yield f"He {word}, fan_out", math.sqrt(2 / out)


def _rare(kind: str, fans: Fans) -> Iterator[tuple[str, float]]:
    word = {"truncated_normal": "truncated normal"}.get(kind, kind)
    into, out = fans.into, fans.out
    yield f"{word} of variance 1/fan_out", 1 / math.sqrt(out)
    yield from ((f"Glorot {word}, gain {text}", gain * math.sqrt(2 / (into + out))) for text, gain in _GAINS)
    if kind == "uniform":
        yield "U(+-1/sqrt(fan_out))", 1 / math.sqrt(out) / _ROOT3
        yield "SIREN first layer, U(+-1/fan_in)", 1 / into / _ROOT3
        yield "SIREN, U(+-sqrt(6/fan_in)/30)", math.sqrt(2 / into) / 30
    else:
        yield f"LeCun {word}, divided by 0.8796 and not cut", 1 / math.sqrt(into) / _CUT
        yield "small init, sqrt(2/(5 fan_in))", math.sqrt(0.4 / into)
        # Queries that hold the scale of their attention, 1/sqrt(head width).
        yield from ((f"LeCun {word}, over sqrt({width})", 1 / math.sqrt(width * into)) for width in _HEADS)


def _by_depth(law: Law, place: Place) -> Iterator[tuple[str, float]]:
    for depth in place.depths:
        yield from _round(law, 1, 1 / math.sqrt(2 * depth), f"/sqrt({2 * depth})")
    for index in place.indices:
        yield from _round(law, 1, 1 / math.sqrt(2 * (index + 1)), f"/sqrt(2{_BY_INDEX})")
    for fans in place.fans[:1]:
        for depth in place.depths:
            for name, std in _common(law.kind, fans):
                yield f"{name}, over sqrt({depth})", std / math.sqrt(depth)
                yield f"{name}, over sqrt({2 * depth})", std / math.sqrt(2 * depth)
            if law.kind != "uniform":
                yield f"2/({depth} sqrt(fan_in))", 2 / depth / math.sqrt(fans.into)


def agreed(fitting: Sequence[Sequence[Recipe]]) -> list[tuple[Recipe, ...]]:
    """Of parameters that are alike but for an index: the recipes that fit all, where there are any.

    A std that is said to depend on the index has to do so in all of them.
    """
    votes = Counter(recipe.name for each in fitting for recipe in each)
    common = {name for name, count in votes.items() if count == len(fitting)}
    several = len(fitting) > 1
    return [
        tuple(
            recipe for recipe in each if recipe.name in common or not (common or (several and _BY_INDEX in recipe.name))
        )
        for each in fitting
    ]


def effective(law: Law, place: Place) -> str:
    """A std for which there is no name, as the gain that it is."""
    if not place.fans or not law.std or law.mean:
        return ""
    return f"gain {number(law.std * math.sqrt(place.fans[0].into))} over sqrt(fan_in)"
