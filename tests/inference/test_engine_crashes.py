"""The engine when its process is wedged, crashes or is killed: what fails, and what goes on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from engine_desk import SLOW
from engine_desk import EngineDesk as Desk

from cadviewer.inference import engine as engine_module
from cadviewer.inference import life as life_module
from cadviewer.inference.protocol import Cancelled, Failed, Finished, Noted, Priority, Started


def test_a_wedged_worker_is_killed_its_job_fails_and_the_queue_is_kept(desk: Desk) -> None:
    wedged, waiting = desk.submit("a", wedge=2), desk.submit("b")
    desk.until_running(wedged)
    desk.engine.kill()
    failed = desk.until_last(wedged)
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("stopped")
    assert isinstance(desk.until_last(waiting), Finished)


def test_a_cancelled_job_that_does_not_let_go_has_its_worker_replaced(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "CANCEL_SECONDS", 0.3)
    wedged, waiting = desk.submit("a", wedge=2), desk.submit("b")
    desk.until_running(wedged)
    desk.engine.cancel(wedged)
    assert isinstance(desk.until_last(wedged), Cancelled)
    assert isinstance(desk.until_last(waiting), Finished)


def test_killing_an_open_job_brings_back_the_batch_job_that_it_interrupted(desk: Desk) -> None:
    batch = desk.submit("batch", Priority.BATCH, steps=40, delay=0.02)
    desk.until_running(batch)
    wedged = desk.submit("open", wedge=1)
    desk.until_running(wedged)
    desk.engine.kill()
    assert isinstance(desk.until_last(wedged), Failed)
    assert isinstance(desk.until_last(batch), Finished)


@pytest.mark.parametrize(("how", "words"), [("crash", "SIGSEGV"), ("exit", "status 3")])
def test_a_crash_fails_the_running_job_with_a_reason_and_the_next_one_works(desk: Desk, how: str, words: str) -> None:
    options: dict[str, Any] = {how: 1}
    crashing, waiting = desk.submit("a", **options), desk.submit("b")
    failed = desk.until_last(crashing)
    assert isinstance(failed, Failed)
    assert words in failed.reason
    assert isinstance(desk.until_last(waiting), Finished)


def test_a_worker_killed_by_the_system_twice_names_memory_as_the_likely_reason(desk: Desk) -> None:
    request = desk.submit(**SLOW)
    desk.until_running(request)
    os.kill(desk.worker_pid(), signal.SIGKILL)
    desk.until(lambda e: isinstance(e, Noted))  # after what the first one had still said
    desk.until_running(request)
    os.kill(desk.worker_pid(), signal.SIGKILL)
    failed = desk.until_last(request)
    assert isinstance(failed, Failed)
    assert "memory" in failed.reason
    assert not failed.unfinished  # what it had begun twice is the case's own


def test_a_job_lost_with_its_worker_is_tried_once_more(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "once").touch()
    lost, waiting = desk.submit("a", crash_once=str(tmp_path / "once")), desk.submit("b")
    assert isinstance(desk.until_last(lost), Finished)
    assert isinstance(desk.until_last(waiting), Finished)
    said = [e for e in desk.of(lost) if isinstance(e, Noted)]
    assert [e.text for e in said] == ["the inference process crashed (SIGSEGV); the case is tried once more"]
    assert sum(isinstance(e, Started) for e in desk.of(lost)) == 2


def test_a_job_that_crashes_its_worker_is_begun_twice_and_no_more(desk: Desk) -> None:
    crashing = desk.submit(crash=1)
    assert isinstance(desk.until_last(crashing), Failed)
    assert sum(isinstance(e, Started) for e in desk.of(crashing)) == 2


def test_a_crash_of_the_open_job_does_not_take_the_batch_job_with_it(desk: Desk) -> None:
    batch = desk.submit("batch", Priority.BATCH, steps=40, delay=0.02)
    desk.until_running(batch)
    opened = desk.submit("open", crash=1)
    assert isinstance(desk.until_last(opened), Failed)
    assert isinstance(desk.until_last(batch), Finished)


def test_stack_traces_go_to_the_log_without_the_message(tmp_path: Path) -> None:
    desk = Desk(log_file=tmp_path / "log" / "worker.log")
    desk.until_last(desk.submit(error="PatientName DOE^JANE"))
    desk.close()
    text = (tmp_path / "log" / "worker.log").read_text()
    assert "fake_worker.py" in text
    assert "ValueError" in text
    assert "DOE" not in text


def test_pixels_let_go_before_the_job_ran_fail_it_with_a_reason(fresh: Desk) -> None:
    desk = fresh
    first = desk.submit("a", steps=10, delay=0.05)
    second = desk.submit("b")
    desk.until_running(first)
    desk.pixels.close()
    assert isinstance(desk.until_last(first), Finished)  # it holds them
    failed = desk.until_last(second)
    assert isinstance(failed, Failed)
    assert "no longer in memory" in failed.reason


def test_a_fault_in_the_engine_itself_fails_the_jobs_and_the_engine_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, waiting = desk.submit("a", **SLOW), desk.submit("b")
    desk.until_running(running)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(desk.engine, "_handle", broken)
        for request in (running, waiting):
            failed = desk.until_last(request)
            assert isinstance(failed, Failed)
            assert "ZeroDivisionError" in failed.reason
    assert isinstance(desk.until_last(desk.submit()), Finished)


def test_a_worker_that_dies_with_nothing_to_do_is_started_again_by_the_next_job_only(fresh: Desk) -> None:
    desk = fresh
    desk.until_last(desk.submit())
    pid = desk.worker_pid()
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while desk.engine._current is not None and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.2)
    assert desk.engine._current is None
    assert isinstance(desk.until_last(desk.submit()), Finished)


def test_a_job_larger_than_the_pipe_does_not_block_the_engine_behind_a_stopped_worker(desk: Desk) -> None:
    running = desk.submit("a", Priority.BATCH, **SLOW)
    desk.until_running(running)
    os.kill(desk.worker_pid(), signal.SIGSTOP)
    large = desk.submit("b", note="x" * 1_000_000)  # sent at once, since it goes before the batch job
    began = time.monotonic()
    desk.engine.kill()
    assert time.monotonic() - began < 3  # the worker never answers
    assert isinstance(desk.until_last(large), Finished)


def test_ctrl_c_in_the_terminal_does_not_reach_the_worker(desk: Desk) -> None:
    request = desk.submit(steps=30, delay=0.02)
    desk.until_running(request)
    os.kill(desk.worker_pid(), signal.SIGINT)
    assert isinstance(desk.until_last(request), Finished)


def test_a_worker_that_hangs_up_and_ignores_the_request_to_end_is_killed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(life_module, "END_SECONDS", 0.5)
    deaf, waiting = desk.submit("a", deaf=1), desk.submit("b")
    desk.until_running(deaf)
    pid = desk.worker_pid()
    failed = desk.until_last(deaf)
    assert isinstance(failed, Failed)
    assert failed.reason == "the inference process closed its connection and did not end; it was ended"
    assert isinstance(desk.until_last(waiting), Finished)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_crash_that_takes_its_time_is_told_as_the_crash_it_is(desk: Desk) -> None:
    request = desk.submit(slow_exit=1)  # as one whose memory is freed on a busy machine: 1 s from its last word
    failed = desk.until_last(request)
    assert isinstance(failed, Failed)
    assert failed.reason == "the inference process ended by itself (status 3)"
