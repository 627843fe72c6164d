"""The sign on an image that the reader marked as a key image."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from cadviewer.gui.canvas.overlay_text import MARGIN, draw_text, overlay_font
from cadviewer.gui.canvas.text_places import text_rect
from cadviewer.gui.canvas.viewport import Kind, Viewport
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging.planes import Plane

COLOUR = QColor(255, 233, 130)


class KeyImageLayer:
    """The layer of the sign, below the letter at the top."""

    kind = Kind.TEXT

    def __init__(self) -> None:
        self.case: Case | None = None

    def reserved(self, viewport: Viewport) -> list[QRectF]:
        metrics = QFontMetricsF(overlay_font(viewport))
        return [text_rect(metrics, at, [text]) for at, text in self._sign(viewport, metrics)]

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        painter.setFont(overlay_font(viewport))
        for at, text in self._sign(viewport, QFontMetricsF(painter.font())):
            draw_text(painter, at, text, COLOUR)

    def _sign(self, viewport: Viewport, metrics: QFontMetricsF) -> list[tuple[QPointF, str]]:
        stack = viewport.stack
        if self.case is None or stack is None or stack is not self.case.stack or stack.plane is not Plane.ACQUIRED:
            return []
        if viewport.index not in self.case.key_images:
            return []
        text = "★ " + tr("key image")
        x = (viewport.width() - metrics.horizontalAdvance(text)) / 2
        return [(QPointF(x, MARGIN + 2.6 * metrics.height()), text)]
