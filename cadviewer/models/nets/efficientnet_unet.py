"""A U-Net on an encoder that knows photographs: EfficientNet-Lite0 going down, plain convolutions coming up.

U-Net (arXiv 1505.04597) with the encoder of EfficientNet (arXiv 1905.11946; Lite: without squeeze and excitation, and
with ReLU), whose ImageNet weights are Apache-2.0. The class head is ours: mean and maximum of the deepest map, and the
means of three maps under the predicted mask, through one hidden layer. About 3.9 M parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cadviewer.models.nets.backbones import STRIDES, backbone
from cadviewer.models.nets.breast_network import BreastNetwork, NetworkConfig, configure
from cadviewer.models.nets.rivals.parts import Dense, conv, full_size, under


@dataclass(frozen=True)
class Config(NetworkConfig):
    """backbone: name in `models.nets.BACKBONES`; decoder: widths at the strides 16, 8, 4 and 2.

    The mask is made at stride 2 and enlarged, bilinear.
    """

    image_size: int = 256
    in_channels: int = 1
    backbone: str = "efficientnet_lite0"
    decoder: tuple[int, ...] = (128, 64, 40, 24)
    hidden: int = 128
    dropout: float = 0.3


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {"image_size": 192},
    "tiny": {"image_size": 64, "decoder": (16, 8, 8, 8), "hidden": 8},
}


class EfficientnetUnet(BreastNetwork):
    """See `BreastNetwork`."""

    title: ClassVar[str] = "U-Net on EfficientNet-Lite0"
    source: ClassVar[str] = "arXiv 1505.04597, arXiv 1905.11946"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config: Config = config
        self.encoder_name = config.backbone
        features = backbone(config.backbone, config.in_channels, STRIDES)
        self.encoder = cast(nn.Module, features)
        *skips, deepest = features.channels
        self.decode = nn.ModuleList()
        width = deepest
        for skip, after in zip(reversed(skips), config.decoder, strict=True):
            self.decode.append(nn.Sequential(conv(width + skip, after), conv(after, after)))
            width = after
        self.segment = nn.Conv2d(width, 1, 1)
        seen = 3 * deepest + skips[-1] + config.decoder[0]
        self.classify = Dense(seen, (config.hidden,), config.dropout)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        *skips, deepest = self.encoder(image)
        up: list[Tensor] = []
        x = deepest
        for decode, skip in zip(self.decode, reversed(skips), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = decode(torch.cat([x, skip], 1))
            up.append(x)
        mask = self.segment(x)
        seen = [deepest.mean((2, 3)), deepest.amax((2, 3))]
        seen += [under(mask, m) for m in (deepest, skips[-1], up[0])]
        return full_size(mask, 2), self.classify(torch.cat(seen, 1))


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> EfficientnetUnet:
    """A network of a preset with fresh weights, whatever `pretrained` says: its trainer puts those of ImageNet in."""
    return EfficientnetUnet(configure(Config, PRESETS, preset, settings))
