"""The engine with a worker that has no torch: order, priorities, cancelling, what it tells."""

from __future__ import annotations

import threading
import time

import pytest
from engine_desk import LAST, SLOW
from engine_desk import EngineDesk as Desk

from cadviewer.inference.protocol import (
    Cancelled,
    DeviceReady,
    Event,
    Failed,
    Finished,
    JobEvent,
    Noted,
    Priority,
    Progressed,
    Started,
)


def test_a_job_is_started_then_progresses_then_finishes_with_its_own_ids(fresh: Desk) -> None:
    desk = fresh
    request = desk.submit("case-1", steps=5, delay=0.06, note="fewer at a time")
    last = desk.until_last(request)
    assert isinstance(desk.events[0], DeviceReady)
    events = desk.of(request)
    assert isinstance(last, Finished)
    assert last.result.case_id == "case-1"
    assert [type(e) for e in events[:2]] == [Started, Noted]
    assert all(isinstance(e, Progressed) for e in events[2:-1])
    assert [e.done for e in events[2:-1] if isinstance(e, Progressed)] == [1, 2, 3, 4, 5]
    assert {e.case_id for e in events} == {"case-1"}


def test_time_left_is_unknown_at_first_and_then_about_right(desk: Desk) -> None:
    request = desk.submit(steps=12, delay=0.1)
    desk.until_last(request)
    steps = [e for e in desk.of(request) if isinstance(e, Progressed)]
    assert steps[0].seconds_left is None
    middle = next(e for e in steps if e.done == 6)
    assert middle.seconds_left == pytest.approx(0.6, rel=0.3)


def test_progress_is_throttled_but_the_last_step_is_always_told(desk: Desk) -> None:
    request = desk.submit(steps=2000)
    desk.until_last(request)
    steps = [e for e in desk.of(request) if isinstance(e, Progressed)]
    assert len(steps) < 200
    assert steps[-1].done == 2000


def test_two_cases_never_mix(desk: Desk) -> None:
    a = desk.submit("a", nodules=[[1, 2, 2, 6, 6, 0.9]])
    b = desk.submit("b", nodules=[[2, 8, 8, 12, 12, 0.8]])
    first, second = desk.until_last(a), desk.until_last(b)
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert first.result.case_id == "a"
    assert first.result.nodules[0].box.slice == 1
    assert second.result.case_id == "b"
    assert second.result.nodules[0].box.slice == 2


def test_a_running_job_is_cancelled_at_once_and_says_nothing_more(desk: Desk) -> None:
    request = desk.submit(**SLOW)
    desk.until_running(request)
    began = time.monotonic()
    desk.engine.cancel(request)
    assert isinstance(desk.until_last(request), Cancelled)
    assert time.monotonic() - began < 3  # of the 8 s that the job would take
    after = desk.submit("b", steps=1)
    assert isinstance(desk.until_last(after), Finished)
    assert time.monotonic() - began < 6  # the worker let go of the first between two steps
    assert isinstance(desk.of(request)[-1], Cancelled)


def test_a_waiting_job_is_cancelled_without_ever_starting(desk: Desk) -> None:
    running, waiting = desk.submit("a", **SLOW), desk.submit("b")
    desk.until_running(running)
    desk.engine.cancel(waiting)
    assert isinstance(desk.until_last(waiting), Cancelled)
    assert len(desk.of(waiting)) == 1
    desk.engine.cancel(waiting)  # again: nothing happens
    desk.engine.cancel(running)
    desk.until_last(running)
    assert len(desk.of(waiting)) == 1


def test_an_open_job_interrupts_a_batch_job_which_then_goes_on(desk: Desk) -> None:
    batch = desk.submit("batch", Priority.BATCH, steps=60, delay=0.02)
    later = desk.submit("later", Priority.BATCH, steps=1)
    desk.until_running(batch)
    opened = desk.submit("open", Priority.OPEN, steps=10, delay=0.02)
    desk.until_last(later)
    lasts = [e.request_id for e in desk.events if isinstance(e, LAST)]
    assert lasts == [opened, batch, later]
    assert all(isinstance(e, Finished) for e in desk.events if isinstance(e, LAST))
    between = [e for e in desk.events if isinstance(e, JobEvent)]
    inside = between[between.index(desk.of(opened)[0]) : between.index(desk.of(opened)[-1])]
    assert {e.request_id for e in inside} == {opened}
    done = [e.done for e in desk.of(batch) if isinstance(e, Progressed)]
    assert done == sorted(done)  # it went on where it was
    assert sum(isinstance(e, Started) for e in desk.of(batch)) == 2


def test_an_open_job_waits_for_the_open_job_before_it(desk: Desk) -> None:
    first = desk.submit("a", steps=10, delay=0.02)
    second = desk.submit("b", steps=1)
    desk.until_last(second)
    assert [e.request_id for e in desk.events if isinstance(e, LAST)] == [first, second]


def test_a_batch_job_interrupted_and_cancelled_meanwhile_does_not_go_on(desk: Desk) -> None:
    batch = desk.submit("batch", Priority.BATCH, **SLOW)
    desk.until_running(batch)
    opened = desk.submit("open", steps=20, delay=0.02)
    desk.until_running(opened)
    desk.engine.cancel(batch)
    assert isinstance(desk.until_last(batch), Cancelled)
    assert isinstance(desk.until_last(opened), Finished)
    nxt = desk.submit("next", Priority.BATCH, steps=1)
    assert isinstance(desk.until_last(nxt), Finished)
    assert sum(isinstance(e, Started) for e in desk.of(batch)) == 1


def test_reasons_of_failures_are_one_line_and_unexpected_errors_quote_no_value(desk: Desk) -> None:
    refused = desk.until_last(desk.submit("a", out_of_scope="a head,\nnot a chest"))
    assert refused == Failed("a", refused.request_id, "a head, not a chest", out_of_scope=True)
    failed = desk.until_last(desk.submit("b", fail="weights are missing"))
    assert failed == Failed("b", failed.request_id, "weights are missing", out_of_scope=False)
    unexpected = desk.until_last(desk.submit("c", error="PatientName DOE^JANE"))
    assert isinstance(unexpected, Failed)
    assert "ValueError" in unexpected.reason
    assert "DOE" not in unexpected.reason


def test_start_brings_the_worker_up_without_a_job_and_warm_reaches_it(fresh: Desk) -> None:
    desk = fresh
    desk.engine.start()
    ready = desk.until(lambda e: isinstance(e, DeviceReady))
    assert ready == DeviceReady("cpu", "a fake")
    desk.engine.warm("some-model")
    end, seen = time.monotonic() + 10, ""
    while "some-model" not in seen and time.monotonic() < end:  # it is done when nothing else is to do
        last = desk.until_last(desk.submit(steps=1))
        assert isinstance(last, Finished)
        seen = last.result.provenance.preprocessing
    assert "some-model" in seen


def test_a_listener_that_fails_does_not_end_the_engine_and_its_message_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = threading.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Finished):
            seen.set()
        raise RuntimeError("Doe^Jane")

    desk = Desk()
    desk.engine._on_event = listen
    desk.submit()
    assert seen.wait(30)
    desk.close()
    assert "RuntimeError" in caplog.text
    assert "in listen" in caplog.text
    assert "Doe" not in caplog.text
