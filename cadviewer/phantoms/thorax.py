"""The anatomy of the chest phantom: signed distances and Hounsfield units of body, bones, mediastinum and lungs.

Body coordinates in mm, axes as LPS: x to the patient's left, y to posterior, z to the head, 0 amid the chest. A signed
distance is negative inside. Sizes are those of an adult as anatomy books give them; shapes are ellipses and domes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

APEX, DOME = 112.0, -62.0  # mm: top of the lungs, top of the right diaphragm
RIB_PITCH = 25.0
HU = {
    "air": -1000.0,
    "skin": 10.0,
    "fat": -100.0,
    "muscle": 50.0,
    "soft": 40.0,
    "blood": 140.0,  # with some contrast medium
    "liver": 95.0,
    "spleen": 110.0,
    "lung": -865.0,
    "cortex": 750.0,
    "marrow": 220.0,
    "disc": 80.0,
    "cartilage": 110.0,
    "cord": 30.0,
    "table": -300.0,
}


@dataclass(frozen=True)
class Body:
    """What differs from one phantom patient to the next: a scale, a layer of fat, and small asymmetries."""

    scale: float
    fat: float
    heart: float
    sway: float

    @staticmethod
    def random(rng: np.random.Generator) -> Body:
        """A thorax whose body, lungs and vessels are drawn by chance."""
        return Body(
            scale=float(rng.uniform(0.96, 1.03)),
            fat=float(rng.uniform(7, 16)),
            heart=float(rng.uniform(0.92, 1.08)),
            sway=float(rng.uniform(-4, 4)),
        )


def ellipse(x: Array, y: Array, a: float | Array, b: float | Array, power: float = 2.0) -> Array:
    """Signed distance, nearly, to a superellipse around 0 with half axes a and b."""
    tiny = np.float32(1e-3)  # keeps the middle finite; everything stays in 32 bits
    if power == 2:
        f = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    else:
        f = (np.abs(x / a) ** power + np.abs(y / b) ** power) ** np.float32(1 / power)
    reach = np.sqrt(x * x + y * y) + tiny
    return np.asarray(reach - reach / (f + tiny / b), np.float32)


def cage(x: Array, y: Array, z: float | Array, body: Body) -> Array:
    """Signed distance to the inner wall of the rib cage, in the plane of z."""
    over = np.clip((np.asarray(z, np.float32) - 20) / (APEX - 20), 0, 1)
    taper = np.sqrt(np.maximum(1 - over**2.2, 0.02))
    flare = 1 - 0.0004 * np.minimum(np.asarray(z, np.float32), 0)
    a, b = 128 * body.scale * taper * flare, 86 * body.scale * (0.35 + 0.65 * taper)
    return ellipse(x, y - 2, a, b, 2.3)


def mediastinum(x: Array, y: Array, z: float | Array, body: Body) -> Array:
    """Signed distance to everything between the lungs: heart, great vessels, spine with its muscles."""
    z = np.asarray(z, np.float32)
    heart = np.minimum(
        _ellipsoid(x - 8, y + 22, z + 42, 46 * body.heart, 42 * body.heart, 50),
        _ellipsoid(x - 38, y + 36, z + 62, 44 * body.heart, 31 * body.heart, 36),
    )
    middle = ellipse(x - body.sway, y + 8, np.maximum(32 - 0.06 * z, 18), 52.0)
    front = ellipse(x - body.sway, y + 70, 7.0, 34.0)  # where the lungs meet behind the sternum
    spine = ellipse(x, y - 66, 30.0, 30.0)
    aorta = ellipse(x - 21, y - 36, 13.0, 13.0)
    around = np.minimum(np.minimum(middle, front), np.minimum(spine, aorta))
    return np.asarray(np.minimum(heart, around), np.float32)


def diaphragm(x: Array, y: Array) -> Array:
    """Height z of the two domes."""
    right = (DOME + 118) * np.exp(-(((x + 62) / 70) ** 2) - (y / 85) ** 2)
    left = (DOME + 104) * np.exp(-(((x - 66) / 66) ** 2) - (y / 85) ** 2)
    return np.asarray(-118 + np.maximum(right, left), np.float32)


def lung(x: Array, y: Array, z: float | Array, body: Body) -> Array:
    """Signed distance, nearly, to both lungs."""
    below = diaphragm(x, y) - np.asarray(z, np.float32)
    above = np.asarray(z, np.float32) - APEX
    wall = np.maximum(cage(x, y, z, body), -mediastinum(x, y, z, body))
    return np.asarray(np.maximum(np.maximum(wall, 0.7 * below), above), np.float32)


def _ellipsoid(x: Array, y: Array, z: float | Array, a: float, b: float, c: float) -> Array:
    f = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
    return np.asarray((f - 1) * min(a, b, c), np.float32)


def blend(image: Array, distance: Array, value: float | Array, pixel: float) -> None:
    """Paints `value` where the distance is negative, half of it at the edge, softly over one pixel."""
    cover = np.clip(0.5 - distance / np.float32(pixel), 0, 1)
    cover *= value - image
    image += cover


class Slicer:
    """Draws slices of one body on one grid; what is the same at every height is worked out once.

    x: (1, columns), y: (rows, 1), mm in body coordinates; pixel: mm.
    """

    def __init__(self, x: Array, y: Array, pixel: float, body: Body) -> None:
        self._x, self._y, self._pixel, self._body = x, y, pixel, body
        self._skin = ellipse(x, y - 4, 158 * body.scale, 108 * body.scale, 2.5) + 1.5 * np.sin(5 * np.arctan2(y, x))
        self._domes = diaphragm(x, y)
        self._dependent = (HU["lung"] - 20 + 55 * np.clip((y + 90) / 180, 0, 1)).astype(np.float32)
        self._behind = self._with_table()

    def draw(self, z: float) -> Array:
        """Hounsfield units, (rows, columns), at height z, without what lies within the lungs."""
        x, y, pixel, body = self._x, self._y, self._pixel, self._body
        image = self._behind.copy()
        wall = cage(x, y, z, body)
        self._muscles(image, z)
        blend(image, wall - 13, HU["muscle"], pixel)
        self._ribs(image, z, wall)
        blend(image, wall, HU["fat"] + 30, pixel)
        self._belly(image, z, wall)
        between = np.full(wall.shape, 40.0, np.float32)  # mm: far from anything of it
        columns = self._span(x[0], 10, 110)
        between[:, columns] = mediastinum(x[:, columns], y, z, body)
        self._middle(image, z, wall, between)
        lungs = np.maximum(np.maximum(wall, -between), np.maximum(0.7 * (self._domes - z), z - APEX))
        blend(image, lungs - 0.8, HU["soft"], pixel)  # the pleura
        blend(image, lungs, self._dependent, pixel)
        self._spine(image, z)
        return image

    def _blob(
        self, image: Array, cx: float, cy: float, a: float, b: float, value: float, *, power: float = 2.0
    ) -> None:
        """An ellipse around (cx, cy), worked out only where it is."""
        rows = self._span(self._y[:, 0], cy, b)
        columns = self._span(self._x[0], cx, a)
        if rows.start < rows.stop and columns.start < columns.stop:
            distance = ellipse(self._x[:, columns] - cx, self._y[rows] - cy, a, b, power)
            blend(image[rows, columns], distance, value, self._pixel)

    def _span(self, axis: Array, centre: float, reach: float) -> slice:
        low, high = np.searchsorted(axis, (centre - reach - 2 * self._pixel, centre + reach + 2 * self._pixel))
        return slice(int(low), int(high))

    def _with_table(self) -> Array:
        x, y, pixel = self._x, self._y, self._pixel
        image = np.full(np.broadcast_shapes(x.shape, y.shape), HU["air"], np.float32)
        curve = y - 128 + 0.0009 * x**2
        blend(image, np.maximum(np.abs(curve) - 2.5, np.abs(x) - 190), HU["table"], pixel)
        blend(image, np.maximum(np.abs(curve - 18) - 12, np.abs(x) - 190), HU["air"] + 60, pixel)
        blend(image, self._skin, HU["skin"], pixel)
        blend(image, self._skin + 2.5, HU["fat"], pixel)
        return image

    def _muscles(self, image: Array, z: float) -> None:
        high = float(np.clip((z + 20) / 60, 0, 1))
        inside = image.copy()
        for side in (-1, 1):
            self._blob(image, side * 62, -88 * self._body.scale, 52, 10 + 8 * high, HU["muscle"])  # pectoral
            self._blob(image, side * 88, 78, 60, 20 + 8 * high, HU["muscle"])
            self._blob(image, side * 30, 92, 26, 16, HU["muscle"])
        np.copyto(image, inside, where=self._skin > -self._body.fat)
        if z > 0:  # shoulder blades
            rows, angle = self._span(self._y[:, 0], 74, 36), np.float32(0.75)
            u, v = np.abs(self._x) - 104, self._y[rows] - 74
            blade = ellipse(u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle), 34.0, 4.0)
            blade = np.maximum(blade, self._skin[rows] + 6)
            blend(image[rows], blade, HU["cortex"], self._pixel)
            blend(image[rows], blade + 1.6, HU["marrow"], self._pixel)

    def _ribs(self, image: Array, z: float, wall: Array) -> None:
        """Ribs run down to the front: where one crosses the slice follows from height and depth."""
        x, y = self._x, self._y
        along = (z + 0.55 * (y + 60) + RIB_PITCH / 2 + 400 * RIB_PITCH) % RIB_PITCH - RIB_PITCH / 2
        bone = ((np.sqrt(((wall - 6.5) / 4.0) ** 2 + (along / 6.5) ** 2) - 1) * 4.0).astype(np.float32)
        bone[:, np.abs(x[0]) < 16] = 50.0
        front = (y < -62) & (np.abs(x) < 75)
        blend(image, bone, np.where(front, HU["cartilage"], HU["cortex"]).astype(np.float32), self._pixel)
        blend(image, bone + 1.4, np.where(front, HU["cartilage"], HU["marrow"]).astype(np.float32), self._pixel)
        if -70 < z < 75:  # sternum
            self._blob(image, 0, -92, 17, 6, HU["cortex"])
            self._blob(image, 0, -92, 15.6, 4.6, HU["marrow"])

    def _belly(self, image: Array, z: float, wall: Array) -> None:
        below = np.maximum(z - self._domes, wall + 1)
        if below.min() > self._pixel:
            return
        organs = np.where(self._x < 12, HU["liver"], np.where(self._y > 5, HU["spleen"], HU["soft"]))
        blend(image, below, organs.astype(np.float32), self._pixel)
        gas = _ellipsoid(self._x - 62, self._y + 34, z + 118, 36, 22, 34)
        blend(image, np.maximum(gas, below), -950.0, self._pixel)

    def _middle(self, image: Array, z: float, wall: Array, between: Array) -> None:
        x, y, body = self._x, self._y, self._body
        blend(image, np.maximum(between, wall), HU["fat"] + 60, self._pixel)
        if z < 12:
            size = body.heart
            heart = np.minimum(
                _ellipsoid(x - 8, y + 22, z + 42, 43 * size, 39 * size, 47),
                _ellipsoid(x - 38, y + 36, z + 62, 41 * size, 28 * size, 33),
            )
            blend(image, np.maximum(heart, wall), HU["blood"] - 20, self._pixel)
        large = ((21.0, 36.0, 11.5), (-16.0, -34.0, 14.0), (4.0, -26.0, 13.0), (-24.0, -18.0, 8.5))
        small = ((-10.0, -30.0, 7.0), (12.0, -20.0, 5.5), (18.0, 2.0, 5.0))
        for cx, cy, radius in large if z < 50 else small:
            self._blob(image, cx, cy, radius, radius, HU["blood"])
        if 36 < z < 56:  # the arch of the aorta
            self._blob(image, 6, 4, 24, 38, HU["blood"])
        self._blob(image, 9, 30, 6, 5, HU["soft"])  # oesophagus
        if z > 20:  # trachea
            self._blob(image, 0, 14, 11, 10, HU["soft"] + 20)
            self._blob(image, 0, 14, 9.2, 8.2, -990.0)

    def _spine(self, image: Array, z: float) -> None:
        """One vertebra every RIB_PITCH mm, with a disc between."""
        phase = (z + 400 * RIB_PITCH) % RIB_PITCH
        disc = phase < 5
        self._blob(image, 0, 62, 17, 14, HU["disc"] if disc else HU["cortex"], power=2.4)
        self._blob(image, 0, 62, 15.7, 12.7, HU["disc"] if disc else HU["marrow"], power=2.4)
        if phase > 8:  # arch and processes
            self._blob(image, 0, 84, 15, 13, HU["cortex"] - 200)
            self._blob(image, 0, 103, 3.2, 13, HU["marrow"] + 200)
            for side in (-1, 1):
                self._blob(image, side * 27, 80, 15, 4.5, HU["marrow"] + 150)
        self._blob(image, 0, 84, 9, 7.5, HU["cord"])
