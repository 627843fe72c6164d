"""Settings of a nodule run, the published ones among them, and the network that they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cadviewer.models.nodules.boxes import SMALL, paper_levels
from cadviewer.models.nodules.detection import MULTIPLE, VIEWS
from trainers import options
from trainers.config import ConfigError, Preset
from trainers.data.ct import samples
from trainers.options import Option

PAPER_SIDE = 418
"""The shorter side of the published input (430 × 418), which the published default boxes are parts of."""


@dataclass(frozen=True)
class NoduleSettings:
    """Settings of a run (`--set key=value`).

    Network. boxes: "small" (fits nodules of 3–30 mm) or "paper" (TF object detection defaults for 430 × 418); maps:
    "topdown" or "extras" (see `models.nets.ssd`), "" for what goes with the boxes; classes: "one" (every label is a
    nodule) or "each" (the classes of the data set, scored apart); neighbours: how many slices on either side are
    further channels (2.5-D input; a slice without any repeats itself).
    Loss. loss: "focal" or "mined" (softmax with hard negatives 3:1, at least least_negatives per image); box_loss:
    "diou" (with half the smooth-L1) or "smooth_l1" (alone, as published); least_side: px to which small boxes are
    widened for matching, none: 5 with small boxes, else 0.
    Crops. crops: per epoch, 0 for one per slice; nodules: share that holds one; augment: "full", "flips" (alone) or
    "none"; whole: "430x418" resizes whole slices to that width and height instead of cutting crops; batched: make them
    a batch at a time on the device (`trainers.nodules.batches`), which pays with a graphics processor; hounsfield:
    share of the crops that come from `ct/lidc-hu-crops128` in the same folder, shown without a lung mask or with one
    of any width (batched as well).
    Course. iterations: train for so many steps, whatever `epochs` says, 0 for `epochs`; schedule: of the learning rate,
    "cosine" or "constant"; average: of the weights, 0 for none; check_every: epochs between validations.
    Start. pretrained: of the backbone, "none" (from scratch), "imagenet" or a file of weights (see
    `trainers.pretrained`); backbone_lr_factor: factor of its learning rate.
    After another run. start_from: its checkpoint; mine: cut crops where that run saw nodules that are none; select,
    select_keep: see `trainers.nodules.feature_selection`.
    Afterwards. views: how often a slice is looked at (`models.nodules.detection.VIEWS`), "" for four in volumes and
    twelve on single slices; name: of the model, "" for one by its backbone.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = options.NODULES

    backbone: str = "mobilenet_v1"
    boxes: str = "small"
    maps: str = ""
    loss: str = "focal"
    least_negatives: int = 30
    box_loss: str = "diou"
    classes: str = "one"
    neighbours: int = 0
    width: int = 96
    pretrained: str = "none"
    backbone_lr_factor: float = 1.0
    epochs: int = 160
    iterations: int = 0
    crops: int = 0
    batch: int = 16
    lr: float = 2.5e-3
    optimizer: str = "adamw"
    schedule: str = "cosine"
    weight_decay: float = 0.05
    warm_up: float = 0.08
    average: float = 0.998
    clip: float = 5.0
    box_weight: float = 1.0
    size: int = 128
    nodules: float = 0.75
    positive: float = 0.4
    negative: float = 0.22
    least_side: float | None = None
    augment: str = "full"
    whole: str = ""
    background: float = 0.12
    narrow: float = 0.2
    batched: bool = False
    hounsfield: float = 0.0
    seed: int = 1
    threads: int = 0
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    check_every: int = 10
    limit: int = 0
    start_from: Path | None = None
    mine: bool = False
    select: str = ""
    select_keep: float = 0.5
    views: str = ""
    name: str = ""
    version: str = "1"

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", f"nodules-ssd-{self.backbone}")
        known = {
            "boxes": ("small", "paper"),
            "maps": ("", "topdown", "extras"),
            "loss": ("focal", "mined"),
            "classes": ("one", "each"),
            "box_loss": ("diou", "smooth_l1"),
            "schedule": ("cosine", "constant"),
            "augment": ("full", "flips", "none"),
            "select": ("", "anova", "mutual_info"),
            "views": ("", *VIEWS),
        }
        for key, values in known.items():
            if getattr(self, key) not in values:
                names = ", ".join(v or '""' for v in values)
                raise ConfigError(f"{key}: {getattr(self, key)!r} is none of {names}")
        if self.boxes == "paper" and self.maps == "topdown":
            raise ConfigError("maps: topdown joins strides 4, 8 and 16, which the paper's boxes do not have")
        if self.whole and not re.fullmatch(r"[1-9]\d{1,3}x[1-9]\d{1,3}", self.whole):
            raise ConfigError(f"whole: a width and a height like 430x418, not {self.whole!r}")
        joined = self.maps == "topdown" or (not self.maps and self.boxes == "small")
        if joined and self.input_size is not None and any(side % MULTIPLE for side in self.input_size):
            raise ConfigError(f"whole: topdown maps need sides that are multiples of {MULTIPLE}, not {self.whole}")
        if not 0 <= self.hounsfield < 1:
            raise ConfigError(f"hounsfield: a share from 0 to below 1, not {self.hounsfield}")
        if self.in_batches and (self.whole or self.classes == "each" or self.neighbours > 1):
            raise ConfigError("batched: crops of one class, with one neighbouring slice on either side at most")
        if not 0 <= self.neighbours <= 8:
            raise ConfigError(f"neighbours: 0 to 8 slices on either side, not {self.neighbours}")
        if not 0 < self.select_keep <= 1:
            raise ConfigError(f"select_keep: a share between 0 and 1, not {self.select_keep}")
        if self.select and not self.start_from:
            raise ConfigError("select: scores the channels of a trained network; name its checkpoint with start_from")

    @property
    def in_batches(self) -> bool:
        """Whether crops are made a batch at a time."""
        return self.batched or self.hounsfield > 0

    @property
    def input_size(self) -> tuple[int, int] | None:
        """`whole` as (rows, columns)."""
        if not self.whole:
            return None
        width, _, height = self.whole.partition("x")
        return int(height), int(width)

    @property
    def widened(self) -> float:
        """`least_side`, settled."""
        return (0.0 if self.boxes == "paper" else 5.0) if self.least_side is None else self.least_side


PAPER_TABLE: dict[str, tuple[float, int]] = {
    "mobilenet_v1": (0.004, 112_600),
    "mobilenet_v2": (0.004, 109_900),
    "inception_v2": (0.004, 61_400),
    "resnet50": (0.04, 16_500),
    "resnet101": (0.04, 12_400),
}
"""Table 2 of Abdullah et al.: backbone → learning rate and iterations at batches of 64. The rates of MobileNetV1 and
InceptionV2 could not be read in the printed table: they are those of the TF object detection configurations that the
others agree with."""

PAPER: dict[str, Any] = {
    "boxes": "paper",
    "whole": f"430x{PAPER_SIDE}",
    "loss": "mined",
    "least_negatives": 3,
    "box_loss": "smooth_l1",
    "batch": 64,
    "positive": 0.5,
    "negative": 0.5,
    "augment": "flips",
    "average": 0.0,
    "views": "one",
}


def paper_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """The published settings for the backbone in `given`; an unknown one is named later.

    Stated in the paper: input of 430 × 418, matching at IoU 0.5, batches of 64, and per backbone the learning rate and
    the iterations. It names the TF object detection API, so the rest is taken from its configurations: RMSProp at a
    constant rate for the SSDs (`ssd_mobilenet_v1_coco` and its like), momentum with a cosine for the ResNets
    (`ssd_resnet50_v1_fpn`), mirrored images. Those also crop at random, which is left out.
    """
    backbone = str(given.get("backbone", NoduleSettings.backbone))
    rate, iterations = PAPER_TABLE.get(backbone, PAPER_TABLE["mobilenet_v1"])
    own: dict[str, Any] = {"optimizer": "rmsprop", "schedule": "constant", "weight_decay": 4e-5, "warm_up": 0.0}
    if backbone.startswith("resnet"):
        own = {"optimizer": "sgd", "schedule": "cosine", "weight_decay": 4e-4, "warm_up": 0.08}
    return {**PAPER, **own, "lr": rate, "iterations": iterations}


PRESETS: dict[str, Preset] = {"paper": paper_preset, "quick": {"epochs": 2, "limit": 64, "check_every": 1}}


def network_config(
    settings: NoduleSettings,
    classes: Sequence[str] = samples.NODULE,
    keep: Sequence[Sequence[int]] | None = None,
) -> dict[str, Any]:
    """`ModelCard.config`: the arguments of `models.nets.ssd.SSD`.

    keep: the channels of each backbone map that feature selection left, None for all.
    """
    paper = settings.boxes == "paper"
    made: dict[str, Any] = {
        "backbone": settings.backbone,
        "boxes": list(paper_levels(PAPER_SIDE) if paper else SMALL),
        "maps": settings.maps or ("extras" if paper else "topdown"),
        "width": settings.width,
        "classes": list(classes),
        "softmax": settings.loss == "mined",
    }
    if settings.neighbours:
        made["channels"] = 2 * settings.neighbours + 1
    if keep is not None:
        made["keep"] = [list(channels) for channels in keep]
    return made


def classes_of(settings: NoduleSettings, labels: Mapping[str, int]) -> tuple[str, ...]:
    """What the network tells apart; labels: class → boxes, as `Summary.labels` has them."""
    return tuple(labels) if settings.classes == "each" and labels else samples.NODULE
