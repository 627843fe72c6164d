"""The widget that shows one image of a stack, in whichever plane, and everything drawn on it.

It knows the stack, the view and a list of layers; what the layers mean (boxes, masks, lengths) it does not know. Mouse
input goes through `mouse.Mouse`, keys through the window's actions.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from cadviewer.gui.canvas.image_renderer import ImageRenderer
from cadviewer.gui.canvas.mouse import Mouse
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.text_places import TextPlaces
from cadviewer.gui.canvas.view import ViewState
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging.planes import Slab, upright
from cadviewer.imaging.series import Window

BACKGROUND = QColor(0, 0, 0)
CINE_PER_SECOND = 10.0
CINE_LIMITS = (1.0, 60.0)


class OverlayMode(Enum):
    """What is drawn over an image; I or Space goes round."""

    ALL = "everything"
    TEXT = "text without marks"
    NONE = "the image alone"


class FindingMarks(Enum):
    """How findings are drawn on an image."""

    BOTH = "box and outline"
    OUTLINE = "outline"
    CORNERS = "corners"
    NONE = "no findings"


class Kind(Enum):
    """What a layer is, and so when it is drawn."""

    MARK = "mark"  # a finding, a mask: hidden first
    MEASURE = "measure"  # what the reader drew: hidden with the findings, or by itself
    TEXT = "text"  # corner text, the scale bar: hidden next
    ALWAYS = "always"  # orientation letters: never hidden


_SHOWN = {
    OverlayMode.ALL: {Kind.MARK, Kind.MEASURE, Kind.TEXT, Kind.ALWAYS},
    OverlayMode.TEXT: {Kind.TEXT, Kind.ALWAYS},
    OverlayMode.NONE: {Kind.ALWAYS},
}


class Layer(Protocol):
    """Something drawn over the image."""

    kind: Kind

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        """Draw in widget units; the stack is there."""
        ...


@runtime_checkable
class TextLayer(Layer, Protocol):
    """A layer of text whose place is fixed."""

    def reserved(self, viewport: Viewport) -> list[QRectF]:
        """Where its text will be, in widget units, so that no mark puts text there."""
        ...


class Viewport(QWidget):
    """One image of a stack.

    Signals: index_changed(slice), view_changed(), hovered(): another value lies under the cursor,
    marks_changed(Marks), maximise_asked(), menu_asked(global QPoint), clicked(QPointF): on nothing
    that takes hold, shown(): the first image of a stack is painted, pointed(x, y): the crosshair is wanted
    on that image point, used(): the reader turned to this viewport.
    """

    index_changed = Signal(int)
    view_changed = Signal()
    hovered = Signal()
    marks_changed = Signal(object)
    maximise_asked = Signal()
    menu_asked = Signal(QPoint)
    clicked = Signal(QPointF)
    shown = Signal()
    pointed = Signal(float, float)
    used = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.stack: Stack | None = None
        self.view: ViewState | None = None
        self.index = 0
        self.marks = OverlayMode.ALL
        self.findings = FindingMarks.BOTH
        self.measures = True  # whether what the reader drew is shown
        self.texts = TextPlaces()
        self.layers: list[Layer] = []
        self.cursor_at: tuple[float, float] | None = None  # image point under the mouse
        self.cross: tuple[float, float] | None = None  # image point of the crosshair
        self.file_window: Window | None = None
        self.home: ViewState | None = None  # what a reset goes back to
        self.mouse = Mouse(self)
        self.interpolate = True
        self.renderer = ImageRenderer(self)
        self._told_shown = False
        self._rate = CINE_PER_SECOND
        self._file_rate: float | None = None
        self._cine = QTimer(self, interval=round(1000 / CINE_PER_SECOND))
        self._cine.timeout.connect(self._cine_step)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(240, 240)
        self.setAccessibleName(tr("Image"))

    # what is shown -----------------------------------------------------------------------------------------------

    def show_stack(
        self, stack: Stack | None, window: Window | None = None, index: int | None = None, slab: Slab | None = None
    ) -> None:
        """Show another stack from scratch, in `window`, upright and fitted; None empties the viewport."""
        self.stop_cine()
        self.stack, self._told_shown = stack, False
        self.renderer.forget()
        self.cursor_at = self.cross = None
        self.mouse.forget()
        if stack is None or window is None:
            self.stack = self.view = self.file_window = self.home = None
            self.index = 0
        else:
            row, column = stack.pixel_shape
            turns, mirrored = upright(stack.geometry)
            self.file_window = window
            view = ViewState(stack.rows, stack.columns, row, column, window, stack.series.inverted, slab=slab)
            self.home = self.view = replace(view, turns=turns, mirrored=mirrored).fit(*self.area())
            self.index = min(max(len(stack) // 2 if index is None else index, 0), len(stack) - 1)
            self.pace_loop(stack.frame_rate)
            self.index_changed.emit(self.index)
        self.view_changed.emit()
        self.update()

    def restore(self, view: ViewState, index: int) -> None:
        """Go back to a view and a slice of the stack on screen."""
        self.set_view(view.resized(*self.area()))
        self.go_to(index)

    def pixels_arrived(self) -> None:
        """More slices of the stack were read: repaint if the one on screen was waiting for its pixels."""
        if not self.renderer.there or (self.stack is not None and not self._told_shown):
            self.update()

    def go_to(self, index: int) -> None:
        """Show slice `index`, or the nearest one there is."""
        if self.stack is None:
            return
        index = min(max(index, 0), len(self.stack) - 1)
        if index != self.index:
            before, self.index = self.index, index
            self._follow_windows(before)
            self.index_changed.emit(index)
            self.update()

    def _follow_windows(self, before: int) -> None:
        """An image with another window of its own is shown in that one, where the one before was shown in its own."""
        assert self.stack is not None
        was, now = self.stack.windows_of(before)[:1], self.stack.windows_of(self.index)[:1]
        if was == now or not was or not now or self.view is None or self.home is None:
            return
        if self.home.window == was[0]:
            self.home = replace(self.home, window=now[0])
        if self.view.window == was[0]:
            self.set_view(replace(self.view, window=now[0]))

    def step(self, by: int) -> None:
        """Go on by so many images, in the order in which they are gone through."""
        if self.stack is not None:
            self.go_to(self.index + (-by if self.stack.upward else by))

    def go_to_place(self, place: int) -> None:
        """Show the image at a place of the order in which they are gone through, or the nearest one there is."""
        if self.stack is not None:
            self.go_to(int(self.stack.turned(min(max(place, 0), len(self.stack) - 1))))

    def set_view(self, view: ViewState) -> None:
        """Show another part, or with another window."""
        if view != self.view:
            self.view = view
            self.view_changed.emit()
            self.update()

    def set_window(self, window: Window) -> None:
        if self.view is not None:
            self.set_view(replace(self.view, window=window))

    def invert(self) -> None:
        if self.view is not None:
            self.set_view(replace(self.view, inverted=not self.view.inverted))

    def fit(self) -> None:
        if self.view is not None:
            self.set_view(self.view.fit(*self.area()))

    def turn(self, quarters: int) -> None:
        """Turn the image clockwise by quarter turns."""
        if self.view is not None:
            view = self.view.turned(quarters)
            self.set_view(view.fit(*self.area()) if view.fitted else view)

    def flip(self, *, sideways: bool) -> None:
        """Change over left and right as seen, else top and bottom."""
        if self.view is not None:
            self.set_view(self.view.flipped(sideways=sideways))

    def set_slab(self, slab: Slab | None) -> bool:
        """Show a thick slab, or single planes again; False where slabs cannot be made."""
        if self.view is None or self.stack is None or not self.stack.takes_slabs():
            return False
        self.set_view(replace(self.view, slab=slab))
        return True

    def set_interpolation(self, on: bool) -> None:
        self.interpolate = on
        self.update()

    def point_at(self, cross: tuple[float, float] | None) -> None:
        """Put the crosshair on an image point, or take it away."""
        if cross != self.cross:
            self.cross = cross
            self.update()

    def reset(self) -> None:
        """Fitted, upright, single planes or the slab it began with, the file's window, as inverted as the file says."""
        if self.home is not None:
            self.set_view(self.home.fit(*self.area()))

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Larger by `factor` around a screen point, the middle if none is given."""
        if self.view is not None:
            width, height = self.area()
            x, y = (at.x(), at.y()) if at is not None else (width / 2, height / 2)
            self.set_view(self.view.zoomed(factor, x, y, width, height))

    def centre_on(self, x: float, y: float) -> None:
        """Bring an image point into sight if it is not comfortably there already."""
        if self.view is None:
            return
        width, height = self.area()
        px, py = self.view.to_screen(x, y, width, height)
        if not (0.1 * width < px < 0.9 * width and 0.1 * height < py < 0.9 * height):
            self.set_view(replace(self.view, centre=(x, y), fitted=False))

    def cycle_marks(self) -> None:
        """Everything, text without marks, the image alone, and round again."""
        order = list(OverlayMode)
        self.set_marks(order[(order.index(self.marks) + 1) % len(order)])

    def set_marks(self, marks: OverlayMode) -> None:
        """What is drawn and written over the image from now on."""
        self.marks = marks
        self.marks_changed.emit(marks)
        self.update()

    def set_findings(self, how: FindingMarks) -> None:
        self.findings = how
        self.update()

    def set_measures(self, on: bool) -> None:
        self.measures = on
        self.update()

    # cine --------------------------------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        return self._cine.isActive()

    def toggle_cine(self) -> None:
        """Start or stop moving through the images."""
        if self.playing:
            self.stop_cine()
        elif self.stack is not None and len(self.stack) > 1:
            self._cine.start()

    @property
    def cine_rate(self) -> float:
        """Images per second: those of the file, while a loop is on screen that says them, else the reader's."""
        return self._file_rate or self._rate

    def set_cine_rate(self, images_per_second: float) -> None:
        """For what says no rate of its own."""
        self._rate = _allowed(images_per_second)
        self.pace_loop(self._file_rate)

    def pace_loop(self, of_file: float | None) -> None:
        """For the loop on screen alone; None: as the reader has it."""
        self._file_rate = None if of_file is None else _allowed(of_file)
        self._cine.setInterval(round(1000 / self.cine_rate))
        self.update()

    def stop_cine(self) -> None:
        self._cine.stop()

    def _cine_step(self) -> None:
        if self.stack is not None:
            self.go_to_place((int(self.stack.turned(self.index)) + 1) % len(self.stack))

    # geometry ----------------------------------------------------------------------------------------------------

    def area(self) -> tuple[float, float]:
        """Width and height of the widget in its own units."""
        return float(max(self.width(), 1)), float(max(self.height(), 1))

    def to_screen(self, x: float, y: float) -> QPointF:
        """Screen point of an image point. Only while something is shown."""
        assert self.view is not None
        return QPointF(*self.view.to_screen(x, y, *self.area()))

    def to_image(self, at: QPointF) -> tuple[float, float]:
        """Image point under a screen point. Only while something is shown."""
        assert self.view is not None
        return self.view.to_image(at.x(), at.y(), *self.area())

    def image_rect(self) -> QRectF:
        """Where the image lies on the screen."""
        if self.view is None:
            return QRectF()
        return QRectF(self.to_screen(0, 0), self.to_screen(self.view.columns, self.view.rows)).normalized()

    def transform(self) -> QTransform:
        """From image points to screen points. Only while something is shown."""
        assert self.view is not None
        m11, m12, m21, m22 = self.view.matrix
        corner = self.to_screen(0, 0)
        return QTransform(m11, m21, m12, m22, corner.x(), corner.y())  # Qt multiplies rows from the left

    def sizeHint(self) -> QSize:
        return QSize(800, 800)

    # painting ----------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        there = self.paint_all(painter, QRectF(event.rect()))
        painter.end()
        if there and not self._told_shown:
            self._told_shown = True
            self.shown.emit()

    def paint_all(self, painter: QPainter, rect: QRectF) -> bool:
        """Paint the image and all that is over it; False while its pixels are not there. rect: what is new."""
        painter.fillRect(rect, BACKGROUND)
        if self.stack is None or self.view is None:
            return False
        there = self.renderer.paint(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        layers = self._shown_layers()
        self.texts.begin(rect for layer in layers if isinstance(layer, TextLayer) for rect in layer.reserved(self))
        for layer in layers:
            painter.save()
            layer.paint(painter, self)
            painter.restore()
        return there

    def _shown_layers(self) -> list[Layer]:
        kinds = _SHOWN[self.marks] if self.measures else _SHOWN[self.marks] - {Kind.MEASURE}
        return [layer for layer in self.layers if layer.kind in kinds]

    def frame_on_screen(self) -> NDArray[Any] | None:
        """The values of the image on screen, None while they are not there."""
        return self.renderer.frame()

    # events ------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        if self.view is not None:
            self.set_view(self.view.resized(*self.area()))
        super().resizeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self.used.emit()
        self.mouse.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.mouse.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.mouse.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.maximise_asked.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.used.emit()
        self.mouse.wheel(event)
        event.accept()

    def leaveEvent(self, event: object) -> None:
        self.cursor_at = None
        self.hovered.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        # The menu of a right click opens on release, where a drag has not made it a zoom; this is the menu key.
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self.menu_asked.emit(self.mapToGlobal(self.rect().center()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()  # keys are the window's actions


def _allowed(rate: float) -> float:
    return min(max(rate, CINE_LIMITS[0]), CINE_LIMITS[1])
