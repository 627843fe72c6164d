"""One LUNA16 scan → labelled 2-D slices: which slices, where the boxes are, what the pixels look like.

A nodule is taken as a sphere (annotations.csv gives centre and diameter alone). A slice cuts it in a circle; the centre
of that circle is the nodule's centre projected onto the slice *along the slice's normal*, which for tilted directions
is not the same row and column. Everything goes through `Geometry`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer import HU_OF_8_BITS
from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.series import InputError, Rejected, Series, Volume
from cadviewer.models.nodules.slices import NEIGHBOUR_MM
from trainers.data.ct.luna16_tables import Annotation

PAPER_SIZE = (430, 418)
"""Width and height of the published SSD's input. The paper does not say which is which; this is our reading."""

LabelledRow = dict[str, str]


class Lungs(Protocol):
    """Where the lungs of a scan are, as `imaging.lungs.find_lungs` says it."""

    @property
    def found(self) -> bool:
        """Whether there is any lung."""

    def slices(self) -> NDArray[np.intp]:
        """Slices with lung."""

    def on_slice(self, k: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The mask of slice k, resampled to (rows, columns)."""


FindLungs = Callable[[NDArray[np.generic], Geometry], Lungs]


@dataclass(frozen=True)
class Section:
    """The circle in which slice `slice` cuts a nodule; source pixels in edge coordinates.

    rx, ry: half width and half height in px; dz_mm: from the nodule's centre to the slice along the normal.
    """

    slice: int
    x: float
    y: float
    rx: float
    ry: float
    dz_mm: float


@dataclass(frozen=True)
class Wanted:
    """What is taken from each scan; see `luna16.Luna16Settings` for the meaning and the defaults."""

    paper: bool = False
    pixel_mm: float = 1.0
    window: tuple[float, float] = HU_OF_8_BITS
    masked: bool = True
    neighbours: int = 1
    neighbour_mm: float = NEIGHBOUR_MM
    negatives: int = 12
    least_chord_mm: float = 2.0


def sections(geometry: Geometry, centre: Vector, diameter_mm: float) -> list[Section]:
    """The circles in which the slices of a scan cut a sphere, by slice; empty when it lies between two slices."""
    away, _ = _distances(geometry, centre)
    radius = diameter_mm / 2
    cut = np.flatnonzero(np.abs(away) < radius)
    return [_section(geometry, centre, int(k), float((radius**2 - away[k] ** 2) ** 0.5)) for k in cut]


def full_section(geometry: Geometry, centre: Vector, diameter_mm: float, k: int) -> Section:
    """The nodule on slice k with its full diameter, however far its centre is."""
    return _section(geometry, centre, k, diameter_mm / 2)


def holds(geometry: Geometry, point: Vector) -> bool:
    """Whether a point lies in the scan."""
    index = geometry.to_index(point)
    return all(-0.5 <= i <= n - 0.5 for i, n in zip(index, geometry.shape, strict=True))


def nearest_slice(geometry: Geometry, centre: Vector) -> int:
    """The slice nearest to a point. Raises InputError when the point lies outside the scan."""
    index = geometry.to_index(centre)
    if not holds(geometry, centre):
        place = ", ".join(f"{i:.1f}" for i in index)
        raise InputError(
            f"lies outside the image (slice, row, column {place} of {geometry.shape}): another scan, or wrong geometry"
        )
    return min(max(round(float(index[0])), 0), geometry.shape[0] - 1)


def _distances(geometry: Geometry, centre: Vector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(slices,) signed mm from a point to each slice, growing with the slice, and the normal in that direction."""
    corners = geometry.to_patient([[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal /= np.linalg.norm(normal)
    step = float(normal @ (corners[3] - corners[0]))
    normal, step = normal * np.sign(step), abs(step)
    away = float(normal @ (corners[0] - np.array(centre))) + step * np.arange(geometry.shape[0])
    return np.asarray(away, float), np.asarray(normal, float)


def _section(geometry: Geometry, centre: Vector, k: int, half_mm: float) -> Section:
    away, normal = _distances(geometry, centre)
    _, row, column = geometry.to_index(np.array(centre) + away[k] * normal)
    row_mm, column_mm = geometry.pixel_spacing or (1.0, 1.0)
    return Section(k, float(column) + 0.5, float(row) + 0.5, half_mm / column_mm, half_mm / row_mm, float(away[k]))


def read_scan(path: Path) -> Volume:
    """Voxels (slice, row, column) in HU and where they are. Raises InputError with the reason in one line."""
    found = [item for item in files.scan([path]) if isinstance(item, Series)]
    if not found:
        reasons = [item.reason for item in files.scan([path]) if isinstance(item, Rejected)]
        raise InputError(reasons[0] if reasons else "not an image")
    volume = files.read(found[0])
    check(volume)
    return volume


def check(volume: Volume) -> None:
    """Raises InputError for a scan from which no true label can come."""
    if not volume.geometry.placed:
        raise InputError("has no known spacing, origin or direction: annotations in millimetres cannot be placed")
    if np.issubdtype(volume.pixels.dtype, np.floating):
        bad = int(volume.pixels.size - np.isfinite(volume.pixels).sum())
        if bad:
            raise InputError(f"{bad} voxels are not numbers")


def chosen(
    geometry: Geometry, nodules: Sequence[Annotation], wanted: Wanted
) -> tuple[dict[int, list[tuple[Annotation, Section]]], dict[int, list[tuple[Annotation, Section]]]]:
    """Slices with their labelled nodules, and slices with nodules that only graze them (never used as background).

    Default: every slice that a nodule crosses in a circle of at least `least_chord_mm`, and always the nearest one
    (with the full diameter, where even that circle is smaller).
    Paper: the central slice of each nodule and its two neighbours, the box as large as the nodule on all three.
    Raises InputError naming the row of an annotation that lies outside the scan.
    """
    labelled: dict[int, list[tuple[Annotation, Section]]] = {}
    grazed: dict[int, list[tuple[Annotation, Section]]] = {}
    column_mm = (geometry.pixel_spacing or (1.0, 1.0))[1]
    for nodule in nodules:
        try:
            nearest = nearest_slice(geometry, nodule.centre)
        except InputError as error:
            raise InputError(f"annotation row {nodule.row} {error}") from error
        cut = {s.slice: s for s in sections(geometry, nodule.centre, nodule.diameter_mm)}
        if wanted.paper:
            around = range(max(nearest - 1, 0), min(nearest + 2, geometry.shape[0]))
            taken = {k: full_section(geometry, nodule.centre, nodule.diameter_mm, k) for k in around}
        else:
            taken = {k: s for k, s in cut.items() if 2 * s.rx * column_mm >= wanted.least_chord_mm}
            if nearest not in taken:
                taken[nearest] = full_section(geometry, nodule.centre, nodule.diameter_mm, nearest)
        for k, section in taken.items():
            labelled.setdefault(k, []).append((nodule, section))
        for k, section in cut.items():
            if k not in taken:
                grazed.setdefault(k, []).append((nodule, section))
    return labelled, grazed


def background(candidates: NDArray[np.bool_], count: int, seed: int) -> list[int]:
    """Up to `count` of the allowed slices, spread over all of them, the same for the same seed."""
    allowed = np.flatnonzero(candidates)
    if not len(allowed) or count <= 0:
        return []
    parts = np.array_split(allowed, min(count, len(allowed)))
    generator = np.random.default_rng(seed)
    return [int(generator.choice(part)) for part in parts]


def render(
    pixels: NDArray[np.generic], size: tuple[int, int], window: tuple[float, float], mask: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    """One slice (rows, columns) in HU → (height, width) gray, low…high of the window as 0…255.

    size: (width, height). mask: (height, width), 0 outside; None for all. Resampled linearly, then windowed, as
    `models.nodules.slices` does before a network. Edges stay edges: pixel edge x of the source lands on x · width /
    columns.
    """
    low, high = window
    values = cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    gray = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return gray if mask is None else np.where(mask, gray, 0).astype(np.uint8)


def size_of(geometry: Geometry, wanted: Wanted) -> tuple[int, int]:
    """Width and height of the images made from a scan."""
    if wanted.paper:
        return PAPER_SIZE
    row_mm, column_mm = geometry.pixel_spacing or (1.0, 1.0)
    _, rows, columns = geometry.shape
    return max(1, round(columns * column_mm / wanted.pixel_mm)), max(1, round(rows * row_mm / wanted.pixel_mm))
