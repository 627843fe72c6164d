"""From values to what is painted. The pixels keep their type until here; only what is shown is converted.

Everything is done on the calling thread. Qt scales images on a pool of threads, and so does OpenCV if it may: where a
model has the other cores the window would wait for the last of them.
"""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from cadviewer.imaging.series import Window
from cadviewer.imaging.windowing import to_gray

Step = tuple[float, float, float, float]


def levelled(frame: NDArray[np.generic], window: Window, inverted: bool = False) -> NDArray[np.uint8]:
    """8-bit (row, column) gray of values through a window, or (row, column, 3) colours as they are. C-ordered.

    A colour image in 8 bits is windowed too when the window is not the full range: ultrasound is levelled as well.
    """
    if frame.ndim == 2:
        return np.ascontiguousarray(to_gray(frame, window, inverted))
    full = window.low <= 0.5 and window.high >= 254.5 and window.width <= 257
    rgb = frame if full and frame.dtype == np.uint8 else to_gray(frame, window, False)
    return np.ascontiguousarray(255 - rgb if inverted else rgb)


def to_image(frame: NDArray[np.generic], window: Window, inverted: bool = False) -> QImage:
    """An image of `levelled` values, a pixel for each."""
    return as_image(levelled(frame, window, inverted))


def as_image(pixels: NDArray[np.uint8]) -> QImage:
    """A QImage over a C-ordered array of gray or colours, which it keeps alive."""
    rows, columns = pixels.shape[:2]
    layout = QImage.Format.Format_Grayscale8 if pixels.ndim == 2 else QImage.Format.Format_RGB888
    image = QImage(pixels.data, columns, rows, pixels.strides[0], layout)
    # Qt does not know the array: PySide keeps the buffer for the life of this wrapper, and nothing else holds it.
    image._pixels = pixels  # type: ignore[attr-defined]
    return image


def part(
    pixels: NDArray[np.uint8], step: Step, corner: tuple[float, float], size: tuple[int, int], smooth: bool
) -> NDArray[np.uint8]:
    """What a part of the screen shows of an image: (height, width[, 3]), linear between pixels or the nearest one.

    step: (a, b, c, d), image (x, y) of a screen pixel (x, y) right and down of the corner is (a·x + b·y, c·x + d·y)
    from the image point `corner`, in edge coordinates. size: (width, height) of the part in screen pixels. Beyond the
    borders of the image its last pixels go on. Shrunk to less than half, an image is first averaged, or fine lines
    would come and go.
    """
    a, b, c, d = step
    width, height = size
    xs = [corner[0] + a * x + b * y for x in (0, width) for y in (0, height)]
    ys = [corner[1] + c * x + d * y for x in (0, width) for y in (0, height)]
    left, top = (max(math.floor(min(v)) - 2, 0) for v in (xs, ys))
    pixels = pixels[top : math.ceil(max(ys)) + 2, left : math.ceil(max(xs)) + 2]
    x, y = corner[0] - left, corner[1] - top
    opencv = _opencv()
    shrink = int(min(math.hypot(a, c), math.hypot(b, d))) if smooth else 1
    if shrink > 1 and min(pixels.shape[:2]) > shrink:
        rows, columns = pixels.shape[0] // shrink, pixels.shape[1] // shrink
        by_x, by_y = columns / pixels.shape[1], rows / pixels.shape[0]
        pixels = opencv.resize(pixels, (columns, rows), interpolation=opencv.INTER_AREA)
        a, b, x, c, d, y = a * by_x, b * by_x, x * by_x, c * by_y, d * by_y, y * by_y
    # From the middle of a screen pixel to an index, whole at the middle of a pixel
    inverse = np.array([[a, b, x + (a + b) / 2 - 0.5], [c, d, y + (c + d) / 2 - 0.5]])
    kind = opencv.INTER_LINEAR if smooth else opencv.INTER_NEAREST
    shown: NDArray[np.uint8] = opencv.warpAffine(
        pixels, inverse, size, flags=kind | opencv.WARP_INVERSE_MAP, borderMode=opencv.BORDER_REPLICATE
    )
    return shown


@cache
def _opencv() -> ModuleType:
    """OpenCV, on the calling thread alone. Imported when the first image is there."""
    import cv2

    cv2.setNumThreads(1)
    return cv2
