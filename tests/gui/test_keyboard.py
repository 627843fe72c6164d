"""Everything can be reached and done without a mouse, and one sees where the keys go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from gui_desk import Desk
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QTabWidget,
    QTextBrowser,
    QToolButton,
    QWidget,
)

from cadviewer.gui.widgets import style

KEY, CTRL, ALT = Qt.Key, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
KINDS = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QKeySequenceEdit, QLineEdit, QTextBrowser)


def _settings(desk: Desk) -> QDialog:
    desk.window.tools.open_settings()
    assert desk.window.tools.settings is not None
    return desk.window.tools.settings


def _batch(desk: Desk) -> QDialog:
    desk.window.tools.open_batch()
    assert desk.window.tools.batch is not None
    return desk.window.tools.batch


def _trainer(desk: Desk) -> QDialog:
    desk.window.tools.open_trainer()
    assert desk.window.tools.trainer is not None
    return desk.window.tools.trainer


def _last(desk: Desk) -> QDialog:
    return [d for d in desk.window.findChildren(QDialog) if d.isVisible()][-1]


def _opened(name: str) -> Callable[[Desk], QDialog]:
    def open_(desk: Desk) -> QDialog:
        desk.window.actions_[name].trigger()
        return _last(desk)

    return open_


DIALOGS: dict[str, Callable[[Desk], QDialog]] = {
    "settings": _settings,
    "batch": _batch,
    "trainer": _trainer,
    **{name: _opened(name) for name in ("about_model", "shortcuts", "about", "threshold", "tags")},
}


def _controls(dialog: QWidget) -> Iterator[QWidget]:
    """What a user acts on; not the inner parts of a spin box, a combo box, a table."""
    for widget in dialog.findChildren(QWidget):
        whole = not isinstance(widget.parent(), KINDS) and not isinstance(widget.parentWidget(), QAbstractItemView)
        if isinstance(widget, KINDS) and whole and widget.isVisible() and widget.isEnabled():
            inner = isinstance(widget, QToolButton | QAbstractButton) and widget.objectName().startswith("qt_")
            scroller = isinstance(widget, QToolButton) and widget.parent().__class__.__name__ == "QTabBar"
            if not inner and not scroller:
                yield widget


def _holder(widget: QWidget | None, controls: list[QWidget]) -> QWidget | None:
    while widget is not None and widget not in controls:
        widget = widget.parentWidget()
    return widget


@pytest.mark.parametrize("name", DIALOGS)
def test_the_tab_key_reaches_all_of_a_dialog_and_escape_closes_it(read_ct: Desk, name: str) -> None:
    dialog = DIALOGS[name](read_ct)
    read_ct.bot.waitUntil(dialog.isVisible)
    dialog.activateWindow()
    read_ct.bot.waitUntil(dialog.isActiveWindow)
    tabs = dialog.findChild(QTabWidget)
    for page in range(tabs.count() if tabs is not None else 1):
        if tabs is not None:
            tabs.setCurrentIndex(page)
            QApplication.processEvents()
        controls = list(_controls(dialog))
        assert controls
        reached = set()
        for _ in range(4 * len(controls) + 12):
            focus = QApplication.focusWidget()
            reached.add(_holder(focus, controls))
            read_ct.bot.keyClick(focus or dialog, KEY.Key_Tab)
        lost = [f"{type(w).__name__} {w.objectName()} {w.accessibleName()}" for w in controls if w not in reached]
        assert lost == []
    read_ct.bot.keyClick(dialog, KEY.Key_Escape)
    read_ct.bot.waitUntil(lambda: not dialog.isVisible())


@pytest.mark.parametrize("name", [name for name in DIALOGS if name != "tags"])
def test_everything_in_a_dialog_has_a_name_for_a_screen_reader(read_ct: Desk, name: str) -> None:
    dialog = DIALOGS[name](read_ct)
    buddies = {label.buddy() for label in dialog.findChildren(QLabel)}
    for widget in _controls(dialog):
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        placeholder = widget.placeholderText() if isinstance(widget, QLineEdit) else ""
        assert text or placeholder or widget.accessibleName() or widget in buddies, widget


def test_one_sees_where_the_keys_go(qapp: QApplication, read_ct: Desk) -> None:
    dialog = _settings(read_ct)
    for theme in style.THEMES:
        read_ct.window.preferences.change(theme=theme)
        for control in _controls(dialog):
            if not isinstance(control, QAbstractButton | QLineEdit) or not control.isEnabled():
                continue
            control.clearFocus()
            before = control.grab().toImage()
            control.setFocus()
            if control.hasFocus():
                assert control.grab().toImage() != before, (theme, control)
    read_ct.window.preferences.change(theme="dark")


def test_keys_zoom_move_and_window_the_active_view(ct: Desk) -> None:
    view, press = ct.viewport, ct.bot.keyClick
    zoom = view.view.zoom
    press(ct.window, KEY.Key_Plus, CTRL)
    press(ct.window, KEY.Key_Plus, CTRL)
    assert view.view.zoom > zoom
    x, y = view.view.centre
    press(ct.window, KEY.Key_Left, ALT)
    press(ct.window, KEY.Key_Up, ALT)
    assert view.view.centre[0] < x
    assert view.view.centre[1] < y
    window = view.view.window
    press(ct.window, KEY.Key_Up, CTRL)
    press(ct.window, KEY.Key_Up, CTRL | SHIFT)
    assert view.view.window.centre < window.centre
    assert view.view.window.width < window.width


def test_a_key_goes_from_view_to_view(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_2, CTRL)
    grid = ct.window.workspace.grid
    seen = []
    for _ in range(3):
        seen.append(grid.shown.index(grid.active))
        ct.bot.keyClick(ct.window, KEY.Key_Tab, CTRL)
    assert sorted(seen) == [0, 1, 2]
    assert grid.shown.index(grid.active) == seen[0]


def test_menus_have_no_letter_twice(desk: Desk) -> None:
    for action in desk.window.menuBar().actions():
        menu = action.menu()
        letters = [a.text()[a.text().index("&") + 1].lower() for a in menu.actions() if "&" in a.text()]
        assert len(letters) == len(set(letters)), (action.text(), sorted(letters))
