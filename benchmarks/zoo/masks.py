"""Models of segmentation_models_pytorch, each on a small encoder."""

from __future__ import annotations

from functools import partial

import segmentation_models_pytorch as smp

from zoo.case import Case, images, runs

NAMES = (
    "Unet",
    "UnetPlusPlus",
    "MAnet",
    "Linknet",
    "FPN",
    "PSPNet",
    "DeepLabV3",
    "DeepLabV3Plus",
    "PAN",
    "UPerNet",
    "Segformer",
    "DPT",
)


def build(name: str) -> Case:
    """Three classes, pictures of 64 pixels."""
    given = {} if name == "DPT" else {"encoder_name": "resnet18"}
    model = getattr(smp, name)(encoder_weights=None, classes=3, **given).train()
    return runs(Case(model, (images(224 if name == "DPT" else 64),)))


MODELS = {name: partial(build, name) for name in NAMES if hasattr(smp, name)}
