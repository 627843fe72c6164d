"""From a click on a nodule to its boxes: what is denser than lung around it, without the vessels that lead to it.

For findings that no model saw. The reader points; the boxes are those of the largest sphere that fits into the dense
region there, grown to one and a half of it. `models.nodules.measurement` then measures in them, as in a model's boxes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.findings import Box
from cadviewer.models.nodules.volume import LUNG_HU

REACH_MM = 22.0
"""How far from the click a nodule may extend."""
SMALLEST_MM2 = 2.5
"""What covers less on every slice is a vessel or noise."""
NEAR_MM = 4.0
"""How far from the click something dense is looked for, when lung was clicked."""


def grow(
    pixels: NDArray[np.generic],
    at: tuple[int, float, float],
    pixel_mm: tuple[float, float],
    slice_mm: float | None,
) -> tuple[Box, ...] | None:
    """Boxes of what lies under a click, one per slice, the widest with the score 1; None where nothing is dense there.

    pixels: (slices, rows, columns) HU. at: (slice, x, y), edge coordinates. pixel_mm: (row, column). slice_mm: None
    where the slices are no volume; then the clicked slice alone is looked at.
    """
    index, x, y = at
    spacing = (slice_mm or 1.0, *pixel_mm)
    depth = int(REACH_MM / slice_mm) if slice_mm else 0
    first, last = max(0, index - depth), min(len(pixels) - 1, index + depth)
    rows, columns = (int(np.ceil(REACH_MM / mm)) for mm in pixel_mm)
    y0, y1 = max(0, int(y) - rows), min(pixels.shape[1], int(y) + rows + 1)
    x0, x1 = max(0, int(x) - columns), min(pixels.shape[2], int(x) + columns + 1)
    if y0 >= y1 or x0 >= x1:
        return None
    region = np.nan_to_num(np.asarray(pixels[first : last + 1, y0:y1, x0:x1], np.float32), nan=-1024.0)
    here = (index - first, y - 0.5 - y0, x - 0.5 - x0)
    distance = _distance(region.shape, here, spacing)
    dense = region > _threshold(region, distance)
    if not (dense & (distance <= NEAR_MM)).any():
        return None
    depths = ndimage.distance_transform_edt(dense, sampling=spacing)
    middle = _middle(depths, distance, spacing)
    radius = float(depths[middle])
    around = _distance(region.shape, middle, spacing)
    part = dense & (around <= 1.5 * radius + max(spacing[1:]))
    labels, _ = ndimage.label(part)
    mask = labels == labels[middle]
    widest = mask.sum(axis=(1, 2)).max() * pixel_mm[0] * pixel_mm[1]
    return _boxes(mask, (first, y0, x0)) if widest >= SMALLEST_MM2 else None


def _threshold(region: NDArray[np.float32], distance: NDArray[np.float64]) -> float:
    """Half-way between lung and the densest near the click, as `models.nodules.measurement` has it."""
    near = region[distance <= NEAR_MM]
    level = float(np.percentile(near, 95)) if near.size else float(region.max())
    return float(np.clip((level + LUNG_HU) / 2, -650, -300))


def _middle(
    depths: NDArray[np.float64], distance: NDArray[np.float64], spacing: tuple[float, float, float]
) -> tuple[int, int, int]:
    """The voxel deepest inside the dense region, climbing from the dense voxel nearest to the click.

    Each step goes to the deepest neighbour, or the deepest voxel well inside the sphere that fits in here: so small
    bumps do not hold it, and it does not jump over into the chest wall.
    """
    start = np.where(depths > 0, distance, np.inf).argmin()
    s, r, c = (int(k) for k in np.unravel_index(int(start), depths.shape))
    while True:
        here = float(depths[s, r, c])
        reach = [max(1, int(0.8 * here / mm)) for mm in spacing]
        low = [max(0, k - n) for k, n in zip((s, r, c), reach, strict=True)]
        block = depths[tuple(slice(a, k + n + 1) for a, k, n in zip(low, (s, r, c), reach, strict=True))]
        step = np.unravel_index(int(block.argmax()), block.shape)
        best = tuple(int(a + k) for a, k in zip(low, step, strict=True))
        if depths[best] <= here or distance[best] > REACH_MM / 2:
            return s, r, c
        s, r, c = best


def _distance(
    shape: tuple[int, ...], at: tuple[float, float, float], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    grid = np.ogrid[: shape[0], : shape[1], : shape[2]]
    squares = np.zeros(shape)
    for g, c, s in zip(grid, at, spacing, strict=True):
        squares += ((g - c) * s) ** 2
    return np.asarray(np.sqrt(squares))


def _boxes(mask: NDArray[np.bool_], corner: tuple[int, int, int]) -> tuple[Box, ...]:
    areas = mask.sum(axis=(1, 2))
    boxes = []
    for k in np.nonzero(areas)[0].tolist():
        ys, xs = np.nonzero(mask[k])
        boxes.append(
            Box(
                corner[0] + k,
                float(corner[2] + xs.min()),
                float(corner[1] + ys.min()),
                float(corner[2] + xs.max() + 1),
                float(corner[1] + ys.max() + 1),
                float(np.sqrt(areas[k] / areas.max())),
            )
        )
    return tuple(boxes)
