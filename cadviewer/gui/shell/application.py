"""The application as Qt knows it: macOS hands it the files of a double click as events, at any time of its life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

Opens = Callable[[Sequence[Path]], object]


class Application(QApplication):
    """`opens` is given the files that the system wants opened, those of before it was set as well.

    Other systems name them on the command line and send no such event.
    """

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._waiting: list[Path] = []
        self._opens: Opens | None = None

    def open_with(self, opens: Opens) -> None:
        """From now on."""
        self._opens = opens
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            opens(waiting)

    def event(self, event: QEvent) -> bool:
        if not isinstance(event, QFileOpenEvent) or not event.file():
            return super().event(event)
        path = Path(event.file())
        if self._opens is None:
            self._waiting.append(path)
        else:
            self._opens([path])
        return True
