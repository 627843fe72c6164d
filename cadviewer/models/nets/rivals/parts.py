"""Building blocks that several rivals share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(channels_in: int, channels_out: int, kernel: int = 3, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; 'same' but for the stride."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3×3 convolutions with a way around them: (N, C, H, W) → (N, width, H / stride, W / stride)."""

    def __init__(self, channels_in: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(channels_in, width, stride=stride),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        same = channels_in == width and stride == 1
        self.around: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(channels_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.around(x))


def twice(x: Tensor) -> Tensor:
    """(N, C, 2H, 2W), bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def fold_in(image: Tensor, factor: int) -> Tensor:
    """Resolution turned into channels, as the compact Hybrid-MT-ESTAN does it: (N, C·f², S/f, S/f)."""
    return F.pixel_unshuffle(image, factor) if factor > 1 else image


def full_size(mask: Tensor, factor: int) -> Tensor:
    """Mask logits at the input's resolution again, float32."""
    return (
        F.interpolate(mask.float(), scale_factor=factor, mode="bilinear", align_corners=False) if factor > 1 else mask
    )


def under(mask: Tensor, features: Tensor) -> Tensor:
    """(N, C) mean of (N, C, h, w) features weighted by the probability of (N, 1, H, W) mask logits, which are detached.

    The classifier looks where the decoder points, and does not move it.
    """
    weight = F.adaptive_avg_pool2d(torch.sigmoid(mask.detach().float()), (features.shape[-2], features.shape[-1]))
    weight = weight.to(features.dtype)
    return (features * weight).sum((2, 3)) / (weight.sum((2, 3)) + 1e-2 * features.shape[-1])


class Dense(nn.Module):
    """Fully connected layers with ReLU and dropout between, to one logit: (N, C) → (N,)."""

    def __init__(self, channels_in: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(channels_in, width), nn.ReLU(), nn.Dropout(dropout)]
            channels_in = width
        self.layers = nn.Sequential(*layers, nn.Linear(channels_in, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x).squeeze(1)
        return out
