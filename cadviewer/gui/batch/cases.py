"""The table of a batch: one row per case, in the order in which they were found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from cadviewer.batch import BatchEvent, CaseDone, CaseFound, CaseProgress, CaseStarted
from cadviewer.gui.lang import tr

COLUMNS = ("Case", "Task", "State", "Findings", "Reason")
Index = QModelIndex | QPersistentModelIndex


@dataclass
class Row:
    """What is known of one case."""

    source: Path
    task: str = ""
    state: str = "waiting"  # in English
    percent: int | None = None  # while it runs
    earlier: bool = False
    findings: str = ""
    reason: str = ""

    def text(self, column: int) -> str:
        state = tr(self.state) if self.percent is None else tr("running {percent} %", percent=self.percent)
        if self.earlier:
            state = tr("{state}, earlier", state=state)
        return (self.source.name or str(self.source), self.task, state, self.findings, self.reason)[column]


class CasesModel(QAbstractTableModel):
    """Cases of a run as a table; `take` brings it up to date."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []
        self._by_case: dict[str, int] = {}

    def clear(self) -> None:
        self.beginResetModel()
        self.rows.clear()
        self._by_case.clear()
        self.endResetModel()

    def take(self, event: BatchEvent) -> None:
        """Show what an event says of its case."""
        match event:
            case CaseFound(case=case, source=source):
                place = len(self.rows)
                self.beginInsertRows(QModelIndex(), place, place)
                self._by_case[case] = place
                self.rows.append(Row(source))
                self.endInsertRows()
            case CaseStarted(case=case, task=task):
                self._change(case, task=task.value, state="running")
            case CaseProgress(case=case, done=done, total=total):
                self._change(case, percent=100 * done // max(1, total))
            case CaseDone(case=case, state=state, kept=kept, row=row):
                said = {name: row[name] for name in ("findings", "reason", "task")}
                self._change(case, state=state.value, percent=None, earlier=kept, **said)

    def abandon(self) -> None:
        """The run ended: what was not finished waits for the next one."""
        for row in self.rows:
            if row.state == "running":
                row.state, row.percent = "waiting", None
        self.dataChanged.emit(self.index(0, 0), self.index(max(0, len(self.rows) - 1), len(COLUMNS) - 1))

    def _change(self, case: str, **values: str | int | None) -> None:
        place = self._by_case.get(case)
        if place is None:
            return
        for name, value in values.items():
            setattr(self.rows[place], name, value)
        self.dataChanged.emit(self.index(place, 0), self.index(place, len(COLUMNS) - 1))

    # --- what Qt asks -------------------------------------------------------------------------------------------------
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return tr(COLUMNS[section])
        return super().headerData(section, orientation, role)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.text(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(row.source) if index.column() == 0 else row.text(index.column())
        return None
