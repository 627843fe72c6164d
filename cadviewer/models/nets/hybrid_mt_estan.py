"""Hybrid-MT-ESTAN: "A hybrid multi-task network for tumor segmentation and classification in breast ultrasound".

Shareef, Xian, Vakanski, Wang: "Breast Ultrasound Tumor Classification Using a Hybrid Multitask CNN-Transformer
Network", MICCAI 2023, arXiv 2308.02101. Parts carry the paper's names:

- §2.1 MT-ESTAN encoder: a ResNet50 beside a stream of five ESTAN blocks with row–column kernels (`estan.py`).
- §2.2 Anatomy-Aware Attention, eqs 5–7, after the stages of a SwinV2-Base-256 encoder (`aaa.py`).
- §2.3 decoder: four Up Blocks with four skips from MT-ESTAN; classification branch: three dense layers, dropout 50 %.

What the paper leaves open, and what is done here:

- *Layer table of MT-ESTAN* (kernels, widths, taps, decoder order): as its authors' public script has it. Its skips
  `convX_block1_1_bn` are tapped where a v1.5 ResNet first has that resolution.
- *Fuse kernel* of the ESTAN blocks: the script's 5, 5, 3, 1, 1 (`fuse="script"`); 1×1, as the caption of Fig. 2 says,
  is `fuse="caption"`.
- *Place of AAA*: once per Swin stage, on what goes into the next patch merging; after every two blocks of a stage is
  `aaa_place="pair"`. *Cat or add* of its two poolings: the text's concatenation (`aaa="cat"`); the equation's sum is
  `aaa="add"`. Its "up-sampling layer": a 2×2 transposed convolution, as in the decoder; `aaa_up="bilinear"` has few
  weights (see `aaa.py`). No activation between (9,1) and (1,9).
- *Fusion of both encoders*: the attended last Swin stage is concatenated to the ResNet's last maps at the bottleneck,
  and pooled into the classifier beside the bottleneck's output.
- *Window of SwinV2*: 8. *Classifier widths*: 512, 128, 1 as in the script. *Input*: zero-padded to a square, 256 px.

What `compact` does otherwise, with every part kept: it works on half the input's resolution (`unshuffle=2`: 2×2 pixels
become four channels, and the mask is up-sampled by two), narrow ResNet (basic blocks), SwinV2 and streams, fuse 1×1,
batch normalisation after every convolution (`norm="every"`: it is trained from scratch), and a classifier that also
sees the decoder's features pooled under the predicted mask and around it (`lesion_pool`).

`base` puts a network with ImageNet weights in the ResNet's place (`mt_estan_base.py`). It sees the image at its whole
resolution, as the published base does, whatever `unshuffle` is; `conv11` (before the first norm) is not tapped then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from timm.models.resnet import BasicBlock, ResNet
from timm.models.swin_transformer_v2 import SwinTransformerV2
from torch import Tensor, nn
from torch.nn import functional as F

from cadviewer.models.nets import MT_ESTAN_BASES
from cadviewer.models.nets.aaa import AnatomyAwareAttention
from cadviewer.models.nets.breast_network import BreastNetwork, NetworkConfig, configure, timm_model
from cadviewer.models.nets.estan import EstanStream, convolution
from cadviewer.models.nets.mt_estan_base import BaseFeatures, channels_by_name, maps_by_name


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Everything that makes a Hybrid-MT-ESTAN; the values of `paper` are the defaults.

    mt_estan, swin, aaa: the ablation's switches; aaa is "cat", "add" or "none".
    aaa_place: "stage" or "pair" (after every two blocks of a stage); aaa_up: "transposed" or "bilinear".
    fuse: "script" or "caption" (1×1). norm: "paper" (where the script has it) or "every".
    resnet: "resnet50", or "basic" with `resnet_channels` and `resnet_layers` and a deep stem of `resnet_stem` channels.
    swin_name: a timm model, or "" for one of `swin_dim`, `swin_depths`, `swin_heads`, `swin_window`.
    stream: widths of the five ESTAN blocks; decoder: widths of the four Up Blocks; bottleneck: of its up-sampling.
    unshuffle: factor by which resolution is turned into channels before everything.
    lesion_pool: whether the classifier also sees decoder features pooled under the predicted mask.
    """

    image_size: int = 256
    in_channels: int = 3
    mt_estan: bool = True
    swin: bool = True
    aaa: str = "cat"
    aaa_place: str = "stage"
    aaa_up: str = "transposed"
    fuse: str = "script"
    norm: str = "paper"
    base: str = ""
    resnet: str = "resnet50"
    resnet_channels: tuple[int, ...] = (64, 128, 256, 512)
    resnet_layers: tuple[int, ...] = (3, 4, 6, 3)
    resnet_stem: int = 64
    swin_name: str = "swinv2_base_window8_256"
    swin_dim: int = 128
    swin_depths: tuple[int, ...] = (2, 2, 18, 2)
    swin_heads: tuple[int, ...] = (4, 8, 16, 32)
    swin_window: int = 8
    stream: tuple[int, ...] = (32, 64, 128, 256, 512)
    decoder: tuple[int, ...] = (256, 128, 64, 32)
    bottleneck: int = 512
    classifier: tuple[int, ...] = (512, 128)
    dropout: float = 0.5
    unshuffle: int = 1
    lesion_pool: bool = False

    def __post_init__(self) -> None:
        if not (self.mt_estan or self.swin):
            raise ValueError("at least one of mt_estan and swin is needed")
        allowed_values = {
            "aaa": ("cat", "add", "none"),
            "aaa_place": ("stage", "pair"),
            "aaa_up": ("transposed", "bilinear"),
            "fuse": ("script", "caption"),
            "base": ("", *MT_ESTAN_BASES),
        }
        for name, allowed in allowed_values.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(filter(None, allowed))}, not {getattr(self, name)!r}")
        if self.base and self.unshuffle not in (1, 2, 4):
            raise ValueError(f"with a base, unshuffle is 1, 2 or 4, not {self.unshuffle}")
        if self.image_size % (32 * self.unshuffle):
            raise ValueError(f"image_size must be a multiple of {32 * self.unshuffle}, not {self.image_size}")


PAPER: Mapping[str, Any] = {}
COMPACT: Mapping[str, Any] = {
    "image_size": 192,
    "in_channels": 1,
    "fuse": "caption",
    "norm": "every",
    "resnet": "basic",
    "resnet_channels": (32, 64, 128, 192),
    "resnet_layers": (2, 2, 2, 1),
    "resnet_stem": 16,
    "swin_name": "",
    "swin_dim": 32,
    "swin_depths": (2, 2, 2, 2),
    "swin_heads": (1, 2, 4, 8),
    "swin_window": 6,
    "stream": (16, 32, 64, 96, 128),
    "decoder": (96, 64, 32, 16),
    "bottleneck": 128,
    "classifier": (256, 64),
    "unshuffle": 2,
    "lesion_pool": True,
}
TINY: Mapping[str, Any] = {
    **COMPACT,
    "image_size": 64,
    "resnet_channels": (8, 8, 16, 16),
    "resnet_layers": (1, 1, 1, 1),
    "resnet_stem": 8,
    "swin_dim": 8,
    "swin_depths": (1, 1, 1, 1),
    "swin_heads": (1, 1, 2, 2),
    "swin_window": 2,
    "stream": (4, 4, 8, 8, 8),
    "decoder": (8, 8, 8, 8),
    "bottleneck": 8,
    "classifier": (16, 8),
}
"""For tests: every part, and of no other use."""

PRESETS: Mapping[str, Mapping[str, Any]] = {"paper": PAPER, "compact": COMPACT, "tiny": TINY}


class ResNetEncoder(nn.Module):
    """§2.1, the pretrained half of MT-ESTAN. Shapes are those of ResNet50 on 256².

    Gives by name: conv11 (64, 128²) before norm, conv1 (64, 128²), and for k = 2…5 convk_1 (the first block's map at
    its new resolution: 64/128/256/512 at 64²/32²/16²/8²) and convk (256/512/1024/2048 there).
    """

    def __init__(self, config: Config, channels_in: int, *, pretrained: bool) -> None:
        super().__init__()
        net: Any
        if config.resnet == "basic":
            net = ResNet(
                BasicBlock,  # type: ignore[arg-type]  # timm's hint names instances; it takes the class
                config.resnet_layers,
                num_classes=0,
                in_chans=channels_in,
                stem_type="deep",
                stem_width=config.resnet_stem,
                channels=config.resnet_channels,
            )
        else:
            net = timm_model(config.resnet, pretrained=pretrained, num_classes=0, in_chans=channels_in)
        self.net = net
        stem = net.bn1.num_features
        self._tap, after = ("bn1", "act1") if config.resnet == "basic" else ("bn2", "act2")
        inner = [getattr(stage[0], self._tap).num_features for stage in self._stages()]
        outer = [info["num_chs"] for info in net.feature_info[1:]]
        self.channels = {"conv11": stem, "conv1": stem}
        for k in range(4):
            self.channels[f"conv{k + 2}_1"] = inner[k]
            self.channels[f"conv{k + 2}"] = outer[k]
        for stage in self._stages():
            getattr(stage[0], after).inplace = False  # the tap is before the activation, and must stay as it was

    def _stages(self) -> list[nn.Sequential]:
        return [self.net.layer1, self.net.layer2, self.net.layer3, self.net.layer4]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = {}
        maps["conv11"] = self.net.conv1(x)
        maps["conv1"] = self.net.act1(self.net.bn1(maps["conv11"]))
        x = self.net.maxpool(maps["conv1"])
        for k, stage in enumerate(self._stages()):
            x, maps[f"conv{k + 2}_1"] = self._first_block(stage[0], x)
            x = stage[1:](x)
            maps[f"conv{k + 2}"] = x
        return maps

    def _first_block(self, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """A residual block, with its inner map right after the convolution that changes the resolution."""
        kept: list[Tensor] = []
        # A hook and not a copy of timm's block: the block's own code stays the one that runs.
        handle = getattr(block, self._tap).register_forward_hook(lambda _m, _i, out: kept.append(out))
        try:
            out = block(x)
        finally:
            handle.remove()
        return out, kept[0]


class SwinEncoder(nn.Module):
    """§2.2: SwinV2 whose four stages are each followed by Anatomy-Aware Attention.

    Gives four maps, of SwinV2-Base on 256²: (128, 64²), (256, 32²), (512, 16²), (1024, 8²).
    """

    def __init__(self, config: Config, channels_in: int, *, pretrained: bool) -> None:
        super().__init__()
        size = config.image_size // config.unshuffle
        net: Any
        if config.swin_name:
            net = timm_model(
                config.swin_name, pretrained=pretrained, num_classes=0, in_chans=channels_in, img_size=size
            )
        else:
            net = SwinTransformerV2(
                img_size=size,
                in_chans=channels_in,
                num_classes=0,
                embed_dim=config.swin_dim,
                depths=config.swin_depths,
                num_heads=config.swin_heads,
                window_size=config.swin_window,
            )
        self.patch_embed, self.stages = net.patch_embed, net.layers
        self.channels = [info["num_chs"] for info in net.feature_info]
        self.each = 2 if config.aaa_place == "pair" else 0
        places = [c for c, stage in zip(self.channels, self.stages, strict=True) for _ in self._cuts(stage)]
        self.aaa = nn.ModuleList(
            nn.Identity() if config.aaa == "none" else AnatomyAwareAttention(c, combine=config.aaa, up=config.aaa_up)
            for c in places
        )

    def _cuts(self, stage: Any) -> list[list[nn.Module]]:
        """The blocks of a stage, cut where attention follows: all of them, or two by two."""
        blocks = list(stage.blocks)
        each = self.each or len(blocks)
        return [blocks[k : k + each] for k in range(0, len(blocks), each)]

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        attentions = iter(self.aaa)
        tokens = self.patch_embed(x)  # (N, H/4, W/4, C), channels last as timm has them
        stage: Any
        for stage in self.stages:
            tokens = stage.downsample(tokens)
            for blocks in self._cuts(stage):
                for block in blocks:
                    tokens = block(tokens)
                attended = next(attentions)(tokens.permute(0, 3, 1, 2))
                tokens = attended.permute(0, 2, 3, 1)
            maps.append(attended)
        return maps


class UpBlock(nn.Module):
    """§2.3: 3×3 convolution, skip, 2×2 up-sampling, skip from the ESTAN stream, 1×1 and 3×3 convolution."""

    def __init__(self, channels_in: int, before: int, after: int, width: int, *, norm: bool, first: int = 1) -> None:
        super().__init__()
        self.enter = convolution(channels_in, width, 3, norm=norm)
        self.up = nn.ConvTranspose2d(width + before, width, 2, stride=2)
        self.merge = convolution(width + after, width, first, norm=norm)
        self.leave = convolution(width, width, 3, norm=norm)

    def forward(self, x: Tensor, before: Sequence[Tensor] = (), after: Sequence[Tensor] = ()) -> Tensor:
        x = self.up(torch.cat([self.enter(x), *before], 1))
        x = self.merge(torch.cat([x, *after], 1))
        out: Tensor = self.leave(x)
        return out


class LastUpBlock(nn.Module):
    """The fourth Up Block of the script: 5×5 instead of 1×1, and a second look at conv11 at full resolution."""

    def __init__(self, channels_in: int, conv11: int, after: int, width: int, *, norm: bool, merge: int) -> None:
        super().__init__()
        self.enter = convolution(channels_in, width, 3, norm=norm)
        self.up = nn.ConvTranspose2d(width + conv11, width, 2, stride=2)
        self.merge = convolution(width + after, width, merge, norm=norm)
        self.up_conv11 = nn.ConvTranspose2d(conv11, width, 2, stride=2) if conv11 else None
        self.leave = convolution(width * (2 if conv11 else 1), width, 3, norm=norm)

    def forward(self, x: Tensor, conv11: Sequence[Tensor] = (), after: Sequence[Tensor] = ()) -> Tensor:
        x = self.up(torch.cat([self.enter(x), *conv11], 1))
        x = self.merge(torch.cat([x, *after], 1))
        if self.up_conv11 is not None:
            x = torch.cat([x, self.up_conv11(conv11[0])], 1)
        out: Tensor = self.leave(x)
        return out


class Classifier(nn.Module):
    """§2.3: three dense layers, dropout 50 % after the first."""

    def __init__(self, channels_in: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        first, second = widths
        self.layers = nn.Sequential(
            nn.Linear(channels_in, first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x).squeeze(1)
        return out


class HybridMtEstan(BreastNetwork):
    """The whole network. Takes (N, in_channels, S, S); gives mask logits (N, 1, S, S) and class logits (N,).

    A positive class logit means malignant. Shapes in the comments: `paper` on 256².
    """

    title: ClassVar[str] = "Hybrid-MT-ESTAN"
    source: ClassVar[str] = "arXiv 2308.02101"

    def __init__(self, config: Config, *, pretrained: bool = False) -> None:
        super().__init__()
        self.config: Config = config
        channels = config.in_channels * config.unshuffle**2
        every = config.norm == "every"
        maps: dict[str, int] = {}
        if config.mt_estan:
            if config.base:
                self.encoder_name = config.base
                self.encoder = BaseFeatures(config.base, config.in_channels)
                maps |= channels_by_name(self.encoder.channels, config.unshuffle)
            else:
                self.resnet = ResNetEncoder(config, channels, pretrained=pretrained)
                maps |= self.resnet.channels
            self.estan = EstanStream(channels, config.stream, fuse=config.fuse, every_norm=every)
            maps |= {f"stream{i + 1}": w for i, w in enumerate(config.stream)}
        if config.swin:
            self.swin = SwinEncoder(config, channels, pretrained=pretrained)
            maps |= {f"swin{i + 1}": c for i, c in enumerate(self.swin.channels)}
        self.plan = {name: [m for m in wanted if m in maps] for name, wanted in self._plan(config).items()}
        width = {name: sum(maps[m] for m in wanted) for name, wanted in self.plan.items()}
        self.bottleneck = nn.ConvTranspose2d(width["bottom"], config.bottleneck, 2, stride=2)
        up6 = config.bottleneck + width["up6"]
        f = config.decoder
        self.up1 = UpBlock(up6, width["up1_before"], width["up1_after"], f[0], norm=every)
        self.up2 = UpBlock(f[0] + width["up2_in"], width["up2_before"], width["up2_after"], f[1], norm=every)
        self.up3 = UpBlock(f[1] + width["up3_in"], width["up3_before"], width["up3_after"], f[2], norm=every)
        self.up4 = LastUpBlock(
            f[2] + width["up4_in"],
            width["up4_before"],
            width["up4_after"],
            f[3],
            norm=every,
            merge=1 if config.fuse == "caption" else 5,
        )
        self.segment = nn.Conv2d(f[3], 1, 1)
        pooled = up6 + (maps["swin4"] if config.mt_estan and config.swin else 0)
        self.classifier = Classifier(
            pooled + (up6 + f[0] + 2 * f[1] if config.lesion_pool else 0), config.classifier, config.dropout
        )

    @staticmethod
    def _plan(config: Config) -> dict[str, tuple[str, ...]]:
        """Which maps go where. Without MT-ESTAN the Swin stages stand in for its skips (our choice)."""
        if not config.mt_estan:
            none: tuple[str, ...] = ()
            return {
                "bottom": ("swin4",), "up6": ("swin3",), "up1_before": none, "up1_after": ("swin2",),
                "up2_in": none, "up2_before": none, "up2_after": ("swin1",), "up3_in": none, "up3_before": none,
                "up3_after": none, "up4_in": none, "up4_before": none, "up4_after": none,
            }  # fmt: skip
        return {
            "bottom": ("conv5", "conv5_1", "swin4"),  # 8²: 2048 + 512 + 1024
            "up6": ("stream5", "conv4"),  # 16²: 512 + 1024, after the up-sampled bottleneck's 512
            "up1_before": ("conv4_1",), "up1_after": ("stream4",),  # 16² → 32²
            "up2_in": ("conv3",), "up2_before": ("conv3_1",), "up2_after": ("stream3",),  # 32² → 64²
            "up3_in": ("conv2",), "up3_before": ("conv2_1",), "up3_after": ("stream2",),  # 64² → 128²
            "up4_in": ("conv1",), "up4_before": ("conv11",), "up4_after": ("stream1",),  # 128² → 256²
        }  # fmt: skip

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = F.pixel_unshuffle(image, self.config.unshuffle) if self.config.unshuffle > 1 else image
        maps: dict[str, Tensor] = {}
        if self.config.mt_estan:
            if self.config.base:
                maps |= maps_by_name(self.encoder(image), self.config.unshuffle)
            else:
                maps |= self.resnet(x)
            maps |= {f"stream{i + 1}": m for i, m in enumerate(self.estan(x))}
        if self.config.swin:
            maps |= {f"swin{i + 1}": m for i, m in enumerate(self.swin(x))}

        def take(name: str) -> list[Tensor]:
            return [maps[m] for m in self.plan[name]]

        bottom = self.bottleneck(torch.cat(take("bottom"), 1))  # (N, 512, 16²)
        up6 = torch.cat([bottom, *take("up6")], 1)  # (N, 2048, 16²)
        d1 = self.up1(up6, take("up1_before"), take("up1_after"))  # (N, 256, 32²)
        d2 = self.up2(torch.cat([d1, *take("up2_in")], 1), take("up2_before"), take("up2_after"))  # (N, 128, 64²)
        d3 = self.up3(torch.cat([d2, *take("up3_in")], 1), take("up3_before"), take("up3_after"))  # (N, 64, 128²)
        d4 = self.up4(torch.cat([d3, *take("up4_in")], 1), take("up4_before"), take("up4_after"))  # (N, 32, 256²)
        mask = self.segment(d4)  # (N, 1, 256²)
        features = [up6.mean((2, 3))]
        if self.config.mt_estan and self.config.swin:
            features.append(maps["swin4"].mean((2, 3)))
        if self.config.lesion_pool:
            features += lesion_features(mask, up6, d1, d2)
        if self.config.unshuffle > 1:
            # In float32: several times quicker to differentiate on CPUs than in bfloat16, and finer.
            mask = F.interpolate(mask.float(), scale_factor=self.config.unshuffle, mode="bilinear", align_corners=False)
        return mask, self.classifier(torch.cat(features, 1))


def lesion_features(mask: Tensor, up6: Tensor, d1: Tensor, d2: Tensor) -> list[Tensor]:
    """Means of the maps under the predicted mask, and of the finest in a ring around it. All (N, C).

    The mask is detached: the classifier looks where the decoder points, and does not move it.
    """
    probability = torch.sigmoid(mask.detach().float())
    under = [F.adaptive_avg_pool2d(probability, (m.shape[-2], m.shape[-1])).to(m.dtype) for m in (up6, d1, d2)]
    reach = 2 * max(1, d2.shape[-1] // 12) + 1
    ring = (F.max_pool2d(under[2], reach, 1, reach // 2) - under[2]).clamp_min(0)
    pairs = [(up6, under[0]), (d1, under[1]), (d2, under[2]), (d2, ring)]
    return [(m * w).sum((2, 3)) / (w.sum((2, 3)) + 1e-2 * w.shape[-1]) for m, w in pairs]


def build(preset: str = "compact", *, pretrained: bool = False, **settings: Any) -> HybridMtEstan:
    """A Hybrid-MT-ESTAN of a preset ("paper", "compact"), with any field of `Config` given otherwise.

    JSON lists are taken as tuples. Raises ValueError for an unknown preset, TypeError for an unknown field.
    pretrained: of the paper's ResNet and SwinV2; into a `base` the trainer puts the weights.
    """
    return HybridMtEstan(configure(Config, PRESETS, preset, settings), pretrained=pretrained)
