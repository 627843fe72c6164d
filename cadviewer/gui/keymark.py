"""The sign on an image that the reader marked as a key image."""

from __future__ import annotations

from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from cadviewer.gui.case import Case
from cadviewer.gui.image.lettering import MARGIN, draw_text, overlay_font
from cadviewer.gui.image.viewport import Kind, Viewport
from cadviewer.gui.lang import tr
from cadviewer.imaging.planes import Plane

COLOUR = QColor(255, 233, 130)


class KeyMark:
    """The layer of the sign, below the letter at the top."""

    kind = Kind.TEXT

    def __init__(self) -> None:
        self.case: Case | None = None

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        stack = viewport.stack
        if self.case is None or stack is None or stack is not self.case.stack or stack.plane is not Plane.ACQUIRED:
            return
        if viewport.index not in self.case.key_images:
            return
        painter.setFont(overlay_font(viewport))
        metrics = QFontMetricsF(painter.font())
        text = "★ " + tr("key image")
        x = (viewport.width() - metrics.horizontalAdvance(text)) / 2
        draw_text(painter, QPointF(x, MARGIN + 2.6 * metrics.height()), text, COLOUR)
