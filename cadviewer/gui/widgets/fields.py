"""Editors of the fields of `risk.form`: nothing is chosen for the reader, and everything can be taken back."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QPushButton, QSizePolicy, QWidget

from cadviewer.gui.i18n.language import tr
from cadviewer.risk.form import Field, Kind

UNKNOWN = "not determined"
_OWN_KEYS = {Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Space}


class Line(QLineEdit):
    """A line that keeps its keys from the window's shortcuts. Signal: done(): the reader is through with it."""

    done = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kept = ""
        self.returnPressed.connect(self.clearFocus)
        self.editingFinished.connect(self._finished)

    def keep(self, text: str) -> None:
        """What is kept: shown, unless the reader is just typing something else."""
        if not self.hasFocus() or self.text() == self.kept:
            self.setText(text)
        self.kept = text

    def _finished(self) -> None:
        if self.text() != self.kept:
            self.done.emit()

    def event(self, event: QEvent) -> bool:
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _OWN_KEYS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self.kept)
            self.clearFocus()
            return
        super().keyPressEvent(event)


class Choice(QComboBox):
    """A combo box that a wheel over it does not change."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class Editor(QWidget):
    """One field of the form. Signal: entered(name, text or None): the reader wants this kept."""

    entered = Signal(str, object)

    def __init__(self, field: Field, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self._kept: str | None = None
        self._known = ""
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        self.choice: Choice | None = None
        self.line: Line | None = None
        self.buttons: dict[str, QPushButton] = {}
        if field.kind is Kind.CHOICE:
            self.choice = self._make_choice()
            row.addWidget(self.choice)
        elif field.kind is Kind.YES_NO:
            for text in ("yes", "no"):
                row.addWidget(self._make_button(text))
        else:
            self.line = Line()
            self.line.setAccessibleName(tr(field.label))
            self.line.done.connect(self._typed)
            row.addWidget(self.line)

    def _make_choice(self) -> Choice:
        box = Choice()
        box.setAccessibleName(tr(self.field.label))
        box.addItem(tr(UNKNOWN), None)
        for text in self.field.choices:
            box.addItem(tr(text), text)
            box.setItemData(box.count() - 1, tr(text), Qt.ItemDataRole.ToolTipRole)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(3)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        box.view().setMinimumWidth(box.fontMetrics().horizontalAdvance(max(map(tr, self.field.choices), key=len)) + 40)
        box.activated.connect(lambda row: self._chosen(box.itemData(row)))
        return box

    def _make_button(self, text: str) -> QPushButton:
        button = QPushButton(tr(text))
        button.setObjectName("choice")
        button.setCheckable(True)
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.setMinimumWidth(34)
        button.setAccessibleName(f"{tr(self.field.label)}: {tr(text)}")
        button.clicked.connect(lambda down: self._chosen(text if down else None))
        self.buttons[text] = button
        return button

    def show_value(self, kept: str | None, known: str = "", proposed: str | None = None) -> None:
        """kept: by the journal. known: what holds while nothing is ("7.5, measured"). proposed: a model's guess."""
        self._kept, self._known = kept, known
        if self.choice is not None:
            self._show_choice(self.choice, kept, known, proposed)
        elif self.line is not None:
            self.line.keep(kept or "")
            self.line.setPlaceholderText(known or tr(UNKNOWN))
            self._show_wrong("")
        for text, button in self.buttons.items():
            asked = kept is None and text == proposed
            button.setText(f"{tr(text)}?" if asked else tr(text))
            button.setToolTip(tr("Suggested by where it lies; nothing counts before you say so") if asked else "")
            button.setChecked(kept == text)

    @staticmethod
    def _show_choice(box: Choice, kept: str | None, known: str, proposed: str | None) -> None:
        box.setItemText(0, known or (tr("proposed: {choice}", choice=tr(proposed)) if proposed else tr(UNKNOWN)))
        for row in range(1, box.count()):
            text = str(box.itemData(row))
            box.setItemText(
                row,
                tr("{choice}  (proposed by the model)", choice=tr(text))
                if text == proposed and kept is None
                else tr(text),
            )
        box.setCurrentIndex(max(box.findData(kept), 0) if kept is not None else 0)
        box.setToolTip(
            tr(kept) if kept else tr("The model proposes: {choice}", choice=tr(proposed)) if proposed else ""
        )

    def _chosen(self, text: str | None) -> None:
        if text != self._kept:
            self.show_kept()  # the journal says when it is so
            self.entered.emit(self.field.name, text)

    def show_kept(self) -> None:
        """Back to what the journal has."""
        if self.choice is not None:
            self.choice.setCurrentIndex(max(self.choice.findData(self._kept), 0) if self._kept is not None else 0)
        for text, button in self.buttons.items():
            button.setChecked(self._kept == text)

    def _typed(self) -> None:
        assert self.line is not None
        text = self.line.text().strip()
        if not text:
            if self._kept is not None:
                self.entered.emit(self.field.name, None)
            return
        try:
            value = self.field.check(text)
        except ValueError as error:
            self._show_wrong(str(error))
            return
        self._show_wrong("")
        if value != self._kept:
            self.entered.emit(self.field.name, value)

    def _show_wrong(self, wanted: str) -> None:
        """Mark a line whose text is not kept, and say what would be."""
        assert self.line is not None
        if bool(wanted) != bool(self.line.property("wrong")):
            self.line.setProperty("wrong", bool(wanted))
            self.line.style().unpolish(self.line)
            self.line.style().polish(self.line)
        self.line.setToolTip(
            tr("Not kept: {label} is {wanted}", label=tr(self.field.label), wanted=wanted) if wanted else ""
        )
