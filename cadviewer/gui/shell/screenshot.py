"""A picture of the real window: opened, loaded, analysed, saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QElapsedTimer, QObject, QSize, QTimer
from PySide6.QtGui import QPixmap

from cadviewer import atomic
from cadviewer.gui.cases.case import Status
from cadviewer.gui.cases.opener import OpenReport
from cadviewer.gui.shell.main_window import MainWindow

SIZE = QSize(1366, 768)
PATIENCE_S = 900
"""Seconds after which a window that is not ready is taken as it is, and said to be."""


class Screenshot(QObject):
    """Waits until the window has nothing more to do, saves it, and hands (exit status, message) to `done`."""

    def __init__(
        self, window: MainWindow, out: Path, size: QSize | None, opening: bool, done: Callable[[int, str], None]
    ) -> None:
        """opening: whether paths were given: their loading and analysis is waited for. size: None for `SIZE`."""
        super().__init__(window)
        self._window, self._out, self._done, self._opening = window, out, done, opening
        self._report: OpenReport | None = None
        self._calm = 0
        self._clock = QElapsedTimer()
        self._clock.start()
        window.setMinimumSize(1, 1)
        window.resize(size or SIZE)  # the screen of the offscreen platform is smaller, and does not matter
        window.opener.reported.connect(self._reported)
        self._timer = QTimer(self, interval=30)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _reported(self, report: OpenReport) -> None:
        self._report = report

    def _look(self) -> None:
        if self._clock.hasExpired(PATIENCE_S * 1000):
            self._save(1, f"the analysis did not end within {PATIENCE_S} s")
        elif not self._busy():
            if self._calm == 0:
                self._to_best_finding()
            self._calm += 1
            if self._calm > 6:  # thumbnails and layouts that were still on their way
                self._save(*self._verdict())
        else:
            self._calm = 0

    def _busy(self) -> bool:
        window = self._window
        if not self._opening:
            return False
        case = window.cases.current
        if self._report is None or window.opener.reading:
            return True
        if not window.workspace.grid.sharp:
            return True
        return case is not None and (case.running or case.stack is None or not case.stack.complete)

    def _to_best_finding(self) -> None:
        case = self._window.cases.current
        if case is not None and case.findings() and case.selected is None:
            self._window.review_controller.choose(case.findings()[0].number)

    def _verdict(self) -> tuple[int, str]:
        """Exit status and what to say: a path that could not be shown is a failure."""
        case = self._window.cases.current
        if not self._opening:
            return 0, ""
        if case is None:
            return 1, "; ".join(self._window.workspace.notifications.texts()) or "nothing could be opened"
        if case.status is Status.FAILED:
            return 0, f"shown, but not analysed: {case.reason}"
        return 0, ""

    def _save(self, status: int, message: str) -> None:
        self._timer.stop()
        if why := _write(self._window.grab(), self._out):
            status, message = 1, f"the picture could not be written to {self._out}: {why}"
        self._done(status, message)


def _write(picture: QPixmap, out: Path) -> str:
    """Why the picture could not be written; "" when it was."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    if not picture.save(buffer, out.suffix[1:]):
        return f"no kind of picture ends in {out.suffix!r}; .png does"
    try:
        atomic.write_bytes(out, bytes(content.data()))
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
