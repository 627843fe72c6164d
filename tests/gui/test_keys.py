"""Every key of the design's table that this window has."""

from __future__ import annotations

import pytest
import seen_texts
from gui_desk import Desk
from PySide6.QtCore import Qt

from cadviewer.gui.canvas.mouse import Tool
from cadviewer.gui.canvas.viewport import OverlayMode
from cadviewer.gui.help.dialogs import TextDialog
from cadviewer.settings import Preset

KEY, SHIFT, CTRL = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
NONE = Qt.KeyboardModifier.NoModifier


def _press(desk: Desk, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    desk.bot.keyClick(desk.window, key, modifiers)


@pytest.mark.parametrize(
    ("key", "modifiers", "start", "expected"),
    [
        (KEY.Key_Down, NONE, 5, 4),  # towards the feet, where the first index is
        (KEY.Key_Up, NONE, 5, 6),
        (KEY.Key_Down, SHIFT, 11, 1),
        (KEY.Key_Up, SHIFT, 1, 11),
        (KEY.Key_Down, SHIFT, 8, 0),
        (KEY.Key_Home, NONE, 5, 11),
        (KEY.Key_End, NONE, 5, 0),
    ],
)
def test_keys_go_through_the_slices(
    ct: Desk, key: Qt.Key, modifiers: Qt.KeyboardModifier, start: int, expected: int
) -> None:
    ct.viewport.go_to(start)
    _press(ct, key, modifiers)
    assert ct.viewport.index == expected


@pytest.mark.parametrize(
    ("key", "tool"),
    [
        (KEY.Key_S, Tool.SCROLL),
        (KEY.Key_T, Tool.PAN),
        (KEY.Key_Z, Tool.ZOOM),
        (KEY.Key_D, Tool.DISTANCE),
        (KEY.Key_W, Tool.WINDOW),
    ],
)
def test_a_letter_chooses_the_tool_of_the_left_button(ct: Desk, key: Qt.Key, tool: Tool) -> None:
    _press(ct, key)
    assert ct.viewport.mouse.tool is tool
    assert ct.window.actions_[f"tool_{tool.value}"].isChecked()


@pytest.mark.parametrize(
    ("key", "width", "centre"),
    [(KEY.Key_1, 1500, -600), (KEY.Key_2, 400, 40), (KEY.Key_3, 2500, 480), (KEY.Key_4, 150, 90), (KEY.Key_5, 80, 40)],
)
def test_number_keys_set_window_presets(ct: Desk, key: Qt.Key, width: float, centre: float) -> None:
    _press(ct, key)
    assert (ct.viewport.view.window.width, ct.viewport.view.window.centre) == (width, centre)


def test_zero_goes_back_to_the_files_window(ct: Desk) -> None:
    _press(ct, KEY.Key_2)
    _press(ct, KEY.Key_0)
    assert (ct.viewport.view.window.width, ct.viewport.view.window.centre) == (1500, -600)


def test_equals_fits_and_shift_i_inverts(ct: Desk) -> None:
    ct.viewport.zoom(3)
    _press(ct, KEY.Key_Equal)
    assert ct.viewport.view.fitted
    _press(ct, KEY.Key_I, SHIFT)
    assert ct.viewport.view.inverted


@pytest.mark.parametrize("key", [KEY.Key_I, KEY.Key_Space])
def test_marks_are_hidden_in_three_states(ct: Desk, key: Qt.Key) -> None:
    seen = []
    for _ in range(3):
        _press(ct, key)
        seen.append(ct.viewport.marks)
    assert seen == [OverlayMode.TEXT, OverlayMode.NONE, OverlayMode.ALL]


def test_c_plays_and_stops_and_cine_goes_round(ct: Desk) -> None:
    ct.viewport.go_to(11)
    _press(ct, KEY.Key_C)
    ct.bot.waitUntil(lambda: ct.viewport.index < 11, timeout=3000)
    _press(ct, KEY.Key_C)
    assert not ct.viewport.playing


def test_n_walks_through_the_findings_and_jumps_to_their_best_slice(read_ct: Desk) -> None:
    _press(read_ct, KEY.Key_N)
    assert (read_ct.case.selected, read_ct.viewport.index) == (1, 3)
    _press(read_ct, KEY.Key_N)
    assert (read_ct.case.selected, read_ct.viewport.index) == (2, 7)
    _press(read_ct, KEY.Key_N, SHIFT)
    assert (read_ct.case.selected, read_ct.viewport.index) == (1, 3)
    _press(read_ct, KEY.Key_N, SHIFT)
    assert read_ct.case.selected == 3


def test_escape_cancels_first_and_then_resets_the_view(ct: Desk) -> None:
    ct.viewport.zoom(3)
    _press(ct, KEY.Key_2)
    _press(ct, KEY.Key_Escape)
    assert ct.engine.cancelled == [ct.engine.jobs[0].request_id]
    assert not ct.viewport.view.fitted
    _press(ct, KEY.Key_Escape)
    assert ct.viewport.view.fitted
    assert ct.viewport.view.window.width == 1500


def test_keys_can_be_changed_by_settings(qtbot: object, desk: Desk) -> None:
    desk.window.preferences.change(shortcuts=(("next_finding", "F"), ("next_finding", "Right")))
    assert [k.toString() for k in desk.window.actions_["next_finding"].shortcuts()] == ["F", "Right"]


def test_no_two_actions_share_a_key(desk: Desk) -> None:
    seen: dict[str, str] = {}
    for action in desk.window.actions():
        for key in action.shortcuts():
            assert key.toString() not in seen, f"{key.toString()}: {action.text()} and {seen[key.toString()]}"
            seen[key.toString()] = action.text()
    assert len(seen) > 40


def test_hidden_marks_are_said_on_the_image_with_the_key_that_shows_them(
    read_ct: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_ct.window.preferences.change(shortcuts=(("marks", "Q"),))
    for shown in (False, True, False):  # everything, text alone, nothing
        with seen_texts.painted(monkeypatch) as painted:
            read_ct.viewport.grab()
        assert any(text == "marks hidden (Q)" for _, text in painted) is shown
        read_ct.bot.keyClick(read_ct.window, KEY.Key_Q)


def test_the_overview_of_keys_names_the_windows_of_the_number_keys(read_ct: Desk) -> None:
    read_ct.window.preferences.change(presets=((2, Preset("Mine", 1234, -56)), (3, None)))
    read_ct.bot.keyClick(read_ct.window, KEY.Key_F1)
    (dialog,) = read_ct.window.findChildren(TextDialog)
    text = dialog.text.toPlainText()
    assert "Mine 1234 / −56" in text
    assert "Lung 1500 / −600" in text
    assert "Bone" not in text
    dialog.close()
