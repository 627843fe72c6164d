"""The engine with a worker that has no torch: order, priorities, cancelling, crashes, closing."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy as np
import pytest

from cadviewer.findings import Task
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo
from cadviewer.inference import engine as engine_module
from cadviewer.inference.engine import Engine
from cadviewer.inference.launch import usable_cores
from cadviewer.inference.protocol import (
    Cancelled,
    DeviceReady,
    Event,
    Failed,
    Finished,
    Job,
    JobEvent,
    Noted,
    Priority,
    Progressed,
    Started,
)
from cadviewer.inference.shared import SharedPixels

SHAPE = (6, 32, 32)
SLOW: dict[str, Any] = {"steps": 400, "delay": 0.02}
LAST = (Finished, Failed, Cancelled)


class Desk:
    """An engine with what came out of it, and the pixels its jobs look at."""

    def __init__(self, worker: str = "fake_worker", **options: Any) -> None:
        self.events: list[Event] = []
        self._queue: Queue[Event] = Queue()
        self.pixels = SharedPixels()
        self.pixels.allocate(SHAPE, np.dtype(np.int16))
        self.engine = Engine(self._take, worker=worker, **options)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._queue.put(event)

    def forget(self) -> None:
        self.events = []
        self._queue = Queue()

    def submit(self, case: str = "a", priority: Priority = Priority.OPEN, **options: Any) -> int:
        series = Series(
            Path("x"),
            "sitk",
            tuple(SliceInfo(Path("x"), k) for k in range(SHAPE[0])),
            Geometry(SHAPE),
            Shape.VOLUME,
            np.dtype(np.int16),
        )
        request = self.engine.next_request_id()
        self.engine.submit(
            Job(
                case,
                request,
                Task.NODULES,
                "some-model",
                series,
                self.pixels.handle,
                priority=priority,
                options=tuple((k, v if isinstance(v, str) else json.dumps(v)) for k, v in options.items()),
            )
        )
        return request

    def until(self, found: Callable[[Event], bool], seconds: float = 30) -> Event:
        """The next event like that; fails when none comes."""
        end = time.monotonic() + seconds
        while True:
            try:
                event = self._queue.get(timeout=max(0.01, end - time.monotonic()))
            except Empty:
                pytest.fail(f"nothing like that came; there were {[type(e).__name__ for e in self.events]}")
            if found(event):
                return event

    def until_last(self, request: int) -> JobEvent:
        event = self.until(lambda e: isinstance(e, LAST) and e.request_id == request)
        assert isinstance(event, JobEvent)
        return event

    def until_running(self, request: int) -> None:
        self.until(lambda e: isinstance(e, Progressed) and e.request_id == request)

    def of(self, request: int) -> list[JobEvent]:
        return [e for e in self.events if isinstance(e, JobEvent) and e.request_id == request]

    def worker_pid(self) -> int:
        assert self.engine._current is not None
        pid = self.engine._current.process.pid
        assert pid is not None
        return pid

    def close(self) -> None:
        self.engine.close()
        self.pixels.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def desk(shared: Desk) -> Desk:
    """The same engine for most tests, which also shows that none of them leaves it in disorder."""
    shared.forget()
    return shared


@pytest.fixture
def fresh() -> Iterator[Desk]:
    """An engine of the test's own."""
    made = Desk()
    yield made
    made.close()


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
    assert time.monotonic() - began < 0.5
    after = desk.submit("b", steps=1)
    assert isinstance(desk.until_last(after), Finished)
    assert time.monotonic() - began < 2  # the worker let go of the first between two steps
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


def test_a_worker_killed_by_the_system_names_memory_as_the_likely_reason(desk: Desk) -> None:
    request = desk.submit(**SLOW)
    desk.until_running(request)
    os.kill(desk.worker_pid(), signal.SIGKILL)
    failed = desk.until_last(request)
    assert isinstance(failed, Failed)
    assert "memory" in failed.reason


def test_a_crash_of_the_open_job_does_not_take_the_batch_job_with_it(desk: Desk) -> None:
    batch = desk.submit("batch", Priority.BATCH, steps=40, delay=0.02)
    desk.until_running(batch)
    opened = desk.submit("open", crash=1)
    assert isinstance(desk.until_last(opened), Failed)
    assert isinstance(desk.until_last(batch), Finished)


def test_reasons_of_failures_are_one_line_and_unexpected_errors_quote_no_value(desk: Desk) -> None:
    refused = desk.until_last(desk.submit("a", out_of_scope="a head,\nnot a chest"))
    assert refused == Failed("a", refused.request_id, "a head, not a chest", out_of_scope=True)
    failed = desk.until_last(desk.submit("b", fail="weights are missing"))
    assert failed == Failed("b", failed.request_id, "weights are missing", out_of_scope=False)
    unexpected = desk.until_last(desk.submit("c", error="PatientName DOE^JANE"))
    assert isinstance(unexpected, Failed)
    assert "ValueError" in unexpected.reason
    assert "DOE" not in unexpected.reason


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


def test_a_worker_that_cannot_start_says_why_and_fails_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADVIEWER_FAKE_WORKER", '{"start_error": "DLL not found"}')
    desk = Desk()
    try:
        failed = desk.until_last(desk.submit())
        assert isinstance(failed, Failed)
        assert "could not start" in failed.reason
        assert "RuntimeError" in failed.reason
        ready = desk.until(lambda e: isinstance(e, DeviceReady))
        assert isinstance(ready, DeviceReady)
        assert ready.device == ""
        monkeypatch.setenv("CADVIEWER_FAKE_WORKER", "{}")  # mended: the next job tries again
        assert isinstance(desk.until_last(desk.submit()), Finished)
    finally:
        desk.close()


def test_a_worker_module_that_does_not_exist_is_a_failure_and_not_a_hang() -> None:
    desk = Desk(worker="no_such_module")
    try:
        failed = desk.until_last(desk.submit())
        assert isinstance(failed, Failed)
        assert "ModuleNotFoundError" in failed.reason
    finally:
        desk.close()


def test_a_worker_started_while_another_thread_imports_opencv_finds_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cv2.py").write_text(
        "import sys, time\n"
        "kept = sys.path\n"
        "sys.path = [sys.path[0], '/nonexistent']\n"  # without the folders of NumPy and of the tests
        "sys.importing_cv2 = True\n"
        "time.sleep(1)\n"
        "sys.path = kept\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(sys, "importing_cv2", False, raising=False)
    importing = threading.Thread(target=importlib.import_module, args=("cv2",))
    importing.start()
    while not sys.importing_cv2:  # type: ignore[attr-defined]
        time.sleep(0.01)
    desk = Desk()
    try:
        desk.engine.start()
        event = desk.until(lambda e: isinstance(e, DeviceReady))
        assert isinstance(event, DeviceReady)
        assert event.device, event.why
    finally:
        importing.join()
        desk.close()


def test_a_system_that_gives_no_process_fails_the_job_and_the_next_one_tries_again(
    fresh: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = fresh

    def refuse(self: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.context.SpawnProcess.start", refuse)
        failed = desk.until_last(desk.submit())
    assert isinstance(failed, Failed)
    assert failed.reason == "the inference process could not start: Cannot allocate memory"
    assert isinstance(desk.until_last(desk.submit()), Finished)


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
    assert time.monotonic() - began < 0.5
    assert isinstance(desk.until_last(large), Finished)


def test_ctrl_c_in_the_terminal_does_not_reach_the_worker(desk: Desk) -> None:
    request = desk.submit(steps=30, delay=0.02)
    desk.until_running(request)
    os.kill(desk.worker_pid(), signal.SIGINT)
    assert isinstance(desk.until_last(request), Finished)


@pytest.mark.skipif(sys.platform == "win32", reason="niceness")
@pytest.mark.parametrize("background", [True, False])
def test_the_worker_runs_below_the_window_and_beside_the_command_line(background: bool) -> None:
    desk = Desk(background=background)
    desk.until_last(desk.submit())
    above = os.getpriority(os.PRIO_PROCESS, desk.worker_pid()) - os.getpriority(os.PRIO_PROCESS, 0)
    threads = desk.engine._options.threads
    desk.close()
    assert above == (10 if background else 0)
    assert threads == (max(1, usable_cores() - 1) if background else usable_cores())


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


@pytest.mark.parametrize("how", [{}, {"wedge": 1}, SLOW])
def test_close_ends_process_and_thread_at_once_and_cancels_what_was_left(how: dict[str, Any]) -> None:
    desk = Desk()
    running = desk.submit("a", **{"steps": 100, "delay": 0.02, **how})
    waiting = desk.submit("b")
    desk.until_running(running)
    pid, thread = desk.worker_pid(), desk.engine._thread
    assert thread is not None
    began = time.monotonic()
    desk.engine.close()
    assert time.monotonic() - began < 2
    assert isinstance(desk.of(running)[-1], Cancelled)
    assert isinstance(desk.of(waiting)[-1], Cancelled)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not thread.is_alive()
    count = len(desk.events)
    desk.engine.cancel(running)
    desk.engine.close()
    with pytest.raises(RuntimeError):
        desk.submit()
    assert len(desk.events) == count
    desk.pixels.close()


def test_closing_an_engine_that_was_never_started_is_quiet() -> None:
    Engine(lambda event: None, worker="fake_worker").close()


def test_engines_leave_no_open_files_behind() -> None:
    def cycle() -> None:
        desk = Desk()
        desk.until_last(desk.submit(crash=1))
        desk.until_last(desk.submit())
        desk.close()

    cycle()  # the first one starts the interpreter's resource tracker, which stays
    before = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()
    cycle()
    after = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()
    assert len(after) <= len(before)


PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
sys.path.insert(0, {tests!r} + "/inference")
from test_engine import Desk
desk = Desk()
request = desk.submit(steps=4000, delay=0.02)
desk.until_running(request)
print(desk.worker_pid(), desk.pixels.handle.name, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_when_the_window_dies_the_worker_and_the_shared_memory_go_too() -> None:
    tests = str(Path(__file__).resolve().parents[1])
    script = PARENT.format(tests=tests)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, name = parent.stdout.readline().split()
        parent.kill()
    end = time.monotonic() + 10
    while time.monotonic() < end and (_alive(int(pid)) or Path("/dev/shm", name).exists()):
        time.sleep(0.05)
    assert not _alive(int(pid))
    assert not Path("/dev/shm", name).exists()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return sys.platform != "linux" or Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
