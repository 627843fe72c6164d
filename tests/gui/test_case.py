from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gui_desk import breast_result, ct_result, nodule

from cadviewer.findings import Call, Task
from cadviewer.gui.cases.case import Case, Status
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo
from cadviewer.inference.protocol import Cancelled, Failed, Finished, Progressed, Started


def _case(name: str = "a") -> Case:
    slices = tuple(SliceInfo(Path(name), k) for k in range(12))
    return Case(Series(Path(name), "sitk", slices, Geometry((12, 48, 64)), Shape.VOLUME, np.dtype(np.int16)))


@pytest.fixture
def running() -> Case:
    case = _case()
    case.begin(7, Task.NODULES, "ssd")
    return case


def test_a_new_case_is_not_analysed() -> None:
    assert _case().status is Status.NOT_ANALYSED


def test_events_of_another_case_are_dropped(running: Case) -> None:
    other = _case("b").case_id
    assert not running.take(Finished(other, 7, ct_result(other, nodule(1, 0.9, 2, 3))))
    assert running.status is Status.RUNNING


def test_events_of_an_earlier_request_are_dropped(running: Case) -> None:
    running.begin(8, Task.NODULES, "ssd")
    assert not running.take(Finished(running.case_id, 7, ct_result(running.case_id, nodule(1, 0.9, 2, 3))))
    assert not running.take(Failed(running.case_id, 7, "late"))
    assert running.status is Status.RUNNING


def test_a_result_that_names_another_case_is_dropped(running: Case) -> None:
    assert not running.take(Finished(running.case_id, 7, ct_result("somebody else")))
    assert running.result is None


def test_nothing_is_taken_after_the_job_was_dropped(running: Case) -> None:
    running.drop_job()
    assert not running.take(Progressed(running.case_id, 7, 1, 2))
    assert running.status is Status.NOT_ANALYSED


def test_progress_is_taken(running: Case) -> None:
    assert running.take(Started(running.case_id, 7))
    assert running.take(Progressed(running.case_id, 7, 3, 9, 4.5))
    assert (running.done, running.total, running.seconds_left) == (3, 9, 4.5)


def test_a_result_without_findings_is_nothing_above_the_threshold(running: Case) -> None:
    running.take(Finished(running.case_id, 7, ct_result(running.case_id, nodule(1, 0.3, 1, 1))))
    assert running.status is Status.NOTHING


def test_lowering_the_cut_turns_candidates_into_findings(running: Case) -> None:
    running.take(Finished(running.case_id, 7, ct_result(running.case_id, nodule(1, 0.9, 2, 4), nodule(2, 0.3, 1, 1))))
    assert [n.number for n in running.findings()] == [1]
    running.cut = 0.3
    assert [n.number for n in running.findings()] == [1, 2]
    running.cut = 0.95
    assert running.status is Status.NOTHING


def test_a_failure_is_told_apart_from_out_of_scope(running: Case) -> None:
    running.take(Failed(running.case_id, 7, "boom"))
    assert (running.status, running.reason) == (Status.FAILED, "boom")
    running.begin(9, Task.NODULES, "ssd")
    running.take(Failed(running.case_id, 9, "a head", out_of_scope=True))
    assert (running.status, running.reason) == (Status.OUT_OF_SCOPE, "a head")


def test_a_cancelled_case_is_not_analysed(running: Case) -> None:
    running.take(Cancelled(running.case_id, 7))
    assert running.status is Status.NOT_ANALYSED


def test_an_ultrasound_without_a_lesion_is_nothing_found(running: Case) -> None:
    running.begin(8, Task.BREAST, "estan")
    running.take(Finished(running.case_id, 8, breast_result(running.case_id, 48, 64, call=Call.NO_LESION)))
    assert running.status is Status.NOTHING


def test_the_next_finding_goes_round_in_the_order_of_the_list(running: Case) -> None:
    found = [nodule(1, 0.9, 2, 4), nodule(2, 0.8, 6, 8), nodule(3, 0.4, 1, 1)]
    running.take(Finished(running.case_id, 7, ct_result(running.case_id, *found)))
    assert running.next_finding(1) == 1
    running.selected = 2
    assert running.next_finding(1) == 1  # the third is below the threshold
    assert running.next_finding(-1) == 1


def test_boxes_are_those_of_one_slice(running: Case) -> None:
    running.take(Finished(running.case_id, 7, ct_result(running.case_id, nodule(1, 0.9, 2, 4), nodule(2, 0.8, 4, 6))))
    assert [n.number for n, _ in running.boxes_on(4)] == [1, 2]
    assert [n.number for n, _ in running.boxes_on(5)] == [2]
