"""Text over the image: corners, orientation letters, scale bar. Quiet, legible on any background, never guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen

from cadviewer.gui.canvas import orientation
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.text_places import text_rect
from cadviewer.gui.canvas.viewport import FindingMarks, Kind, OverlayMode, Viewport
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.imaging.planes import TILT, Plane, Slab, tilt

PLANES = {Plane.AXIAL: "Axial", Plane.CORONAL: "Coronal", Plane.SAGITTAL: "Sagittal"}
"""What the patient's planes are called in a corner, in English."""

TEXT = QColor(222, 228, 235)
HALO = QColor(0, 0, 0, 210)
RIM = QColor(0, 0, 0, 150)
_AROUND = ((-1, -1), (1, -1), (-1, 1), (1, 1), (0, 1.4))
MARGIN = 12
NARROW = 360
"""Screen units below which a view has no room for every line."""


def draw_text(painter: QPainter, at: QPointF, text: str, colour: QColor = TEXT) -> None:
    """Text with a dark rim, its baseline beginning at `at`.

    The rim is the text itself, moved: stroking outlines of glyphs took more than half of a frame.
    """
    painter.setPen(RIM)
    for dx, dy in _AROUND:
        painter.drawText(QPointF(at.x() + dx, at.y() + dy), text)
    painter.setPen(colour)
    painter.drawText(at, text)


def overlay_font(viewport: Viewport, factor: float = 1.0, bold: bool = False) -> QFont:
    """The window's font, a little larger in a large viewport."""
    font = QFont(viewport.font())
    size = min(max(viewport.height() / 62, 11.0), 17.0) * factor
    font.setPixelSize(round(size))
    font.setBold(bold)
    return font


def title_lines(stack: Stack, slab: Slab | None = None) -> list[str]:
    """What series this is, and which plane: "Axial", "Coronal · MIP 10 mm", "Oblique (axial 23°)"; no plane where the
    orientation is unknown."""
    series = stack.series
    number = f"{series.series_number}  " if series.series_number is not None else ""
    return [line for line in (f"{number}{series.description}".strip(), plane_line(stack, slab)) if line]


def plane_line(stack: Stack, slab: Slab | None = None) -> str:
    """Name of the planes on screen and the slab made of them."""
    name = _acquired_name(stack) if stack.plane is Plane.ACQUIRED else tr(PLANES[stack.plane])
    slab_name = f"{tr(slab.projection.value)} {slab.mm:g} mm" if slab is not None and stack.takes_slabs() else ""
    return " · ".join(part for part in (name, slab_name) if part)


def _acquired_name(stack: Stack) -> str:
    nearest = tilt(stack.series.geometry)
    if nearest is None or stack.colour:
        return ""
    plane, degrees = nearest
    if degrees > TILT:
        return tr("Oblique ({plane} {degrees:.0f}°)", plane=tr(plane.value), degrees=degrees)
    return tr(PLANES[plane]) + (f" {degrees:.1f}°" if degrees >= 0.5 else "")


def place_lines(stack: Stack, index: int) -> list[str]:
    """Image number of all, place along the slice axis and thickness: what the file says, nothing else."""
    if stack.plane is not Plane.ACQUIRED:
        lines = [tr("Plane {number} / {count}", number=int(stack.turned(index)) + 1, count=len(stack))]
        axis = orientation.slice_axis(stack.geometry)
        if axis is not None and stack.geometry.placed:
            lines.append(_place(axis, stack.geometry.to_patient((index, 0, 0)).tolist()))
        return lines
    info = stack.series.slices[index] if index < len(stack.series.slices) else None
    number, count = int(stack.turned(index)) + 1, len(stack)
    first = tr("Frame {number} / {count}", number=number, count=count)
    if not _frames(stack):
        first = tr("Image {number} / {count}", number=number, count=count)
    if info is not None and info.instance_number is not None and info.instance_number != number:
        first += "   " + tr("(no. {number})", number=info.instance_number)
    lines = [first]
    axis = orientation.slice_axis(stack.series.geometry)
    position = info.position if info is not None else None
    if axis is not None and position is None and stack.series.geometry.placed:
        position = tuple(stack.series.geometry.to_patient((index, 0, 0)))
    if axis is not None and position is not None:
        lines.append(_place(axis, position))
    if info is not None and info.thickness_mm:
        lines.append(tr("slice {thickness:g} mm", thickness=info.thickness_mm))
    return lines


def _place(axis: tuple[int, str], point: Sequence[float]) -> str:
    return f"{axis[1]} {point[axis[0]]:.1f} mm".replace("-", "−")


def _frames(stack: Stack) -> bool:
    # The files last: to count them takes a walk over all slices
    return len(stack) > 1 and stack.series.modality in {"US", "IVUS", "XA", "RF"} and len(stack.series.files) == 1


def probe_line(
    stack: Stack, index: int, at: tuple[float, float] | None, frame: NDArray[np.generic] | None = None
) -> str:
    """The value under the cursor: "HU −734", "value 12", "RGB 10 20 30"; "" outside the image."""
    if at is None:
        return ""
    value = stack.value(index, *at, frame)
    if value is None:
        return ""
    numbers = " ".join(f"{v:.0f}" if v == round(v) else f"{v:.2f}" for v in value).replace("-", "−")
    name = "HU" if stack.series.hounsfield else "RGB" if len(value) == 3 else tr("value")
    return f"{name} {numbers}   x {int(at[0])}  y {int(at[1])}"


def scale_bar(screen_per_mm: float, width: float) -> tuple[float, str] | None:
    """Length on screen and label of a scale bar of a round number of mm, at most a quarter of the width."""
    for millimetres in (200, 100, 50, 20, 10, 5, 2, 1):
        if millimetres * screen_per_mm <= max(width * 0.25, 40):
            return millimetres * screen_per_mm, f"{millimetres // 10} cm" if millimetres >= 10 else f"{millimetres} mm"
    return None


class CornerText:
    """Series top left, place top right, value bottom left, window and zoom bottom right."""

    kind = Kind.TEXT

    def __init__(self) -> None:
        self._probe = QRect()
        self.hints = True  # what is hidden and by which key it comes back; not in a picture
        self.head: tuple[str, ...] = ()  # lines above the others: of which of two examinations this is

    @property
    def probe_rect(self) -> QRect:
        """Where the value under the cursor was drawn last."""
        return self._probe

    def reserved(self, viewport: Viewport) -> list[QRectF]:
        metrics = QFontMetricsF(overlay_font(viewport))
        fixed = [text_rect(metrics, at, [text]) for at, text in self._lines(viewport, metrics)]
        width, height = viewport.area()
        probe = QRectF(MARGIN, height - MARGIN - metrics.height(), width * 0.48 - MARGIN, metrics.height())
        return [*fixed, probe]

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        painter.setFont(overlay_font(viewport))
        metrics = QFontMetricsF(painter.font())
        width, height = viewport.area()
        for at, text in self._lines(viewport, metrics):
            draw_text(painter, at, text)
        stack = viewport.stack
        assert stack is not None
        frame = viewport.frame_on_screen()
        probe = probe_line(stack, viewport.index, viewport.cursor_at, frame)
        probe = probe.split("   ")[0] if width < NARROW else probe
        self._probe = self._probe_place(viewport, metrics)
        for at, text in _column(metrics, [probe], width, height, left=True, top=False):
            draw_text(painter, at, text)
        if frame is None:
            loading = tr("Loading…")
            draw_text(painter, QPointF((width - metrics.horizontalAdvance(loading)) / 2, height / 2), loading)

    @staticmethod
    def _probe_place(viewport: Viewport, metrics: QFontMetricsF) -> QRect:
        width, height = viewport.area()
        top = int(height - MARGIN - 1.5 * metrics.height())
        return QRect(0, top, int(width * 0.45), int(3 * metrics.height()))

    def _lines(self, viewport: Viewport, metrics: QFontMetricsF) -> list[tuple[QPointF, str]]:
        """All but the value under the cursor, each with where its baseline begins."""
        stack, view = viewport.stack, viewport.view
        assert stack is not None
        assert view is not None
        width, height = viewport.area()
        narrow = width < NARROW
        series = stack.series
        lines = [*self.head, *title_lines(stack, view.slab)]
        if narrow:  # only what differs from the view beside it
            lines = [*self.head, plane_line(stack, view.slab)]
        placed = _column(metrics, lines, width, height, left=True, top=True)
        lines = place_lines(stack, viewport.index)[: 2 if narrow else None]
        placed += _column(metrics, lines, width, height, left=False, top=True)
        window = f"W {view.window.width:.0f}  L {view.window.centre:.0f}".replace("-", "−")
        if view.window.curve:
            window += "  LUT"
        if view.inverted != series.inverted:
            window += "  " + tr("inverted")
        zoom = f"{min(view.scale) * viewport.devicePixelRatioF() * 100:.0f} %"
        lines = [_hidden(viewport)] if self.hints and _hidden(viewport) else []
        lines += [tr("cine {rate:g}/s", rate=viewport.cine_rate)] if viewport.playing else []
        lines += [] if narrow else [window]
        lines.append(zoom if viewport.interpolate else f"{zoom}  {tr('pixels')}")
        return placed + _column(metrics, lines, width, height, left=False, top=False)


def _hidden(viewport: Viewport) -> str:
    """What of the marks is not shown, with the key that brings it back; "" for nothing."""
    if viewport.marks is OverlayMode.TEXT:
        return tr("marks hidden") + hint("marks")
    hidden = [tr("findings hidden") + hint("finding_marks")] if viewport.findings is FindingMarks.NONE else []
    hidden += [] if viewport.measures else [tr("measures hidden") + hint("measures")]
    return ", ".join(hidden)


def _column(
    metrics: QFontMetricsF, lines: list[str], width: float, height: float, *, left: bool, top: bool
) -> list[tuple[QPointF, str]]:
    """Lines in a corner, elided, each with where its baseline begins."""
    step = metrics.height() * 1.12
    baseline = MARGIN + metrics.ascent() if top else height - MARGIN - metrics.descent() - step * (len(lines) - 1)
    placed = []
    for k, line in enumerate(lines):
        text = metrics.elidedText(line, Qt.TextElideMode.ElideRight, width * 0.48 - MARGIN)
        x = MARGIN if left else width - MARGIN - metrics.horizontalAdvance(text)
        placed.append((QPointF(x, baseline + k * step), text))
    return placed


class OrientationLetters:
    """Letters at the four edges; none when the orientation is unknown."""

    kind = Kind.ALWAYS

    def reserved(self, viewport: Viewport) -> list[QRectF]:
        metrics = QFontMetricsF(overlay_font(viewport, 1.25, bold=True))
        return [text_rect(metrics, at, [text]) for at, text in self._letters(viewport, metrics)]

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        painter.setFont(overlay_font(viewport, 1.25, bold=True))
        for at, text in self._letters(viewport, QFontMetricsF(painter.font())):
            draw_text(painter, at, text, QColor(240, 220, 150))

    @staticmethod
    def _letters(viewport: Viewport, metrics: QFontMetricsF) -> list[tuple[QPointF, str]]:
        assert viewport.stack is not None
        assert viewport.view is not None
        edges = orientation.edges(viewport.stack.geometry, viewport.view.turns, viewport.view.mirrored)
        if edges is None:
            return []
        width, height = viewport.area()
        middle = height / 2 + metrics.ascent() / 2
        at = {
            "left": QPointF(MARGIN, middle),
            "right": QPointF(width - MARGIN - metrics.horizontalAdvance(edges["right"]), middle),
            "top": QPointF((width - metrics.horizontalAdvance(edges["top"])) / 2, MARGIN + metrics.ascent()),
            "bottom": QPointF((width - metrics.horizontalAdvance(edges["bottom"])) / 2, height - MARGIN),
        }
        return [(at[edge], text) for edge, text in edges.items()]


class ScaleBar:
    """A bar of round millimetres; nothing when the spacing is unknown."""

    kind = Kind.TEXT

    def reserved(self, viewport: Viewport) -> list[QRectF]:
        metrics = QFontMetricsF(overlay_font(viewport, 0.92))
        bar = self._bar(viewport, metrics)
        if bar is None:
            return []
        at, length, label = bar
        wide = length + 8 + metrics.horizontalAdvance(label)
        return [QRectF(at.x(), at.y() - metrics.ascent(), wide, 1.5 * metrics.height())]

    @staticmethod
    def _bar(viewport: Viewport, metrics: QFontMetricsF) -> tuple[QPointF, float, str] | None:
        """Its left end, its length on screen, its label."""
        stack, view = viewport.stack, viewport.view
        assert stack is not None
        assert view is not None
        if stack.pixel_mm is None:
            return None
        width, height = viewport.area()
        bar = scale_bar(view.scale[0] / stack.pixel_mm[1], width)  # as many screen units a mm along x as along y
        if bar is None:
            return None
        return QPointF((width - bar[0]) / 2, height - MARGIN - metrics.height() * 1.9), *bar

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        painter.setFont(overlay_font(viewport, 0.92))
        metrics = QFontMetricsF(painter.font())
        bar = self._bar(viewport, metrics)
        if bar is None:
            return
        at, length, label = bar
        left, y = at.x(), at.y()
        path = QPainterPath(QPointF(left, y - 5))
        path.lineTo(left, y)
        path.lineTo(left + length, y)
        path.lineTo(left + length, y - 5)
        painter.strokePath(path, QPen(HALO, 4))
        painter.strokePath(path, QPen(TEXT, 1.6))
        draw_text(painter, QPointF(left + length + 8, y + metrics.ascent() / 3), label)
