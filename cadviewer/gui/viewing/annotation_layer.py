"""Annotations of other files over an image: in a colour and a line of their own, labelled with who made them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen, QPolygonF

from cadviewer.gui.canvas.overlay_text import HALO, draw_text, overlay_font
from cadviewer.gui.canvas.text_places import text_rect
from cadviewer.gui.canvas.viewport import Kind, Viewport
from cadviewer.gui.cases.annotation_files import AnnotationFile, Laid
from cadviewer.gui.cases.case import Case
from cadviewer.gui.widgets import style
from cadviewer.imaging.annotations import Line, Placed
from cadviewer.imaging.planes import Plane

_LONGEST = 34
_CROSS = 5.0


class AnnotationLayer:
    """The layer of the files that lie over the open case. They cannot be taken hold of."""

    kind = Kind.MEASURE

    def __init__(self) -> None:
        self.case: Case | None = None
        self.files: Sequence[AnnotationFile] = ()
        self.selected: Laid | None = None

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        stack = viewport.stack
        if self.case is None or stack is None or self.case.stack is None or stack.plane is not Plane.ACQUIRED:
            return
        if stack.pixels is not self.case.stack.pixels:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        labelled = []
        for file in self.files:
            for laid in () if file.hidden else file.laid.get(self.case.case_id, ()):
                here = [p for p in laid.placed if p.index == viewport.index]
                if here:
                    bounds = self._paint_all(painter, viewport, here, bold=laid is self.selected)
                    labelled.append((bounds, label(file, laid), laid is self.selected))
        for bounds, text, selected in labelled:
            _paint_label(painter, viewport, bounds, text, selected)

    def _paint_all(self, painter: QPainter, viewport: Viewport, here: Sequence[Placed], *, bold: bool) -> QRectF:
        """All of one annotation on this image; where it lies on the screen."""
        bounds = QRectF()
        wide = 2.4 if bold else 1.4
        for placed in here:
            points = [viewport.to_screen(x, y) for x, y in placed.points.tolist()]
            polygon = QPolygonF(points)
            bounds = bounds.united(polygon.boundingRect().adjusted(-1, -1, 1, 1))
            for pen in (QPen(HALO, wide + 1.6), QPen(style.ANNOTATION, wide, Qt.PenStyle.DashLine)):
                painter.setPen(pen)
                if placed.line is Line.CLOSED:
                    painter.drawPolygon(polygon)
                elif placed.line is Line.OPEN:
                    painter.drawPolyline(polygon)
                elif placed.line is Line.POINT:
                    for at in points:
                        painter.drawLine(QPointF(at.x() - _CROSS, at.y()), QPointF(at.x() + _CROSS, at.y()))
                        painter.drawLine(QPointF(at.x(), at.y() - _CROSS), QPointF(at.x(), at.y() + _CROSS))
        return bounds


def label(file: AnnotationFile, laid: Laid) -> str:
    """The name of an annotation and who made it."""
    texts = dict.fromkeys(p.text for p in laid.placed if p.text)
    name = _short(next(iter(texts), "") or laid.annotation.name)
    return f"{name} · {_short(file.content.made_by)}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _paint_label(painter: QPainter, viewport: Viewport, bounds: QRectF, text: str, selected: bool) -> None:
    """Above the annotation, else below or beside it; left out where other text is all around, unless selected."""
    area = QRectF(viewport.rect())
    if not bounds.intersects(area):
        return
    painter.setFont(overlay_font(viewport, 1.0, bold=selected))
    metrics = QFontMetricsF(painter.font())
    size = text_rect(metrics, QPointF(0, 0), [text])
    wanted = [
        QRectF(x, y, size.width(), size.height())
        for x, y in (
            (bounds.left(), bounds.top() - 6 - size.height()),
            (bounds.left(), bounds.bottom() + 5),
            (bounds.right() + 7, bounds.center().y() - size.height() / 2),
        )
    ]
    place = viewport.texts.take(wanted, area.adjusted(4, 2, -4, -2), needed=selected)
    if place is not None:
        draw_text(painter, QPointF(place.left(), place.top() + metrics.ascent()), text, style.ANNOTATION)
