"""The settings dialog. Nothing is changed before OK or Apply; then at once, or after a restart where it says so."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.keys import KeysPage
from cadviewer.gui.settings.page import FormPage, Page
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.settings.presets import PresetsPage
from cadviewer.settings import Settings


class SettingsDialog(QDialog):
    """Pages over a draft of the settings."""

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self.setWindowTitle(tr("Settings"))
        self.pages: dict[str, Page] = {
            "keys": KeysPage(),
            "mouse": FormPage("mouse", "Mouse"),
            "presets": PresetsPage(),
            "viewing": FormPage("viewing", "Viewing"),
            "models": FormPage("models", "Models"),
            "look": FormPage("look", "Look"),
        }
        self.tabs = QTabWidget()
        self.tabs.setObjectName("pages")
        for page in self.pages.values():
            page.show_settings(preferences.now)
            page.edited.connect(self._edited)
            self.tabs.addTab(_scrolled(page) if isinstance(page, FormPage) else page, tr(page.title))
        self.say = QLabel(wordWrap=True)
        self.say.setObjectName("said")
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Ok | standard.Cancel | standard.Apply)
        self.apply = self.buttons.button(standard.Apply)
        self.ok = self.buttons.button(standard.Ok)
        self.reset = self.buttons.addButton(tr("Reset this page"), QDialogButtonBox.ButtonRole.ResetRole)
        self.reset.setToolTip(tr("The usual values of everything on this page"))
        self.apply.clicked.connect(self.use)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.reset.clicked.connect(self._reset)
        column = QVBoxLayout(self)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.say)
        column.addWidget(self.buttons)
        self.resize(760, 600)
        self._edited()

    def draft(self) -> dict[str, Any]:
        """What differs from the settings in use. Raises ValueError saying what cannot be used."""
        for page in self.pages.values():
            problem = page.problem()
            if problem:
                raise ValueError(f"{tr(page.title)}: {problem}")
        wanted = {name: value for page in self.pages.values() for name, value in page.values().items()}
        return {name: value for name, value in wanted.items() if value != getattr(self._preferences.now, name)}

    def use(self) -> bool:
        """Make the draft the settings; False when it cannot be."""
        try:
            changes = self.draft()
            if changes:
                self._preferences.change(**changes)
        except ValueError as error:
            self.say.setText(f"⚠ {error}")
            return False
        self._edited()
        return True

    def accept(self) -> None:
        if self.use():
            super().accept()

    def _reset(self) -> None:
        """The usual values of the page on screen."""
        page = list(self.pages.values())[self.tabs.currentIndex()]
        usual = {name: getattr(Settings(), name) for name in page.options()}
        page.show_settings(replace(self._preferences.now, **usual))
        self._edited()

    def _edited(self) -> None:
        try:
            changes = self.draft()
        except ValueError as error:
            self.say.setText(f"⚠ {error}")
            self.apply.setEnabled(False)
            self.ok.setEnabled(False)
            return
        self.apply.setEnabled(bool(changes))
        self.ok.setEnabled(True)
        self.say.setText(self._later(changes))

    def _later(self, changes: dict[str, Any]) -> str:
        """Which of the values that differ from those at the start need another one."""
        start, now = self._preferences.at_start, replace(self._preferences.now, **changes)
        names = [
            tr(option.metadata["label"])
            for option in fields(Settings)
            if option.metadata["restart"] and getattr(start, option.name) != getattr(now, option.name)
        ]
        return "⟳ " + tr("After a restart of the program: {names}", names=", ".join(names)) if names else ""

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.tabs.currentWidget().setFocus()


def _scrolled(page: QWidget) -> QScrollArea:
    """A page that can be reached whole on a small screen."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(page)
    return area
