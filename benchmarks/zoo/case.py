"""A model with a batch, and a loss for whatever it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

CLASSES, SAMPLES = 10, 4


@dataclass(frozen=True, slots=True)
class Case:
    """A model and what it takes.

    Attributes:
        model: In training mode.
        batch: As initium takes it: a tuple of positional arguments, or a dict of keyword arguments.
    """

    model: nn.Module
    batch: tuple[Any, ...] | dict[str, Any]

    def output(self) -> Any:  # noqa: ANN401 - whatever the model gives
        """One forward pass."""
        return self.model(**self.batch) if isinstance(self.batch, dict) else self.model(*self.batch)


def loss(output: Any) -> Tensor:  # noqa: ANN401 - as above
    """The model's own loss, or the cross-entropy of scores at random classes, or the distance of anything else to noise."""
    own = getattr(output, "loss", None)
    if isinstance(own, Tensor) and own.numel() == 1:
        return own
    value = max(tensors(output), key=lambda each: each.requires_grad)
    generator = torch.Generator().manual_seed(0)
    if value.dim() == 2 and value.shape[1] > 1:  # noqa: PLR2004 - samples by classes
        return F.cross_entropy(value, torch.randint(value.shape[1], value.shape[:1], generator=generator))
    real = torch.view_as_real(value) if value.is_complex() else value
    return F.mse_loss(real, torch.randn(real.shape, generator=generator))


def above(output: Any) -> float | None:  # noqa: ANN401 - as above
    """How far its cross-entropy is above that of guessing, over all classes alike; None where it gives no scores."""
    scores = getattr(output, "logits", None)
    if scores is None and not isinstance(getattr(output, "loss", None), Tensor):
        scores = max(tensors(output), key=lambda each: each.requires_grad)
        scores = scores if scores.dim() == 2 else None  # noqa: PLR2004 - samples by classes
    if not isinstance(scores, Tensor) or scores.shape[-1] < 2:  # noqa: PLR2004 - one score is no choice
        return None
    scores = scores.detach().double()
    return float((scores.logsumexp(-1) - scores.mean(-1)).mean()) - math.log(scores.shape[-1])


def tensors(output: Any) -> Iterator[Tensor]:  # noqa: ANN401 - as above
    """Every floating tensor in it."""
    if isinstance(output, Tensor):
        if output.is_floating_point() or output.is_complex():
            yield output
        return
    each: Any = ()
    if isinstance(output, dict):
        each = output.values()
    elif isinstance(output, (list, tuple)):
        each = output
    elif is_dataclass(output) or hasattr(output, "__dict__"):
        each = vars(output).values()
    for value in each:
        yield from tensors(value)


def images(size: int, channels: int = 3, samples: int = SAMPLES) -> Tensor:
    """Noise of the size of prepared pictures."""
    return torch.randn(samples, channels, size, size, generator=torch.Generator().manual_seed(0))


def whole(high: int, *shape: int, low: int = 0) -> Tensor:
    """Whole numbers below ``high``."""
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(0))


def runs(case: Case) -> Case:
    """The case, whose own passes are to run; what they raise says why it is none."""
    values = {name: value.clone() for name, value in case.model.state_dict().items()}
    loss(case.output()).backward()
    case.model.zero_grad()
    case.model.load_state_dict(values)
    return case
