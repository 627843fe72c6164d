"""A line to type a text in, on the image where the text will be."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF
from PySide6.QtGui import QFocusEvent

from cadviewer.gui.canvas.viewport import Viewport
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets.fields import Line


class TextLine(Line):
    """Return or a click elsewhere keeps what was typed, Escape what was there before."""

    def __init__(self, viewport: Viewport, at: QPointF, text: str, done: Callable[[str], None]) -> None:
        super().__init__(viewport)
        self._viewport, self._done = viewport, done
        self._over = False
        self.keep(text)
        self.setAccessibleName(tr("Text on the image"))
        self.setPlaceholderText(tr("Text"))
        self.setMinimumWidth(160)
        self.adjustSize()
        x = min(max(at.x(), 0.0), max(viewport.width() - self.width(), 0))
        y = min(max(at.y() - self.height() / 2, 0.0), max(viewport.height() - self.height(), 0))
        self.move(int(x), int(y))
        self.show()
        self.setFocus()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if not self._over:
            self._over = True
            self._done(self.text())
            self._viewport.setFocus()
            self.deleteLater()
