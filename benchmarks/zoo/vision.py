"""One model of every family of timm: the smallest of its first ones."""

from __future__ import annotations

from functools import partial

import timm
import torch
from timm.models import list_models, list_modules

from zoo.case import CLASSES, Case, images, runs

TRIED, SIZES = 6, (64, 96, 128, 224, 256)


def smallest(family: str) -> str:
    """Of the family's first names, that with the fewest parameters."""

    def elements(name: str) -> int:
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=CLASSES)
        return sum(parameter.numel() for parameter in model.parameters())

    names = sorted(list_models(module=family), key=lambda name: (len(name), name))
    return min(names[:TRIED], key=elements)


def build(family: str) -> Case:
    """On the smallest pictures that it takes."""
    name, failed = smallest(family), None
    for size in SIZES:
        for given in ({"img_size": size}, {}):
            try:
                model = timm.create_model(name, num_classes=CLASSES, **given).train()
                return runs(Case(model, (images(size, model.pretrained_cfg["input_size"][0]),)))
            except (TypeError, RuntimeError, ValueError, AssertionError) as error:
                failed = error
    message = f"{name} takes none of the sizes"
    raise RuntimeError(message) from failed


MODELS = {family: partial(build, family) for family in list_modules() if list_models(module=family)}
