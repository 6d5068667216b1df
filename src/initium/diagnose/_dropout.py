"""``dropout``: the answer itself is dropped, or far more than is kept.

Theory: dropout sets each element to zero with chance p and divides the others by `1 - p`: its mean stays, and its variance,
beside the square of its size, is `p / (1 - p)` (Srivastava et al. 2014, section 10). Over the many elements that a next weight
sums this evens out. Behind the last weight nothing follows: a share p of the answers is zero whatever the network learns, and the
rest is too large. In the midst, noise of `p / (1 - p)` times the signal is more than what a layer hands on from p = 1/2 on, and
four times as much at 0.8.

Limits: exact. Dropout in training of what the answer consists of, element by element, where the loss compares it with a target: a
warning. One that drops more than 0.8: a warning; the least that was found to train well keeps 0.2 (figure 9 there, at a fixed size),
which some video networks use.

Not a fault: dropout before the last weight, of features that are pooled or embedded, or that a closing norm hands on; one that is off
(``eval()``).

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10), torch.nn.Dropout(0.5))
    >>> batch = initium.Batch((torch.randn(256, 64),), target=torch.arange(256) % 10)
    >>> loss = torch.nn.functional.cross_entropy
    >>> initium.diagnose(model, batch, loss).findings[0].code
    'dropout'
    >>> before = torch.nn.Sequential(*model[:2], torch.nn.Dropout(0.5), model[2])
    >>> initium.diagnose(before, batch, loss).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several, share, shown
from initium.network import dropped
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Dropped, Network
    from initium.records import Signal

_MOST = 0.8


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for the answer's, and one for those that drop nearly everything."""
    every = dropped(network)
    ends = [each for each in every if each.answer]
    if ends and (signal.classes or signal.regression):
        yield _of_the_answer(ends[-1])
    large = [each for each in every if each.share > _MOST]
    if large:
        yield _large(large)


def _of_the_answer(last: Dropped) -> Finding:
    return Finding(
        code="dropout",
        severity="warning",
        layers=last.weights[-1:],
        message=f"The answer itself is dropped: {share(last.share)} of it is zero, whatever the network learns.",
        measured=last.share,
        expected=0.0,
        cause=f"dropout stands behind the last weight; what it leaves is multiplied by {shown(1 / (1 - last.share))}, and no weight follows that "
        "would sum over what is left.",
        cure="Take it out, or put it before the last weight.",
        remedy=Code("return self.last(self.dropout(h))  # and not self.dropout(self.last(h))"),
    )


def _large(large: list[Dropped]) -> Finding:
    most = max(each.share for each in large)
    return Finding(
        code="dropout",
        severity="warning",
        layers=tuple(dict.fromkeys(name for each in large for name in each.weights)),
        message=f"{several(len(large), 'dropout')} set {share(most)} to zero: the noise is {shown((most / (1 - most)) ** 0.5)} times as large as the "
        "signal.",
        measured=most,
        expected=0.5,
        cause=f"p is the share that is dropped, not the one that is kept: of 100 units {shown(100 * (1 - most))} hand something on.",
        cure=f"Drop {shown(1 - most)} if that was meant (p = 1 - keep_prob).",
        remedy=Code(f"dropout = torch.nn.Dropout({1 - most:g})"),
    )
