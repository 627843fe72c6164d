"""The layer of what the reader draws: lengths, angles, regions, arrows, texts; each can be taken hold of and changed.

What was just drawn or moved is dotted until it has been written to the journal. A shape is shown on the plane that it
lies in, in whichever view that plane is on screen; other planes show where it goes through them.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

from PySide6.QtCore import QObject, QPointF, QRectF, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF, Qt

from cadviewer.gui.canvas import plane_intersections, shapes
from cadviewer.gui.canvas.mouse import DRAWING, SHAPES, Handle, Tool
from cadviewer.gui.canvas.overlay_text import HALO, draw_text, overlay_font
from cadviewer.gui.canvas.shapes import Drawing, Point, Value
from cadviewer.gui.canvas.slice_scrollbar import MARKED
from cadviewer.gui.canvas.text_places import text_rect
from cadviewer.gui.canvas.viewport import Kind, OverlayMode, Viewport
from cadviewer.store.areas import REGIONS
from cadviewer.store.session import MeasureKind

COLOUR = MARKED
REACH = 9
"""Screen units around a handle or a line within which the mouse takes hold of it."""
FAINT = 0.6
"""Opacity of the signs of shapes that lie in another plane."""
_STEP = 2.0
"""Screen units between two points of a freehand outline."""


class _Drag:
    """A grip on a shape: `change` gives its points on the plane for the mouse at (x, y)."""

    def __init__(
        self,
        drawings: Drawings,
        viewport: Viewport,
        shape: Drawing,
        change: Callable[[float, float], tuple[Point, ...]],
        before: Drawing | None,
    ) -> None:
        self._drawings, self._viewport, self._change, self._before = drawings, viewport, change, before
        self._after = shape
        self._index = viewport.index
        self.then: Callable[[Drawing], Handle | None] = lambda shape: None

    def drag(self, x: float, y: float) -> None:
        stack = self._viewport.stack
        if stack is not None and self._viewport.index == self._index:
            points = tuple(shapes.place(stack, self._index, p) for p in self._change(x, y))
            self._after = replace(self._after, points=points)
            self._drawings.draft(self._after)

    def drop(self) -> Handle | None:
        further = self.then(self._after)
        if further is None:
            self._drawings.dropped(self._before, self._after, self._viewport, self._index)
        return further

    def cancel(self) -> None:
        self._drawings.forget(self._after)


class Drawings(QObject):
    """The shapes of the case on screen: a layer that paints them, and grips to draw and change them.

    Signals: changed(before, after, Stack, index): the user drew (before is None) or changed one on that plane; it is
    not kept until `show` has it. wanted_text(Viewport, Drawing, new): a text is to be typed. repaint(): some view is
    out of date. said(text): a remark.
    """

    changed = Signal(object, object, object, int)
    wanted_text = Signal(object, object, bool)
    repaint = Signal()
    said = Signal(str)
    kind = Kind.MEASURE

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.shapes: tuple[Drawing, ...] = ()
        self.selected: str | None = None
        self.pixels: object = None  # of the case that is drawn on
        self._drafts: dict[str, Drawing] = {}
        self._values: dict[tuple[object, ...], Value] = {}
        self._crossed: dict[tuple[object, ...], tuple[Point, ...]] = {}

    def show(self, kept: tuple[Drawing, ...]) -> None:
        """These are kept. A draft among them is one no longer, and stays selected under the key it was kept by."""
        drafts = {(draft.kind, draft.points): key for key, draft in self._drafts.items()}
        for shape in kept:
            draft = drafts.get((shape.kind, shape.points))
            if draft is not None:
                self._drafts.pop(draft, None)
                if self.selected == draft:
                    self.selected = shape.key
        self.shapes = kept
        if self.selected not in {s.key for s in kept} | set(self._drafts):
            self.selected = None
        self.repaint.emit()

    def drop_drafts(self) -> None:
        """What was drawn or changed and is not kept yet is not going to be."""
        self._drafts.clear()
        self._values.clear()
        self._crossed.clear()

    def show_unsaved(self, shapes: tuple[Drawing, ...]) -> None:
        """These could not be kept so far; drafts of them that are there already stay as they are."""
        there = {(draft.kind, draft.points) for draft in self._drafts.values()}
        self._drafts |= {s.key: s for s in shapes if (s.kind, s.points) not in there}
        self.repaint.emit()

    def select(self, key: str | None) -> None:
        """Have another shape selected, or none."""
        if key != self.selected:
            self.selected = key
            self.repaint.emit()

    def selected_shape(self) -> Drawing | None:
        return next((s for s in self.shapes if s.key == self.selected), None)

    def draft(self, shape: Drawing) -> None:
        self._drafts[shape.key] = shape
        self.repaint.emit()

    def forget(self, shape: Drawing) -> None:
        """A draft is not wanted."""
        self._drafts.pop(shape.key, None)
        self.repaint.emit()

    def dropped(self, before: Drawing | None, after: Drawing, viewport: Viewport, index: int) -> None:
        """The mouse let go: a shape of next to nothing is none."""
        stack = viewport.stack
        flat = shapes.on_plane(after, stack, index) if stack is not None else None
        if (
            flat is None
            or (before is not None and before.points == after.points)
            or not shapes.complete(after.kind, flat)
        ):
            self.forget(after)
        elif before is None and after.kind is MeasureKind.ARROW:
            self.wanted_text.emit(viewport, after, True)
        else:
            self.selected = after.key
            self.changed.emit(before, after, stack, index)
        self.repaint.emit()

    def written(self, viewport: Viewport, shape: Drawing, text: str, new: bool) -> None:
        """A text was typed: of an arrow or a text, or the name of a measure. An empty text is none."""
        after = replace(shape, text=text.strip())
        if not after.text and after.kind is MeasureKind.TEXT:
            self.forget(shape)
            return
        if not new and after.text == shape.text:
            return
        self.draft(after)
        self.selected = after.key
        self.changed.emit(None if new else shape, after, viewport.stack, viewport.index)

    # grips -------------------------------------------------------------------------------------------------------

    def begin(self, viewport: Viewport, tool: Tool, x: float, y: float) -> Handle | None:
        """Draw a shape of that tool from (x, y), in pixels of the image; None where it does not begin there."""
        stack, kind = viewport.stack, SHAPES.get(tool)
        if stack is None or stack.pixels is not self.pixels or kind is None or kind is MeasureKind.TEXT:
            return None
        if not (0 <= x <= stack.columns and 0 <= y <= stack.rows):
            return None
        shape = Drawing(uuid.uuid4().hex[:12], kind, (shapes.place(stack, viewport.index, (x, y)),))
        start = (x, y)
        if kind is MeasureKind.FREEHAND:
            return _Drag(self, viewport, shape, _Trail(viewport, start), None)
        grip = _Drag(self, viewport, shape, lambda px, py: (start, _held(viewport, (px, py))), None)
        if kind is MeasureKind.ANGLE:
            grip.then = partial(self._second_arm, viewport)
        elif kind is MeasureKind.BIDIRECTIONAL:
            grip.then = partial(self._short_axis, viewport)
        return grip

    def tap(self, viewport: Viewport, tool: Tool, x: float, y: float) -> bool:
        """A click without a drag; True when the tool has a use for it."""
        stack = viewport.stack
        if tool is not Tool.TEXT or stack is None or stack.pixels is not self.pixels:
            return False
        if not (0 <= x <= stack.columns and 0 <= y <= stack.rows):
            return False
        at = shapes.place(stack, viewport.index, (x, y))
        self.wanted_text.emit(viewport, Drawing(uuid.uuid4().hex[:12], MeasureKind.TEXT, (at,)), True)
        return True

    def _second_arm(self, viewport: Viewport, shape: Drawing) -> Handle | None:
        """After the first arm of an angle the other one follows the mouse until a click."""
        flat = self._flat(viewport, shape)
        if flat is None or not shapes.complete(MeasureKind.DISTANCE, flat):
            return None
        return _Drag(self, viewport, shape, lambda x, y: (flat[0], flat[1], _held(viewport, (x, y))), None)

    def _short_axis(self, viewport: Viewport, shape: Drawing) -> Handle | None:
        """After the long axis the short one follows the mouse until a click."""
        flat = self._flat(viewport, shape)
        if flat is None or not shapes.complete(MeasureKind.DISTANCE, flat):
            return None
        mm = _mm(viewport)
        return _Drag(self, viewport, shape, lambda x, y: shapes.with_short_axis(flat, (x, y), mm), None)

    def grip_at(self, viewport: Viewport, at: QPointF) -> Handle | None:
        """What a press at this point of the screen takes hold of: an end of a shape, or all of it; None for neither."""
        hit = self._hit(viewport, at)
        if hit is None:
            return None
        shape, flat, handle = hit
        tool = viewport.mouse.tool
        if tool in DRAWING and (handle is None or SHAPES.get(tool) is not shape.kind):
            return None  # what is in the hand draws; of what it drew, it mends the ends
        mm = _mm(viewport)
        if handle is not None:
            return _Drag(
                self,
                viewport,
                shape,
                lambda x, y: shapes.drag(shape.kind, flat, handle, _held(viewport, (x, y)), mm),
                shape,
            )
        start = viewport.to_image(at)
        return _Drag(self, viewport, shape, lambda x, y: _shifted(viewport, flat, (x - start[0], y - start[1])), shape)

    def click(self, viewport: Viewport, at: QPointF) -> bool:
        """A click on the image: select what is there."""
        hit = self._hit(viewport, at)
        self.select(hit[0].key if hit else None)
        return hit is not None

    def _flat(self, viewport: Viewport, shape: Drawing) -> tuple[Point, ...] | None:
        """The points of a shape on the plane on screen, None where it does not lie in it."""
        stack = viewport.stack
        if stack is None or stack.pixels is not self.pixels:
            return None
        return shapes.on_plane(shape, stack, viewport.index)

    def _hit(self, viewport: Viewport, at: QPointF) -> tuple[Drawing, tuple[Point, ...], int | None] | None:
        """The shape under a screen point, its points there, and which of its handles: None for a line."""
        if viewport.view is None or viewport.marks is not OverlayMode.ALL or not viewport.measures:
            return None
        for shape in sorted(self.shapes, key=lambda s: s.key != self.selected):  # what is selected first
            flat = self._flat(viewport, shape)
            if flat is None:
                continue
            for handle, point in enumerate(shapes.handles(shape.kind, flat)):
                if _apart(at, viewport.to_screen(*point)) <= REACH:
                    return shape, flat, handle
            for line in shapes.outline(shape.kind, flat):
                screen = [viewport.to_screen(*p) for p in line]
                if any(_from_line(at, a, b) <= REACH * 0.6 for a, b in pairwise(screen)):
                    return shape, flat, None
        return None

    # painting ----------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        for shape in ({s.key: s for s in self.shapes} | self._drafts).values():
            flat = self._flat(viewport, shape)
            if flat is not None:
                self._paint_one(painter, viewport, shape, flat, draft=shape.key in self._drafts)
            elif viewport.stack is not None and viewport.stack.pixels is self.pixels:
                self._paint_crossing(painter, viewport, shape)

    def _paint_one(
        self, painter: QPainter, viewport: Viewport, shape: Drawing, flat: tuple[Point, ...], draft: bool
    ) -> None:
        selected = shape.key == self.selected
        style = Qt.PenStyle.DotLine if draft else Qt.PenStyle.SolidLine
        painter.setBrush(Qt.BrushStyle.NoBrush)
        lines = [QPolygonF([viewport.to_screen(*p) for p in line]) for line in shapes.outline(shape.kind, flat)]
        for pen in (QPen(HALO, 4), QPen(COLOUR, 2.2 if selected else 1.5, style)):
            painter.setPen(pen)
            for line in lines:
                painter.drawPolyline(line)
        if shape.kind is MeasureKind.ARROW and len(flat) == 2:
            _paint_head(painter, viewport.to_screen(*flat[0]), viewport.to_screen(*flat[1]))
        if shape.kind is not MeasureKind.ARROW or selected:
            self._paint_handles(painter, viewport, shape, flat, selected)
        self._paint_text(painter, viewport, shape, flat)

    def _paint_crossing(self, painter: QPainter, viewport: Viewport, shape: Drawing) -> None:
        """A faint sign where a shape of another plane goes through this one; its value when it is the selected one."""
        points = [viewport.to_screen(*point) for point in self._crossings(viewport, shape)]
        if not points:
            return
        painter.setOpacity(FAINT if shape.key != self.selected else 1.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(HALO, 3), QPen(COLOUR, 1.2, Qt.PenStyle.DotLine)):
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF(points))
        for pen in (QPen(HALO, 3.5), QPen(COLOUR, 1.5)):
            painter.setPen(pen)
            for at in points:
                painter.drawLine(at + QPointF(-4, -4), at + QPointF(4, 4))
                painter.drawLine(at + QPointF(-4, 4), at + QPointF(4, -4))
        found = plane_intersections.home(shape, viewport.stack) if viewport.stack is not None else None
        if shape.key == self.selected and found is not None:
            flat = shapes.on_plane(shape, *found)
            assert flat is not None
            lines = shapes.value(shape.kind, flat, *found, shape.text).lines
            painter.setFont(overlay_font(viewport))
            if lines:
                metrics = QFontMetricsF(painter.font())
                beside = text_rect(metrics, points[0] + QPointF(10, 17), lines[:1])  # below a crosshair
                place = viewport.texts.take([beside], QRectF(viewport.rect()), needed=True)
                assert place is not None
                draw_text(painter, place.topLeft() + QPointF(0, metrics.ascent()), lines[0], COLOUR)
        painter.setOpacity(1.0)

    def _crossings(self, viewport: Viewport, shape: Drawing) -> tuple[Point, ...]:
        """Where it goes through the plane on screen; not looked for again for every frame."""
        stack = viewport.stack
        assert stack is not None
        key = (id(stack.pixels), stack.plane, viewport.index, shape.kind, shape.points)
        if key not in self._crossed:
            if len(self._crossed) > 512:
                self._crossed.clear()
            self._crossed[key] = plane_intersections.crossings(shape, stack, viewport.index)
        return self._crossed[key]

    def _paint_handles(
        self, painter: QPainter, viewport: Viewport, shape: Drawing, flat: tuple[Point, ...], selected: bool
    ) -> None:
        if shape.kind is MeasureKind.FREEHAND and not selected:
            return
        painter.setBrush(COLOUR if selected else QColor(0, 0, 0, 160))
        painter.setPen(QPen(COLOUR, 1.5))
        for point in shapes.handles(shape.kind, flat):
            painter.drawEllipse(viewport.to_screen(*point), 3.5, 3.5)

    def _paint_text(self, painter: QPainter, viewport: Viewport, shape: Drawing, flat: tuple[Point, ...]) -> None:
        lines = self._value(viewport, shape, flat).lines
        if not lines:
            return
        painter.setFont(overlay_font(viewport))
        metrics = QFontMetricsF(painter.font())
        ends = [viewport.to_screen(*p) for p in shapes.handles(shape.kind, flat)]
        if shape.kind is MeasureKind.ARROW:
            ends = [viewport.to_screen(*flat[-1])]
        if not QPolygonF(ends).boundingRect().adjusted(-1, -1, 1, 1).intersects(QRectF(viewport.rect())):
            return  # out of sight: its text must not be held at the edge, far from it
        right, left = max(ends, key=QPointF.x), min(ends, key=QPointF.x)
        low, high = max(ends, key=QPointF.y), min(ends, key=QPointF.y)
        size = text_rect(metrics, QPointF(0, 0), lines)
        wanted = [  # beside what lies furthest to the right first
            QRectF(x, y, size.width(), size.height())
            for x, y in (
                (right.x() + 10, right.y() - metrics.ascent() / 2),
                (low.x() + 10, low.y() + 8),
                (left.x() - 10 - size.width(), left.y() - metrics.ascent() / 2),
                (high.x() + 10, high.y() - 8 - size.height()),
            )
        ]
        place = viewport.texts.take(wanted, QRectF(viewport.rect()).adjusted(6, 2, -6, -4), needed=True)
        assert place is not None
        for k, line in enumerate(lines):
            draw_text(painter, place.topLeft() + QPointF(0, metrics.ascent() + k * metrics.height()), line, COLOUR)

    def _value(self, viewport: Viewport, shape: Drawing, flat: tuple[Point, ...]) -> Value:
        """What a shape measures; regions are not looked at again for every frame."""
        stack = viewport.stack
        assert stack is not None
        if shape.kind not in REGIONS:
            return shapes.value(shape.kind, flat, stack, viewport.index, shape.text)
        key = (id(stack.pixels), stack.plane, viewport.index, shape.kind, shape.points, shape.text, stack.complete)
        if key not in self._values:
            if len(self._values) > 64:
                self._values.clear()
            self._values[key] = shapes.value(shape.kind, flat, stack, viewport.index, shape.text)
        return self._values[key]


class _Trail:
    """The outline that the mouse leaves behind."""

    def __init__(self, viewport: Viewport, start: Point) -> None:
        self._viewport = viewport
        self._points = [start]

    def __call__(self, x: float, y: float) -> tuple[Point, ...]:
        at = _held(self._viewport, (x, y))
        if _apart(self._viewport.to_screen(*at), self._viewport.to_screen(*self._points[-1])) >= _STEP:
            self._points.append(at)
        return tuple(self._points)


def _mm(viewport: Viewport) -> tuple[float, float]:
    stack = viewport.stack
    return stack.pixel_shape if stack is not None else (1.0, 1.0)


def _held(viewport: Viewport, at: Point) -> Point:
    """A point kept on the image."""
    stack = viewport.stack
    if stack is None:
        return at
    return min(max(at[0], 0.0), float(stack.columns)), min(max(at[1], 0.0), float(stack.rows))


def _shifted(viewport: Viewport, points: tuple[Point, ...], by: Point) -> tuple[Point, ...]:
    """Points moved together, none of them off the image."""
    stack = viewport.stack
    assert stack is not None
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    dx = min(max(by[0], -min(xs)), stack.columns - max(xs))
    dy = min(max(by[1], -min(ys)), stack.rows - max(ys))
    return tuple((x + dx, y + dy) for x, y in points)


def _paint_head(painter: QPainter, head: QPointF, tail: QPointF) -> None:
    along = head - tail
    length = math.hypot(along.x(), along.y())
    if length < 1:
        return
    unit = along / length
    side = QPointF(-unit.y(), unit.x())
    painter.setPen(QPen(HALO, 1))
    painter.setBrush(COLOUR)
    painter.drawPolygon(QPolygonF([head, head - unit * 12 + side * 5, head - unit * 12 - side * 5]))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _apart(a: QPointF, b: QPointF) -> float:
    return math.hypot((a - b).x(), (a - b).y())


def _from_line(at: QPointF, a: QPointF, b: QPointF) -> float:
    """Distance of a screen point from a piece of a line."""
    along = b - a
    length = math.hypot(along.x(), along.y())
    if length == 0:
        return _apart(at, a)
    t = min(max(QPointF.dotProduct(at - a, along) / length**2, 0.0), 1.0)
    return _apart(at, a + along * t)
