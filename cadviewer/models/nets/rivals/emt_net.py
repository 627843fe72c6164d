"""EMT-Net-like: after Shi et al. 2022, "EMT-NET: Efficient multitask network for computer-aided diagnosis of breast
cancer", ISBI 2022, arXiv 2201.04795.

Its abstract says: an efficient and light-weighted architecture; a segmentation task is put into a classification
network, so that the backbone learns the tumour's region; a loss that balances sensitivity and specificity. The paper
was not read; assumed are

- *backbone*: MobileNetV2 (timm's), whose last maps are pooled into one dense layer for the class;
- *segmentation*: a light decoder of depthwise separable convolutions over the backbone's five resolutions;
- *its loss* is not used: all rows of our table share one, and `positive_weight` plays the balancing part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cadviewer.models.nets.breast_network import BreastNetwork, NetworkConfig, configure, timm_model
from cadviewer.models.nets.rivals.parts import Dense, conv, twice


@dataclass(frozen=True)
class Config(NetworkConfig):
    """backbone: a timm model with five resolutions; decoder: widths, deepest first."""

    image_size: int = 256
    in_channels: int = 3
    backbone: str = "mobilenetv2_100"
    decoder: tuple[int, ...] = (256, 128, 64, 32)
    dropout: float = 0.3


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {"image_size": 192, "in_channels": 1, "decoder": (64, 48, 32, 16)},
    "tiny": {"image_size": 64, "in_channels": 1, "backbone": "mobilenetv2_035", "decoder": (8, 8, 8, 8)},
}


def separable(channels_in: int, channels_out: int) -> nn.Sequential:
    """A depthwise 3×3 and a 1×1 convolution."""
    return nn.Sequential(conv(channels_in, channels_in, groups=channels_in), conv(channels_in, channels_out, 1))


class EmtNetLike(BreastNetwork):
    """See `BreastNetwork`. The mask is made at half the input's resolution and up-sampled."""

    title: ClassVar[str] = "EMT-Net-like"
    source: ClassVar[str] = "after arXiv 2201.04795"

    def __init__(self, config: Config, *, pretrained: bool = False) -> None:
        super().__init__()
        self.config: Config = config
        self.backbone = timm_model(
            config.backbone, pretrained=pretrained, in_chans=config.in_channels, features_only=True
        )
        *skips, channels = self.backbone.feature_info.channels()
        self.classify = Dense(channels, (), 0)
        self.drop = nn.Dropout(config.dropout)
        self.decode = nn.ModuleList()
        for width, skip in zip(config.decoder, reversed(skips), strict=True):
            self.decode.append(separable(channels + skip, width))
            channels = width
        self.segment = nn.Conv2d(channels, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        *skips, x = self.backbone(image)  # strides 2, 4, 8, 16, 32
        logit = self.classify(self.drop(x.mean((2, 3))))
        for decode, skip in zip(self.decode, reversed(skips), strict=True):
            x = decode(torch.cat([twice(x), skip], 1))
        return twice(self.segment(x).float()), logit


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> EmtNetLike:
    """A network of a preset. `pretrained`: with the backbone's ImageNet weights, where they can be had."""
    return EmtNetLike(configure(Config, PRESETS, preset, settings), pretrained=pretrained)
