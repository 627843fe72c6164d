"""What marks of several kinds are drawn with."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QPen


def paint_corners(painter: QPainter, rect: QRectF, pens: Sequence[QPen]) -> None:
    """The corners of a rectangle alone, once with each pen."""
    arm = min(10.0, rect.width() / 3)
    for pen in pens:
        painter.setPen(pen)
        for x, dx in ((rect.left(), arm), (rect.right(), -arm)):
            for y, dy in ((rect.top(), arm), (rect.bottom(), -arm)):
                painter.drawPolyline([QPointF(x + dx, y), QPointF(x, y), QPointF(x, y + dy)])
