"""Points of findings and measures as DICOM wants them: closed polygons, axes, ellipses by the ends of their axes.

DICOM's image coordinates (PS3.3 C.18.6.1.2 and C.10.5.1.1) are the program's edge coordinates: 0\\0 is the corner of
the first pixel, its centre 0.5\\0.5.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(n, 2) of (x, y) in edge coordinates, or (n, 3) in LPS mm."""

TOLERANCE_PX = 0.1
_SAME_MM = 0.02


def closed(points: Points) -> Points:
    """With the first point again at the end."""
    return points if np.array_equal(points[0], points[-1]) else np.vstack([points, points[:1]])


def simplified(points: Points) -> Points:
    """An outline with fewer points, none farther from it than a tenth of a pixel."""
    kept = cv2.approxPolyDP(points.astype(np.float32)[:, None], TOLERANCE_PX, closed=True)[:, 0].astype(np.float64)
    return kept if len(kept) > 2 else points


def rectangle(box: tuple[float, float, float, float]) -> Points:
    """The four corners of a box x0, y0, x1, y1."""
    x0, y0, x1, y1 = box
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def ellipse(corners: Points) -> Points:
    """Of an ellipse within two opposite corners: the ends of its major axis, then those of its minor one."""
    (x0, y0), (x1, y1) = corners[0], corners[-1]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    across, down = [(x0, y), (x1, y)], [(x, y0), (x, y1)]
    return np.array(across + down if abs(x1 - x0) >= abs(y1 - y0) else down + across, float)


def ellipse_outline(corners: Points, count: int = 64) -> Points:
    """Points along an ellipse within two opposite corners."""
    (x0, y0), (x1, y1) = corners[0], corners[-1]
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([(x0 + x1 + (x1 - x0) * np.cos(turn)) / 2, (y0 + y1 + (y1 - y0) * np.sin(turn)) / 2], axis=1)


def inside(points: Points, rows: int, columns: int) -> Points:
    """Points moved to the border of the image where they lie beyond it."""
    return np.clip(points, 0.0, np.array([columns, rows], float))


def axes(outline: Points, spacing: tuple[float, float]) -> tuple[Points, Points]:
    """Ends of the long axis of an outline and of the width across it, (2, 2) each, in edge coordinates.

    spacing: mm between (rows, columns). The width is drawn midway between the two points that it lies between.
    """
    scale = np.array([spacing[1], spacing[0]])
    hull = cv2.convexHull(outline.astype(np.float32))[:, 0].astype(np.float64) * scale
    gap = hull[:, None] - hull[None]
    i, j = np.unravel_index(int((gap**2).sum(axis=2).argmax()), gap.shape[:2])
    start, end = hull[i], hull[j]
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    normal = np.array([-along[1], along[0]])
    across = (hull - start) @ normal
    low, high = int(across.argmin()), int(across.argmax())
    middle = start + along * float(((hull[[low, high]] - start) @ along).mean())
    short = np.stack([middle + normal * across[low], middle + normal * across[high]])
    return np.stack([start, end]) / scale, short / scale


def measured_axes(
    outlines: Mapping[int, tuple[Points, ...]], spacing: tuple[float, float], long_mm: float, short_mm: float
) -> tuple[int, Points, Points] | None:
    """(slice, long axis, short axis) of the outline that these axes were measured on; None where it is none of them."""
    for index, pieces in outlines.items():
        for piece in pieces:
            long, short = axes(piece, spacing)
            scale = np.array([spacing[1], spacing[0]])
            lengths = [float(np.linalg.norm((a[1] - a[0]) * scale)) for a in (long, short)]
            if abs(lengths[0] - long_mm) < _SAME_MM and abs(lengths[1] - short_mm) < _SAME_MM:
                return index, long, short
    return None


def arrow_head(tail: Points, tip: Points, length: float) -> Points:
    """(3, 2): the two wings of an arrow with its tip between them."""
    direction = (tip - tail) / max(float(np.linalg.norm(tip - tail)), 1e-9)
    across = np.array([-direction[1], direction[0]])
    return np.stack([tip - length * (direction - 0.5 * across), tip, tip - length * (direction + 0.5 * across)])
