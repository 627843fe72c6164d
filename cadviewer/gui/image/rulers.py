"""Lengths on the image: drawn with the distance tool, their ends dragged, the selected one deleted.

A length that was just drawn or moved is dotted until it has been written to the journal.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import replace

from PySide6.QtCore import QObject, QPointF, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, Qt

from cadviewer.gui.image.length import Length
from cadviewer.gui.image.lettering import HALO, draw_text, overlay_font
from cadviewer.gui.image.mouse import Grip
from cadviewer.gui.image.stack import Stack
from cadviewer.gui.image.viewport import Kind, Viewport
from cadviewer.imaging.planes import Plane

COLOUR = QColor(255, 233, 130)
REACH = 9
"""Screen units around an end or a line within which the mouse takes hold of it."""


def label(ruler: Length, stack: Stack) -> str:
    """ "12.3 mm", or "45.0 px" where the spacing is unknown."""
    length, unit = stack.distance(ruler.x0, ruler.y0, ruler.x1, ruler.y1)
    return f"{length:.1f} {unit}"


class _Drag:
    """A grip on one end of a length, or on the whole of it."""

    def __init__(self, rulers: Rulers, ruler: Length, end: int | None, viewport: Viewport, new: bool) -> None:
        self._rulers, self._before, self._end, self._viewport, self._new = rulers, ruler, end, viewport, new
        self._after = ruler
        self._from: tuple[float, float] | None = None

    def drag(self, x: float, y: float) -> None:
        stack, old = self._viewport.stack, self._before
        if stack is None:
            return
        if self._end is None:
            self._from = self._from or (x, y)
            dx, dy = x - self._from[0], y - self._from[1]
            dx = min(max(dx, -min(old.x0, old.x1)), stack.columns - max(old.x0, old.x1))
            dy = min(max(dy, -min(old.y0, old.y1)), stack.rows - max(old.y0, old.y1))
            self._after = replace(old, x0=old.x0 + dx, y0=old.y0 + dy, x1=old.x1 + dx, y1=old.y1 + dy)
        else:
            x, y = min(max(x, 0.0), float(stack.columns)), min(max(y, 0.0), float(stack.rows))
            self._after = replace(old, x0=x, y0=y) if self._end == 0 else replace(old, x1=x, y1=y)
        self._rulers.draft(self._after, self._viewport)

    def drop(self) -> None:
        self._rulers.dropped(None if self._new else self._before, self._after, self._viewport)


class Rulers(QObject):
    """The lengths of the stack on screen: a layer that paints them and grips to draw and move them.

    Signals: changed(before, after): the user drew (before is None) or moved one; it is not kept until `show` has it.
    refused(text): there is no length to be drawn here.
    """

    changed = Signal(object, object)
    refused = Signal(str)
    kind = Kind.MARK

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rulers: tuple[Length, ...] = ()
        self.selected: str | None = None
        self._drafts: dict[str, Length] = {}

    def show(self, rulers: tuple[Length, ...]) -> None:
        """These are kept. A draft among them is one no longer, and stays selected under the key it was kept by."""
        drafts = {_place(draft): key for key, draft in self._drafts.items()}
        for ruler in rulers:
            draft = drafts.get(_place(ruler))
            if draft is not None:
                del self._drafts[draft]
                if self.selected == draft:
                    self.selected = ruler.key
        self.rulers = rulers
        if self.selected not in {r.key for r in rulers} | set(self._drafts):
            self.selected = None

    def drop_drafts(self) -> None:
        """What was drawn or moved and is not kept yet is not going to be."""
        self._drafts.clear()

    def selected_ruler(self) -> Length | None:
        return next((r for r in self.rulers if r.key == self.selected), None)

    def draft(self, ruler: Length, viewport: Viewport) -> None:
        self._drafts[ruler.key] = ruler
        viewport.update()

    def dropped(self, before: Length | None, after: Length, viewport: Viewport) -> None:
        """The mouse let go: a length of next to nothing is none."""
        if before == after or math.hypot(after.x1 - after.x0, after.y1 - after.y0) < 0.5:
            self._drafts.pop(after.key, None)
        else:
            self.selected = after.key
            self.changed.emit(before, after)
        viewport.update()

    # grips -------------------------------------------------------------------------------------------------------

    def begin(self, viewport: Viewport, x: float, y: float) -> Grip | None:
        stack = viewport.stack
        if stack is None or not (0 <= x <= stack.columns and 0 <= y <= stack.rows):
            return None
        if stack.plane is not Plane.ACQUIRED:
            self.refused.emit("Lengths are measured on the acquired images (F5)")
            return None
        ruler = Length(uuid.uuid4().hex[:12], viewport.index, x, y, x, y)
        return _Drag(self, ruler, 1, viewport, new=True)

    def grip_at(self, viewport: Viewport, at: QPointF) -> Grip | None:
        hit = self._hit(viewport, at)
        return _Drag(self, hit[0], hit[1], viewport, new=False) if hit else None

    def click(self, viewport: Viewport, at: QPointF) -> bool:
        hit = self._hit(viewport, at)
        selected = hit[0].key if hit else None
        if selected != self.selected:
            self.selected = selected
            viewport.update()
        return hit is not None

    def _hit(self, viewport: Viewport, at: QPointF) -> tuple[Length, int | None] | None:
        """The length under a screen point and which of its ends, None for its line."""
        if viewport.view is None or viewport.marks is not type(viewport.marks).ALL or not _acquired(viewport):
            return None
        for ruler in reversed(self.rulers):
            if ruler.slice == viewport.index:
                a, b = viewport.to_screen(ruler.x0, ruler.y0), viewport.to_screen(ruler.x1, ruler.y1)
                for end, point in enumerate((a, b)):
                    if math.hypot((at - point).x(), (at - point).y()) <= REACH:
                        return ruler, end
                if _distance_to_line(at, a, b) <= REACH * 0.6:
                    return ruler, None
        return None

    # painting ----------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if not _acquired(viewport):
            return
        shown = {r.key: r for r in self.rulers} | self._drafts
        for ruler in shown.values():
            if ruler.slice == viewport.index:
                self._paint_one(painter, viewport, ruler, draft=ruler.key in self._drafts)

    def _paint_one(self, painter: QPainter, viewport: Viewport, ruler: Length, draft: bool) -> None:
        assert viewport.stack is not None
        a, b = viewport.to_screen(ruler.x0, ruler.y0), viewport.to_screen(ruler.x1, ruler.y1)
        selected = ruler.key == self.selected
        painter.setPen(QPen(HALO, 4))
        painter.drawLine(a, b)
        painter.setPen(QPen(COLOUR, 2.2 if selected else 1.5, Qt.PenStyle.DotLine if draft else Qt.PenStyle.SolidLine))
        painter.drawLine(a, b)
        for point in (a, b):
            painter.setBrush(COLOUR if selected else QColor(0, 0, 0, 160))
            painter.setPen(QPen(COLOUR, 1.5))
            painter.drawEllipse(point, 3.5, 3.5)
        painter.setFont(overlay_font(viewport))
        text = label(ruler, viewport.stack)
        metrics = QFontMetricsF(painter.font())
        end = b if b.x() >= a.x() else a
        x = min(end.x() + 10, viewport.width() - metrics.horizontalAdvance(text) - 6)
        y = min(max(end.y() + metrics.ascent() / 2, metrics.height()), viewport.height() - 6.0)
        draw_text(painter, QPointF(x, y), text, COLOUR)


def _acquired(viewport: Viewport) -> bool:
    """Whether the images on screen are the slices that lengths are kept on."""
    return viewport.stack is not None and viewport.stack.plane is Plane.ACQUIRED


def _place(ruler: Length) -> tuple[float, ...]:
    return ruler.slice, ruler.x0, ruler.y0, ruler.x1, ruler.y1


def _distance_to_line(at: QPointF, a: QPointF, b: QPointF) -> float:
    along = b - a
    length = math.hypot(along.x(), along.y())
    if length == 0:
        return math.hypot((at - a).x(), (at - a).y())
    t = min(max(QPointF.dotProduct(at - a, along) / length**2, 0.0), 1.0)
    nearest = a + along * t
    return math.hypot((at - nearest).x(), (at - nearest).y())
