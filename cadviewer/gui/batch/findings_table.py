"""The findings of a finished run as a table, and which of them are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt

from cadviewer.findings import Call, Task
from cadviewer.gui.cases.wording import ANSWERS, CALLS
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.store.case_report import CaseState
from cadviewer.store.finished_runs import Row

SORTED = Qt.ItemDataRole.UserRole
"""Role of what a column sorts by."""
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Wanted:
    """Which rows are shown. state, answered: None for all. score: at least; found: only findings. text: in any cell."""

    state: CaseState | None = None
    score: float = 0.0
    found: bool = False
    answered: bool | None = None
    text: str = ""

    def takes(self, row: Row, cells: Sequence[str]) -> bool:
        return (
            self.state in (None, row.state)
            and (self.score <= 0 or (row.score is not None and row.score >= self.score))
            and (not self.found or row.finding is not None)
            and (self.answered is None or (row.finding is not None and (row.answer is not None) is self.answered))
            and (not self.text or self.text.casefold() in "\n".join((*cells, str(row.source))).casefold())
        )


def headings() -> tuple[str, ...]:
    """Of the columns, in the user's language."""
    return (
        tr("Case"),
        tr("Task"),
        tr("State"),
        tr("Finding"),
        tr("Image"),
        tr("Score"),
        tr("Long axis (mm)"),
        tr("Call"),
        tr("Answer"),
        tr("Reason"),
    )


def cells(row: Row, missing: bool) -> tuple[str, ...]:
    """What a row says. missing: its images are no longer where they were."""
    finding = row.finding or {}
    number = finding.get("finding", "")
    image = finding.get("instance_number") or ("" if row.slice is None else str(row.slice + 1))
    reason = translate(row.reason)
    if missing:
        reason = "; ".join(part for part in (tr("the images are no longer there"), reason) if part)
    return (
        "/".join(row.source.parts[-2:]) or str(row.source),
        tr(Task(row.task).heading) if row.task in set(Task) else row.task,
        tr(row.state.value),
        number,
        image,
        "" if row.score is None else f"{row.score:.2f}",
        f"{float(finding['long_mm']):.1f}" if finding.get("long_mm") else "",
        tr(CALLS[Call(finding["call"])]) if finding.get("call") else "",
        tr(ANSWERS[row.answer]) if row.finding is not None else "",
        reason,
    )


class FindingsModel(QAbstractTableModel):
    """Rows of a run."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []
        self.texts: list[tuple[str, ...]] = []
        self._headings = headings()

    def show(self, rows: Sequence[tuple[Row, bool]]) -> None:
        """Show other rows, each with whether its images are missing."""
        self.beginResetModel()
        self.rows = [row for row, _ in rows]
        self.texts = [cells(row, missing) for row, missing in rows]
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._headings)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._headings[section]
        return super().headerData(section, orientation, role)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        text = self.texts[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return text
        if role == SORTED:
            return text
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(self.rows[index.row()].source) if index.column() == 0 else text
        return None


class ShownFindings(QSortFilterProxyModel):
    """The rows that are wanted, sorted by the column that was clicked; numbers as numbers, what has none first."""

    def __init__(self, model: FindingsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model, self.wanted = model, Wanted()
        self.setSourceModel(model)

    def want(self, wanted: Wanted) -> None:
        """Show others."""
        self.wanted = wanted
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        return self.wanted.takes(self._model.rows[source_row], self._model.texts[source_row])

    def lessThan(self, left: Index, right: Index) -> bool:
        a, b = (_sorted_by(str(index.data(SORTED))) for index in (left, right))
        return a < b


def _sorted_by(text: str) -> tuple[float, str]:
    try:
        return float(text), ""
    except ValueError:
        return -1.0, text.casefold()
