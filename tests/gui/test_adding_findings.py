"""Findings by the reader's hand in the real window: clicked, dragged, changed, taken away, and never lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import seen_texts
from gui_desk import Desk, nodule, provenance
from PySide6.QtCore import Qt
from test_drawing import click, drag

from cadviewer import paths
from cadviewer.findings import Nodule, Result, Task
from cadviewer.gui.canvas.mouse import Tool
from cadviewer.inference.protocol import Failed, Finished, OutlineJob
from cadviewer.models.catalogue import ModelCard
from cadviewer.store.reading import Origin
from cadviewer.store.session import Answer, Drawn, Outlined, Session, case_key

KEY = Qt.Key
CTRL = Qt.KeyboardModifier.ControlModifier
BALL = (24.5, 20.5)
"""Of the made CT, on slice 3: radius √30 pixels of 0.7 mm."""


def _drawn(desk: Desk) -> list[Drawn]:
    """As another program would read them from the disk."""
    entries = Session(case_key(desk.case.series)).entries()
    return [e.mark for e in entries if isinstance(e.mark, Drawn)]


def _wait_found(desk: Desk, count: int) -> None:
    desk.bot.waitUntil(lambda: len(desk.case.found()) == count and desk.window.journal.pending == 0, timeout=10_000)


@pytest.fixture
def added(ct: Desk) -> Desk:
    """The ball was clicked; the model has found something elsewhere."""
    ct.finish(nodule(1, 0.9, 8, 9, x=45, y=30))
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_E)
    click(ct, BALL)
    _wait_found(ct, 2)
    return ct


def test_a_click_on_a_missed_one_adds_it_outlined_and_measured(added: Desk) -> None:
    found = added.case.found()[1]
    assert found.origin is Origin.READER
    best = found.nodule.box
    assert best.slice == 3
    assert best.centre == pytest.approx(BALL, abs=1)
    assert found.nodule.long_mm == pytest.approx(2 * 30**0.5 * 0.7, abs=1.2)
    assert found.nodule.volume_mm3
    assert found.nodule.outline is not None
    assert found.nodule.centre_mm == pytest.approx((-20 + 24 * 0.7, -15 + 20 * 0.7, -100 + 9), abs=1.5)
    assert len(_drawn(added)) == 1


def test_an_added_finding_is_selected_accepted_and_in_the_list_and_the_strip(added: Desk) -> None:
    assert added.case.selected == 2
    assert added.case.answer(added.case.finding(2)) is Answer.ACCEPTED
    model = added.window.side.nodules.findings.model
    assert "added by the reader" in model.index(1).data()
    assert any(s.best == 3 for s in added.window.workspace.scrollbar.stretches)
    assert "1 finding at or above 0.50, 1 added" in added.window.side.state.text()
    copied = _copied(added)
    assert copied.startswith("Finding A: image no. 9")
    assert "added by the reader" in copied


def _copied(desk: Desk) -> str:
    from PySide6.QtWidgets import QApplication

    desk.bot.keyClick(desk.window, KEY.Key_C, CTRL)
    return QApplication.clipboard().text()


def test_a_click_on_lung_adds_nothing_and_says_so(ct: Desk) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_E)
    with ct.bot.waitSignal(ct.window.drawing_controller.said, timeout=10_000):
        click(ct, (50, 40))
    assert "drag a box" in ct.window.status.text.text()
    assert ct.case.found() == ()


def test_a_dragged_box_is_kept_as_it_was_drawn_and_measured(ct: Desk) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_E)
    drag(ct, (17, 13), (32, 28))
    _wait_found(ct, 1)
    (mark,) = _drawn(ct)
    assert (mark.x0, mark.y0, mark.x1, mark.y1) == pytest.approx((17, 13, 32, 28), abs=0.3)
    assert mark.long_mm == pytest.approx(2 * 30**0.5 * 0.7, abs=1.5)
    assert ct.window.side.nodules.findings.isVisible()  # also before the analysis has ended


@pytest.mark.parametrize("tool", [tool for tool in Tool if tool is not Tool.SELECT])
def test_no_other_tool_than_the_one_that_selects_changes_a_box(read_ct: Desk, tool: Tool) -> None:
    read_ct.window.review_controller.choose(1)  # 20…28 × 16…24 on slice 3
    before = read_ct.case.finding(1)
    if tool is Tool.FINDING:
        read_ct.viewport.mouse.set_tool(tool)
        assert read_ct.viewport.mouse.handles.grip_at(read_ct.viewport, read_ct.viewport.to_screen(28, 20)) is None
        return
    read_ct.viewport.mouse.set_tool(tool)
    if tool in (Tool.DISTANCE, Tool.RECTANGLE):
        read_ct.wait_kept(lambda: drag(read_ct, (28, 20), (40, 20 if tool is Tool.DISTANCE else 30)))
        assert len(read_ct.case.shapes) == 1
    else:
        drag(read_ct, (28, 20), (34, 20))
        read_ct.bot.wait(20)
        read_ct.bot.waitUntil(lambda: read_ct.window.journal.pending == 0)
    assert read_ct.case.finding(1) is before or read_ct.case.finding(1) == before
    assert _drawn(read_ct) == []


def test_the_tool_that_selects_draws_and_moves_nothing(ct: Desk) -> None:
    view, index = ct.viewport.view, ct.viewport.index
    ct.bot.keyClick(ct.window, KEY.Key_Y)
    assert ct.viewport.mouse.tool is Tool.SELECT
    drag(ct, (10, 10), (30, 30))
    assert (ct.viewport.view, ct.viewport.index, ct.case.shapes) == (view, index, ())


def test_a_changed_box_says_which_figures_changed(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.viewport.mouse.set_tool(Tool.SELECT)
    drag(read_ct, (28, 20), (31, 20))
    read_ct.bot.waitUntil(lambda: read_ct.case.origin(1) is Origin.EDITED, timeout=10_000)
    read_ct.bot.waitUntil(lambda: "was changed" in read_ct.window.status.text.text(), timeout=10_000)
    said = read_ct.window.status.text.text()
    now = read_ct.case.finding(1).long_mm
    assert "finding 1 was changed (Ctrl+Z)" in said
    assert f"long axis 7.5 → {now:.1f} mm" in said


def test_sides_of_the_selected_box_can_be_dragged_with_the_tool_that_selects(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)  # 20…28 × 16…24 on slice 3
    read_ct.viewport.mouse.set_tool(Tool.SELECT)
    before = read_ct.case.finding(1).box
    window = read_ct.viewport.view.window
    drag(read_ct, (28, 20), (31, 20))
    read_ct.bot.waitUntil(lambda: read_ct.case.origin(1) is Origin.EDITED, timeout=10_000)
    after = read_ct.case.finding(1)
    assert after.box.x1 == pytest.approx(31, abs=0.4)
    assert (after.box.x0, after.box.y0, after.box.y1) == (before.x0, before.y0, before.y1)
    assert after.score == before.score
    assert after.long_mm != 7.5  # measured anew
    assert read_ct.viewport.view.window == window
    assert read_ct.case.selected == 1


def test_a_changed_box_is_undone_redone_and_taken_back(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    before = read_ct.case.finding(1)
    read_ct.viewport.mouse.set_tool(Tool.SELECT)
    drag(read_ct, (28, 20), (31, 20))
    read_ct.bot.waitUntil(lambda: read_ct.case.origin(1) is Origin.EDITED, timeout=10_000)
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, KEY.Key_Z, CTRL))
    assert read_ct.case.finding(1) is before
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, KEY.Key_Y, CTRL))
    assert read_ct.case.origin(1) is Origin.EDITED
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, KEY.Key_Backspace))
    assert read_ct.case.finding(1) is before


def test_answer_and_entries_stay_with_a_finding_whose_box_is_changed_a_lot(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, KEY.Key_X))
    read_ct.wait_kept(lambda: read_ct.window.review_controller.enter(1, {"type": "solid"}))
    read_ct.window.review_controller.choose(1)
    read_ct.viewport.mouse.set_tool(Tool.SELECT)
    drag(read_ct, (28, 24), (40, 36))
    read_ct.bot.waitUntil(lambda: read_ct.case.origin(1) is Origin.EDITED, timeout=10_000)
    nodule_now = read_ct.case.finding(1)
    assert read_ct.case.answer(nodule_now) is Answer.REJECTED
    assert read_ct.case.values(nodule_now) == {"type": "solid"}


def test_an_own_finding_keeps_its_number_and_note_when_it_is_changed_twice(added: Desk) -> None:
    added.wait_kept(lambda: added.window.review_controller.enter(2, {"note": "mine"}))
    added.viewport.mouse.set_tool(Tool.SELECT)
    for _ in range(2):
        box = added.case.finding(2).box
        drag(added, (box.x1, box.centre[1]), (box.x1 + 5, box.centre[1]))
        added.bot.waitUntil(lambda x=box.x1: added.case.finding(2).box.x1 > x + 3, timeout=10_000)
    assert len(added.case.found()) == 2
    assert added.case.values(added.case.finding(2)) == {"note": "mine"}
    assert added.case.origin(2) is Origin.READER


def test_backspace_takes_an_own_finding_away_and_undo_brings_it_back(added: Desk) -> None:
    added.wait_kept(lambda: added.bot.keyClick(added.window, KEY.Key_Backspace))
    assert len(added.case.found()) == 1
    added.wait_kept(lambda: added.bot.keyClick(added.window, KEY.Key_Z, CTRL))
    assert len(added.case.found()) == 2


def test_backspace_never_takes_a_models_finding_away(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.bot.keyClick(read_ct.window, KEY.Key_Backspace)
    assert read_ct.window.journal.pending == 0
    assert "rejected" in read_ct.window.status.text.text()
    assert read_ct.case.finding(1) is not None


def test_own_findings_are_there_again_beside_another_models(added: Desk) -> None:
    added.window.actions_["analyse"].trigger()
    added.finish(nodule(1, 0.9, 8, 9, x=45, y=30), nodule(2, 0.8, 1, 1, x=2, y=2))
    added.bot.waitUntil(lambda: added.case.result is not None)
    assert [f.nodule.number for f in added.case.found()] == [1, 2, 3]
    assert added.case.origin(3) is Origin.READER


def test_a_click_on_a_coronal_view_finds_the_same_nodule(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, KEY.Key_F7)
    ct.viewport.go_to(20)
    ct.bot.keyClick(ct.window, KEY.Key_E)
    at = ct.viewport.stack.geometry.to_index(ct.case.series.geometry.to_patient((3, 20, 24)))
    ct.viewport.go_to(round(float(at[0])))
    click(ct, (float(at[2]) + 0.5, float(at[1]) + 0.5))
    _wait_found(ct, 1)
    assert ct.case.found()[0].nodule.box.slice == 3


def test_in_the_first_read_own_findings_are_shown_and_the_models_stay_hidden(desk: Desk, ct_folder: Path) -> None:
    desk.window.preferences.change(reading="second")
    desk.open(ct_folder)
    desk.finish(nodule(1, 0.9, 8, 9, x=45, y=30))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    desk.viewport.go_to(3)
    desk.bot.keyClick(desk.window, KEY.Key_E)
    click(desk, BALL)
    desk.bot.waitUntil(lambda: len(desk.case.findings()) == 1, timeout=10_000)
    assert desk.case.findings()[0].number == 2
    assert desk.window.side.nodules.findings.model.rowCount() == 1


# one finding is one finding ------------------------------------------------------------------------------------------


def test_a_click_inside_an_accepted_finding_chooses_it_and_adds_none(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)  # 20…28 × 16…24 on slice 3
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, KEY.Key_Return))
    read_ct.window.review_controller.choose(2)
    read_ct.viewport.go_to(3)
    read_ct.bot.keyClick(read_ct.window, KEY.Key_E)
    click(read_ct, (24, 20))
    read_ct.bot.waitUntil(lambda: read_ct.case.selected == 1)
    assert "Finding 1 is here already" in read_ct.window.status.text.text()
    assert len(read_ct.case.found()) == 5
    assert _drawn(read_ct) == []
    assert read_ct.case.answer(read_ct.case.finding(1)) is Answer.ACCEPTED


def test_a_second_click_on_an_added_one_chooses_it(added: Desk) -> None:
    added.window.review_controller.choose(1)
    added.viewport.go_to(3)
    added.bot.keyClick(added.window, KEY.Key_E)
    click(added, (BALL[0] + 2, BALL[1]))
    added.bot.waitUntil(lambda: added.case.selected == 2)
    assert "Finding A is here already" in added.window.status.text.text()
    assert len(_drawn(added)) == 1


def test_two_hasty_clicks_add_one_finding(ct: Desk) -> None:
    ct.viewport.go_to(3)
    ct.bot.keyClick(ct.window, KEY.Key_E)
    for _ in range(2):
        click(ct, BALL)
    ct.bot.waitUntil(lambda: len(ct.case.found()) > 0 and ct.window.journal.pending == 0, timeout=10_000)
    ct.window.drawing_controller.outlining._thread.settle(10)
    ct.bot.wait(50)
    assert len(_drawn(ct)) == 1
    assert ct.case.selected == 1


def test_a_click_at_the_rim_beyond_the_models_boxes_still_finds_the_same_nodule(ct: Desk) -> None:
    ct.finish(nodule(1, 0.9, 3, 3, x=20, y=16, side=9))  # one slice of the ball alone
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    ct.viewport.go_to(4)
    ct.bot.keyClick(ct.window, KEY.Key_E)
    click(ct, BALL)
    ct.bot.waitUntil(lambda: ct.case.selected == 1, timeout=10_000)
    assert _drawn(ct) == []


def test_a_box_drawn_over_a_finding_becomes_its_box(read_ct: Desk) -> None:
    read_ct.viewport.go_to(3)
    read_ct.bot.keyClick(read_ct.window, KEY.Key_E)
    drag(read_ct, (19, 15), (29, 26))
    read_ct.bot.waitUntil(lambda: read_ct.case.origin(1) is Origin.EDITED, timeout=10_000)
    assert len(read_ct.case.found()) == 5
    assert read_ct.case.finding(1).box.x1 == pytest.approx(29, abs=0.4)
    status = read_ct.window.status.text
    read_ct.bot.waitUntil(lambda: "The box of finding 1 was changed" in status.text(), timeout=10_000)


def test_in_the_first_read_a_click_on_what_the_model_found_adds_it_and_gives_nothing_away(
    desk: Desk, ct_folder: Path
) -> None:
    desk.window.preferences.change(reading="second")
    desk.open(ct_folder)
    desk.finish(nodule(1, 0.9, 2, 4))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    desk.viewport.go_to(3)
    desk.bot.keyClick(desk.window, KEY.Key_E)
    click(desk, BALL)
    desk.bot.waitUntil(lambda: len(desk.case.findings()) == 1, timeout=10_000)
    assert desk.case.origin(desk.case.findings()[0].number) is Origin.READER


# outlined by the network ---------------------------------------------------------------------------------------------


@pytest.fixture
def with_network() -> None:
    """An outline model is installed."""
    folder = paths.user_data() / "weights"
    card = ModelCard("outline-test", "7", Task.NODULES, "Outline", "net", {}, {}, 0.5, "cd" * 32, role="outline")
    (folder / "outline-test.json").write_text(card.to_json(), encoding="utf-8")
    (folder / "outline-test.safetensors").write_bytes(b"")


def test_an_own_outline_model_does_not_take_the_place_of_the_shipped_one(desk: Desk, ct_folder: Path) -> None:
    for name, folder in (("an-own-one", paths.own_weights()), ("outline-test", paths.shipped_weights())):
        card = ModelCard(name, "7", Task.NODULES, "Outline", "net", {}, {}, 0.5, "cd" * 32, role="outline")
        (folder / f"{name}.json").write_text(card.to_json(), encoding="utf-8")
        (folder / f"{name}.safetensors").write_bytes(b"")
    desk.open(ct_folder)
    desk.finish()
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    desk.viewport.go_to(3)
    desk.bot.keyClick(desk.window, KEY.Key_E)
    click(desk, BALL)
    desk.bot.waitUntil(lambda: isinstance(desk.engine.jobs[-1], OutlineJob), timeout=10_000)
    assert desk.engine.jobs[-1].model == "outline-test"


def _answer(desk: Desk, *, sees: bool = True) -> None:
    """The network outlines a square 18…31 × 14…27 on slices 2 to 4 of what was asked for."""
    job = desk.engine.jobs[-1]
    assert job.boxes
    square = np.array([[18, 14], [31, 14], [31, 27], [18, 27]], np.float32)
    found = Nodule(
        1,
        job.boxes,
        long_mm=12.9,
        short_mm=9.1,
        volume_mm3=700.4,
        outline=square,
        outlines=dict.fromkeys((2, 3, 4), square),
    )
    origin = replace(provenance(), model="outline-test", model_version="7", weights_sha256="cd" * 32)
    result = Result(job.case_id, Task.NODULES, origin, nodules=(found,) if sees else ())
    desk.bridge.take(Finished(job.case_id, job.request_id, result))


def test_an_added_finding_is_outlined_by_density_at_once_and_then_by_the_network(
    with_network: None, added: Desk
) -> None:
    at_once = added.case.finding(2)
    about = added.window.side.nodules.findings.about.measures
    added.bot.waitUntil(lambda: "network is working" in about.text())
    (job,) = [j for j in added.engine.jobs if isinstance(j, OutlineJob)]
    assert job.model == "outline-test"
    assert job.boxes == at_once.boxes
    _answer(added)
    added.bot.waitUntil(lambda: "Outline by outline-test 7" in about.text(), timeout=10_000)
    now = added.case.finding(2)
    assert (now.long_mm, now.short_mm, now.volume_mm3) == (12.9, 9.1, 700.4)
    assert sorted(now.outlines) == [2, 3, 4]
    assert now.boxes == at_once.boxes
    assert "12.9 × 9.1 mm" in about.text()
    assert added.case.answer(now) is Answer.ACCEPTED
    assert added.case.outlining == frozenset()


def test_what_the_network_measured_is_there_again_and_undone_with_its_finding(with_network: None, added: Desk) -> None:
    added.wait_kept(lambda: added.window.review_controller.enter(2, {"note": "mine"}))
    _answer(added)
    added.bot.waitUntil(lambda: added.case.finding(2).long_mm == 12.9, timeout=10_000)
    added.wait_kept(lambda: added.bot.keyClick(added.window, KEY.Key_Z, CTRL))  # the note, not the outline
    assert added.case.finding(2).long_mm == 12.9
    assert added.case.values(added.case.finding(2)) == {}
    added.wait_kept(lambda: added.bot.keyClick(added.window, KEY.Key_Z, CTRL))
    assert len(added.case.found()) == 1
    added.wait_kept(lambda: added.bot.keyClick(added.window, KEY.Key_Y, CTRL))
    assert added.case.finding(2).long_mm == 12.9
    entries = Session(case_key(added.case.series)).entries()
    (mark,) = [e.mark for e in entries if isinstance(e.mark, Outlined)]
    assert (mark.model, mark.weights_sha256) == ("outline-test", "cd" * 32)


def test_the_density_stays_and_it_is_said_where_the_network_sees_nothing_or_fails(
    with_network: None, added: Desk
) -> None:
    before = added.case.finding(2)
    _answer(added, sees=False)
    added.bot.waitUntil(lambda: "outlines nothing" in added.window.status.text.text())
    assert added.case.finding(2) is before
    box = before.box
    added.viewport.mouse.set_tool(Tool.SELECT)
    drag(added, (box.x1, box.centre[1]), (box.x1 + 3, box.centre[1]))
    added.bot.waitUntil(lambda: len([j for j in added.engine.jobs if isinstance(j, OutlineJob)]) == 2, timeout=10_000)
    job = added.engine.jobs[-1]
    added.bridge.take(Failed(job.case_id, job.request_id, "the inference process crashed"))
    added.bot.waitUntil(lambda: "process crashed" in added.window.status.text.text())
    assert added.window.side.nodules.findings.about.measures.text().endswith("Outline by density")


def test_the_answer_for_a_box_that_was_changed_meanwhile_is_not_wanted(with_network: None, added: Desk) -> None:
    first = added.engine.jobs[-1]
    box = added.case.finding(2).box
    added.viewport.mouse.set_tool(Tool.SELECT)
    drag(added, (box.x1, box.centre[1]), (box.x1 + 3, box.centre[1]))
    added.bot.waitUntil(lambda: added.engine.jobs[-1] is not first, timeout=10_000)
    assert first.request_id in added.engine.cancelled
    _answer(added)
    added.bot.waitUntil(lambda: added.case.finding(2).long_mm == 12.9, timeout=10_000)


def test_without_an_outline_model_nobody_is_asked_and_the_finding_says_by_density(added: Desk) -> None:
    assert not any(isinstance(job, OutlineJob) for job in added.engine.jobs)
    assert added.window.side.nodules.findings.about.measures.text().endswith("Outline by density")


# names ---------------------------------------------------------------------------------------------------------------


def test_own_findings_are_called_by_letters_which_they_keep(read_ct: Desk) -> None:
    for slice_, x in ((1, 4), (11, 44)):
        read_ct.bot.keyClick(read_ct.window, KEY.Key_E)  # it adds one
        read_ct.viewport.go_to(slice_)
        drag(read_ct, (x, 36), (x + 8, 44))
        read_ct.bot.waitUntil(lambda: read_ct.window.journal.pending == 0, timeout=10_000)
        read_ct.window.drawing_controller.outlining._thread.settle(10)
        read_ct.bot.waitUntil(
            lambda s=slice_: any(f.place.model == "reader" and f.nodule.box.slice == s for f in read_ct.case.found()),
            timeout=10_000,
        )
    own = [f for f in read_ct.case.found() if f.origin is Origin.READER]
    assert [f.name for f in own] == ["A", "B"]
    texts = [read_ct.window.side.nodules.findings.model.index(k).data() for k in range(5)]
    assert texts[3].startswith("Finding A, added")
    read_ct.window.review_controller.choose(own[0].nodule.number)
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, KEY.Key_Backspace))
    assert [f.name for f in read_ct.case.found() if f.origin is Origin.READER] == ["B"]
    assert read_ct.case.name_for_new() == "A"
    box = read_ct.case.finding(own[1].nodule.number).box if read_ct.case.finding(own[1].nodule.number) else None
    assert box is None or box.slice == 11


def test_the_label_of_a_box_out_of_sight_is_not_held_at_the_edge(
    read_ct: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_ct.viewport.go_to(3)
    with seen_texts.painted(monkeypatch) as painted:
        read_ct.viewport.grab()
    assert any("1 · 0.90" in text for _, text in painted)
    read_ct.viewport.zoom(8, read_ct.viewport.to_screen(60, 44))
    with seen_texts.painted(monkeypatch) as painted:
        read_ct.viewport.grab()
    assert not any("1 · 0.90" in text for _, text in painted)
