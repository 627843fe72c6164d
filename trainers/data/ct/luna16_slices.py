"""Importer for `ct/luna16-slices`: lung-masked axial slices of LUNA16 at 1.0 mm per pixel with square nodule boxes.

8-bit values span −1000…400 HU and are 0 outside a dilated lung mask. `index.csv` gives a box's centre as a pixel index;
in edge coordinates that is + 0.5. Folds are by patient: 3–9 train, 2 tunes, 1 tests, x is reserved.
`trainers.data.ct.luna16` writes the same layout from raw scans, with more columns and with slices without a nodule.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cadviewer import HU_OF_8_BITS
from cadviewer.models.nodules.boxes import Boxes
from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import TEST, TRAIN, TUNE, LabelledSlice, Summary

__all__ = ["PIXEL_MM", "TEST", "TITLE", "TRAIN", "TUNE", "WINDOW", "LabelledSlice", "find", "holds", "read", "summary"]

WINDOW = HU_OF_8_BITS
PIXEL_MM = 1.0
TITLE = "LUNA16 slices"


def holds(folder: Path) -> bool:
    """Whether the set is in the folder."""
    try:
        find(folder)
    except ConfigError:
        return False
    return True


def summary(folder: Path) -> Summary:
    """What is in the folder. Raises ConfigError for a damaged index."""
    slices = read(folder, None)
    return samples.summarise("luna16-slices", TITLE, find(folder), slices, samples.NODULE, patients=True)


def find(data: Path) -> Path:
    """The folder of this set in a folder of data sets, or that folder itself. Raises ConfigError when it is neither."""
    for folder in (data, data / "luna16-slices", data / "ct" / "luna16-slices"):
        if (folder / "index.csv").is_file():
            return folder
    raise ConfigError(f"{data}: holds no luna16-slices (an index.csv beside images/)")


def read(data: Path, folds: Sequence[str] | None) -> list[LabelledSlice]:
    """All slices of these folds (None: of all), by file name. Raises ConfigError for a damaged index."""
    folder = find(data)
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if folds is None or row.get("fold") in folds:
                groups[row["image"]].append(row)
    try:
        return [_slice(folder / "images" / name, rows) for name, rows in sorted(groups.items())]
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{folder / 'index.csv'}: damaged ({error})") from error


def _slice(image: Path, rows: list[dict[str, str]]) -> LabelledSlice:
    own = [r for r in rows if r["role"] == "labelled"]
    others = [r for r in rows if r["role"] == "other_nodule_same_slice"]
    ignored = [r for r in rows if r["role"] in ("grazed", "excluded")]
    first = rows[0]
    return LabelledSlice(
        image=image,
        patient=first["patient_id"],
        series_uid=first["series_uid"],
        fold=first["fold"],
        boxes=_inside(_boxes(own), first),
        diameters=np.array([float(r["diameter_mm"]) for r in own], np.float32),
        others=_boxes(others),
        ratings=tuple(_ratings(r["mal_details"]) for r in own),
        ignored=_boxes(ignored),
        previous=tuple(image.with_name(name) for name in (first.get("previous") or "").split()),
        next=tuple(image.with_name(name) for name in (first.get("next") or "").split()),
        neighbour_mm=float(first["neighbour_mm"]) if first.get("neighbour_mm") else None,
        pixel_mm=float(first.get("pixel_mm") or PIXEL_MM),
    )


def _boxes(rows: list[dict[str, str]]) -> Boxes:
    sides = [(float(r.get("width") or r["box"]), float(r.get("height") or r["box"])) for r in rows]
    half = np.array(sides, np.float32).reshape(-1, 2) / 2
    centre = np.array([[float(r["cx"]) + 0.5, float(r["cy"]) + 0.5] for r in rows], np.float32).reshape(-1, 2)
    if not (np.isfinite(centre).all() and np.isfinite(half).all()) or (half <= 0).any():
        raise ValueError("a box without a size")
    return np.concatenate([centre - half, centre + half], axis=1)


def _inside(boxes: Boxes, row: dict[str, str]) -> Boxes:
    """The boxes, none of which lies outside the image. Raises ValueError naming the image of one that does."""
    size = [float(row.get(side) or np.inf) for side in ("W", "H")]
    if (boxes[:, 2:] <= 0).any() or (boxes[:, :2] >= size).any():
        raise ValueError(f"a box of {row['image']} lies outside the image")
    return boxes


def _ratings(text: str) -> tuple[int, ...]:
    return tuple(int(t) for t in text.strip("[] ").split(",") if t.strip())
