"""What the settings of the trainers are called, mean and may be: the one table behind `--set`, `settings` and the form.

Names, types and defaults are those of each trainer's `Settings`; here stands what a dataclass cannot say. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cadviewer.models.nets import BACKBONES, MT_ESTAN_BASES, NETWORKS


@dataclass(frozen=True)
class Option:
    """One setting: its name for people, what it means, its range (both ends allowed; None: open) or its choices.

    main: whether it is asked for at once, and not among the further settings.
    """

    label: str
    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    main: bool = False

    @property
    def range(self) -> str:
        """The range in signs, "" where there is none."""
        if self.low is None and self.high is None:
            return ""
        return (
            f"≥ {_number(self.low or 0)}" if self.high is None else f"{_number(self.low or 0)} … {_number(self.high)}"
        )

    def problem(self, value: Any) -> str:
        """Why a value is not allowed, "" when it is; None and texts where no choice is asked for are."""
        if self.choices:
            names = ", ".join(choice or '""' for choice in self.choices)
            return "" if value in self.choices else f"{value!r} is none of {names}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return ""
        low, high = -float("inf") if self.low is None else self.low, float("inf") if self.high is None else self.high
        return "" if low <= value <= high else f"{value!r} is not in the range {self.range}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


COMMON: dict[str, Option] = {
    "epochs": Option("Epochs", "How often all images are gone through.", 0, 100_000, main=True),
    "batch": Option("Batch", "Images learned from at a time; more need more memory.", 1, 4096, main=True),
    "seed": Option("Seed", "Of all that is drawn at random; the same one gives the same run.", 0, main=True),
    "threads": Option("Threads", "Of the processor; 0 leaves the choice to the program.", 0, 1024, main=True),
    "limit": Option("At most images", "Use only so many images, to try something; 0 for all.", 0, main=True),
    "check_every": Option("Epochs between looks", "How often figures are taken on the tune fold.", 1, 10_000),
    "average": Option("Running average", "Share kept of the averaged weights at each step; 0 for none.", 0, 0.99999),
    "warm_up": Option("Warm-up", "Share of the run in which the learning rate rises.", 0, 1),
    "clip": Option("Clip", "Largest norm of a gradient; 0 for no limit.", 0, 1e6),
    "precision": Option(
        "Precision",
        "Of the numbers while training; auto takes what is quicker, measured at the start.",
        choices=("auto", "32-true", "bf16-mixed", "16-mixed"),
    ),
    "device": Option(
        "Device", "Where to train; auto takes a graphics processor if there is one.", choices=("auto", "cpu")
    ),
    "lr": Option("Learning rate", "Of the optimiser, at its highest.", 1e-8, 1, main=True),
    "weight_decay": Option("Weight decay", "How strongly weights are drawn to nothing.", 0, 1),
    "name": Option("Name", "Of the model of this run; empty for one by its network."),
    "version": Option("Version", "Of the model, as its card says it."),
}

NODULES: dict[str, Option] = COMMON | {
    "backbone": Option(
        "Backbone",
        "The part of the network that turns pixels into features.",
        choices=tuple(BACKBONES),
        main=True,
    ),
    "boxes": Option(
        "Default boxes", "small fits nodules of 3 to 30 mm; paper as published.", choices=("small", "paper")
    ),
    "maps": Option(
        "Feature maps", "How maps are joined; empty for what goes with the boxes.", choices=("", "topdown", "extras")
    ),
    "loss": Option("Loss", "focal, or mined: softmax with hard negatives, as published.", choices=("focal", "mined")),
    "least_negatives": Option("Fewest negatives", "Per image, for the mined loss.", 0, 100_000),
    "box_loss": Option("Box loss", "diou with half the smooth-L1, or smooth_l1 alone.", choices=("diou", "smooth_l1")),
    "classes": Option(
        "Classes", "one: every label is a nodule; each: the classes of the set.", choices=("one", "each")
    ),
    "neighbours": Option("Neighbours", "Slices on either side that are looked at too.", 0, 8),
    "width": Option("Width", "Channels of the joined feature maps.", 8, 1024),
    "iterations": Option("Steps", "Train for so many steps, whatever the epochs; 0 for the epochs.", 0),
    "crops": Option("Crops", "Per epoch; 0 for one per slice.", 0),
    "optimizer": Option("Optimiser", "How weights follow the gradient.", choices=("adamw", "rmsprop", "sgd")),
    "schedule": Option("Schedule", "Of the learning rate.", choices=("cosine", "constant")),
    "box_weight": Option("Weight of the box loss", "Beside that of the classes.", 0, 100),
    "size": Option("Crop size", "Side of a crop in pixels.", 32, 1024),
    "nodules": Option("Share with a nodule", "Of the crops.", 0, 1),
    "positive": Option("Positive overlap", "A default box that overlaps a nodule so much learns it.", 0, 1),
    "negative": Option("Negative overlap", "A default box that overlaps less learns the background.", 0, 1),
    "least_side": Option(
        "Widen boxes to", "Pixels; small boxes are widened for matching. Empty: what goes with the boxes.", 0, 100
    ),
    "augment": Option("Augmentation", "How crops are changed.", choices=("full", "flips", "none")),
    "whole": Option("Whole slices", "Width and height such as 430x418, instead of crops."),
    "background": Option("Share of background", "Of the crops without a nodule, somewhere in the lung.", 0, 1),
    "narrow": Option("Share of narrow windows", "Of the crops, as seen in a soft-tissue window.", 0, 1),
    "batched": Option("Crops on the device", "Make crops a batch at a time; pays with a graphics processor."),
    "hounsfield": Option("Share of HU crops", "Of the crops, from lidc-hu-crops128 in the same folder.", 0, 1),
    "workers": Option("Loaders", "Processes that make crops beside the training.", 0, 64),
    "start_from": Option("Start from", "Checkpoint of an earlier run; empty for fresh weights."),
    "pretrained": Option(
        "Start of the backbone", "none: from scratch; imagenet: weights learned on photographs; or a file of weights."
    ),
    "backbone_lr_factor": Option("Rate of the backbone", "Its learning rate, as a share of that of the rest.", 0, 10),
    "mine": Option("Learn from false alarms", "Cut crops where the earlier run saw nodules that are none."),
    "select": Option("Select features", "Keep the channels that tell the most.", choices=("", "anova", "mutual_info")),
    "select_keep": Option("Share of features kept", "Of the channels, where some are selected.", 0, 1),
    "views": Option(
        "Views",
        "How often a slice is looked at; empty for the usual.",
        choices=("", "one", "two", "four", "eight", "twelve"),
    ),
}

OUTLINE: dict[str, Option] = COMMON | {
    "patches": Option("Patches", "Per epoch; 0 for one per crop.", 0),
    "dice": Option("Weight of the Dice loss", "Beside that of the pixels.", 0, 100),
    "widths": Option("Widths", "Channels of the levels of the network, the finest first.", 1, 4096),
}

BREAST: dict[str, Option] = COMMON | {
    "network": Option(
        "Network",
        "Hybrid-MT-ESTAN or one of its rivals.",
        choices=tuple(name for name in NETWORKS if name not in ("outline", "ssd")),
    ),
    "size": Option(
        "Network size",
        "compact ships; paper is as published and needs a graphics processor; tiny is for trying.",
        choices=("compact", "paper", "tiny"),
        main=True,
    ),
    "image_size": Option("Image size", "Side of what the network sees, in pixels.", 32, 1024, main=True),
    "minutes": Option("Minutes", "End after so long, with the schedule fitted to it; 0 for the epochs.", 0, main=True),
    "mt_estan": Option("MT-ESTAN branch", "Of Hybrid-MT-ESTAN."),
    "swin": Option("Swin branch", "Of Hybrid-MT-ESTAN."),
    "aaa": Option(
        "Attention", "How the two poolings of the anatomy-aware attention are joined.", choices=("cat", "add", "none")
    ),
    "aaa_place": Option(
        "Place of the attention", "After every stage or every pair; empty as usual.", choices=("", "stage", "pair")
    ),
    "aaa_up": Option(
        "Up-sampling of the attention", "Learned or not; empty as usual.", choices=("", "transposed", "bilinear")
    ),
    "fuse": Option("Fuse kernel", "Of the ESTAN blocks; empty as usual.", choices=("", "script", "caption")),
    "base": Option(
        "Base",
        "Of MT-ESTAN: a network with published weights; empty for the usual ResNet.",
        choices=("", *MT_ESTAN_BASES),
    ),
    "pretrained": Option(
        "Start of the encoder", "none: from scratch; imagenet: weights learned on photographs; or a file of weights."
    ),
    "backbone_lr_factor": Option("Rate of the encoder", "Its learning rate, as a share of that of the rest.", 0, 10),
    "sets": Option("Further sets", "Folders of other sets that are learned from too."),
    "epoch_images": Option("Images of an epoch", "Drawn from all sets; 0 for as many as there are.", 0),
    "loss": Option("Loss", "tuned, or as published.", choices=("tuned", "paper")),
    "augmentation": Option(
        "Augmentation", "How images are changed; domain is for other hospitals.", choices=("strong", "paper", "domain")
    ),
    "optimizer": Option("Optimiser", "How weights follow the gradient.", choices=("adamw", "adam")),
    "class_weight": Option("Weight of the class loss", "Beside that of the outline.", 0, 100),
    "smoothing": Option("Label smoothing", "How far from sure the labels are taken.", 0, 0.5),
    "positive_weight": Option("Weight of malignant images", "Beside benign ones.", 0, 100),
    "normals": Option("Share without a lesion", "Of the images, shown as tissue beside their lesion.", 0, 1),
    "train_folds": Option("Folds to train on", "Of the set, 1 to 5; the last one is left for measuring.", 1, 5),
    "tune_folds": Option("Folds to calibrate on", "Of the set, 1 to 5, none of those trained on.", 1, 5),
    "views": Option(
        "Views", "How often an image is looked at: plain, mirrored, and smaller too.", choices=("one", "two", "four")
    ),
    "start_from": Option("Start from", "Cards of models whose mean the training starts from; empty for fresh weights."),
}

PRESETS: Mapping[str, str] = {
    "default": "as the model that ships was trained",
    "unet": "a U-Net that starts from weights learned on photographs, as the default model for the breast was trained",
    "paper": "as published: full size, takes days and a graphics processor",
    "quick": "the smallest: 2 epochs of 64 images, just to try it",
}
"""What is said of a preset; the smallest one is `SMALLEST`."""

SMALLEST = "quick"
