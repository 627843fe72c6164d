"""SSD: Single Shot MultiBox Detector (Liu et al., arXiv 1512.02325) for lung nodules, after Abdullah et al.

§2.1 Model: a truncated backbone, feature maps of several sizes, and for each map a 3×3 convolution that gives, for
each of K default boxes in each of m × n cells, C class scores and 4 offsets: (C + 4)·K·m·n outputs.
§2.2 Training is in `trainers.nodules.trainer`; default boxes, decoding and suppression are in
`cadviewer.models.nodules.boxes`.

Two kinds of maps: "extras" as published (the backbone's own maps, of strides 16 and 32 there, then four more halved
each time), and "topdown" as it ships (strides 4, 8 and 16 joined from coarse to fine as in FPN, arXiv 1612.03144 §3,
since a nodule of 4 px is one cell at stride 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cadviewer.models.nets.backbones import STRIDES
from cadviewer.models.nets.backbones import backbone as make_backbone
from cadviewer.models.nodules.boxes import Level, levels

EXTRAS = (512, 256, 256, 128)
"""Widths of the added maps in the TF object detection configurations that the paper used."""


def conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Kept(nn.Module):
    """The channels of each map that feature selection left; no weights."""

    def __init__(self, channels: Sequence[int], keep: Sequence[Sequence[int]] | None) -> None:
        """Raises ValueError for channels that the maps do not have."""
        super().__init__()
        self.channels = tuple(channels) if keep is None else tuple(len(k) for k in keep)
        self.count = 0 if keep is None else len(keep)
        for number, (width, indices) in enumerate(zip(channels, keep or [()] * len(channels), strict=True)):
            if keep is not None and (not indices or min(indices) < 0 or max(indices) >= width):
                raise ValueError(f"keep: map {number} has channels 0 to {width - 1}, and at least one stays")
            self.register_buffer(f"index{number}", torch.tensor(list(indices), dtype=torch.long), persistent=False)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """(n, c, …) → (n, kept, …) of each map."""
        if not self.count:
            return maps
        return [m.index_select(1, self.get_buffer(f"index{number}")) for number, m in enumerate(maps)]


class ExtraMaps(nn.Module):
    """§2.1 "Multi-scale feature maps": 1×1 then 3×3 with stride 2, `count` times after the backbone's last map."""

    def __init__(self, channels: Sequence[int], count: int = len(EXTRAS)) -> None:
        super().__init__()
        widths = [channels[-1], *EXTRAS[:count]]
        self.steps = nn.ModuleList(
            nn.Sequential(conv(a, b // 2, 1), conv(b // 2, b, 3, 2)) for a, b in pairwise(widths)
        )
        self.channels = (*channels, *EXTRAS[:count])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of strides 16, 32 → 16, 32, 64, 128, 256, 512 (as published)."""
        maps = list(maps)
        for step in self.steps:
            source = maps[-1]
            if min(source.shape[-2:]) > 2:
                maps.append(step(source))
                continue
            # On the CPU the bfloat16 gradient of a 3×3 kernel with stride 2 that reads a map of one cell is garbage, up
            # to infinities, where the kernel only ever meets the padding (torch 2.15).
            with torch.autocast(source.device.type, enabled=False):
                maps.append(step(source.float()))
        return maps


class TopDown(nn.Module):
    """Lateral 1×1 convolutions, nearest-neighbour upsampling and 3×3 smoothing (FPN §3).

    The stride-2 map enters as well, its 2×2 neighbours laid side by side in depth: where a nodule is four pixels wide
    half a pixel counts.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        finest, *rest = channels  # stride 2, then the strides that predict
        self.detail = conv(4 * finest, width, 1)
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in rest)
        self.smooth = nn.ModuleList(conv(width, width, 3) for _ in rest)
        self.channels = (width,) * len(rest)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of strides 2, 4, 8, 16 → (n, width, …) of strides 4, 8, 16."""
        finest, *rest = maps
        laterals = [lateral(m) for lateral, m in zip(self.lateral, rest, strict=True)]
        laterals[0] = laterals[0] + self.detail(functional.pixel_unshuffle(finest, 2))
        for k in range(len(laterals) - 1, 0, -1):
            laterals[k - 1] = laterals[k - 1] + functional.interpolate(laterals[k], scale_factor=2.0, mode="nearest")
        return [smooth(m) for smooth, m in zip(self.smooth, laterals, strict=True)]


class SSD(nn.Module):
    """Backbone → maps → (class scores, box offsets).

    boxes: levels as `models.nodules.boxes.levels` reads them, one per map.
    classes: names of what is looked for, without the background; with softmax the background is one more score (C).
    channels: of the input: a slice, or with neighbouring slices an odd number, the slice itself in the middle.
    keep: for each map of the backbone the indices of the channels that go on from it (feature selection: Abdullah et
    al. §2.2.1; `trainers.nodules.feature_selection`), None for all.
    """

    def __init__(
        self,
        *,
        backbone: str = "mobilenet_v1",
        boxes: Sequence[Mapping[str, Any]],
        classes: Sequence[str] = ("nodule",),
        maps: str = "topdown",
        width: int = 96,
        channels: int = 1,
        softmax: bool = False,
        keep: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        self.levels: tuple[Level, ...] = levels(boxes)
        strides = [level.stride for level in self.levels]
        if maps == "topdown":
            self.backbone = make_backbone(backbone, channels, (2, *strides))
            self.kept = Kept(self.backbone.channels, keep)
            self.maps: TopDown | ExtraMaps = TopDown(self.kept.channels, width)
        elif maps == "extras":
            own = [s for s in strides if s <= max(STRIDES)]
            self.backbone = make_backbone(backbone, channels, own)
            self.kept = Kept(self.backbone.channels, keep)
            self.maps = ExtraMaps(self.kept.channels, len(strides) - len(own))
        else:
            raise ValueError(f"maps are 'topdown' or 'extras', not {maps!r}")
        self.scores_per_box = len(classes) + int(softmax)
        self.classifiers = nn.ModuleList()
        self.regressors = nn.ModuleList()
        for width_in, level in zip(self.maps.channels, self.levels, strict=True):
            self.classifiers.append(nn.Conv2d(width_in, level.per_cell * self.scores_per_box, 3, padding=1))
            self.regressors.append(nn.Conv2d(width_in, level.per_cell * 4, 3, padding=1))
        self._initialise(softmax)

    def _initialise(self, softmax: bool) -> None:
        for head in (*self.classifiers, *self.regressors):
            nn.init.normal_(head.get_parameter("weight"), std=0.01)
            nn.init.zeros_(head.get_parameter("bias"))
        if not softmax:  # one box in a hundred is a nodule at the start (focal loss, arXiv 1708.02002 §4.1)
            for head in self.classifiers:
                nn.init.constant_(head.get_parameter("bias"), -math.log(99.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, h, w), h and w multiples of 32 → logits (n, A, C) and offsets (n, A, 4), A as in `boxes`."""
        maps = self.maps(self.kept(self.backbone(x)))
        logits, offsets = [], []
        for level_map, classify, regress in zip(maps, self.classifiers, self.regressors, strict=True):
            n = level_map.shape[0]
            # (n, K·C, rows, columns) → (n, rows·columns·K, C): the order of `models.nodules.boxes.default_boxes`
            logits.append(classify(level_map).permute(0, 2, 3, 1).reshape(n, -1, self.scores_per_box))
            offsets.append(regress(level_map).permute(0, 2, 3, 1).reshape(n, -1, 4))
        return torch.cat(logits, 1), torch.cat(offsets, 1)


def build(**config: Any) -> SSD:
    """The SSD of a model card; its `config` are the arguments of `SSD`."""
    return SSD(**config)
