from __future__ import annotations

import pytest
from gui_desk import Desk, nodule
from PySide6.QtCore import QPoint, Qt

from cadviewer.gui.canvas.mouse import Tool
from cadviewer.store.session import Answer, JournalError, Measure, Session, case_key

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def _answers(desk: Desk) -> list[Answer]:
    """As another program would read them from the disk."""
    return list(Session(case_key(desk.case.series)).decisions().values())


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        (Qt.Key.Key_Return, Answer.ACCEPTED),
        (Qt.Key.Key_Enter, Answer.ACCEPTED),
        (Qt.Key.Key_X, Answer.REJECTED),
        (Qt.Key.Key_U, Answer.UNSURE),
    ],
)
def test_a_key_answers_the_selected_finding_and_the_journal_has_it(read_ct: Desk, key: Qt.Key, answer: Answer) -> None:
    read_ct.window.review_controller.choose(2)
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, key))
    assert read_ct.case.answer(read_ct.case.finding(2)) is answer
    assert read_ct.case.answer(read_ct.case.finding(1)) is None
    assert _answers(read_ct) == [answer]
    assert answer.value in read_ct.window.side.nodules.findings.model.index(1).data()


def test_nothing_is_shown_as_decided_before_it_is_written(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.window.review_controller.answer(Answer.ACCEPTED)
    assert read_ct.case.answer(read_ct.case.finding(1)) is None  # the journal's thread has not answered yet
    read_ct.bot.waitUntil(lambda: read_ct.case.answer(read_ct.case.finding(1)) is Answer.ACCEPTED)


def test_a_disk_that_takes_nothing_is_told_and_nothing_is_shown_as_decided(
    read_ct: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Session, *marks: object) -> None:
        raise JournalError("no space left on device")

    monkeypatch.setattr(Session, "record_all", refuse)
    read_ct.window.review_controller.choose(1)
    with read_ct.bot.waitSignal(read_ct.window.journal.failed):
        read_ct.window.review_controller.answer(Answer.ACCEPTED)
    assert read_ct.case.answer(read_ct.case.finding(1)) is None
    assert any("no space left" in text for text in read_ct.window.workspace.notifications.texts())


def test_undo_and_redo_go_back_and_forth_and_the_journal_follows(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_X))
    ctrl = Qt.KeyboardModifier.ControlModifier
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_Z, ctrl))
    assert read_ct.case.answer(read_ct.case.finding(1)) is None
    assert _answers(read_ct) == []
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_Y, ctrl))
    assert _answers(read_ct) == [Answer.REJECTED]


def test_the_same_answer_again_changes_nothing_and_undo_takes_it_back(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_Return))
    read_ct.window.review_controller.choose(1)
    read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_Return)
    assert read_ct.window.journal.pending == 0
    assert _answers(read_ct) == [Answer.ACCEPTED]
    assert "already" in read_ct.window.status.text.text()
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier))
    assert read_ct.case.answer(read_ct.case.finding(1)) is None


def test_after_an_answer_the_next_finding_without_one_is_selected(read_ct: Desk) -> None:
    numbers = [n.number for n in read_ct.case.listed()]
    assert len(numbers) > 2
    read_ct.window.review_controller.choose(numbers[1])
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_Return))
    assert read_ct.case.selected == numbers[2]
    read_ct.window.review_controller.choose(numbers[0])
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_X))
    assert read_ct.case.selected == numbers[2]  # the second has its answer
    assert read_ct.viewport.index == read_ct.case.finding(numbers[2]).box.slice


def test_the_finding_stays_selected_after_an_answer_where_the_reader_wants_it(read_ct: Desk) -> None:
    read_ct.window.preferences.change(after_answer="stay")
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(read_ct.window, Qt.Key.Key_Return))
    assert read_ct.case.selected == 1


def test_answers_come_back_when_the_case_is_analysed_again(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(2)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    read_ct.window.actions_["analyse"].trigger()
    read_ct.finish(nodule(1, 0.95, 6, 8, x=30.5))  # the second finding, elsewhere in the list this time
    read_ct.bot.waitUntil(lambda: read_ct.case.result is not None)
    assert read_ct.case.answer(read_ct.case.finding(1)) is Answer.ACCEPTED


def _draw(desk: Desk, start: tuple[float, float], end: tuple[float, float]) -> None:
    a, b = desk.viewport.to_screen(*start).toPoint(), desk.viewport.to_screen(*end).toPoint()
    desk.bot.mousePress(desk.viewport, LEFT, NONE, a)
    desk.bot.mouseMove(desk.viewport, a + (b - a) / 2)
    desk.bot.mouseMove(desk.viewport, b)
    desk.bot.mouseRelease(desk.viewport, LEFT, NONE, b)


@pytest.fixture
def measured(ct: Desk) -> Desk:
    """A length of 20 pixels of 0.7 mm on slice 4."""
    ct.viewport.go_to(4)
    ct.viewport.mouse.set_tool(Tool.DISTANCE)
    ct.wait_kept(lambda: _draw(ct, (10, 10), (30, 10)))
    return ct


def test_a_drawn_length_is_in_millimetres_and_journalled(measured: Desk) -> None:
    (length,) = measured.case.shapes
    assert length.slice == 4
    (entry,) = Session(case_key(measured.case.series)).entries()
    assert isinstance(entry.mark, Measure)
    assert entry.mark.unit == "mm"
    assert entry.mark.value == pytest.approx(14.0, abs=0.3)


def test_an_end_of_a_length_can_be_dragged_with_any_tool(measured: Desk) -> None:
    measured.viewport.mouse.set_tool(Tool.WINDOW)
    window = measured.viewport.view.window
    measured.wait_kept(lambda: _draw(measured, (30, 10), (40, 20)))
    (length,) = measured.case.shapes
    assert length.points[1] == pytest.approx((4, 40, 20), abs=0.3)
    assert length.points[0] == pytest.approx((4, 10, 10), abs=0.3)
    assert measured.viewport.view.window == window


def test_undo_after_moving_an_end_brings_the_old_length_back(measured: Desk) -> None:
    before = measured.case.shapes
    measured.wait_kept(lambda: _draw(measured, (30, 10), (40, 20)))
    measured.wait_kept(measured.window.review_controller.undo)
    assert measured.case.shapes == before
    measured.wait_kept(measured.window.review_controller.redo)
    (length,) = measured.case.shapes
    assert length.points[1][1] == pytest.approx(40, abs=0.3)


def test_backspace_deletes_the_selected_length_and_undo_brings_it_back(measured: Desk) -> None:
    assert measured.window.workspace.drawings.selected_shape() is not None
    measured.wait_kept(lambda: measured.bot.keyClick(measured.window, Qt.Key.Key_Backspace))
    assert measured.case.shapes == ()
    measured.wait_kept(measured.window.review_controller.undo)
    assert len(measured.case.shapes) == 1


def test_a_click_with_the_distance_tool_draws_nothing(ct: Desk) -> None:
    ct.viewport.mouse.set_tool(Tool.DISTANCE)
    ct.bot.mouseClick(ct.viewport, LEFT, NONE, QPoint(200, 200))
    ct.bot.wait(50)
    assert ct.case.shapes == ()
