"""Settings of a nodule run, the published ones among them, and the network that they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cadviewer.models.boxes import SMALL, paper_levels
from cadviewer.models.detect import VIEWS
from trainers.config import ConfigError
from trainers.data import samples

PAPER_SIDE = 418
"""The shorter side of the published input (430 × 418), which the published default boxes are parts of."""


@dataclass(frozen=True)
class Settings:
    """Settings of a run (`--set key=value`).

    boxes: "small" (fits nodules of 3–30 mm) or "paper" (TF object detection defaults for 430 × 418); maps: "topdown"
    or "extras" (see `models.nets.ssd`), "" for what goes with the boxes; loss: "focal" or "mined" (softmax with hard
    negatives 3:1); least_side: px to which small boxes are widened for matching, none: 5 with small boxes, else 0.
    classes: "one" (every label is a nodule) or "each" (the classes of the data set, scored apart).
    neighbours: how many slices on either side are further channels (2.5-D input; a slice without any repeats itself).
    crops: per epoch, 0 for one per slice; augment: "full", "flips" (alone) or "none"; average: of the weights, 0 for
    none; views: how often a slice is looked at afterwards (`models.detect.VIEWS`), "" for four in volumes and twelve
    on single slices; check_every: epochs between validations.
    start_from: checkpoint of an earlier run to start from; mine: cut crops where that run saw nodules that are none;
    select, select_keep: see `trainers.nodule_selection`.
    """

    backbone: str = "mobilenet_v1"
    boxes: str = "small"
    maps: str = ""
    loss: str = "focal"
    classes: str = "one"
    neighbours: int = 0
    width: int = 96
    epochs: int = 160
    crops: int = 0
    batch: int = 16
    lr: float = 2.5e-3
    optimizer: str = "adamw"
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
    background: float = 0.12
    narrow: float = 0.2
    seed: int = 1
    threads: int = 0
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    check_every: int = 10
    limit: int = 0
    start_from: str = ""
    mine: bool = False
    select: str = ""
    select_keep: float = 0.5
    views: str = ""
    name: str = "nodules-ssd-mobilenet_v1"
    version: str = "1"

    def __post_init__(self) -> None:
        known = {
            "boxes": ("small", "paper"),
            "maps": ("", "topdown", "extras"),
            "loss": ("focal", "mined"),
            "classes": ("one", "each"),
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
        if not 0 <= self.neighbours <= 8:
            raise ConfigError(f"neighbours: 0 to 8 slices on either side, not {self.neighbours}")
        if not 0 < self.select_keep <= 1:
            raise ConfigError(f"select_keep: a share between 0 and 1, not {self.select_keep}")
        if self.select and not self.start_from:
            raise ConfigError("select: scores the channels of a trained network; name its checkpoint with start_from")

    @property
    def widened(self) -> float:
        """`least_side`, settled."""
        return (0.0 if self.boxes == "paper" else 5.0) if self.least_side is None else self.least_side


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "boxes": "paper",
        "loss": "mined",
        "size": 416,
        "batch": 64,
        "positive": 0.5,
        "negative": 0.5,
        "lr": 0.004,
        "optimizer": "rmsprop",
        "weight_decay": 4e-5,
        "background": 0.0,
        "narrow": 0.0,
    },
}


def network_config(
    settings: Settings,
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


def classes_of(settings: Settings, labels: Mapping[str, int]) -> tuple[str, ...]:
    """What the network tells apart; labels: class → boxes, as `Summary.labels` has them."""
    return tuple(labels) if settings.classes == "each" and labels else samples.NODULE
