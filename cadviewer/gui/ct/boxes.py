"""The boxes and outlines of findings on a slice, and the boxes around them on other planes.

Colour, line and sign each say what the reader decided; none of them alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from cadviewer.findings import Box, Nodule
from cadviewer.gui import style, words
from cadviewer.gui.case import Case
from cadviewer.gui.image.lettering import HALO, draw_text, overlay_font
from cadviewer.gui.image.stack import Stack
from cadviewer.gui.image.viewport import Kind, Marks, Viewport
from cadviewer.gui.lang import tr
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
        self._paint_outlines(painter, viewport)
        for nodule, box in reversed(self._seen(viewport)):  # the highest score on top
            self._paint_one(painter, viewport, nodule, box)

    def _paint_outlines(self, painter: QPainter, viewport: Viewport) -> None:
        """What was measured, on the slices as they were acquired; also beyond the last box of a finding."""
        stack = viewport.stack
        if self.case is None or stack is None or self.case.stack is None or stack.plane is not Plane.ACQUIRED:
            return
        if stack.pixels is not self.case.stack.pixels:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for nodule in self.case.findings():
            outline = nodule.outlines.get(viewport.index)
            if outline is None:
                continue
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
        if viewport.view is None or viewport.marks is not Marks.ALL:
            return None
        x, y = viewport.to_image(point)
        hits = [
            ((b.x1 - b.x0) * (b.y1 - b.y0), n.number)
            for n, b in self._seen(viewport)
            if b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1
        ]
        return min(hits)[1] if hits else None

    def _paint_one(self, painter: QPainter, viewport: Viewport, nodule: Nodule, box: Box) -> None:
        assert self.case is not None
        answer = self.case.answer(nodule)
        selected = nodule.number == self.case.selected
        colour, line = LOOKS[answer]
        rect = QRectF(viewport.to_screen(box.x0, box.y0), viewport.to_screen(box.x1, box.y1)).normalized()
        rect.adjust(-2, -2, 2, 2)  # beside the finding, not on it
        if not rect.intersects(QRectF(viewport.rect())):
            return  # out of sight: its label must not be held at the edge, far from it
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(HALO, 4.2 if selected else 3.2))
        painter.drawRect(rect)
        painter.setPen(QPen(colour, 2.4 if selected else 1.5, line))
        painter.drawRect(rect)
        if selected:
            self._corners(painter, rect)
        painter.setFont(overlay_font(viewport, 1.0, bold=selected))
        text = label(self.case, nodule)
        metrics = QFontMetricsF(painter.font())
        x = min(max(rect.left(), 4.0), viewport.width() - metrics.horizontalAdvance(text) - 4)
        above = rect.top() - 6
        y = above if above > metrics.height() else rect.bottom() + metrics.ascent() + 4
        draw_text(painter, QPointF(x, y), text, colour)

    @staticmethod
    def _corners(painter: QPainter, rect: QRectF) -> None:
        """White corners around the selected box."""
        r = rect.adjusted(-5, -5, 5, 5)
        arm = min(10.0, r.width() / 3)
        for pen in (QPen(HALO, 4), QPen(QColor(255, 255, 255), 1.8)):
            painter.setPen(pen)
            for x, dx in ((r.left(), arm), (r.right(), -arm)):
                for y, dy in ((r.top(), arm), (r.bottom(), -arm)):
                    painter.drawPolyline([QPointF(x + dx, y), QPointF(x, y), QPointF(x, y + dy)])


def label(case: Case, nodule: Nodule) -> str:
    """What stands at the boxes of a finding: sign of the answer, name, and its score as in the list on every slice."""
    also = case.also(nodule.number)
    score = f"{(also or nodule).score:.2f}"
    if also is None and case.origin(nodule.number) is Origin.READER:
        score = tr("added")
    return f"{words.SIGNS[case.answer(nodule)]} {case.name(nodule.number)} · {score}".strip()


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
