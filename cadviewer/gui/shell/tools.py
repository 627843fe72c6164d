"""The dialogs that stay open beside the reading: annotate a folder, train a model, settings. Made when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog, QWidget

from cadviewer.gui.engine.bridge import Bridge, EngineLike
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.preferences import Preferences

if TYPE_CHECKING:
    from cadviewer.gui.batch.dialog import BatchDialog
    from cadviewer.gui.batch.results_dialog import ResultsDialog
    from cadviewer.gui.settings.dialog import SettingsDialog
    from cadviewer.gui.training.dialog import TrainerDialog


class Tools(QObject):
    """Signals: open_case(Path): a case of a batch is wanted on screen. open_finding(Row): of a
    finished run. said(text): a line for the status bar."""

    open_case = Signal(Path)
    open_finding = Signal(object)
    said = Signal(str)

    def __init__(self, window: QWidget, engine: EngineLike, bridge: Bridge, preferences: Preferences) -> None:
        super().__init__(window)
        self._window, self._engine, self._bridge, self._preferences = window, engine, bridge, preferences
        self.batch: BatchDialog | None = None
        self.finished: ResultsDialog | None = None
        self.trainer: TrainerDialog | None = None
        self.settings: SettingsDialog | None = None

    def open_batch(self) -> None:
        """Show the batch dialog; a run under way goes on in it."""
        from cadviewer.gui.batch.dialog import BatchDialog

        if self.batch is None:
            self.batch = BatchDialog(
                lambda listener: self._bridge.switchboard.lend(self._engine, listener),
                self._window,
                preferences=self._preferences,
            )
            self.batch.open_case.connect(self.open_case)
            self.batch.open_results.connect(self.show_results)
        _raise(self.batch)

    def open_results(self) -> None:
        """Show the findings of a finished run; its folder is asked for where none is shown yet."""
        dialog = self._results()
        _raise(dialog)
        if dialog.folder is None:
            dialog.choose()

    def show_results(self, folder: Path) -> None:
        """Show the findings of the run in a folder."""
        dialog = self._results()
        dialog.read(folder)
        _raise(dialog)

    def _results(self) -> ResultsDialog:
        from cadviewer.gui.batch.results_dialog import ResultsDialog

        if self.finished is None:
            self.finished = ResultsDialog(self._window)
            self.finished.open_finding.connect(self.open_finding)
        return self.finished

    def open_trainer(self) -> None:
        """Show the trainer dialog; it finds a run that is under way by itself."""
        from cadviewer.gui.training.dialog import TrainerDialog

        if self.trainer is None:
            self.trainer = TrainerDialog(self._window)
            self.trainer.weights_installed.connect(
                lambda name: self.said.emit(tr("New model “{name}”: choose it under Analyse → With model", name=name))
            )
            self.trainer.usual_wanted.connect(self._use_model)
        _raise(self.trainer)

    def _use_model(self, name: str) -> None:
        """A model is wanted from now on wherever none is named."""
        from cadviewer.gui.settings import models_dialog
        from cadviewer.models import catalogue

        models_dialog.use(self._preferences, catalogue.card(name))
        self.said.emit(tr("“{name}” is used from now on.", name=name))

    def open_settings(self) -> None:
        """Show the settings as they are now; a dialog that is open already keeps what was typed in it."""
        from cadviewer.gui.settings.dialog import SettingsDialog

        if self.settings is None:
            self.settings = SettingsDialog(self._preferences, self._window)
            self.settings.finished.connect(self._settings_closed)
        _raise(self.settings)

    def _settings_closed(self) -> None:
        if self.settings is not None:
            self.settings.deleteLater()
            self.settings = None

    def use_theme(self) -> None:
        """The colours are others; what follows them by itself is not told."""
        if self.trainer is not None:
            self.trainer.chart.use_theme()

    def shut(self) -> None:
        """The program ends: so does a batch; training goes on."""
        if self.batch is not None:
            self.batch.shut_down()
        if self.finished is not None:
            self.finished.shut_down()


def _raise(dialog: QDialog) -> None:
    dialog.show()
    dialog.raise_()
    dialog.activateWindow()
