"""Branching trees for the lungs of the chest phantom, and painting tubes into a grid.

A tree joins random points of a lung to the nearest point already joined, from the hilum outwards; the radius of a
branch follows Murray's law (the cube of a vessel's radius is the sum of its branches' cubes; C. D. Murray, PNAS 1926).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tubes:
    """n straight tubes. ends: (n, 2, 3) mm, (x, y, z) of both ends; radii: (n,) mm."""

    ends: NDArray[np.float64]
    radii: NDArray[np.float64]


def grow(
    rng: np.random.Generator, root: NDArray[np.float64], points: NDArray[np.float64], leaf: float, largest: float
) -> Tubes:
    """A tree from `root` (3,) to all `points` (n, 3), mm; its twigs have radius `leaf`, its trunk at most `largest`."""
    order = np.argsort(np.linalg.norm(points - root, axis=1))
    nodes = np.empty((len(points) * 2 + 1, 3))
    parents = np.zeros(len(nodes), int)
    nodes[0] = root
    count = 1
    for point in points[order]:
        gaps = np.linalg.norm(nodes[:count] - point, axis=1)
        # Joining far from the hilum costs less than running beside an existing branch
        nearest = int(np.argmin(gaps + 0.25 * np.linalg.norm(nodes[:count] - root, axis=1)))
        bend = (nodes[nearest] + point) / 2 + rng.normal(0, 0.09, 3) * gaps[nearest]
        nodes[count], parents[count] = bend, nearest
        nodes[count + 1], parents[count + 1] = point, count
        count += 2
    cubes = np.zeros(count)
    for k in range(count - 1, 0, -1):
        cubes[k] = max(cubes[k], leaf**3)
        cubes[parents[k]] += cubes[k]
    radii = np.minimum(np.cbrt(cubes), largest)
    return Tubes(np.stack([nodes[parents[1:count]], nodes[1:count]], axis=1), radii[1:count])


def paint(
    image: NDArray[np.float32],
    tubes: Tubes,
    values: NDArray[np.float64],
    origin: NDArray[np.float64],
    spacing: tuple[float, float, float],
) -> None:
    """Raises `image` (slice, row, column) to `values` (n,) HU within the tubes, softly at their walls.

    origin: (x, y, z) mm of voxel 0; spacing: (slice, row, column) mm. Tubes thinner than a voxel are as bright as the
    share of the voxel that they fill.
    """
    step = np.array(spacing)
    index = (tubes.ends - origin)[:, :, ::-1] / step  # (n, 2, 3) as slice, row, column
    shape = np.array(image.shape)
    reach = (tubes.radii[:, None] + 1.2 * step) / step
    low = np.maximum(np.floor(index.min(axis=1) - reach).astype(int), 0)
    high = np.minimum(np.ceil(index.max(axis=1) + reach).astype(int) + 1, shape)
    pixel = float(step[1])
    for k in np.flatnonzero((low < high).all(axis=1)):
        box = tuple(slice(int(a), int(b)) for a, b in zip(low[k], high[k], strict=True))
        distance = _distance(box, index[k] * step, step)
        radius = float(tubes.radii[k])
        fill = min(1.0, (radius / (0.55 * pixel)) ** 2) * min(1.0, 2 * radius / float(step[0]) + 0.35)
        cover = fill * np.clip(0.5 + (max(radius, 0.5 * pixel) - distance) / pixel, 0, 1)
        part = image[box]
        np.maximum(part, part + cover * (values[k] - part), out=part)


def carve(
    image: NDArray[np.float32],
    tubes: Tubes,
    value: float,
    origin: NDArray[np.float64],
    spacing: tuple[float, float, float],
) -> None:
    """Sets the inside of the tubes to `value`, softly at their walls: airways."""
    step = np.array(spacing)
    index = (tubes.ends - origin)[:, :, ::-1] / step
    reach = (tubes.radii[:, None] + 1.2 * step) / step
    low = np.maximum(np.floor(index.min(axis=1) - reach).astype(int), 0)
    high = np.minimum(np.ceil(index.max(axis=1) + reach).astype(int) + 1, np.array(image.shape))
    for k in np.flatnonzero((low < high).all(axis=1)):
        box = tuple(slice(int(a), int(b)) for a, b in zip(low[k], high[k], strict=True))
        distance = _distance(box, index[k] * step, step)
        part = image[box]
        part += np.clip(0.5 + (tubes.radii[k] - distance) / step[1], 0, 1).astype(np.float32) * (value - part)


def _distance(box: tuple[slice, ...], ends: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float32]:
    """mm from every voxel of `box` to the line between `ends` (2, 3), both as (slice, row, column)."""
    z, y, x = (np.arange(s.start, s.stop, dtype=np.float32) * np.float32(d) for s, d in zip(box, step, strict=True))
    z, y, x = z[:, None, None] - ends[0, 0], y[None, :, None] - ends[0, 1], x[None, None, :] - ends[0, 2]
    along = ends[1] - ends[0]
    length = max(float(along @ along), 1e-9)
    t = np.clip((z * along[0] + y * along[1] + x * along[2]) / length, 0, 1)
    return np.asarray(np.sqrt((z - t * along[0]) ** 2 + (y - t * along[1]) ** 2 + (x - t * along[2]) ** 2), np.float32)
