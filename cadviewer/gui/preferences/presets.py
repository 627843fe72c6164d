"""The page of window presets: names, widths and centres in the order of the number keys."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cadviewer.gui.lang import tr
from cadviewer.gui.preferences.page import Page
from cadviewer.imaging import windowing
from cadviewer.settings import Preset, Settings

USUAL = tuple(Preset(w.name, w.width, w.centre) for w in windowing.PRESETS)


class PresetsPage(Page):
    """A table that is edited in place; its first nine rows have the number keys."""

    title = "Windows"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = QTableWidget(0, 3)
        self.table.setAccessibleName(tr("Window presets"))
        self.table.setHorizontalHeaderLabels([tr("Name"), tr("Width (HU)"), tr("Centre (HU)")])
        self.table.setTabKeyNavigation(False)  # the Tab key leads on to the buttons
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.AnyKeyPressed
        )
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            self.table.setColumnWidth(column, 120)
        self.table.cellChanged.connect(lambda *_: self._edited())
        self.table.currentCellChanged.connect(lambda *_: self._enable())
        self.say = QLabel(wordWrap=True)
        self.say.setObjectName("said")
        self.add = QPushButton(tr("A&dd"))
        self.remove = QPushButton(tr("Re&move"))
        self.up = QPushButton(tr("&Up"))
        self.down = QPushButton(tr("Do&wn"))
        row = QHBoxLayout()
        for button, act in (
            (self.add, self._add),
            (self.remove, self._remove),
            (self.up, lambda: self._move(-1)),
            (self.down, lambda: self._move(1)),
        ):
            button.setAutoDefault(False)
            button.clicked.connect(act)
            row.addWidget(button)
        row.addStretch(1)
        about = QLabel(tr("The first nine have the keys of the page “Keys” (1 to 9). F2 edits a cell."))
        about.setObjectName("dim")
        about.setWordWrap(True)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(14, 14, 14, 10)
        for part in (about, self.table):
            whole.addWidget(part)
        whole.addLayout(row)
        whole.addWidget(self.say)

    def show_settings(self, settings: Settings) -> None:
        self._show(settings.presets or USUAL)

    def values(self) -> dict[str, Any]:
        presets = self.presets()
        return {"presets": () if presets == USUAL else presets}

    def options(self) -> tuple[str, ...]:
        return ("presets",)

    def presets(self) -> tuple[Preset, ...]:
        """What the table says. Raises ValueError naming the row that is no window."""
        found = []
        for row in range(self.table.rowCount()):
            name = self._text(row, 0)
            try:
                found.append(Preset(name, _number(self._text(row, 1)), _number(self._text(row, 2))))
            except ValueError:
                raise ValueError(
                    tr("Row {row}: the width must be a number above 0, the centre a number.", row=row + 1)
                ) from None
            if not name:
                raise ValueError(tr("Row {row} needs a name.", row=row + 1))
        if not found:
            raise ValueError(tr("At least one window is needed."))
        return tuple(found)

    def problem(self) -> str:
        try:
            self.presets()
        except ValueError as error:
            return str(error)
        return ""

    # editing -----------------------------------------------------------------------------------------------------

    def _add(self) -> None:
        row = self.table.currentRow() + 1 or self.table.rowCount()
        self._insert(row, Preset(tr("New window"), 400, 40))
        self.table.setCurrentCell(row, 0)
        self.table.setFocus()
        self._edited()

    def _remove(self) -> None:
        row = self.table.currentRow()
        if row >= 0:
            self.table.removeRow(row)
            self._edited()

    def _move(self, by: int) -> None:
        row, column = self.table.currentRow(), max(self.table.currentColumn(), 0)
        target = row + by
        if row < 0 or not 0 <= target < self.table.rowCount():
            return
        texts = [[self._text(r, c) for c in range(3)] for r in range(self.table.rowCount())]
        texts[row], texts[target] = texts[target], texts[row]
        self.table.blockSignals(True)
        for r in (row, target):
            for c in range(3):
                self._put(r, c, texts[r][c])
        self.table.blockSignals(False)
        self.table.setCurrentCell(target, column)
        self._edited()

    def _show(self, presets: tuple[Preset, ...]) -> None:
        self.table.blockSignals(True)
        self.table.setRowCount(0)
        for row, preset in enumerate(presets):
            self._insert(row, preset)
        self.table.blockSignals(False)
        self.table.setCurrentCell(0, 0)
        self._say()

    def _insert(self, row: int, preset: Preset) -> None:
        blocked = self.table.blockSignals(True)
        self.table.insertRow(row)
        for column, text in enumerate((preset.name, f"{preset.width:g}", f"{preset.centre:g}")):
            self._put(row, column, text)
        self.table.blockSignals(blocked)

    def _put(self, row: int, column: int, text: str) -> None:
        item = QTableWidgetItem(text)
        if column:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.table.setItem(row, column, item)

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return item.text().strip() if item is not None else ""

    def _edited(self) -> None:
        self._say()
        self.edited.emit()

    def _say(self) -> None:
        problem = self.problem()
        self.say.setText(f"⚠ {problem}" if problem else "")
        self._enable()

    def _enable(self) -> None:
        row, rows = self.table.currentRow(), self.table.rowCount()
        self.remove.setEnabled(row >= 0 and rows > 1)
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < rows - 1)


def _number(text: str) -> float:
    """A finite number, with a true minus sign, a decimal comma or not. Raises ValueError."""
    value = float(text.replace("−", "-").replace(",", "."))
    if not abs(value) < 1e9:
        raise ValueError(text)
    return value
