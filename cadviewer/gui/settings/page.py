"""A page of the settings dialog: rows of options drawn from what `Settings` says about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from functools import partial
from typing import Any

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QHBoxLayout, QLabel, QSpinBox, QWidget

from cadviewer.findings import Task
from cadviewer.gui.i18n import language
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.models_dialog import label_of
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError
from cadviewer.settings import Settings

DEVICES = ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:2", "cuda:3")
SCALES = (1.0, 1.1, 1.25, 1.5, 1.75, 2.0)


class Page(QWidget):
    """One page. Signal: edited(): the user changed something on it. title: in English, of its tab."""

    edited = Signal()
    title = ""

    def show_settings(self, settings: Settings) -> None:
        """Fill the page."""
        raise NotImplementedError

    def values(self) -> dict[str, Any]:
        """The settings that the page says, by name."""
        raise NotImplementedError

    def problem(self) -> str:
        """Why the page cannot be used as it is; "" when it can."""
        return ""

    def options(self) -> tuple[str, ...]:
        """Names of the settings of this page, for the button that resets it."""
        raise NotImplementedError


class FormPage(Page):
    """A row for every option of a page, with what it is for beneath it."""

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self._options: tuple[Field[Any], ...] = tuple(o for o in fields(Settings) if o.metadata["page"] == name)
        self._edits: dict[str, _Edit] = {}
        self.editors: dict[str, QWidget] = {}
        form = QFormLayout(self)
        form.setContentsMargins(18, 16, 18, 16)
        form.setVerticalSpacing(3)
        form.setHorizontalSpacing(18)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for option in self._options:
            edit = _edit(option, self.edited.emit)
            self._edits[option.name] = edit
            self.editors[option.name] = edit.focus
            label = QLabel(tr(option.metadata["label"]))
            label.setBuddy(edit.focus)
            edit.focus.setAccessibleName(label.text())
            help_ = QLabel(tr(option.metadata["help"]) + (" " + tr("After a restart.") if _later(option) else ""))
            help_.setObjectName("dim")
            help_.setWordWrap(True)
            help_.setContentsMargins(0, 0, 0, 9)
            edit.focus.setAccessibleDescription(help_.text())
            form.addRow(label, edit.widget)
            form.addRow("", help_)

    def show_settings(self, settings: Settings) -> None:
        for name, edit in self._edits.items():
            edit.put(getattr(settings, name))

    def values(self) -> dict[str, Any]:
        return {name: edit.get() for name, edit in self._edits.items()}

    def options(self) -> tuple[str, ...]:
        return tuple(self._edits)


def _later(option: Field[Any]) -> bool:
    return bool(option.metadata["restart"])


class _Edit:
    """How one option is edited. widget: of its row; focus: the part of it that takes the keys."""

    def __init__(
        self, widget: QWidget, put: Callable[[Any], None], get: Callable[[], Any], focus: QWidget | None = None
    ) -> None:
        self.widget, self.put, self.get = widget, put, get
        self.focus = focus or widget


def _edit(option: Field[Any], edited: Callable[[], None]) -> _Edit:
    about = option.metadata
    if option.name in _CHOSEN:
        return _choice(_CHOSEN[option.name](), edited)
    if about["choices"]:
        return _choice({value: tr(label) for value, label in about["choices"].items()}, edited)
    if isinstance(option.default, bool):
        return _tick(edited)
    if isinstance(option.default, int):
        spin = QSpinBox(minimum=int(about["low"]), maximum=int(about["high"]))
        spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        spin.valueChanged.connect(lambda _: edited())
        return _Edit(spin, spin.setValue, spin.value)
    if option.default is None:
        return _own_threshold(about["low"], about["high"], edited)
    number = _number(about["low"], about["high"], 0)
    number.valueChanged.connect(lambda _: edited())
    return _Edit(number, number.setValue, number.value)


def _choice(choices: dict[Any, str], edited: Callable[[], None]) -> _Edit:
    box = QComboBox()
    for value, label in choices.items():
        box.addItem(label, value)
    box.currentIndexChanged.connect(lambda _: edited())

    def put(value: Any) -> None:
        row = box.findData(value)
        if row < 0:  # a model that is gone, a device of another machine: said, and kept until another is chosen
            box.addItem(tr("{value} (not there now)", value=value), value)
            row = box.count() - 1
        box.setCurrentIndex(row)

    return _Edit(box, put, box.currentData)


def _tick(edited: Callable[[], None]) -> _Edit:
    tick = QCheckBox(tr("Yes"))
    tick.toggled.connect(lambda _: edited())
    return _Edit(tick, tick.setChecked, tick.isChecked)


def _own_threshold(low: float, high: float, edited: Callable[[], None]) -> _Edit:
    """A number that may be left to the model."""
    tick, spin, row = QCheckBox(tr("Always")), _number(low, high, 2), QWidget()
    spin.setSingleStep(0.05)
    spin.setAccessibleName(tr("Nodule threshold"))
    tick.toggled.connect(spin.setEnabled)
    tick.toggled.connect(lambda _: edited())
    spin.valueChanged.connect(lambda _: edited())
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(tick)
    layout.addWidget(spin)
    layout.addStretch(1)

    def put(value: float | None) -> None:
        spin.setEnabled(value is not None)
        spin.setValue(0.5 if value is None else value)
        tick.setChecked(value is not None)

    return _Edit(row, put, lambda: spin.value() if tick.isChecked() else None, tick)


def _number(low: float, high: float, decimals: int) -> QDoubleSpinBox:
    """A number with a decimal point in every language, like all others in the window."""
    spin = QDoubleSpinBox(minimum=low, maximum=high, decimals=decimals)
    spin.setLocale(QLocale.c())
    spin.setAlignment(Qt.AlignmentFlag.AlignRight)
    return spin


def _models(task: Task) -> dict[Any, str]:
    cards = catalogue.cards(task)
    try:
        usual = catalogue.default(task)
        first = tr("The default: {name}", name=usual.title or usual.name)
    except CardError:
        first = tr("The default")
    return {"": first} | {card.name: label_of(card, "") for card in cards}


def _languages() -> dict[Any, str]:
    return {"": tr("As the system")} | language.available()


_CHOSEN: dict[str, Callable[[], dict[Any, str]]] = {
    **{task.spec.model_setting: partial(_models, task) for task in Task if task.spec.model_setting},
    "device": lambda: {name: tr("auto: the GPU if it can be used") if name == "auto" else name for name in DEVICES},
    "language": _languages,
    "scale": lambda: {scale: f"{scale * 100:.0f} %" for scale in SCALES},
}
"""Options whose choices are known only here."""
