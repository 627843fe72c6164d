"""Where voxels lie in the patient: the only thing in the program that converts between indices and millimetres.

Patient coordinates are DICOM LPS millimetres (PS3.3 C.7.6.2.1.1: x to the patient's left, y to posterior, z to the
head). Array order is (slice, row, column). An *index* is continuous with voxel centres at whole numbers. A *box* uses
edge coordinates: pixel (column c, row r) covers [c, c+1) × [r, r+1), so the index of an edge point (x, y) is
(row = y − 0.5, column = x − 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Shape and place of a grid of voxels.

    shape: (slices, rows, columns).
    pixel_spacing: mm between (rows, columns); None when unknown, and then no millimetre is ever shown.
    slice_spacing: mm between slices along their normal; None when unknown or when the images are not a volume.
    origin: LPS mm of the centre of voxel (0, 0, 0); None when unknown.
    direction: LPS unit vectors in which the (slice, row, column) index grows, one tuple each; None when unknown. The
        slice vector need not equal row × column: acquisitions may be flipped.

    Raises ValueError for a spacing that is not finite and positive, or for a direction that is singular.
    """

    shape: tuple[int, int, int]
    pixel_spacing: tuple[float, float] | None = None
    slice_spacing: float | None = None
    origin: Vector | None = None
    direction: tuple[Vector, Vector, Vector] | None = None

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"a grid needs three sizes of at least 1, not {self.shape}")
        for name, values in (("pixel spacing", self.pixel_spacing), ("slice spacing", self.slice_spacing)):
            if values is not None and not (np.isfinite(values).all() and np.min(values) > 0):
                raise ValueError(f"{name} must be finite and positive, not {values}")
        if self.origin is not None and not np.isfinite(self.origin).all():
            raise ValueError(f"origin must be finite, not {self.origin}")
        if self.direction is not None and not abs(np.linalg.det(np.array(self.direction, float))) > 1e-3:
            raise ValueError(f"direction is singular: {self.direction}")

    @property
    def spacing(self) -> Vector | None:
        """(slice, row, column) spacing in mm, or None unless all three are known."""
        if self.pixel_spacing is None or self.slice_spacing is None:
            return None
        return (self.slice_spacing, *self.pixel_spacing)

    @property
    def placed(self) -> bool:
        """Whether indices can be turned into patient coordinates."""
        return self.spacing is not None and self.origin is not None and self.direction is not None

    @cached_property
    def _axes(self) -> NDArray[np.float64]:
        """Columns: LPS step in mm of one slice, one row, one column."""
        if self.spacing is None or self.origin is None or self.direction is None:
            raise ValueError("this image has no known place in the patient")
        axes: NDArray[np.float64] = (np.array(self.direction, float) * np.array(self.spacing, float)[:, None]).T
        return axes

    @cached_property
    def _inverse(self) -> NDArray[np.float64]:
        inverse: NDArray[np.float64] = np.asarray(np.linalg.inv(self._axes), np.float64)
        return inverse

    @property
    def axial(self) -> bool:
        """Whether these are more or less axial slices of known place."""
        return self.direction is not None and abs(self.direction[0][2]) > 0.5

    @property
    def towards_head(self) -> bool:
        """Whether of axial slices the last is nearest to the head."""
        return self.axial and self.direction is not None and self.direction[0][2] > 0

    def to_patient(self, index: ArrayLike) -> NDArray[np.float64]:
        """LPS mm, shape (..., 3), of continuous (slice, row, column) indices, shape (..., 3)."""
        point: NDArray[np.float64] = np.asarray(index, float) @ self._axes.T + np.array(self.origin, float)
        return point

    def to_index(self, point: ArrayLike) -> NDArray[np.float64]:
        """Continuous (slice, row, column) indices, shape (..., 3), of LPS mm points, shape (..., 3)."""
        inverse = self._inverse  # raises when the image has no known place
        index: NDArray[np.float64] = (np.asarray(point, float) - np.array(self.origin, float)) @ inverse.T
        return index


def edge_to_index(x: float, y: float) -> tuple[float, float]:
    """(row, column) index of the edge-coordinate point (x, y) of a box."""
    return y - 0.5, x - 0.5
