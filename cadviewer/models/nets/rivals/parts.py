"""Building blocks that several rivals share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cadviewer.models.nets.breast_network import BreastNetwork


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


class ResidualLevels(BreastNetwork):
    """The U of residual blocks that two rivals are made of: an encoder with strides, a decoder with plain skips."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        """channels: of what comes in; widths: of the levels, finest first, the last one the bridge's."""
        super().__init__()
        self.encode = nn.ModuleList()
        for k, width in enumerate(widths):
            self.encode.append(Residual(channels, width, stride=1 if k == 0 else 2))
            channels = width
        self.decode = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.decode.append(Residual(channels + width, width))
            channels = width
        self.segment = nn.Conv2d(channels, 1, 1)

    def levels(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(N, C, H, W) of every level on the way down (halved each time), and of every level on the way up."""
        down: list[Tensor] = []
        for encode in self.encode:
            x = encode(x)
            down.append(x)
        up: list[Tensor] = []
        for decode, skip in zip(self.decode, reversed(down[:-1]), strict=True):
            x = decode(torch.cat([twice(x), skip], 1))
            up.append(x)
        return down, up


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
