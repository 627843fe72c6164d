"""The networks, one file per paper. The only part of the viewer that imports torch, besides the worker process.

This file itself imports none of them: `NETWORKS` names factories, and `build` imports the one that is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

NETWORKS: dict[str, str] = {
    "hybrid_mt_estan": "cadviewer.models.nets.hybrid_mt_estan:build",
    "efficientnet_unet": "cadviewer.models.nets.efficientnet_unet:build",
    "mobilenet": "cadviewer.models.nets.rivals.classifiers:mobilenet",
    "densenet121": "cadviewer.models.nets.rivals.classifiers:densenet121",
    "vit": "cadviewer.models.nets.rivals.classifiers:vit",
    "swin": "cadviewer.models.nets.rivals.classifiers:swin",
    "sha_mtl": "cadviewer.models.nets.rivals.sha_mtl:build",
    "emt_net": "cadviewer.models.nets.rivals.emt_net:build",
    "chowdary": "cadviewer.models.nets.rivals.chowdary:build",
    "vgga_vit": "cadviewer.models.nets.rivals.vgga_vit:build",
    "residual_unet": "cadviewer.models.nets.rivals.residual_unet:build",
    "library_unet": "cadviewer.models.nets.rivals.library_unet:build",
    "outline": "cadviewer.models.nets.outline:build",
    "ssd": "cadviewer.models.nets.ssd:build",
}
"""Key of `ModelCard.network` → "module:factory"; factory(**card.config) gives a module whose forward gives a tuple."""

BACKBONES: dict[str, str] = {
    "mobilenet_v1": "timm:mobilenetv1_100",
    "mobilenet_v2": "timm:mobilenetv2_100",
    "inception_v2": "cadviewer.models.nets.inception_v2:InceptionV2Features",
    "efficientnet_lite0": "timm:tf_efficientnet_lite0",
    "resnet18": "timm:resnet18",
    "resnet50": "timm:resnet50",
    "resnet101": "timm:resnet101",
}
"""Name in the settings → "timm:its name there", or "module:factory" for a factory(input channels, strides)."""

MT_ESTAN_BASES = ("resnet50", "resnet18", "mobilenet_v2", "efficientnet_lite0")
"""Keys of `BACKBONES` that can be the base of MT-ESTAN (see `mt_estan_base.py`)."""


def build(network: str, config: Mapping[str, Any]) -> nn.Module:
    """The network of a model card, with fresh weights. Raises KeyError for a network that is not in the table."""
    module, _, factory = NETWORKS[network].partition(":")
    made: nn.Module = getattr(importlib.import_module(module), factory)(**config)
    return made
