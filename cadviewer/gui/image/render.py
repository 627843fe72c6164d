"""A slice as a QImage. The pixels keep their type until here; only what is shown is converted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from cadviewer.imaging.series import Window
from cadviewer.imaging.windowing import to_gray


def to_image(frame: NDArray[np.generic], window: Window, inverted: bool = False) -> QImage:
    """An image of (row, column) values through a window, or of (row, column, 3) colours as they are.

    A colour image in 8 bits is windowed too when the window is not the full range: ultrasound is levelled as well.
    """
    if frame.ndim == 2:
        gray = np.ascontiguousarray(to_gray(frame, window, inverted))
        return _owned(gray, QImage.Format.Format_Grayscale8)
    full = window.low <= 0.5 and window.high >= 254.5 and window.width <= 257
    rgb = frame if full and frame.dtype == np.uint8 else to_gray(frame, window, False)
    return _owned(np.ascontiguousarray(255 - rgb if inverted else rgb), QImage.Format.Format_RGB888)


def _owned(pixels: NDArray[np.uint8], layout: QImage.Format) -> QImage:
    """A QImage over an array that it keeps alive."""
    rows, columns = pixels.shape[:2]
    image = QImage(pixels.data, columns, rows, pixels.strides[0], layout)
    # Qt does not know the array: PySide keeps the buffer for the life of this wrapper, and nothing else holds it.
    image._pixels = pixels  # type: ignore[attr-defined]
    return image
