"""Anatomy-Aware Attention: arXiv 2308.02101 §2.2, eqs 5–7."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AnatomyAwareAttention(nn.Module):
    """y · sigmoid(conv₁ₓ₉(conv₉ₓ₁(up(pool(y))))) for a map y (N, C, H, W) of merged Swin tokens.

    combine: how the 2×2 max and average pooling are joined: "cat" (the text) or "add" (equation 5).
    up: "transposed", a 2×2 transposed convolution with dense (9,1) and (1,9) after it; or "bilinear", where both are
    depthwise and a 1×1 convolution halves concatenated channels: a hundredth of the weights. An odd H or W is pooled
    with a last partial window, and what is too much after up-sampling is cut off.
    """

    def __init__(self, channels: int, *, combine: str = "cat", up: str = "transposed", length: int = 9) -> None:
        super().__init__()
        for name, value, allowed in (("combine", combine, ("cat", "add")), ("up", up, ("transposed", "bilinear"))):
            if value not in allowed:
                raise ValueError(f"{name} is {' or '.join(allowed)}, not {value!r}")
        self.combine = combine
        pooled = channels * (2 if combine == "cat" else 1)
        groups = 1
        self.up: nn.Module
        if up == "transposed":
            self.up = nn.ConvTranspose2d(pooled, channels, 2, stride=2)
        else:
            groups = channels
            join = nn.Conv2d(pooled, channels, 1) if combine == "cat" else nn.Identity()
            self.up = nn.Sequential(join, nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
        self.column = nn.Conv2d(channels, channels, (length, 1), padding=(length // 2, 0), groups=groups)
        self.row = nn.Conv2d(channels, channels, (1, length), padding=(0, length // 2), groups=groups)

    def forward(self, y: Tensor) -> Tensor:
        most = F.max_pool2d(y, 2, ceil_mode=True)  # (N, C, H/2, W/2)
        mean = F.avg_pool2d(y, 2, ceil_mode=True)
        pooled = torch.cat([most, mean], 1) if self.combine == "cat" else most + mean  # eq 5
        raised = self.up(pooled)[..., : y.shape[-2], : y.shape[-1]]  # (N, C, H, W)
        attention = torch.sigmoid(self.row(self.column(raised)))  # eq 6
        return attention * y  # eq 7
