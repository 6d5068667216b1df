"""Which positions of a batch count: padding does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

_NAMED = 5  # names that a sentence has at most


class Counting:
    """The positions of one batch that count, as they are asked for output by output.

    Attributes:
        mask: Truth values of the batch's first axes; ``None`` where all count.
        fits: True once the mask had the axes of an output.
        unfit: The weights of whose outputs it had not.
    """

    def __init__(self, mask: Tensor | None) -> None:
        self.mask, self.fits, self.unfit = mask, False, dict[str, None]()

    def at(self, value: Tensor, axis: int, name: str = "") -> Tensor | None:
        """Which of a value's positions count, its units left out; ``None`` for all of them.

        A mask of batch and time fits what has these two axes first, or both in one, or time before the batch. The ``name``
        is of the weight that the value is an output of.
        """
        if self.mask is None or value.ndim == 0:
            return None
        shape = [size for place, size in enumerate(value.shape) if place != axis % value.ndim]
        turned = self.mask.transpose(0, -1) if self.mask.ndim > 1 else self.mask
        for each in (self.mask, turned, self.mask.reshape(-1)):
            if shape[: each.ndim] == list(each.shape):
                self.fits = self.fits or bool(name)
                return each.reshape(*each.shape, *[1] * (len(shape) - each.ndim)).expand(shape)
        self.unfit |= {name: None} if name else {}
        return None


def check_masks(several: Sequence[Counting]) -> None:
    """After a sweep: a mask that has the axes of no output was a mask of something else.

    Raises:
        ArgumentError: Naming its shape, and the outputs.
    """
    for each in several:
        if each.mask is not None and each.unfit and not each.fits:
            raise ArgumentError(
                f"the mask has shape {tuple(each.mask.shape)}, and no output has these axes first, in this order or the last "
                f"one before the others; looked at were those of {_named(each.unfit)}. Nothing was changed. Give a mask of the "
                "batch's own first axes: (batch,) or (batch, time)."
            )


def mask_notes(several: Sequence[Counting]) -> Iterator[str]:
    """Where a mask did not fit, in words."""
    unfit = dict.fromkeys(name for each in several for name in each.unfit)
    if unfit:
        shapes = dict.fromkeys(str(tuple(each.mask.shape)) for each in several if each.mask is not None)
        yield (
            f"the mask {' or '.join(shapes)} fits no axes of the outputs of {_named(unfit)}: there every element was counted"
        )


def _named(several: Iterable[str]) -> str:
    names = [f"`{name}`" for name in several]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
