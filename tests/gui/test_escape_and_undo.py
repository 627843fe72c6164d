"""Esc gives back one thing after the other; what cannot be undone cannot be chosen; files are named by their study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from gui_desk import Desk, ct_result, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import Qt
from test_drawing import drag

from cadviewer import translations
from cadviewer.gui.canvas.mouse import Tool
from cadviewer.gui.review import saving
from cadviewer.inference.protocol import Finished
from cadviewer.store.reporting.phrases import Phrases
from cadviewer.store.session import Answer

KEY, CTRL = Qt.Key, Qt.KeyboardModifier.ControlModifier


def test_escape_puts_back_the_tool_then_the_selection_then_the_view(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.viewport.zoom(3)
    zoomed = read_ct.viewport.view.zoom
    read_ct.bot.keyClick(read_ct.window, KEY.Key_D)
    assert read_ct.window.view_actions.tool is Tool.DISTANCE
    steps = []
    for _ in range(3):
        read_ct.bot.keyClick(read_ct.window, KEY.Key_Escape)
        view = read_ct.viewport.view
        steps.append((read_ct.window.view_actions.tool, read_ct.case.selected, view.zoom == zoomed))
    assert steps == [(Tool.WINDOW, 1, True), (Tool.WINDOW, None, True), (Tool.WINDOW, None, False)]


def test_escape_puts_a_tool_back_before_it_ends_an_analysis(ct: Desk) -> None:
    assert ct.case.running
    ct.bot.keyClick(ct.window, KEY.Key_D)
    ct.bot.keyClick(ct.window, KEY.Key_Escape)
    assert ct.window.view_actions.tool is Tool.WINDOW
    assert ct.case.running
    ct.bot.keyClick(ct.window, KEY.Key_Escape)
    assert not ct.case.running


def test_the_tool_that_adds_a_finding_adds_one(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_T)
    ct.bot.keyClick(ct.window, KEY.Key_E)
    ct.viewport.go_to(3)
    drag(ct, (5, 5), (14, 14))
    ct.bot.waitUntil(lambda: len(ct.case.found()) == 1, timeout=10_000)
    ct.bot.waitUntil(lambda: ct.window.view_actions.tool is Tool.PAN)


def test_undo_and_redo_can_be_chosen_where_there_is_something_to(read_ct: Desk) -> None:
    undo, redo = (read_ct.window.actions_[name] for name in ("undo", "redo"))
    assert (undo.isEnabled(), redo.isEnabled()) == (False, False)
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    assert (undo.isEnabled(), redo.isEnabled()) == (True, False)
    read_ct.wait_kept(lambda: undo.trigger())
    assert (undo.isEnabled(), redo.isEnabled()) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"), [("077Y", "77 y"), ("003M", "3 months"), ("012D", "12 days"), ("old", "old"), ("", "")]
)
def test_an_age_is_said_as_people_say_it(text: str, said: str) -> None:
    assert Phrases(translations.spoken()).age(text) == said


def test_a_saved_reading_is_named_by_the_study_and_says_where_it_is(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "ct", StudyDate="20240301", SeriesNumber=4, PatientName="Doe^Jane"))
    assert saving.proposed(desk.case.series) == "2024-03-01-series4"
    job = desk.engine.jobs[-1]
    result = replace(ct_result(job.case_id, nodule(1, 0.9, 2, 4)), candidates=(nodule(2, 0.1, 6, 6),))
    desk.bridge.take(Finished(job.case_id, job.request_id, result))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    target = tmp_path / "out.json"
    with desk.bot.waitSignal(desk.window.saving.said, timeout=10_000) as said:
        desk.window.saving.save(desk.case, target)
    assert str(target) in said.args[0]
    assert "kB" in said.args[0]
    assert json.loads(target.read_text())["candidates"] == []
    desk.window.preferences.change(save_candidates=True)
    with desk.bot.waitSignal(desk.window.saving.said, timeout=10_000):
        desk.window.saving.save(desk.case, target)
    assert len(json.loads(target.read_text())["candidates"]) == 1


def test_an_ultrasound_offers_nothing_of_a_volume(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm", frames=3))
    actions = desk.window.actions_
    off = ("plane_coronal", "layout_four", "layout_one_two", "slab", "preset_1", "analyse_nodules", "risk")
    assert [name for name in off if actions[name].isEnabled()] == []
    assert all(actions[name].isEnabled() for name in ("layout_one", "layout_pair", "analyse_breast", "cine"))
    assert "volume" not in desk.window.workspace.notifications.topics()
