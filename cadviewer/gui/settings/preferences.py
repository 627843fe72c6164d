"""Settings as the window uses them: at hand at once, saved on a thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from cadviewer import paths
from cadviewer.background import Background
from cadviewer.settings import FILE, Settings, SettingsError, SettingsFile

if TYPE_CHECKING:
    from cadviewer.imaging.series import Window


class Preferences(QObject):
    """Signals: changed(before, after): `Settings`; failed(text): they could not be saved."""

    changed = Signal(object, object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file = SettingsFile(paths.user_config() / FILE)
        self._thread = Background("settings", self.failed.emit)
        loaded = self._file.load()
        self.now: Settings = loaded.settings
        self.at_start = loaded.settings
        self.problems = loaded.problems

    @property
    def presets(self) -> dict[int, Window]:
        """Window presets by number, the first nine with keys: the user's own, else the usual ones."""
        from cadviewer.imaging import windowing  # with NumPy: the settings are read before the first window is there
        from cadviewer.imaging.series import Window

        numbered = dict(enumerate(windowing.PRESETS, start=1))
        for number, own in self.now.presets:
            if own is None:
                numbered.pop(number, None)
            else:
                numbered[number] = Window(own.centre, own.width, own.name)
        return dict(sorted(numbered.items()))

    def change(self, **changes: Any) -> None:
        """Set fields of `Settings`. Raises ValueError for a value that is not allowed; nothing is changed then."""
        before, self.now = self.now, replace(self.now, **changes)
        self._thread.do(self._save, lambda: self._file.change(**changes))
        if before != self.now:
            self.changed.emit(before, self.now)

    def add_recent(self, path: str) -> None:
        self.now = self.now.with_recent(path)
        self._thread.do(self._save, lambda: self._file.add_recent(path))

    def close(self) -> None:
        self._thread.close()

    def _save(self, step: Any) -> None:
        try:
            step()
        except SettingsError as error:
            self.failed.emit(str(error))
