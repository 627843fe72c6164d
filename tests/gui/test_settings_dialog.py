"""The settings dialog in the real window: what is changed there works at once, and after a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from gui_desk import Desk, StillEngine
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox
from pytestqt.qtbot import QtBot

import cadviewer
from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.gui.bridge import Bridge
from cadviewer.gui.main_window import MainWindow
from cadviewer.gui.preferences.dialog import SettingsDialog
from cadviewer.gui.prefs import Prefs
from cadviewer.settings import FILE, Preset, Settings

KEY, NONE = Qt.Key, Qt.KeyboardModifier.NoModifier
LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton


@pytest.fixture
def dialog(read_ct: Desk) -> SettingsDialog:
    """The dialog over a window with an analysed CT."""
    return _open(read_ct)


def _open(desk: Desk) -> SettingsDialog:
    desk.bot.keyClick(desk.window, KEY.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    dialog = desk.window.tools.settings
    assert dialog is not None
    assert dialog.isVisible()
    return dialog


@pytest.fixture
def restarted(qtbot: QtBot) -> Iterator[Callable[[], Desk]]:
    """Opens another window with the settings that are stored now."""
    opened: list[MainWindow] = []

    def open_() -> Desk:
        engine, bridge = StillEngine(), Bridge()
        window = MainWindow(engine, bridge, Prefs())
        opened.append(window)
        window.show()
        qtbot.waitExposed(window)
        return Desk(window, engine, bridge, qtbot)

    yield open_
    for window in opened:
        window.shut()
        window.deleteLater()


def _stored() -> dict[str, object]:
    content = json.loads((paths.user_config() / FILE).read_text())
    return {k: v for k, v in content.items() if k not in ("recent", "window_geometry", "window_state")}


def _saved(desk: Desk) -> None:
    desk.window.prefs._thread.submit(lambda: None).result(10)


def _press(desk: Desk, key: Qt.Key) -> None:
    """A key in the main window, brought to the front."""
    desk.window.activateWindow()
    desk.bot.waitUntil(desk.window.isActiveWindow)
    desk.bot.keyClick(desk.window, key)


def _give(dialog: SettingsDialog, action: str, key: str) -> None:
    page = dialog.pages["keys"]
    page.choose(action)
    page.edit.setKeySequence(QKeySequence(key))
    page.set.click()


def _choose(dialog: SettingsDialog, page: str, name: str, value: str) -> None:
    box = dialog.pages[page].editors[name]
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findData(value))


# keys ----------------------------------------------------------------------------------------------------------------


def test_a_changed_key_works_at_once_and_after_a_restart(
    read_ct: Desk, dialog: SettingsDialog, restarted: Callable[[], Desk]
) -> None:
    _give(dialog, "next_finding", "F")
    dialog.accept()
    _press(read_ct, KEY.Key_F)
    assert read_ct.case.selected == 1
    _press(read_ct, KEY.Key_N)
    assert read_ct.case.selected == 1
    _saved(read_ct)
    assert _stored() == {"shortcuts": [["next_finding", "F"]]}
    again = restarted().window
    assert [k.toString() for k in again.actions_["next_finding"].shortcuts()] == ["F"]


def test_nothing_changes_before_ok_and_cancel_forgets(read_ct: Desk, dialog: SettingsDialog) -> None:
    _give(dialog, "next_finding", "F")
    _press(read_ct, KEY.Key_F)
    assert read_ct.case.selected is None
    dialog.reject()
    assert _open(read_ct).draft() == {}


def test_a_key_of_another_action_is_named_and_taken_from_it(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["keys"]
    page.choose("accept")
    page.edit.setKeySequence(QKeySequence("X"))
    assert "X belongs to “Reject”" in page.say.text()
    page.set.click()
    dialog.accept()
    keys = read_ct.window.actions_.keys.of
    assert (keys["accept"], keys["reject"]) == (("X",), ())
    read_ct.window.prefs.change(shortcuts=())
    assert read_ct.window.actions_.keys.of["reject"] == ("X",)


def test_one_action_and_all_go_back_to_their_usual_keys(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["keys"]
    _give(dialog, "accept", "X")
    _give(dialog, "invert", "J")
    page.choose("reject")
    page.reset.click()
    assert page.values()["shortcuts"] == (("invert", "J"), ("accept", ""))
    dialog.reset.click()
    assert page.values()["shortcuts"] == ()


def test_a_key_that_opens_a_menu_is_said(dialog: SettingsDialog) -> None:
    dialog.pages["keys"].edit.setKeySequence(QKeySequence("Alt+V"))
    assert "opens the menu “View”" in dialog.pages["keys"].say.text()


def test_every_action_of_the_window_is_on_the_page_of_keys(dialog: SettingsDialog) -> None:
    from cadviewer.gui.actions import SPECS

    assert set(dialog.pages["keys"]._rows) == {spec.name for spec in SPECS}


def test_a_new_usual_key_reaches_who_changed_another(read_ct: Desk) -> None:
    from cadviewer.gui.keys import overrides, resolve

    class Spec:
        def __init__(self, name: str, *keys: str) -> None:
            self.name, self.keys = name, keys

    before = [Spec("a", "A"), Spec("b", "B")]
    stored = overrides(before, dict(resolve(before, {"a": ("Q",)}).of))
    after = [Spec("a", "A"), Spec("b", "C", "Q")]
    found = resolve(after, {name: (key,) for name, key in stored})
    assert found.of == {"a": ("Q",), "b": ("C",)}
    assert found.taken == (("Q", "a", "b"),)


def test_tool_tips_and_the_overview_follow_changed_keys(read_ct: Desk, dialog: SettingsDialog) -> None:
    _give(dialog, "reject", "J")
    _choose(dialog, "mouse", "mouse_middle", "zoom")
    dialog.accept()
    window = read_ct.window
    assert "(J)" in window.actions_["reject"].toolTip()
    (button,) = (b for b in window.side.findings.buttons.values() if b.property("action") == "reject")
    assert button.toolTip() == "Reject (J)"
    _press(read_ct, KEY.Key_F1)
    text = _overview(read_ct)
    assert "J Reject" in text
    assert "Middle drag Zoom" in text


def _overview(desk: Desk) -> str:
    from cadviewer.gui.dialogs import TextDialog

    (dialog,) = desk.window.findChildren(TextDialog)
    return " ".join(dialog.text.toPlainText().replace("\xa0", " ").split())


# mouse, presets, models, look ----------------------------------------------------------------------------------------


def _drag(desk: Desk, button: Qt.MouseButton, by: QPoint) -> None:
    start = desk.viewport.rect().center()
    desk.bot.mousePress(desk.viewport, button, NONE, start)
    for part in (0.3, 0.7, 1.0):
        desk.bot.mouseMove(desk.viewport, start + QPoint(round(by.x() * part), round(by.y() * part)))
    desk.bot.mouseRelease(desk.viewport, button, NONE, start + by)


def test_the_vertical_drag_is_turned_round_at_once(read_ct: Desk, dialog: SettingsDialog) -> None:
    centre = read_ct.viewport.view.window.centre
    _drag(read_ct, LEFT, QPoint(0, 40))
    assert read_ct.viewport.view.window.centre < centre
    _choose(dialog, "mouse", "vertical_drag", "up_brighter")
    dialog.apply.click()
    centre = read_ct.viewport.view.window.centre
    _drag(read_ct, LEFT, QPoint(0, 40))
    assert read_ct.viewport.view.window.centre > centre


def test_buttons_and_the_wheel_do_what_was_chosen(read_ct: Desk, dialog: SettingsDialog) -> None:
    _choose(dialog, "mouse", "mouse_middle", "scroll")
    _choose(dialog, "mouse", "wheel_does", "zoom")
    _choose(dialog, "mouse", "mouse_left", "pan")
    dialog.accept()
    viewport = read_ct.viewport
    viewport.go_to(2)
    _drag(read_ct, MIDDLE, QPoint(0, 80))
    assert viewport.index > 2
    _drag(read_ct, LEFT, QPoint(-60, 0))
    assert not viewport.view.fitted
    zoom = viewport.view.zoom
    at = QPointF(viewport.rect().center())
    wheel = QWheelEvent(
        at, viewport.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, NONE,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, wheel)
    assert viewport.view.zoom > zoom


def test_what_was_switched_by_a_key_stays_when_another_setting_changes(read_ct: Desk) -> None:
    read_ct.viewport.set_cine_rate(25)
    read_ct.window.prefs.change(last_folder="/somewhere")
    assert read_ct.viewport.cine_rate == 25


def test_an_edited_preset_is_under_its_key_at_once(
    read_ct: Desk, dialog: SettingsDialog, restarted: Callable[[], Desk]
) -> None:
    page = dialog.pages["presets"]
    page.table.item(2, 0).setText("Mine")
    page.table.item(2, 1).setText("1234")
    page.table.item(2, 2).setText("−56,5")
    page.table.setCurrentCell(2, 0)
    page.up.click()
    dialog.accept()
    _press(read_ct, KEY.Key_2)
    window = read_ct.viewport.view.window
    assert (window.width, window.centre) == (1234, -56.5)
    assert "Mine  1234 / −56.5" in [a.text() for a in read_ct.window.preset_menu.actions()]
    _saved(read_ct)
    again = restarted().window
    assert "Mine" in again.actions_["preset_2"].text()


def test_a_tenth_preset_is_in_the_menu_and_removed_ones_lose_their_keys(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["presets"]
    page.table.setCurrentCell(8, 0)
    page.add.click()
    page.table.item(9, 1).setText("77")
    dialog.apply.click()
    tenth = read_ct.window.preset_menu.actions()[10]
    assert "77 / 40" in tenth.text()
    tenth.trigger()
    assert read_ct.viewport.view.window.width == 77
    read_ct.window.prefs.change(presets=(Preset("Only", 10, 5),))
    before = read_ct.viewport.view.window
    _press(read_ct, KEY.Key_2)
    assert read_ct.viewport.view.window == before
    assert len(read_ct.window.preset_menu.actions()) == 2


def test_a_window_without_width_is_said_and_cannot_be_kept(dialog: SettingsDialog) -> None:
    dialog.pages["presets"].table.item(0, 1).setText("0")
    assert "Row 1" in dialog.say.text()
    assert not dialog.ok.isEnabled()
    assert not dialog.use()


def test_the_usual_presets_are_not_stored(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["presets"]
    page.table.item(0, 1).setText("1600")
    assert "presets" in dialog.draft()
    page.table.item(0, 1).setText("1500")
    assert dialog.draft() == {}


def test_the_model_and_the_threshold_of_a_task_are_used_from_then_on(read_ct: Desk, dialog: SettingsDialog) -> None:
    _choose(dialog, "models", "nodule_model", "ssd-test")
    tick = dialog.pages["models"].editors["nodule_threshold"]
    assert isinstance(tick, QCheckBox)
    tick.setChecked(True)
    dialog.accept()
    order = read_ct.window.analysis.usual(Task.NODULES)
    assert (order.model, order.threshold) == ("ssd-test", 0.5)


def test_a_model_that_is_gone_is_named_and_kept(read_ct: Desk) -> None:
    read_ct.window.prefs.change(breast_model="gone-1")
    dialog = _open(read_ct)
    box = dialog.pages["models"].editors["breast_model"]
    assert isinstance(box, QComboBox)
    assert "gone-1" in box.currentText()
    assert dialog.draft() == {}


def test_what_needs_a_restart_is_said(dialog: SettingsDialog) -> None:
    assert dialog.say.text() == ""
    _choose(dialog, "models", "device", "cpu")
    assert "After a restart of the program: Device" in dialog.say.text()
    dialog.apply.click()
    assert "Device" in dialog.say.text()
    _choose(dialog, "models", "device", "auto")
    assert dialog.say.text() == ""


def test_widths_of_the_panels_are_remembered(desk: Desk, restarted: Callable[[], Desk]) -> None:
    desk.window.split.setSizes([300, 500, 400])
    sizes = desk.window.split.sizes()
    desk.window.close()
    _saved(desk)
    again = restarted().window
    again.resize(desk.window.size())
    assert again.split.sizes() == pytest.approx(sizes, abs=2)


def test_no_setting_is_without_effect() -> None:
    folder = Path(cadviewer.__file__).parent
    code = "".join(p.read_text(encoding="utf-8") for p in [folder / "app.py", *(folder / "gui").rglob("*.py")])
    used = set(re.findall(r"(?:now|settings)\.(\w+)", code)) | ({"shortcuts"} if "now.keys" in code else set())
    assert [option.name for option in fields(Settings) if option.name not in used] == []
