"""The list of what the reader drew and marked in a case: to go there, to name it, to take it away."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QMenu, QSizePolicy, QVBoxLayout, QWidget

from cadviewer.gui.canvas.overlay_text import PLANES
from cadviewer.gui.canvas.plane_intersections import home
from cadviewer.gui.canvas.shapes import Drawing, on_plane, value
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style
from cadviewer.imaging.planes import Plane
from cadviewer.store.areas import REGIONS
from cadviewer.store.session import Measure
from cadviewer.store.words import MEASURES

MOST_ROWS = 7
"""Rows that are seen without scrolling."""


@dataclass(frozen=True)
class MeasureRow:
    """key: of the record, "" for a key image. slice: the acquired image nearest to it. title, place: two lines."""

    key: str
    slice: int
    icon: str
    title: str
    place: str


def rows(case: Case | None) -> list[MeasureRow]:
    """Shapes and key images of a case, from its first image to its last."""
    if case is None or case.stack is None:
        return []
    stack = case.stack
    means = {e.id: e.mark for e in case.kept.entries if isinstance(e.mark, Measure)}
    found = [_row(case, shape, means.get(shape.key)) for shape in case.shapes]
    found += [MeasureRow("", k, "star", tr("Key image"), wording.images(case.series, k)) for k in case.key_images]
    return sorted(found, key=lambda row: (stack.turned(row.slice), not row.key))


def _row(case: Case, shape: Drawing, kept: Measure | None) -> MeasureRow:
    assert case.stack is not None
    where, lines = wording.images(case.series, shape.slice), tuple(shape.text.splitlines())
    found = home(shape, case.stack)
    if found is not None:
        stack, index = found
        if stack.plane is not Plane.ACQUIRED:
            where = f"{tr(PLANES[stack.plane])} {int(stack.turned(index)) + 1}"
        flat = on_plane(shape, stack, index)
        if shape.kind in REGIONS and kept is not None:  # its values are not looked at again
            lines += (f"{kept.value:.1f} {kept.unit}".replace("-", "−"),) if kept.value is not None else ()
        elif flat is not None:
            lines = value(shape.kind, flat, stack, index, shape.text).lines
    title = "  ".join(lines) or tr(MEASURES[shape.kind])
    return MeasureRow(shape.key, shape.slice, shape.kind.value, title, f"{tr(MEASURES[shape.kind])}, {where}")


class MeasuresPanel(QWidget):
    """Hidden while there is nothing in it.

    Signals: chosen(Row): go there; rename_asked(Row), delete_asked(Row).
    """

    chosen = Signal(object)
    rename_asked = Signal(object)
    delete_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[MeasureRow] = []
        self.heading = QLabel(tr("Measures and key images"))
        self.heading.setObjectName("dim")
        self.heading.setWordWrap(True)
        self.heading.setContentsMargins(8, 4, 4, 0)
        self.list = QListWidget()
        self.list.setObjectName("measures")
        self.list.setIconSize(QSize(18, 18))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys are the window's
        self.list.setAccessibleName(self.heading.text())
        self.list.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.itemClicked.connect(lambda item: self.chosen.emit(self.rows[self.list.row(item)]))
        self.list.itemDoubleClicked.connect(lambda item: self._rename(self.list.row(item)))
        self.list.customContextMenuRequested.connect(self._popup)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.heading)
        column.addWidget(self.list)
        self.hide()

    def show_case(self, case: Case | None) -> None:
        """Show what was drawn in a case."""
        found = rows(case)
        if found != self.rows:
            self.rows = found
            self.list.clear()
            for row in found:
                item = QListWidgetItem(style.icon(row.icon), f"{row.title}\n{row.place}")
                item.setToolTip(f"{row.title}\n{row.place}")
                self.list.addItem(item)
            high = self.list.sizeHintForRow(0) if found else 0
            self.list.setFixedHeight(min(len(found), MOST_ROWS) * high + 4)
        self.setVisible(bool(found))

    def select(self, key: str | None) -> None:
        """The shape that is selected on the image, None for none."""
        at = next((k for k, row in enumerate(self.rows) if key and row.key == key), -1)
        if at >= 0:
            self.list.setCurrentRow(at)
        elif self.list.currentRow() >= 0 and self.rows[self.list.currentRow()].key:
            self.list.setCurrentRow(-1)

    def neighbour(self, by: int) -> MeasureRow | None:
        """The row `by` further down than the current one, round and round, which is current then."""
        if not self.rows:
            return None
        at = self.list.currentRow()
        at = (at + by) % len(self.rows) if at >= 0 else (0 if by > 0 else len(self.rows) - 1)
        self.list.setCurrentRow(at)
        return self.rows[at]

    def _rename(self, at: int) -> None:
        if self.rows[at].key:
            self.rename_asked.emit(self.rows[at])

    def _popup(self, at: QPoint) -> None:
        item = self.list.itemAt(at)
        if item is not None:
            self.menu(self.rows[self.list.row(item)]).popup(self.list.viewport().mapToGlobal(at))

    def menu(self, row: MeasureRow) -> QMenu:
        """What can be done with a row."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Go there")).triggered.connect(lambda: self.chosen.emit(row))
        if row.key:
            menu.addAction(tr("Name or text…")).triggered.connect(lambda: self.rename_asked.emit(row))
        menu.addAction(tr("Delete")).triggered.connect(lambda: self.delete_asked.emit(row))
        return menu
