"""The ESTAN stream of MT-ESTAN: square kernels beside row–column kernels.

Shareef et al., "ESTAN: Enhanced Small Tumor-Aware Network for Breast Ultrasound Image Segmentation", Healthcare 2022
10(11):2262 (arXiv 2009.12894); kernels and widths as in the authors' public MT-ESTAN script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kernel = int | tuple[int, int]


def convolution(channels_in: int, channels_out: int, kernel: Kernel, *, norm: bool = False) -> nn.Sequential:
    """'same' convolution and ReLU, with batch normalisation between them if `norm`."""
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, (rows, columns), padding=(rows // 2, columns // 2), bias=not norm)
    ]
    nn.init.kaiming_normal_(layers[0].weight, mode="fan_in", nonlinearity="relu")  # type: ignore[arg-type]
    if norm:
        layers.append(nn.BatchNorm2d(channels_out))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


@dataclass(frozen=True)
class BlockTable:
    """Kernels of one ESTAN block: branch A, branch B's row–column pair and the kernel after it, the fuse, BN inside."""

    a: tuple[int, int]
    pair: tuple[tuple[int, int], tuple[int, int]]
    b: int
    fuse: int
    norm: bool


TABLE: tuple[BlockTable, ...] = (
    BlockTable((1, 3), ((1, 15), (15, 1)), 3, 5, True),
    BlockTable((3, 3), ((1, 13), (13, 1)), 3, 5, True),
    BlockTable((3, 3), ((1, 11), (11, 1)), 1, 3, True),
    BlockTable((3, 3), ((1, 9), (9, 1)), 3, 1, True),
    BlockTable((3, 3), ((3, 7), (7, 3)), 3, 1, False),
)


class EstanBlock(nn.Module):
    """Two branches on the same input (N, C, H, W), concatenated and fused to (N, width, H, W).

    A: two square kernels. B: a row–column pair and a square kernel. The BN between is the script's; `every_norm` puts
    one after each convolution instead.
    """

    def __init__(self, channels_in: int, width: int, table: BlockTable, *, fuse: int, every_norm: bool) -> None:
        super().__init__()

        def conv(c: int, kernel: Kernel) -> nn.Sequential:
            return convolution(c, width, kernel, norm=every_norm)

        def between() -> nn.Module:
            return nn.BatchNorm2d(width) if table.norm and not every_norm else nn.Identity()

        self.a = nn.Sequential(conv(channels_in, table.a[0]), between(), conv(width, table.a[1]))
        self.b = nn.Sequential(
            conv(channels_in, table.pair[0]), conv(width, table.pair[1]), between(), conv(width, table.b)
        )
        self.fuse = conv(2 * width, fuse)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fuse(torch.cat([self.a(x), self.b(x)], 1))
        return out


class EstanStream(nn.Module):
    """Five blocks with 2×2 max pooling between; gives five maps at 1, 1/2, 1/4, 1/8 and 1/16 of the input's size.

    fuse: "script" (kernels of `TABLE`) or "caption" (1×1 everywhere).
    """

    def __init__(self, channels_in: int, widths: Sequence[int], *, fuse: str, every_norm: bool) -> None:
        super().__init__()
        blocks = []
        for table, width in zip(TABLE, widths, strict=True):
            kernel = 1 if fuse == "caption" else table.fuse
            blocks.append(EstanBlock(channels_in, width, table, fuse=kernel, every_norm=every_norm))
            channels_in = width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            maps.append(x)
        return maps
