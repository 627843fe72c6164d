"""The page of keys: every action of the window, its keys, and whose a new key is so far."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.page import Page
from cadviewer.gui.widgets.actions import GROUPS, MENUS, SPECS, Spec
from cadviewer.gui.widgets.shortcuts import PORTABLE, Keys, normal, overrides, resolve, shown
from cadviewer.settings import Settings

NAME = Qt.ItemDataRole.UserRole
BY_NAME = {spec.name: spec for spec in SPECS}


class KeysPage(Page):
    """A list of actions; beneath it the chosen one's keys can be set, added, removed and reset."""

    title = "Keys"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys: dict[str, tuple[str, ...]] = {}
        self._rows: dict[str, QTreeWidgetItem] = {}
        self.search = QLineEdit(placeholderText=tr("Search an action or a key"), clearButtonEnabled=True)
        self.search.setAccessibleName(self.search.placeholderText())
        self.search.textChanged.connect(self._filter)
        self.list = QTreeWidget()
        self.list.setAccessibleName(tr("Actions and their keys"))
        self.list.setColumnCount(2)
        self.list.setHeaderLabels([tr("Action"), tr("Keys")])
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Interactive)
        self.list.header().setStretchLastSection(False)
        self.list.setColumnWidth(1, 220)
        self.list.currentItemChanged.connect(lambda *_: self._chosen())
        self.list.itemActivated.connect(lambda *_: self.edit.setFocus())
        self.name = QLabel()
        self.edit: QKeySequenceEdit = QKeySequenceEdit()
        self.edit.setMaximumSequenceLength(1)
        self.edit.setClearButtonEnabled(True)
        self.edit.setAccessibleName(tr("New key"))
        self.edit.keySequenceChanged.connect(lambda _: self._typed())
        self.say = QLabel(wordWrap=True)
        self.say.setObjectName("said")
        self.set = QPushButton(tr("&Set"))
        self.add = QPushButton(tr("A&dd"))
        self.remove = QPushButton(tr("Re&move"))
        self.reset = QPushButton(tr("&Reset"))
        self._arrange()
        self._fill()

    def _arrange(self) -> None:
        for button, tip, act in (
            (self.set, tr("The new key instead of those it has"), lambda: self._give(instead=True)),
            (self.add, tr("The new key beside those it has"), lambda: self._give(instead=False)),
            (self.remove, tr("No key for this action"), self._take),
            (self.reset, tr("The usual keys of this action"), self._reset),
        ):
            button.setToolTip(tip)
            button.setAutoDefault(False)
            button.clicked.connect(act)
        label = QLabel(tr("&New key"))
        label.setBuddy(self.edit)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.edit, 1)
        for button in (self.set, self.add, self.remove, self.reset):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 14, 14, 10)
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        column.addWidget(self.name)
        column.addLayout(row)
        column.addWidget(self.say)
        self.say.setMinimumHeight(2 * self.fontMetrics().lineSpacing() + 4)

    def _fill(self) -> None:
        for menu in GROUPS:
            specs = [spec for spec in SPECS if spec.menu == menu]
            if not specs:
                continue
            head = QTreeWidgetItem(self.list, [tr(menu).replace("&", "")])
            head.setFlags(Qt.ItemFlag.ItemIsEnabled)
            bold = QFont(self.font())
            bold.setBold(True)
            head.setFont(0, bold)
            for spec in specs:
                item = QTreeWidgetItem(head, [spec.plain])
                item.setData(0, NAME, spec.name)
                self._rows[spec.name] = item
        self.list.expandAll()

    # the page ----------------------------------------------------------------------------------------------------

    def show_settings(self, settings: Settings) -> None:
        """Show the keys as the settings have them."""
        self._keys = dict(resolve(SPECS, settings.keys).of)
        if self.list.currentItem() is None:
            self.list.setCurrentItem(self._rows[SPECS[0].name])
        self._show()

    def values(self) -> dict[str, Any]:
        return {"shortcuts": overrides(SPECS, self._keys)}

    def options(self) -> tuple[str, ...]:
        return ("shortcuts",)

    # keys --------------------------------------------------------------------------------------------------------

    @property
    def action(self) -> Spec | None:
        """The chosen one."""
        item = self.list.currentItem()
        return BY_NAME.get(item.data(0, NAME)) if item is not None else None

    def choose(self, name: str) -> None:
        self.list.setCurrentItem(self._rows[name])

    def owner(self, key: str) -> Spec | None:
        """Another action that has a key."""
        name = Keys(self._keys).owner(key)
        return BY_NAME[name] if name is not None and self.action is not None and name != self.action.name else None

    def _typed_key(self) -> str:
        return normal(self.edit.keySequence().toString(PORTABLE))

    def _give(self, *, instead: bool) -> None:
        """The typed key is this action's from now on, and no other's."""
        key, action = self._typed_key(), self.action
        if not key or action is None:
            return
        for name, keys in self._keys.items():
            self._keys[name] = tuple(k for k in keys if k != key)
        self._keys[action.name] = (key,) if instead else (*self._keys[action.name], key)
        self._changed()

    def _take(self) -> None:
        if self.action is not None:
            self._keys[self.action.name] = ()
            self._changed()

    def _reset(self) -> None:
        """The usual keys of one action; another that has one of them by the user's choice loses it."""
        action = self.action
        if action is None:
            return
        usual = tuple(map(normal, action.keys))
        for name, keys in self._keys.items():
            self._keys[name] = tuple(k for k in keys if k not in usual)
        self._keys[action.name] = usual
        self._changed()

    def _changed(self) -> None:
        self.edit.clear()
        self._show()
        self.edited.emit()

    # what is shown -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        for name, item in self._rows.items():
            keys = self._keys[name]
            changed = keys != tuple(map(normal, BY_NAME[name].keys))
            font = QFont(self.font())
            font.setBold(changed)
            item.setText(1, shown(keys) + ("  •" if changed else ""))
            item.setFont(1, font)
            item.setToolTip(1, tr("Changed from {usual}", usual=_usual(name)) if changed else "")
        self._chosen()

    def _chosen(self) -> None:
        action = self.action
        if action is not None and self._keys:
            keys = shown(self._keys[action.name]) or tr("no key")
            self.name.setText(f"<b>{action.plain}</b>: {keys}   ({tr('usual: {usual}', usual=_usual(action.name))})")
        else:
            self.name.setText(tr("Choose an action"))
        self._typed()

    def _typed(self) -> None:
        """Say whose the typed key is."""
        key, action = self._typed_key(), self.action
        usable = bool(key) and action is not None
        self.set.setEnabled(usable)
        self.add.setEnabled(usable and action is not None and key not in self._keys.get(action.name, ()))
        self.remove.setEnabled(action is not None and bool(self._keys.get(action.name)))
        self.reset.setEnabled(
            action is not None and self._keys.get(action.name) != tuple(map(normal, action.keys)) and bool(self._keys)
        )
        self.say.setText(self.warning(key) if usable else "")

    def warning(self, key: str) -> str:
        """What giving a key to the chosen action would take away; "" when nothing."""
        owner = self.owner(key)
        if owner is not None:
            return "⚠ " + tr("{key} belongs to “{action}”, which would lose it.", key=shown([key]), action=owner.plain)
        menu = _opens(key)
        if menu:
            return "⚠ " + tr("{key} opens the menu “{menu}” now.", key=shown([key]), menu=menu)
        return ""

    def _filter(self, text: str) -> None:
        words = text.casefold().split()
        for item in self._rows.values():
            line = f"{item.text(0)} {item.text(1)}".casefold()
            item.setHidden(not all(word in line for word in words))
        for k in range(self.list.topLevelItemCount()):
            head = self.list.topLevelItem(k)
            if head is not None:
                head.setHidden(not any(item.parent() is head and not item.isHidden() for item in self._rows.values()))


def _usual(name: str) -> str:
    return shown(BY_NAME[name].keys) or tr("no key")


def _opens(key: str) -> str:
    """The menu that Alt and a letter opens."""
    for menu in MENUS:
        title = tr(menu)
        if QKeySequence.mnemonic(title).toString(PORTABLE) == key:
            return title.replace("&", "")
    return ""
