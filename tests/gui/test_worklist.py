"""Working through the findings: sorting, filtering, type and note, and reading first without the model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gui_desk import Desk, nodule
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox

from cadviewer.gui.cases.case import ListFilter, SortOrder
from cadviewer.store.session import Answer, Entered, Session, case_key

KEY = Qt.Key
LEFT = Qt.MouseButton.LeftButton


def _listed(desk: Desk) -> list[int]:
    model = desk.window.side.nodules.findings.model
    return [model.index(row).data(Qt.ItemDataRole.UserRole).number for row in range(model.rowCount())]


def _pick(desk: Desk, box: QComboBox, row: int) -> None:
    box.setFocus()
    box.setCurrentIndex(row)
    box.activated.emit(row)


@pytest.fixture
def sized(ct: Desk) -> Desk:
    """Three findings of other sizes and places than their scores."""
    ct.finish(
        replace(nodule(1, 0.9, 6, 8), long_mm=4.0),
        replace(nodule(2, 0.8, 9, 9, x=30), long_mm=9.0),
        replace(nodule(3, 0.6, 2, 4, y=30), long_mm=6.0),
    )
    ct.bot.waitUntil(lambda: ct.case.result is not None)
    return ct


@pytest.mark.parametrize(
    ("order", "numbers"), [(SortOrder.SCORE, [1, 2, 3]), (SortOrder.SIZE, [2, 3, 1]), (SortOrder.PLACE, [2, 1, 3])]
)
def test_the_list_is_sorted_as_the_reader_wants_and_next_follows_it(
    sized: Desk, order: SortOrder, numbers: list[int]
) -> None:
    _pick(sized, sized.window.side.nodules.findings.order, list(SortOrder).index(order))
    assert _listed(sized) == numbers
    seen = []
    for _ in numbers:
        sized.bot.keyClick(sized.window, KEY.Key_N)
        seen.append(sized.case.selected)
    assert seen == numbers


def test_the_list_is_filtered_by_what_the_reader_decided(sized: Desk) -> None:
    sized.window.review_controller.choose(2)
    sized.wait_kept(lambda: sized.bot.keyClick(sized.window, KEY.Key_X))
    only = sized.window.side.nodules.findings.only
    _pick(sized, only, list(ListFilter).index(ListFilter.UNREAD))
    assert _listed(sized) == [1, 3]
    assert "1 not listed" in sized.window.side.nodules.findings.count.text()
    _pick(sized, only, list(ListFilter).index(ListFilter.REJECTED))
    assert _listed(sized) == [2]


def test_a_finding_leaves_the_list_of_unread_ones_when_it_is_read_and_next_goes_on(sized: Desk) -> None:
    _pick(sized, sized.window.side.nodules.findings.only, list(ListFilter).index(ListFilter.UNREAD))
    sized.bot.keyClick(sized.window, KEY.Key_N)
    for expected in (1, 2, 3):  # an answer selects the next one
        assert sized.case.selected == expected
        sized.wait_kept(lambda: sized.bot.keyClick(sized.window, KEY.Key_Return))
    assert _listed(sized) == []


def test_the_slider_acts_at_once(read_ct: Desk) -> None:
    slider = read_ct.window.side.nodules.findings.slider
    slider.setValue(150)
    assert _listed(read_ct) == [1, 2, 3, 4, 5]
    slider.setValue(850)
    assert _listed(read_ct) == [1]
    assert {s.first for s in read_ct.window.workspace.scrollbar.stretches} == {2}


def test_type_and_note_of_a_finding_are_journalled_with_their_time_and_copied(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    editors = read_ct.window.side.nodules.findings.about.editors
    box = editors["type"].choice
    assert box is not None
    read_ct.wait_kept(lambda: _pick(read_ct, box, box.findData("solid")))
    line = editors["note"].line
    assert line is not None
    read_ct.bot.mouseClick(line, LEFT)
    read_ct.bot.keyClicks(line, "nxu: beside the fissure")  # letters that are keys of the window elsewhere
    read_ct.wait_kept(lambda: read_ct.bot.keyClick(line, KEY.Key_Return))
    entries = [e for e in Session(case_key(read_ct.case.series)).entries() if isinstance(e.mark, Entered)]
    assert [(e.mark.name, e.mark.value) for e in entries] == [  # type: ignore[union-attr]
        ("type", "solid"),
        ("note", "nxu: beside the fissure"),
    ]
    assert all(e.time.startswith("20") for e in entries)
    assert read_ct.case.answer(read_ct.case.finding(1)) is None
    read_ct.bot.keyClick(read_ct.window, KEY.Key_C, Qt.KeyboardModifier.ControlModifier)
    from PySide6.QtWidgets import QApplication

    assert "nxu: beside the fissure" in QApplication.clipboard().text()


def test_the_note_of_another_finding_is_another_one(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(1)
    read_ct.wait_kept(lambda: read_ct.window.review_controller.enter(1, {"note": "first"}))
    read_ct.window.review_controller.choose(2)
    line = read_ct.window.side.nodules.findings.about.editors["note"].line
    assert line is not None
    assert line.text() == ""


@pytest.fixture
def second(desk: Desk, ct_folder: object) -> Desk:
    """A window in second-read mode with an analysed CT."""
    desk.window.preferences.change(reading="second")
    desk.open(ct_folder)  # type: ignore[arg-type]
    desk.finish(nodule(1, 0.9, 2, 4), nodule(2, 0.8, 6, 8, x=30))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    return desk


def test_in_second_read_mode_nothing_of_the_model_is_shown_before_the_first_read_is_done(second: Desk) -> None:
    side = second.window.side
    assert side.nodules.findings.first_read.isVisible()
    assert _listed(second) == []
    assert second.window.workspace.scrollbar.stretches == ()
    assert "2" not in side.state.text()
    rows = second.window.studies.rows
    from cadviewer.gui.cases.studies_panel import short_state

    assert rows.row_of(second.case) >= 0
    assert "finding" not in short_state(second.case)[1]
    second.bot.keyClick(second.window, KEY.Key_N)
    assert second.case.selected is None
    assert not second.window.actions_["copy"].isEnabled()
    assert second.case.reading().findings == ()


def test_after_the_first_read_everything_is_shown_and_its_time_is_kept(second: Desk) -> None:
    second.wait_kept(lambda: second.bot.keyClick(second.window, KEY.Key_Return, Qt.KeyboardModifier.ControlModifier))
    assert _listed(second) == [1, 2]
    assert not second.window.side.nodules.findings.first_read.isVisible()
    (entry,) = Session(case_key(second.case.series)).entries()
    assert entry.mark == Entered("first_read", "done")
    assert second.case.first_read_done == entry.time


def test_the_first_read_is_still_done_when_the_case_is_opened_again(second: Desk) -> None:
    second.wait_kept(lambda: second.bot.mouseClick(second.window.side.nodules.findings.first_read.button, LEFT))
    second.window.actions_["analyse"].trigger()
    second.finish(nodule(1, 0.9, 2, 4))
    second.bot.waitUntil(lambda: second.case.result is not None)
    assert _listed(second) == [1]


def test_in_concurrent_mode_findings_are_shown_at_once(read_ct: Desk) -> None:
    assert not read_ct.window.side.nodules.findings.first_read.isVisible()
    assert read_ct.window.review_controller.reveal() is None
    assert read_ct.window.journal.pending == 0
    assert Answer.ACCEPTED not in read_ct.case.kept.answers.values()
