"""What mouse and renderer know of the viewport that they belong to."""

from __future__ import annotations

from typing import Any, Protocol

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QCursor

from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.view import ViewState


class Surface(Protocol):
    """A widget that shows one image of a stack; `Viewport` is it. Points are as there: of the screen, of the image."""

    stack: Stack | None
    view: ViewState | None
    index: int
    cursor_at: tuple[float, float] | None
    interpolate: bool
    # signals
    clicked: Any
    menu_asked: Any
    hovered: Any
    pointed: Any

    def area(self) -> tuple[float, float]: ...

    def image_rect(self) -> QRectF: ...

    def to_image(self, at: QPointF) -> tuple[float, float]: ...

    def devicePixelRatioF(self) -> float: ...

    def height(self) -> int: ...

    def update(self) -> None: ...

    def setCursor(self, cursor: QCursor) -> None: ...

    def go_to(self, index: int) -> None: ...

    def step(self, by: int) -> None: ...

    def set_view(self, view: ViewState) -> None: ...

    def zoom(self, factor: float, at: QPointF | None = None) -> None: ...

    def stop_cine(self) -> None: ...
