"""The list of what other files say of the open case: to go there, to switch a file off, to take it away."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QMenu, QSizePolicy, QVBoxLayout, QWidget

from cadviewer.gui.cases import wording
from cadviewer.gui.cases.annotation_files import AnnotationFile, Laid
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.imaging.annotations import WORDS

MOST_HIGH = 220
"""Pixels that are seen without scrolling."""


class AnnotationsPanel(QWidget):
    """Hidden while there is nothing in it.

    Signals: chosen(Laid): go there; switched(): a file was switched on or off; removed(AnnotationFile).
    """

    chosen = Signal(object)
    switched = Signal()
    removed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[tuple[AnnotationFile, Laid | None]] = []
        self.heading = QLabel(tr("From other files, read-only"))
        self.heading.setObjectName("dim")
        self.heading.setWordWrap(True)
        self.heading.setContentsMargins(8, 4, 4, 0)
        self.list = QListWidget()
        self.list.setObjectName("measures")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys are the window's
        self.list.setAccessibleName(self.heading.text())
        self.list.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.itemClicked.connect(self._clicked)
        self.list.itemChanged.connect(self._switched)
        self.list.customContextMenuRequested.connect(self._popup)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.heading)
        column.addWidget(self.list)
        self.hide()

    def show_files(self, case: Case | None, files: Sequence[AnnotationFile]) -> None:
        """Show what lies over a case."""
        rows: list[tuple[AnnotationFile, Laid | None]] = []
        for file in files:
            rows.append((file, None))
            rows += [(file, laid) for laid in (file.laid.get(case.case_id, ()) if case is not None else ())]
        if [(id(f), id(laid)) for f, laid in rows] != [(id(f), id(laid)) for f, laid in self.rows]:
            self.rows = rows
            self._fill(case)
        self.setVisible(bool(rows))

    def _fill(self, case: Case | None) -> None:
        self.list.blockSignals(True)
        self.list.clear()
        for file, laid in self.rows:
            text = _title(file) if laid is None else _row(case, laid)
            item = QListWidgetItem(text)
            item.setToolTip(text)
            if laid is None:
                item.setCheckState(Qt.CheckState.Unchecked if file.hidden else Qt.CheckState.Checked)
                item.setToolTip(f"{file.name}\n{text}\n{tr('Shown where it is ticked')}")
            self.list.addItem(item)
        high = sum(self.list.sizeHintForRow(k) for k in range(self.list.count()))
        self.list.setFixedHeight(min(high, MOST_HIGH) + 4)
        self.list.blockSignals(False)

    def _clicked(self, item: QListWidgetItem) -> None:
        _, laid = self.rows[self.list.row(item)]
        if laid is not None and laid.placed:
            self.chosen.emit(laid)

    def _switched(self, item: QListWidgetItem) -> None:
        file, laid = self.rows[self.list.row(item)]
        if laid is None:
            file.hidden = item.checkState() is Qt.CheckState.Unchecked
            self.switched.emit()

    def _popup(self, at: QPoint) -> None:
        item = self.list.itemAt(at)
        if item is not None:
            self.menu(self.rows[self.list.row(item)][0]).popup(self.list.viewport().mapToGlobal(at))

    def menu(self, file: AnnotationFile) -> QMenu:
        """What can be done with a file."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Take it away again")).triggered.connect(lambda: self.removed.emit(file))
        return menu


def _title(file: AnnotationFile) -> str:
    kind = translate(WORDS[file.content.kind])
    return f"{kind[:1].upper()}{kind[1:]}\n{file.content.made_by}"


def _row(case: Case | None, laid: Laid) -> str:
    slices = sorted({p.index for p in laid.placed})
    where = wording.images(case.series, slices[0], slices[-1]) if case is not None and slices else tr("not drawn")
    return "\n".join((laid.annotation.name, ", ".join((where, *laid.annotation.said[:4]))))
