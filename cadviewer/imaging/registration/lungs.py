"""A chest CT cut to its lungs on a coarse grid: what is registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.lungs import find_lungs
from cadviewer.imaging.registration.itk import image_of
from cadviewer.imaging.registration.maps import GRID_MM, Grid, Points
from cadviewer.imaging.series import InputError, Volume
from cadviewer.messages import Message

MARGIN_MM = 12.0
"""Around the lungs, of what is registered."""
LUNG_HU = -850.0
"""To which the median of both lungs is brought."""


@dataclass(frozen=True, eq=False)
class Lungs:
    """A CT cut to its lungs on the coarse grid. values: HU, the lungs at `LUNG_HU`; air, around: masks.

    whole: the geometry of the CT itself.
    """

    whole: Geometry
    geometry: Geometry
    values: Grid
    air: NDArray[np.bool_]
    around: NDArray[np.bool_]

    @property
    def points(self) -> Points:
        """LPS mm of the cells with air in them, (n, 3)."""
        return self.geometry.to_patient(np.argwhere(self.air))

    @property
    def image(self) -> Any:
        """The values as SimpleITK has them."""
        return image_of(self.values, self.geometry)

    @property
    def mask(self) -> Any:
        """Where lung is or is near, as SimpleITK has it."""
        return image_of(self.around.astype(np.uint8), self.geometry)


def lungs_of(volume: Volume, which: str) -> Lungs:
    """The lungs of a CT. which: what it is called where it has none, for which InputError is raised."""
    values, geometry = _reduced(volume)
    found = find_lungs(values, geometry)
    if not found.found:
        raise InputError(Message("no lung was found in {which}", which=which))
    size = (values.shape[2], values.shape[1])
    air, around = (
        np.stack([cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_AREA) for m in mask]) > 0
        for mask in (found.air, found.coarse)
    )
    shift = LUNG_HU - float(np.median(values[air]))
    moved = values + shift * np.clip((-500 - values) / 200, 0, 1) * (values > -980)
    values = np.asarray(np.clip(moved, -1000, 150), np.float32)
    margin = [int(np.ceil(MARGIN_MM / s)) for s in geometry.spacing or ()]
    places = np.argwhere(around)
    low = np.maximum(places.min(axis=0) - margin, 0)
    high = np.minimum(places.max(axis=0) + margin + 1, values.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    cut = _cut(geometry, low, high)
    return Lungs(
        volume.geometry,
        cut,
        np.ascontiguousarray(values[box]),
        np.ascontiguousarray(air[box]),
        np.ascontiguousarray(around[box]),
    )


def _reduced(volume: Volume) -> tuple[Grid, Geometry]:
    """A volume averaged to cells of about `GRID_MM`; larger voxels stay as they are."""
    pixels, geometry = volume.pixels, volume.geometry
    spacing = geometry.spacing
    assert spacing is not None
    new = [max(1, round(n * s / GRID_MM)) if s < GRID_MM else n for n, s in zip(geometry.shape, spacing, strict=True)]
    flat = np.empty((geometry.shape[0], new[1], new[2]), np.float32)
    for k, plane in enumerate(pixels):
        values = np.nan_to_num(np.asarray(plane, np.float32), nan=-1024.0, posinf=1000.0, neginf=-1024.0)
        flat[k] = cv2.resize(np.clip(values, -1024, 1000), (new[2], new[1]), interpolation=cv2.INTER_AREA)
    if new[0] != geometry.shape[0]:
        upright = [cv2.resize(flat[:, r], (new[2], new[0]), interpolation=cv2.INTER_AREA) for r in range(new[1])]
        flat = np.ascontiguousarray(np.stack(upright, axis=1))
    cell = [n * s / m for n, s, m in zip(geometry.shape, spacing, new, strict=True)]
    first = geometry.to_patient([(c / s - 1) / 2 for c, s in zip(cell, spacing, strict=True)])
    return flat, _geometry((new[0], new[1], new[2]), cell, first, geometry)


def _cut(geometry: Geometry, low: NDArray[Any], high: NDArray[Any]) -> Geometry:
    a, b, c = (int(n) for n in high - low)
    assert geometry.spacing is not None
    return _geometry((a, b, c), geometry.spacing, geometry.to_patient(low), geometry)


def _geometry(shape: tuple[int, int, int], cell: Sequence[float], first: Points, like: Geometry) -> Geometry:
    x, y, z = first.tolist()
    return Geometry(shape, (cell[1], cell[2]), cell[0], (x, y, z), like.direction)
