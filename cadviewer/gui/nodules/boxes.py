"""The boxes and outlines of findings on a slice, and the boxes around them on other planes.

Colour, line and sign each say what the reader decided; none of them alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from cadviewer.findings import Box, Nodule
from cadviewer.gui.canvas.marks import paint_corners
from cadviewer.gui.canvas.overlay_text import HALO, draw_text, overlay_font
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.text_places import text_rect
from cadviewer.gui.canvas.viewport import FindingMarks, Kind, OverlayMode, Viewport
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style
from cadviewer.imaging.planes import Plane, Planes
from cadviewer.store.reading import Origin
from cadviewer.store.session import Answer

LOOKS: dict[Answer | None, tuple[QColor, Qt.PenStyle]] = {
    None: (style.OPEN, Qt.PenStyle.SolidLine),
    Answer.ACCEPTED: (style.ACCEPTED, Qt.PenStyle.SolidLine),
    Answer.REJECTED: (style.REJECTED, Qt.PenStyle.DashLine),
    Answer.UNSURE: (style.UNSURE, Qt.PenStyle.DashDotLine),
}


class Boxes:
    """The layer of a case's boxes."""

    kind = Kind.MARK

    def __init__(self) -> None:
        self.case: Case | None = None

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if viewport.findings is FindingMarks.NONE:
            return
        outlined = self._outlined(viewport)
        if viewport.findings is not FindingMarks.CORNERS:
            for nodule, outline in outlined.values():
                self._paint_outline(painter, viewport, nodule, outline)
        seen = self._seen(viewport)
        for nodule, box in reversed(seen):  # the highest score on top
            self._paint_one(painter, viewport, nodule, box, outlined=nodule.number in outlined)
        first = sorted(seen, key=lambda found: self.case is None or found[0].number != self.case.selected)
        for nodule, box in first:
            self._paint_label(painter, viewport, nodule, box)

    def _outlined(self, viewport: Viewport) -> dict[int, tuple[Nodule, NDArray[np.floating]]]:
        """What was measured, on the slices as they were acquired, also beyond the last box of a finding; by number."""
        stack = viewport.stack
        if self.case is None or stack is None or self.case.stack is None or stack.plane is not Plane.ACQUIRED:
            return {}
        if stack.pixels is not self.case.stack.pixels:
            return {}
        found = ((nodule, nodule.outlines.get(viewport.index)) for nodule in self.case.findings())
        return {nodule.number: (nodule, outline) for nodule, outline in found if outline is not None}

    def _paint_outline(
        self, painter: QPainter, viewport: Viewport, nodule: Nodule, outline: NDArray[np.floating]
    ) -> None:
        assert self.case is not None
        painter.setBrush(Qt.BrushStyle.NoBrush)
        colour, line = LOOKS[self.case.answer(nodule)]
        polygon = QPolygonF([viewport.to_screen(x, y) for x, y in outline.tolist()])
        for pen in (QPen(HALO, 2.6), QPen(colour, 1.2, line)):
            painter.setPen(pen)
            painter.drawPolygon(polygon)

    def _seen(self, viewport: Viewport) -> list[tuple[Nodule, Box]]:
        """The findings that the plane on screen meets, each with its box there."""
        stack = viewport.stack
        if self.case is None or stack is None or self.case.stack is None or stack.pixels is not self.case.stack.pixels:
            return []
        if stack.plane is Plane.ACQUIRED:
            return self.case.boxes_on(viewport.index)
        return [
            (nodule, box)
            for nodule in self.case.findings()
            if (box := _around(nodule, stack.planes, viewport.index)) is not None
        ]

    def at(self, viewport: Viewport, point: QPointF) -> int | None:
        """Number of the finding whose box is under a screen point; the smallest of several."""
        if viewport.view is None or viewport.marks is not OverlayMode.ALL or viewport.findings is FindingMarks.NONE:
            return None
        x, y = viewport.to_image(point)
        hits = [
            ((b.x1 - b.x0) * (b.y1 - b.y0), n.number)
            for n, b in self._seen(viewport)
            if b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1
        ]
        return min(hits)[1] if hits else None

    def _paint_one(self, painter: QPainter, viewport: Viewport, nodule: Nodule, box: Box, *, outlined: bool) -> None:
        """The box, its corners, or nothing beside an outline, as the reader wants it."""
        assert self.case is not None
        selected = nodule.number == self.case.selected
        colour, line = LOOKS[self.case.answer(nodule)]
        rect = _on_screen(viewport, box)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        pens = QPen(HALO, 4.2 if selected else 3.2), QPen(colour, 2.4 if selected else 1.5, line)
        if viewport.findings is FindingMarks.CORNERS:
            paint_corners(painter, rect, pens)
        elif viewport.findings is FindingMarks.BOTH or not outlined:  # there is nothing else to show it by
            for pen in pens:
                painter.setPen(pen)
                painter.drawRect(rect)
        if selected:
            white = QPen(HALO, 4), QPen(QColor(255, 255, 255), 1.8)
            paint_corners(painter, rect.adjusted(-5, -5, 5, 5), white)

    def _paint_label(self, painter: QPainter, viewport: Viewport, nodule: Nodule, box: Box) -> None:
        """Above the box, else below or beside it; left out where other text is all around, unless it is selected."""
        assert self.case is not None
        area, rect = QRectF(viewport.rect()), _on_screen(viewport, box)
        if not rect.intersects(area):
            return  # out of sight: its label must not be held at the edge, far from it
        selected = nodule.number == self.case.selected
        painter.setFont(overlay_font(viewport, 1.0, bold=selected))
        metrics = QFontMetricsF(painter.font())
        text = label(self.case, nodule)
        size = text_rect(metrics, QPointF(0, 0), [text])
        wanted = [
            QRectF(x, y, size.width(), size.height())
            for x, y in (
                (rect.left(), rect.top() - 6 - size.height()),
                (rect.left(), rect.bottom() + 5),
                (rect.right() + 7, rect.center().y() - size.height() / 2),
                (rect.left() - 7 - size.width(), rect.center().y() - size.height() / 2),
            )
        ]
        if wanted[0].top() < 4:
            wanted.append(wanted.pop(0))
        place = viewport.texts.take(wanted, area.adjusted(4, 2, -4, -2), needed=selected)
        if place is not None:
            at = QPointF(place.left(), place.top() + metrics.ascent())
            draw_text(painter, at, text, LOOKS[self.case.answer(nodule)][0])


def _on_screen(viewport: Viewport, box: Box) -> QRectF:
    """A box on screen, a little larger: it is drawn beside the finding, not on it."""
    rect = QRectF(viewport.to_screen(box.x0, box.y0), viewport.to_screen(box.x1, box.y1)).normalized()
    return rect.adjusted(-2, -2, 2, 2)


def label(case: Case, nodule: Nodule) -> str:
    """What stands at the boxes of a finding: sign of the answer, name, and its score as in the list on every slice."""
    also = case.also(nodule.number)
    score = f"{(also or nodule).score:.2f}"
    if also is None and case.origin(nodule.number) is Origin.READER:
        score = tr("added")
    return f"{wording.SIGNS[case.answer(nodule)]} {case.name(nodule.number)} · {score}".strip()


def planes_of(nodule: Nodule, stack: Stack) -> tuple[int, int, int] | None:
    """(first, last, best) plane of a stack that a finding reaches; None where that cannot be told."""
    if stack.plane is Plane.ACQUIRED:
        return nodule.slice_first, nodule.slice_last, nodule.box.slice
    (first, _, _), (last, _, _) = _extent(nodule.boxes, stack.planes)
    x, y = nodule.box.centre
    middle = stack.geometry.to_index(stack.series.geometry.to_patient((nodule.box.slice, y - 0.5, x - 0.5)))
    return round(first), round(last), round(float(middle[0]))


def _around(nodule: Nodule, planes: Planes, index: int) -> Box | None:
    """The box around a finding on another plane, None where the plane passes it by."""
    (first, top, left), (last, bottom, right) = _extent(nodule.boxes, planes)
    if not first - 0.5 <= index <= last + 0.5:
        return None
    return Box(index, left + 0.5, top + 0.5, right + 0.5, bottom + 0.5, nodule.score)


@lru_cache(maxsize=512)
def _extent(boxes: tuple[Box, ...], planes: Planes) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Lowest and highest (plane, row, column) index of everything within the boxes of a finding."""
    corners = np.array(
        [
            (box.slice + dz, y - 0.5, x - 0.5)
            for box in boxes
            for dz in (-0.5, 0.5)
            for y in (box.y0, box.y1)
            for x in (box.x0, box.x1)
        ]
    )
    at = planes.geometry.to_index(planes.source.to_patient(corners))
    low, high = at.min(axis=0).tolist(), at.max(axis=0).tolist()
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])
