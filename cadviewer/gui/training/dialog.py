"""The trainer dialog: choose what to train on, see what was recognised, watch the curves, use the new weights.

What a user does: chooses the task and the data folder, reads what was recognised, presses Start, watches loss and
figures, may close the dialog (training goes on), stops and resumes, and presses *Use in the viewer* when it is done.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal
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

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.gui.lang import tr
from cadviewer.gui.training.chart import Chart
from cadviewer.gui.training.inspection import Inspection, describe
from cadviewer.gui.training.run import Run, RunState
from cadviewer.models.catalogue import CardError

STATES = {
    "new": "not started",
    "running": "running",
    "done": "done",
    "stopped": "stopped",
    "failed": "failed",
    "lost": "ended without a word",
}
POLL_MS = 500


class TrainerDialog(QDialog):
    """One run at a time on screen; others go on in their own processes and can be chosen again."""

    weights_installed = Signal(str)
    """Name of a model that the viewer can use from now on."""
    _copied = Signal(str, str)
    """Name of the model, or why its weights cannot be used."""

    def __init__(self, parent: QWidget | None = None, *, runs: Path | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Train a model"))
        self.resize(860, 640)
        self._runs = runs or paths.user_data() / "runs"
        self.run: Run | None = None
        self._data: Path | None = None
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
        self._data = Path(self.folder.text())
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
        if self._data is None:
            return
        task = str(self.task.currentData())
        number = 1
        while (folder := self._runs / f"{task}-{number}").exists():
            number += 1
        self.run = Run(folder)
        self._begin(resume=False)
        self.runs.insertItem(1, folder.name, str(folder))
        self.runs.setCurrentIndex(1)

    def _resume(self) -> None:
        if self.run is not None:
            self._begin(resume=True)

    def _begin(self, *, resume: bool) -> None:
        assert self.run is not None
        try:
            if resume:
                self.run.resume()
            else:
                self.run.start(str(self.task.currentData()), Path(self.folder.text()), self._arguments())
        except (OSError, ValueError) as error:
            self.status.setText(tr("Training could not be started: {error}", error=error))
            return
        self._poll()

    def _stop(self) -> None:
        if self.run is not None:
            self.run.stop()
            self.status.setText(tr("Stopping…"))

    def _use(self) -> None:
        """Hand the weights to the viewer; hashing and copying them takes longer than a frame."""
        if self.run is None:
            return
        self.use.setEnabled(False)
        self.status.setText(tr("Copying the weights…"))
        threading.Thread(target=self._install, args=(self.run,), name="install weights").start()

    def _install(self, run: Run) -> None:
        """On a thread of its own."""
        name, problem = "", ""
        try:
            name = run.install()
        except (CardError, OSError) as error:
            problem = str(error)
        with contextlib.suppress(RuntimeError):  # the dialog is gone meanwhile; the weights are there all the same
            self._copied.emit(name, problem)

    def _used(self, name: str, problem: str) -> None:
        if problem:
            self.status.setText(tr("These weights cannot be used: {problem}", problem=problem))
            return
        self.status.setText(tr("The viewer now has the model “{name}”.", name=name))
        self.weights_installed.emit(name)

    def _poll(self) -> None:
        """Follow the run; twice a second while the dialog is open."""
        if self.run is not None:
            before = (self.run.state.state, len(self.run.state.losses), len(self.run.state.tune))
            state = self.run.poll()
            if (state.state, len(state.losses), len(state.tune)) == before and state.state != "new":
                return
            self.chart.show_run(state)
        self._show()

    def _show(self) -> None:
        state = self.run.state if self.run is not None else None
        running = state is not None and state.state == "running"
        for widget in (self.task, self.choose, self.preset, self.settings):
            widget.setEnabled(not running)
        self.start.setEnabled(not running and self._data is not None)
        self.stop.setEnabled(running)
        self.resume.setEnabled(state is not None and state.resumable)
        self.use.setEnabled(state is not None and state.card is not None)
        self.progress.setValue(int(1000 * state.progress) if state else 0)
        if state is None:
            self.status.setText(tr("Training runs on its own: this dialog and the viewer may be closed meanwhile."))
            return
        parts = [tr(STATES[state.state])]
        if state.losses:
            parts.append(
                tr(
                    "epoch {epoch}, step {step}, loss {loss:.3f}",
                    epoch=state.epoch + 1,
                    step=state.losses[-1][0],
                    loss=state.losses[-1][1],
                )
            )
        if running and state.progress > 0.01:
            parts.append(tr("about {time} left", time=_duration(state.seconds * (1 - state.progress) / state.progress)))
        if state.reason:
            parts.append(state.reason)
        self.status.setText(" · ".join(parts))

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


def _duration(seconds: float) -> str:
    """Seconds as a reader says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
