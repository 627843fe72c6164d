"""The images of one series as the viewport needs them: pixels that may still be arriving. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.series import Series


@dataclass
class Stack:
    """Pixels of a series, some of them not read yet.

    pixels: (slice, row, column) or (frame, row, column, 3), shared with the reader that fills it.
    loaded: (slices,) bool, True where the pixels of a slice are in place.
    """

    series: Series
    pixels: NDArray[np.generic]
    loaded: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        if not len(self.loaded):
            self.loaded = np.ones(len(self.pixels), bool)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def rows(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def columns(self) -> int:
        return int(self.pixels.shape[2])

    @property
    def colour(self) -> bool:
        """Whether a pixel is three values."""
        return self.pixels.ndim == 4

    @property
    def pixel_mm(self) -> tuple[float, float] | None:
        """mm between (rows, columns), None when unknown."""
        return self.series.geometry.pixel_spacing

    @property
    def complete(self) -> bool:
        return bool(self.loaded.all())

    def frame(self, index: int) -> NDArray[np.generic] | None:
        """(row, column[, 3]) pixels of a slice, None while they are not there."""
        return self.pixels[index] if 0 <= index < len(self) and self.loaded[index] else None

    def value(self, index: int, x: float, y: float) -> tuple[float, ...] | None:
        """The pixel under the edge-coordinate point (x, y): one value or three; None outside or not read yet."""
        column, row = math.floor(x), math.floor(y)
        frame = self.frame(index)
        if frame is None or not (0 <= row < self.rows and 0 <= column < self.columns):
            return None
        return tuple(float(v) for v in np.atleast_1d(frame[row, column]))

    def distance(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, str]:
        """Length between two edge-coordinate points and its unit: "mm", or "px" where the spacing is unknown."""
        row_mm, column_mm = self.pixel_mm or (1.0, 1.0)
        return math.hypot((x1 - x0) * column_mm, (y1 - y0) * row_mm), "mm" if self.pixel_mm else "px"
