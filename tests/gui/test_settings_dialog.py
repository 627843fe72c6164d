"""The settings dialog in the real window: what is changed there works at once, and after a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from gui_desk import Desk, StillEngine
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox
from pytestqt.qtbot import QtBot

import cadviewer
from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.settings.dialog import SettingsDialog
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.settings.presets import CENTRE, NAME, WIDTH
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.gui.viewing.grid.layout import Layout
from cadviewer.imaging.planes import Projection, Slab
from cadviewer.settings import FILE, Settings

KEY, NONE = Qt.Key, Qt.KeyboardModifier.NoModifier
CTRL = Qt.KeyboardModifier.ControlModifier
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
        window = MainWindow(engine, bridge, Preferences())
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
    desk.window.preferences._thread.settle(10)


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
    read_ct.window.preferences.change(shortcuts=())
    assert read_ct.window.actions_.keys.of["reject"] == ("X",)


def test_one_action_and_all_go_back_to_their_usual_keys(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["keys"]
    _give(dialog, "accept", "X")
    _give(dialog, "invert", "Ctrl+J")
    page.choose("reject")
    page.reset.click()
    assert page.values()["shortcuts"] == (("invert", "Ctrl+J"), ("accept", ""))
    dialog.reset.click()
    assert page.values()["shortcuts"] == ()


def test_a_key_that_opens_a_menu_is_said(dialog: SettingsDialog) -> None:
    dialog.pages["keys"].edit.setKeySequence(QKeySequence("Alt+V"))
    assert "opens the menu “View”" in dialog.pages["keys"].say.text()


def test_every_action_of_the_window_is_on_the_page_of_keys(dialog: SettingsDialog) -> None:
    from cadviewer.gui.widgets.actions import SPECS

    assert set(dialog.pages["keys"]._rows) == {spec.name for spec in SPECS}


def test_a_new_usual_key_reaches_who_changed_another(read_ct: Desk) -> None:
    from cadviewer.gui.widgets.shortcuts import overrides, resolve

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
    (button,) = (b for b in window.side.nodules.findings.buttons.values() if b.property("action") == "reject")
    assert button.toolTip() == "Reject (J)"
    _press(read_ct, KEY.Key_F1)
    text = _overview(read_ct)
    assert "J Reject" in text
    assert "Middle drag Zoom" in text


def _overview(desk: Desk) -> str:
    from cadviewer.gui.help.dialogs import TextDialog

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
    viewport.go_to(9)
    _drag(read_ct, MIDDLE, QPoint(0, 80))
    assert viewport.index < 9
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
    read_ct.window.preferences.change(last_folder="/somewhere")
    assert read_ct.viewport.cine_rate == 25


def _write(dialog: SettingsDialog, row: int, name: str, width: str, centre: str) -> None:
    for column, text in ((NAME, name), (WIDTH, width), (CENTRE, centre)):
        dialog.pages["presets"].table.item(row, column).setText(text)


def test_an_edited_preset_is_under_its_key_at_once_and_is_all_that_is_stored(
    read_ct: Desk, dialog: SettingsDialog, restarted: Callable[[], Desk]
) -> None:
    page = dialog.pages["presets"]
    _write(dialog, 1, "Mine", "1234", "−56,5")
    assert page.table.item(1, NAME).font().bold()
    assert not page.table.item(2, NAME).font().bold()
    dialog.accept()
    _press(read_ct, KEY.Key_2)
    window = read_ct.viewport.view.window
    assert (window.width, window.centre) == (1234, -56.5)
    assert "Mine  1234 / −56.5" in [a.text() for a in read_ct.window.menus.presets.actions()]
    _press(read_ct, KEY.Key_3)
    assert read_ct.viewport.view.window.width == 2500
    _saved(read_ct)
    assert _stored() == {"presets": [[2, {"name": "Mine", "width": 1234.0, "centre": -56.5}]]}
    again = restarted().window
    assert "Mine" in again.actions_["preset_2"].text()
    assert "2500" in again.actions_["preset_3"].text()


def test_each_preset_is_reset_by_itself(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["presets"]
    _write(dialog, 0, "Wide lung", "1800", "-500")
    _write(dialog, 3, "Mine", "200", "70")
    dialog.apply.click()
    page.table.setCurrentCell(2, NAME)
    assert not page.reset.isEnabled()
    page.table.setCurrentCell(0, NAME)
    page.reset.click()
    assert page.table.item(0, NAME).text() == "Lung"
    dialog.apply.click()
    _saved(read_ct)
    assert _stored() == {"presets": [[4, {"name": "Mine", "width": 200.0, "centre": 70.0}]]}
    _press(read_ct, KEY.Key_1)
    assert read_ct.viewport.view.window.width == 1500


def test_moved_presets_change_places_and_keys(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["presets"]
    page.table.setCurrentCell(2, NAME)
    page.up.click()
    assert page.table.currentRow() == 1
    dialog.accept()
    _press(read_ct, KEY.Key_2)
    assert read_ct.viewport.view.window.width == 2500
    _press(read_ct, KEY.Key_3)
    assert read_ct.viewport.view.window.width == 400
    assert [number for number, _ in read_ct.window.preferences.now.presets] == [2, 3]


def test_a_tenth_preset_is_in_the_menu_and_a_removed_one_leaves_its_key_without_a_window(
    read_ct: Desk, dialog: SettingsDialog
) -> None:
    page = dialog.pages["presets"]
    page.add.click()
    page.table.item(9, WIDTH).setText("77")
    page.table.setCurrentCell(1, NAME)
    page.remove.click()
    dialog.apply.click()
    actions = read_ct.window.menus.presets.actions()
    tenth = actions[-1]
    assert "77 / 40" in tenth.text()
    tenth.trigger()
    before = read_ct.viewport.view.window
    assert before.width == 77
    _press(read_ct, KEY.Key_2)
    assert read_ct.viewport.view.window == before
    assert not read_ct.window.actions_["preset_2"].isVisible()
    _press(read_ct, KEY.Key_3)
    assert read_ct.viewport.view.window.width == 2500
    page.table.setCurrentCell(1, NAME)
    page.reset.click()
    page.table.setCurrentCell(9, NAME)
    page.remove.click()
    dialog.apply.click()
    assert read_ct.window.preferences.now.presets == ()


def test_the_keys_beside_the_presets_are_those_of_now(read_ct: Desk) -> None:
    read_ct.window.preferences.change(shortcuts=(("preset_2", "Ctrl+J"), ("preset_3", "")))
    table = _open(read_ct).pages["presets"].table
    assert [table.item(row, 0).text() for row in range(4)] == ["1", "Ctrl+J", "", "4"]


def test_a_window_without_width_is_said_and_cannot_be_kept(dialog: SettingsDialog) -> None:
    dialog.pages["presets"].table.item(0, WIDTH).setText("0")
    assert "Row 1" in dialog.say.text()
    assert not dialog.ok.isEnabled()
    assert not dialog.use()


def test_the_usual_presets_are_not_stored(read_ct: Desk, dialog: SettingsDialog) -> None:
    page = dialog.pages["presets"]
    page.table.item(0, WIDTH).setText("1600")
    assert "presets" in dialog.draft()
    page.table.item(0, WIDTH).setText("1500")
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
    read_ct.window.preferences.change(breast_model="gone-1")
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
    used |= {name for task in Task for name in (task.spec.model_setting, task.spec.threshold_setting)}
    assert [option.name for option in fields(Settings) if option.name not in used] == []


# what is remembered without a dialog ----------------------------------------------------------------------------------


def test_the_layout_is_remembered_for_each_modality(
    ct: Desk, ct_folder: Path, tmp_path: Path, restarted: Callable[[], Desk]
) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_3, CTRL)
    ct.open(write_ultrasound(tmp_path / "us.dcm"))
    assert ct.window.workspace.grid.layout_now is Layout.ONE
    _saved(ct)
    assert _stored() == {"layouts": [["CT", "four"]]}
    again = restarted()
    again.open(tmp_path / "us.dcm")
    assert again.window.workspace.grid.layout_now is Layout.ONE
    again.open(ct_folder)
    assert again.window.workspace.grid.layout_now is Layout.FOUR
    assert len([pane for pane in again.window.workspace.grid.panes if pane.isVisible()]) == 4
    again.window.actions_["layout_one"].trigger()
    _saved(again)
    assert _stored() == {}


def test_two_series_side_by_side_are_no_layout_to_begin_with(ct: Desk, tmp_path: Path) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_2, CTRL)
    ct.open(write_ct(tmp_path / "second"))
    ct.bot.keyClick(ct.window, KEY.Key_4, CTRL)
    ct.bot.waitUntil(lambda: ct.window.workspace.grid.layout_now is Layout.PAIR, timeout=10_000)
    assert ct.window.preferences.now.layouts == (("CT", "one_two"),)


def test_the_slab_is_remembered_and_never_laid_over_the_acquired_slices_by_itself(
    ct: Desk, ct_folder: Path, restarted: Callable[[], Desk]
) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_P)
    ct.bot.keyClick(ct.window, KEY.Key_P)
    ct.bot.keyClick(ct.window, KEY.Key_Plus)
    assert ct.viewport.view.slab == Slab(Projection.MINIP, 15.0)
    _saved(ct)
    assert _stored() == {"slabs": [["CT", "minip 15"]]}
    again = restarted()
    again.open(ct_folder)
    assert again.viewport.view.slab is None
    again.window.actions_["layout_four"].trigger()
    assert again.window.workspace.grid.panes[3].viewport.view.slab == Slab(Projection.MINIP, 15.0)
    again.window.workspace.grid.use(again.window.workspace.grid.panes[0])
    again.window.actions_["slab"].trigger()
    assert again.viewport.view.slab == Slab(Projection.MIP, 15.0)


def test_a_layout_or_slab_of_another_version_is_no_harm(ct_folder: Path, desk: Desk) -> None:
    desk.window.preferences.change(layouts=(("CT", "nine"),), slabs=(("CT", "fancy"),))
    desk.open(ct_folder)
    assert desk.window.workspace.grid.layout_now is Layout.ONE
    assert desk.window.workspace.grid.slab == Slab(Projection.MIP, 10.0)


def test_a_window_whose_screen_is_gone_comes_up_on_one_that_is_there(desk: Desk, restarted: Callable[[], Desk]) -> None:
    desk.window.setGeometry(9000, 7000, 2400, 1600)
    desk.window.close()
    _saved(desk)
    window = restarted().window
    room = QApplication.primaryScreen().availableGeometry()
    assert room.contains(window.frameGeometry().center())
    assert room.intersects(window.frameGeometry())
    assert window.frameGeometry().top() >= room.top()


def test_a_damaged_window_place_is_no_harm(desk: Desk, restarted: Callable[[], Desk]) -> None:
    desk.window.preferences.change(window_geometry="AAAA", window_state="zz")
    _saved(desk)
    window = restarted().window
    assert window.split.sizes()[1] > 300


def test_panels_that_were_hidden_for_the_image_are_there_again(desk: Desk, restarted: Callable[[], Desk]) -> None:
    desk.window.split.setSizes([300, 500, 400])
    sizes = desk.window.split.sizes()
    desk.bot.keyClick(desk.window, KEY.Key_F11)
    assert not desk.window.side.isVisible()
    desk.window.close()
    _saved(desk)
    again = restarted().window
    again.resize(desk.window.size())
    assert again.side.isVisible()
    assert again.split.sizes() == pytest.approx(sizes, abs=2)
