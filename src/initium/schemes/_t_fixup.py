"""Huang et al. 2020: transformers without layer normalisation and without warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.records import Normal
from initium.schemes._parts import REST
from initium.schemes._residual import kept_scale, layers, placed, refuse, scaled, weight_rule
from initium.schemes._rule import Choice, Scheme, first_of, on
from initium.schemes._select import role

if TYPE_CHECKING:
    from initium.network import Facts, Residual

PAPER = "Huang et al. 2020 section 3.2"


def _weight(facts: Facts, place: Residual) -> Choice:
    if not place.in_branch or place.stream is None:
        return scaled("uniform", 1.0, facts, f"on no branch: Glorot as it is, {PAPER}")
    if place.norm_first or place.norm_last or place.norm_after or place.norm_before_last:
        cure = "Remove the layer normalisations of the branches and of the stream."
        raise refuse(facts, "t_fixup", "is normalised, and T-Fixup takes the place of normalisation", cure)
    if kept_scale(facts):
        return scaled("uniform", 1.0, facts, f"queries and keys as they are: {PAPER}")
    count = layers(place.stream)
    if place.encoder is not None:
        return scaled("uniform", (9 * count) ** -0.25, facts, f"a decoder of {count:g} layers: (9 M)^-1/4, {PAPER}")
    return scaled("uniform", 0.67 * count**-0.25, facts, f"an encoder of {count:g} layers: 0.67 N^-1/4, {PAPER}")


def _table(facts: Facts) -> Choice:
    stream = placed(facts, "t_fixup").stream
    std = facts.shape[-1] ** -0.5
    if stream is None:
        return Choice(Normal(std), "normal, d^-1/2", f"a table that begins no stream: {PAPER}")
    count = layers(stream)
    why = f"begins a stream of {count:g} layers: {PAPER}"
    return Choice(Normal(std * (9 * count) ** -0.25), f"normal, d^-1/2 (9 * {count:g})^-1/4", why)


def t_fixup() -> Scheme:
    r"""Glorot's law with small values, outputs and feed-forward weights, so that a transformer needs no normalisation.

    $$W_{v, o, 1, 2} = 0.67\, N^{-1/4}\, W_{\text{Glorot}} \;\text{(encoder)}, \qquad
    W_{v, o, 1, 2} = (9 M)^{-1/4}\, W_{\text{Glorot}} \;\text{(decoder)}$$

    Looked-up tables $N(0, d^{-1})$ times $(9 N)^{-1/4}$ or $(9 M)^{-1/4}$; queries, keys and all else as Glorot has them;
    biases 0. N and M count layers, read off the graph; a stream that reads another is a decoder.

    Returns:
        The scheme. Its plan is refused where a branch or its stream is normalised, and where no branch can be seen.

    Example:
        >>> t_fixup().name
        't_fixup'

    Reference:
        Huang, Perez, Ba & Volkovs, "Improving Transformer Optimization Through Better Initialization" (ICML 2020),
        section 3.2 (the scheme) and theorem 3.1.

    Deviation:
        A stream that reads no other (a decoder without an encoder) takes the encoder's factor. A table that serves both
        sides takes the factor of the one that uses it first.
    """
    tables = on(lambda facts: facts.layout == "lookup", _table)
    return Scheme("t_fixup", first_of(weight_rule("t_fixup", _weight), on(role("embedding"), tables), REST), PAPER)
