"""Feature maps at the strides 2, 4, 8, 16 and 32: the five backbones of Abdullah et al., EfficientNet-Lite0, ResNet-18.

MobileNetV1 (arXiv 1704.04861), MobileNetV2 (1801.04381), EfficientNet-Lite0 (1905.11946, without squeeze and
excitation), ResNet-18, -50 and -101 (1512.03385) come from timm; InceptionV2 (1502.03167) is in `inception_v2.py`. All
take one gray channel; none is loaded with ImageNet weights by itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import timm
from torch import Tensor, nn

from cadviewer.models.nets import BACKBONES

STRIDES = (2, 4, 8, 16, 32)


class Features(Protocol):
    """What every backbone is: a module with the widths of its maps."""

    channels: tuple[int, ...]

    def __call__(self, x: Tensor) -> list[Tensor]:
        """(n, channels, h, w) → maps, finest first."""
        ...


class TimmFeatures(nn.Module):
    """Feature maps of a timm network up to the largest stride that is asked for; what lies deeper is cut off."""

    def __init__(self, name: str, channels_in: int, strides: Sequence[int]) -> None:
        super().__init__()
        levels = tuple(STRIDES.index(s) for s in strides)
        body: Any = timm.create_model(
            name, features_only=True, in_chans=channels_in, out_indices=levels, act_layer=nn.ReLU
        )
        info = [i for i in body.feature_info.get_dicts() if i["reduction"] in strides]
        self.channels = tuple(int(i["num_chs"]) for i in info)
        blocks = getattr(body, "blocks", None)
        if blocks is not None:  # timm keeps the blocks after the last map; they would be dead weight in the file
            kept = [str(i["module"]) for i in info if str(i["module"]).startswith("blocks")]
            del body.blocks[max(int(module.split(".")[1]) for module in kept) + 1 :]
        self.body = body

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, channels, h, w) → maps, finest first; a map of stride s is (n, c, ⌈h/s⌉, ⌈w/s⌉)."""
        maps: list[Tensor] = self.body(x)
        return maps


def backbone(name: str, channels_in: int, strides: Sequence[int]) -> Features:
    """A backbone by its name; `.channels` are the widths of its maps. Raises ValueError for an unknown name."""
    if name not in BACKBONES:
        raise ValueError(f"no backbone is called {name!r}; there are: {', '.join(BACKBONES)}")
    module, _, factory = BACKBONES[name].partition(":")
    if module == "timm":
        return TimmFeatures(factory, channels_in, strides)
    made: Features = getattr(importlib.import_module(module), factory)(channels_in, strides)
    return made
