"""Two series side by side in the real window, scrolled together by the place in the patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui_desk import Desk
from gui_images import write_ct, write_ultrasound
from PySide6.QtCore import Qt

from cadviewer.gui.cases.case import Case
from cadviewer.gui.viewing.grid.layout import Layout

KEY, NONE, CTRL = Qt.Key, Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


def press(desk: Desk, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    desk.bot.keyClick(desk.window, key, modifiers)


def pair(desk: Desk) -> tuple[Any, Any]:
    first, second = (pane.viewport for pane in desk.window.workspace.grid.shown)
    return first, second


def compare(desk: Desk, folder: Path) -> Case:
    """The open CT beside another one; returns the other case."""
    now = desk.case
    desk.window.opener.open_paths([folder])
    desk.bot.waitUntil(lambda: not desk.window.opener._reports and not desk.window.opener.reading, timeout=10_000)
    prior = desk.case
    desk.window.opener.open_case(now)
    press(desk, KEY.Key_4, CTRL)
    desk.bot.waitUntil(lambda: desk.window.workspace.grid.layout_now is Layout.PAIR, timeout=10_000)
    assert desk.window.workspace.grid.beside is prior
    return prior


def head(desk: Desk) -> str:
    return " ".join(desk.window.workspace.grid.panes[1].corners.head)


def test_series_of_one_frame_of_reference_are_linked_by_patient_position(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now", FrameOfReferenceUID="1.2.3"))
    compare(desk, write_ct(tmp_path / "prior", 20, origin=(-20, -15, -112), FrameOfReferenceUID="1.2.3"))
    first, second = pair(desk)
    assert "patient position" in head(desk)
    for index in (0, 7, 11):
        first.go_to(index)
        assert second.index == index + 4  # four slices of 3 mm further from its own first one
    second.go_to(9)
    assert first.index == 5


def test_scrolling_the_second_series_beyond_the_first_leaves_it_at_its_end(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now", FrameOfReferenceUID="1.2.3"))
    compare(desk, write_ct(tmp_path / "prior", 20, origin=(-20, -15, -112), FrameOfReferenceUID="1.2.3"))
    first, second = pair(desk)
    second.go_to(0)
    assert (first.index, second.index) == (0, 0)


def test_another_frame_of_reference_is_said_and_linked_by_the_table_where_the_scans_overlap(
    desk: Desk, tmp_path: Path
) -> None:
    desk.open(write_ct(tmp_path / "now", FrameOfReferenceUID="1.2.3"))
    compare(desk, write_ct(tmp_path / "prior", origin=(-20, -15, -97), FrameOfReferenceUID="1.2.4"))
    assert "table position" in head(desk)
    pair(desk)[0].go_to(5)
    assert pair(desk)[1].index == 4


def test_scans_at_other_places_of_the_table_are_laid_middle_on_middle_and_l_sets_it_right(
    desk: Desk, tmp_path: Path
) -> None:
    desk.open(write_ct(tmp_path / "now"))
    compare(desk, write_ct(tmp_path / "prior", origin=(-20, -15, 900)))
    first, second = pair(desk)
    assert "middle" in head(desk)
    first.go_to(3)
    assert second.index == 3
    press(desk, KEY.Key_L)
    second.go_to(8)
    assert first.index == 3
    assert "not linked" in head(desk)
    press(desk, KEY.Key_L)
    assert (first.index, second.index) == (3, 8)
    first.go_to(5)
    assert second.index == 10
    assert "as set" in head(desk)


def test_a_series_that_is_no_volume_is_shown_beside_but_not_linked_and_says_why(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    compare(desk, write_ct(tmp_path / "gap", gap=True))
    first, second = pair(desk)
    before = second.index
    first.go_to(1)
    assert second.index == before
    assert "not a volume" in head(desk)
    press(desk, KEY.Key_L)
    assert "not linked" in head(desk)


def test_both_are_seen_in_the_same_window(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    compare(desk, write_ct(tmp_path / "prior"))
    press(desk, KEY.Key_2)
    assert [v.view.window.width for v in pair(desk)] == [400, 400]


def test_two_patients_are_never_compared_unasked_nor_silently(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    now = desk.case
    desk.open(write_ct(tmp_path / "other", PatientID="P-8"))
    other = desk.case
    desk.window.opener.open_case(now)
    press(desk, KEY.Key_4, CTRL)
    assert desk.window.workspace.grid.beside is None
    assert "no other series" in desk.window.status.text.text()
    desk.window.comparison.want(other)  # chosen from the menu
    desk.bot.waitUntil(lambda: desk.window.workspace.grid.layout_now is Layout.PAIR, timeout=10_000)
    assert "different patients" in " ".join(desk.window.workspace.notifications.texts())
    press(desk, KEY.Key_1, CTRL)
    assert desk.window.workspace.grid.layout_now is Layout.ONE
    assert "different patients" not in " ".join(desk.window.workspace.notifications.texts())


def test_the_date_of_the_second_examination_leaves_with_it(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    compare(desk, write_ct(tmp_path / "prior"))
    assert head(desk)
    desk.window.workspace.grid.set_layout(Layout.FOUR)
    assert not head(desk)


def test_a_right_click_in_the_list_highlights_nothing_that_is_not_on_screen(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    now = desk.case
    desk.open(write_ct(tmp_path / "other", PatientID="P-8"))
    current, studies = desk.case, desk.window.studies
    at = studies.visualRect(studies.rows.index(studies.rows.row_of(now))).center()
    desk.bot.mouseClick(studies.viewport(), Qt.MouseButton.RightButton, NONE, at)
    assert desk.case is current
    assert studies.currentIndex().row() == studies.rows.row_of(current)
    desk.bot.mouseClick(studies.viewport(), Qt.MouseButton.LeftButton, NONE, at)
    assert desk.case is now


def test_the_second_series_is_read_while_the_first_stays_on_screen(desk: Desk, tmp_path: Path) -> None:
    write_ct(tmp_path / "study" / "a", SeriesNumber=1)
    write_ct(tmp_path / "study" / "b", SeriesNumber=2)
    desk.open(tmp_path / "study")
    current = desk.case
    other = next(case for case in desk.window.cases if case is not current)
    assert other.stack is None
    press(desk, KEY.Key_4, CTRL)
    desk.bot.waitUntil(lambda: desk.window.workspace.grid.layout_now is Layout.PAIR, timeout=10_000)
    assert desk.case is current
    assert pair(desk)[1].stack is other.stack
    assert np.array_equal(pair(desk)[1].frame_on_screen(), other.stack.pixels[pair(desk)[1].index])


def test_without_another_series_there_is_nothing_to_compare_with(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    press(desk, KEY.Key_4, CTRL)
    assert desk.window.workspace.grid.layout_now is Layout.ONE
    assert "no other series" in desk.window.status.text.text()
    assert desk.window.actions_["layout_one"].isChecked()


def test_the_pixels_of_the_second_series_are_kept_while_it_is_on_screen(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    prior = compare(desk, write_ct(tmp_path / "prior"))
    desk.window.cases._keep_bytes = 0
    for job in desk.engine.jobs:
        desk.window.cases.job_ended(job.request_id)
    desk.window.cases.trim()
    assert prior.stack is not None


def test_opening_a_third_series_ends_the_comparison_so_that_nothing_is_beside_another_patient(
    desk: Desk, tmp_path: Path
) -> None:
    desk.open(write_ct(tmp_path / "now"))
    compare(desk, write_ct(tmp_path / "prior"))
    desk.open(write_ct(tmp_path / "third", PatientID="P-9"))
    assert desk.window.workspace.grid.layout_now is Layout.ONE
    assert desk.window.workspace.grid.beside is None
    assert desk.window.cases.beside is None


def test_opening_the_second_series_ends_the_comparison(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "now"))
    prior = compare(desk, write_ct(tmp_path / "prior"))
    desk.window.opener.open_case(prior)
    assert desk.window.workspace.grid.layout_now is Layout.ONE
    assert desk.window.cases.beside is None


@pytest.mark.parametrize("key", [KEY.Key_X, KEY.Key_Return])
def test_findings_of_the_second_series_are_not_answered_by_mistake(desk: Desk, tmp_path: Path, key: Qt.Key) -> None:
    desk.open(write_ct(tmp_path / "now"))
    prior = compare(desk, write_ct(tmp_path / "prior"))
    second = desk.window.workspace.grid.shown[1]
    desk.window.workspace.grid.use(second)
    press(desk, key)
    assert not prior.kept.answers
    assert desk.window.workspace.grid.active is second
