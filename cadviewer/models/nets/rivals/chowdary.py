"""Chowdary-like: after Chowdary et al. 2022, "A Multi-Task Learning Framework for Automated Segmentation and
Classification of Breast Tumors From Ultrasound Images", Ultrasonic Imaging 44(1), doi:10.1177/01617346221075769.

Its abstract says: encoder, decoder and bridge blocks for segmentation, a dense branch for classification, and
multi-scale features from different levels of the network for the latter. The paper was not read; assumed are

- *encoder, bridge, decoder*: residual blocks with strides, bilinear up-sampling, plain skips;
- *dense branch*: the mean of every level (encoder, bridge and decoder) goes through fully connected layers;
- *widths, losses*: our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from cadviewer.models.nets.breast_network import NetworkConfig, configure
from cadviewer.models.nets.rivals.parts import Dense, ResidualLevels, fold_in, full_size


@dataclass(frozen=True)
class Config(NetworkConfig):
    """widths: of the encoder's levels, the last one the bridge's; dense: widths of the classifying branch."""

    image_size: int = 256
    in_channels: int = 3
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    dense: tuple[int, ...] = (256, 64)
    dropout: float = 0.5
    unshuffle: int = 1


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {"image_size": 192, "in_channels": 1, "widths": (24, 48, 96, 160, 224), "unshuffle": 2},
    "tiny": {"image_size": 64, "in_channels": 1, "widths": (4, 8, 8, 8, 8), "dense": (8,), "unshuffle": 2},
}


class ChowdaryLike(ResidualLevels):
    """See `BreastNetwork`."""

    title: ClassVar[str] = "Chowdary-like"
    source: ClassVar[str] = "after doi:10.1177/01617346221075769"

    def __init__(self, config: Config) -> None:
        super().__init__(config.in_channels * config.unshuffle**2, config.widths)
        self.config: Config = config
        every_level = sum(config.widths) + sum(config.widths[:-1])
        self.dense = Dense(every_level, config.dense, config.dropout)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        down, up = self.levels(fold_in(image, self.config.unshuffle))
        logit = self.dense(torch.cat([level.mean((2, 3)) for level in (*down, *up)], 1))
        return full_size(self.segment(up[-1]), self.config.unshuffle), logit


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> ChowdaryLike:
    """A network of a preset; there are no pretrained weights, and `pretrained` changes nothing."""
    return ChowdaryLike(configure(Config, PRESETS, preset, settings))
