"""Trockman & Kolter 2023: self-attention that starts with the products that trained ones have."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import TYPE_CHECKING

from initium.errors import ArgumentError
from initium.records import Blocks, Factor
from initium.schemes._rule import Choice, Scheme
from initium.schemes._textbook import textbook

if TYPE_CHECKING:
    from initium.network import Facts, HeadPart
    from initium.records import Fill

PAPER = "Trockman & Kolter 2023"
_PAIRS = {"q": ("q", "k"), "k": ("q", "k"), "v": ("v", "out"), "out": ("v", "out")}
_MATRIX = 2


@dataclass(frozen=True, slots=True)
class _Product:
    """``alpha Z + beta I``, of which a weight, or a run of its units, is one side."""

    alpha: float
    beta: float

    def __str__(self) -> str:
        return f"{self.alpha:.4g} Z {'-' if self.beta < 0 else '+'} {abs(self.beta):.4g} I"


Products = dict[str, _Product]


def _rule(products: Products, facts: Facts) -> Choice | None:
    base = textbook().rule(facts)
    if base is None or (facts.role == "embedding" and facts.layout == "added"):
        return base and replace(base, reason=f"{base.reason}; {PAPER} train with a fixed sinusoidal one")
    roles = tuple(dict.fromkeys(role for role, _ in facts.attention))
    if not roles:
        return _assumed(facts, base)
    missing = {role: _missing(role, facts) for role in roles}
    problems = {why: None for why in missing.values() if why}
    if all(missing.values()):
        return replace(base, reason=f"{base.reason}; not mimetic: {'; '.join(problems)}")
    return _factored(products, facts, base, missing)


def _assumed(facts: Facts, base: Choice) -> Choice:
    """Without a batch nobody knows what is an attention."""
    unknown = facts.assumed and facts.before.kind != "unknown" and facts.role == "weight"
    blind = unknown and "attention" in facts.owner.__name__.lower()
    return replace(base, reason=f"{base.reason}; not mimetic: only a batch tells its heads") if blind else base


def _missing(role: str, facts: Facts) -> str:
    """Why the units of a role are no side of a product; empty where they are."""
    if role not in _PAIRS:
        return "some units are none of an attention" if not role else f"the same units are {' and '.join(role)}"
    if facts.computed_by or len(facts.shape) < _MATRIX or math.prod(facts.shape[2:]) != 1:
        return f"a weight of shape {facts.shape}" + (f" under {facts.computed_by}" if facts.computed_by else "")
    parts = {part.role: part for part in facts.heads}
    lacking = [each for each in ("q", "k", *_PAIRS[role]) if each not in parts]
    if lacking:
        return f"no single weight is the {lacking[0]} of this attention, or it is in several attentions"
    if parts["q"].source != parts["k"].source:
        return "cross-attention: queries and keys are made of different values"
    if frozen := [part.name for part in (parts[each] for each in _PAIRS[role]) if not part.plain]:
        return f"`{frozen[0]}` is frozen or not the parameter itself"
    return _unfit(parts[_PAIRS[role][0]], parts[_PAIRS[role][1]])


def _unfit(one: HeadPart, other: HeadPart) -> str:
    """Why two weights, the first of queries or values, make no product of the paper's."""
    first, second = one.role, other.role
    size = one.size if first == "q" else one.units
    if False in {one.ordered, other.ordered}:
        return "the units of a head do not lie side by side"
    if first == "q" and (one.units, one.size) != (other.units, other.size):
        return f"grouped queries: {one.units} units of q, {other.units} of k"
    if first == "v" and one.units != other.inputs:
        return f"{one.units} units of v, and {other.inputs} inputs of the output's weight"
    width, across = one.inputs, other.inputs if first == "q" else other.units
    if width != across:
        return f"{first} reads {width}, and {second} {'reads' if first == 'q' else 'gives'} {across}: no identity"
    if not size or one.units % size:
        return f"{one.units} units of {first} do not divide into heads of {size or 'a size that is seen'}"
    return f"heads of {size} units on {width} inputs: the product has no such rank" if size > width else ""


def _factored(products: Products, facts: Facts, base: Choice, missing: dict[str, str]) -> Choice:
    """Blocks along the axis of units, as many as the runs have a common measure; those of no product as in the textbook."""
    axis = int((facts.layout == "in_out") != (facts.attention[0][0] == "out"))
    size = reduce(math.gcd, (units for _, units in facts.attention))
    begun: dict[str, int] = {}
    fills: list[Fill] = []
    for role, units in facts.attention:
        for _ in range(units // size):
            start = begun.get(role, 0)
            begun[role] = start + size
            fills.append(base.fill if missing[role] else _factor(products, facts, role, start, axis))
    fill = fills[0] if len(fills) == 1 else Blocks(axis, tuple(fills))
    told = {_PAIRS[role][0]: _told(products, facts, role) for role in missing if not missing[role]}
    left = [f"{role} as {base.law}: {why}" for role, why in missing.items() if why]
    used = {each for role in missing if not missing[role] for each in _PAIRS[role]} - {"out"}
    guessed = any(part.ordered is None for part in facts.heads if part.role in used)
    unseen = ["the order of the units in a head is taken as usual"] if guessed else []
    law = f"mimetic {', '.join(role for role in missing if not missing[role])}"
    return Choice(
        fill, law, "; ".join([f"{', '.join(told.values())}: {PAPER}", *left, *unseen]), guessed or base.assumed
    )


def _factor(products: Products, facts: Facts, role: str, start: int, axis: int) -> Factor:
    parts = {part.role: part for part in facts.heads}
    first = parts[_PAIRS[role][0]]
    rank = first.size if first.role == "q" else first.units
    pair = "qk" if first.role == "q" else "vo"
    product = products[first.role]
    side = "left" if role == first.role else "right"
    return Factor(f"{first.name}/{pair}", side, product.alpha, product.beta, rank, start, axis)


def _told(products: Products, facts: Facts, role: str) -> str:
    first = next(part for part in facts.heads if part.role == _PAIRS[role][0])
    if first.role == "v":
        return f"W_v W_out = {products['v']}"
    heads = first.units // first.size
    cut = f" cut to rank {first.size}, in each of {heads} heads" if first.size < first.inputs else ""
    return f"W_q W_k^T = {products['q']}{cut}"


def mimetic(alpha_qk: float = 0.7, beta_qk: float = 0.7, alpha_vo: float = 0.4, beta_vo: float = 0.4) -> Scheme:
    r"""Self-attention in which a token attends to itself and its like, and takes from the stream what it adds.

    $$W_q^{(h)} W_k^{(h)\top} \approx \alpha_1 Z_h + \beta_1 I, \qquad W_v W_{out} \approx \alpha_2 Z - \beta_2 I,
    \qquad Z_{ij} \sim N(0, 1/d)$$

    for data as rows, $x W$. With $\alpha_1 Z + \beta_1 I = U \Sigma V^\top$ and a head of k units,
    $W_q = U_{:,:k} \Sigma_{:k,:k}^{1/2}$ and $W_k = V_{:,:k} \Sigma_{:k,:k}^{1/2}$: the nearest product of rank k, a Z for
    every head. $W_v = U \Sigma^{1/2}$ and $W_{out} = \Sigma^{1/2} V^\top$ are of all heads at once, and exact where the heads
    are together as wide as the stream. Both sides of a product are drawn under one name, so each can be written by itself.

    Queries, keys, values and the output's weight are read off the graph, whether they are four weights or packed, stored
    (out, in) or (in, out). Everything else is as in :func:`textbook`; so are, with the reason in the row, grouped queries,
    cross-attention, a head wider than the stream, a weight in several attentions, and one side of a pair whose other side is
    frozen.

    Args:
        alpha_qk: The noise of queries times keys.
        beta_qk: Its diagonal; in trained language models the paper finds the signs of both products reversed, which two
            negative betas give.
        alpha_vo: The noise of values times the output's weight.
        beta_vo: What is subtracted on its diagonal.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A number that is not finite, or an alpha that is not above 0.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> plan = initium.plan(net, torch.randn(2, 5, 8), "mimetic")
        >>> plan["self_attn.in_proj_weight"].law, plan["self_attn.out_proj.weight"].law
        ('mimetic q, k, v', 'mimetic out')

    Reference:
        Trockman & Kolter, "Mimetic Initialization of Self-Attention Layers" (ICML 2023, arXiv 2305.09828), the section on
        initialization; defaults are those for vision.

    Deviation:
        The paper trains vision transformers with fixed sinusoidal position tables; a table that is a parameter is filled as
        in the textbook, and its row says so.
    """
    for name, value in (("alpha_qk", alpha_qk), ("alpha_vo", alpha_vo)):
        if not (math.isfinite(value) and value > 0):
            raise ArgumentError(f"{name} must be finite and > 0; got {value!r}.")
    for name, value in (("beta_qk", beta_qk), ("beta_vo", beta_vo)):
        if not math.isfinite(value):
            raise ArgumentError(f"{name} must be finite; got {value!r}.")
    given = (alpha_qk, beta_qk, alpha_vo, beta_vo)
    name = "mimetic" if given == (0.7, 0.7, 0.4, 0.4) else f"mimetic({', '.join(map(repr, given))})"
    products = {"q": _Product(alpha_qk, beta_qk), "v": _Product(alpha_vo, -beta_vo)}
    return Scheme(name, partial(_rule, products), PAPER)
