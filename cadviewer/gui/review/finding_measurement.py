"""Boxes, outline and measures of what the reader points at: computed on a thread, from a copy of the pixels around it.

No network is asked: `models.nodules.seeded_region` finds what is dense there, `models.nodules.measurement` measures
it. So something is there at once; `gui.nodules.outline_requests` then asks the network that outlines the model's
findings.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from cadviewer.background import Background
from cadviewer.findings import Box, overlap
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging.geometry import Geometry
from cadviewer.store.session import Drawn, DrawnBox

log = logging.getLogger(__name__)

AROUND_MM = 36.0
"""How far around the place pixels are copied."""


@dataclass(frozen=True)
class VolumePatch:
    """A copy of the pixels around a place. corner: (slice, row, column) of its first voxel in the series."""

    pixels: NDArray[np.generic]
    corner: tuple[int, int, int]
    geometry: Geometry

    @property
    def pixel_mm(self) -> tuple[float, float]:
        assert self.geometry.pixel_spacing is not None
        return self.geometry.pixel_spacing


def patch(stack: Stack, index: int, x: float, y: float) -> VolumePatch | None:
    """The pixels around a point of an acquired slice; None where their size is unknown or they are no HU."""
    geometry = stack.series.geometry
    if geometry.pixel_spacing is None or not stack.series.hounsfield or stack.colour:
        return None
    depth = int(AROUND_MM / geometry.slice_spacing) if geometry.slice_spacing else 0
    rows, columns = (int(AROUND_MM / mm) for mm in geometry.pixel_spacing)
    s0, y0, x0 = max(index - depth, 0), max(int(y) - rows, 0), max(int(x) - columns, 0)
    block = stack.pixels[s0 : index + depth + 1, y0 : int(y) + rows + 1, x0 : int(x) + columns + 1]
    return VolumePatch(block.copy(), (s0, y0, x0), geometry)


class FindingMeasurement(QObject):
    """Signals, on the window's thread: done(Case, number, Drawn): the finding with what was measured, `number` 0 for a
    new one. nothing(Case, text): nothing was found where the reader pointed.
    """

    done = Signal(object, int, object)
    nothing = Signal(object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = Background("outlining")

    def close(self) -> None:
        self._thread.close(drop=True)

    def point(self, case: Case, index: int, x: float, y: float) -> None:
        """Outline what lies under a point of an acquired slice."""
        around = patch(case.stack, index, x, y) if case.stack is not None else None
        if around is None:
            self.nothing.emit(
                case, tr("Values or pixel size of this image are not known: drag a box around the finding")
            )
            return
        self._thread.do(self._point, case, around, index, x, y)

    def box(self, case: Case, box: Box, number: int) -> None:
        """Measure what lies in a box that was drawn; the box stays as it is."""
        around = patch(case.stack, box.slice, *box.centre) if case.stack is not None else None
        if around is None:
            self.done.emit(case, number, Drawn(box.slice, box.x0, box.y0, box.x1, box.y1))
        else:
            self._thread.do(self._box, case, around, box, number)

    def _point(self, case: Case, around: VolumePatch, index: int, x: float, y: float) -> None:
        try:
            drawn = outlined(around, index, x, y)
        except Exception as error:  # noqa: BLE001 - whatever it is, the window must say that nothing came of it
            log.warning("outlining failed: %s", type(error).__name__)
            drawn = None
        if drawn is None:
            self.nothing.emit(case, tr("Nothing denser than lung is here: drag a box around the finding"))
        else:
            self.done.emit(case, 0, drawn)

    def _box(self, case: Case, around: VolumePatch, box: Box, number: int) -> None:
        try:
            drawn = boxed(around, box)
        except Exception as error:  # noqa: BLE001 - the box itself must not be lost
            log.warning("measuring failed: %s", type(error).__name__)
            drawn = Drawn(box.slice, box.x0, box.y0, box.x1, box.y1)
        self.done.emit(case, number, drawn)


def outlined(around: VolumePatch, index: int, x: float, y: float) -> Drawn | None:
    """The finding under a point, None where nothing is dense."""
    from cadviewer.models.nodules import seeded_region  # SciPy: not needed for the first frame

    s0, y0, x0 = around.corner
    boxes = seeded_region.grow(
        around.pixels, (index - s0, x - x0, y - y0), around.pixel_mm, around.geometry.slice_spacing
    )
    if not boxes:
        return None
    return _drawn(around, boxes, max(boxes, key=lambda b: b.score))


def boxed(around: VolumePatch, box: Box) -> Drawn:
    """The finding in a box of the reader's; on other slices its boxes are those that fit to it."""
    from cadviewer.models.nodules import seeded_region  # SciPy: not needed for the first frame

    s0, y0, x0 = around.corner
    here = Box(box.slice - s0, box.x0 - x0, box.y0 - y0, box.x1 - x0, box.y1 - y0, 1.0)
    grown = seeded_region.grow(
        around.pixels, (here.slice, *here.centre), around.pixel_mm, around.geometry.slice_spacing
    )
    others = [b for b in grown or () if b.slice != here.slice]
    alike = next((b for b in grown or () if b.slice == here.slice), None)
    if alike is None or overlap(alike, here) < 0.3:
        others = []
    boxes = tuple(sorted([here, *(replace(b, score=0.99 * b.score) for b in others)], key=lambda b: b.slice))
    return _drawn(around, boxes, here)


def _drawn(around: VolumePatch, boxes: Sequence[Box], best: Box) -> Drawn:
    """Boxes of a patch with what is measured in them, in the series' own coordinates."""
    from cadviewer.models.nodules import measurement  # SciPy: not needed for the first frame

    s0, y0, x0 = around.corner
    geometry = around.geometry
    found = measurement.measure(around.pixels, tuple(boxes), around.pixel_mm, geometry.slice_spacing)
    centre = None
    if geometry.placed:
        s, x, y = measurement.centre(tuple(boxes))
        px, py, pz = geometry.to_patient((s + s0, y + y0 - 0.5, x + x0 - 0.5)).round(3).tolist()
        centre = (px, py, pz)
    line = found.outline if found is not None else None
    return Drawn(
        best.slice + s0,
        best.x0 + x0,
        best.y0 + y0,
        best.x1 + x0,
        best.y1 + y0,
        others=tuple(
            DrawnBox(b.slice + s0, b.x0 + x0, b.y0 + y0, b.x1 + x0, b.y1 + y0) for b in boxes if b.slice != best.slice
        ),
        long_mm=round(found.long_mm, 3) if found is not None and found.long_mm > 0 else None,
        short_mm=round(found.short_mm, 3) if found is not None and found.short_mm > 0 else None,
        volume_mm3=round(found.volume_mm3, 2) if found is not None and found.volume_mm3 else None,
        centre_mm=centre,
        outline=tuple((round(float(px) + x0, 2), round(float(py) + y0, 2)) for px, py in line)
        if line is not None
        else (),
    )
