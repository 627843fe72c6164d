"""VGGA-ViT-like: after Qu et al. 2022, "A VGG attention vision transformer network for benign and malignant
classification of breast ultrasound images", Medical Physics 49(9), doi:10.1002/mp.15852.

Its abstract says: a CNN module (VGG backbone, a feature extraction layer, a squeeze-and-excitation block) for local
features, a vision transformer for the relation between regions; it classifies and gives no mask. The paper was not
read; assumed are

- *VGG*: four stages of two or three 3×3 convolutions with batch normalisation and 2×2 max pooling (stride 16);
- *feature extraction layer*: a 1×1 convolution to the transformer's width, so that places are kept for the tokens;
- *squeeze-and-excitation* on its maps, which are then the transformer's tokens, with learnt positions and a class token
  (timm's blocks); the class token and the mean of the CNN's maps go to one dense layer;
- *no ImageNet weights*: the published ones belong to parts of other sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from timm.layers.squeeze_excite import SEModule
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from cadviewer.models.nets.breast_network import BreastNetwork, NetworkConfig, configure, no_mask
from cadviewer.models.nets.rivals.parts import Dense, conv


@dataclass(frozen=True)
class Config(NetworkConfig):
    """widths, convolutions: of the VGG stages; dim, depth, heads: of the transformer."""

    image_size: int = 224
    in_channels: int = 3
    widths: tuple[int, ...] = (64, 128, 256, 512)
    convolutions: tuple[int, ...] = (2, 2, 3, 3)
    dim: int = 768
    depth: int = 12
    heads: int = 12
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.image_size % 2 ** len(self.widths):
            raise ValueError(f"image_size must be a multiple of {2 ** len(self.widths)}, not {self.image_size}")


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {
        "image_size": 192, "in_channels": 1, "widths": (16, 32, 64, 128), "convolutions": (1, 2, 2, 2),
        "dim": 192, "depth": 6, "heads": 6,
    },
    "tiny": {
        "image_size": 64, "in_channels": 1, "widths": (4, 8, 8, 8), "convolutions": (1, 1, 1, 1),
        "dim": 16, "depth": 1, "heads": 2,
    },
}  # fmt: skip


class VggaVitLike(BreastNetwork):
    """See `BreastNetwork`: its mask has no channel."""

    title: ClassVar[str] = "VGGA-ViT-like"
    source: ClassVar[str] = "after doi:10.1002/mp.15852"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config: Config = config
        channels = config.in_channels
        layers: list[nn.Module] = []
        for width, count in zip(config.widths, config.convolutions, strict=True):
            for _ in range(count):
                layers.append(conv(channels, width))
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.vgg = nn.Sequential(*layers)
        self.extract = conv(channels, config.dim, 1)
        self.attend = SEModule(config.dim)
        tokens = (config.image_size // 2 ** len(config.widths)) ** 2
        self.first = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.place = nn.Parameter(0.02 * torch.randn(1, tokens + 1, config.dim))
        self.blocks = nn.Sequential(*(Block(config.dim, config.heads, qkv_bias=True) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.dim)
        self.drop = nn.Dropout(config.dropout)
        self.classify = Dense(2 * config.dim, (), 0)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        local = self.attend(self.extract(self.vgg(image)))  # (N, dim, S / 16, S / 16)
        tokens = local.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(tokens), -1, -1), tokens], 1) + self.place
        told = self.norm(self.blocks(tokens))[:, 0]
        logit = self.classify(self.drop(torch.cat([told, local.mean((2, 3))], 1)))
        return no_mask(image), logit


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> VggaVitLike:
    """A network of a preset; there are no pretrained weights, and `pretrained` changes nothing."""
    return VggaVitLike(configure(Config, PRESETS, preset, settings))
