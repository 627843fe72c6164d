"""From breast ultrasound images to findings: what goes into Hybrid-MT-ESTAN and what its outputs mean. No torch."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]


def pad_to_square(gray: Gray) -> tuple[Gray, tuple[int, int]]:
    """The image in the middle of a black square as wide as its longer side, and (top, left) where it lies there."""
    rows, columns = gray.shape
    side = max(rows, columns)
    top, left = (side - rows) // 2, (side - columns) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + rows, left : left + columns] = gray
    return square, (top, left)


def resize(gray: Gray, size: int) -> Gray:
    """A square image at (size, size), averaged when smaller."""
    way = cv2.INTER_AREA if gray.shape[0] > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, (size, size), interpolation=way), np.uint8)


def normalise(gray: Gray) -> NDArray[np.float32]:
    """Gray values less the mean of what is not black, over its deviation: another gain then gives the same input."""
    values = gray.astype(np.float32)
    seen = values[gray > 0]
    if seen.size < 16:
        return np.zeros_like(values)
    return np.asarray((values - seen.mean()) / max(float(seen.std()), 8.0), np.float32)
