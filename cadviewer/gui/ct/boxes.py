"""The boxes of findings on a slice. Colour, line and sign each say what the reader decided; none of them alone."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from cadviewer.findings import Box, Nodule
from cadviewer.gui import style, words
from cadviewer.gui.case import Case
from cadviewer.gui.image.lettering import HALO, draw_text, overlay_font
from cadviewer.gui.image.viewport import Kind, Marks, Viewport
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
        if self.case is None or viewport.stack is not self.case.stack:
            return
        for nodule, box in reversed(self.case.boxes_on(viewport.index)):  # the highest score on top
            self._paint_one(painter, viewport, nodule, box)

    def at(self, viewport: Viewport, point: QPointF) -> int | None:
        """Number of the finding whose box is under a screen point; the smallest of several."""
        if self.case is None or viewport.view is None or viewport.marks is not Marks.ALL:
            return None
        x, y = viewport.to_image(point)
        hits = [
            ((b.x1 - b.x0) * (b.y1 - b.y0), n.number)
            for n, b in self.case.boxes_on(viewport.index)
            if b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1
        ]
        return min(hits)[1] if hits else None

    def _paint_one(self, painter: QPainter, viewport: Viewport, nodule: Nodule, box: Box) -> None:
        assert self.case is not None
        answer = self.case.answer(nodule)
        selected = nodule.number == self.case.selected
        colour, line = LOOKS[answer]
        rect = QRectF(viewport.to_screen(box.x0, box.y0), viewport.to_screen(box.x1, box.y1))
        rect.adjust(-2, -2, 2, 2)  # beside the finding, not on it
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(HALO, 4.2 if selected else 3.2))
        painter.drawRect(rect)
        painter.setPen(QPen(colour, 2.4 if selected else 1.5, line))
        painter.drawRect(rect)
        if selected:
            self._corners(painter, rect)
        painter.setFont(overlay_font(viewport, 1.0, bold=selected))
        text = f"{words.SIGNS[answer]} {nodule.number} · {box.score:.2f}".strip()
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
