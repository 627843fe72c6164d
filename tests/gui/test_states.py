"""The five states of a case (and findings), as the window shows them."""

from __future__ import annotations

from pathlib import Path

from gui_desk import Desk, breast_result, nodule
from gui_images import write_ct, write_ultrasound
from PySide6.QtWidgets import QApplication

from cadviewer.gui.cases.studies_panel import short_state
from cadviewer.inference.protocol import DeviceReady, Failed, Finished, Noted, Progressed, Started


def _state(desk: Desk) -> str:
    side = desk.window.side
    return f"{side.state.text()} | {side.reason.text() if side.reason.isVisible() else ''}"


def test_running_shows_progress_time_left_and_a_cancel_button(ct: Desk) -> None:
    job, status = ct.engine.jobs[0], ct.window.status
    ct.bridge.take(Started(job.case_id, job.request_id))
    ct.bridge.take(Noted(job.case_id, job.request_id, "out of memory: batch of 2 instead of 8"))
    ct.bridge.take(Progressed(job.case_id, job.request_id, 3, 12, 8.2))
    ct.bot.waitUntil(lambda: status.left.text() == "8 s left")
    assert "Analysis running" in _state(ct)
    assert (status.progress.value(), status.progress.maximum()) == (3, 12)
    assert "batch of 2" in status.text.text()
    status.cancel.click()
    assert ct.engine.cancelled == [job.request_id]
    assert "Not analysed" in _state(ct)
    assert "Stopped by the user" in _state(ct)
    assert not status.progress.isVisible()


def test_a_stopped_case_is_analysed_again_only_when_asked(ct: Desk) -> None:
    ct.window.analysis_actions.cancel()
    assert len(ct.engine.jobs) == 1
    ct.window.actions_["analyse"].trigger()
    assert len(ct.engine.jobs) == 2


def test_findings_are_listed_by_score_with_size_and_images(read_ct: Desk) -> None:
    model = read_ct.window.side.nodules.findings.model
    assert "3 findings at or above 0.50" in _state(read_ct)
    first = model.index(0).data()
    assert first == "Finding 1, score 0.90, 7.5 mm, no. 8–10, not read"
    assert model.rowCount() == 3


def test_nothing_above_the_threshold_is_a_state_of_its_own(ct: Desk) -> None:
    ct.finish(nodule(1, 0.3, 1, 2))
    ct.bot.waitUntil(lambda: "nothing at or above 0.50" in _state(ct))
    assert short_state(ct.case)[1] == "nothing found"


def test_failed_says_why(ct: Desk) -> None:
    job = ct.engine.jobs[0]
    ct.bridge.take(Failed(job.case_id, job.request_id, "the worker ended unexpectedly"))
    ct.bot.waitUntil(lambda: "Analysis failed" in _state(ct))
    assert "The worker ended unexpectedly." in _state(ct)


def test_out_of_scope_says_why(ct: Desk) -> None:
    job = ct.engine.jobs[0]
    ct.bridge.take(Failed(job.case_id, job.request_id, "this is a head CT", out_of_scope=True))
    ct.bot.waitUntil(lambda: "Out of scope" in _state(ct))
    assert "This is a head CT." in _state(ct)


def test_a_missing_model_is_a_failure_with_a_reason_not_a_traceback(desk: Desk, tmp_path: Path) -> None:
    from cadviewer import paths

    for file in paths.shipped_weights().iterdir():
        file.unlink()
    desk.open(write_ct(tmp_path / "ct"))
    assert "Analysis failed" in _state(desk)
    assert "No weights" in _state(desk)


def test_the_slider_shows_candidates_at_once(read_ct: Desk) -> None:
    panel = read_ct.window.side.nodules.findings
    panel.slider.setValue(350)
    assert panel.model.rowCount() == 4
    assert len(read_ct.window.workspace.scrollbar.stretches) == 4
    assert "4 findings at or above 0.35" in _state(read_ct)
    panel.slider.setValue(850)
    assert panel.model.rowCount() == 1


def test_a_selected_finding_that_the_slider_hides_is_no_longer_selected(read_ct: Desk) -> None:
    read_ct.window.review_controller.choose(3)
    read_ct.window.side.nodules.findings.slider.setValue(850)
    assert read_ct.case.selected is None


def test_a_click_in_the_list_jumps_to_the_finding(read_ct: Desk) -> None:
    panel = read_ct.window.side.nodules.findings
    panel.list.clicked.emit(panel.model.index(1))
    assert (read_ct.case.selected, read_ct.viewport.index) == (2, 7)


def test_warnings_and_provenance_stand_under_the_findings(ct: Desk) -> None:
    ct.finish(nodule(1, 0.9, 2, 4), warnings=("only part of the lungs is covered",))
    foot = ct.window.side.foot
    ct.bot.waitUntil(lambda: "Only part of the lungs is covered." in foot.text())
    assert "ssd-test 1" in foot.text()
    assert "abababababab" not in foot.text()
    foot.linkActivated.emit("fold")
    assert "abababababab" in foot.text()
    assert "threshold 0.50" in foot.text()


def test_findings_are_copied_as_text_without_the_patient(read_ct: Desk) -> None:
    read_ct.window.actions_["copy"].trigger()
    text = QApplication.clipboard().text()
    assert "Finding 1: image no. 9 (image no. 8–10)\n  7.5 × 6.0 mm\n  found by the model, score 0.90" in text
    assert "Marked by the model, read by nobody" in text
    assert "For research use only" in text
    assert "Doe" not in text


def test_the_device_and_why_are_in_the_status_line(desk: Desk) -> None:
    desk.bridge.take(DeviceReady("cpu", "no CUDA device was found"))
    desk.bot.waitUntil(lambda: "no CUDA device" in desk.window.status.device.text())


def test_a_breast_result_shows_call_score_interval_and_mask(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "us.dcm", frames=3))
    if not desk.engine.jobs:
        desk.window.actions_["analyse_breast"].trigger()
    job = desk.engine.jobs[0]
    desk.bridge.take(Finished(job.case_id, job.request_id, breast_result(job.case_id, 160, 200, frames=3)))
    panel = desk.window.side.breast
    desk.bot.waitUntil(lambda: panel.call.isVisible())
    assert panel.call.text() == "Suspicious for malignancy"
    assert panel.score.text() == "Probability of malignancy 80 % (95 % interval 70–90 %)"
    assert panel.size_.text() == "Lesion 2000 pixels (not calibrated)"
    desk.viewport.go_to(0)
    assert panel.frame.text() == "Frame 1 of 3"


def test_another_threshold_is_handed_to_the_model(read_ct: Desk) -> None:
    read_ct.window.analysis_actions.analyse(None, "ssd-test", 0.25)
    assert read_ct.engine.jobs[-1].threshold == 0.25
    assert read_ct.case.result is None


def test_a_modality_that_no_model_knows_is_out_of_scope_at_once(desk: Desk, tmp_path: Path) -> None:
    desk.open(write_ultrasound(tmp_path / "mr.dcm", modality="MR"))
    assert "Out of scope" in _state(desk)
    assert not desk.engine.jobs
    assert "task" not in desk.window.workspace.notifications.topics()
    assert desk.window.actions_["analyse_breast"].isEnabled()  # the reader may know better
