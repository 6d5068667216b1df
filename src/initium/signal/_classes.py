"""Whether the loss is a classification, proved by its value and not guessed from shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional as F

from initium.records import PartRow
from initium.signal._objective import part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._inside import Compared

IGNORED = -100
# The recomputed loss may differ in the order of its sums; in half precision by a step of the loss itself.
_ROUNDINGS = 64


class Classification(NamedTuple):
    """The number of classes, the cross-entropy in nats of answering with the batch's own frequencies, and its targets."""

    classes: int
    prior_loss: float
    targets: int


def classification(output: object, batch: Batch, loss: Tensor | None) -> Classification | None:
    """What the loss would be for a network that knows the class frequencies and nothing else; ``None`` if unsure.

    Sure means: the mean cross-entropy of the output against the target, computed here, is the loss.

    Formula:
        ``prior_loss = -sum_c q_c log q_c`` with ``q_c`` the share of class ``c`` among the targets that count.
    """
    asked = compared(output, batch)
    if loss is None or asked is None:
        return None
    with torch.no_grad():
        return next(_proved(*asked, loss.detach()), None)


def rows_each(output: object, batch: Batch, samples: int) -> int:
    """How many targets a sample has, where scores are rows that go with them one by one, first sample first; else 0."""
    asked = compared(output, batch)
    if asked is None:
        return 0
    scores, target = asked
    paired = scores.ndim == 2 and target.shape[:1] == (samples,) and len(scores) == target.numel() > samples  # noqa: PLR2004 - rows, classes
    return target.numel() // samples if paired and samples > 1 else 0


def likelihoods(seen: Iterable[Compared]) -> tuple[PartRow, ...]:
    """The cross-entropies of scores inside of a loss of several parts, each beside what its frequencies would cost."""
    found: list[PartRow] = []
    for each in seen:
        scores, target = each.mine, each.theirs
        if each.kind == "cross-entropy" and not target.is_floating_point() and scores.ndim == 2 and target.ndim == 1:  # noqa: PLR2004
            if counts(scores, target):
                known = _of_labels(scores, target)
                loss = F.cross_entropy(scores.float(), target, ignore_index=IGNORED)
                found.append(PartRow(float(loss), *known))
            continue
        alike = each.kind == "chances" and scores.shape == target.shape and scores.is_floating_point()
        if alike and scores.numel() and bool(((target == 0) | (target == 1)).all()):
            loss = F.binary_cross_entropy_with_logits(scores.float(), target.float())
            share = target.double().mean(0 if _of_labels_apart(scores) else None)
            known = _entropy(torch.stack((share, 1 - share))) / share.numel()
            found.append(PartRow(float(loss), 2, known, target.numel() // share.numel()))
    return tuple(found)


def _of_labels_apart(scores: Tensor) -> bool:
    """Several numbers a sample are labels, each with a frequency of its own; one a sample, or one a place, are of one kind."""
    return scores.ndim == 2 and scores.shape[1] > 1  # noqa: PLR2004 - samples, labels


def compared(output: object, batch: Batch) -> tuple[Tensor, Tensor] | None:
    """What a loss of classes would compare: the output, or its logits, and the target, or the labels."""
    logits = output if isinstance(output, torch.Tensor) else part(output, "logits")
    target = batch.target if batch.target is not None else batch.kwargs.get("labels")
    if not isinstance(logits, torch.Tensor) or not isinstance(target, torch.Tensor):
        return None
    return logits.detach(), target


def _proved(logits: Tensor, target: Tensor, loss: Tensor) -> Iterator[Classification]:
    if logits.is_complex() or logits.ndim == 0 or logits.numel() == 0:
        return
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if target.is_floating_point():
        yield from _binary(logits, target, loss)
    elif target.dtype != torch.bool:
        for scores, labels in pairs(logits, target.long()):
            if counts(scores, labels) and same(F.cross_entropy(scores, labels, ignore_index=IGNORED), loss):
                yield _of_labels(scores, labels)


def pairs(logits: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Ways in which scores and labels are laid out: classes on axis 1, classes last, and last with labels one ahead."""
    if logits.ndim > 1 and logits.shape[:1] + logits.shape[2:] == target.shape:
        yield logits, target
    if logits.ndim > 2 and logits.shape[:-1] == target.shape:  # noqa: PLR2004 - batch, positions, classes
        yield logits.flatten(0, -2), target.flatten()
        yield logits[:, :-1].flatten(0, -2), target[:, 1:].flatten()
    if logits.ndim == 2 and logits.shape[0] == target.numel():  # noqa: PLR2004 - samples, classes
        yield logits, target.flatten()


def counts(scores: Tensor, labels: Tensor) -> bool:
    """Every label is a class or ignored, and some are not ignored."""
    kept = labels[labels != IGNORED]
    return kept.numel() > 0 and bool(((kept >= 0) & (kept < scores.shape[1])).all())


def _of_labels(scores: Tensor, labels: Tensor) -> Classification:
    seen = torch.bincount(labels[labels != IGNORED].flatten(), minlength=scores.shape[1])
    return Classification(scores.shape[1], _entropy(seen.double() / seen.sum()), int(seen.sum()))


def _binary(logits: Tensor, target: Tensor, loss: Tensor) -> Iterator[Classification]:
    """One output against zeros and ones, as logits or as probabilities."""
    one_output = logits.ndim == 1 or logits.shape[1] == 1
    if not one_output or logits.shape != target.shape or not bool(((target == 0) | (target == 1)).all()):
        return
    scores, labels = logits, target.to(logits.dtype)
    probable = bool(((scores >= 0) & (scores <= 1)).all())
    as_logits = same(F.binary_cross_entropy_with_logits(scores, labels), loss)
    if as_logits or (probable and same(F.binary_cross_entropy(scores, labels), loss)):
        share = labels.double().mean()
        yield Classification(2, _entropy(torch.stack((share, 1 - share))), labels.numel())


def same(mine: Tensor, loss: Tensor) -> bool:
    """Equal up to the rounding of the loss's own dtype."""
    eps: Any = torch.finfo(loss.dtype).eps
    return bool(torch.isclose(mine.double(), loss.double().reshape(()), rtol=_ROUNDINGS * eps, atol=0.0))


def _entropy(share: Tensor) -> float:
    return float(torch.special.entr(share).sum())
