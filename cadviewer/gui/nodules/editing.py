"""Boxes of findings by the reader's hand: a missed one by a click or a drag, the selected one by its handles."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPointF, QRectF, Signal
from PySide6.QtGui import QPainter, QPen, Qt

from cadviewer.findings import Box
from cadviewer.gui.canvas import shapes
from cadviewer.gui.canvas.mouse import Handle, Tool
from cadviewer.gui.canvas.overlay_text import HALO
from cadviewer.gui.canvas.viewport import Kind, OverlayMode, Viewport
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style
from cadviewer.imaging.planes import Plane

REACH = 7
SMALLEST = 1.0
"""Pixels that a box is wide and high at least."""


class _Drag:
    """A grip on sides of a box: which of (left, top, right, bottom) follow the mouse."""

    def __init__(self, editing: BoxEditing, viewport: Viewport, box: Box, sides: tuple[bool, ...], number: int) -> None:
        self._editing, self._viewport, self._box, self._sides, self._number = editing, viewport, box, sides, number
        self._moved = False

    def drag(self, x: float, y: float) -> None:
        stack = self._viewport.stack
        if stack is None:
            return
        x, y = min(max(x, 0.0), float(stack.columns)), min(max(y, 0.0), float(stack.rows))
        left, top, right, bottom = self._sides
        b = self._box
        x0, x1 = (x if left else b.x0), (x if right else b.x1)
        y0, y1 = (y if top else b.y0), (y if bottom else b.y1)
        x0, x1 = min(x0, x1), max(x0, x1)
        y0, y1 = min(y0, y1), max(y0, y1)
        self._moved = True
        self._editing.draft(Box(b.slice, x0, y0, max(x1, x0 + 1e-3), max(y1, y0 + 1e-3), b.score))

    def drop(self) -> Handle | None:
        self._editing.dropped(self._number, self._moved)
        return None

    def cancel(self) -> None:
        self._editing.drop_draft()


class BoxEditing(QObject):
    """A layer with the box that is being drawn, and grips. On the slices as acquired alone, where boxes live.

    Signals: drawn(number, Box): a box was drawn by hand, for finding `number` or 0 for a new one. asked(slice, x, y): a
    finding was clicked and is to be outlined. repaint(). said(text).
    """

    drawn = Signal(int, object)
    asked = Signal(int, float, float)
    repaint = Signal()
    said = Signal(str)
    kind = Kind.MARK

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.case: Case | None = None
        self._draft: Box | None = None
        self._busy: tuple[int, float, float] | None = None

    def draft(self, box: Box) -> None:
        self._draft = box
        self.repaint.emit()

    def drop_draft(self) -> None:
        """Nothing is being drawn or outlined any more."""
        self._draft = self._busy = None
        self.repaint.emit()

    def dropped(self, number: int, moved: bool) -> None:
        """The button was released: a box was changed, unless it was hardly moved or is next to nothing."""
        box = self._draft
        if not moved or box is None or box.x1 - box.x0 < SMALLEST or box.y1 - box.y0 < SMALLEST:
            self.drop_draft()
        else:
            self.drawn.emit(number, box)  # the draft stays until the journal has it

    # grips -------------------------------------------------------------------------------------------------------

    def _acts_on(self, viewport: Viewport) -> bool:
        """Whether a view shows slices of the case as acquired, with marks."""
        stack = viewport.stack
        return (
            self.case is not None
            and stack is not None
            and stack is self.case.stack
            and stack.plane is Plane.ACQUIRED
            and viewport.marks is OverlayMode.ALL
        )

    def grip_at(self, viewport: Viewport, at: QPointF) -> Handle | None:
        """Sides of the selected finding's box: for the tool that selects alone, so that no other changes a finding."""
        if viewport.mouse.tool is not Tool.SELECT:
            return None
        if self.case is None or viewport.view is None or not self._acts_on(viewport):
            return None
        nodule = self.case.finding(self.case.selected)
        box = next((b for b in nodule.boxes if b.slice == viewport.index), None) if nodule is not None else None
        if nodule is None or box is None or nodule.number not in {n.number for n in self.case.findings()}:
            return None
        a, b = (
            viewport.to_image(QPointF(at.x() - REACH, at.y() - REACH)),
            viewport.to_image(QPointF(at.x() + REACH, at.y() + REACH)),
        )
        x0, x1, y0, y1 = min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1])
        if x1 < box.x0 or x0 > box.x1 or y1 < box.y0 or y0 > box.y1:
            return None
        sides = (x0 <= box.x0 <= x1, y0 <= box.y0 <= y1, x0 <= box.x1 <= x1, y0 <= box.y1 <= y1)
        if not any(sides) or (sides[0] and sides[2]) or (sides[1] and sides[3]):
            return None  # inside, or so small on screen that no side can be meant
        return _Drag(self, viewport, box, sides, nodule.number)

    def begin(self, viewport: Viewport, tool: Tool, x: float, y: float) -> Handle | None:
        """Draw the box of a finding from (x, y), in pixels of the image; None where it does not begin there."""
        if tool is not Tool.FINDING:
            return None
        if not self._acts_on(viewport):
            self.said.emit(tr("Boxes are drawn on the images as acquired; a click works in every view"))
            return None
        start = Box(viewport.index, x, y, x + 1e-3, y + 1e-3, 1.0)
        return _Drag(self, viewport, start, (False, False, True, True), 0)

    def tap(self, viewport: Viewport, tool: Tool, x: float, y: float) -> bool:
        """Ask for a finding at a click in any plane; False where the click is not meant for it."""
        stack = viewport.stack
        if tool is not Tool.FINDING or self.case is None or stack is None or self.case.stack is None:
            return False
        if stack.pixels is not self.case.stack.pixels:
            return False
        s, px, py = shapes.place(stack, viewport.index, (x, y))
        index = min(max(round(s), 0), len(self.case.stack) - 1)
        self._busy = (index, px, py)
        self.asked.emit(index, px, py)
        self.repaint.emit()
        return True

    def click(self, viewport: Viewport, at: QPointF) -> bool:
        return False

    # painting ----------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if not self._acts_on(viewport):
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._draft is not None and self._draft.slice == viewport.index:
            box = self._draft
            rect = QRectF(viewport.to_screen(box.x0, box.y0), viewport.to_screen(box.x1, box.y1)).normalized()
            for pen in (QPen(HALO, 3.2), QPen(style.colour("text"), 1.5, Qt.PenStyle.DotLine)):
                painter.setPen(pen)
                painter.drawRect(rect)
        if self._busy is not None and self._busy[0] == viewport.index:
            at = viewport.to_screen(self._busy[1], self._busy[2])
            for pen in (QPen(HALO, 3.2), QPen(style.colour("text"), 1.5, Qt.PenStyle.DotLine)):
                painter.setPen(pen)
                painter.drawEllipse(at, 12, 12)
