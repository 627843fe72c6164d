"""A plain residual U-Net with a class head pooled under its mask: the baseline that Hybrid-MT-ESTAN has to beat.

U-Net (arXiv 1505.04597) with residual blocks (arXiv 1512.03385); the head is ours: the means of the bottleneck over the
whole image and of three levels under the predicted mask go through one hidden layer. About 3.4 M parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from cadviewer.models.nets.breast_network import NetworkConfig, configure
from cadviewer.models.nets.rivals.parts import Dense, ResidualLevels, fold_in, full_size, under


@dataclass(frozen=True)
class Config(NetworkConfig):
    """widths: of the levels, finest first; unshuffle: see `Hybrid-MT-ESTAN`'s."""

    image_size: int = 256
    in_channels: int = 1
    widths: tuple[int, ...] = (24, 48, 96, 160, 224, 320)
    hidden: int = 128
    dropout: float = 0.3
    unshuffle: int = 1


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {"image_size": 192, "widths": (24, 48, 96, 160, 272), "unshuffle": 2},
    "tiny": {"image_size": 64, "widths": (4, 8, 8, 8, 8), "hidden": 8, "unshuffle": 2},
}
"""`paper` works on whole resolution with one level more."""


class ResidualUnet(ResidualLevels):
    """See `BreastNetwork`."""

    title: ClassVar[str] = "Residual U-Net"
    source: ClassVar[str] = "arXiv 1505.04597"

    def __init__(self, config: Config) -> None:
        super().__init__(config.in_channels * config.unshuffle**2, config.widths)
        self.config: Config = config
        last = config.widths[-1]
        self.classify = Dense(2 * last + config.widths[-2] + config.widths[-3], (config.hidden,), config.dropout)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        down, up = self.levels(fold_in(image, self.config.unshuffle))
        mask, deepest = self.segment(up[-1]), down[-1]
        seen = [deepest.mean((2, 3)), under(mask, deepest), under(mask, up[0]), under(mask, up[1])]
        return full_size(mask, self.config.unshuffle), self.classify(torch.cat(seen, 1))


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> ResidualUnet:
    """A network of a preset; there are no pretrained weights, and `pretrained` changes nothing."""
    return ResidualUnet(configure(Config, PRESETS, preset, settings))
