"""Images whose truth is known, for the built-in demo and for tests: a chest CT with nodules, breast ultrasound images.

The same seed gives the same image, to the last bit where NumPy and OpenCV are the same. Nothing here is of a patient.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.series import Series, Shape, SliceInfo, Volume, Window
from cadviewer.phantoms import thorax
from cadviewer.phantoms.breast import breast_ultrasound
from cadviewer.phantoms.vessels import Tubes, carve, grow, paint

__all__ = ["DEFAULT_NODULES", "NoduleSpec", "NoduleTruth", "Phantom", "breast_ultrasound", "chest_ct"]

_IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_NOISE_HU = 22.0
_TWIGS = 520  # ends of each vascular tree


@dataclass(frozen=True)
class NoduleSpec:
    """A nodule to be put into the phantom.

    kind: "solid", "part-solid" or "ground-glass"; spiculated: thin strands run from it; pleural: it sits on the wall.
    side: "left" or "right" lung; height: z in mm around which it is placed.
    """

    diameter_mm: float
    kind: str = "solid"
    spiculated: bool = False
    pleural: bool = False
    side: str = "right"
    height: float = 0.0


DEFAULT_NODULES = (
    NoduleSpec(18.0, spiculated=True, side="left", height=40.0),
    NoduleSpec(10.0, side="right", height=10.0),
    NoduleSpec(8.0, pleural=True, side="right", height=55.0),
    NoduleSpec(15.0, kind="part-solid", side="left", height=-15.0),
)


@dataclass(frozen=True)
class NoduleTruth:
    """Where a nodule of the phantom is.

    centre_mm: LPS. boxes: (slice, x0, y0, x1, y1) in edge coordinates for every slice that it reaches.
    """

    spec: NoduleSpec
    centre_mm: Vector
    diameter_mm: float
    boxes: tuple[tuple[int, float, float, float, float], ...]


@dataclass(frozen=True)
class Phantom:
    """A volume and what is in it."""

    volume: Volume
    nodules: tuple[NoduleTruth, ...]
    seed: int


@dataclass(frozen=True)
class Grid:
    """Body coordinates of the voxels. shape, spacing: (slices, rows, columns) and their mm."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def origin(self) -> NDArray[np.float64]:
        """(x, y, z) mm of voxel 0."""
        z, y, x = (-(n - 1) * d / 2 for n, d in zip(self.shape, self.spacing, strict=True))
        return np.array([x, y + 8, z])

    def index(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """(slice, row, column) of (x, y, z) mm."""
        return np.asarray((point - self.origin)[::-1] / np.array(self.spacing))


def chest_ct(
    seed: int = 0,
    *,
    shape: tuple[int, int, int] = (96, 384, 384),
    spacing: tuple[float, float, float] = (2.5, 0.9, 0.9),
    nodules: tuple[NoduleSpec, ...] = DEFAULT_NODULES,
    flips: tuple[bool, bool, bool] = (False, False, False),
    rotation: tuple[Vector, Vector, Vector] = _IDENTITY,
    centre: Vector = (0.0, 0.0, -160.0),
) -> Phantom:
    """A chest CT in Hounsfield units (int16) with nodules and their truth.

    shape, spacing: (slices, rows, columns) and their mm. The chest keeps its size: a smaller field of view cuts it.
    flips: array axes that run against the patient's; the patient stays where they are. A flip of one or three axes
        makes the slices run against row × column, as only non-DICOM files can have it.
    rotation: of the patient on the table, rows of a rotation matrix; voxels turn with them.
    centre: LPS mm of the middle of the grid.
    """
    rng = np.random.default_rng([seed, 1])
    grid = Grid(shape, spacing)
    image, body = anatomy(grid, rng)
    placed = place_nodules(nodules, grid, body, rng)
    masks = [paint_nodule(image, grid, spec, point, rng) for spec, point in placed]
    finish(image, rng)
    pixels = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
    geometry = geometry_of(grid, flips, np.array(rotation, float), np.array(centre, float))
    axes = tuple(k for k in range(3) if flips[k])
    truth = []
    for (spec, point), mask in zip(placed, masks, strict=True):
        index = grid.index(point)
        index = np.array([n - 1 - i if f else i for i, n, f in zip(index, shape, flips, strict=True)])
        boxes = boxes_of(np.flip(mask, axes))
        x, y, z = geometry.to_patient(index).tolist()
        truth.append(NoduleTruth(spec, (x, y, z), spec.diameter_mm, boxes))
    series = series_of(seed, geometry)
    return Phantom(Volume(series, np.ascontiguousarray(np.flip(pixels, axes))), tuple(truth), seed)


def anatomy(grid: Grid, rng: np.random.Generator) -> tuple[NDArray[np.float32], thorax.Body]:
    """A random chest without nodules, blur and noise: (slices, rows, columns) HU, and whose it is."""
    body = thorax.Body.random(rng)
    image = _chest(grid, body)
    _lung_texture(image, grid, body, rng)
    _vessels(image, grid, body, rng)
    return image, body


def _chest(grid: Grid, body: thorax.Body) -> NDArray[np.float32]:
    x0, y0, z0 = grid.origin
    x = (x0 + grid.spacing[2] * np.arange(grid.shape[2], dtype=np.float32))[None, :].astype(np.float32)
    y = (y0 + grid.spacing[1] * np.arange(grid.shape[1], dtype=np.float32))[:, None].astype(np.float32)
    slicer = thorax.Slicer(x, y, grid.spacing[1], body)
    image = np.empty(grid.shape, np.float32)
    for k in range(grid.shape[0]):
        image[k] = slicer.draw(float(z0 + k * grid.spacing[0]))
    return image


def _lung_texture(image: NDArray[np.float32], grid: Grid, body: thorax.Body, rng: np.random.Generator) -> None:
    """Slow differences in density of the lungs, as ventilation and perfusion make them."""
    coarse = rng.normal(0, 1, [max(2, int(n * d / 14)) for n, d in zip(grid.shape, grid.spacing, strict=True)])
    planes = np.linspace(0, coarse.shape[0] - 1, grid.shape[0])
    for k, at in enumerate(planes):
        below = int(at)
        above, part = min(below + 1, coarse.shape[0] - 1), at - below
        plane = ((1 - part) * coarse[below] + part * coarse[above]).astype(np.float32)
        field = cv2.resize(plane, (grid.shape[2], grid.shape[1]), interpolation=cv2.INTER_CUBIC)
        image[k] += 18 * field * np.clip((-600 - image[k]) / 200, 0, 1) * (image[k] > -960)


def _lung_points(rng: np.random.Generator, body: thorax.Body, side: int, count: int, depth: float) -> NDArray[Any]:
    """Random (x, y, z) at least `depth` mm within one lung; side −1 is the patient's right."""
    found: list[NDArray[Any]] = []
    while sum(map(len, found)) < count:
        points = rng.uniform((5, -90, -118), (135, 90, thorax.APEX), (4 * count, 3)) * (side, 1, 1)
        x, y, z = points.astype(np.float32).T
        distance = thorax.lung(x, y, z, body)
        found.append(points[distance < -depth])
    return np.concatenate(found)[:count]


def _vessels(image: NDArray[np.float32], grid: Grid, body: thorax.Body, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        for root in ((26.0 * side, 2.0, 4.0), (30.0 * side, 12.0, -18.0)):
            tree = grow(rng, np.array(root), _lung_points(rng, body, side, _TWIGS, 2.0), 0.62, 6.5)
            paint(image, tree, rng.uniform(20, 90, len(tree.radii)), grid.origin, grid.spacing)
        airways = grow(rng, np.array((4.0 * side, 14.0, 22.0)), _lung_points(rng, body, side, 40, 16.0), 1.1, 6.0)
        wide = airways.radii > 1.15
        airways = Tubes(airways.ends[wide], airways.radii[wide])
        walls = Tubes(airways.ends, airways.radii * 1.12 + 0.7)
        paint(image, walls, np.full(len(walls.radii), -120.0), grid.origin, grid.spacing)
        carve(image, airways, -985.0, grid.origin, grid.spacing)


def place_nodules(
    specs: tuple[NoduleSpec, ...], grid: Grid, body: thorax.Body, rng: np.random.Generator
) -> list[tuple[NoduleSpec, NDArray[np.float64]]]:
    """A place for each nodule: in its lung, near its height, away from the hilum, the others and the grid's edge."""
    placed: list[tuple[NoduleSpec, NDArray[np.float64]]] = []
    limits = np.array(grid.shape) - 1
    for spec in specs:
        side, radius = (1 if spec.side == "left" else -1), spec.diameter_mm / 2
        for attempt in range(4000):
            point = rng.uniform((35, -75, -12), (130, 75, 12)) * (side, 1, 1)
            point[2] += spec.height * max(0.0, 1 - attempt / 4000)
            x, y, z = point.astype(np.float32)
            depth = -float(thorax.lung(x, y, z, body))
            wall = -float(thorax.cage(x, y, z, body))
            fits = abs(wall - 0.55 * radius) < 0.6 and depth > 0 if spec.pleural else depth > radius + 4
            margin = radius / np.array(grid.spacing) + 1
            index = grid.index(point)
            alone = all(np.linalg.norm(point - other) > 28 for _, other in placed)
            if fits and alone and (index > margin).all() and (index < limits - margin).all():
                placed.append((spec, point))
                break
        else:
            raise ValueError(f"no place in this field of view for a nodule of {spec.diameter_mm} mm")
    return placed


def paint_nodule(
    image: NDArray[np.float32], grid: Grid, spec: NoduleSpec, point: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Adds a nodule; True where it fills at least half of a voxel."""
    radius = spec.diameter_mm / 2
    step = np.array(grid.spacing)
    centre = grid.index(point)
    low = np.maximum(np.floor(centre - (radius * 1.5 + 2) / step).astype(int), 0)
    high = np.minimum(np.ceil(centre + (radius * 1.5 + 2) / step).astype(int) + 1, grid.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    z, y, x = (
        ((np.arange(a, b) - c) * d).reshape([-1 if k == axis else 1 for k in range(3)])
        for axis, (a, b, c, d) in enumerate(zip(low, high, centre, step, strict=True))
    )
    distance = np.sqrt(x * x + y * y + z * z)
    unit = 1 / np.maximum(distance, 1e-6)
    bumps = np.zeros(distance.shape)
    for _ in range(6):
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        towards = np.clip((x * normal[0] + y * normal[1] + z * normal[2]) * unit, -1, 1)
        bumps += rng.uniform(-1, 1) * np.cos(2.5 * np.arccos(towards))
    edge = distance - radius * (1 + 0.05 * bumps)
    pixel = grid.spacing[1]
    cover = np.clip(0.5 - edge / (1.4 * pixel), 0, 1)
    noise = rng.standard_normal(cover.shape, dtype=np.float32).reshape(cover.shape[0], -1)
    texture = 30 * cv2.GaussianBlur(noise, (0, 0), 1.0).reshape(cover.shape)
    part = image[box]
    if spec.kind == "solid":
        part[...] = np.maximum(part, part + cover * (35 + texture - part))
    else:
        part[...] = np.maximum(part, part + 0.75 * cover * (-520 + 3 * texture - part))
        if spec.kind == "part-solid":
            core = np.clip(0.5 - (distance - 0.45 * radius * (1 + 0.1 * bumps)) / (1.4 * pixel), 0, 1)
            part[...] = np.maximum(part, part + core * (10 + texture - part))
    if spec.spiculated:
        _spicules(image, grid, point, radius, rng)
    mask = np.zeros(grid.shape, bool)
    mask[box] = edge <= 0
    return mask


def _spicules(
    image: NDArray[np.float32], grid: Grid, point: NDArray[np.float64], radius: float, rng: np.random.Generator
) -> None:
    count = 14
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    starts = point + directions * radius * 0.85
    ends = point + directions * radius * rng.uniform(1.35, 1.9, (count, 1))
    tubes = Tubes(np.stack([starts, ends], axis=1), rng.uniform(0.45, 0.9, count))
    paint(image, tubes, np.full(count, -60.0), grid.origin, grid.spacing)


def finish(image: NDArray[np.float32], rng: np.random.Generator) -> None:
    """The blur of a scanner's kernel and its noise, finer than white noise is after it, stronger deep in the body."""
    rows, columns = image.shape[1:]
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    strength = (1.15 - 0.5 * np.minimum(np.hypot(x, y), 1)).astype(np.float32)
    for plane in image:
        blurred = cv2.GaussianBlur(plane, (0, 0), 0.55)
        noise = rng.standard_normal(plane.shape, dtype=np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), 0.6) - 0.6 * cv2.GaussianBlur(noise, (0, 0), 2.0)
        plane[...] = blurred + (_NOISE_HU / 0.42) * strength * noise * np.where(blurred < -970, 0.5, 1.0)


def geometry_of(
    grid: Grid, flips: tuple[bool, bool, bool], rotation: NDArray[np.float64], centre: NDArray[np.float64]
) -> Geometry:
    """Where the voxels of a grid lie, see `chest_ct`."""
    axes = np.array([(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]) @ rotation.T
    axes *= np.where(flips, -1.0, 1.0)[:, None]
    middle = (np.array(grid.shape) - 1) / 2 * np.array(grid.spacing)
    origin = centre - middle @ axes
    s, r, c = ((float(v[0]) + 0.0, float(v[1]) + 0.0, float(v[2]) + 0.0) for v in axes)
    x, y, z = origin.tolist()
    return Geometry(grid.shape, grid.spacing[1:], grid.spacing[0], (x, y, z), (s, r, c))


def boxes_of(mask: NDArray[np.bool_]) -> tuple[tuple[int, float, float, float, float], ...]:
    """(slice, x0, y0, x1, y1) in edge coordinates on every slice that a mask reaches."""
    found = []
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        rows, columns = np.flatnonzero(mask[k].any(axis=1)), np.flatnonzero(mask[k].any(axis=0))
        found.append((int(k), float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)))
    return tuple(found)


def uid(seed: int, *parts: object) -> str:
    """A valid DICOM UID (PS3.5 annex B.2) that the same arguments always give."""
    digest = hashlib.sha256(repr((seed, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def series_of(seed: int, geometry: Geometry) -> Series:
    """A phantom's series without a file."""
    count = geometry.shape[0]
    series_uid = uid(seed, "series", geometry)
    name = Path(f"phantom-{seed}")
    return Series(
        source=name,
        format="phantom",
        slices=tuple(SliceInfo(name, k, uid(seed, "image", geometry, k), k + 1) for k in range(count)),
        geometry=geometry,
        shape=Shape.VOLUME if count > 1 else Shape.IMAGE,
        dtype=np.dtype(np.int16),
        modality="CT",
        hounsfield=True,
        series_uid=series_uid,
        study_uid=uid(seed, "study"),
        frame_of_reference_uid=uid(seed, "frame"),
        study_date="20240101",
        study_description="Phantom",
        description="Chest phantom",
        series_number=1,
        body_part="CHEST",
        manufacturer="cadviewer",
        windows=(Window(-600, 1500, "LUNG"), Window(40, 400, "MEDIASTINUM")),
        image_type=("DERIVED", "SECONDARY", "AXIAL"),
    )
