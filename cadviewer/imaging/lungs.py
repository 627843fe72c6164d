"""Lung mask of a chest CT: where a lung nodule can be, nodules that touch the pleura included.

Air inside the body is found on a coarse grid (about 2 mm), large parts that look like lung and not like gas are kept,
closed and widened slice by slice. The widening of 10 mm and the filling of bays follow what the LUNA16 slices that
the nodule networks learn from look like. Nothing here depends on the directions of the axes, only on spacings.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.imaging.geometry import Geometry

Mask = NDArray[np.bool_]

GRID_MM = 2.0
AIR_HU = -400.0
GAS_HU = -960.0
LEAST_ML = 60.0
"""Least volume of a part that can be lung, for scans of at least 40 mm; thinner ones in proportion."""
LEAST_AREA_MM2 = 1500.0
"""Somewhere lung has at least this area in a slice."""
REST_ML = 4.0
"""Most volume of a rest of the windpipe."""
CLOSE_MM = 12.0
WIDEN_MM = 10.0
HOLE_MM2 = 2000.0
"""Holes up to this size are nodules and vessels; larger ones are the heart between two lungs that touch."""


@dataclass(frozen=True)
class Lungs:
    """Where the lungs are.

    coarse: (slices, rows', columns') the widened mask on a coarse grid over the same field of view.
    air: the same grid, aerated lung alone, neither closed nor widened.
    closed: the same grid, with nodules, vessels and bays of the edge, not widened: as far as the lungs reach.
    shape: (slices, rows, columns) of the scan; cell_mm: (row, column) size of a coarse cell.
    """

    coarse: Mask
    air: Mask
    closed: Mask
    shape: tuple[int, int, int]
    cell_mm: tuple[float, float]
    slice_mm: float

    @property
    def found(self) -> bool:
        """Whether there is any lung."""
        return bool(self.air.any())

    def slices(self) -> NDArray[np.intp]:
        """Indices of slices with lung, rising."""
        return np.flatnonzero(self.coarse.any(axis=(1, 2)))

    def on_slice(self, k: int, shape: tuple[int, int]) -> Mask:
        """The widened mask of slice k, resampled to (rows, columns) over the same field of view."""
        scaled = cv2.resize(self.coarse[k].astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
        inside: Mask = np.asarray(scaled >= 0.5)
        return inside

    def open_ends(self) -> tuple[bool, bool]:
        """Whether the lungs go on beyond the (first, last) slice: then only a part of them is covered."""
        area = self.air.sum(axis=(1, 2))
        if not area.any() or len(area) < 2:
            return False, False
        least = 0.12 * float(area.max())
        return bool(area[0] > least), bool(area[-1] > least)


def find_lungs(pixels: NDArray[np.generic], geometry: Geometry) -> Lungs:
    """The lungs of a scan.

    pixels: (slices, rows, columns) Hounsfield units; values that are not finite count as air outside.
    geometry: its spacing; without one, pixels are taken as 0.7 mm and slices as 2 mm apart (the mask alone is rough
        then, nothing is measured with it). A stack that is not a volume is treated slice by slice.
    """
    shape = (int(pixels.shape[0]), int(pixels.shape[1]), int(pixels.shape[2]))
    row_mm, column_mm = geometry.pixel_spacing or (0.7, 0.7)
    rows, columns = max(1, round(shape[1] * row_mm / GRID_MM)), max(1, round(shape[2] * column_mm / GRID_MM))
    cell = (shape[1] * row_mm / rows, shape[2] * column_mm / columns)
    coarse = np.empty((shape[0], rows, columns), np.float32)
    for k in range(shape[0]):
        coarse[k] = _shrink(pixels[k], rows, columns)
    joined = shape[0] > 1 and geometry.slice_spacing is not None
    slice_mm = geometry.slice_spacing or 2.0
    inside = _air_inside(coarse) & _body_hull(coarse, cell, joined=joined)
    parts = _lung_parts(coarse, inside, cell, slice_mm, joined=joined)
    air = _without_airway(parts, coarse, cell)
    if joined:
        air = _without_rest(air, parts & ~air, cell[0] * cell[1] * slice_mm)
    closed = _close(air, cell)
    return Lungs(_widen(closed, cell, slice_mm, joined=joined), air, closed, shape, cell, slice_mm)


def lung_mask(pixels_hu: NDArray[np.generic], geometry: Geometry) -> Mask:
    """(slices, rows, columns) mask of the lungs, widened by 10 mm. See `find_lungs`."""
    lungs = find_lungs(pixels_hu, geometry)
    shape = (lungs.shape[1], lungs.shape[2])
    return np.stack([lungs.on_slice(k, shape) for k in range(lungs.shape[0])])


def _shrink(image: NDArray[np.generic], rows: int, columns: int) -> NDArray[np.float32]:
    values = np.nan_to_num(np.asarray(image, np.float32), nan=-1024.0, posinf=3000.0, neginf=-1024.0)
    # Padding outside the scanner's circle can be far below air and would darken its neighbours.
    return np.asarray(
        cv2.resize(np.maximum(values, -1024.0), (columns, rows), interpolation=cv2.INTER_AREA), np.float32
    )


def _air_inside(coarse: NDArray[np.float32]) -> Mask:
    """Air that is not connected with the border of its slice."""
    air = coarse < AIR_HU
    inside = np.zeros_like(air)
    for k, here in enumerate(air):
        padded = np.pad(here, 1, constant_values=True).astype(np.uint8)
        cv2.floodFill(padded, None, (0, 0), 0, flags=4)
        inside[k] = padded[1:-1, 1:-1] > 0
    return inside


def _body_hull(coarse: NDArray[np.float32], cell: tuple[float, float], *, joined: bool) -> Mask:
    """Convex hull, slice by slice, of the largest solid part: it leaves out the hollow of the table."""
    kernel = _disc(4.0, cell)
    solid = np.stack([cv2.morphologyEx((s > AIR_HU).astype(np.uint8), cv2.MORPH_OPEN, kernel) for s in coarse])
    structure = ndimage.generate_binary_structure(3, 1)
    if not joined:
        structure[0] = structure[2] = False
    labels, _ = ndimage.label(solid, structure)
    whole = np.bincount(labels.ravel())
    hull = np.zeros(coarse.shape, np.uint8)
    for k, here in enumerate(labels):
        sizes = whole if joined else np.bincount(here.ravel())
        present = np.unique(here)
        present = present[present > 0]
        if not len(present):
            continue
        body = here == present[np.argmax(sizes[present])]
        ys, xs = np.nonzero(body)
        points = cv2.convexHull(np.stack([xs, ys], axis=1).astype(np.int32))
        cv2.fillConvexPoly(hull[k], points, 1)
    return hull > 0


def _without_airway(air: Mask, coarse: NDArray[np.float32], cell: tuple[float, float]) -> Mask:
    """Without the windpipe: in a slice, a small part by itself that is almost pure air."""
    kept = air.copy()
    for k in np.flatnonzero(air.any(axis=(1, 2))):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(air[k].astype(np.uint8), connectivity=4)
        for part in range(1, count):
            if stats[part, cv2.CC_STAT_AREA] * cell[0] * cell[1] < 900.0:
                here = labels == part
                if np.quantile(coarse[k][here], 0.25) < -930.0:
                    kept[k][here] = False
    return np.asarray(kept, bool)


def _without_rest(air: Mask, airway: Mask, cell_mm3: float) -> Mask:
    """Without what is left of the windpipe and the larynx where they are narrow and their air looks less pure.

    Such a rest is a small body by itself that touches what was taken away as `airway`; lung hangs together.
    """
    labels, count = ndimage.label(air)
    small = np.bincount(labels.ravel(), minlength=count + 1) * cell_mm3 < REST_ML * 1000
    touching = np.zeros(count + 1, bool)
    touching[labels[ndimage.binary_dilation(airway, ndimage.generate_binary_structure(3, 1))]] = True
    rest = small & touching
    rest[0] = False
    kept: Mask = air & ~rest[labels]
    return kept


def _lung_parts(
    coarse: NDArray[np.float32], inside: Mask, cell: tuple[float, float], slice_mm: float, *, joined: bool
) -> Mask:
    """The connected parts of the air inside that are large enough and no mere gas."""
    structure = ndimage.generate_binary_structure(3, 1)
    if not joined:
        structure[0] = structure[2] = False
    labels, count = ndimage.label(inside, structure)
    if not count:
        return inside
    area = cell[0] * cell[1]
    sizes = np.bincount(labels.ravel(), minlength=count + 1).astype(float)
    core = ndimage.binary_erosion(inside, structure)
    deep = np.bincount(labels[core], minlength=count + 1)
    gas = np.bincount(labels[core & (coarse < GAS_HU)], minlength=count + 1)
    thickness = len(coarse) * slice_mm if joined else slice_mm
    least = LEAST_ML * 1000 * min(1.0, thickness / 40.0)
    kept = np.zeros(count + 1, bool)
    for k in range(1, count + 1):
        if sizes[k] * area * slice_mm < least or gas[k] > 0.75 * max(int(deep[k]), 1):
            continue
        kept[k] = True
    if joined and kept.any():  # a small part of a lung cut off by the end of the scan or by disease
        largest = sizes[kept].max()
        kept |= (sizes > 0.02 * largest) & (gas <= 0.6 * np.maximum(deep, 1)) & (sizes * area * slice_mm > 10_000)
        kept[0] = False
    parts: Mask = np.asarray(kept[labels], bool)
    if joined:
        widest = parts.sum(axis=(1, 2)).max(initial=0) * area
        return parts if widest >= LEAST_AREA_MM2 else np.zeros_like(parts)
    parts[parts.sum(axis=(1, 2)) * area < LEAST_AREA_MM2] = False
    return parts


def _close(air: Mask, cell: tuple[float, float]) -> Mask:
    """Bays closed and holes filled, slice by slice."""
    close = _disc(CLOSE_MM, cell)
    margin = max(close.shape) // 2 + 1
    closed = np.zeros_like(air)
    for k in np.flatnonzero(air.any(axis=(1, 2))):
        padded = np.pad(air[k], margin).astype(np.uint8)
        filled = _fill(np.asarray(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, close), np.uint8), cell)
        closed[k] = filled[margin:-margin, margin:-margin] > 0
    return closed


def _widen(closed: Mask, cell: tuple[float, float], slice_mm: float, *, joined: bool) -> Mask:
    """Widened slice by slice; neighbours within half the width lend their mask."""
    widen = _disc(WIDEN_MM, cell)
    reach = int(WIDEN_MM / 2 / slice_mm) if joined else 0
    if reach:
        closed = ndimage.maximum_filter1d(closed.astype(np.uint8), 2 * reach + 1, axis=0, mode="constant") > 0
    wide = np.zeros_like(closed)
    for k in np.flatnonzero(closed.any(axis=(1, 2))):
        wide[k] = cv2.dilate(closed[k].astype(np.uint8), widen) > 0
    return wide


def _fill(mask: NDArray[np.uint8], cell: tuple[float, float]) -> NDArray[np.uint8]:
    """The mask with its holes of up to `HOLE_MM2` filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((1 - mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] * cell[0] * cell[1] <= HOLE_MM2
    small[0] = False
    small[labels[0, 0]] = False
    return np.asarray(np.where(small[labels], 1, mask), np.uint8) if count > 1 else mask


def _disc(radius_mm: float, cell: tuple[float, float]) -> NDArray[np.uint8]:
    """A disc of that radius as an OpenCV kernel, on cells that need not be square."""
    reach = [int(np.ceil(radius_mm / c)) for c in cell]
    ys, xs = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    return np.asarray((ys * cell[0]) ** 2 + (xs * cell[1]) ** 2 <= radius_mm**2 + 1e-6, np.uint8)
