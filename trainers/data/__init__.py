"""One importer per public data set layout, and the table that finds the right one for a folder."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from cadviewer.messages import Message
from trainers.config import ConfigError

if TYPE_CHECKING:
    from trainers.data.ct.samples import LabelledSlice, Summary

LAYOUTS: dict[str, str] = {
    "luna16-slices": "trainers.data.ct.luna16_slices",
    "coco": "trainers.data.ct.coco",
    "voc": "trainers.data.ct.voc",
    "yolo": "trainers.data.ct.yolo",
}
"""Layouts of labelled CT slices, the most telling first: name → module with the functions of `SliceLayout`."""


class SliceLayout(Protocol):
    """What a module of `LAYOUTS` has."""

    def holds(self, folder: Path) -> bool:
        """Whether a folder is laid out like this; quick."""

    def summary(self, folder: Path) -> Summary:
        """What is in the folder. Raises ConfigError naming what is wrong."""

    def read(self, data: Path, folds: Sequence[str]) -> list[LabelledSlice]:
        """All slices of these folds. Raises ConfigError naming what is wrong."""


def layout_of(folder: Path) -> SliceLayout:
    """The importer for a folder of labelled slices. Raises ConfigError when it has none of the known layouts."""
    if not folder.is_dir():
        raise ConfigError(Message("{folder}: no such folder", folder=folder))
    for module in LAYOUTS.values():
        layout = cast(SliceLayout, importlib.import_module(module))
        if layout.holds(folder):
            return layout
    if any(folder.rglob("annotations.csv")) and any(folder.rglob("*.mhd")):
        raise ConfigError(
            Message("{folder}: LUNA16 scans; turn them into slices first with cadviewer-train luna16", folder=folder)
        )
    raise ConfigError(
        Message(
            "{folder}: none of the known layouts of labelled slices ({layouts})",
            folder=folder,
            layouts=", ".join(LAYOUTS),
        )
    )


def recognise(folder: Path) -> Summary:
    """What a folder of labelled slices holds: layout, images, patients, labels, split. Raises ConfigError."""
    return layout_of(folder).summary(folder)


def read_slices(folder: Path, folds: Sequence[str]) -> list[LabelledSlice]:
    """The slices of these folds, whatever the folder's layout. Raises ConfigError."""
    return layout_of(folder).read(folder, folds)
