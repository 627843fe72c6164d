"""The breast result in the window: measures, a pixel size of the reader's own, what the score depends on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gui_desk import Desk, breast_result, provenance
from gui_images import write_png, write_ultrasound
from PySide6.QtWidgets import QInputDialog

from cadviewer.findings import BreastFinding, Call, Estimate, Result, ScoreMap, Task
from cadviewer.gui.breast import score_map
from cadviewer.gui.canvas.shapes import Drawing
from cadviewer.gui.cases import wording
from cadviewer.gui.review import reports
from cadviewer.imaging import files
from cadviewer.imaging.series import Series
from cadviewer.inference.protocol import ExplainJob, Failed, Finished, Progressed
from cadviewer.store.session import Answer, JournalError, Measure, MeasureKind, PixelSize, Session, case_key


def finding(**changes: object) -> BreastFinding:
    known = {"lesion_px": 900, "long_px": 40.0, "short_px": 30.0, "lesions": 1, "depth_to_width": 0.8, **changes}
    return BreastFinding(0, (100, 100), Call.MALIGNANT, Estimate(0.8, 0.7, 0.9), **known)  # type: ignore[arg-type]


def test_measures_are_in_millimetres_when_calibrated_and_in_pixels_otherwise() -> None:
    text = wording.breast_size(finding())
    assert "40 × 30 px" in text
    assert "not calibrated" in text
    assert "not taller than wide" in text
    text = wording.breast_size(finding(long_mm=14.2, short_mm=9.8, area_mm2=109.4, depth_to_width=1.21))
    assert text == "14.2 × 9.8 mm, 109 mm², taller than wide (depth/width 1.21)"
    assert wording.breast_size(finding(lesion_px=0)) == ""


def test_several_lesions_are_said_to_be_several() -> None:
    assert wording.breast_count(finding()) == ""
    assert "3 separate lesions" in wording.breast_count(finding(lesions=3))


@pytest.fixture
def read(desk: Desk, tmp_path: Path) -> Desk:
    """The window with an analysed ultrasound of two frames."""
    desk.open(write_ultrasound(tmp_path / "us.dcm", frames=2))
    job = desk.engine.jobs[-1]
    assert job.task is Task.BREAST
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 160, 200, frames=2)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    return desk


def explained(desk: Desk, frame: int = 0, value: float = 1.5) -> Result:
    values = np.zeros((160, 200), np.float32)
    values[40:80, 50:100] = value
    return Result(desk.case.case_id, Task.BREAST, provenance(), maps=(ScoreMap(frame, values, "a fake"),))


def pixel(desk: Desk, x: float, y: float) -> tuple[int, int, int]:
    """The colour on screen of an image point."""
    at = desk.viewport.to_screen(x, y).toPoint()
    colour = desk.viewport.grab().toImage().pixelColor(at)
    return colour.red(), colour.green(), colour.blue()


def test_what_the_score_depends_on_is_asked_of_the_engine_and_laid_over_the_image(read: Desk) -> None:
    panel = read.window.side.breast
    assert panel.score_map.isVisibleTo(panel)
    before, asked = pixel(read, 70, 60), len(read.engine.jobs)
    panel.score_map.click()
    assert len(read.engine.jobs) == asked + 1  # and nothing was computed here
    job = read.engine.jobs[-1]
    assert (job.frame, job.task, job.model) == (read.viewport.index, Task.BREAST, "ssd-test")
    read.bridge.take(Progressed(job.case_id, job.request_id, 30, 120))
    read.bot.waitUntil(lambda: "25 %" in panel.legend.text())
    assert read.case.status.value == "Analysed"  # the result stays while this runs
    read.bridge.take(Finished(job.case_id, job.request_id, explained(read, job.frame)))
    read.bot.waitUntil(lambda: "No proof" in panel.legend.text())
    red, _, blue = pixel(read, 70, 60)
    assert red - blue > (before[0] - before[2]) + 40
    panel.opacity.setValue(0)
    assert pixel(read, 70, 60) == before
    panel.score_map.click()
    assert not panel.legend.isVisibleTo(panel)
    assert read.case.result is not None


def test_a_map_is_dropped_with_the_result_that_it_explains(read: Desk) -> None:
    panel = read.window.side.breast
    panel.score_map.click()
    job = read.engine.jobs[-1]
    read.window.analysis_actions.analyse(None)
    read.bridge.take(Finished(job.case_id, job.request_id, explained(read)))
    again = read.engine.jobs[-1]
    read.bridge.take(Finished(again.case_id, again.request_id, breast_result(again.case_id, 160, 200, frames=2)))
    read.bot.waitUntil(lambda: read.case.result is not None)
    state = read.window.score_map.of(read.case, read.viewport.index)
    assert state is not None  # asked anew, since the reader still wants it
    assert state.map is None
    assert isinstance(read.engine.jobs[-1], ExplainJob)


def test_hiding_it_cancels_what_is_being_computed_and_a_failure_says_why(read: Desk) -> None:
    panel = read.window.side.breast
    panel.score_map.click()
    first = read.engine.jobs[-1].request_id
    panel.score_map.click()
    assert first in read.engine.cancelled
    panel.score_map.click()
    job = read.engine.jobs[-1]
    assert job.request_id != first
    read.bridge.take(Failed(job.case_id, job.request_id, "captum is not installed"))
    read.bot.waitUntil(lambda: "Captum is not installed." in panel.legend.text())
    assert read.case.result is not None


def test_another_frame_is_asked_for_when_it_comes_on_screen(read: Desk) -> None:
    read.window.side.breast.score_map.click()
    job = read.engine.jobs[-1]
    read.bridge.take(Finished(job.case_id, job.request_id, explained(read, job.frame)))
    read.viewport.go_to(1 - read.viewport.index)
    assert read.engine.jobs[-1].frame == read.viewport.index != job.frame


def test_colours_are_by_sign_and_none_where_nothing_matters() -> None:
    values = np.array([[2.0, -1.0, 0.0]], np.float32)
    rgba = score_map.colours(values)
    assert tuple(rgba[0, 0]) == (*score_map.FOR, 255)
    assert tuple(rgba[0, 1, :3]) == score_map.AGAINST
    assert 100 < rgba[0, 1, 3] < 155
    assert rgba[0, 2, 3] == 0
    assert not score_map.colours(values * 0.01).any()


def test_a_pixel_size_of_the_readers_own_makes_millimetres_everywhere(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_png(tmp_path / "a.png"))
    desk.window.analysis_actions.analyse(Task.BREAST)
    stack = desk.case.stack
    assert stack.distance(0, 0, 3, 4) == (5.0, "px")
    desk.wait_kept(lambda: desk.window.analysis_actions.set_spacing(desk.case, 0.2))
    assert stack.distance(0, 0, 3, 4) == (pytest.approx(1.0), "mm")
    assert desk.engine.jobs[-1].spacing_mm == 0.2
    assert desk.engine.jobs[-1].task is Task.BREAST
    assert "0.2 mm" in desk.window.status.text.text()


def test_a_pixel_size_is_undone_and_redone_like_any_decision(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_png(tmp_path / "a.png"))
    desk.window.analysis_actions.analyse(Task.BREAST)
    desk.wait_kept(lambda: desk.window.analysis_actions.set_spacing(desk.case, 0.2))
    desk.wait_kept(lambda: desk.window.analysis_actions.set_spacing(desk.case, 0.3))
    desk.wait_kept(desk.window.actions_["undo"].trigger)
    assert desk.case.spacing_mm == desk.engine.jobs[-1].spacing_mm == 0.2
    desk.wait_kept(desk.window.actions_["undo"].trigger)
    assert desk.case.spacing_mm is desk.engine.jobs[-1].spacing_mm is None
    assert desk.case.stack.distance(0, 0, 3, 4) == (5.0, "px")
    desk.wait_kept(desk.window.actions_["redo"].trigger)
    assert desk.engine.jobs[-1].spacing_mm == 0.2
    desk.wait_kept(lambda: desk.window.analysis_actions.set_spacing(desk.case, 0))
    assert desk.case.spacing_mm is None


def test_a_pixel_size_is_there_again_after_a_restart_and_is_used(desk: Desk, tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png")
    (series,) = files.scan([path])
    assert isinstance(series, Series)
    Session(case_key(series)).record(PixelSize(0.25, 40.0, 10.0))  # as an earlier start of the program left it
    desk.open(path)
    desk.bot.waitUntil(lambda: desk.case.spacing_mm == 0.25)
    desk.window.analysis_actions.analyse(Task.BREAST)
    assert desk.engine.jobs[-1].spacing_mm == 0.25
    assert desk.case.stack.distance(0, 0, 3, 4) == (pytest.approx(1.25), "mm")


def test_a_result_that_was_made_before_the_journal_was_read_is_made_again(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_png(tmp_path / "a.png"))
    desk.window.analysis_actions.analyse(Task.BREAST)
    job = desk.engine.jobs[-1]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 100, 100)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    other = Session(case_key(desk.case.series))  # another window on the same case
    other.record(PixelSize(0.5))
    desk.wait_kept(lambda: desk.window.review_controller.begin(desk.case))
    again = desk.engine.jobs[-1]
    assert (again.spacing_mm, again.model) == (0.5, job.model)
    assert again.request_id != job.request_id


def test_a_pixel_size_that_cannot_be_kept_does_not_count(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open(write_png(tmp_path / "a.png"))
    desk.window.analysis_actions.analyse(Task.BREAST)
    desk.bot.waitUntil(lambda: desk.window.journal.pending == 0)

    def full(self: Session, *marks: object) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(Session, "record_all", full)
    desk.wait_kept(lambda: desk.window.analysis_actions.set_spacing(desk.case, 0.2))
    assert desk.case.spacing_mm is None
    assert desk.case.stack.distance(0, 0, 3, 4) == (5.0, "px")
    assert any("disk is full" in text for text in desk.window.workspace.notifications.texts())


def test_the_saved_reading_says_who_said_how_large_a_pixel_is(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_png(tmp_path / "a.png"))
    desk.window.analysis_actions.analyse(Task.BREAST)
    ruler = Measure(MeasureKind.DISTANCE, 0, ((10.0, 10.0), (10.0, 60.0)), 50.0, "px")
    desk.wait_kept(lambda: desk.window.journal.record(desk.case.series, ruler))
    desk.wait_kept(lambda: desk.window.analysis_actions.set_spacing(desk.case, 10.0, 50.0))
    job = desk.engine.jobs[-1]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 100, 100)))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    out = tmp_path / "reading.json"
    desk.window.saving.save(desk.case, out)
    desk.bot.waitUntil(out.is_file)
    content = json.loads(out.read_text(encoding="utf-8"))
    entered = content["reading"]["pixel_size"]
    assert (entered["mm"], entered["origin"]) == (0.2, "entered by the user")
    assert entered["length"] == {"px": 50.0, "mm": 10.0}
    assert content["series"]["pixel_spacing_mm"] is None  # which is what the file says
    assert [(m["value"], m["unit"]) for m in content["reading"]["measures"]] == [(10.0, "mm")]


def test_a_drawn_length_can_be_given_its_millimetres(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_png(tmp_path / "a.png"))
    desk.window.analysis_actions.analyse(Task.BREAST)
    drawings = desk.window.workspace.drawings
    drawings.show((Drawing("k", MeasureKind.DISTANCE, ((0.0, 10.0, 10.0), (0.0, 10.0, 60.0))),))
    drawings.selected = "k"
    desk.window.actions_["spacing"].trigger()
    (dialog,) = desk.window.findChildren(QInputDialog)
    assert "50.0 pixels" in dialog.labelText()
    dialog.setDoubleValue(10)
    desk.wait_kept(dialog.accept)
    assert desk.case.spacing_mm == pytest.approx(0.2)


def test_a_calibrated_image_is_not_asked_for_its_pixel_size(ct: Desk) -> None:
    assert not ct.window.actions_["spacing"].isEnabled()


@pytest.mark.parametrize("height", [720, 1080])
def test_nothing_of_a_long_answer_is_cut_off_and_the_answers_stay_in_sight(read: Desk, height: int) -> None:
    job = read.engine.jobs[-1]
    long = breast_result(job.case_id, 160, 200, frames=2)
    found = tuple(
        replace(f, reason="no clear outline, but the image as a whole looks suspicious", lesions=3) for f in long.breast
    )
    read.case.result = replace(long, breast=found, warnings=("the image is not calibrated: no millimetres",) * 4)
    read.window.resize(1280, height)
    read.window._changed(read.case)
    panel = read.window.side.breast
    panel.score_map.click()
    job = read.engine.jobs[-1]
    read.bridge.take(Finished(job.case_id, job.request_id, explained(read, job.frame)))
    read.bot.waitUntil(lambda: "No proof" in panel.legend.text())
    read.bot.wait(50)
    for label in (panel.frame, panel.call, panel.reason, panel.score, panel.size_, panel.count, panel.legend):
        assert label.isVisibleTo(panel)
        assert label.height() >= label.heightForWidth(label.width()), label.text()
    assert panel.score_map.height() >= panel.score_map.sizeHint().height()
    for button in panel.buttons.values():
        assert button.visibleRegion().boundingRect().size() == button.size()


def test_agreement_follows_from_the_readers_own_call_of_each_frame(read: Desk, tmp_path: Path) -> None:
    panel = read.window.side.breast
    read.viewport.go_to(0)
    assert panel.buttons[Answer.ACCEPTED].isEnabled()
    for own, answer in (("malignant", Answer.ACCEPTED), ("benign", Answer.REJECTED)):
        read.wait_kept(lambda own=own: panel.editors["call"].entered.emit("call", own))  # type: ignore[misc]
        assert read.case.frame_answer(0) is answer
        assert panel.buttons[answer].isChecked()
    assert not panel.buttons[Answer.ACCEPTED].isEnabled()  # it follows
    assert read.case.frame_answer(1) is None
    read.wait_kept(lambda: panel.editors["bi_rads"].entered.emit("bi_rads", "3"))
    read.window.saving.save(read.case, tmp_path / "reading.json")
    read.bot.waitUntil((tmp_path / "reading.json").is_file)
    (first, second) = json.loads((tmp_path / "reading.json").read_text())["reading"]["frames"]
    assert first == {
        "index": 0,
        "call": "malignant",
        "answer": "rejected",
        "entries": {"call": "benign", "bi_rads": "3"},
    }
    assert second["entries"] == {}
    assert "Your call: benign, BI-RADS: 3" in reports.text_of(read.case)


def test_there_is_nothing_to_agree_with_where_the_model_made_no_call(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm"))
    job = desk.engine.jobs[-1]
    result = breast_result(job.case_id, 160, 200, call=Call.UNCERTAIN)
    desk.bridge.take(Finished(job.case_id, job.request_id, result))
    desk.bot.waitUntil(lambda: desk.case.result is not None)
    panel = desk.window.side.breast
    assert not panel.buttons[Answer.ACCEPTED].isEnabled()
    desk.window.review_controller.answer(Answer.ACCEPTED)
    desk.wait_kept(lambda: panel.editors["call"].entered.emit("call", "benign"))
    assert desk.case.frame_answer(0) is None


def test_a_score_that_decides_nothing_says_so() -> None:
    wide = replace(finding(), probability=Estimate(0.6, 0.22, 0.88))
    assert "reaches from benign to malignant" in wording.breast_caution(wide, 0.5)
    assert wording.breast_caution(finding(), 0.5) == ""
    none = replace(finding(), call=Call.NO_LESION, probability=Estimate(0.34, 0.2, 0.4))
    assert "does not exclude" in wording.breast_caution(none, 0.5)
