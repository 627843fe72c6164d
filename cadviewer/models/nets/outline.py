"""A small U-Net (Ronneberger et al., arXiv 1505.04597) that outlines the nodule in a box.

§2 of the paper, made small: four levels instead of five, a quarter of the width, padded 3×3 convolutions with batch
normalisation, and nearest-neighbour upsampling with a 1×1 convolution in the place of the transposed convolution.
What goes in is made by `cadviewer.models.nodules.outline.OutlinePatch.planes`: the patch, the square of the box in it,
and the box's scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 112)


class Block(nn.Sequential):
    """Two 3×3 convolutions, each with batch normalisation and ReLU (§2, "contracting path")."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        layers: list[nn.Module] = []
        for first in (channels_in, channels_out):
            layers += [
                nn.Conv2d(first, channels_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels_out),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


class OutlineNet(nn.Module):
    """(n, 3, s, s) patches → ((n, 1, s, s) logits,); s must be a multiple of 2^(levels − 1)."""

    def __init__(self, channels: int = 3, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.down = nn.ModuleList(Block(a, b) for a, b in pairwise([channels, *widths]))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(Block(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], 1, 1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -2.0)  # most of a patch is not nodule

    def forward(self, patches: Tensor) -> tuple[Tensor]:
        """See the class."""
        maps: list[Tensor] = []
        x = patches
        for k, block in enumerate(self.down):
            x = block(x if k == 0 else functional.max_pool2d(x, 2))
            maps.append(x)  # (n, widths[k], s / 2^k, s / 2^k)
        for k in range(len(self.up) - 1, -1, -1):
            wide = functional.interpolate(self.narrow[k](x), scale_factor=2.0, mode="nearest")
            x = self.up[k](torch.cat([maps[k], wide], dim=1))
        return (self.head(x),)


def build(channels: int = 3, widths: Sequence[int] = WIDTHS) -> OutlineNet:
    """See `models.nets.NETWORKS`."""
    return OutlineNet(channels, tuple(widths))
