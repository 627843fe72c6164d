"""A strong segmentation baseline from a library: U-Net with a residual encoder and attention, and a class head.

segmentation-models-pytorch (MIT), an optional extra (`pip install "cadviewer[rivals]"`). Chosen over MONAI
(Apache-2.0), the other well-kept one, since its 2-D networks take any encoder of timm with its ImageNet weights, have a
class head of their own, and add one small package to what is installed anyway; MONAI is made for volumes.

`paper`: U-Net with a ResNet34 encoder; `compact`: with ResNet10-T. Both with scSE attention (arXiv 1803.02579) in the
decoder; the class head is the library's: pooled encoder features, dropout, one dense layer.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from cadviewer.models.nets.breast_network import BreastNetwork, NetworkConfig, configure, log


@dataclass(frozen=True)
class Config(NetworkConfig):
    """architecture: a class of the library; encoder: a name that it knows; decoder: widths, deepest first."""

    image_size: int = 256
    in_channels: int = 3
    architecture: str = "Unet"
    encoder: str = "tu-resnet34"
    decoder: tuple[int, ...] = (256, 128, 64, 32, 16)
    dropout: float = 0.3


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {
        "image_size": 192, "in_channels": 1, "encoder": "tu-resnet10t", "decoder": (128, 64, 48, 24, 16),
    },
    "tiny": {"image_size": 64, "in_channels": 1, "encoder": "tu-resnet10t", "decoder": (16, 16, 16, 16, 16)},
}  # fmt: skip


class LibraryUnet(BreastNetwork):
    """See `BreastNetwork`. Raises ImportError where the library is not installed."""

    title: ClassVar[str] = "U-Net (segmentation-models-pytorch)"
    source: ClassVar[str] = "https://github.com/qubvel-org/segmentation_models.pytorch"

    def __init__(self, config: Config, *, pretrained: bool = False) -> None:
        super().__init__()
        self.config: Config = config
        library = importlib.import_module("segmentation_models_pytorch")
        arguments: dict[str, Any] = {
            "encoder_name": config.encoder,
            "in_channels": config.in_channels,
            "classes": 1,
            "decoder_channels": config.decoder,
            "decoder_attention_type": "scse",
            "aux_params": {"classes": 1, "dropout": config.dropout},
        }
        make = getattr(library, config.architecture)
        if pretrained:
            try:
                self.net = make(encoder_weights="imagenet", **arguments)
                return
            except Exception as error:  # noqa: BLE001 - hub clients raise many kinds; training can go on without
                kind = type(error).__name__
                log.warning("no ImageNet weights for %s (%s): training it from scratch", config.encoder, kind)
        self.net = make(encoder_weights=None, **arguments)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        mask, logit = self.net(image)
        return mask, logit.squeeze(1)


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> LibraryUnet:
    """A network of a preset. `pretrained`: with the encoder's ImageNet weights, where they can be had."""
    return LibraryUnet(configure(Config, PRESETS, preset, settings), pretrained=pretrained)
