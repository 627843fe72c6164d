"""The batch dialog: folder in, folder out, a row per case; the same work as `cadviewer annotate`.

What a user does: chooses the folder with the images and a folder for the results, presses Start, watches the table,
sorts it by probability, opens a case by a double click, cancels when it takes too long and goes on later where it
ended. Images that nobody could tell apart are run as breast ultrasound when the user says that they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from cadviewer.batch import (
    AllFound,
    BatchEvent,
    CaseDone,
    CaseProgress,
    CaseStarted,
    Existing,
    Looked,
    Noticed,
    Options,
    Summary,
)
from cadviewer.findings import Task
from cadviewer.gui.batch.cases import CasesModel, SortedCases
from cadviewer.gui.batch.worker import BatchThread, MakeEngine
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.models import catalogue
from cadviewer.store.export import DEFAULT, FORMATS, for_batch, load

FORMATS_A_ROW = 7
EXISTING = {
    Existing.RESUME: "go on with them",
    Existing.OVERWRITE: "replace them",
    Existing.KEEP_OUT: "leave them and stop",
}


class BatchDialog(QDialog):
    """One run at a time. Closing hides the dialog and the run goes on; opening it again shows how far it is."""

    open_case = Signal(Path)
    """A case was double-clicked."""
    open_results = Signal(Path)
    """The findings of the run in that folder are wanted as a table."""

    def __init__(
        self, make_engine: MakeEngine, parent: QWidget | None = None, *, preferences: Preferences | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Annotate a folder"))
        self.resize(1060, 660)
        self._make_engine, self._preferences = make_engine, preferences
        self._thread: BatchThread | None = None
        self._last: tuple[Path, Path, Options] | None = None
        self._total: int | None = None
        self._done = 0
        self.cases = CasesModel(self)
        self._build()
        self._fill_models()
        if preferences is not None:
            self.target.setText(preferences.now.batch_out)
        self._show()

    # --- layout -------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.status = QLabel(wordWrap=True)
        layout = QVBoxLayout(self)
        layout.addLayout(self._form())
        layout.addWidget(self._table(), 1)
        layout.addLayout(self._bars())
        layout.addWidget(self.status)
        layout.addLayout(self._buttons())

    def _form(self) -> QFormLayout:
        """What is annotated, how, and where to."""
        self.source = QLineEdit(placeholderText=tr("Folder with images, searched with all its folders"))
        self.target = QLineEdit(placeholderText=tr("Folder for tables, masks and pictures"))
        self.task = QComboBox()
        self.task.addItem(tr("decide for each case"), None)
        for task in Task:
            self.task.addItem(tr(task.heading), task.value)
        self.task.currentIndexChanged.connect(self._fill_models)
        self.model = QComboBox()
        form = QFormLayout()
        form.addRow(tr("Images"), self._with_button(self.source, tr("Folder with images")))
        form.addRow(tr("Results"), self._with_button(self.target, tr("Folder for results")))
        form.addRow(tr("Task"), self.task)
        form.addRow(tr("Model"), self.model)
        form.addRow(tr("Threshold of nodules"), self._numbers())
        form.addRow(tr("Write"), self._format_boxes())
        self.existing = QComboBox()
        for existing, text in EXISTING.items():
            self.existing.addItem(tr(text), existing.value)
        form.addRow(tr("Results of an earlier run"), self.existing)
        return form

    def _format_boxes(self) -> QGridLayout:
        """A box for each format that a batch can write, in so many rows as they need, with its title as tool tip."""
        self.formats = {name: QCheckBox(name) for name in FORMATS if for_batch(name)}
        formats = QGridLayout()
        formats.setHorizontalSpacing(18)
        for place, (name, box) in enumerate(self.formats.items()):
            box.setChecked(name in DEFAULT)
            box.setToolTip(tr(load(name).title))
            formats.addWidget(box, place // FORMATS_A_ROW, place % FORMATS_A_ROW)
        formats.setColumnStretch(FORMATS_A_ROW, 1)
        return formats

    def _numbers(self) -> QHBoxLayout:
        self.threshold = _number(tr("model's own"), 0.0, 1.0, 0.05, 2)
        self.threshold.setAccessibleName(tr("Threshold of nodules"))
        self.pixel = _number(tr("not known"), 0.0, 5.0, 0.01, 3, " mm")
        numbers = QHBoxLayout()
        numbers.addWidget(self.threshold)
        numbers.addSpacing(16)
        label = QLabel(tr("Pixel size of images whose file does not say it"))
        label.setBuddy(self.pixel)
        numbers.addWidget(label)
        numbers.addWidget(self.pixel)
        numbers.addStretch(1)
        return numbers

    def _table(self) -> QTableView:
        """The cases, as found until a heading is clicked."""
        self.sorted = SortedCases(self)
        self.sorted.setSourceModel(self.cases)
        self.table = QTableView()
        self.table.setModel(self.sorted)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(-1, Qt.SortOrder.DescendingOrder)  # as found, until a heading is clicked
        self.table.setAccessibleName(tr("Cases"))
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.setAlternatingRowColors(True)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for column, width in enumerate((190, 90, 130, 80, 80, 170, 130)):
            header.resizeSection(column, width)
        self.table.setTabKeyNavigation(False)  # the Tab key leads on to the buttons
        self.table.activated.connect(self._open)  # a double click, or Enter
        return self.table

    def _bars(self) -> QGridLayout:
        self.overall, self.case_progress = QProgressBar(textVisible=False), QProgressBar(textVisible=False)
        self.count = QLabel()
        bars = QGridLayout()
        for line, (name, bar) in enumerate(((tr("All cases"), self.overall), (tr("This case"), self.case_progress))):
            bars.addWidget(QLabel(name), line, 0)
            bars.addWidget(bar, line, 1)
        bars.addWidget(self.count, 0, 2)
        bars.setColumnStretch(1, 1)
        return bars

    def _buttons(self) -> QHBoxLayout:
        self.start = QPushButton(tr("Start"))
        self.cancel = QPushButton(tr("Cancel"))
        close = QPushButton(tr("Close"))
        self.tell = QPushButton(autoDefault=False)  # says that what could not be told is breast ultrasound
        self.tell.hide()
        self.tell.clicked.connect(self._tell)
        self.start.clicked.connect(self.begin)
        self.cancel.clicked.connect(self._cancel)
        close.clicked.connect(self.close)
        buttons = QHBoxLayout()
        for button in (self.start, self.cancel):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        self.findings = QPushButton(tr("Findings and answers…"), autoDefault=False)
        self.findings.clicked.connect(lambda: self.open_results.emit(Path(self.target.text())))
        buttons.addWidget(self.tell)
        buttons.addStretch(1)
        buttons.addWidget(self.findings)
        buttons.addWidget(close)
        return buttons

    def _with_button(self, line: QLineEdit, title: str) -> QHBoxLayout:
        def choose() -> None:
            chosen = QFileDialog.getExistingDirectory(self, title, line.text())
            if chosen:
                line.setText(chosen)

        line.textChanged.connect(self._show)
        button = QPushButton(tr("Choose…"), autoDefault=False)
        button.clicked.connect(choose)
        row = QHBoxLayout()
        row.addWidget(line, 1)
        row.addWidget(button)
        return row

    def _fill_models(self) -> None:
        value = self.task.currentData()
        self.model.clear()
        self.model.addItem(tr("default"), "")
        if value:
            for card in catalogue.cards(Task(value)):
                self.model.addItem(f"{card.title} ({card.name})", card.name)
        self.model.setEnabled(bool(value))

    # --- the run ------------------------------------------------------------------------------------------------------
    @property
    def running(self) -> bool:
        return self._thread is not None

    def options(self) -> Options:
        """What the form says."""
        value = self.task.currentData()
        return Options(
            task=Task(value) if value else None,
            model=str(self.model.currentData() or ""),
            formats=tuple(name for name, box in self.formats.items() if box.isChecked()),
            existing=Existing(self.existing.currentData()),
            threshold=self.threshold.value() or None,
            spacing_mm=self.pixel.value() or None,
            jobs=self._preferences.now.batch_jobs if self._preferences is not None else Options.jobs,
        )

    def begin(self) -> None:
        """Start the run that the form describes."""
        if self._preferences is not None:
            self._preferences.change(batch_out=self.target.text())
        self._run(Path(self.source.text()), Path(self.target.text()), self.options())

    def _tell(self) -> None:
        """Go on with the last run; what it could not tell is breast ultrasound."""
        if self._last is not None:
            source, target, options = self._last
            told = {**options.told, **dict.fromkeys(self.cases.undecided(), Task.BREAST)}
            self._run(source, target, replace(options, existing=Existing.RESUME, told=told))

    def _run(self, source: Path, target: Path, options: Options) -> None:
        self._last = source, target, options
        self.cases.clear()
        self._total, self._done = None, 0
        self.status.setText(tr("Looking for images…"))
        thread = BatchThread([source], target, options, self._make_engine, self)
        thread.event_came.connect(self._take)
        thread.ended.connect(self._ended)
        thread.failed.connect(self._failed)
        thread.finished.connect(thread.deleteLater)
        self._thread = thread
        thread.start()
        self._show()

    def _cancel(self) -> None:
        if self._thread is not None:
            self.status.setText(tr("Cancelling; what is finished is kept…"))
            self._thread.cancel()

    def _take(self, event: BatchEvent) -> None:
        self.cases.take(event)
        match event:
            case Looked(done=done, total=total):
                self.status.setText(tr("Looking for images: {done} of {total} files", done=done, total=total))
            case AllFound(total=total):
                self._total = total
            case CaseStarted():
                self.case_progress.setRange(0, 0)
            case CaseProgress(done=done, total=total):
                self.case_progress.setRange(0, total)
                self.case_progress.setValue(done)
            case CaseDone():
                self._done += 1
            case Noticed(text=text):
                self.status.setText(translate(text))
        self.overall.setRange(0, self._total if self._total is not None else 0)
        self.overall.setValue(self._done)
        self.count.setText(
            tr("{done} of {total}", done=self._done, total=self._total)
            if self._total is not None
            else tr("{done} so far", done=self._done)
        )

    def _ended(self, summary: Summary) -> None:
        counts = ", ".join(f"{count} {tr(state.value)}" for state, count in summary.counts.items()) or tr("no cases")
        if summary.cancelled:
            text = tr(
                "Cancelled: {counts} so far. Start again with “{choice}” to do the rest.",
                counts=counts,
                choice=tr(EXISTING[Existing.RESUME]),
            )
        elif summary.unfinished:
            text = tr(
                "Unfinished: {counts} so far; {reason}. Start again with “{choice}” to do the rest.",
                counts=counts,
                reason=summary.unfinished,
                choice=tr(EXISTING[Existing.RESUME]),
            )
        else:
            text = tr("Finished: {counts}.", counts=counts)
            if summary.troubled:
                text += " " + tr("errors.csv says what was refused or failed, and why.")
        self._over(text)

    def _failed(self, reason: str) -> None:
        self._over(
            tr("Not started: {reason}", reason=reason)
            if not self.cases.rows
            else tr("Stopped: {reason}", reason=reason)
        )

    def _over(self, text: str) -> None:
        if self._thread is not None:
            self._thread.wait()
            self._thread = None
        self.cases.abandon()
        self.overall.setRange(0, max(1, self._total or 0))
        self.overall.setValue(self._done)
        self.case_progress.setRange(0, 1)
        self.case_progress.setValue(0)
        self.status.setText(text)
        self._show()

    def _show(self) -> None:
        ready = bool(self.source.text()) and bool(self.target.text())
        self.start.setEnabled(ready and not self.running)
        self.cancel.setEnabled(self.running)
        self.findings.setEnabled(bool(self.target.text()))
        undecided = 0 if self.running else len(self.cases.undecided())
        self.tell.setText(tr("Run {count} as breast ultrasound", count=undecided))
        self.tell.setToolTip(tr("Images whose file and content do not say what they are for"))
        self.tell.setVisible(undecided > 0)

    def _open(self, index: QModelIndex) -> None:
        self.open_case.emit(self.cases.rows[self.sorted.mapToSource(index).row()].source)

    def shut_down(self) -> None:
        """End the run because the program ends; waits for the step under way."""
        if self._thread is not None:
            self._thread.cancel()
            self._thread.wait()


def _number(nothing: str, low: float, high: float, step: float, decimals: int, suffix: str = "") -> QDoubleSpinBox:
    """A field for a number; its lowest value stands for none and reads `nothing`."""
    field = QDoubleSpinBox(minimum=low, maximum=high, singleStep=step, decimals=decimals, suffix=suffix)
    field.setSpecialValueText(nothing)
    return field
