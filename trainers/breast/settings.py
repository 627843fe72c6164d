"""Settings of a breast run and its presets. No torch, so that a window can ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trainers import options
from trainers.options import Option


@dataclass(frozen=True)
class BreastSettings:
    """What a run is made of.

    network: key of `models.nets.NETWORKS`; size: its preset ("compact", "paper").
    mt_estan, swin, aaa, aaa_place, aaa_up, fuse: Hybrid-MT-ESTAN's switches, as in its `Config`; "" for the preset's.
    base: of its MT-ESTAN, one of `models.nets.MT_ESTAN_BASES`, which `pretrained` then speaks of; "" for the
        preset's ResNet (narrow and from scratch, or ResNet50).
    loss: "tuned" or "paper". augmentation: "strong", "paper" or "domain" (stronger, for other hospitals).
    normals: share of training images shown without their lesion, as normal (benign) tissue with an empty mask; such
        cuts have another shape than whole images, which a network may learn instead (see the documentation's figures).
    minutes: wall-clock budget, 0 for none: the schedule then follows whichever of time and epochs is further on.
    train_folds, tune_folds: official folds of BUS-BRA; fold 5 is left to `evaluate`.
    limit: use only so many training images, 0 for all (for tests).
    views: what the exported card shows to the network: "one", "two" (mirrored) or "four" (and smaller).
    start_from: cards whose weights, averaged, training starts from; none for fresh ones. Cards of several runs from
        one start with `epochs=0` are joined that way (Wortsman et al. 2022, "Model soups", arXiv 2203.05482).
    sets: folders of further sets to learn from, each with its folds (see `trainers.data.ultrasound.sets.of_sets`); an
        epoch then draws from each set in proportion to the root of its size, `epoch_images` altogether (0: as many as
        there are).
    pretrained: "none", "imagenet" or a file of ImageNet weights; backbone_lr_factor: learning rate of a pretrained
        encoder, as a share of that of the rest.
    name: of the card; "" for one made of network and size.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = options.BREAST

    network: str = "hybrid_mt_estan"
    size: str = "compact"
    image_size: int = 192
    mt_estan: bool = True
    swin: bool = True
    aaa: str = "cat"
    aaa_place: str = ""
    aaa_up: str = ""
    fuse: str = ""
    base: str = ""
    pretrained: str = "none"
    backbone_lr_factor: float = 1.0
    loss: str = "tuned"
    augmentation: str = "strong"
    optimizer: str = "adamw"
    lr: float = 2e-3
    weight_decay: float = 0.05
    average: float = 0.998
    batch: int = 16
    epochs: int = 60
    minutes: float = 0
    warm_up: float = 0.05
    class_weight: float = 0.6
    smoothing: float = 0.1
    positive_weight: float = 1.5
    normals: float = 0.0
    check_every: int = 1
    seed: int = 1
    threads: int = 0
    device: str = "auto"
    precision: str = "auto"
    clip: float = 1.0
    train_folds: tuple[int, ...] = (1, 2, 3)
    tune_folds: tuple[int, ...] = (4,)
    sets: tuple[Path, ...] = ()
    epoch_images: int = 0
    limit: int = 0
    views: str = "four"
    start_from: tuple[Path, ...] = ()
    name: str = ""
    version: str = "1"


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "unet": {
        "network": "efficientnet_unet",
        "pretrained": "imagenet",
        "backbone_lr_factor": 0.33,
        "lr": 1.5e-3,
        "average": 0.998,
        "augmentation": "domain",
    },
    "paper": {
        "size": "paper",
        "image_size": 256,
        "pretrained": "imagenet",
        "loss": "paper",
        "augmentation": "paper",
        "normals": 0.0,
        "optimizer": "adam",
        "lr": 1e-5,
        "weight_decay": 0.0,
        "average": 0.0,
        "batch": 4,
        "precision": "32-true",
        "clip": 0.0,
    },
    "quick": {"epochs": 2, "limit": 64, "check_every": 1},
}
