"""Parallel planes through a volume: as acquired, and the patient's axial, coronal and sagittal ones. No copy is made.

A family of planes has a `Geometry` of its own, shape (planes, rows, columns), and so everything that is true of slices
(letters at the edges, millimetres, the way from an index to the patient) is true of it too. Rows and columns run as
radiologists look at them (axial and coronal: the patient's right on the left; sagittal: anterior on the left).

Where the acquired grid lies along the patient's axes the planes are slices of the array, flipped as need be: not a
voxel is interpolated. A grid tilted by more than `TILT` is resampled on the patient's axes, linearly, one plane when it
is asked for: "coronal" then is the patient's coronal plane, comparable between examinations, and the acquisition's own
planes are there as acquired.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.series import Series, Shape
from cadviewer.messages import Message

TILT = 7.0
"""Degrees up to which a grid counts as lying along the patient's axes (nobody calls such slices oblique)."""
_SQUARE = 0.5  # degrees by which its axes may miss being at right angles for that
_QUICK_POINTS = 250_000  # of a quick plane; more are looked up in blocks (3 ms for as many)


class Plane(StrEnum):
    """A family of planes, by what radiologists call it."""

    ACQUIRED = "as acquired"
    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


ANATOMICAL = (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL)
_HEAD, _FEET, _LEFT, _BACK = (0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
_STANDARD: dict[Plane, tuple[Vector, Vector, Vector]] = {
    Plane.AXIAL: (_HEAD, _BACK, _LEFT),
    Plane.CORONAL: (_BACK, _FEET, _LEFT),
    Plane.SAGITTAL: (_LEFT, _FEET, _BACK),
}
"""LPS directions in which the (plane, row, column) index grows."""


class Projection(StrEnum):
    """How the voxels of a thick slab become one."""

    MIP = "MIP"  # the highest
    MINIP = "MinIP"  # the lowest
    AVERAGE = "average"


@dataclass(frozen=True)
class Slab:
    """All voxels whose centre lies at most mm / 2 from a plane, along its normal, seen as one image."""

    projection: Projection
    mm: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mm) and self.mm > 0):
            raise ValueError(f"a slab must be thicker than {self.mm} mm")


@dataclass(frozen=True)
class Planes:
    """A family of parallel planes through a volume.

    plane: what it is called. source: the grid of the voxels. geometry: of the planes, (plane, row, column).
    axes: array axis of the source along which the (plane, row, column) index runs; None when planes are resampled.
    backwards: whether it runs against it.
    """

    plane: Plane
    source: Geometry
    geometry: Geometry
    axes: tuple[int, int, int] | None
    backwards: tuple[bool, bool, bool] = (False, False, False)

    @property
    def resampled(self) -> bool:
        """Whether planes are computed point by point, which takes longer than a frame."""
        return self.axes is None

    def image(
        self, pixels: NDArray[Any], index: int, slab: Slab | None = None, outside: float = 0, *, quick: bool = False
    ) -> NDArray[np.generic]:
        """(rows, columns) values of plane `index`, of the type of `pixels` (slice, row, column), C-ordered.

        A view of `pixels` where planes are slices of it and no slab is asked for. outside: the value shown where a
        resampled plane leaves the volume. quick: a resampled plane is made of the nearest voxels, large ones
        and slabs in blocks, so that it is there within a frame. Raises IndexError for a plane that does not exist.
        """
        count = self.geometry.shape[0]
        if not 0 <= index < count:
            raise IndexError(f"there is no plane {index} of {count}")
        reach = self._reach(slab)
        low, high = max(index - reach, 0), min(index + reach, count - 1)
        if self.axes is None:
            return self._resampled(pixels, range(low, high + 1), slab, outside, quick)
        if self.backwards[0]:
            low, high = count - 1 - high, count - 1 - low
        axis = self.axes[0]
        block = pixels[(slice(None),) * axis + (slice(low, high + 1),)]
        image = block[(slice(None),) * axis + (0,)] if low == high else project(block, axis, _of(slab))
        if self.axes[1] > self.axes[2]:
            image = image.T
        return image[:: -1 if self.backwards[1] else 1, :: -1 if self.backwards[2] else 1]

    def planes_of(self, index: int, slab: Slab | None) -> range:
        """The planes that a slab around plane `index` takes in."""
        reach = self._reach(slab)
        return range(max(index - reach, 0), min(index + reach, self.geometry.shape[0] - 1) + 1)

    def inside(self, index: float, row: float, column: float) -> bool:
        """Whether a continuous (plane, row, column) index lies in a voxel of the source."""
        at = self.source.to_index(self.geometry.to_patient((index, row, column)))
        return bool((at >= -0.5).all() and (at <= np.array(self.source.shape) - 0.5).all())

    def _reach(self, slab: Slab | None) -> int:
        """How many planes on either side of one its slab takes in."""
        spacing = self.geometry.slice_spacing
        return int(slab.mm / 2 / spacing + 1e-6) if slab is not None and spacing is not None else 0

    def _resampled(
        self, pixels: NDArray[Any], planes: range, slab: Slab | None, outside: float, quick: bool
    ) -> NDArray[np.generic]:
        count, (_, rows, columns) = len(planes), self.geometry.shape
        # A thick slab looks up about as many points as three planes
        coarse = min(math.ceil(math.sqrt(count / 3)), 4)
        if quick:
            coarse = math.ceil(math.sqrt(count * rows * columns / _QUICK_POINTS))
        start = self.source.to_index(self.geometry.to_patient((planes.start, (coarse - 1) / 2, (coarse - 1) / 2)))
        corner = self.source.to_index(self.geometry.to_patient((0, 0, 0)))
        steps = self.source.to_index(self.geometry.to_patient(np.diag((1.0, coarse, coarse)))) - corner
        look_up = _nearest if quick else _between
        block = look_up(pixels, start, steps, (count, -(-rows // coarse), -(-columns // coarse)), outside)
        image: NDArray[Any] = block[0] if count == 1 else project(block, 0, _of(slab))
        if coarse == 1:
            return image
        return image.repeat(coarse, axis=0)[:rows].repeat(coarse, axis=1)[:, :columns]


def _between(
    pixels: NDArray[Any], start: NDArray[Any], steps: NDArray[Any], shape: tuple[int, int, int], outside: float
) -> NDArray[Any]:
    """Values on another grid, each on the line between its neighbours.

    start: (3,) index in `pixels` of its first point; steps: (3, 3), how far each of its three indices goes, a row each.
    """
    from scipy import ndimage

    block: NDArray[Any] = ndimage.affine_transform(
        pixels, steps.T, start, shape, output=pixels.dtype, order=1, cval=outside, prefilter=False
    )
    return block


def _nearest(
    pixels: NDArray[Any], start: NDArray[Any], steps: NDArray[Any], shape: tuple[int, int, int], outside: float
) -> NDArray[Any]:
    """As `_between`, each the value of the voxel that it lies in."""
    flat = np.zeros(shape, np.intp)
    inside = np.ones(shape, bool)
    for axis, size in enumerate(pixels.shape):
        along = [steps[k, axis] * np.arange(n, dtype=np.float32) for k, n in enumerate(shape)]
        first = (along[0] + np.float32(start[axis] + 0.5)).astype(np.float32)
        at = first[:, None, None] + along[1].astype(np.float32)[:, None] + along[2].astype(np.float32)
        inside &= (at >= 0) & (at < size)
        flat *= size
        flat += at.astype(np.int32)
    block: NDArray[Any] = np.take(pixels.reshape(-1), flat, mode="clip")
    block[~inside] = outside
    return block


def project(block: NDArray[Any], axis: int, projection: Projection) -> NDArray[Any]:
    """One value of all along an array axis, of the same type; averages of whole numbers are rounded."""
    if axis == block.ndim - 1 and block.dtype in (np.uint8, np.int16, np.uint16, np.float32):
        # NumPy takes six times as long over a short last axis
        import cv2

        kinds = {Projection.MIP: cv2.REDUCE_MAX, Projection.MINIP: cv2.REDUCE_MIN, Projection.AVERAGE: cv2.REDUCE_AVG}
        flat = np.ascontiguousarray(block).reshape(-1, block.shape[-1])
        depth = cv2.CV_32F if projection is Projection.AVERAGE else -1
        image: NDArray[Any] = cv2.reduce(flat, 1, kinds[projection], dtype=depth).reshape(block.shape[:-1])
    elif projection is Projection.AVERAGE:
        image = block.mean(axis=axis, dtype=np.float32)
    else:
        image = block.max(axis=axis) if projection is Projection.MIP else block.min(axis=axis)
    if image.dtype == block.dtype:
        return image
    if block.dtype.kind in "iu":
        np.rint(image, out=image)
    return image.astype(block.dtype)


def _of(slab: Slab | None) -> Projection:
    assert slab is not None  # more than one plane is only asked for by a slab
    return slab.projection


def why_not(series: Series) -> str:
    """Why a series has no axial, coronal and sagittal views, in words that go on after a colon; "" when it has."""
    if series.shape is Shape.IMAGE:
        return Message("it is a single image")
    if series.shape is not Shape.VOLUME:
        return (
            Message("it is not a volume ({not_volume})", not_volume=series.not_volume)
            if series.not_volume
            else Message("it is not a volume")
        )
    if series.channels != 1:
        return Message("its images are in colour")
    if series.geometry.spacing is None:
        return Message("its spacing is unknown")
    if not series.geometry.placed:
        return Message("its place in the patient is unknown")
    return ""


def acquired(geometry: Geometry) -> Planes:
    """The slices themselves."""
    return Planes(Plane.ACQUIRED, geometry, geometry, (0, 1, 2))


@lru_cache(maxsize=32)
def through(geometry: Geometry, plane: Plane) -> Planes:
    """The planes of a family through a placed volume. Raises ValueError when its place in the patient is unknown."""
    if plane is Plane.ACQUIRED:
        return acquired(geometry)
    along = _along(geometry, plane)
    if along is None:
        return Planes(plane, geometry, _grid_along(geometry, plane), None)
    assert geometry.spacing is not None
    assert geometry.direction is not None
    axes, backwards = along
    corner = [0, 0, 0]
    direction: list[Vector] = []
    for axis, back in zip(axes, backwards, strict=True):
        corner[axis] = geometry.shape[axis] - 1 if back else 0
        x, y, z = (-v if back else v for v in geometry.direction[axis])
        direction.append((x, y, z))
    x, y, z = geometry.to_patient(corner).tolist()
    spacing = [geometry.spacing[axis] for axis in axes]
    shape = tuple(geometry.shape[axis] for axis in axes)
    own = Geometry(
        (shape[0], shape[1], shape[2]),
        (spacing[1], spacing[2]),
        spacing[0],
        (x, y, z),
        (direction[0], direction[1], direction[2]),
    )
    return Planes(plane, geometry, own, axes, backwards)


@lru_cache(maxsize=32)
def tilt(geometry: Geometry) -> tuple[Plane, float] | None:
    """What the acquired slices are most nearly, and by how many degrees they miss it; None when that is unknown."""
    if geometry.direction is None:
        return None
    normal = np.cross(geometry.direction[1], geometry.direction[2])
    normal /= np.linalg.norm(normal)
    cosines = {plane: abs(float(normal @ np.array(_STANDARD[plane][0]))) for plane in ANATOMICAL}
    nearest = max(cosines, key=lambda plane: cosines[plane])
    return nearest, math.degrees(math.acos(min(cosines[nearest], 1.0)))


def oblique(geometry: Geometry) -> bool:
    """Whether the grid of a placed volume does not lie along the patient's axes."""
    return _along(geometry, Plane.AXIAL) is None


def upright(geometry: Geometry) -> tuple[int, bool]:
    """How to turn the slices of a placed volume so that they are seen as usual: (quarter turns clockwise, whether
    mirrored left–right before); (0, False) where the place is unknown."""
    nearest = tilt(geometry) if geometry.placed else None
    if nearest is None:
        return 0, False
    assert geometry.direction is not None
    _, down, right = (np.array(v) for v in _STANDARD[nearest[0]])
    rows, columns = np.array(geometry.direction[1]), np.array(geometry.direction[2])

    def fit(turned: tuple[int, bool]) -> float:
        (a, b), (c, d) = turn_matrix(*turned)  # image (x, y) → screen (x, y)
        return float((a * columns + b * rows) @ right + (c * columns + d * rows) @ down)

    return max(((turns, mirrored) for mirrored in (False, True) for turns in range(4)), key=fit)


def turn_matrix(turns: int, mirrored: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows of the matrix that takes image directions (x right, y down) to the screen's: mirrored left–right first, then
    turned clockwise by quarter turns."""
    a, b, c, d = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[turns % 4]
    return ((-a, b), (-c, d)) if mirrored else ((a, b), (c, d))


def _along(geometry: Geometry, plane: Plane) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]] | None:
    """The array axes that (plane, row, column) run along and which of them backwards; None for an oblique grid."""
    if not geometry.placed:
        raise ValueError("this image has no known place in the patient")
    axes = np.array(geometry.direction, float)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.abs(axes @ axes.T)[np.triu_indices(3, 1)]
    if angles.max() > math.sin(math.radians(_SQUARE)):
        return None
    cosines = axes @ np.array(_STANDARD[plane], float).T  # source axis × (plane, row, column)
    nearest = np.abs(cosines).argmax(axis=0)
    if len(set(nearest.tolist())) < 3 or np.abs(cosines).max(axis=0).min() < math.cos(math.radians(TILT)):
        return None
    a, b, c = (int(k) for k in nearest)
    back = [bool(cosines[k, j] < 0) for j, k in enumerate((a, b, c))]
    return (a, b, c), (back[0], back[1], back[2])


def _grid_along(geometry: Geometry, plane: Plane) -> Geometry:
    """A grid along the patient's axes around the whole volume, as fine as the finest spacing of the source."""
    assert geometry.spacing is not None
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in geometry.shape))).reshape(3, -1).T
    axes = np.array(_STANDARD[plane], float)
    reach = geometry.to_patient(corners) @ axes.T
    low, high = reach.min(axis=0), reach.max(axis=0)
    step = min(geometry.spacing)
    step = max(step, float((high - low)[1:].max()) / 1024)  # a very long volume still gives an image in time
    count = np.maximum(np.ceil((high - low) / step - 1e-6).astype(int), 1)
    first = (low + high) / 2 - (count - 1) / 2 * step
    x, y, z = (first @ axes).tolist()
    n, r, c = count.tolist()
    return Geometry((n, r, c), (step, step), step, (x, y, z), _STANDARD[plane])
