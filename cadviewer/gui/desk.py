"""The middle of the window: notices, the viewport, the strip of images. It shows a case; it decides nothing."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from cadviewer.gui.breast.mask import MaskOutline
from cadviewer.gui.case import Case
from cadviewer.gui.ct.boxes import LOOKS, Boxes
from cadviewer.gui.image.lettering import CornerText, OrientationLetters, ScaleBar
from cadviewer.gui.image.rulers import Rulers
from cadviewer.gui.image.strip import Stretch, Strip
from cadviewer.gui.image.viewport import Viewport
from cadviewer.gui.notice import Notice, Notices
from cadviewer.imaging.series import Shape
from cadviewer.imaging.windowing import default_window
from cadviewer.store.session import Answer


class _Welcome(QLabel):
    """What an empty viewport says. Signal: clicked()."""

    clicked = Signal()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()


class Desk(QWidget):
    """Signals: finding_clicked(number); length_drawn(before | None, after); index_changed(slice)."""

    finding_clicked = Signal(int)
    length_drawn = Signal(object, object)
    index_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.case: Case | None = None
        self.notices = Notices()
        self.viewport = Viewport()
        self.strip = Strip()
        self.boxes = Boxes()
        self.outline = MaskOutline()
        self.rulers = Rulers(self)
        self.corners = CornerText()
        self.viewport.layers = [self.outline, self.boxes, self.rulers, ScaleBar(), self.corners, OrientationLetters()]
        self.viewport.mouse.grips = self.rulers
        self.viewport.index_changed.connect(self._moved)
        self.viewport.hovered.connect(lambda: self.viewport.update(self.corners.probe_rect))
        self.viewport.clicked.connect(self._clicked)
        self.rulers.changed.connect(self.length_drawn)
        self.strip.asked.connect(self.viewport.go_to)
        self.welcome = _Welcome(
            "<p style='font-size:20px'>Drop a study here</p>"
            "<p>or open a file (Ctrl+O) or a folder (Ctrl+Shift+O)</p>"
            "<p style='color:#7d8895'>Chest CT and breast ultrasound: DICOM, NIfTI, MetaImage, NRRD, PNG, TIFF</p>"
        )
        self.welcome.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.welcome.setWordWrap(True)
        self._arrange()

    def _arrange(self) -> None:
        frame = QFrame()
        row = QHBoxLayout(frame)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.viewport, 1)
        row.addWidget(self.strip)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(frame)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.notices)
        column.addWidget(self.pages, 1)
        self.strip.hide()

    def show_case(self, case: Case | None) -> None:
        """Put another case on screen, where the reader left it."""
        self._leave()
        self.case = self.boxes.case = self.outline.case = case
        self.notices.hush("volume", "input", "task", "lungs")
        if case is None or case.stack is None:
            self.viewport.show_stack(None)
            self.strip.show_stack(None)
            self.pages.setCurrentIndex(0)
            return
        self.pages.setCurrentIndex(1)
        self.rulers.drop_drafts()
        self.rulers.show(case.lengths)
        first = len(case.stack) // 2 if case.index is None else case.index
        window = default_window(case.series, case.stack.frame(first))
        self.viewport.show_stack(case.stack, window, first)
        if case.view is not None:
            self.viewport.restore(case.view, case.index or 0)
        self.strip.show_stack(case.stack)
        self.strip.show_index(self.viewport.index)
        self._say_what_is_wrong(case)
        self.refresh()

    def _leave(self) -> None:
        if self.case is not None and self.viewport.stack is not None and self.viewport.stack is self.case.stack:
            self.case.view, self.case.index = self.viewport.view, self.viewport.index

    def _say_what_is_wrong(self, case: Case) -> None:
        series = case.series
        if series.shape is Shape.STACK and series.not_volume:
            self.notices.say(Notice("volume", f"Not a volume: {series.not_volume}. Shown as a stack of images."))
        if series.warnings:
            self.notices.say(Notice("input", "  ".join(series.warnings)))

    def say_again(self) -> None:
        """The pixels are all there: the reader of the file may know more now."""
        if self.case is not None:
            self._say_what_is_wrong(self.case)

    def pixels_arrived(self) -> None:
        self.viewport.pixels_arrived()
        self.strip.update()

    def refresh(self) -> None:
        """The findings or the decisions of the case are others."""
        if self.case is None:
            return
        self.strip.show_findings(
            [
                Stretch(
                    n.slice_first,
                    n.slice_last,
                    n.box.slice,
                    LOOKS[self.case.answer(n)][0],
                    selected=n.number == self.case.selected,
                    hollow=self.case.answer(n) is Answer.REJECTED,
                )
                for n in reversed(self.case.findings())
            ]
        )
        self.viewport.update()

    def show_kept(self) -> None:
        """The journal has something new."""
        if self.case is not None:
            self.rulers.show(self.case.lengths)
            self.refresh()

    def go_to_finding(self, number: int) -> None:
        """Show the best image of a finding, with it in sight."""
        nodule = self.case.finding(number) if self.case is not None else None
        if nodule is not None:
            self.viewport.stop_cine()
            self.viewport.go_to(nodule.box.slice)
            self.viewport.centre_on(*nodule.box.centre)
            self.viewport.update()

    def _moved(self, index: int) -> None:
        self.strip.show_index(index)
        self.index_changed.emit(index)

    def _clicked(self, at: QPointF) -> None:
        number = self.boxes.at(self.viewport, at)
        if number is not None:
            self.finding_clicked.emit(number)
