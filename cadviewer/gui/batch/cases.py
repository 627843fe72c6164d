"""The table of a batch: one row per case, in the order in which they were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from cadviewer.batch import BatchEvent, CaseDone, CaseFound, CaseProgress, CaseStarted
from cadviewer.findings import Call, Task
from cadviewer.gui.cases.wording import CALLS
from cadviewer.gui.i18n.language import tr, translate

COLUMNS = ("Case", "Series", "Task", "State", "Findings", "Call", "Probability", "Reason")
PROBABILITY = COLUMNS.index("Probability")
RISK = Qt.ItemDataRole.UserRole
"""Role of what a column sorts by."""
Index = QModelIndex | QPersistentModelIndex


@dataclass
class BatchRow:
    """What is known of one case."""

    source: Path
    task: str = ""
    state: str = "waiting"  # in English
    percent: int | None = None  # while it runs
    earlier: bool = False
    findings: str = ""
    reason: str = ""
    series: str = ""
    call: str = ""  # as in breast.csv: of the breast image that looks worst
    probability: float | None = None  # of malignancy of that image, or the score of the surest nodule
    undecided: bool = False

    def text(self, column: int) -> str:
        """What stands in a cell."""
        state = tr(self.state) if self.percent is None else tr("running {percent} %", percent=self.percent)
        if self.earlier:
            state = tr("{state}, earlier", state=state)
        probability = "" if self.probability is None else f"{self.probability:.2f}"
        name = "/".join(self.source.parts[-2:]) or str(self.source)
        task = tr(Task(self.task).heading) if self.task else ""
        call = tr(CALLS[Call(self.call)]) if self.call else ""
        texts = (name, self.series, task, state, self.findings, call, probability, translate(self.reason))
        return texts[column]

    def sorts_by(self, column: int) -> tuple[float, str]:
        """The worst last, and what has no number before everything."""
        if column == PROBABILITY:
            return (-1.0 if self.probability is None else self.probability), ""
        text = self.text(column)
        return (float(text) if text.isdecimal() else -1.0), text.casefold()


def worst(findings: Sequence[Mapping[str, str]]) -> tuple[str, float | None]:
    """Call and probability of the breast image that looks worst; of nodules no call and the highest score."""
    call, most = "", None
    for row in findings:
        value = row.get("probability_malignant", row.get("score", ""))
        if value and (most is None or float(value) > most):
            call, most = row.get("call", ""), float(value)
        elif most is None and not call:
            call = row.get("call", "")
    return call, most


class SortedCases(QSortFilterProxyModel):
    """The table by a column that was clicked; in the order of finding until then."""

    def lessThan(self, left: Index, right: Index) -> bool:
        a, b = (index.data(RISK) for index in (left, right))
        return bool(tuple(a) < tuple(b))


class CasesModel(QAbstractTableModel):
    """Cases of a run as a table; `take` brings it up to date."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[BatchRow] = []
        self._by_case: dict[str, int] = {}

    def clear(self) -> None:
        """Forget all cases: a run begins."""
        self.beginResetModel()
        self.rows.clear()
        self._by_case.clear()
        self.endResetModel()

    def take(self, event: BatchEvent) -> None:
        """Show what an event says of its case."""
        match event:
            case CaseFound(case=case, source=source, series=series):
                place = len(self.rows)
                self.beginInsertRows(QModelIndex(), place, place)
                self._by_case[case] = place
                self.rows.append(BatchRow(source, series=series))
                self.endInsertRows()
            case CaseStarted(case=case, task=task):
                self._change(case, task=task.value, state="running")
            case CaseProgress(case=case, done=done, total=total):
                self._change(case, percent=100 * done // max(1, total))
            case CaseDone(case=case, state=state, kept=kept, row=row):
                said = {name: row[name] for name in ("findings", "reason", "task")}
                call, probability = worst(event.findings)
                self._change(
                    case,
                    state=state.value,
                    percent=None,
                    earlier=kept,
                    call=call,
                    probability=probability,
                    undecided=event.undecided,
                    **said,
                )

    def undecided(self) -> list[str]:
        """The cases that were refused because nobody could tell what they are for."""
        return [case for case, place in self._by_case.items() if self.rows[place].undecided]

    def abandon(self) -> None:
        """The run ended: what was not finished waits for the next one."""
        for row in self.rows:
            if row.state == "running":
                row.state, row.percent = "waiting", None
        self.dataChanged.emit(self.index(0, 0), self.index(max(0, len(self.rows) - 1), len(COLUMNS) - 1))

    def _change(self, case: str, **values: str | float | None) -> None:
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
        if role == RISK:
            return row.sorts_by(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(row.source) if index.column() == 0 else row.text(index.column())
        return None
