"""The dialog of a finished run: its findings with what readers answered, by filters; a double click opens one.

What a user does: chooses a folder that a batch wrote, narrows the table to what is to be read (a score, no answer yet,
a word), opens one finding after the other, and sees the answers come in.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QModelIndex, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from cadviewer.background import Background
from cadviewer.gui.batch.findings_table import FindingsModel, ShownFindings, Wanted
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.store import finished_runs
from cadviewer.store.case_report import CaseState
from cadviewer.store.export import summary
from cadviewer.store.finished_runs import Row
from cadviewer.store.results import ResultsError

WIDTHS = (180, 150, 70, 65, 60, 60, 115, 165, 90)


class ResultsDialog(QDialog):
    """It stays open beside the reading. Signals: open_finding(Row): wanted on screen."""

    open_finding = Signal(object)
    _read = Signal(object, object)  # folder, rows with whether their images are missing
    _failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Results of a folder"))
        self.resize(1120, 620)
        self.folder: Path | None = None
        self._thread = Background("results", self._failed.emit)
        self._reading = self._wanted_again = False
        self._read.connect(self._show)
        self._failed.connect(self._say_why)
        self.model = FindingsModel(self)
        self.shown = ShownFindings(self.model, self)
        self._build()

    # --- layout -------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.addLayout(self._head())
        column.addLayout(self._filters())
        column.addWidget(self._table(), 1)
        self.status = QLabel(wordWrap=True)
        column.addWidget(self.status)
        column.addLayout(self._buttons())

    def _head(self) -> QHBoxLayout:
        self.place = QLineEdit(readOnly=True, placeholderText=tr("A folder that a batch has written"))
        self.place.setAccessibleName(tr("Folder"))
        choose = QPushButton(tr("Choose…"), autoDefault=False)
        choose.clicked.connect(self.choose)
        row = QHBoxLayout()
        row.addWidget(self.place, 1)
        row.addWidget(choose)
        return row

    def _filters(self) -> QHBoxLayout:
        self.state, self.answered = QComboBox(), QComboBox()
        self.state.addItem(tr("all"), None)
        for state in CaseState:
            self.state.addItem(tr(state.value), state)
        for text, value in ((tr("all"), None), (tr("answered"), True), (tr("not answered"), False)):
            self.answered.addItem(text, value)
        self.score = QDoubleSpinBox(minimum=0, maximum=1, singleStep=0.05, decimals=2)
        self.score.setSpecialValueText(tr("any"))
        self.found = QCheckBox(tr("With findings"))
        self.text = QLineEdit(placeholderText=tr("Find in the table"), clearButtonEnabled=True)
        self.text.setAccessibleName(tr("Find in the table"))
        row = QHBoxLayout()
        for name, field in (
            (tr("State"), self.state),
            (tr("Score at least"), self.score),
            (tr("Answer"), self.answered),
        ):
            label = QLabel(name)
            label.setBuddy(field)
            row.addWidget(label)
            row.addWidget(field)
            row.addSpacing(8)
        row.addWidget(self.found)
        row.addWidget(self.text, 1)
        for signal in (self.state.currentIndexChanged, self.answered.currentIndexChanged, self.score.valueChanged):
            signal.connect(self._filter)
        self.found.toggled.connect(self._filter)
        self.text.textChanged.connect(self._filter)
        return row

    def _table(self) -> QTableView:
        self.table = QTableView()
        self.table.setModel(self.shown)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)  # as in the files, until a heading is clicked
        self.table.setAccessibleName(tr("Findings"))
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.setAlternatingRowColors(True)
        self.table.setWordWrap(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for column, width in enumerate(WIDTHS):
            header.resizeSection(column, width)
        self.table.setTabKeyNavigation(False)
        self.table.activated.connect(self._open)  # a double click, or Enter
        return self.table

    def _buttons(self) -> QHBoxLayout:
        self.again, self.page = QPushButton(tr("Read again")), QPushButton(tr("Summary…"))
        close = QPushButton(tr("Close"))
        for button in (self.again, self.page, close):
            button.setAutoDefault(False)
        self.again.clicked.connect(self.read_again)
        self.page.clicked.connect(self._open_summary)
        close.clicked.connect(self.close)
        self.again.setEnabled(False)
        self.page.setEnabled(False)
        row = QHBoxLayout()
        row.addWidget(self.again)
        row.addWidget(self.page)
        row.addStretch(1)
        row.addWidget(close)
        return row

    # --- reading ------------------------------------------------------------------------------------------------------
    def choose(self) -> None:
        """Ask for the folder."""
        before = str(self.folder) if self.folder is not None else ""
        chosen = QFileDialog.getExistingDirectory(self, tr("Results of a folder"), before)
        if chosen:
            self.read(Path(chosen))

    def read(self, folder: Path) -> None:
        """Show the run of a folder, once it is read."""
        self.folder = folder
        self.place.setText(str(folder))
        self.read_again()

    def read_again(self) -> None:
        """Cases that are done by now, and answers."""
        if self.folder is not None:
            self._wanted_again = self._reading
            if not self._reading:
                self._reading = True
                self._thread.do(self._work, self.folder)

    def _work(self, folder: Path) -> None:
        try:
            rows = list(finished_runs.read(folder))
        except ResultsError as error:
            self._failed.emit(str(error))
            return
        there = {source: _is_there(source) for source in {row.source for row in rows}}
        self._read.emit(folder, [(row, not there[row.source]) for row in rows])

    def _show(self, folder: Path, rows: list[tuple[Row, bool]]) -> None:
        self._reading = False
        if self._wanted_again:
            self.read_again()
        if folder != self.folder:
            return
        chosen = self._chosen()
        self.model.show(rows)
        self._choose_again(chosen)
        self.again.setEnabled(True)
        self.page.setEnabled(summary.is_ours(folder / summary.TABLE))
        self._count()

    def _say_why(self, reason: str) -> None:
        self._reading = False
        if self._wanted_again:
            self.read_again()
        self.model.show(())
        self.again.setEnabled(self.folder is not None)
        self.page.setEnabled(False)
        self.status.setText(tr("Nothing to show: {reason}", reason=translate(reason)))

    def _chosen(self) -> tuple[str, object] | None:
        index = self.table.currentIndex()
        row = self.model.rows[self.shown.mapToSource(index).row()] if index.isValid() else None
        return (row.case, row.finding) if row is not None else None

    def _choose_again(self, chosen: tuple[str, object] | None) -> None:
        for place, row in enumerate(self.model.rows):
            if (row.case, row.finding) == chosen:
                self.table.selectRow(self.shown.mapFromSource(self.model.index(place, 0)).row())

    # --- what is shown ------------------------------------------------------------------------------------------------
    def _filter(self) -> None:
        self.shown.want(
            Wanted(
                self.state.currentData(),
                self.score.value(),
                self.found.isChecked(),
                self.answered.currentData(),
                self.text.text().strip(),
            )
        )
        self._count()

    def _count(self) -> None:
        rows = self.model.rows
        findings = [row for row in rows if row.finding is not None]
        self.status.setText(
            tr(
                "{shown} of {rows} rows; {answered} of {findings} findings answered",
                shown=self.shown.rowCount(),
                rows=len(rows),
                answered=sum(row.answer is not None for row in findings),
                findings=len(findings),
            )
        )

    def _open(self, index: QModelIndex) -> None:
        row = self.model.rows[self.shown.mapToSource(index).row()]
        if _is_there(row.source):
            self.open_finding.emit(row)
        else:
            self.status.setText(tr("{path}: the images are no longer there", path=str(row.source)))

    def _open_summary(self) -> None:
        if self.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder / summary.TABLE)))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.ActivationChange and self.isActiveWindow():
            self.read_again()  # answers were given meanwhile

    def shut_down(self) -> None:
        """The program ends."""
        self._thread.close(drop=True)


def _is_there(source: Path) -> bool:
    """Whether images are where they were: the file or folder, or the archive that it lies in."""
    return source.exists() or any(parent.is_file() for parent in source.parents)
