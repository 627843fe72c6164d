"""What the middle of the window says while nothing is open, and at the first start what this program is."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cadviewer.gui.cases.wording import RESEARCH
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.shortcuts import hint

WIDTH = 620
"""Of the page at the first start, in pixels: lines that are easily read."""


class Welcome(QWidget):
    """Signals: clicked(): anywhere but on a button. asked(str): the name of an action."""

    clicked = Signal()
    asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._drop = _lines()
        self._about = _lines()
        self._about.setMaximumWidth(WIDTH)
        self._buttons = QWidget()
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 6, 0, 18)
        row.addStretch(1)
        self.buttons = {
            "open_files": self._button("open_files", tr("Open files")),
            "open_folder": self._button("open_folder", tr("Open a folder")),
            "open_demo": self._button("open_demo", tr("Open the demo study")),
        }
        for button in self.buttons.values():
            row.addWidget(button)
        row.addStretch(1)
        middle = QHBoxLayout()  # as wide as `WIDTH` where there is room
        middle.addStretch(1)
        middle.addWidget(self._about, 100)
        middle.addStretch(1)
        column = QVBoxLayout(self)
        column.addStretch(1)
        column.addWidget(self._drop)
        column.addWidget(self._buttons)
        column.addLayout(middle)
        column.addStretch(1)

    def _button(self, name: str, text: str) -> QPushButton:
        button = QPushButton(text)
        button.setProperty("action", name)  # the window keeps its key in the tool tip
        button.clicked.connect(lambda: self.asked.emit(name))
        return button

    def say(self, *, first: bool) -> None:
        """Say it with the keys and colours as they are now. first: nothing was opened before."""
        files, folder = hint("open_files"), hint("open_folder")
        opening = tr("or open a file{files} or a folder{folder}", files=files, folder=folder)
        kinds = tr("Chest CT and breast ultrasound: DICOM, NIfTI, MetaImage, NRRD, PNG, TIFF")
        dim = style.colour("dim").name()
        self._drop.setText(
            f"<p style='font-size:20px'>{tr('Drop a study here')}</p><p>{escape(opening)}</p>"
            f"<p style='color:{dim}'>{kinds}</p>"
        )
        self._buttons.setVisible(first)
        self._about.setVisible(first)
        if first:
            self._about.setText(_about())

    def text(self) -> str:
        """What it says now, as rich text."""
        return self._drop.text() + (self._about.text() if not self._about.isHidden() else "")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()


def _about() -> str:
    what = tr(
        "This program shows chest CT with the marks of a detector of lung nodules, and breast ultrasound with the "
        "outline of a tumour and a malignancy score. The models run on this computer: no image leaves it."
    )
    what_not = tr(
        "It is not a medical device. The models miss disease and mark what is none; where nothing is marked, there may "
        "be something all the same."
    )
    demo = tr("The demo study is made and of no patient; what is in it is known.")
    return (
        f"<p>{escape(what)}</p><p>{escape(what_not)}</p>"
        f"<p style='color:{style.colour('warning').name()}'><b>{escape(tr(RESEARCH))}</b></p>"
        f"<p style='color:{style.colour('dim').name()}'>{escape(demo)}</p>"
    )


def _lines() -> QLabel:
    label = QLabel()
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(True)
    label.setContentsMargins(24, 0, 24, 0)
    return label
