"""Maps of points between two CTs, what a registration knows of its own error, and what it found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cadviewer.imaging.geometry import Geometry, Vector

Points = NDArray[np.float64]
Grid = NDArray[np.float32]

GRID_MM = 4.0
"""Cells on which two CTs are registered."""
INVERTING = 20
"""Steps by which a map is inverted."""
RIGID_MM = 8.0
"""Breathing that a rigid map leaves: what it is off by, as an order of magnitude, wherever it maps."""
UNLIKE = 0.5
"""Correlation of a neighbourhood below which its place is not to be trusted."""


@dataclass(frozen=True, eq=False)
class Warp:
    """A map of points: p → rotation (p + u(p)) + translation.

    geometry: of the grid of displacements u, (slices, rows, columns, 3) LPS mm, the nearest one outside; None for a
    rigid map alone. rotation: (3, 3); translation: (3,) mm.
    """

    rotation: Points
    translation: Points
    geometry: Geometry | None = None
    displacements: Grid | None = None

    def __call__(self, points: ArrayLike) -> Points:
        """LPS mm, (n, 3), of LPS mm points, (n, 3)."""
        moved = np.atleast_2d(np.asarray(points, float))
        if self.geometry is not None and self.displacements is not None:
            moved = moved + sampled(self.displacements, self.geometry, moved)
        return np.asarray(moved @ self.rotation.T + self.translation, np.float64)


@dataclass(frozen=True, eq=False)
class Registration:
    """How two CTs of one patient lie to each other.

    forward: from the later CT to the earlier; backward: back, found by itself.
    deformable: whether breathing was taken out too; note: why not, one line, "" where it was.
    likeness: correlation of the two around each cell of `grid`, after registration, in −1 … 1; 0 where the earlier CT
        shows nothing. residual_mm: median of `error_mm` in the lungs. prior, now: geometries of the two
        CTs. seconds: how long it took.
    """

    forward: Warp
    backward: Warp
    grid: Geometry
    likeness: Grid
    residual_mm: float
    prior: Geometry
    now: Geometry
    deformable: bool = True
    note: str = ""
    seconds: float = 0.0

    def to_prior(self, points: ArrayLike) -> Points:
        """Where points of the later CT lie in the earlier one: LPS mm, (n, 3), of (n, 3)."""
        return _mean(self.forward, self.backward, np.atleast_2d(np.asarray(points, float)))

    def to_now(self, points: ArrayLike) -> Points:
        """Where points of the earlier CT lie in the later one: LPS mm, (n, 3), of (n, 3)."""
        return _mean(self.backward, self.forward, np.atleast_2d(np.asarray(points, float)))

    def error_mm(self, points: ArrayLike) -> NDArray[np.float64]:
        """How far off `to_prior` may be, (n,), of LPS mm points of the later CT, (n, 3). An estimate and no bound.

        By how much the way back misses the start, and at least a quarter of a cell, or `RIGID_MM` where the map is
        rigid; where the two do not look alike, more.
        """
        return error_of(np.atleast_2d(np.asarray(points, float)), self.forward, self.backward, self.grid, self.likeness)

    def covered(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether the earlier CT shows these places, (n,), of LPS mm points of the later CT, (n, 3)."""
        return inside(self.prior, self.to_prior(points))


def _mean(warp: Warp, other: Warp, points: Points) -> Points:
    """Half-way between what a map says and what the inverse of the way back says, which are off in different ways."""
    there = warp(points)
    found = there.copy()
    for _ in range(INVERTING):
        found += 0.8 * (points - other(found)) @ other.rotation
    settled = np.linalg.norm(other(found) - points, axis=1, keepdims=True) < 0.5  # not where the way back folds
    return np.asarray(np.where(settled, (there + found) / 2, there))


def inside(geometry: Geometry, points: ArrayLike) -> NDArray[np.bool_]:
    """Whether LPS mm points, (n, 3), lie within the voxels of a CT, (n,)."""
    index = geometry.to_index(np.atleast_2d(np.asarray(points, float)))
    return np.asarray(((index >= -0.5) & (index <= np.array(geometry.shape) - 0.5)).all(axis=1))


def error_of(points: Points, forward: Warp, backward: Warp, grid: Geometry, likeness: Grid) -> NDArray[np.float64]:
    """See `Registration.error_mm`."""
    missed = np.linalg.norm(backward(forward(points)) - points, axis=1)
    alike = sampled(likeness[..., None], grid, points)[:, 0]
    least = RIGID_MM if forward.displacements is None else GRID_MM / 4
    return np.asarray(np.hypot(least, missed) + 20.0 * np.clip(UNLIKE - alike, 0, None))


def sampled(values: Grid, geometry: Geometry, points: Points) -> Points:
    """Values of a grid, (slices, rows, columns, k), at LPS mm points, (n, 3): (n, k), linear, the nearest outside."""
    index = geometry.to_index(points).T
    parts = [ndimage.map_coordinates(values[..., k], index, order=1, mode="nearest") for k in range(values.shape[3])]
    return np.stack(parts, axis=1).astype(np.float64)


def vector(point: Points) -> Vector:
    """A point as three numbers."""
    x, y, z = (float(v) for v in point)
    return x, y, z
