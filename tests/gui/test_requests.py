"""One owner of what is asked of the engine: pixels stay while they are read, and what was left reaches nobody."""

from __future__ import annotations

from gui_desk import Desk, ct_result

from cadviewer.findings import Task
from cadviewer.gui.cases.case import Case
from cadviewer.inference.protocol import AnalyseJob, Cancelled, Finished, JobEvent, Progressed, SharedArray


def _ask(desk: Desk, heard: list[JobEvent]) -> int:
    case = desk.case

    def job(request: int, pixels: SharedArray) -> AnalyseJob:
        return AnalyseJob(case.case_id, request, Task.NODULES, "ssd-test", case.series, pixels)

    def listen(of: Case, event: JobEvent) -> None:
        assert of is case
        heard.append(event)

    return desk.window.requests.ask(case, job, listen)


def test_events_reach_who_asked_and_nobody_else(ct: Desk) -> None:
    heard: list[JobEvent] = []
    running = ct.case.request_id
    request = _ask(ct, heard)
    case_id = ct.case.case_id
    ct.bridge.take(Progressed(case_id, request, 1, 2))
    ct.bridge.take(Progressed("another case", request, 1, 2))
    ct.bridge.take(Finished(case_id, request, ct_result(case_id)))
    ct.bridge.take(Progressed(case_id, request, 2, 2))
    assert [type(event) for event in heard] == [Progressed, Finished]
    assert (ct.case.request_id, ct.case.running) == (running, True)


def test_what_was_left_is_cancelled_and_keeps_its_pixels_until_its_last_event(ct: Desk) -> None:
    heard: list[JobEvent] = []
    request = _ask(ct, heard)
    case_id = ct.case.case_id
    ct.window.requests.leave(request)
    ct.window.requests.leave(request)
    assert ct.engine.cancelled.count(request) == 1
    assert request in ct.window.cases._jobs
    ct.bridge.take(Cancelled(case_id, request))
    assert heard == []
    assert request not in ct.window.cases._jobs


def test_a_case_that_is_closed_hears_nothing_more(ct: Desk) -> None:
    heard: list[JobEvent] = []
    request = _ask(ct, heard)
    case = ct.case
    ct.window.case_actions.close_series()
    assert request in ct.window.cases._jobs
    ct.bridge.take(Finished(case.case_id, request, ct_result(case.case_id)))
    assert heard == []
    assert request not in ct.window.cases._jobs
    assert not ct.window.requests.can_ask(case)
