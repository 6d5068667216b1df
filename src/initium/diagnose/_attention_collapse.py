"""``attention-collapse``: an attention looks at one key, or at padding alone, so that its queries and keys get no gradient.

Theory: scores of std s over K keys are the energies of Derrida's random energy model (1981): from ``s = sqrt(2 ln K)`` on the
softmax condenses on a few keys, however many there are; unit scores, which ``1 / sqrt(d)`` gives queries and keys of unit
variance (Vaswani et al. 2017, section 3.2.1), leave an entropy of about ``ln K - 1/2``. The softmax's slope is
``p (1 - p)`` at a key of weight p: with one key at 1 nothing comes back.

Limits: the entropy of fewer than two keys, ``ln 2``, where a query sees six or more (at unit scores six leave ``ln 6 - 1/2``,
about twice that), is a warning; an error where at more than half of the queries the slope is below a twentieth of its
largest at every key (the largest weight above 0.987), in at least half of the network's attentions, unless that is one alone,
a residual sum leads around it, and neither its weights nor its scale are large, but what it reads (behind unnormalised embeddings the
first one of a transformer, which trains). Exact, a
warning, and an error in at least half of them: what a mask shows is one value of a tensor of the batch (the zero vector, of
vectors), which is hidden nowhere, and what it hides are several: it is the wrong way round; likewise where the first query, or the last, or none, is shown any
key in any sample, unless a tensor of the batch holds one symbol at that end in every sample (padding). A mask of zeros and
ones that is added to the scores, or multiplies them, is a warning; so is one that fills what it hides with a number above their mean
less log 100, which leaves it more than a hundredth of a usual key's share.

Not a fault: an attention that looks everywhere alike (small or zero queries and keys: they grow as they learn), that a mask
or a bias confines to few keys, or whose keys are fewer than six.

Example:
    >>> import torch, initium
    >>> class Attention(torch.nn.Module):
    ...     def __init__(self, scale):
    ...         super().__init__()
    ...         self.q, self.k, self.v = (torch.nn.Linear(64, 64) for _ in range(3))
    ...         self.scale = scale
    ...
    ...     def forward(self, x):
    ...         return torch.softmax(self.q(x) @ self.k(x).mT * self.scale, -1) @ self.v(x)
    >>> initium.diagnose(Attention(10.0), torch.randn(8, 16, 64)).findings[0].code
    'attention-collapse'
    >>> initium.diagnose(Attention(64**-0.5), torch.randn(8, 16, 64)).healthy
    True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import several, share, shown
from initium.diagnose._links import links
from initium.diagnose._words import TEXTBOOK, Because
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import AttentionRow, MaskRow, Severity, Signal

_LOOKS_AT, _FEWEST, _HALF = math.log(2), 6.0, 0.5
_UNSCALED, _LARGE = 2.0, 2.0

_BLIND = {
    "last": "a triangle that is the wrong way round hides what a query may see, itself among it, and shows it what follows.",
    "first": "a triangle without its diagonal hides a query from itself, and the first has nothing else.",
    "one": "the mask is a diagonal (torch.eye, or two triangles at once): an attention over one key gives that key's value, whatever is asked.",
    "every": "the mask hides every key of every sample: it was compared with a symbol that is not there, or is the wrong way round.",
}


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all the attentions that have collapsed, and one for those that see padding alone."""
    ones = [row for row in signal.masks if row.blind == "ones"]
    filled = [row for row in signal.masks if row.blind == "filled"]
    if ones:
        yield _ones(ones, signal)
    elif filled:
        yield _filled(filled, signal)
    elif any(row.blind for row in signal.masks):
        if all(row.finite for row in signal.rows):  # else `nonfinite` says so
            yield _blind(signal)
    elif signal.masks:
        yield _turned(signal)
    judged = [row for row in signal.attentions if row.visible >= _FEWEST]
    sharp = [row for row in judged if row.entropy < _LOOKS_AT]
    if sharp:
        yield _finding(
            sharp, _severity(network, signal, sharp, len(judged)), len(judged), _reason(network, signal, sharp[0])
        )


def _severity(network: Network, signal: Signal, sharp: list[AttentionRow], count: int) -> Severity:
    flat = [row for row in sharp if row.saturated > _HALF]
    around = len(flat) == 1 and _passed_by(flat[0], links(network, signal))
    return "error" if 2 * len(flat) >= count and not around else "warning"


def _passed_by(row: AttentionRow, every: tuple[Link, ...]) -> bool:
    """Whether a residual sum leads around an attention, and what it reads alone is large: its weights move as far as that is."""
    made = [link for link in every if link.use.name in {*row.queries, *row.keys}]
    around = all(link.use.residual is not None and link.use.residual.in_branch for link in made)
    return around and bool(made) and row.scale <= _UNSCALED and all(link.gain <= _LARGE for link in made)


def _turned(signal: Signal) -> Finding:
    rows, given = signal.masks, signal.masks[0].given
    return Finding(
        code="attention-collapse",
        severity="error" if 2 * len(rows) >= len(signal.attentions) else "warning",
        layers=tuple(dict.fromkeys(name for row in rows for name in (*row.queries, *row.keys))),
        message=f"{several(len(rows), 'attention')} of {len(signal.attentions)} see nothing but one value of `{given}`, again and again: "
        "the mask hides every other.",
        measured=1.0,
        expected=0.0,
        cause=f"where `{given}` holds that value, which is padding, keys are shown, and everywhere else they are hidden: the mask is the "
        "wrong way round.",
        cure="Negate the mask. key_padding_mask of nn.MultiheadAttention is True where a key is to be ignored, attn_mask of "
        "scaled_dot_product_attention where one is to be seen.",
        remedy=Code("mask = tokens == padding  # True is ignored: src_key_padding_mask=mask"),
    )


def _ones(rows: list[MaskRow], signal: Signal) -> Finding:
    return Finding(
        code="attention-collapse",
        severity="warning",
        layers=tuple(dict.fromkeys(name for row in rows for name in (*row.queries, *row.keys))),
        message=f"A mask of zeros and ones is added to, or multiplies, the scores of {several(len(rows), 'attention')} of {len(signal.attentions)}: it hides nothing.",
        measured=1.0,
        expected=-math.inf,
        cause="what is added to a score at 0 leaves it, at 1 raises it a little, and a score of 0 is a score like any other; a key is hidden by minus infinity, or by a mask of truth values "
        "where the operation takes one (attn_mask, dtype bool).",
        cure="Make it boolean, or fill what is to be hidden with minus infinity: scores.masked_fill(~mask, -torch.inf).",
        remedy=Code("mask = mask.bool()  # for F.scaled_dot_product_attention: True where a key is to be seen"),
    )


def _filled(rows: list[MaskRow], signal: Signal) -> Finding:
    return Finding(
        code="attention-collapse",
        severity="warning",
        layers=tuple(dict.fromkeys(name for row in rows for name in (*row.queries, *row.keys))),
        message=f"The scores that a mask hides are filled with a number among the others, in {several(len(rows), 'attention')} of "
        f"{len(signal.attentions)}: nothing is hidden.",
        measured=1.0,
        expected=-math.inf,
        cause="the softmax takes exp of a score: of 0, or of a small number of either sign, it is about 1, as of any other key.",
        cure="Fill with minus infinity: scores.masked_fill(mask, -torch.inf).",
        remedy=Code("scores = scores.masked_fill(mask, -torch.inf)"),
    )


def _blind(signal: Signal) -> Finding:
    rows, end = signal.masks, signal.masks[0].blind
    whom = {"every": "no query a key", "one": "each query one key alone"}.get(end, f"the {end} query no key")
    return Finding(
        code="attention-collapse",
        severity="error" if 2 * len(rows) >= len(signal.attentions) else "warning",
        layers=tuple(dict.fromkeys(name for row in rows for name in (*row.queries, *row.keys))),
        message=f"{several(len(rows), 'attention')} of {len(signal.attentions)} show {whom}, in any sample{'' if end == 'one' else ': what is read is nothing (or NaN)'}.",
        measured=0.0,
        expected=1.0,
        cause=_BLIND[end],
        cure="A causal mask shows each query itself and what came before: attn_mask and key_padding_mask of nn.Transformer are True where a key "
        "is to be hidden (triu(diagonal=1)), attn_mask of scaled_dot_product_attention where one is to be seen (tril()).",
        remedy=Code("mask = torch.nn.Transformer.generate_square_subsequent_mask(length)"),
    )


def _finding(sharp: list[AttentionRow], severity: Severity, count: int, reason: Because) -> Finding:
    worst = min(sharp, key=lambda row: row.entropy)
    return Finding(
        code="attention-collapse",
        severity=severity,
        layers=tuple(dict.fromkeys(name for row in sharp for name in (*row.queries, *row.keys))),
        message=f"{several(len(sharp), 'attention')} of {count} look at one key: of the {shown(worst.visible)} that a query "
        f"sees it reads {shown(math.exp(worst.entropy))} (the exponential of the entropy), and {share(worst.saturated)} of the "
        "queries are saturated.",
        measured=worst.entropy,
        expected=max(math.log(worst.visible) - 0.5, 0.0),
        cause=f"{reason.cause}.",
        cure=reason.cure,
        remedy=reason.remedy,
    )


def _reason(network: Network, signal: Signal, row: AttentionRow) -> Because:
    scores = f"the scores of a query have std {shown(row.logit_std)} over its keys, where 1 is usual"
    if row.scale > _UNSCALED:
        return Because(
            f"{scores}: they are {shown(row.scale)} times what 1 / sqrt(d) makes of them, d the size of a head",
            "Divide the scores by the square root of a head's size.",
            Code("F.scaled_dot_product_attention(q, k, v)  # scale=None is 1 / sqrt(d)"),
        )
    made = [link for link in links(network, signal) if link.use.name in {*row.queries, *row.keys} and link.plain]
    large = max(made, key=lambda link: link.gain, default=None)
    if large is not None and large.gain > _LARGE:
        return Because(
            f"{scores}: `{large.use.name}` has gain {shown(large.gain)} (1 keeps the size), and the scores grow with that of "
            "the queries times that of the keys",
            "Give the weights of queries and keys gain 1 or less.",
            TEXTBOOK,
        )
    wide = max(made, key=lambda link: link.row.out_rms, default=None)
    if wide is not None and wide.row.out_rms > _LARGE:
        return Because(
            f"{scores}: what `{wide.use.name}` makes has rms {shown(wide.row.out_rms)} at gain {shown(wide.gain)}: what it reads "
            "is large",
            "Normalise what the attention reads, or its queries and keys.",
            None,
        )
    return Because(
        f"{scores}: a missing 1 / sqrt(d), a temperature, or queries that are their own keys",
        "Divide the scores by the square root of a head's size.",
        None,
    )
