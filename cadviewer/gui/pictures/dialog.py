"""The dialog that saves, copies and prints pictures.

What a user does: says what (the view, all views, the series, the key images), as which kind of file and with what in
it, sees a small one of it, and saves, copies or prints it. A series is written while the bar moves, and can be stopped.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QImage, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cadviewer.gui.i18n.language import count, tr
from cadviewer.gui.pictures import printing, still
from cadviewer.gui.pictures.series import SeriesWriting
from cadviewer.gui.pictures.still import Look, Still, as_array
from cadviewer.gui.review.saving import proposed
from cadviewer.gui.viewing.grid.grid import Grid
from cadviewer.gui.viewing.grid.pane import Pane
from cadviewer.store import image_files

PREVIEW = 300
"""Longest side of the small picture."""


class What(Enum):
    """What pictures are made of; in English."""

    VIEW = "This view"
    LAYOUT = "All views of the layout"
    SERIES = "All images of this view"
    KEYS = "The key images"


@dataclass(frozen=True)
class Kind:
    """A kind of file. text: in English. suffix: "" for a folder. film: whether it has a rate."""

    text: str
    suffix: str
    film: bool = False


PNG, JPEG = Kind("PNG", ".png"), Kind("JPEG", ".jpg")
FOLDER = Kind("Folder of PNGs", "")
FILM, GIF = Kind("MP4 film", ".mp4", True), Kind("GIF", ".gif", True)
KINDS = {
    What.VIEW: (PNG, JPEG),
    What.LAYOUT: (PNG, JPEG),
    What.SERIES: (FOLDER, FILM, GIF),
    What.KEYS: (FOLDER, PNG, JPEG),
}
SHEET = 6144
"""Pixels that a sheet of key images is wide at most: it is painted and coded in the window's thread."""
SIZES = {0: "As on screen", 1024: "1024 pixels", 2048: "2048 pixels"}


class PicturesDialog(QDialog):
    """One at a time, and modal: the marks in a series are those of the case on screen.

    Signal: said(text): a line for the status bar.
    """

    said = Signal(str)

    def __init__(self, grid: Grid, folder: str, parent: QWidget | None = None) -> None:
        """grid: its active view has images. folder: where files are proposed."""
        super().__init__(parent)
        self.setWindowTitle(tr("Save pictures"))
        self.setModal(True)
        self._grid, self._pane, self._folder = grid, grid.active, folder
        self._writing: SeriesWriting | None = None
        self._build()
        self._fill_kinds()

    # --- layout -------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.what, self.kind, self.longest = QComboBox(), QComboBox(), QComboBox()
        for what in self._possible():
            self.what.addItem(tr(what.value), what)
        for longest, text in SIZES.items():
            self.longest.addItem(tr(text), longest)
        self.rate = QDoubleSpinBox(minimum=1, maximum=60, decimals=0)
        self.rate.setValue(self._pane.viewport.cine_rate)
        self.rate.setSuffix(" / s")
        self.marks = QCheckBox(tr("Findings and measures"))
        self.letters = QCheckBox(tr("Series, place, window, scale, sides"))
        self.name = QCheckBox(tr("Name and number of the patient"))
        self.marks.setChecked(True)
        self.letters.setChecked(True)
        self.form = QWidget()
        self.rows = form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(tr("What"), self.what)
        form.addRow(tr("As"), self.kind)
        form.addRow(tr("Size"), self.longest)
        form.addRow(tr("Images a second"), self.rate)
        form.addRow(tr("With"), self.marks)
        form.addRow("", self.letters)
        form.addRow("", self.name)
        self.shown = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self.shown.setFixedSize(PREVIEW, PREVIEW)
        self.shown.setAccessibleName(tr("Preview"))
        self.bar = QProgressBar()
        self.status = QLabel(wordWrap=True)
        beside = QHBoxLayout()
        beside.addWidget(self.form, 1)
        beside.addWidget(self.shown)
        column = QVBoxLayout(self)
        column.addLayout(beside)
        column.addWidget(self.bar)
        column.addWidget(self.status)
        column.addLayout(self._buttons())
        self.what.currentIndexChanged.connect(self._fill_kinds)
        self.kind.currentIndexChanged.connect(self._show)
        self.longest.currentIndexChanged.connect(self._show)
        for box in (self.marks, self.letters, self.name):
            box.toggled.connect(self._show)

    def _buttons(self) -> QHBoxLayout:
        self.save_button, self.copy_button = QPushButton(tr("Save…")), QPushButton(tr("Copy"))
        self.print_button, self.close_button = QPushButton(tr("Print…")), QPushButton(tr("Close"))
        self.save_button.setDefault(True)
        self.save_button.clicked.connect(self._ask)
        self.copy_button.clicked.connect(self.copy)
        self.print_button.clicked.connect(self.print)
        self.close_button.clicked.connect(self._close_or_stop)
        row = QHBoxLayout()
        for button in (self.save_button, self.copy_button, self.print_button):
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.close_button)
        return row

    def _possible(self) -> list[What]:
        """What there are pictures of; a view has all its images once they are read."""
        stack, first = self._pane.viewport.stack, self._grid.panes[0]
        found = [What.VIEW]
        if len(self._grid.shown) > 1:
            found.append(What.LAYOUT)
        if stack is not None and len(stack) > 1 and stack.complete:
            found.append(What.SERIES)
        if first.case is not None and first.case.key_images:
            found.append(What.KEYS)
        return found

    def _fill_kinds(self) -> None:
        self.kind.blockSignals(True)
        self.kind.clear()
        for kind in KINDS[self._what]:
            self.kind.addItem(tr(kind.text), kind)
        self.kind.blockSignals(False)
        self._show()

    @property
    def _what(self) -> What:
        found = self.what.currentData()
        assert isinstance(found, What)
        return found

    @property
    def _kind(self) -> Kind:
        found = self.kind.currentData()
        assert isinstance(found, Kind)
        return found

    @property
    def _look(self) -> Look:
        longest = int(self.longest.currentData())
        return Look(self.marks.isChecked(), self.letters.isChecked(), self.name.isChecked(), longest)

    def _show(self) -> None:
        """What is chosen, small, and what can be done with it."""
        busy = self._writing is not None
        self.form.setEnabled(not busy)
        self.rows.setRowVisible(self.rate, self._kind.film)
        self.bar.setVisible(busy)
        self.save_button.setEnabled(not busy)
        for button in (self.copy_button, self.print_button):
            button.setEnabled(not busy and self._what is not What.SERIES)
        self.close_button.setText(tr("Stop") if busy else tr("Close"))
        if not busy:
            image = self._first()
            size = self.shown.size() * self.shown.devicePixelRatioF()
            kept, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            small = QPixmap.fromImage(image).scaled(size, kept, smooth)
            small.setDevicePixelRatio(self.shown.devicePixelRatioF())
            self.shown.setPixmap(small)

    # --- the pictures -------------------------------------------------------------------------------------------------
    @property
    def _source(self) -> Pane:
        """The view that the pictures are of: key images are those of the case that is read, whatever view is active."""
        return self._grid.panes[0] if self._what is What.KEYS else self._pane

    def _first(self) -> QImage:
        """The picture, or the first of them."""
        if self._what is What.LAYOUT:
            return still.of_layout(self._grid, self._look)
        made, indices = self._stills(self._look)
        return made.image(indices[0] if self._what is What.KEYS else None)

    def _stills(self, look: Look) -> tuple[Still, list[int]]:
        """What is wanted as pictures: a view, and the images of it in their order."""
        if self._what is What.KEYS and (found := still.key_images(self._grid.panes[0], look)) is not None:
            return found
        made = Still(self._pane, look)
        if self._what is What.SERIES:
            return made, [int(made.stack.turned(place)) for place in range(len(made.stack))]
        return made, [self._pane.viewport.index]

    def images(self, look: Look | None = None) -> list[QImage]:
        """The pictures of all but a series, which would not fit into memory. look: None for what the form says."""
        look = look or self._look
        if self._what is What.LAYOUT:
            return [still.of_layout(self._grid, look)]
        made, indices = self._stills(look)
        return [made.image(index) for index in indices]

    def _sheet(self) -> QImage:
        """One picture: that of the view, or all key images on one sheet."""
        look = self._look
        if self._what is What.KEYS:
            made, indices = self._stills(look)
            most = SHEET // _columns(len(indices))
            if max(made.size) > most:
                look = replace(look, longest=most)
        images = self.images(look)
        if len(images) == 1:
            return images[0]
        columns = _columns(len(images))
        sheet = image_files.sheet([as_array(image) for image in images], columns)
        rows, width = sheet.shape[:2]
        return QImage(sheet.tobytes(), width, rows, 3 * width, QImage.Format.Format_RGB888).copy()

    def copy(self) -> None:
        """Into the clipboard."""
        image = self._sheet()
        QGuiApplication.clipboard().setImage(image)
        self.status.setText(tr("Copied: {width} × {height} pixels", width=image.width(), height=image.height()))

    def print(self) -> None:
        """With a preview."""
        look = self._look
        look = replace(look, longest=max(look.longest, printing.LONGEST))
        printing.Preview(self.images(look), still.title(self._source), self).open()

    # --- saving -------------------------------------------------------------------------------------------------------
    def _ask(self) -> None:
        """Where to; the name proposed is of the study, no patient's."""
        case, suffix = self._source.case, self._kind.suffix
        base = proposed(case.series) if case is not None else "picture"
        dialog = QFileDialog(self, tr("Save pictures"), self._folder)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        if suffix:
            dialog.setNameFilter(f"{tr(self._kind.text)} (*{suffix})")
            dialog.setDefaultSuffix(suffix[1:])
        else:
            dialog.setLabelText(QFileDialog.DialogLabel.FileName, tr("New folder"))
        dialog.selectFile(base + suffix)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.save(Path(name)))
        dialog.open()

    def save(self, path: Path) -> None:
        """Write what is chosen there; of a folder that is there already, beside it with a number."""
        if not self._kind.suffix:
            self._write_many(_free_folder(path))
            return
        if path.suffix.lower() != self._kind.suffix:
            path = path.with_name(path.name + self._kind.suffix)
        if self._kind.film:
            self._write_many(path)
            return
        try:
            image_files.write(path, as_array(self._sheet()))
        except OSError as error:
            self._failed(error.strerror or tr("disk error"))
        else:
            self._finished(str(path))

    def _write_many(self, path: Path) -> None:
        made, indices = self._stills(self._look)
        self._writing = writing = SeriesWriting(made, indices, path, self.rate.value(), self)
        self.bar.setRange(0, len(indices))
        self.bar.setValue(0)
        self.status.setText(count(len(indices), "{n} image is written…", "{n} images are written…"))
        writing.progressed.connect(self.bar.setValue)
        writing.finished.connect(self._finished)
        writing.failed.connect(self._failed)
        writing.cancelled.connect(lambda: self._over(tr("Stopped; nothing was saved.")))
        writing.start()
        self._show()

    def _finished(self, path: str) -> None:
        self._over(tr("Saved: {path}", path=path))
        self.said.emit(tr("Saved: {path}", path=path))

    def _failed(self, reason: str) -> None:
        self._over(tr("Not saved: {reason}", reason=reason))

    def _over(self, text: str) -> None:
        if self._writing is not None:
            self._writing.close()  # its thread may still be in the signal that told of the end
            self._writing.deleteLater()
        self._writing = None
        self.status.setText(text)
        self._show()

    def _close_or_stop(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
        else:
            self.accept()

    def reject(self) -> None:
        """Esc: stop what is written, else close."""
        self._close_or_stop()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._writing is not None:
            self._writing.close()
        super().closeEvent(event)


def _columns(number: int) -> int:
    """Of so many pictures on one sheet."""
    return min(3, number) if number <= 9 else math.ceil(math.sqrt(number))


def _free_folder(path: Path) -> Path:
    """The path, or with a number behind its whole name where there is something already."""
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found
