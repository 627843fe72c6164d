"""A volume whose eight corners tell which they are, acquired in any direction."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.series import Series, Shape, SliceInfo, Volume, Window

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
DIRECTIONS: dict[str, tuple[Vector, Vector, Vector]] = {
    "axial": AXIAL,
    "coronal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)),
    "sagittal": ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    "prone": ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0)),
    "mirrored": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)),
    "feet first": ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    "transposed": ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
}
CENTRE = np.array([12.0, -30.0, -150.0])
HALF = np.array([40.0, 34.0, 28.0])
"""mm from the middle to the labelled corners along x, y and z."""
SIDE = 9.0
CORNERS = tuple(product((-1, 1), repeat=3))


def turned(degrees_x: float, degrees_z: float) -> tuple[Vector, Vector, Vector]:
    """Axial slices of a patient who lies askew."""
    a, b = math.radians(degrees_x), math.radians(degrees_z)
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_z = np.array([[math.cos(b), -math.sin(b), 0], [math.sin(b), math.cos(b), 0], [0, 0, 1]])
    rows = np.array(AXIAL) @ (about_z @ about_x).T
    s, r, c = ((float(v[0]), float(v[1]), float(v[2])) for v in rows)
    return s, r, c


OBLIQUE = turned(25, 12)
ASKEW = turned(4, 0)


def corner_point(signs: tuple[int, int, int]) -> NDArray[np.float64]:
    """LPS mm of a corner: signs of x (left), y (back), z (head)."""
    return CENTRE + HALF * signs


def label(signs: tuple[int, int, int]) -> int:
    """The value around a corner."""
    return 200 + 100 * sum((sign > 0) << k for k, sign in enumerate(signs))


def geometry(
    direction: tuple[Vector, Vector, Vector],
    spacing: tuple[float, float, float] = (2.5, 0.9, 1.4),
    margin: float = 14.0,
) -> Geometry:
    """A grid in these directions that holds all corners."""
    axes = np.array(direction)
    corners = np.array([HALF * signs for signs in CORNERS]) @ np.linalg.inv(axes)
    half = np.abs(corners).max(axis=0) + margin
    shape = (np.ceil(2 * half / spacing) + 1).astype(int)
    origin = CENTRE - ((shape - 1) / 2 * spacing) @ axes
    x, y, z = origin.tolist()
    n, r, c = shape.tolist()
    return Geometry((n, r, c), (spacing[1], spacing[2]), spacing[0], (x, y, z), direction)


def volume(grid: Geometry) -> Volume:
    """The labelled corners as a CT on a grid: cubes of their values, air elsewhere."""
    indices = np.moveaxis(np.indices(grid.shape), 0, -1)
    points = grid.to_patient(indices)
    pixels = np.full(grid.shape, -1000, np.int16)
    for signs in CORNERS:
        pixels[(np.abs(points - corner_point(signs)) <= SIDE).all(axis=-1)] = label(signs)
    name = Path("labelled")
    series = Series(
        name,
        "sitk",
        tuple(SliceInfo(name, k) for k in range(grid.shape[0])),
        grid,
        Shape.VOLUME,
        np.dtype(np.int16),
        hounsfield=True,
        modality="CT",
        windows=(Window(500, 1000),),
    )
    return Volume(series, pixels)
