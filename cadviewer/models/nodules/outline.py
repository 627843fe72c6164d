"""The outline of the nodule in a box: which patch the network sees, and its answer back on the slice. NumPy alone.

A patch is a square of `SIDE` pixels around the middle of the box, `CONTEXT` times as wide as the box (and never less
than `LEAST_PX` source pixels), so a nodule of any size fills about the same part of it. Three planes go in: the slice
(0…1 in the card's window), the square of the box (1 inside), and the box's size, log₂ of its side in source pixels,
since the same patch can be a sharp large nodule or a blurred small one.
All places are continuous edge coordinates (see `imaging.geometry`): patch pixel (i, j) covers [i, i+1) × [j, j+1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import contourpy
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cadviewer.findings import Box
from cadviewer.models.runtime import Forward

Floats = NDArray[np.float32]
SIDE = 48
CONTEXT = 2.5
LEAST_PX = 24.0


@dataclass(frozen=True)
class OutlinePatch:
    """Where a patch lies on its slice.

    x0, y0: its corner in edge coordinates of the source; step: source pixels per patch pixel, (along x, along y).
    side: of the box, in source pixels (geometric mean of both directions).
    """

    x0: float
    y0: float
    step: tuple[float, float]
    side: float

    @classmethod
    def around(cls, box: Box, pixel_mm: tuple[float, float] = (1.0, 1.0)) -> OutlinePatch:
        """The patch for a box; pixel_mm: (row, column), of which only the ratio counts: a patch is square in mm."""
        x, y = box.centre
        return cls.at(x, y, ((box.x1 - box.x0) * pixel_mm[1] + (box.y1 - box.y0) * pixel_mm[0]) / 2, pixel_mm)

    @classmethod
    def at(cls, x: float, y: float, side_mm: float, pixel_mm: tuple[float, float] = (1.0, 1.0)) -> OutlinePatch:
        """The patch for a square box of side_mm (in the unit of pixel_mm) around (x, y)."""
        pixel = float(np.sqrt(pixel_mm[0] * pixel_mm[1]))
        wide = max(CONTEXT * side_mm, LEAST_PX * pixel)
        step = (wide / SIDE / pixel_mm[1], wide / SIDE / pixel_mm[0])
        return cls(x - step[0] * SIDE / 2, y - step[1] * SIDE / 2, step, side_mm / pixel)

    def to_source(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, 2) of (x, y) in the patch → on the slice, both in edge coordinates."""
        return np.asarray(np.asarray(points, float) * np.array(self.step) + np.array([self.x0, self.y0]))

    def matrix(self) -> NDArray[np.float64]:
        """2×3 map from pixel indices of the patch to those of the slice, as OpenCV wants it: index = edge − ½."""
        x, y = self.step
        return np.array([[x, 0.0, self.x0 + x / 2 - 0.5], [0.0, y, self.y0 + y / 2 - 0.5]])

    def planes(self, image: Floats) -> Floats:
        """(3, SIDE, SIDE): what the network sees of a slice (rows, columns) in 0…1; 0 beyond its borders."""
        return stack(sample(image, self.matrix()), self.side, self.step)


def sample(image: Floats, matrix: NDArray[np.float64]) -> Floats:
    """(SIDE, SIDE) of the slice through a 2×3 map from patch to slice indices; smoothed first where it gets smaller."""
    step = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if step <= 1.25:
        return np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags), np.float32)
    times = int(np.ceil(step))  # each pixel is the mean of times × times samples
    finer = matrix.copy()
    finer[:, 2] += finer[:, :2] @ np.full(2, 0.5 / times - 0.5)
    finer[:, :2] /= times
    wide = cv2.warpAffine(image, finer, (SIDE * times, SIDE * times), flags=flags)
    return np.asarray(wide.reshape(SIDE, times, SIDE, times).mean(axis=(1, 3)), np.float32)


def stack(image: Floats, side: float, step: tuple[float, float]) -> Floats:
    """(3, SIDE, SIDE) of a sampled patch. side: of the box in source pixels; step: source pixels per patch pixel."""
    half = side / float(np.sqrt(step[0] * step[1])) / 2
    edges = np.arange(SIDE + 1)
    inside = np.clip(np.minimum(edges[1:], SIDE / 2 + half) - np.maximum(edges[:-1], SIDE / 2 - half), 0, 1)
    scale = np.full((SIDE, SIDE), np.log2(max(side, 1.0) / 10) / 2)
    return np.stack([image, np.outer(inside, inside), scale]).astype(np.float32)


def paste(chance: Floats, patch: OutlinePatch, shape: tuple[int, int]) -> Floats:
    """(SIDE, SIDE) probabilities as those of a slice of (rows, columns) `shape`, 0 outside the patch."""
    inverse = cv2.invertAffineTransform(patch.matrix())
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(chance, inverse, shape[::-1], flags=flags), np.float32)


@dataclass(frozen=True)
class OutlineView:
    """One way to look at patches (…, SIDE, SIDE): turned upside down, left to right, rows and columns changed."""

    down: bool = False
    across: bool = False
    transposed: bool = False

    def show(self, patches: Floats) -> Floats:
        """The patches as this view shows them; the box is in their middle in every view."""
        turned = patches.swapaxes(-1, -2) if self.transposed else patches
        return np.ascontiguousarray(turned[..., :: -1 if self.down else 1, :: -1 if self.across else 1])

    def back(self, patches: Floats) -> Floats:
        """The way back of `show`."""
        turned = patches[..., :: -1 if self.down else 1, :: -1 if self.across else 1]
        return np.ascontiguousarray(turned.swapaxes(-1, -2) if self.transposed else turned)


VIEWS: dict[str, tuple[OutlineView, ...]] = {
    "one": (OutlineView(),),
    "two": (OutlineView(), OutlineView(True, True)),
    "four": tuple(OutlineView(d, a) for d in (False, True) for a in (False, True)),
    "eight": tuple(OutlineView(d, a, t) for t in (False, True) for d in (False, True) for a in (False, True)),
}
"""How often a patch is looked at; probabilities are means over the views."""


def chances_of(planes: Floats, forward: Forward, views: Sequence[OutlineView] = VIEWS["one"]) -> Floats:
    """(n, SIDE, SIDE) probabilities for (n, 3, SIDE, SIDE) planes, means over the views."""
    total = np.zeros((len(planes), *planes.shape[2:]), np.float32)
    for view in views:
        logits = forward(view.show(planes))[0][:, 0]
        total += view.back(np.asarray(expit(logits), np.float32))
    return np.asarray(total / len(views), np.float32)


@dataclass(frozen=True)
class OutlineShape:
    """The outline on one slice: polygon (n, 2) of (x, y) edge coordinates of the source; area: source pixels; part:
    (SIDE, SIDE), the pixels of the patch within it."""

    polygon: NDArray[np.float32]
    area: float
    part: NDArray[np.bool_]


def one_part(chance: Floats, level: float) -> NDArray[np.bool_]:
    """(SIDE, SIDE): of the connected parts above `level` the one with most of its probability near the middle."""
    count, labels = cv2.connectedComponents((chance >= level).astype(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros(chance.shape, bool)
    near = np.abs(np.arange(SIDE) + 0.5 - SIDE / 2) / (SIDE / 2 / CONTEXT)
    middle = np.exp(-(near[:, None] ** 2 + near[None] ** 2))
    weights = np.bincount(labels.ravel(), weights=(chance * middle).ravel())
    weights[0] = -1.0
    return np.asarray(labels == int(weights.argmax()))


def shape(chance: Floats, patch: OutlinePatch, level: float) -> OutlineShape | None:
    """The outline where the probabilities (SIDE, SIDE) of a patch pass `level`; None where they never do."""
    part = one_part(chance, level)
    if not part.any():
        return None
    grown = cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    field = np.pad(np.where(grown, np.minimum(chance, np.where(part, 1.0, level - 1e-4)), 0.0), 1)
    lines = contourpy.contour_generator(z=field).lines(level)
    largest = max(lines, key=lambda line: abs(_area(np.asarray(line))), default=None)
    if largest is None:
        return None
    points = np.asarray(largest, np.float64)[:-1] - 0.5  # index of the padded field → edge coordinates of the patch
    area = abs(_area(points)) * patch.step[0] * patch.step[1]
    if len(points) < 3 or area <= 0:
        return None
    return OutlineShape(np.asarray(patch.to_source(points), np.float32), area, part)


def _area(points: NDArray[np.floating]) -> float:
    """Signed area of a polygon (n, 2)."""
    x, y = np.asarray(points, np.float64).T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)
