"""Real data that need no download, for ``auto_training.py``: digits of scikit-learn, docstrings of Python."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Digits of 8 x 8 at random places of a square of SIDE; characters in windows of LENGTH.
SIDE, LENGTH, IMAGES, WINDOWS, CLASSES = 12, 32, 32, 16, 10
MODULES = (
    "argparse collections decimal difflib doctest email json logging pathlib random statistics string typing unittest"
)


@dataclass(frozen=True, slots=True)
class Task:
    """What is learnt.

    Attributes:
        draws: From a generator, one batch: what the model takes, and what it is compared with.
        loss: Of the model's output and the latter.
        guess: The loss of who knows nothing: log K, or of a reconstruction the mean square.
    """

    draws: Callable[[torch.Generator], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]
    guess: float


@cache
def digits() -> tuple[Tensor, Tensor]:
    """All 1,797 digits of scikit-learn with mean 0 and std 1, and what they show."""
    images, labels = load_digits(return_X_y=True)
    found = torch.tensor(images, dtype=torch.float32).reshape(-1, 8, 8)
    return (found - found.mean()) / found.std(), torch.tensor(labels)


def _images(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Digits, each at a place of its own, so that no model knows them by heart after a few hundred steps."""
    images, labels = digits()
    chosen = torch.randint(len(images), (IMAGES,), generator=generator)
    places = torch.randint(SIDE - 7, (2, IMAGES), generator=generator)
    steps = torch.arange(8)
    batch = torch.full((IMAGES, SIDE, SIDE), float(images.min()))
    rows, columns = (place[:, None] + steps for place in places)
    batch[torch.arange(IMAGES)[:, None, None], rows[:, :, None], columns[:, None, :]] = images[chosen]
    return batch[:, None], labels[chosen]


@cache
def characters() -> tuple[Tensor, int]:
    """The docstrings of some of Python's own modules as numbers of characters, and how many there are."""
    text = "\n".join(_docstrings())
    letters = sorted(set(text))
    return torch.tensor([letters.index(each) for each in text]), len(letters)


def _docstrings() -> Iterator[str]:
    for name in MODULES.split():
        module = importlib.import_module(name)
        inner = [info.name for info in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}.")]
        for each in (module, *(importlib.import_module(part) for part in inner if not part.endswith("__main__"))):
            held = [
                value for _, value in sorted(vars(each).items()) if inspect.isclass(value) or inspect.isroutine(value)
            ]
            for value in (each, *(value for value in held if value.__module__ == each.__name__)):
                text = inspect.getdoc(value) or ""
                yield "".join(letter for letter in text if letter == "\n" or " " <= letter <= "~")


def _text(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows of text, and the same one character on."""
    text, _ = characters()
    begins = torch.randint(len(text) - LENGTH, (WINDOWS,), generator=generator)
    windows = text[begins[:, None] + torch.arange(LENGTH + 1)]
    return windows[:, :-1], windows[:, 1:]


def _per_character(logits: Tensor, wanted: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())


def _itself(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images, _ = _images(generator)
    return images, images


SEEN = Task(_images, F.cross_entropy, math.log(CLASSES))


def read() -> Task:
    """Characters."""
    return Task(_text, _per_character, math.log(characters()[1]))


def again() -> Task:
    """Digits out of 16 numbers."""
    images = torch.cat([_images(torch.Generator().manual_seed(seed))[0] for seed in range(20)])
    return Task(_itself, F.mse_loss, float(images.square().mean()))
