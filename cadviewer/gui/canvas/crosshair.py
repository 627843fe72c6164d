"""The crosshair: the same point of the patient in every view."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPainter

from cadviewer.gui.canvas.viewport import Kind, Viewport

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
        x, y = round(at.x()), round(at.y())
        width, height = (round(side) for side in viewport.area())
        # Filled rectangles: antialiased lines take as long as the image
        for colour, rim in ((_RIM, 1), (COLOUR, 0)):
            thick = 1 + 2 * rim
            painter.fillRect(0, y - rim, x - GAP, thick, colour)
            painter.fillRect(x + GAP, y - rim, width - x - GAP, thick, colour)
            painter.fillRect(x - rim, 0, thick, y - GAP, colour)
            painter.fillRect(x - rim, y + GAP, thick, height - y - GAP, colour)
