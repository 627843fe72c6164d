"""The tag browser: what the header of the image on screen says, with a search. For the screen alone, nothing is kept.

Headers are read on a thread of its own, the newest wish first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from cadviewer.background import Background
from cadviewer.gui.cases import wording
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging.series import InputError, Series

if TYPE_CHECKING:
    from cadviewer.imaging.dicom.tags import TagRow

COLUMNS = ("Tag", "Name", "VR", "Value")
SETTLE_MS = 120
"""So long after the last scroll step the header of the image is read."""


class TagTable(QAbstractTableModel):
    """Rows of `imaging.dicom.tags.read_tags`."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[TagRow] = []

    def show(self, rows: list[TagRow]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        row = self.rows[index.row()]
        return (row.tag, "    " * row.depth + row.name, row.vr, row.value)[index.column()]


class _Found(QSortFilterProxyModel):
    """Rows that hold every word that is looked for, with the sequences that they lie in."""

    def __init__(self, table: TagTable) -> None:
        super().__init__()
        self._table = table
        self._kept: set[int] | None = None
        self.setSourceModel(table)

    def look_for(self, text: str) -> None:
        wanted = text.lower().split()
        self.beginResetModel()
        self._kept = self._rows_with(wanted) if wanted else None
        self.endResetModel()

    def _rows_with(self, wanted: list[str]) -> set[int]:
        kept: set[int] = set()
        above: list[int] = []  # the last row of each lesser depth
        for k, row in enumerate(self._table.rows):
            del above[row.depth :]
            if all(row.holds(word) for word in wanted):
                kept.update(above, (k,))
            above += [k] * (row.depth + 1 - len(above))
        return kept

    def filterAcceptsRow(self, row: int, parent: QModelIndex | QPersistentModelIndex) -> bool:
        return self._kept is None or row in self._kept


class _Answers(QObject):
    """Speaks for the thread. Signal: read(number, rows, problem).

    Not the dialog itself: that may be destroyed while the thread is just emitting.
    """

    read = Signal(int, object, str)


class TagBrowser(QDialog):
    """Elements of one image; follows the image on screen."""

    def __init__(self, series: Series, index: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("DICOM tags"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._series, self._index, self._asked = series, index, 0
        self._thread = Background("tags")
        self._answers = _Answers()
        self._of: Path | None = None
        self.table = TagTable()
        self.found = _Found(self.table)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search tag, name or value"))
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName(tr("Search"))
        self.search.textChanged.connect(self._look)
        self.head = QLabel()
        self.head.setObjectName("dim")
        self.view = QTableView()
        self.view.setModel(self.found)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setAlternatingRowColors(True)
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.view.horizontalHeader().setStretchLastSection(True)
        self.view.setAccessibleName(tr("Elements"))
        for column, sample in enumerate(("0028,0030  ", "De-identification Method Code Sequence", "SQ SQ")):
            self.view.setColumnWidth(column, self.fontMetrics().horizontalAdvance(sample) + 16)
        QShortcut(QKeySequence.StandardKey.Copy, self.view, self._copy)
        QShortcut(QKeySequence.StandardKey.Find, self, self.search.setFocus)
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(self._ask)
        self._answers.read.connect(self._show)
        row = QHBoxLayout()
        row.addWidget(self.search, 1)
        row.addWidget(self.head)
        column_ = QVBoxLayout(self)
        column_.addLayout(row)
        column_.addWidget(self.view, 1)
        self.resize(min(900, int(self.screen().availableGeometry().width() * 0.9)), 620)
        self._ask()

    def show_image(self, index: int) -> None:
        """Another image of the series is on screen."""
        self._index = index
        self._settle.start()

    def _ask(self) -> None:
        """Have the header of the image read, unless it is the one that is shown."""
        index = min(max(self._index, 0), len(self._series.slices) - 1)
        file = self._series.slices[index].file
        if self._series.format != "dicom":
            self.head.setText(tr("{name} is not a DICOM file: it has no tags", name=self._series.source.name))
            return
        if file == self._of:
            return
        self._of = file
        self._asked += 1
        self.head.setText(tr("Reading…"))
        self._thread.do(self._work, self._asked, file)

    def _work(self, number: int, file: Path) -> None:
        """On the thread."""
        if number != self._asked:
            return
        from cadviewer.imaging import contained

        try:
            rows, problem = contained.call("cadviewer.imaging.dicom.tags:read_tags", file), ""
        except InputError as error:
            rows, problem = [], str(error)
        except OSError as error:
            rows, problem = [], error.strerror or type(error).__name__
        except Exception as error:  # noqa: BLE001 - whatever a damaged header does to the library, the window lives on
            rows, problem = [], f"the header cannot be read ({type(error).__name__})"
        self._answers.read.emit(number, rows, problem)

    def _show(self, number: int, rows: list[TagRow], problem: str) -> None:
        if number != self._asked:
            return
        top = self.view.verticalScrollBar().value()
        self.table.show(rows)
        self._look(self.search.text())
        self.view.verticalScrollBar().setValue(top)
        self.head.setText(
            problem or tr("{image}: {count} elements", image=wording.images(self._series, self._index), count=len(rows))
        )

    def _look(self, text: str) -> None:
        self.found.look_for(text)

    def _copy(self) -> None:
        """The selected rows as text."""
        rows = sorted({index.row() for index in self.view.selectionModel().selectedIndexes()})
        lines = [
            "\t".join(str(self.found.index(row, column).data()).strip() for column in range(len(COLUMNS)))
            for row in rows
        ]
        QApplication.clipboard().setText("\n".join(lines))

    def closeEvent(self, event: QCloseEvent) -> None:
        self._shut()
        super().closeEvent(event)

    def reject(self) -> None:
        self._shut()
        super().reject()

    def _shut(self) -> None:
        self._asked += 1
        self._thread.close(drop=True, wait=False)
