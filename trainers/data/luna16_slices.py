"""Importer for `ct/luna16-slices`: lung-masked axial slices of LUNA16 at 1.0 mm per pixel with square nodule boxes.

8-bit values span −1000…400 HU and are 0 outside a dilated lung mask. `index.csv` gives a box's centre as a pixel index;
in edge coordinates that is + 0.5. Folds are by patient: 3–9 train, 2 tunes, 1 tests, x is reserved.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.models.boxes import Boxes
from trainers.config import ConfigError

TRAIN, TUNE, TEST = ("3", "4", "5", "6", "7", "8", "9"), ("2",), ("1",)
WINDOW = (-1000.0, 400.0)
PIXEL_MM = 1.0


@dataclass(frozen=True)
class LabelledSlice:
    """One slice and what is known to be on it.

    boxes: (n, 4) x0, y0, x1, y1 in edge coordinates, the set's own labels; diameters: (n,) mm of annotations.csv;
    others: (m, 4) further nodules of annotations.csv that cross this slice; ratings: LIDC malignancy per own box.
    """

    image: Path
    patient: str
    series_uid: str
    fold: str
    boxes: Boxes
    diameters: NDArray[np.float32]
    others: Boxes
    ratings: tuple[tuple[int, ...], ...] = ()

    def pixels(self) -> NDArray[np.uint8]:
        """(rows, columns) as stored. Raises ConfigError naming a file that cannot be read."""
        image = cv2.imread(str(self.image), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise ConfigError(f"{self.image}: not a readable image")
        return np.asarray(image, np.uint8)


def find(data: Path) -> Path:
    """The folder of this set in a folder of data sets, or that folder itself. Raises ConfigError when it is neither."""
    for folder in (data, data / "luna16-slices", data / "ct" / "luna16-slices"):
        if (folder / "index.csv").is_file():
            return folder
    raise ConfigError(f"{data}: holds no luna16-slices (an index.csv beside images/)")


def read(data: Path, folds: Sequence[str]) -> list[LabelledSlice]:
    """All slices of these folds, by file name. Raises ConfigError for a damaged index."""
    folder = find(data)
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row.get("fold") in folds:
                groups[row["image"]].append(row)
    try:
        return [_slice(folder / "images" / name, rows) for name, rows in sorted(groups.items())]
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{folder / 'index.csv'}: damaged ({error})") from error


def _slice(image: Path, rows: list[dict[str, str]]) -> LabelledSlice:
    own = [r for r in rows if r["role"] == "labelled"]
    others = [r for r in rows if r["role"] != "labelled"]
    return LabelledSlice(
        image=image,
        patient=rows[0]["patient_id"],
        series_uid=rows[0]["series_uid"],
        fold=rows[0]["fold"],
        boxes=_boxes(own),
        diameters=np.array([float(r["diameter_mm"]) for r in own], np.float32),
        others=_boxes(others),
        ratings=tuple(_ratings(r["mal_details"]) for r in own),
    )


def _boxes(rows: list[dict[str, str]]) -> Boxes:
    made = np.array([[float(r["cx"]) + 0.5, float(r["cy"]) + 0.5, float(r["box"]) / 2] for r in rows], np.float32)
    made = made.reshape(-1, 3)
    if not np.isfinite(made).all() or (made[:, 2] <= 0).any():
        raise ValueError("a box without a size")
    return np.concatenate([made[:, :2] - made[:, 2:], made[:, :2] + made[:, 2:]], axis=1)


def _ratings(text: str) -> tuple[int, ...]:
    return tuple(int(t) for t in text.strip("[] ").split(",") if t.strip())
