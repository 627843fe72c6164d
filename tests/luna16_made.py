"""Made LUNA16 scans with known truth, and what an import wrote."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry

SHAPE = (28, 90, 100)  # slices, rows, columns
SPACING = (1.5, 0.8, 0.7)  # mm between slices, rows, columns


def turned(degrees: float, axis: int) -> NDArray[np.float64]:
    """Rotation about an axis of LPS."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.roll(np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), (axis, axis), (0, 1))


DIRECTIONS = {
    "plain": np.eye(3),
    "left to right": np.diag([-1.0, 1, 1]),
    "upside down": np.diag([1.0, -1, 1]),
    "feet first": np.diag([1.0, 1, -1]),
    "all three": np.diag([-1.0, -1, -1]),
    "rotated": turned(90, 2),
    "oblique": turned(20, 0) @ turned(-35, 1) @ turned(10, 2),
}


@dataclass(frozen=True)
class Nodule:
    """A sphere at a continuous (slice, row, column) index."""

    index: tuple[float, float, float]
    diameter: float


@dataclass(frozen=True)
class Framed:
    """Instead of the program's own lungs, which want a chest: everything but a frame of 6 pixels, or nothing."""

    count: int
    found: bool = True

    def slices(self) -> NDArray[np.intp]:
        return np.arange(self.count)

    def on_slice(self, k: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        made = np.zeros(shape, bool)
        made[6:-6, 6:-6] = True
        return made


def lungs(pixels: NDArray[np.generic], geometry: Geometry) -> Framed:
    assert pixels.shape == geometry.shape
    return Framed(len(pixels))


def write_scan(
    folder: Path,
    uid: str,
    nodules: list[Nodule],
    *,
    direction: NDArray[np.float64] = DIRECTIONS["plain"],
    origin: tuple[float, float, float] = (-40.0, 60.0, -300.0),
    dtype: type = np.int16,
) -> list[tuple[str, float, float, float, float]]:
    """A scan with soft spheres in lung; the rows of annotations.csv, worked out without the program's geometry."""
    step = np.array([SPACING[2], SPACING[1], SPACING[0]])
    k, r, c = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    pixels = np.full(SHAPE, -850.0)
    rows = []
    for one in nodules:
        away = np.sqrt(sum(((a - i) * s) ** 2 for a, i, s in zip((k, r, c), one.index, SPACING, strict=True)))
        pixels = np.maximum(pixels, -850 + 900 * np.clip(one.diameter / 2 - away + 0.5, 0, 1))
        centre = np.array(origin) + direction @ (step * np.array(one.index[::-1]))
        rows.append((uid, *(float(v) for v in centre), one.diameter))
    image = sitk.GetImageFromArray(pixels.astype(dtype))
    image.SetSpacing([float(s) for s in step])
    image.SetOrigin(origin)
    image.SetDirection([float(v) for v in direction.ravel()])
    folder.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(folder / f"{uid}.mhd"))
    return rows


def write_table(
    folder: Path, rows: list[tuple[str, float, float, float, float]], name: str = "annotations.csv"
) -> None:
    with (folder / name).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"])
        writer.writerows(rows)


def index(out: Path, name: str = "index.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def picture(out: Path, name: str) -> NDArray[np.uint8]:
    image = cv2.imread(str(out / "images" / name), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.ndim == 2
    return np.asarray(image, np.uint8)


def write_luna(data: Path) -> Path:
    """Two subsets with a scan of two nodules, one of one, and one without."""
    rows = write_scan(data / "subset0", "1.2.1", [Nodule((10.3, 40, 30.5), 12.0), Nodule((20, 60.2, 70), 5.0)])
    rows += write_scan(data / "subset1", "1.2.2", [Nodule((14, 30, 50), 9.0)])
    write_scan(data / "subset1", "1.2.3", [])
    write_table(data, rows)
    return data
