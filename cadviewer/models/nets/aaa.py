"""Anatomy-Aware Attention: arXiv 2308.02101 §2.2, eqs 5–7."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AnatomyAwareAttention(nn.Module):
    """y · sigmoid(conv₁ₓ₉(conv₉ₓ₁(up(pool(y))))) for a map y (N, C, H, W) of merged Swin tokens.

    combine: how the 2×2 max and average pooling are joined: "cat" (the text) or "add" (equation 5).
    The up-sampling is a 2×2 transposed convolution. An odd H or W is pooled with a last partial window, and what is
    too much after up-sampling is cut off.
    """

    def __init__(self, channels: int, *, combine: str = "cat", length: int = 9) -> None:
        super().__init__()
        if combine not in ("cat", "add"):
            raise ValueError(f"combine is cat or add, not {combine!r}")
        self.combine = combine
        self.up = nn.ConvTranspose2d(channels * (2 if combine == "cat" else 1), channels, 2, stride=2)
        self.column = nn.Conv2d(channels, channels, (length, 1), padding=(length // 2, 0))
        self.row = nn.Conv2d(channels, channels, (1, length), padding=(0, length // 2))

    def forward(self, y: Tensor) -> Tensor:
        most = F.max_pool2d(y, 2, ceil_mode=True)  # (N, C, H/2, W/2)
        mean = F.avg_pool2d(y, 2, ceil_mode=True)
        pooled = torch.cat([most, mean], 1) if self.combine == "cat" else most + mean  # eq 5
        raised = self.up(pooled)[..., : y.shape[-2], : y.shape[-1]]  # (N, C, H, W)
        attention = torch.sigmoid(self.row(self.column(raised)))  # eq 6
        return attention * y  # eq 7
