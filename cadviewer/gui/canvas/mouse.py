"""What the mouse does in a viewport: which button does what, and the tools of the left one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QCursor, QMouseEvent, QWheelEvent

from cadviewer.gui.canvas.surface import Surface
from cadviewer.store.session import MeasureKind

CLICK = 4
"""Screen units within which a press and its release are a click."""


class Tool(StrEnum):
    """What a left drag does."""

    SELECT = "select"
    WINDOW = "window"
    SCROLL = "scroll"
    PAN = "pan"
    ZOOM = "zoom"
    DISTANCE = "distance"
    ANGLE = "angle"
    BIDIRECTIONAL = "bidirectional"
    RECTANGLE = "rectangle"
    ELLIPSE = "ellipse"
    FREEHAND = "freehand"
    ARROW = "arrow"
    TEXT = "text"
    FINDING = "finding"


SHAPES = {
    Tool.DISTANCE: MeasureKind.DISTANCE,
    Tool.ANGLE: MeasureKind.ANGLE,
    Tool.BIDIRECTIONAL: MeasureKind.BIDIRECTIONAL,
    Tool.RECTANGLE: MeasureKind.RECTANGLE,
    Tool.ELLIPSE: MeasureKind.ELLIPSE,
    Tool.FREEHAND: MeasureKind.FREEHAND,
    Tool.ARROW: MeasureKind.ARROW,
    Tool.TEXT: MeasureKind.TEXT,
}
"""Tools that draw, and what they draw."""

DRAWING = frozenset(SHAPES) | {Tool.FINDING}

_CURSORS = {
    Tool.SELECT: Qt.CursorShape.ArrowCursor,
    Tool.WINDOW: Qt.CursorShape.ArrowCursor,
    Tool.SCROLL: Qt.CursorShape.SizeVerCursor,
    Tool.PAN: Qt.CursorShape.OpenHandCursor,
    Tool.ZOOM: Qt.CursorShape.SizeVerCursor,
} | dict.fromkeys(DRAWING, Qt.CursorShape.CrossCursor)


class Handle(Protocol):
    """Something on the image that a left drag takes hold of (the end of a length)."""

    def drag(self, x: float, y: float) -> None:
        """The mouse is at the image point (x, y), button down."""
        ...

    def drop(self) -> Handle | None:
        """The button was let go. Another grip follows the mouse without a button until the next click."""
        ...

    def cancel(self) -> None:
        """The reader thinks better of it."""
        ...


class Handles(Protocol):
    """Offers grips: what lies under the mouse, and what the tools that draw begin."""

    def grip_at(self, viewport: Any, at: QPointF) -> Handle | None:
        """What lies under a screen point and gives way to no tool that is in the hand (`viewport.mouse.tool`)."""
        ...

    def begin(self, viewport: Any, tool: Tool, x: float, y: float) -> Handle | None: ...

    def tap(self, viewport: Any, tool: Tool, x: float, y: float) -> bool:
        """A left click of a tool at an image point; True when the tool has a use for it."""
        ...

    def click(self, viewport: Any, at: QPointF) -> bool:
        """A left click without a drag; True when something was hit."""
        ...


@dataclass
class _Drag:
    tool: Tool
    start: QPointF
    last: QPointF
    index: int
    moved: bool = False


class Mouse:
    """The mouse over one viewport: left the active tool, middle pans, right zooms or opens the menu, wheel scrolls.

    buttons: what a drag with the others does; wheel_zooms: the wheel zooms, and scrolls with Ctrl.
    """

    def __init__(self, viewport: Surface) -> None:
        self._viewport = viewport
        self._drag: _Drag | None = None
        self._grip: Handle | None = None
        self._following: Handle | None = None  # what the mouse drags without a button
        self._wheel = 0.0
        self.tool = Tool.WINDOW
        self.down_brighter = True
        self.wheel_down_next = True
        self.wheel_zooms = False
        self.buttons = {Qt.MouseButton.MiddleButton: Tool.PAN, Qt.MouseButton.RightButton: Tool.ZOOM}
        self.handles: Handles | None = None

    def forget(self) -> None:
        """Another stack is shown: whatever was being dragged is over."""
        self.cancel()
        self._drag = self._grip = None
        self._wheel = 0.0

    def cancel(self) -> bool:
        """Give up what is being drawn; False when nothing is."""
        grip = self._grip or self._following
        self._grip = self._following = None
        if grip is None:
            return False
        self._drag = None
        grip.cancel()
        return True

    def set_tool(self, tool: Tool) -> None:
        """What the left button does from now on."""
        if tool is not self.tool:
            self.cancel()
        self.tool = tool
        self._viewport.setCursor(QCursor(_CURSORS[tool]))

    def press(self, event: QMouseEvent) -> None:
        """Take hold of what lies there, or begin what the tool or the button does."""
        viewport, at = self._viewport, event.position()
        if viewport.view is None or self._drag is not None:
            return
        viewport.stop_cine()
        if event.button() == Qt.MouseButton.LeftButton:
            tool = self.tool
            if self._following is not None:
                self._grip, self._following = self._following, None
                self._grip.drag(*viewport.to_image(at))
                self._drag = _Drag(tool, at, at, viewport.index, moved=True)
                return
            if self.handles is not None:
                self._grip = self.handles.grip_at(viewport, at)
        elif event.button() in self.buttons:
            tool = self.buttons[event.button()]
        else:
            return
        self._drag = _Drag(tool, at, at, viewport.index)

    def move(self, event: QMouseEvent) -> None:
        """Go on with a drag, or follow a shape whose next point is set by a click."""
        viewport, at = self._viewport, event.position()
        if viewport.view is None:
            return
        viewport.cursor_at = viewport.to_image(at)
        drag = self._drag
        if drag is not None:
            if not drag.moved and (at - drag.start).manhattanLength() < CLICK:
                return
            drag.moved = True
            self._apply(drag, at)
            drag.last = at
        elif self._following is not None:
            self._following.drag(*viewport.cursor_at)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            viewport.pointed.emit(*viewport.cursor_at)
        elif self.handles is not None:
            over = self.handles.grip_at(viewport, at) is not None
            viewport.setCursor(QCursor(Qt.CursorShape.SizeAllCursor if over else _CURSORS[self.tool]))
        viewport.hovered.emit()

    def release(self, event: QMouseEvent) -> None:
        """End a drag; a press that hardly moved was a click."""
        drag, self._drag = self._drag, None
        grip, self._grip = self._grip, None
        if grip is not None and (drag is None or drag.moved):
            self._following = grip.drop()
            return
        if grip is not None:
            grip.cancel()  # it was only a click
        if drag is None or drag.moved:
            return
        if event.button() == Qt.MouseButton.RightButton:
            self._viewport.menu_asked.emit(event.globalPosition().toPoint())
        elif event.button() == Qt.MouseButton.LeftButton:
            at = event.position()
            hit = self.handles is not None and (
                self.handles.click(self._viewport, at)
                or (self.tool in DRAWING and self.handles.tap(self._viewport, self.tool, *self._viewport.to_image(at)))
            )
            if not hit:
                self._viewport.clicked.emit(at)

    def wheel(self, event: QWheelEvent) -> None:
        """Scroll through the images, or zoom about the pointer, as the settings and Ctrl say."""
        viewport = self._viewport
        turn = event.angleDelta().y() or event.angleDelta().x()  # with Alt held Qt turns the wheel sideways
        if viewport.view is None or turn == 0:
            return
        viewport.stop_cine()
        if bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier) != self.wheel_zooms:
            viewport.zoom(1.2 ** (turn / 120), event.position())
            return
        if (turn > 0) != (self._wheel > 0):
            self._wheel = 0.0
        self._wheel += turn / 120  # touch pads send parts of a notch
        steps = math.trunc(self._wheel)
        self._wheel -= steps
        if steps:
            viewport.step(-steps if self.wheel_down_next else steps)

    def _apply(self, drag: _Drag, at: QPointF) -> None:
        viewport = self._viewport
        assert viewport.view is not None
        delta = at - drag.last
        if self._grip is not None:
            self._grip.drag(*viewport.to_image(at))
        elif drag.tool is Tool.WINDOW:
            viewport.set_view(viewport.view.levelled(delta.x(), delta.y(), down_brighter=self.down_brighter))
        elif drag.tool is Tool.PAN:
            viewport.set_view(viewport.view.panned(delta.x(), delta.y()))
        elif drag.tool is Tool.ZOOM:
            viewport.zoom(math.exp(-delta.y() / 120), drag.start)
        elif drag.tool is Tool.SCROLL and viewport.stack is not None:
            per_slice = max(3.0, min(viewport.height() / (2 * len(viewport.stack)), 24.0))
            way = -1 if viewport.stack.upward else 1
            viewport.go_to(drag.index + way * round((at.y() - drag.start.y()) / per_slice))
        elif drag.tool in DRAWING and self.handles is not None:
            self._grip = self.handles.begin(viewport, drag.tool, *viewport.to_image(drag.start))
            if self._grip is not None:
                self._grip.drag(*viewport.to_image(at))
