"""The status line: the job, how far it is, how long it will take, how to end it, and on what it runs."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.elided_label import ElidedLabel
from cadviewer.gui.widgets.shortcuts import hint

MESSAGE_MS = 6000


def duration(seconds: float) -> str:
    """ "8 s left", "3 min left"."""
    return (
        tr("{time} s left", time=max(round(seconds), 1))
        if seconds < 90
        else tr("{time} min left", time=round(seconds / 60))
    )


class StatusLine(QFrame):
    """Signal: cancel_asked()."""

    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusline")
        self.text = ElidedLabel("")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(170)
        self.left = QLabel()
        self.left.setObjectName("dim")
        self.cancel = QToolButton()
        self.cancel.setIcon(style.icon("cancel"))
        self.cancel.setToolTip(tr("Cancel") + hint("escape"))
        self.cancel.setAccessibleName(tr("Cancel"))
        self.cancel.setProperty("action", "escape")
        self.cancel.clicked.connect(self.cancel_asked)
        self.device = ElidedLabel(tr("Engine not started"))
        self.device.setObjectName("dim")
        self.device.setAlignment(Qt.AlignmentFlag.AlignRight)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 3, 12, 3)
        row.setSpacing(10)
        for widget, stretch in ((self.text, 3), (self.progress, 0), (self.left, 0), (self.cancel, 0), (self.device, 2)):
            row.addWidget(widget, stretch)
        self.setFixedHeight(34)
        self._opening: tuple[str, int, int] = ("", 0, 0)
        self._case: Case | None = None
        self._message = ""
        self._forget = QTimer(self, singleShot=True, interval=MESSAGE_MS)
        self._forget.timeout.connect(lambda: self.say(""))
        self._show()

    def show_opening(self, text: str, done: int, total: int) -> None:
        """Something is being looked for or read; "" when no longer."""
        self._opening = (text, done, total)
        self._show()

    def show_case(self, case: Case | None) -> None:
        """The open case, whose job is shown."""
        self._case = case
        self._show()

    def show_device(self, device: str, why: str) -> None:
        """What the engine computes on, and why."""
        name = "GPU" if device.startswith("cuda") else device.upper()
        why = translate(why)
        self.device.set_text(f"{name} – {why}" if why else name)

    def say(self, text: str) -> None:
        """A passing remark."""
        self._message = text
        if text:
            self._forget.start()
        self._show()

    def _show(self) -> None:
        text, done, total = self._opening
        left, working, note = None, bool(text), ""
        if not working and self._case is not None and self._case.running:
            case = self._case
            working, done, total, left = True, case.done, case.total, case.seconds_left
            text = tr("Analysing with {model}", model=case.model) if case.started else tr("Starting the model")
            note = case.notes[-1] if case.notes else ""
        self.progress.setVisible(working)
        self.cancel.setVisible(working)
        self.progress.setRange(0, total)  # 0…0: going to and fro while nothing is known
        self.progress.setValue(done)
        self.left.setText(duration(left) if left is not None else "")
        self.left.setVisible(left is not None)
        count = f" {done} / {total}" if working and total else ""
        line = "  ·  ".join(part for part in (text + count, note, self._message) if part)
        self.text.set_text(line or tr("Ready"))
