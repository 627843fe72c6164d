"""The settings of a run as a form, drawn from what `cadviewer-train settings` says: names, ranges, meaning, presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from cadviewer.gui.i18n.language import tr

MOST = 2**31 - 1


class SettingsForm(QWidget):
    """A row for each setting. Signal: edited(): something on it is another; edits: the editors by key."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.edits: dict[str, _Edit] = {}
        self._settings: list[Mapping[str, Any]] = []
        self._preset: Mapping[str, Any] = {}
        self.more = QPushButton(tr("Further settings"))
        self.more.setCheckable(True)
        self.more.setAutoDefault(False)
        self.more.toggled.connect(self._show_more)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._area, 1)
        column.addWidget(self.more)
        self.show_settings([])

    def show_settings(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Draw the rows of another task, each with its default. settings: as `trainers.asking` gives them."""
        self._settings, self._preset, self.edits = list(settings), {}, {}
        page = QWidget()
        self._form = QFormLayout(page)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.setVerticalSpacing(2)
        for one in self._settings:
            edit = _edit(one, self.edited.emit)
            self.edits[one["key"]] = edit
            label = QLabel(tr(one["label"]))
            label.setBuddy(edit.widget)
            about = QLabel(" ".join(part for part in (tr(one["meaning"]), _allowed(one)) if part), wordWrap=True)
            about.setObjectName("dim")
            about.setContentsMargins(0, 0, 0, 6)
            edit.widget.setAccessibleName(label.text())
            edit.widget.setAccessibleDescription(about.text())
            edit.widget.setToolTip(one["key"])  # as the command line calls it
            self._form.addRow(label, edit.widget)
            self._form.addRow(about)
        self._area.setWidget(page)
        self._show_more()
        self.use_preset({})

    def use_preset(self, values: Mapping[str, Any]) -> None:
        """Put the values of a preset where the user has entered nothing else. values: where they are not defaults."""
        own = self.assignments()
        self._preset = values
        self.reset()
        self.put(own)

    def let_edit(self, can: bool) -> None:
        """Whether values can be changed; they can always be looked at."""
        for edit in self.edits.values():
            edit.widget.setEnabled(can)

    def reset(self) -> None:
        """What the preset says, everywhere."""
        for one in self._settings:
            self.edits[one["key"]].put(self._usual(one))

    def put(self, assignments: Sequence[str]) -> None:
        """Enter `key=value` texts; a key that the form does not have is left out."""
        for text in assignments:
            key, _, value = text.partition("=")
            if key in self.edits:
                self.edits[key].put(value)

    def assignments(self) -> list[str]:
        """What the user entered, as `key=value`: all that is not what the preset says."""
        return [
            f"{one['key']}={text}"
            for one in self._settings
            if not _same(text := self.edits[one["key"]].get(), self._usual(one), one["kind"])
        ]

    def problem(self) -> str:
        """Why the settings cannot be used as they are; "" when they can."""
        for one in self._settings:
            if not _fits(self.edits[one["key"]].get(), one, self._usual(one)):
                return tr("{name}: a number is wanted {range}", name=tr(one["label"]), range=_allowed(one)).strip()
        return ""

    def _usual(self, one: Mapping[str, Any]) -> str:
        return _text(self._preset.get(one["key"], one["default"]))

    def _show_more(self, *_: object) -> None:
        for row, one in enumerate(self._settings):
            for part in (2 * row, 2 * row + 1):
                self._form.setRowVisible(part, bool(one["main"]) or self.more.isChecked())
        self.more.setVisible(any(not one["main"] for one in self._settings))


class _Edit:
    """How one setting is edited, as text."""

    def __init__(self, widget: QWidget, put: Callable[[str], None], get: Callable[[], str]) -> None:
        self.widget, self.put, self.get = widget, put, get


class _Spin(QSpinBox):
    """Turning the wheel over it scrolls the form."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class _Choice(QComboBox):
    """Turning the wheel over it scrolls the form."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


def _edit(one: Mapping[str, Any], edited: Callable[[], None]) -> _Edit:
    if one["choices"]:
        box = _Choice()
        for choice in one["choices"]:
            box.addItem(choice or tr("as usual"), choice)
        box.currentIndexChanged.connect(lambda _: edited())
        return _Edit(box, lambda text: box.setCurrentIndex(box.findData(text)), lambda: str(box.currentData()))
    if one["kind"] == "bool":
        tick = QCheckBox(tr("Yes"))
        tick.toggled.connect(lambda _: edited())
        return _Edit(
            tick,
            lambda text: tick.setChecked(text.lower() in ("true", "1", "yes", "on")),
            lambda: str(tick.isChecked()).lower(),
        )
    if one["kind"] == "int":
        low, high = one["low"], one["high"]
        spin = _Spin(minimum=-MOST if low is None else int(low), maximum=MOST if high is None else int(high))
        spin.setLocale(QLocale.c())
        spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        spin.valueChanged.connect(lambda _: edited())
        return _Edit(spin, lambda text: _put_number(spin, text), lambda: str(spin.value()))
    line = QLineEdit()
    if one["kind"] == "float":
        line.setAlignment(Qt.AlignmentFlag.AlignRight)
    line.textChanged.connect(lambda _: edited())
    return _Edit(line, line.setText, lambda: line.text().strip())


def _put_number(spin: QSpinBox, text: str) -> None:
    try:
        spin.setValue(int(text))
    except ValueError:
        return  # of an older program: the default stays


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(v) for v in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)


def _allowed(one: Mapping[str, Any]) -> str:
    return f"({one['range']})" if one["range"] else ""


def _same(text: str, usual: str, kind: str) -> bool:
    if kind == "float":
        try:
            return float(text) == float(usual)
        except ValueError:
            pass
    return text == usual


def _fits(text: str, one: Mapping[str, Any], usual: str) -> bool:
    if one["kind"] != "float" or text == usual:
        return True
    try:
        value = float(text)
    except ValueError:
        return not text and one["default"] is None
    return (one["low"] is None or value >= one["low"]) and (one["high"] is None or value <= one["high"])
