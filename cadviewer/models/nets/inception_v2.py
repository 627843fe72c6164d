"""InceptionV2, i.e. BN-Inception (Ioffe and Szegedy, arXiv 1502.03167, appendix "Variant of the Inception model").

The layer table is that of TF-slim's `inception_v2`, which the object detection configurations build on: maps are taken
at Mixed_3c (stride 8), Mixed_4c (16) and Mixed_5c (32). One departure: the first 7×7 convolution is dense, not
separable, since there is one input channel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# name: (1×1), (1×1 → 3×3), (1×1 → 3×3 → 3×3), (pool → 1×1); output is their sum
MIXED: dict[str, tuple[int, tuple[int, int], tuple[int, int], int, str]] = {
    "3b": (64, (64, 64), (64, 96), 32, "average"),
    "3c": (64, (64, 96), (64, 96), 64, "average"),
    "4b": (224, (64, 96), (96, 128), 128, "average"),
    "4c": (192, (96, 128), (96, 128), 128, "average"),
    "4d": (160, (128, 160), (128, 160), 96, "average"),
    "4e": (96, (128, 192), (160, 192), 96, "average"),
    "5b": (352, (192, 320), (160, 224), 128, "average"),
    "5c": (352, (192, 320), (192, 224), 128, "max"),
}
# name: (1×1 → 3×3 stride 2), (1×1 → 3×3 → 3×3 stride 2), (max pool stride 2)
REDUCE: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "4a": ((128, 160), (64, 96)),
    "5a": ((128, 192), (192, 256)),
}


def unit(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Mixed(nn.Module):
    """Four branches side by side, (n, c, h, w) → (n, sum of widths, h, w)."""

    def __init__(
        self, channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int, pool: str
    ) -> None:
        super().__init__()
        self.one = unit(channels, one, 1)
        self.three = nn.Sequential(unit(channels, three[0], 1), unit(three[0], three[1], 3))
        self.five = nn.Sequential(unit(channels, five[0], 1), unit(five[0], five[1], 3), unit(five[1], five[1], 3))
        pooling = nn.AvgPool2d(3, 1, 1) if pool == "average" else nn.MaxPool2d(3, 1, 1)
        self.pooled = nn.Sequential(pooling, unit(channels, pooled, 1))
        self.channels = one + three[1] + five[1] + pooled

    def forward(self, x: Tensor) -> Tensor:
        """Concatenation of the branches."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)


class Reduce(nn.Module):
    """Three branches that halve the map, (n, c, h, w) → (n, sum of widths + c, ⌈h/2⌉, ⌈w/2⌉)."""

    def __init__(self, channels: int, three: tuple[int, int], five: tuple[int, int]) -> None:
        super().__init__()
        self.three = nn.Sequential(unit(channels, three[0], 1), unit(three[0], three[1], 3, 2))
        self.five = nn.Sequential(unit(channels, five[0], 1), unit(five[0], five[1], 3), unit(five[1], five[1], 3, 2))
        self.pooled = nn.MaxPool2d(3, 2, 1)
        self.channels = three[1] + five[1] + channels

    def forward(self, x: Tensor) -> Tensor:
        """Concatenation of the branches."""
        return torch.cat([self.three(x), self.five(x), self.pooled(x)], 1)


class InceptionV2Features(nn.Module):
    """Maps of the asked strides; layers after the last one are not built."""

    def __init__(self, channels_in: int, strides: Sequence[int]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.stages = nn.ModuleDict({"2": unit(channels_in, 64, 7, 2)})
        self.stages["4"] = nn.Sequential(nn.MaxPool2d(3, 2, 1), unit(64, 64, 1), unit(64, 192, 3))
        widths = {2: 64, 4: 192}
        chains = {8: ("3b", "3c"), 16: ("4a", "4b", "4c"), 32: ("4d", "4e", "5a", "5b", "5c")}
        width = 192
        for stride, names in chains.items():
            if stride > max(strides):
                break
            layers: list[nn.Module] = [nn.MaxPool2d(3, 2, 1)] if stride == 8 else []
            for name in names:
                layer = Reduce(width, *REDUCE[name]) if name in REDUCE else Mixed(width, *MIXED[name])
                layers.append(layer)
                width = layer.channels
            self.stages[str(stride)] = nn.Sequential(*layers)
            widths[stride] = width
        self.channels = tuple(widths[s] for s in strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, channels, h, w) → maps, finest first."""
        maps = []
        for stride, stage in self.stages.items():
            x = stage(x)
            if int(stride) in self.strides:
                maps.append(x)
        return maps
