"""The trainer dialog: choose what to train on, see what was recognised, watch the curves, use the new weights.

What a user does: chooses the task and the data folder, reads what was recognised, chooses a preset or settings, presses
Start, watches loss and figures, may close the dialog (training goes on), stops and resumes, and presses *Use in the
viewer* when it is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
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
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from cadviewer import background, paths
from cadviewer.findings import Task
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.training.chart import Chart
from cadviewer.gui.training.form import SettingsForm
from cadviewer.gui.training.inspection import Question, describe
from cadviewer.gui.training.installing import InstallBar
from cadviewer.gui.training.naming import NameDialog
from cadviewer.gui.training.run import BusyError, RunState, TrainingRun
from cadviewer.gui.training.standing import status
from cadviewer.models import catalogue, own_models
from cadviewer.models.catalogue import CardError

TASKS = {
    **{task.spec.trainer.rpartition(".")[2]: task.heading for task in Task if task.spec.trainer},
    "outline": "Outlines of lung nodules",
}
"""What can be trained: command of the trainer → what it is called."""
POLL_MS = 500


class TrainerDialog(QDialog):
    """One run at a time on screen; others go on in their own processes and can be chosen again."""

    weights_installed = Signal(str)
    """Name of a model that the viewer can use from now on."""
    usual_wanted = Signal(str)
    """Name of a model of these that is to be used wherever none is named."""
    _copied = Signal(str, bool, object)
    """Name of the model and whether it is to be the usual one, or why its weights cannot be used."""

    def __init__(self, parent: QWidget | None = None, *, runs: Path | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Train a model"))
        self.resize(1060, 640)
        self._runs = runs or paths.user_data() / "runs"
        self.run: TrainingRun | None = None
        self._data: Path | None = None
        self._problem = ""  # why something could not be done; it stays until something else is done
        self._shown: tuple[object, ...] = ()
        self._wanted: list[str] = []  # settings of a run, until the form is there
        self._inspection, self._asked = Question(self), Question(self)
        self._inspection.answered.connect(self._recognised)
        self._inspection.refused.connect(self._refused)
        self._asked.answered.connect(self._settings_known)
        self._asked.refused.connect(self._not_asked)
        self._build()
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._copied.connect(self._used)
        self._task_chosen()
        self._list_runs()

    # --- layout -------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.task = QComboBox()
        for key, heading in TASKS.items():
            self.task.addItem(tr(heading), key)
        self.task.currentIndexChanged.connect(self._task_chosen)
        self.folder = QLineEdit(placeholderText=tr("Folder with the images and their labels"))
        self.folder.textEdited.connect(self._typing)
        self.folder.editingFinished.connect(self._typed)
        self.choose = QPushButton(tr("Choose…"))
        self.choose.setAutoDefault(False)  # Return in the line above looks at what was typed
        self.choose.clicked.connect(self._choose_folder)
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(self.choose)
        self.recognised = QLabel(tr("No folder chosen."))
        self.recognised.setWordWrap(True)
        self.recognised.setMinimumHeight(3 * self.fontMetrics().lineSpacing())
        self.preset = QComboBox()
        self.preset.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.preset.currentIndexChanged.connect(self._preset_chosen)
        self.form = SettingsForm()
        self.form.edited.connect(self._edited)
        self.runs = QComboBox()
        self.runs.activated.connect(self._choose_run)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(tr("Run"), self.runs)
        form.addRow(tr("Task"), self.task)
        form.addRow(tr("Data"), row)
        form.addRow(tr("Recognised"), self.recognised)
        form.addRow(tr("Preset"), self.preset)
        self.chart = Chart()
        self.progress = QProgressBar(maximum=1000, textVisible=False)
        self.status = QLabel(wordWrap=True)
        left, right = QWidget(), QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.form, 1)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.chart, 1)
        column.addWidget(self.progress)
        column.addWidget(self.status)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(right)
        split.setChildrenCollapsible(False)
        split.setSizes([480, 520])
        self.install = InstallBar(self)
        self.install.done.connect(self._installed)
        layout = QVBoxLayout(self)
        layout.addWidget(self.install)
        layout.addWidget(split, 1)
        layout.addLayout(self._buttons())

    def _buttons(self) -> QHBoxLayout:
        self.start = QPushButton(tr("Start"))
        self.stop = QPushButton(tr("Stop"))
        self.resume = QPushButton(tr("Resume"))
        self.use = QPushButton(tr("Use in the viewer"))
        close = QPushButton(tr("Close"))
        row = QHBoxLayout()
        acts = (self._start, self._stop, self._resume, self._use)
        for button, act in zip((self.start, self.stop, self.resume, self.use), acts, strict=True):
            button.setAutoDefault(False)
            button.clicked.connect(act)
            row.addWidget(button)
        close.setAutoDefault(False)
        close.clicked.connect(self.close)
        row.addStretch(1)
        row.addWidget(close)
        return row

    def _installed(self) -> None:
        """The trainers can be asked now."""
        self._problem = ""
        self._asked.ask("settings", str(self.task.currentData()))
        self._inspect()

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

    def _typing(self) -> None:
        """What was recognised is of another folder."""
        self._data = None
        self._inspection.cancel()
        self.recognised.setText("")
        self._show()

    def _typed(self) -> None:
        """Look at a folder that was typed, and not again at the same one when the line is left."""
        if not self.recognised.text():
            self.set_folder(Path(self.folder.text().strip()).expanduser())

    def _inspect(self) -> None:
        self._data = None
        if self.folder.text():
            self.recognised.setText(tr("Looking at the folder…"))
            self._inspection.ask("inspect", str(self.task.currentData()), "--data", self.folder.text())
        else:
            self.recognised.setText(tr("No folder chosen."))
        self._show()

    def _task_chosen(self) -> None:
        """Ask what can be set for the task, and whether the folder does for it."""
        self.form.show_settings([])
        self.preset.clear()
        self._wanted = []
        if self.isVisible():  # else when it is shown
            self._asked.ask("settings", str(self.task.currentData()))
        self._inspect()

    def _settings_known(self, answer: Mapping[str, Any]) -> None:
        self.form.show_settings(answer["settings"])
        for preset in answer["presets"]:
            text = f"{preset['name']} – {tr(preset['meaning'])}" if preset["meaning"] else preset["name"]
            self.preset.addItem(text, preset)
            if preset["smallest"]:
                font = self.preset.font()
                font.setBold(True)
                self.preset.setItemData(self.preset.count() - 1, font, Qt.ItemDataRole.FontRole)
        self._enter(self._wanted)

    def _enter(self, settings: Sequence[str]) -> None:
        """Put the settings of a run into the form, or keep them until it is there."""
        if not self.preset.count():
            self._wanted = list(settings)
            return
        named = [s.removeprefix("preset=") for s in settings if s.startswith("preset=")] or ["default"]
        names = [self.preset.itemData(row)["name"] for row in range(self.preset.count())]
        self.preset.setCurrentIndex(names.index(named[-1]) if named[-1] in names else 0)
        self.form.reset()
        self.form.put(settings)

    def _preset_chosen(self) -> None:
        preset = self.preset.currentData()
        if preset is not None:
            self.form.use_preset(preset["values"])
            self.preset.setToolTip(self.preset.currentText())
        self._show()

    def _edited(self) -> None:
        self._problem = ""
        self._show()

    def _recognised(self, answer: Mapping[str, Any]) -> None:
        self._data = None if answer.get("refused") else Path(self.folder.text())
        self.recognised.setText(describe(answer))
        self._show()

    def _refused(self, reason: str) -> None:
        self._data = None
        self.recognised.setText(tr("Cannot train on this folder: {reason}", reason=reason))
        self._show()

    def _not_asked(self, reason: str) -> None:
        self._problem = tr("The trainer cannot be asked for its settings: {reason}", reason=reason)
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
            run = TrainingRun(folder)
            if run.poll().active:
                self.runs.setCurrentIndex(row)
                self._follow(run)
                return
        self._show()

    def _choose_run(self, index: int) -> None:
        folder = self.runs.itemData(index)
        self._problem = ""
        self._follow(TrainingRun(Path(folder)) if folder else None)

    def _follow(self, run: TrainingRun | None) -> None:
        """Show a run, and in the form what it was started with."""
        self.run = run
        if run is not None and (begun := run.begun_with()) is not None:
            self.task.setCurrentIndex(max(0, self.task.findData(begun.task)))
            self._enter(begun.settings)
            self.set_folder(begun.data)
        self.chart.show_run(run.poll() if run is not None else RunState())
        self._show()

    def _arguments(self) -> list[str]:
        """The settings of the form as the trainer's command line takes them."""
        return [f"preset={self.preset.currentData()['name']}", *self.form.assignments()]

    def _start(self) -> None:
        if self._data is None or not self.preset.count() or (self.run is not None and self.run.poll().active):
            return
        task, number = str(self.task.currentData()), 1
        while (self._runs / f"{task}-{number}").exists():
            number += 1
        run = TrainingRun(self._runs / f"{task}-{number}")
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
            proposed = own_models.proposed(self.run.state.card)
            own_models.check_use(catalogue.load(self.run.state.card))
        except (CardError, OSError) as error:
            self._problem = tr("These weights cannot be used: {problem}", problem=error)
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

    def _install(self, run: TrainingRun, name: str, usual: bool) -> None:
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
            self._problem = tr("These weights cannot be used: {problem}", problem=problem)
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
        counts = (len(state.losses), len(state.tune))
        now = (state.state, state.stage, state.stopping, state.reason, state.resumable, *counts)
        if now != self._shown:
            self._shown = now
            self.chart.show_run(state)
            self._show()

    def _show(self) -> None:
        state = self.run.state if self.run is not None else RunState()
        for widget in (self.task, self.folder, self.choose, self.preset):
            widget.setEnabled(not state.active)
        self.form.let_edit(not state.active)
        wrong = "" if state.active else self.form.problem()
        ready = self._data is not None and self.preset.count() > 0 and not wrong and self.install.isHidden()
        self.start.setEnabled(not state.active and ready)
        self.stop.setEnabled(state.active)
        self.resume.setEnabled(state.resumable)
        self.use.setEnabled(state.card is not None)
        waiting = state.active and state.stage != "training"
        self.progress.setMaximum(0 if waiting else 1000)  # 0: busy, nobody knows how long
        self.progress.setValue(int(1000 * state.progress))
        self.status.setText(wrong or self._problem or status(state))

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the run while somebody looks."""
        super().showEvent(event)
        self.install.look()
        self._timer.start()
        self._poll()
        if not self.preset.count():
            self._asked.ask("settings", str(self.task.currentData()))

    def hideEvent(self, event: QHideEvent) -> None:
        """Closing leaves the training running."""
        self._timer.stop()
        self._inspection.cancel()
        self._asked.cancel()
        super().hideEvent(event)
