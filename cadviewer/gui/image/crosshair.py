"""The crosshair: the same point of the patient in every view."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF
from PySide6.QtGui import QColor, QPainter, QPen

from cadviewer.gui.image.viewport import Kind, Viewport

COLOUR = QColor(120, 200, 255)
_RIM = QColor(0, 0, 0, 130)
GAP = 14
"""Screen units around the point that stay free: it is what one looks at."""


class Crosshair:
    """The layer of the crosshair. on: whether it is drawn (H)."""

    kind = Kind.MARK

    def __init__(self) -> None:
        self.on = True

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if not self.on or viewport.cross is None:
            return
        at = viewport.to_screen(*viewport.cross)
        width, height = viewport.area()
        lines = [
            QLineF(QPointF(0, at.y()), QPointF(at.x() - GAP, at.y())),
            QLineF(QPointF(at.x() + GAP, at.y()), QPointF(width, at.y())),
            QLineF(QPointF(at.x(), 0), QPointF(at.x(), at.y() - GAP)),
            QLineF(QPointF(at.x(), at.y() + GAP), QPointF(at.x(), height)),
        ]
        for pen in (QPen(_RIM, 2.6), QPen(COLOUR, 1)):
            painter.setPen(pen)
            painter.drawLines(lines)
