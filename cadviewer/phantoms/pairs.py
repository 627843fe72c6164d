"""Two chest CTs of one phantom patient at different times: moved, breathing otherwise, its nodules grown, new or gone.

What lies where in the other one is known: the tests of matching and the figures of `docs/priors.md` rest on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.series import Patient, Volume
from cadviewer.phantoms import thorax
from cadviewer.phantoms.phantom import (
    Grid,
    NoduleSpec,
    NoduleTruth,
    Phantom,
    anatomy,
    boxes_of,
    finish,
    geometry_of,
    paint_nodule,
    place_nodules,
    series_of,
    uid,
)

Points = NDArray[np.float64]
COARSE = 4
"""Pixels between those whose displacement is worked out; it is smooth."""
_UNTURNED = (False, False, False)


@dataclass(frozen=True)
class Followed:
    """A nodule at two times. spec: its kind and place; its diameter is not used.

    before_mm, now_mm: its diameter then and now; None where it is not there.
    """

    spec: NoduleSpec
    before_mm: float | None
    now_mm: float | None


FOLLOWED = (
    Followed(NoduleSpec(0, side="left", height=40.0), 8.0, 12.0),
    Followed(NoduleSpec(0, side="right", height=10.0), 7.0, 7.0),
    Followed(NoduleSpec(0, side="right", height=55.0), None, 8.0),
    Followed(NoduleSpec(0, side="left", height=-15.0), 9.0, None),
    Followed(NoduleSpec(0, kind="part-solid", side="right", height=-20.0), 14.0, 14.0),
)
"""One grown, one stable, one new, one gone, and a part-solid one that stayed."""


@dataclass(frozen=True)
class Motion:
    """How the patient of the later CT lies and breathes otherwise.

    shift: LPS mm. turn: degrees about x, y and z, in that order. breath: mm by which the diaphragm is higher; the
    apices, the ribs and the spine stay where they are, the front of the chest goes back by a quarter of it.
    wobble: mm of slow, irregular displacement besides. dense: HU by which the lungs are denser, as they hold less air.
    """

    shift: Vector = (0.0, 0.0, 0.0)
    turn: Vector = (0.0, 0.0, 0.0)
    breath: float = 0.0
    wobble: float = 0.0
    dense: float = 0.0

    def to_prior(self, points: Points, body: thorax.Body) -> Points:
        """(x, y, z) in body coordinates of the earlier CT, (n, 3), of points of the later one."""
        return self._relaxed((points - np.array(self.shift)) @ self._rotation, body)

    def from_prior(self, points: Points, body: thorax.Body) -> Points:
        """The way back: (n, 3) of points of the earlier CT in the later one."""
        found = points.copy()
        for _ in range(60):  # the displacement shortens distances by less than 1, so this settles
            found += 0.7 * (points - self._relaxed(found, body))
        return np.asarray(found @ self._rotation.T + np.array(self.shift), np.float64)

    @property
    def _rotation(self) -> Points:
        x, y, z = np.radians(self.turn)
        about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
        about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
        about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
        return np.asarray(np.array(about_z) @ about_y @ about_x, np.float64)

    def _relaxed(self, points: Points, body: thorax.Body) -> Points:
        x, y, z = points.astype(np.float32).T
        low = _smooth((80.0 - z) / 150.0)
        spine = thorax.ellipse(x, y - 66, 30.0, 30.0)
        free = _smooth((8.0 - np.maximum(thorax.cage(x, y, z, body), -spine)) / 24.0)
        front = _smooth((40.0 - y) / 110.0)
        moved = np.stack([np.zeros_like(x), -0.25 * self.breath * free * front, -self.breath * free * low], axis=1)
        a, b, c = points.T / 28.0
        irregular = np.stack([np.sin(b + 0.7 * c), np.sin(c - 0.6 * a + 1), np.sin(a + 0.8 * b + 2)], axis=1)
        return np.asarray(points + moved + self.wobble * free[:, None] * irregular, np.float64)


def _smooth(value: NDArray[Any]) -> NDArray[np.float64]:
    t = np.clip(value.astype(np.float64), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


@dataclass(frozen=True)
class Pair:
    """Two CTs of one patient. before, now: their nodules are in the order of the `Followed` that are there then.

    places: for each `Followed`, its LPS mm in the earlier CT and in this one, also where it is not there.
    """

    before: Phantom
    now: Phantom
    places: tuple[tuple[Vector, Vector], ...]


def chest_pair(
    seed: int = 0,
    followed: Sequence[Followed] = FOLLOWED,
    motion: Motion | None = None,
    *,
    shapes: tuple[tuple[int, int, int], tuple[int, int, int]] = ((110, 300, 300), (110, 300, 300)),
    spacings: tuple[Vector, Vector] = ((2.2, 1.15, 1.15), (2.2, 1.15, 1.15)),
    dates: tuple[str, str] = ("20230110", "20240110"),
    centres: tuple[Vector, Vector] = ((0.0, 0.0, -160.0), (12.0, -150.0, 700.0)),
    patient: str = "",
) -> Pair:
    """A pair. Of each two: first the earlier, then the later.

    shapes, spacings: (slices, rows, columns) and their mm. centres: LPS mm of the middle of the grid: scanners have
    zeros of their own. patient: Patient ID, "" for one of the seed's.
    """
    motion = motion or Motion()
    rng = np.random.default_rng([seed, 2])
    source = Grid((150, 330, 330), (1.7, 1.05, 1.05))
    chest, body = anatomy(source, rng)
    largest = [replace(f.spec, diameter_mm=max(f.before_mm or 0, f.now_mm or 0)) for f in followed]
    points = np.array([point for _, point in place_nodules(tuple(largest), source, body, rng)])
    moved = motion.from_prior(points, body)
    made, places = [], []
    for time in (0, 1):
        grid = Grid(shapes[time], spacings[time])
        image = _seen(chest, source, grid, motion if time else Motion(), body)
        if time:
            image += np.float32(motion.dense) * np.clip((-550 - image) / 150, 0, 1) * (image > -960)
        geometry = geometry_of(grid, _UNTURNED, np.eye(3), np.array(centres[time], float))
        at = moved if time else points
        sizes = [f.now_mm if time else f.before_mm for f in followed]
        truth = tuple(
            _painted(image, grid, geometry, replace(f.spec, diameter_mm=mm), point, rng)
            for f, mm, point in zip(followed, sizes, at, strict=True)
            if mm
        )
        finish(image, rng)
        pixels = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
        who = Patient("Phantom^Chest", patient or f"PHANTOM-{seed}", "F", "19600101")
        series = replace(
            series_of(seed, geometry), study_date=dates[time], patient=who, study_uid=uid(seed, "study", dates[time])
        )
        series = replace(series, frame_of_reference_uid=uid(seed, "frame", dates[time]))
        made.append(Phantom(Volume(series, pixels), truth, seed))
        places.append([_place(geometry, grid, point) for point in at])
    return Pair(made[0], made[1], tuple(zip(*places, strict=True)))


def _seen(
    chest: NDArray[np.float32], source: Grid, grid: Grid, motion: Motion, body: thorax.Body
) -> NDArray[np.float32]:
    """The anatomy of the source on another grid, as the patient lies there; linear."""
    x, y, z = (o + d * np.arange(n) for o, d, n in zip(grid.origin, grid.spacing[::-1], grid.shape[::-1], strict=True))
    image = np.empty(grid.shape, np.float32)
    step, zero = np.array(source.spacing), source.origin
    for k, height in enumerate(z):
        coarse = np.stack(np.broadcast_arrays(x[None, ::COARSE], y[::COARSE, None], height), axis=-1)
        index = (motion.to_prior(coarse.reshape(-1, 3), body) - zero)[:, ::-1] / step
        lattice = np.moveaxis(index.reshape(*coarse.shape[:2], 3), -1, 0)
        everywhere = _between(_between(lattice, 1, len(y)), 2, len(x))
        image[k] = ndimage.map_coordinates(chest, everywhere, order=1, cval=thorax.HU["air"])
    return image


def _between(lattice: NDArray[np.float64], axis: int, count: int) -> NDArray[np.float64]:
    """`count` values along an axis from every `COARSE`-th of them: linear, beyond the last as before it."""
    at = np.arange(count) / COARSE
    below = np.minimum(at.astype(int), lattice.shape[axis] - 2)
    share = (at - below).reshape([-1 if k == axis else 1 for k in range(3)])
    first, second = np.take(lattice, below, axis), np.take(lattice, below + 1, axis)
    return np.asarray(first + share * (second - first))


def _painted(
    image: NDArray[np.float32],
    grid: Grid,
    geometry: Geometry,
    spec: NoduleSpec,
    point: NDArray[np.float64],
    rng: np.random.Generator,
) -> NoduleTruth:
    mask = paint_nodule(image, grid, spec, point, rng)
    return NoduleTruth(spec, _place(geometry, grid, point), spec.diameter_mm, boxes_of(mask))


def _place(geometry: Geometry, grid: Grid, point: NDArray[np.float64]) -> Vector:
    x, y, z = geometry.to_patient(grid.index(point)).tolist()
    return x, y, z
