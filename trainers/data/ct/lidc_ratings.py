"""Texture ratings of LIDC-IDRI's readers (`ct/lidc-readings/rois.csv.gz`) for the labelled slices of LUNA16.

A ROI belongs to a labelled nodule when it is of its series, near its height (annotations.csv) and near its place: the
slices are the 512² images resampled to 1.0 mm, so a column x of W is x · 512 / W there.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.config import ConfigError
from trainers.data.ct import luna16_slices

MATRIX = 512
NEAR_MM = 3.0
"""A ROI is near within half the nodule's diameter or this, in the plane and along the slices."""


@dataclass(frozen=True)
class RatedNodule:
    """A labelled nodule of a slice. box: (4,) edge coordinates; textures: one rating (1–5) per reader."""

    image: Path
    patient: str
    fold: str
    box: NDArray[np.float32]
    pixel_mm: float
    textures: tuple[float, ...]

    @property
    def texture(self) -> float:
        """Median of the readers."""
        return float(np.median(self.textures))


def holds(data: Path) -> bool:
    """Whether slices, annotations and readings are all in the folder of data sets."""
    try:
        _files(data)
        luna16_slices.find(data)
    except ConfigError:
        return False
    return True


def _files(data: Path) -> tuple[Path, Path]:
    """annotations.csv and rois.csv.gz. Raises ConfigError where one is missing."""
    for folder in (data / "ct", data):
        files = folder / "luna16-annotations" / "annotations.csv", folder / "lidc-readings" / "rois.csv.gz"
        if all(f.is_file() for f in files):
            return files
    raise ConfigError(f"{data}: holds no luna16-annotations/annotations.csv and lidc-readings/rois.csv.gz")


def read(data: Path, folds: Sequence[str]) -> list[RatedNodule]:
    """The labelled nodules of these folds that readers rated, by image. Raises ConfigError for what is damaged."""
    annotations, readings = _files(data)
    folder = luna16_slices.find(data)
    try:
        heights = [float(row["coordZ"]) for row in _rows(annotations)]
        rated: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        with gzip.open(readings, "rt", newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["texture"]:
                    rated[row["series_uid"]].append(row)
        found = []
        for row in _rows(folder / "index.csv"):
            if row["role"] == "labelled" and row["fold"] in folds and row.get("annotation_row"):
                height = heights[int(row["annotation_row"]) - 1]
                textures = _textures(row, height, rated[row["series_uid"]])
                if textures:
                    found.append(_nodule(folder, row, textures))
    except (KeyError, ValueError, IndexError, OSError) as error:
        raise ConfigError(f"{folder.name}, {annotations.name} or {readings.name}: damaged ({error})") from error
    return sorted(found, key=lambda n: (n.image.name, *n.box.tolist()))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _textures(row: Mapping[str, str], height: float, rois: Sequence[Mapping[str, str]]) -> tuple[float, ...]:
    """The rating of each reader whose nearest ROI lies on the nodule."""
    mm = luna16_slices.PIXEL_MM
    near = max(float(row["diameter_mm"]) / 2, NEAR_MM)
    best: dict[str, tuple[float, float]] = {}
    for roi in rois:
        x = (float(roi["x0"]) + float(roi["x1"])) / 2 * float(row["W"]) / MATRIX
        y = (float(roi["y0"]) + float(roi["y1"])) / 2 * float(row["H"]) / MATRIX
        apart = float(np.hypot(x - float(row["cx"]), y - float(row["cy"]))) * mm
        above = abs(float(roi["z"]) - height)
        if apart <= near and above <= near:
            best[roi["reader"]] = min(best.get(roi["reader"], (np.inf, 0.0)), (apart + above, float(roi["texture"])))
    return tuple(texture for _, texture in best.values())


def _nodule(folder: Path, row: Mapping[str, str], textures: tuple[float, ...]) -> RatedNodule:
    x, y, half = float(row["cx"]) + 0.5, float(row["cy"]) + 0.5, float(row["box"]) / 2
    box = np.array([x - half, y - half, x + half, y + half], np.float32)
    pixel_mm = float(row.get("pixel_mm") or luna16_slices.PIXEL_MM)
    return RatedNodule(folder / "images" / row["image"], row["patient_id"], row["fold"], box, pixel_mm, textures)
