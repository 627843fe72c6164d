"""The scroll bar of a stack: where one is, what is loaded, and which images hold findings, measures, key images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style

WIDTH = 26
END = 8
MARKED = QColor(255, 233, 130)
"""Of dots, and of what is drawn on images."""


@dataclass(frozen=True)
class Stretch:
    """The images of one finding: a coloured bar, with a notch at the best one; hollow when rejected."""

    first: int
    last: int
    best: int
    colour: QColor
    selected: bool = False
    hollow: bool = False


class SliceScrollbar(QWidget):
    """A vertical bar of all images of a stack; click or drag to go to one. Signal: asked(slice)."""

    asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stack: Stack | None = None
        self._index = 0
        self._stretches: tuple[Stretch, ...] = ()
        self._marked: frozenset[int] = frozenset()
        self.setFixedWidth(WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Image position"))
        self.setToolTip(tr("Images of this series; bars mark findings, dots measures and key images"))

    def show_stack(self, stack: Stack | None) -> None:
        """Show the places of another stack, or of none."""
        self._stack, self._stretches, self._marked = stack, (), frozenset()
        self.setVisible(stack is not None and len(stack) > 1)
        self.update()

    def show_index(self, index: int) -> None:
        self._index = index
        self.update()

    def show_findings(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = tuple(stretches)
        self.update()

    def show_marked(self, indices: frozenset[int]) -> None:
        """Images on which something was drawn, and key images."""
        if indices != self._marked:
            self._marked = indices
            self.update()

    @property
    def marked(self) -> frozenset[int]:
        return self._marked

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        return self._stretches

    def y_of(self, index: float) -> float:
        """Screen y of the middle of an image: the first that is gone through is on top."""
        count = len(self._stack) if self._stack is not None else 1
        place = self._stack.turned(index) if self._stack is not None else index
        return END + (place + 0.5) * (self.height() - 2 * END) / count

    def index_at(self, y: float) -> int:
        """The image at a height of the bar, in its pixels."""
        count = len(self._stack) if self._stack is not None else 1
        place = min(max(int((y - END) * count / max(self.height() - 2 * END, 1)), 0), count - 1)
        return int(self._stack.turned(place)) if self._stack is not None else place

    def sizeHint(self) -> QSize:
        return QSize(WIDTH, 200)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), style.colour("panel"))
        if self._stack is None:
            return
        self._paint_loaded(painter)
        for stretch in self._stretches:
            self._paint_stretch(painter, stretch)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.on_panel(MARKED, 3.0))
        for index in self._marked:
            painter.drawEllipse(QPointF(WIDTH - 4.5, self.y_of(index)), 2.2, 2.2)
        y = self.y_of(self._index)
        painter.setPen(QPen(QColor(0, 0, 0, 150), 1))
        painter.setBrush(style.colour("text"))
        painter.drawRoundedRect(QRectF(2, y - 2.5, WIDTH - 4, 5), 2.5, 2.5)

    def _paint_loaded(self, painter: QPainter) -> None:
        assert self._stack is not None
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.colour("raised"))
        painter.drawRoundedRect(QRectF(5, END, 4, self.height() - 2 * END), 2, 2)
        painter.setBrush(style.colour("faint"))
        step = (self.height() - 2 * END) / len(self._stack)
        for start, end in self._stack.loaded_runs():
            top = min(self.y_of(start), self.y_of(end - 1)) - step / 2
            painter.drawRoundedRect(QRectF(5, top, 4, (end - start) * step), 2, 2)

    def _paint_stretch(self, painter: QPainter, stretch: Stretch) -> None:
        top, bottom = sorted((self.y_of(stretch.first - 0.5), self.y_of(stretch.last + 0.5)))
        if bottom - top < 4:
            top, bottom = (top + bottom) / 2 - 2, (top + bottom) / 2 + 2
        colour = style.on_panel(stretch.colour, 3.0)
        painter.setPen(QPen(colour, 1.2))
        painter.setBrush(Qt.BrushStyle.NoBrush if stretch.hollow else colour)
        painter.drawRoundedRect(QRectF(12, top, 5, bottom - top), 1.5, 1.5)
        if stretch.selected:
            y = self.y_of(stretch.best)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.colour("text"))
            painter.drawPolygon(QPolygonF([QPointF(19, y), QPointF(24, y - 4), QPointF(24, y + 4)]))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._stack is not None:
            self.asked.emit(self.index_at(event.position().y()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._stack is not None:
            self.asked.emit(self.index_at(event.position().y()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        step = -1 if event.angleDelta().y() > 0 else 1
        self.asked.emit(self._index + (-step if self._stack is not None and self._stack.upward else step))
        event.accept()
