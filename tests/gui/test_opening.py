from __future__ import annotations

from pathlib import Path

import numpy as np
from gui_desk import Desk, ct_result, nodule
from gui_images import write_ct, write_png, write_ultrasound
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from cadviewer.findings import Task
from cadviewer.gui.cases.case import Status
from cadviewer.inference.protocol import Finished, Priority


def test_a_folder_opens_in_the_files_window_with_patient_and_study(ct: Desk) -> None:
    assert len(ct.viewport.stack) == 12
    assert ct.viewport.view.window.width == 1500
    assert "Doe Jane" in ct.window.banner.patient.text()
    assert "2024-01-31" in ct.window.banner.study.text()


def test_research_use_is_visible_with_and_without_a_case(desk: Desk, ct_folder: Path) -> None:
    assert desk.window.banner.research.isVisible()
    assert "research use only" in desk.window.banner.research.text()
    desk.open(ct_folder)
    assert desk.window.banner.research.isVisible()


def test_the_open_case_is_analysed_at_once(ct: Desk) -> None:
    (job,) = ct.engine.jobs
    assert (job.task, job.model, job.case_id) == (Task.NODULES, "ssd-test", ct.case.case_id)
    assert job.pixels.shape == (12, 48, 64)
    assert ct.case.status is Status.RUNNING


def test_dropping_a_folder_opens_it(desk: Desk, ct_folder: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(ct_folder))])
    left = Qt.MouseButton.LeftButton
    event = QDropEvent(QPointF(10, 10), Qt.DropAction.CopyAction, data, left, Qt.KeyboardModifier.NoModifier)
    with desk.bot.waitSignal(desk.window.opener.loaded, timeout=10_000):
        desk.window.dropEvent(event)
    assert desk.case is not None


def test_what_was_opened_is_among_the_recent(ct: Desk, ct_folder: Path) -> None:
    ct.window.case_actions.fill_recent(ct.window.menus.recent)
    assert ct.window.menus.recent.actions()[0].text() == str(ct_folder)


def test_several_files_are_all_listed_and_the_first_is_open(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "a.dcm"), write_ultrasound(tmp_path / "b.dcm"), write_ct(tmp_path / "ct"))
    desk.bot.waitUntil(lambda: len(desk.window.cases) == 3)
    assert desk.case.series.source == tmp_path / "a.dcm"


def test_page_keys_go_from_series_to_series(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "a.dcm"), write_ultrasound(tmp_path / "b.dcm"))
    with desk.bot.waitSignal(desk.window.opener.loaded):
        desk.bot.keyClick(desk.window, Qt.Key.Key_PageDown)
    assert desk.case.series.source == tmp_path / "b.dcm"
    with desk.bot.waitSignal(desk.window.opener.loaded):
        desk.bot.keyClick(desk.window, Qt.Key.Key_PageUp)
    assert desk.case.series.source == tmp_path / "a.dcm"


def test_going_back_to_a_case_finds_it_as_it_was_left(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "a"))
    first = desk.case
    desk.finish(nodule(1, 0.9, 2, 4))
    desk.bot.waitUntil(lambda: first.result is not None)
    desk.viewport.go_to(9)
    desk.viewport.zoom(2)
    view = desk.viewport.view
    desk.open(write_ct(tmp_path / "b"))
    assert desk.case is not first
    desk.window.opener.open_case(first)
    assert (desk.case, desk.viewport.index, desk.viewport.view) == (first, 9, view)
    assert first.status is Status.FINDINGS


def test_opening_b_while_a_is_analysed_never_shows_a_on_b(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "a"))
    a, job_a = desk.case, desk.engine.jobs[0]
    desk.open(write_ct(tmp_path / "b"))
    b = desk.case
    assert job_a.request_id in desk.engine.cancelled
    desk.bridge.take(Finished(a.case_id, job_a.request_id, ct_result(a.case_id, nodule(1, 0.9, 2, 4))))
    desk.bridge.take(Finished(b.case_id, job_a.request_id, ct_result(b.case_id, nodule(1, 0.9, 2, 4))))
    desk.bot.wait(50)
    assert b.result is None
    assert b.status is Status.RUNNING
    assert a.result is None
    assert not desk.window.workspace.scrollbar.stretches


def test_a_truncated_file_leaves_the_case_before_on_screen(ct: Desk, tmp_path: Path) -> None:
    before = ct.case
    whole = (write_ct(tmp_path / "whole", 1) / "000.dcm").read_bytes()
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(whole[: len(whole) - 2000])
    said = ct.refuse(broken)
    assert "broken.dcm" in said
    assert ct.case is before
    assert ct.viewport.stack is before.stack


def test_a_text_file_named_png_is_refused_with_a_reason(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("hello\n" * 50)
    said = desk.refuse(tmp_path / "note.png")
    assert said.startswith("note.png could not be opened: ")
    assert desk.case is None


def test_an_empty_folder_and_one_without_images_say_so(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty could not be opened" in desk.refuse(tmp_path / "empty")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    (tmp_path / "texts" / "b.csv").write_text("y")
    assert "texts could not be opened: no image" in desk.refuse(tmp_path / "texts")


def test_a_path_that_does_not_exist_is_said(desk: Desk, tmp_path: Path) -> None:
    assert "nowhere could not be opened" in desk.refuse(tmp_path / "nowhere")


def test_a_good_series_among_bad_files_is_opened_and_the_bad_ones_are_told(desk: Desk, tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "mixed")
    (folder / "bad.png").write_text("hello\n" * 50)
    desk.open(folder)
    assert len(desk.viewport.stack) == 12


def test_a_series_with_a_missing_slice_is_shown_as_a_stack_and_says_why(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "gap", gap=True))
    assert len(desk.viewport.stack) == 11
    assert any(text.startswith("Not a volume: ") for text in desk.window.workspace.notifications.texts())


def test_an_image_that_does_not_say_what_it_is_asks_and_guesses_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_png(tmp_path / "photo.png", colour=True))
    assert desk.case.status is Status.NOT_ANALYSED
    assert not desk.engine.jobs
    assert "task" in desk.window.workspace.notifications.topics()
    desk.window.workspace.notifications.answer("task", "Breast ultrasound")
    assert desk.engine.jobs[0].task is Task.BREAST
    assert "task" not in desk.window.workspace.notifications.topics()


def test_memory_of_cases_that_are_not_on_screen_is_bounded(desk: Desk, tmp_path: Path) -> None:
    desk.window.cases._keep_bytes = 12 * 48 * 64 * 2 + 10
    first = write_ct(tmp_path / "a")
    desk.open(first)
    a = desk.case
    desk.finish()
    desk.bot.waitUntil(lambda: a.result is not None)
    desk.open(write_ct(tmp_path / "b"))
    assert a.stack is None
    with desk.bot.waitSignal(desk.window.opener.loaded):
        desk.window.opener.open_case(a)
    assert a.stack is not None
    assert int(np.asarray(a.stack.frame(3)).max()) == 40


def test_pixels_stay_while_a_job_reads_them(desk: Desk, tmp_path: Path) -> None:
    desk.window.cases._keep_bytes = 0
    desk.open(write_ct(tmp_path / "a"))
    a = desk.case
    desk.open(write_ct(tmp_path / "b"))
    assert a.stack is not None  # its job was cancelled but has not said its last word


def test_a_thumbnail_comes_for_every_series(desk: Desk, tmp_path: Path) -> None:
    from cadviewer.gui.cases.studies_panel import PICTURE

    desk.open(write_ultrasound(tmp_path / "a.dcm"), write_ct(tmp_path / "ct"))
    rows = desk.window.studies.rows

    def pictures() -> int:
        return sum(rows.data(rows.index(k), PICTURE) is not None for k in range(rows.rowCount()))

    desk.bot.waitUntil(lambda: pictures() == 2, timeout=5000)


def test_the_other_cases_are_analysed_after_the_open_one_and_wait_for_nobody(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "a"), write_ct(tmp_path / "b"))
    desk.bot.waitUntil(lambda: len(desk.window.cases) == 2)
    assert len(desk.engine.jobs) == 1
    first, second = desk.window.cases.ordered()
    desk.finish(nodule(1, 0.9, 2, 4))
    desk.bot.waitUntil(lambda: len(desk.engine.jobs) == 2, timeout=5000)
    assert (desk.engine.jobs[1].case_id, desk.engine.jobs[1].priority) == (second.case_id, Priority.BATCH)
    assert desk.case is first
    desk.window.opener.open_case(second)  # opened while its job runs: it goes on
    assert not desk.engine.cancelled
    desk.finish(nodule(1, 0.8, 6, 8))
    desk.bot.waitUntil(lambda: second.status is Status.FINDINGS)
    assert desk.window.side.nodules.findings.model.rowCount() == 1


def test_a_case_that_cannot_be_read_ahead_is_tried_once_and_stops_nobody(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ct(tmp_path / "a"), write_ct(tmp_path / "b"), write_ct(tmp_path / "c"))
    desk.bot.waitUntil(lambda: len(desk.window.cases) == 3)
    _, b, c = desk.window.cases.ordered()
    for file in b.series.files:
        file.unlink()
    desk.finish()
    desk.bot.waitUntil(lambda: len(desk.engine.jobs) == 2, timeout=5000)
    assert desk.engine.jobs[1].case_id == c.case_id
    assert b.status is Status.NOT_ANALYSED
