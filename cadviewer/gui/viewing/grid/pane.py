"""One cell of the middle of the window: a viewport with its own scroll bar and lettering."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from cadviewer.gui.canvas.crosshair import Crosshair
from cadviewer.gui.canvas.overlay_text import CornerText, OrientationLetters, ScaleBar
from cadviewer.gui.canvas.slice_scrollbar import SliceScrollbar
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.viewport import Layer, Viewport
from cadviewer.gui.cases.case import Case
from cadviewer.gui.nodules.boxes import Boxes
from cadviewer.imaging.planes import Slab
from cadviewer.imaging.series import Window


class Pane(QFrame):
    """A viewport, its strip and its layers. case: whose images it shows; None when it is empty."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pane")
        self.case: Case | None = None
        self.own = False  # whether that is the open case, on which lengths are drawn
        self.viewport = Viewport()
        self.scrollbar = SliceScrollbar()
        self.boxes = Boxes()
        self.crosshair = Crosshair()
        self.corners = CornerText()
        self._set_layers([self.boxes])
        self.viewport.index_changed.connect(self.scrollbar.show_index)
        self.viewport.hovered.connect(lambda: self.viewport.update(self.corners.probe_rect))
        self.scrollbar.asked.connect(self.viewport.go_to)
        self.scrollbar.asked.connect(lambda index: self.viewport.used.emit())
        self._row = QHBoxLayout(self)
        self._row.setSpacing(0)
        self._row.addWidget(self.viewport, 1)
        self._row.addWidget(self.scrollbar)
        self.set_framed(False)
        self.scrollbar.hide()

    def show_stack(
        self,
        case: Case,
        stack: Stack,
        window: Window,
        index: int,
        *,
        layers: Sequence[Layer],
        own: bool,
        slab: Slab | None = None,
    ) -> None:
        """Show planes of a case from scratch. layers: its marks, lowest first."""
        self.case = self.boxes.case = case
        self.own = own
        self._set_layers(layers)
        self.viewport.show_stack(stack, window, index, slab)
        self.scrollbar.show_stack(stack)
        self.scrollbar.show_index(self.viewport.index)

    def clear(self) -> None:
        """Show nothing."""
        if self.case is not None or self.viewport.stack is not None:
            self.case = self.boxes.case = None
            self.viewport.show_stack(None)
            self.scrollbar.show_stack(None)

    def set_head(self, lines: Sequence[str]) -> None:
        """Lines above the others in the corner: of which of two examinations this is."""
        self.corners.head = tuple(line for line in lines if line)
        self.viewport.update()

    def set_framed(self, framed: bool) -> None:
        """Whether there is room for the frame that tells the active one of several."""
        side = 1 if framed else 0
        self._row.setContentsMargins(side, side, side, side)

    def set_active(self, active: bool) -> None:
        """Whether keys act on this one."""
        if self.property("active") != active:
            self.setProperty("active", active)
            self.style().unpolish(self)
            self.style().polish(self)

    def _set_layers(self, marks: Sequence[Layer]) -> None:
        """The crosshair and the lettering come on top of the marks."""
        self.viewport.layers = [*marks, self.crosshair, ScaleBar(), self.corners, OrientationLetters()]
