"""The first sign of a start: an empty window of the size and place that the real one will have.

Everything else (NumPy, the list, the views) is imported while it is on screen, so it must know nothing of that.
"""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QEventLoop, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

from cadviewer.gui.widgets import style

PATIENCE_MS = 250
"""How long a system may take to show it; it is no reason to wait longer."""


class StartWindow(QWidget):
    """The program's name on the colour of the theme; `painted` once it has been seen."""

    def __init__(self, app: QApplication, theme: str, geometry: str) -> None:
        """geometry: of the last window, as `QWidget.saveGeometry` gave it, base64; "" for the first start."""
        super().__init__()
        self.painted = False
        self._colours = style.colours_of(app, theme)
        self.setWindowTitle("cadviewer")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.resize(1366, 768)
        if geometry:
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode()))
        else:
            room = QApplication.primaryScreen().availableGeometry()
            self.resize(self.size().boundedTo(room.size()))
            self.move(room.center() - self.rect().center())

    def show_now(self) -> None:
        """Show it and wait until it is on the screen."""
        self.show()
        for _ in range(PATIENCE_MS // 10):
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents, 10)
            if self.painted:
                return

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._colours["panel"]))
        painter.setPen(QColor(self._colours["text"]))
        painter.setFont(QFont(self.font().family(), 22, QFont.Weight.DemiBold))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "cadviewer")
        self.painted = True
