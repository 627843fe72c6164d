"""The images of one series as the viewport needs them: pixels that may still be arriving, cut in any plane. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.planes import Plane, Planes, Slab, acquired, through
from cadviewer.imaging.series import Series, Window

AIR = -1024.0
"""HU that is shown where a resampled plane leaves the volume, as it is where the scanner has padded."""


@dataclass
class Stack:
    """Pixels of a series, some of them not read yet, seen as its own slices or as other planes through them.

    pixels: (slice, row, column) or (frame, row, column, 3), shared with the reader that fills it.
    loaded: (slices,) bool, True where the pixels of a slice are in place.
    plane: which planes are its images. An *index*, rows and columns below are those of the planes.
    given_mm: mm per pixel as the reader gave it; what the file says goes before.
    """

    series: Series
    pixels: NDArray[np.generic]
    loaded: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    plane: Plane = Plane.ACQUIRED
    given_mm: float | None = None

    head_first: ClassVar[bool] = True
    """Axial slices are gone through from the head to the feet (a setting), whichever way they are numbered."""

    def __post_init__(self) -> None:
        if not len(self.loaded):
            self.loaded = np.ones(len(self.pixels), bool)

    def through(self, plane: Plane) -> Stack:
        """Other planes through the same pixels. The series must have a place in the patient (`planes.why_not`)."""
        return self if plane is self.plane else Stack(self.series, self.pixels, self.loaded, plane)

    @property
    def planes(self) -> Planes:
        """How the planes lie in the pixels."""
        if self.plane is Plane.ACQUIRED:
            return acquired(self.series.geometry)
        return through(self.series.geometry, self.plane)

    @property
    def geometry(self) -> Geometry:
        """Of the planes, (plane, row, column)."""
        return self.series.geometry if self.plane is Plane.ACQUIRED else self.planes.geometry

    @property
    def upward(self) -> bool:
        """Whether its images are gone through from the last to the first: from the head to the feet."""
        return self.geometry.axial and self.geometry.towards_head is Stack.head_first

    def turned(self, index: float) -> float:
        """The place of an image in the order in which they are gone through, from 0, and the image of a place."""
        return len(self) - 1 - index if self.upward else index

    def __len__(self) -> int:
        return len(self.pixels) if self.plane is Plane.ACQUIRED else self.geometry.shape[0]

    @property
    def rows(self) -> int:
        return int(self.pixels.shape[1]) if self.plane is Plane.ACQUIRED else self.geometry.shape[1]

    @property
    def columns(self) -> int:
        return int(self.pixels.shape[2]) if self.plane is Plane.ACQUIRED else self.geometry.shape[2]

    @property
    def colour(self) -> bool:
        """Whether a pixel is three values."""
        return self.pixels.ndim == 4

    @property
    def pixel_mm(self) -> tuple[float, float] | None:
        """mm between (rows, columns), None when unknown."""
        known = self.geometry.pixel_spacing
        if known is None and self.given_mm is not None:
            return (self.given_mm * self.series.pixel_aspect, self.given_mm)
        return known

    @property
    def pixel_shape(self) -> tuple[float, float]:
        """How far the next (row, column) is: in mm, or in widths of a pixel where these are unknown."""
        return self.pixel_mm or (self.series.pixel_aspect, 1.0)

    def windows_of(self, index: int) -> tuple[Window, ...]:
        """The windows that the file names for an image; for other planes, those of the series."""
        return self.series.windows_of(index) if self.plane is Plane.ACQUIRED else self.series.windows

    @property
    def frame_rate(self) -> float | None:
        """Images per second of a loop whose file says so."""
        return self.series.frame_rate if self.plane is Plane.ACQUIRED else None

    @property
    def complete(self) -> bool:
        return bool(self.loaded.all())

    def loaded_runs(self) -> list[tuple[int, int]]:
        """(first, end) of each run of images that can be shown; other planes need all the pixels."""
        if self.plane is not Plane.ACQUIRED:
            return [(0, len(self))] if self.complete else []
        edges = np.flatnonzero(np.diff(self.loaded, prepend=False, append=False))
        return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]

    def takes_slabs(self) -> bool:
        """Whether a slab in mm can be made: the planes are a known distance apart."""
        return self.geometry.slice_spacing is not None and not self.colour and len(self) > 1

    @property
    def resampled(self) -> bool:
        """Whether its images are computed point by point, which takes longer than a frame."""
        return self.plane is not Plane.ACQUIRED and self.planes.resampled

    def frame(self, index: int, slab: Slab | None = None, *, quick: bool = False) -> NDArray[np.generic] | None:
        """(row, column[, 3]) pixels of a plane or of the slab around it, None while they are not there.

        quick: a resampled plane is made of the nearest voxels, within a frame.
        """
        if not 0 <= index < len(self):
            return None
        if self.plane is Plane.ACQUIRED and (slab is None or not self.takes_slabs()):
            return self.pixels[index] if self.loaded[index] else None
        planes = self.planes
        needed = self.loaded if self.plane is not Plane.ACQUIRED else self.loaded[_span(planes.planes_of(index, slab))]
        if not needed.all():
            return None
        outside = AIR if self.series.hounsfield else 0.0
        return planes.image(self.pixels, index, slab, outside, quick=quick)

    def value(
        self, index: int, x: float, y: float, frame: NDArray[np.generic] | None = None
    ) -> tuple[float, ...] | None:
        """The pixel under the edge-coordinate point (x, y): one value or three; None outside or not read yet.

        frame: the image on screen, where there is one already (a slab takes a while to make).
        """
        column, row = math.floor(x), math.floor(y)
        if not (0 <= row < self.rows and 0 <= column < self.columns):
            return None
        frame = self.frame(index) if frame is None else frame
        if frame is None or not (self.plane is Plane.ACQUIRED or self.planes.inside(index, row, column)):
            return None
        return tuple(float(v) for v in np.atleast_1d(frame[row, column]))

    def distance(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, str]:
        """Length between two edge-coordinate points and its unit: "mm", or "px" where the spacing is unknown."""
        row_mm, column_mm = self.pixel_shape
        return math.hypot((x1 - x0) * column_mm, (y1 - y0) * row_mm), "mm" if self.pixel_mm else "px"


def _span(planes: range) -> slice:
    return slice(planes.start, planes.stop)
