"""Models of torchvision: of every family of classifiers and of segmenters the smallest."""

from __future__ import annotations

from functools import partial
from typing import Any

import torchvision

from zoo.case import CLASSES, Case, images, runs

NAMES = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn", "vit_b_16"),
    *("wide_resnet50_2", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large", "fcn_resnet50"),
)
SIZES = (64, 96, 224, 299)


def build(name: str) -> Case:
    """On the smallest pictures that it takes."""
    failed: Exception | None = None
    for size in SIZES:
        given: dict[str, Any] = (
            {"weights_backbone": None}
            if name in torchvision.models.list_models(torchvision.models.segmentation)
            else {}
        )
        if name == "vit_b_16":
            given["image_size"] = size
        try:
            model = torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **given).train()
            return runs(Case(model, (images(size),)))
        except (RuntimeError, ValueError, AssertionError) as error:
            failed = error
    message = f"{name} takes none of the sizes"
    raise RuntimeError(message) from failed


MODELS = {name: partial(build, name) for name in NAMES}
