"""The base of MT-ESTAN from networks whose ImageNet weights can be had: `Config.base` of Hybrid-MT-ESTAN.

The published base is a ResNet50, whose stages are tapped twice: at their end, and where their first block first has
their resolution. Of an inverted residual network (MobileNetV2, EfficientNet-Lite0) the second is the first block's
narrow output (our choice: what is inside the block is six times as wide).
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cadviewer.models.nets import BACKBONES
from cadviewer.models.nets.backbones import STRIDES, TimmFeatures


class BaseFeatures(TimmFeatures):
    """A base of `MT_ESTAN_BASES` as nine maps: those of strides 2 to 32, and the first block's of the last four."""

    def __init__(self, name: str, channels_in: int) -> None:
        super().__init__(BACKBONES[name].partition(":")[2], channels_in, STRIDES)
        modules = [str(info["module"]) for info in self.body.feature_info.get_dicts()]
        self.taps = [_first_block(self.body, before, module) for before, module in pairwise(modules)]
        with torch.no_grad():
            maps = self.eval()(torch.zeros(1, channels_in, 64, 64))
        self.train()
        self.channels = tuple(int(m.shape[1]) for m in maps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, channels, h, w) → the five maps, finest first, then the four of first blocks."""
        inner: dict[str, Tensor] = {}
        with ExitStack() as stack:  # hooks and not copies of timm's code: that stays the code that runs
            for name in self.taps:
                stack.callback(self.body.get_submodule(name).register_forward_hook(_keep(inner, name)).remove)
            maps: list[Tensor] = self.body(x)
        return [*maps, *(inner[name] for name in self.taps)]


def _keep(kept: dict[str, Tensor], name: str) -> Any:
    def hook(_module: nn.Module, _inputs: Any, out: Tensor) -> None:
        kept[name] = out

    return hook


def _first_block(body: nn.Module, before: str, module: str) -> str:
    """Name of what is tapped of the stage that ends in `module`; `before` is the end of the one before."""
    kind, _, number = before.partition(".")
    if kind == "blocks":
        return f"blocks.{int(number) + 1}.0"
    block: Any = body.get_submodule(module + ".0")
    tap, after = ("bn2", "act2") if hasattr(block, "conv3") else ("bn1", "act1")
    getattr(block, after).inplace = False  # the tap is before the activation, and must stay as it was
    return f"{module}.0.{tap}"


def maps_by_name(maps: list[Tensor], unshuffle: int) -> dict[str, Tensor]:
    """What `BaseFeatures` gives, as conv1…conv5 and conv2_1…conv5_1 of a network on 1/`unshuffle` of its resolution.

    Maps coarser than the base's own are means of 2×2 of the next finer one, and have no map of a first block.
    """
    finer = unshuffle.bit_length() - 1  # strides of the base that are finer than the network's conv1
    named = {f"conv{k - finer}": maps[k - 1] for k in range(finer + 1, 6)}
    named |= {f"conv{k - finer}_1": maps[k + 3] for k in range(finer + 2, 6)}
    for k in range(6 - finer, 6):
        named[f"conv{k}"] = F.avg_pool2d(named[f"conv{k - 1}"], 2)
    return named


def channels_by_name(channels: tuple[int, ...], unshuffle: int) -> dict[str, int]:
    """The widths of what `maps_by_name` gives."""
    side = 64
    maps = [torch.empty(1, c, side, side, device="meta") for c in channels]
    return {name: int(m.shape[1]) for name, m in maps_by_name(maps, unshuffle).items()}
