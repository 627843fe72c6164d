"""The page of window presets: a row for each number, which is the usual window unless the user changed this one."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
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

from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.page import Page
from cadviewer.gui.widgets.actions import SPECS
from cadviewer.gui.widgets.shortcuts import resolve, shown
from cadviewer.imaging import windowing
from cadviewer.settings import Preset, Settings

USUAL = tuple(Preset(w.name, w.width, w.centre) for w in windowing.PRESETS)
KEY, NAME, WIDTH, CENTRE = range(4)


class PresetsPage(Page):
    """A table that is edited in place. A number without a window stays empty; those beyond the usual ones can go."""

    title = "Windows"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys: dict[int, str] = {}
        self.table = QTableWidget(0, 4)
        self.table.setAccessibleName(tr("Window presets"))
        self.table.setHorizontalHeaderLabels([tr("Key"), tr("Name"), tr("Width (HU)"), tr("Centre (HU)")])
        self.table.verticalHeader().hide()
        self.table.setTabKeyNavigation(False)  # the Tab key leads on to the buttons
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.AnyKeyPressed
        )
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column, wide in ((KEY, 90), (WIDTH, 120), (CENTRE, 120)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            self.table.setColumnWidth(column, wide)
        self.table.cellChanged.connect(lambda *_: self._edited())
        self.table.currentCellChanged.connect(lambda *_: self._enable())
        self.say = QLabel(wordWrap=True)
        self.say.setObjectName("said")
        self.add = QPushButton(tr("A&dd"))
        self.remove = QPushButton(tr("Re&move"))
        self.up = QPushButton(tr("&Up"))
        self.down = QPushButton(tr("Do&wn"))
        self.reset = QPushButton(tr("&Reset"))
        self.reset.setToolTip(tr("The usual window of this number"))
        row = QHBoxLayout()
        for button, act in (
            (self.add, self._add),
            (self.remove, self._remove),
            (self.up, lambda: self._move(-1)),
            (self.down, lambda: self._move(1)),
            (self.reset, self._reset),
        ):
            button.setAutoDefault(False)
            button.clicked.connect(act)
            row.addWidget(button)
        row.addStretch(1)
        about = QLabel(
            tr("A double click or typing changes a cell. A window that you did not change stays the usual one.")
        )
        about.setObjectName("dim")
        about.setWordWrap(True)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(14, 14, 14, 10)
        for part in (about, self.table):
            whole.addWidget(part)
        whole.addLayout(row)
        whole.addWidget(self.say)

    # the page ----------------------------------------------------------------------------------------------------

    def show_settings(self, settings: Settings) -> None:
        """Show the presets of these settings, and the usual ones where none is the user's own."""
        keys = resolve(SPECS, settings.keys).of
        self._keys = {number: shown(keys.get(f"preset_{number}", ())[:1]) for number in range(1, len(USUAL) + 1)}
        own = dict(settings.presets)
        rows = max([len(USUAL), *own])
        self.table.blockSignals(True)
        self.table.setRowCount(rows)
        for row in range(rows):
            self._put(row, own[row + 1] if row + 1 in own else _usual(row))
        self.table.blockSignals(False)
        self.table.setCurrentCell(0, NAME)
        self._say()

    def values(self) -> dict[str, Any]:
        return {"presets": self.changes()}

    def options(self) -> tuple[str, ...]:
        return ("presets",)

    def changes(self) -> tuple[tuple[int, Preset | None], ...]:
        """Numbers whose window is not the usual one. Raises ValueError naming the row that is no window."""
        found = [self._preset(row) for row in range(self.table.rowCount())]
        return tuple((row + 1, preset) for row, preset in enumerate(found) if preset != _usual(row))

    def problem(self) -> str:
        """Why the presets cannot be kept as they are typed, "" where they can."""
        try:
            self.changes()
        except ValueError as error:
            return str(error)
        return ""

    def _preset(self, row: int) -> Preset | None:
        """The window of a row, None where it is empty. Raises ValueError."""
        name, width, centre = (self._text(row, column) for column in (NAME, WIDTH, CENTRE))
        if not (name or width or centre):
            return None
        try:
            preset = Preset(_english(name), _number(width), _number(centre))
        except ValueError:
            raise ValueError(
                tr("Row {row}: the width must be a number above 0, the centre a number.", row=row + 1)
            ) from None
        if not name:
            raise ValueError(tr("Row {row} needs a name.", row=row + 1))
        return preset

    # editing -----------------------------------------------------------------------------------------------------

    def _add(self) -> None:
        """A window more, at the end, so that no key gets another one."""
        row = self.table.rowCount()
        blocked = self.table.blockSignals(True)
        self.table.insertRow(row)
        self._put(row, Preset(tr("New window"), 400, 40))
        self.table.blockSignals(blocked)
        self.table.setCurrentCell(row, NAME)
        self.table.setFocus()
        self._edited()

    def _remove(self) -> None:
        """No window under this number; a row beyond the usual ones is gone."""
        row = self.table.currentRow()
        if row >= len(USUAL):
            self.table.removeRow(row)
        elif row >= 0:
            self._write(row, None)
        self._edited()

    def _reset(self) -> None:
        row = self.table.currentRow()
        if 0 <= row < len(USUAL):
            self._write(row, _usual(row))
            self._edited()

    def _move(self, by: int) -> None:
        """Two rows change places."""
        row, column = self.table.currentRow(), max(self.table.currentColumn(), NAME)
        target = row + by
        if row < 0 or not 0 <= target < self.table.rowCount():
            return
        texts = [[self._text(r, c) for c in (NAME, WIDTH, CENTRE)] for r in (row, target)]
        blocked = self.table.blockSignals(True)
        for r, own in ((target, texts[0]), (row, texts[1])):
            for c, text in zip((NAME, WIDTH, CENTRE), own, strict=True):
                self._set(r, c, text)
        self.table.blockSignals(blocked)
        self.table.setCurrentCell(target, column)
        self._edited()

    def _write(self, row: int, preset: Preset | None) -> None:
        blocked = self.table.blockSignals(True)
        self._put(row, preset)
        self.table.blockSignals(blocked)

    def _put(self, row: int, preset: Preset | None) -> None:
        texts = ("", "", "") if preset is None else (_shown(preset.name), f"{preset.width:g}", f"{preset.centre:g}")
        for column, text in zip((NAME, WIDTH, CENTRE), texts, strict=True):
            self._set(row, column, text)
        key = QTableWidgetItem(self._keys.get(row + 1, ""))
        key.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        self.table.setItem(row, KEY, key)

    def _set(self, row: int, column: int, text: str) -> None:
        item = QTableWidgetItem(text)
        if column != NAME:
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.table.setItem(row, column, item)

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return item.text().strip() if item is not None else ""

    # what is shown -----------------------------------------------------------------------------------------------

    def _edited(self) -> None:
        self._say()
        self.edited.emit()

    def _say(self) -> None:
        problem = self.problem()
        self.say.setText(f"⚠ {problem}" if problem else "")
        blocked = self.table.blockSignals(True)
        for row in range(self.table.rowCount()):
            self._mark(row)
        self.table.blockSignals(blocked)
        self._enable()

    def _mark(self, row: int) -> None:
        """What was changed is bold, and says what it was."""
        changed, usual = self._changed(row), _usual(row)
        font = QFont(self.table.font())
        font.setBold(changed)
        words = tr("Changed from {usual}", usual=_line(usual)) if changed and usual is not None else ""
        for column in (NAME, WIDTH, CENTRE):
            item = self.table.item(row, column)
            if item is not None:
                item.setFont(font)
                item.setToolTip(words)

    def _changed(self, row: int) -> bool:
        try:
            return self._preset(row) != _usual(row)
        except ValueError:
            return True

    def _enable(self) -> None:
        row, rows = self.table.currentRow(), self.table.rowCount()
        chosen = 0 <= row < rows
        self.remove.setEnabled(chosen and any(self._text(row, column) for column in (NAME, WIDTH, CENTRE)))
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < rows - 1)
        self.reset.setEnabled(chosen and row < len(USUAL) and self._changed(row))


def _usual(row: int) -> Preset | None:
    return USUAL[row] if row < len(USUAL) else None


def _line(preset: Preset) -> str:
    return f"{_shown(preset.name)} {preset.width:g} / {preset.centre:g}".replace("-", "−")


def _shown(name: str) -> str:
    """A usual name in the user's language; another as it is."""
    return tr(name) if name in {usual.name for usual in USUAL} else name


def _english(name: str) -> str:
    """The way back of `_shown`."""
    return next((usual.name for usual in USUAL if tr(usual.name) == name), name)


def _number(text: str) -> float:
    """A finite number, with a true minus sign, a decimal comma or not. Raises ValueError."""
    value = float(text.replace("−", "-").replace(",", "."))
    if not abs(value) < 1e9:
        raise ValueError(text)
    return value
