"""Menu and tool bar show what is on and what is off."""

from __future__ import annotations

from gui_desk import Desk
from PySide6.QtCore import Qt

from cadviewer.gui.canvas.mouse import Tool

KEY, SHIFT = Qt.Key, Qt.KeyboardModifier.ShiftModifier


def test_what_is_on_is_checked(ct: Desk) -> None:
    actions = ct.window.actions_
    for name, key, modifier in (
        ("invert", KEY.Key_I, SHIFT),
        ("smooth", KEY.Key_B, Qt.KeyboardModifier.NoModifier),
        ("measures", KEY.Key_D, SHIFT),
    ):
        before = actions[name].isChecked()
        ct.bot.keyClick(ct.window, key, modifier)
        assert actions[name].isChecked() is not before, name
        ct.bot.keyClick(ct.window, key, modifier)
        assert actions[name].isChecked() is before, name
    assert actions["measures"].isChecked()
    ct.window.workspace.grid.set_measures(False)
    ct.window.view_actions.use_tool(Tool.DISTANCE)
    assert actions["measures"].isChecked()


def test_the_crosshair_is_checked_where_it_is_drawn(ct: Desk) -> None:
    cross = ct.window.actions_["crosshair"]
    assert not cross.isChecked()
    ct.window.actions_["layout_four"].trigger()
    assert cross.isChecked() is ct.window.workspace.grid.crosshair is True
    cross.trigger()
    assert cross.isChecked() is ct.window.workspace.grid.crosshair is False
    ct.window.workspace.grid._pointed(ct.window.workspace.grid.panes[0], 10, 10)  # Shift and the mouse show it
    assert cross.isChecked() is ct.window.workspace.grid.crosshair is True


def test_a_link_that_is_none_is_not_checked(ct: Desk) -> None:
    ct.window.view_actions.toggle_link()
    assert not ct.window.actions_["link"].isChecked()
