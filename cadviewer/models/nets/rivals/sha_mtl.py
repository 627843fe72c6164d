"""SHA-MTL-like: after Zhang et al. 2021, "SHA-MTL: soft and hard attention multi-task learning for automated breast
cancer ultrasound image segmentation and classification", doi:10.1007/s11548-021-02445-7.

Its abstract says: a dense CNN encoder and an up-sampling decoder, connected by attention-gated units (soft attention);
soft and hard attention guide segmentation and binary classification. The paper was not read; assumed are

- *encoder*: five dense blocks (DenseNet without bottlenecks) with 2×2 mean pooling and halving 1×1 transitions between;
- *soft attention*: the additive gates of Attention U-Net (arXiv 1804.03999) on every skip;
- *hard attention*: the predicted mask, cut at one half and widened, multiplies the encoder's last features before they
  are pooled; pooled features of the whole image are beside them, so that a missed lesion is not the end;
- *decoder*: bilinear up-sampling and two convolutions a level; *losses, widths*: those of this trainer, our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cadviewer.models.nets.breast_network import BreastNetwork, NetworkConfig, configure
from cadviewer.models.nets.rivals.parts import Dense, conv, fold_in, full_size, twice


@dataclass(frozen=True)
class Config(NetworkConfig):
    """stem: channels before the first block; layers, growth: of the dense blocks; decoder: widths, deepest first."""

    image_size: int = 256
    in_channels: int = 3
    stem: int = 64
    layers: tuple[int, ...] = (4, 6, 8, 10, 8)
    growth: int = 32
    decoder: tuple[int, ...] = (256, 128, 64, 32)
    unshuffle: int = 1
    dropout: float = 0.5


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {
        "image_size": 192, "in_channels": 1, "stem": 32, "layers": (2, 4, 6, 8, 8), "growth": 16,
        "decoder": (96, 64, 32, 24), "unshuffle": 2,
    },
    "tiny": {
        "image_size": 64, "in_channels": 1, "stem": 8, "layers": (1, 1, 1, 1, 1), "growth": 4,
        "decoder": (8, 8, 8, 8), "unshuffle": 2,
    },
}  # fmt: skip


class DenseBlock(nn.Module):
    """Layers that each see all maps before them: (N, C, H, W) → (N, C + layers · growth, H, W)."""

    def __init__(self, channels_in: int, layers: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv(channels_in + k * growth, growth) for k in range(layers))
        self.channels = channels_in + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class AttentionGate(nn.Module):
    """A skip weighted by what the coarser map says of it; both at the skip's resolution."""

    def __init__(self, skip: int, gate: int) -> None:
        super().__init__()
        width = max(4, skip // 2)
        self.skip, self.gate = nn.Conv2d(skip, width, 1, bias=False), nn.Conv2d(gate, width, 1)
        self.weigh = nn.Conv2d(width, 1, 1)

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        return skip * torch.sigmoid(self.weigh(F.relu(self.skip(skip) + self.gate(gate))))


class ShaMtlLike(BreastNetwork):
    """See `BreastNetwork`."""

    title: ClassVar[str] = "SHA-MTL-like"
    source: ClassVar[str] = "after doi:10.1007/s11548-021-02445-7"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config: Config = config
        channels = config.stem
        self.stem = conv(config.in_channels * config.unshuffle**2, channels)
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        skips = []
        for layers in config.layers:
            block = DenseBlock(channels, layers, config.growth)
            channels = block.channels // 2
            self.blocks.append(block)
            self.transitions.append(conv(block.channels, channels, 1))
            skips.append(channels)
        self.features = skips.pop()
        self.gates, self.decode = nn.ModuleList(), nn.ModuleList()
        for width, skip in zip(config.decoder, reversed(skips), strict=True):
            self.gates.append(AttentionGate(skip, channels))
            self.decode.append(nn.Sequential(conv(channels + skip, width), conv(width, width)))
            channels = width
        self.segment = nn.Conv2d(channels, 1, 1)
        self.classify = Dense(2 * self.features, (self.features,), config.dropout)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(fold_in(image, self.config.unshuffle))
        skips: list[Tensor] = []
        for k, (block, transition) in enumerate(zip(self.blocks, self.transitions, strict=True)):
            x = transition(block(x if k == 0 else F.avg_pool2d(x, 2)))
            skips.append(x)
        deepest = skips.pop()  # (N, features, S / 16, S / 16)
        for gate, decode, skip in zip(self.gates, self.decode, reversed(skips), strict=True):
            x = twice(x)
            x = decode(torch.cat([x, gate(skip, x)], 1))
        mask = self.segment(x)
        cut = (mask.detach() > 0).to(deepest.dtype)
        hard = F.adaptive_max_pool2d(cut, deepest.shape[-2:])  # a cell counts when any of its pixels does
        hard = F.max_pool2d(hard, 3, 1, 1)
        inside = (deepest * hard).sum((2, 3)) / (hard.sum((2, 3)) + 1)
        logit = self.classify(torch.cat([inside, deepest.mean((2, 3))], 1))
        return full_size(mask, self.config.unshuffle), logit


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> ShaMtlLike:
    """A network of a preset; there are no pretrained weights, and `pretrained` changes nothing."""
    return ShaMtlLike(configure(Config, PRESETS, preset, settings))
