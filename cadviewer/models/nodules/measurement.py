"""Outline, axes and volume of what lies in a box: threshold, the part at the centre, vessels opened away.

Threshold: half-way between the nodule and the lung around it, between −650 and −300 HU (−400 HU for a solid nodule).
Long axis: the largest distance of two points of the outline on the slice with the largest area; short axis: the width
across it. Volume: see `models.nodules.volume`. Simple and explainable; not a substitute for a reader's measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.findings import Box
from cadviewer.models.nodules.volume import LUNG_HU, volume_mm3

FINE = 4


@dataclass(frozen=True)
class NoduleMeasures:
    """long_mm, short_mm: on the slice with the largest area; volume_mm3: None on a single slice and where
    the slices are too thick for it; outline: (n, 2) of
    (x, y) edge coordinates on the slice of the best box, None when nothing is left there.
    widest: the slice with the largest area; outlines: by slice. by_network: by `models.nodules.outlining`."""

    long_mm: float
    short_mm: float
    volume_mm3: float | None
    outline: NDArray[np.float32] | None
    widest: int
    outlines: Mapping[int, NDArray[np.float32]]
    by_network: bool = False

    @property
    def widest_outline(self) -> NDArray[np.float32]:
        """(n, 2) on the slice with the largest area."""
        return self.outlines[self.widest]


def measure(
    pixels: NDArray[np.generic], boxes: tuple[Box, ...], pixel_mm: tuple[float, float], slice_mm: float | None
) -> NoduleMeasures | None:
    """Measure a finding; None when there is nothing denser than lung at its centre.

    pixels: (slices, rows, columns) HU; pixel_mm: (row, column); slice_mm: None for a single slice.
    """
    best = max(boxes, key=lambda b: b.score)
    index, x, y = centre(boxes)
    trusted = [b for b in boxes if b.score >= 0.5 * best.score]
    radius = max(((b.x1 - b.x0) * pixel_mm[1] + (b.y1 - b.y0) * pixel_mm[0]) / 4 for b in trusted)
    depth = 2.2 * radius / slice_mm if slice_mm else 0.0
    first, last = max(0, int(index - depth)), min(len(pixels) - 1, int(np.ceil(index + depth)))
    first, last = min(first, best.slice), max(last, best.slice)
    reach = (2.2 * radius / pixel_mm[0] + 2, 2.2 * radius / pixel_mm[1] + 2)
    y0, y1 = max(0, int(y - reach[0])), min(pixels.shape[1], int(np.ceil(y + reach[0])))
    x0, x1 = max(0, int(x - reach[1])), min(pixels.shape[2], int(np.ceil(x + reach[1])))
    region = np.nan_to_num(np.asarray(pixels[first : last + 1, y0:y1, x0:x1], np.float32), nan=-1024.0)
    spacing = (slice_mm or 1.0, *pixel_mm)
    grid = np.ogrid[: region.shape[0], : region.shape[1], : region.shape[2]]
    at = (index - first, y - 0.5 - y0, x - 0.5 - x0)
    distance = np.sqrt(sum(((g - c) * s) ** 2 for g, c, s in zip(grid, at, spacing, strict=True)))
    mask = _nodule(region, distance, radius, spacing)
    if mask is None:
        return None
    areas = mask.sum(axis=(1, 2))
    largest = int(areas.argmax())
    widest = _outline(mask[largest], (x0, y0))
    if widest is None:
        return None
    long_mm, short_mm = axes(widest * np.array([pixel_mm[1], pixel_mm[0]], np.float32))
    volume = volume_mm3(region, mask, spacing) if slice_mm else None
    found = {first + k: _outline(mask[k], (x0, y0)) for k in np.flatnonzero(areas).tolist()}
    outlines = {k: outline for k, outline in found.items() if outline is not None}
    return NoduleMeasures(long_mm, short_mm, volume, outlines.get(best.slice), first + largest, outlines)


def centre(boxes: tuple[Box, ...]) -> tuple[float, float, float]:
    """(slice, x, y): the mean of the boxes, weighted by score and area, since a sphere is widest in its middle."""
    weights = np.array([b.score * (b.x1 - b.x0) * (b.y1 - b.y0) for b in boxes])
    points = np.array([(b.slice, *b.centre) for b in boxes], float)
    index, x, y = np.average(points, axis=0, weights=weights if weights.sum() > 0 else None)
    return float(index), float(x), float(y)


def _nodule(
    region: NDArray[np.float32], distance: NDArray[np.float64], radius: float, spacing: tuple[float, float, float]
) -> NDArray[np.bool_] | None:
    """The part around the centre that is denser than half-way to lung, without thin vessels and the chest wall."""
    core = distance <= max(0.5 * radius, float(distance.min()) + 0.75 * max(spacing[1:]))
    level = float(np.percentile(region[core], 70))
    threshold = float(np.clip((level + LUNG_HU) / 2, -650, -300))
    dense = (region > threshold) & (distance <= 1.5 * radius)
    mask = _at_centre(dense, distance)
    if mask is None:
        return None
    thin = 0.3 * radius
    if thin >= 0.8 * spacing[1]:
        inner = _at_centre(ndimage.distance_transform_edt(mask, sampling=spacing) > thin, distance)
        if inner is not None:
            mask &= ndimage.distance_transform_edt(~inner, sampling=spacing) <= thin + 0.5 * spacing[1]
    shell = (distance > 1.3 * radius) & (distance <= 1.5 * radius)
    if shell.any() and mask[shell].mean() > 0.2:  # grown into the chest wall: the box is all that is known
        mask &= distance <= 1.1 * radius
    return mask if mask.any() else None


def _at_centre(dense: NDArray[np.bool_], distance: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """The connected part nearest to the centre."""
    labels, count = ndimage.label(dense)
    if not count:
        return None
    nearest = np.where(dense, distance, np.inf).argmin()
    part: NDArray[np.bool_] = np.asarray(labels == labels.ravel()[nearest])
    return part


def _outline(mask: NDArray[np.bool_], corner: tuple[int, int]) -> NDArray[np.float32] | None:
    """Polygon (n, 2) of (x, y) edge coordinates around a mask whose first pixel is column, row `corner`."""
    if not mask.any():
        return None
    padded = np.pad(mask, 1).astype(np.float32)
    size = (padded.shape[1] * FINE, padded.shape[0] * FINE)
    fine = cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR) >= 0.5
    contours, _ = cv2.findContours(fine.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)[:, 0].astype(np.float32)
    return np.asarray((largest + 0.5) / FINE - 1 + np.array(corner, np.float32), np.float32)


def axes(points: NDArray[np.float32]) -> tuple[float, float]:
    """Longest distance between two of the points, and the width across it, in their unit."""
    hull = cv2.convexHull(np.asarray(points, np.float32))[:, 0].astype(np.float64)
    gap = hull[:, None] - hull[None]
    squared = (gap**2).sum(axis=2)
    i, j = np.unravel_index(int(squared.argmax()), squared.shape)
    long = float(np.sqrt(squared[i, j]))
    if long == 0:
        return 0.0, 0.0
    direction = gap[i, j] / long
    across = hull @ np.array([-direction[1], direction[0]])
    return long, float(across.max() - across.min())
