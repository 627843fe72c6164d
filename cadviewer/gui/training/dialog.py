"""The trainer dialog: choose what to train on, see what was recognised, watch the curves, use the new weights.

What a user does: chooses the task and the data folder, reads what was recognised, presses Start, watches loss and
figures, may close the dialog (training goes on), stops and resumes, and presses *Use in the viewer* when it is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cadviewer import background, paths
from cadviewer.findings import Task
from cadviewer.gui.lang import tr
from cadviewer.gui.training.chart import Chart
from cadviewer.gui.training.inspection import Inspection, describe
from cadviewer.gui.training.naming import NameDialog
from cadviewer.gui.training.run import BusyError, Run, RunState
from cadviewer.gui.training.said import said
from cadviewer.models import catalogue, own
from cadviewer.models.catalogue import CardError

STATES = {
    "starting": "starting: the program is being loaded",
    "running": "running",
    "done": "done",
    "stopped": "stopped",
    "failed": "failed",
    "lost": "ended without a word",
}
STAGES = {
    "reading": "starting: reading the images",
    "finishing": "finishing: calibrating and writing the weights",
}
"""What a run does when it does not train."""
POLL_MS = 500


class TrainerDialog(QDialog):
    """One run at a time on screen; others go on in their own processes and can be chosen again."""

    weights_installed = Signal(str)
    """Name of a model that the viewer can use from now on."""
    usual_wanted = Signal(str)
    """Name of a model of these that is to be used wherever none is named."""
    _copied = Signal(str, bool, str)
    """Name of the model and whether it is to be the usual one, or why its weights cannot be used."""

    def __init__(self, parent: QWidget | None = None, *, runs: Path | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Train a model"))
        self.resize(860, 640)
        self._runs = runs or paths.user_data() / "runs"
        self.run: Run | None = None
        self._data: Path | None = None
        self._problem = ""  # why something could not be done; it stays until something else is done
        self._shown: tuple[object, ...] = ()
        self._build()
        self._inspection = Inspection(self)
        self._inspection.recognised.connect(self._recognised)
        self._inspection.refused.connect(self._refused)
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._copied.connect(self._used)
        self._list_runs()

    # --- layout -------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.task = QComboBox()
        for task in Task:
            self.task.addItem(tr(task.heading), task.value)
        self.task.currentIndexChanged.connect(self._inspect)
        self.folder = QLineEdit(placeholderText=tr("Folder with the images and their labels"))
        self.folder.setReadOnly(True)
        self.choose = QPushButton(tr("Choose…"))
        self.choose.clicked.connect(self._choose_folder)
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(self.choose)
        self.recognised = QLabel(tr("No folder chosen."))
        self.recognised.setWordWrap(True)
        self.recognised.setMinimumHeight(3 * self.fontMetrics().lineSpacing())
        self.preset = QComboBox()
        self.preset.addItem("default")
        self.settings = QLineEdit(placeholderText=tr("optional: key=value key=value, e.g. epochs=40 seed=2"))
        self.runs = QComboBox()
        self.runs.activated.connect(self._choose_run)
        form = QFormLayout()
        form.addRow(tr("Run"), self.runs)
        form.addRow(tr("Task"), self.task)
        form.addRow(tr("Data"), row)
        form.addRow(tr("Recognised"), self.recognised)
        form.addRow(tr("Preset"), self.preset)
        form.addRow(tr("Settings"), self.settings)
        self.chart = Chart()
        self.progress = QProgressBar(maximum=1000, textVisible=False)
        self.status = QLabel(wordWrap=True)
        self.start = QPushButton(tr("Start"))
        self.stop = QPushButton(tr("Stop"))
        self.resume = QPushButton(tr("Resume"))
        self.use = QPushButton(tr("Use in the viewer"))
        close = QPushButton(tr("Close"))
        self.start.clicked.connect(self._start)
        self.stop.clicked.connect(self._stop)
        self.resume.clicked.connect(self._resume)
        self.use.clicked.connect(self._use)
        close.clicked.connect(self.close)
        buttons = QHBoxLayout()
        for button in (self.start, self.stop, self.resume, self.use):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(close)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.chart, 1)
        layout.addWidget(self.progress)
        layout.addWidget(self.status)
        layout.addLayout(buttons)

    # --- what to train on ---------------------------------------------------------------------------------------------
    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self, tr("Folder with the images and their labels"), self.folder.text()
        )
        if chosen:
            self.set_folder(Path(chosen))

    def set_folder(self, folder: Path) -> None:
        """Train on this folder; what is in it is looked at in the background."""
        self.folder.setText(str(folder))
        self._inspect()

    def _inspect(self) -> None:
        self._data = None
        if self.folder.text():
            self.recognised.setText(tr("Looking at the folder…"))
            self._inspection.ask(str(self.task.currentData()), Path(self.folder.text()))
        self._show()

    def _recognised(self, answer: Mapping[str, Any]) -> None:
        self._data = None if answer.get("refused") else Path(self.folder.text())
        self.recognised.setText(describe(answer))
        chosen = self.preset.currentText()
        self.preset.clear()
        self.preset.addItems([str(p) for p in answer.get("presets", ["default"])])
        self.preset.setCurrentIndex(max(0, self.preset.findText(chosen)))
        self._show()

    def _refused(self, reason: str) -> None:
        self._data = None
        self.recognised.setText(tr("Cannot train on this folder: {reason}", reason=reason))
        self._show()

    # --- the run ------------------------------------------------------------------------------------------------------
    def _list_runs(self) -> None:
        """Fill the list of runs, newest first, and show one that is still running if there is one."""
        folders = [f for f in self._runs.iterdir() if f.is_dir()] if self._runs.is_dir() else []
        folders.sort(key=lambda f: f.stat().st_mtime, reverse=True)
        self.runs.clear()
        self.runs.addItem(tr("New run"), None)
        for folder in folders:
            self.runs.addItem(folder.name, str(folder))
        for row, folder in enumerate(folders[:3], start=1):
            run = Run(folder)
            if run.poll().state == "running":
                self.runs.setCurrentIndex(row)
                self._follow(run)
                return
        self._show()

    def _choose_run(self, index: int) -> None:
        folder = self.runs.itemData(index)
        self._problem = ""
        self._follow(Run(Path(folder)) if folder else None)

    def _follow(self, run: Run | None) -> None:
        """Show a run, and in the form what it was started with."""
        self.run = run
        if run is not None and (begun := run.begun_with()) is not None:
            self.task.setCurrentIndex(max(0, self.task.findData(begun.task)))
            self.settings.setText(" ".join(s for s in begun.settings if not s.startswith("preset=")))
            self.set_folder(begun.data)
        self.chart.show_run(run.poll() if run is not None else RunState())
        self._show()

    def _arguments(self) -> list[str]:
        """The settings of the form as the trainer's command line takes them."""
        return [f"preset={self.preset.currentText()}", *self.settings.text().split()]

    def _start(self) -> None:
        if self._data is None or (self.run is not None and self.run.poll().active):
            return
        task, number = str(self.task.currentData()), 1
        while (self._runs / f"{task}-{number}").exists():
            number += 1
        run = Run(self._runs / f"{task}-{number}")
        self.run, self._problem = run, ""
        try:
            run.start(task, Path(self.folder.text()), self._arguments())
        except OSError as error:
            self._problem = tr("Training could not be started: {error}", error=error)
            run.poll()
        self.runs.insertItem(1, run.folder.name, str(run.folder))
        self.runs.setCurrentIndex(1)
        self.chart.show_run(run.state)
        self._show()

    def _resume(self) -> None:
        if self.run is None:
            return
        self._problem = ""
        try:
            self.run.resume()
        except (OSError, ValueError, BusyError) as error:
            busy = isinstance(error, BusyError)
            reason = tr("a training is under way in this folder") if busy else error
            self._problem = tr("Training could not be started: {error}", error=reason)
        self._show()

    def _stop(self) -> None:
        if self.run is not None:
            self.run.stop()
            self._show()

    def _use(self) -> None:
        """Ask what the model is to be called."""
        if self.run is None or self.run.state.card is None:
            return
        self._problem = ""
        try:
            proposed = own.proposed(self.run.state.card)
            own.check_use(catalogue.load(self.run.state.card))
        except (CardError, OSError) as error:
            self._problem = tr("These weights cannot be used: {problem}", problem=said(str(error)))
            self._show()
            return
        self.naming = NameDialog(proposed, self)
        self.naming.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.naming.accepted.connect(self._name_given)
        self.naming.open()

    def _name_given(self) -> None:
        """Hand the weights to the viewer; copying them takes longer than a frame."""
        assert self.run is not None
        name, usual = self.naming.chosen(), self.naming.usual.isChecked()
        self.use.setEnabled(False)
        self.status.setText(tr("Copying the weights…"))
        background.start("install weights", self._install, self.run, name, usual, daemon=False)

    def _install(self, run: Run, name: str, usual: bool) -> None:
        """On a thread of its own."""
        problem = ""
        try:
            run.install(name)
        except (CardError, OSError) as error:
            problem = str(error)
        with contextlib.suppress(RuntimeError):  # the dialog is gone meanwhile; the weights are there all the same
            self._copied.emit(name, usual, problem)

    def _used(self, name: str, usual: bool, problem: str) -> None:
        if problem:
            self._problem = tr("These weights cannot be used: {problem}", problem=said(problem))
            self._show()
            return
        self._problem = tr("The viewer now has the model “{name}”.", name=name)
        self._show()
        self.weights_installed.emit(name)
        if usual:
            self.usual_wanted.emit(name)

    def _poll(self) -> None:
        """Follow the run; twice a second while the dialog is open."""
        if self.run is None:
            return
        state = self.run.poll()
        now = (state.state, state.stage, state.stopping, state.reason, len(state.losses), len(state.tune))
        if now != self._shown:
            self._shown = now
            self.chart.show_run(state)
            self._show()

    def _show(self) -> None:
        state = self.run.state if self.run is not None else RunState()
        for widget in (self.task, self.folder, self.choose, self.preset, self.settings):
            widget.setEnabled(not state.active)
        self.start.setEnabled(not state.active and self._data is not None)
        self.stop.setEnabled(state.active)
        self.resume.setEnabled(state.resumable)
        self.use.setEnabled(state.card is not None)
        waiting = state.active and state.stage != "training"
        self.progress.setMaximum(0 if waiting else 1000)  # 0: busy, nobody knows how long
        self.progress.setValue(int(1000 * state.progress))
        self.status.setText(self._problem or status(state))

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the run while somebody looks."""
        super().showEvent(event)
        self._timer.start()
        self._poll()

    def hideEvent(self, event: QHideEvent) -> None:
        """Closing leaves the training running."""
        self._timer.stop()
        self._inspection.cancel()
        super().hideEvent(event)


def status(state: RunState) -> str:
    """How a run stands, in words."""
    if state.state == "new":
        return tr("Training runs on its own: this dialog and the viewer may be closed meanwhile.")
    if state.stopping:
        return tr("Stopping after this step; Stop once more ends it at once.")
    parts = [tr(STAGES[state.stage]) if state.active and state.stage in STAGES else tr(STATES[state.state])]
    if state.losses:
        parts.append(
            tr(
                "epoch {epoch}, step {step}, loss {loss:.3f}",
                epoch=state.epoch + 1,
                step=state.losses[-1][0],
                loss=state.losses[-1][1],
            )
        )
    if state.state == "running" and state.stage == "training" and state.progress > 0.01:
        parts.append(tr("about {time} left", time=_duration(state.seconds * (1 - state.progress) / state.progress)))
    if state.reason and state.state in ("failed", "lost"):
        parts.append(said(state.reason))
    if state.state in ("stopped", "failed", "lost"):
        parts.append(
            tr("Resume goes on from the last whole epoch.")
            if state.resumable
            else tr("It ended before its first epoch was whole: there is nothing to go on from.")
        )
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    """Seconds as a reader says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
