"""A view painted into a picture, as it is on screen but for what is not wanted in it. On the window's thread."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from cadviewer.gui.canvas.crosshair import Crosshair
from cadviewer.gui.canvas.overlay_text import CornerText
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.viewport import Kind, Layer, OverlayMode, Viewport
from cadviewer.gui.cases.wording import RESEARCH
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.editing import BoxEditing
from cadviewer.gui.viewing.grid.grid import Grid
from cadviewer.gui.viewing.grid.pane import Pane
from cadviewer.imaging.planes import Slab
from cadviewer.store.image_files import Picture
from cadviewer.store.reporting.phrases import date

FOOT = QColor(222, 228, 235)


@dataclass(frozen=True)
class Look:
    """What is in a picture beside the image.

    marks: findings, measures and drawings. letters: series, place, window, scale bar, sides of the patient.
    name: the patient's name and number, below the image. longest: longer side of the view in the picture in pixels; 0
        for as many as on screen.
    """

    marks: bool = True
    letters: bool = True
    name: bool = False
    longest: int = 0


class _Canvas(Viewport):
    """A viewport that is never shown. fineness: pixels of the picture for each of the view's units."""

    fineness = 1.0

    def devicePixelRatioF(self) -> float:
        return self.fineness


class Still:
    """Pictures of one view. What is on screen may change meanwhile but for the case and its marks."""

    def __init__(self, pane: Pane, look: Look, stack: Stack | None = None) -> None:
        """stack: other images of the same series, None for those on screen. There must be some on screen."""
        source = pane.viewport
        assert source.stack is not None
        assert source.view is not None
        width, height = (round(side) for side in source.area())
        self._pane, self._look, self._case = pane, look, pane.case
        self._foot = foot_lines(pane, look)
        self._canvas = canvas = _Canvas()
        canvas.fineness = look.longest / max(width, height) if look.longest else source.devicePixelRatioF()
        canvas.setFont(source.font())
        canvas.setMinimumSize(1, 1)
        canvas.resize(width, height)
        canvas.findings, canvas.measures, canvas.interpolate = source.findings, source.measures, source.interpolate
        canvas.layers = [layer for layer in map(self._own, source.layers) if layer is not None]
        other = stack is not None and stack.plane is not source.stack.plane
        view = source.view
        canvas.show_stack(stack or source.stack, view.window, source.index, None if other else view.slab)
        canvas.file_window, canvas.home = source.file_window, source.home
        assert canvas.view is not None
        canvas.view = replace(canvas.view, window=view.window, inverted=view.inverted) if other else view

    def _own(self, layer: Layer) -> Layer | None:
        """A layer as it is in a picture: without what is of the mouse and the keys."""
        unwanted = {Kind.MARK, Kind.MEASURE} if not self._look.marks else set()
        unwanted |= {Kind.TEXT, Kind.ALWAYS} if not self._look.letters else set()
        if layer.kind in unwanted or isinstance(layer, BoxEditing | Crosshair):
            return None
        if isinstance(layer, CornerText):
            corners = CornerText()
            corners.hints, corners.head = False, layer.head
            return corners
        return layer

    @property
    def stack(self) -> Stack:
        """What the pictures are of."""
        assert self._canvas.stack is not None
        return self._canvas.stack

    @property
    def replaced(self) -> bool:
        """Whether another case is in the view by now, whose marks the layers have."""
        return self._pane.case is not self._case

    @property
    def slab(self) -> Slab | None:
        """Of how thick a slab they are."""
        return self._canvas.view.slab if self._canvas.view is not None else None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of a picture without its foot."""
        width, height = self._canvas.area()
        return round(width * self._canvas.fineness), round(height * self._canvas.fineness)

    def hold(self, index: int, frame: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
        """The values of an image that were made elsewhere, to be painted next."""
        self._canvas.renderer.hold(index, self.slab, frame)

    def image(self, index: int | None = None) -> QImage:
        """The picture of an image, None for the one on screen."""
        return with_foot(self.view(index), self._foot)

    def view(self, index: int | None = None) -> QImage:
        """The same without what stands below it."""
        canvas = self._canvas
        canvas.marks = OverlayMode.ALL
        if index is not None:
            canvas.go_to(index)
        image = QImage(*self.size, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(canvas.fineness)
        painter = QPainter(image)
        canvas.paint_all(painter, QRectF(0, 0, *canvas.area()))
        painter.end()
        return image


def of_layout(grid: Grid, look: Look) -> QImage:
    """All views of the layout as they lie on screen; of a view that is alone, that one."""
    panes = [pane for pane in grid.shown if not pane.isHidden() and pane.viewport.stack is not None]
    inner = replace(look, name=False, longest=0)
    fineness = look.longest / max(grid.width(), grid.height()) if look.longest else grid.devicePixelRatioF()
    whole = QImage(round(grid.width() * fineness), round(grid.height() * fineness), QImage.Format.Format_RGB32)
    whole.setDevicePixelRatio(fineness)
    whole.fill(Qt.GlobalColor.black)
    painter = QPainter(whole)
    for pane in panes:
        viewport = pane.viewport
        sized = replace(inner, longest=round(max(viewport.area()) * fineness))
        painter.drawImage(viewport.mapTo(grid, viewport.rect().topLeft()), Still(pane, sized).view())
    painter.end()
    lines = dict.fromkeys(line for pane in panes for line in foot_lines(pane, look))
    return with_foot(whole, list(lines))


def foot_lines(pane: Pane, look: Look) -> list[str]:
    """What stands below a picture: whose it is, where that is wanted; what found the marks, and what for."""
    case, lines = pane.case, []
    if case is None:
        return []
    if look.name:
        patient = case.series.patient
        known = (patient.name, patient.patient_id, date(case.series.study_date))
        lines.append("   ".join(part for part in known if part) or tr("The file names no patient."))
    if look.marks and case.result is not None and not case.concealed:
        made = case.result.provenance
        lines.append(f"{tr(RESEARCH)}   {made.model} {made.model_version}")
    return lines


def with_foot(image: QImage, lines: list[str]) -> QImage:
    """The image with lines of text below it, elided where they are too long."""
    if not lines:
        return image
    fineness = image.devicePixelRatio()
    font = QFont()
    font.setPixelSize(max(11, min(17, round(image.height() / fineness / 62))))
    step = font.pixelSize() * 1.45
    height = round((step * len(lines) + 8) * fineness)
    made = QImage(image.width(), image.height() + height, QImage.Format.Format_RGB32)
    made.setDevicePixelRatio(fineness)
    made.fill(Qt.GlobalColor.black)
    painter = QPainter(made)
    painter.drawImage(0, 0, image)
    painter.setFont(font)
    painter.setPen(FOOT)
    top, width = image.height() / fineness, image.width() / fineness
    for number, line in enumerate(lines):
        text = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, round(width - 24))
        painter.drawText(QRectF(12, top + 4 + step * number, width - 24, step), Qt.AlignmentFlag.AlignVCenter, text)
    painter.end()
    return made


def as_array(image: QImage) -> Picture:
    """(rows, columns, 3) RGB, a copy."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).copy()


def title(pane: Pane) -> str:
    """What a picture is of: the study's date, number and description of the series. No patient's name."""
    if pane.case is None:
        return ""
    series = pane.case.series
    number = "" if series.series_number is None else str(series.series_number)
    return "   ".join(part for part in (date(series.study_date), number, series.description) if part)


def key_images(pane: Pane, look: Look) -> tuple[Still, list[int]] | None:
    """The view as it is and the images of the series that the reader marked; None where there are none."""
    case = pane.case
    if case is None or case.stack is None or not case.key_images or pane.viewport.stack is None:
        return None
    return Still(pane, look, case.stack), sorted(case.key_images)
