"""The classifiers of arXiv 2308.02101, Table 2, as timm has them: MobileNet, DenseNet121, ViT and Swin. No mask.

`paper` is the published size with three channels and, if asked for, ImageNet weights (which of ViT's and Swin's sizes
the table means is not said: the base ones, as Hybrid-MT-ESTAN uses SwinV2-Base). `compact` sees one gray channel and is
made for training from scratch on two CPU cores and for a file below 25 MB:

- MobileNet: the published MobileNetV1, which is small enough as it is.
- DenseNet121: 121 layers with growth 16 instead of 32.
- ViT: ViT-Tiny, width 192 and 3 heads; patches of 16 and 12 blocks as in the base size.
- Swin: SwinV2 with width 32, depths 2, 2, 2, 2 and windows of 8: the very encoder of the compact Hybrid-MT-ESTAN, but
  on whole resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from cadviewer.models.nets.breast_network import BreastNetwork, NetworkConfig, configure, no_mask, timm_model


@dataclass(frozen=True)
class Config(NetworkConfig):
    """timm_name: a timm model; timm_settings: its arguments given otherwise; dropout: before the last layer."""

    image_size: int = 224
    in_channels: int = 3
    timm_name: str = ""
    timm_settings: Mapping[str, Any] | None = None
    dropout: float = 0.2


class Classifier(BreastNetwork):
    """A timm classifier with one output. See `BreastNetwork`: its mask has no channel."""

    def __init__(self, config: Config, *, pretrained: bool = False) -> None:
        super().__init__()
        self.config: Config = config
        settings: dict[str, Any] = dict(config.timm_settings or {})
        if settings.pop("sized", False):  # transformers must know the size of what they see
            settings["img_size"] = config.image_size
        self.net = timm_model(
            config.timm_name,
            pretrained=pretrained,
            num_classes=1,
            in_chans=config.in_channels,
            drop_rate=config.dropout,
            **{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()},
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return no_mask(image), self.net(image).squeeze(1)


class MobileNet(Classifier):
    title: ClassVar[str] = "MobileNet"
    source: ClassVar[str] = "arXiv 1704.04861"


class DenseNet(Classifier):
    title: ClassVar[str] = "DenseNet121"
    source: ClassVar[str] = "arXiv 1608.06993"


class VisionTransformer(Classifier):
    title: ClassVar[str] = "ViT"
    source: ClassVar[str] = "arXiv 2010.11929"


class Swin(Classifier):
    title: ClassVar[str] = "Swin (V2)"
    source: ClassVar[str] = "arXiv 2111.09883"


def _presets(name: str, compact: Mapping[str, Any], **paper: Any) -> dict[str, dict[str, Any]]:
    """`paper` and `compact` of a timm model; `tiny`, for tests, is compact on 64 pixels."""
    small = {"timm_name": name, "image_size": 192, "in_channels": 1, "timm_settings": compact}
    return {"paper": {"timm_name": name, **paper}, "compact": small, "tiny": {**small, "image_size": 64}}


_MOBILENET = _presets("mobilenetv1_100", {})
_DENSENET = _presets("densenet121", {"growth_rate": 16})
_VIT = _presets(
    "vit_base_patch16_224",
    {"sized": True, "embed_dim": 192, "num_heads": 3},
    timm_settings={"sized": True},
)
_SWIN = _presets(
    "swinv2_base_window8_256",
    {"sized": True, "embed_dim": 32, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8), "window_size": 8},
    timm_settings={"sized": True},
    image_size=256,
)


def mobilenet(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> MobileNet:
    """See `BreastNetwork`; presets `paper` (224², RGB) and `compact`."""
    return MobileNet(configure(Config, _MOBILENET, preset, settings), pretrained=pretrained)


def densenet121(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> DenseNet:
    """See `BreastNetwork`; presets `paper` (224², RGB) and `compact`."""
    return DenseNet(configure(Config, _DENSENET, preset, settings), pretrained=pretrained)


def vit(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> VisionTransformer:
    """See `BreastNetwork`; presets `paper` (ViT-Base/16, 224², RGB) and `compact`."""
    return VisionTransformer(configure(Config, _VIT, preset, settings), pretrained=pretrained)


def swin(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> Swin:
    """See `BreastNetwork`; presets `paper` (SwinV2-Base, 256², RGB) and `compact`."""
    return Swin(configure(Config, _SWIN, preset, settings), pretrained=pretrained)
