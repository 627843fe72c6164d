"""What is measured on the mask of a breast lesion: axes, area, how tall it is, how many pieces. No torch.

The mask says no more than what the network outlined: a measure of it is not a substitute for a reader's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class LesionMeasures:
    """Measures of a mask that is not empty; axes and depth to width are those of its largest piece.

    lesions: pieces. long_px, short_px: axes in pixels. long_mm, short_mm, area_mm2: None without a spacing.
    depth_to_width: its extent along the beam (down the rows) over that across it (ACR BI-RADS, orientation: above 1
    it is taller than wide).
    """

    lesions: int
    long_px: float
    short_px: float
    long_mm: float | None
    short_mm: float | None
    area_mm2: float | None
    depth_to_width: float


def measure(mask: Mask, spacing: tuple[float, float] | None, *, aspect: float = 1.0) -> LesionMeasures | None:
    """Measures of a (rows, columns) mask; None for an empty one.

    spacing: mm between (rows, columns). aspect: height of a pixel over its width, for the shape where no mm are known.
    """
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    piece = (pieces == largest).astype(np.uint8)
    deep, wide = float(stats[largest, cv2.CC_STAT_HEIGHT]), float(stats[largest, cv2.CC_STAT_WIDTH])
    row_mm, column_mm = spacing or (aspect, 1.0)
    long_px, short_px = axes(piece, (1.0, 1.0))
    long_mm, short_mm = axes(piece, spacing) if spacing is not None else (None, None)
    area = float(np.count_nonzero(mask)) * row_mm * column_mm if spacing is not None else None
    return LesionMeasures(count - 1, long_px, short_px, long_mm, short_mm, area, deep * row_mm / (wide * column_mm))


def axes(mask: Mask, spacing: tuple[float, float]) -> tuple[float, float]:
    """(long, short) axis of the largest piece of a mask that has one; spacing: how far the next (row, column) is.

    Long: largest distance between two points of the outline, pixel edges included. Short: the width across it.
    """
    contours, _ = cv2.findContours((mask > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea).reshape(-1, 2)
    corners = (outline[:, None] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).reshape(-1, 2)
    hull = cv2.convexHull(corners.astype(np.int32)).reshape(-1, 2) * np.array([spacing[1], spacing[0]])
    steps = hull[:, None] - hull[None]
    lengths = np.hypot(steps[..., 0], steps[..., 1])
    i, j = np.unravel_index(int(lengths.argmax()), lengths.shape)
    long = float(lengths[i, j])
    along = (hull[j] - hull[i]) / long
    across = hull @ np.array([-along[1], along[0]])
    return long, float(across.max() - across.min())
