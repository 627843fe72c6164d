"""How the engine's process starts and ends, and that nothing of it stays."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from engine_desk import SLOW
from engine_desk import EngineDesk as Desk

from cadviewer.inference import engine as engine_module
from cadviewer.inference import life as life_module
from cadviewer.inference.engine import Engine
from cadviewer.inference.protocol import Cancelled, DeviceReady, Event, Failed, Finished, Noted, Started
from cadviewer.inference.worker_process import usable_cores


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


def dying(monkeypatch: pytest.MonkeyPatch, folder: Path, times: int) -> None:
    """The next so many processes die while they start; the engine pauses for moments."""
    monkeypatch.setattr(engine_module, "START_PAUSES", (0.01, 0.02, 0.03))
    (folder / "deaths").write_text(str(times))
    monkeypatch.setenv("CADVIEWER_FAKE_WORKER", json.dumps({"start_deaths": str(folder / "deaths")}))


def test_a_worker_that_dies_while_starting_is_started_again_and_the_job_never_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dying(monkeypatch, tmp_path, 3)
    desk = Desk()
    try:
        request = desk.submit()
        assert isinstance(desk.until_last(request), Finished)
        assert [type(e) for e in desk.of(request)].count(Started) == 1
    finally:
        desk.close()


def test_a_worker_that_never_comes_up_leaves_its_jobs_unfinished_and_the_next_job_tries_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dying(monkeypatch, tmp_path, 4)
    desk = Desk()
    try:
        first, second = desk.submit("a"), desk.submit("b")
        for request in (first, second):
            failed = desk.until_last(request)
            assert isinstance(failed, Failed)
            assert failed.unfinished
            assert "SIGKILL" in failed.reason
        assert isinstance(desk.until_last(desk.submit("c")), Finished)
    finally:
        desk.close()


def test_an_engine_waits_before_it_starts_a_process_again_and_hears_what_it_is_told_meanwhile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dying(monkeypatch, tmp_path, 1)
    monkeypatch.setattr(engine_module, "START_PAUSES", (60.0,))
    desk = Desk()
    request = desk.submit()
    end = time.monotonic() + 30
    while desk.engine._not_before == 0 and time.monotonic() < end:
        time.sleep(0.01)
    desk.engine.cancel(request)
    assert isinstance(desk.until_last(request), Cancelled)
    began = time.monotonic()
    desk.close()
    assert time.monotonic() - began < 4  # on a busy machine; what it must not wait for takes for ever


@pytest.mark.parametrize("crashes", [0, 1])
def test_a_job_whose_process_is_seen_to_die_while_the_engine_closes_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, crashes: int
) -> None:
    """The engine's thread is between two looks for orders when `close` kills the process."""
    monkeypatch.setattr(engine_module, "_CRASHES", crashes)
    desk = Desk()
    running, waiting = desk.submit("a", **SLOW), desk.submit("b")
    desk.until_running(running)
    pid, take = desk.worker_pid(), desk.engine._on_event

    def close_meanwhile(event: Event) -> None:  # on the engine's thread, which looks at the process next
        take(event)
        if isinstance(event, Cancelled) and event.request_id == waiting:
            desk.engine.close()
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    desk.engine._on_event = close_meanwhile
    thread = desk.engine._thread
    assert thread is not None
    desk.engine.cancel(waiting)
    thread.join(30)
    desk.pixels.close()
    assert isinstance(desk.of(running)[-1], Cancelled)
    assert not any(isinstance(event, Noted) for event in desk.events)  # that it is tried once more


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

    monkeypatch.setattr(engine_module, "START_PAUSES", (0.01,))
    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.context.SpawnProcess.start", refuse)
        failed = desk.until_last(desk.submit())
    assert isinstance(failed, Failed)
    assert failed.reason == "the inference process could not start: Cannot allocate memory"
    assert isinstance(desk.until_last(desk.submit()), Finished)


@pytest.mark.skipif(sys.platform == "win32", reason="niceness")
@pytest.mark.parametrize("background", [True, False])
def test_the_worker_runs_below_the_window_and_beside_the_command_line(background: bool) -> None:
    desk = Desk(background=background)
    desk.until_last(desk.submit())
    own = os.getpriority(os.PRIO_PROCESS, 0)
    niceness = os.getpriority(os.PRIO_PROCESS, desk.worker_pid())
    threads = desk.engine._options.threads
    desk.close()
    assert niceness == (min(19, own + 10) if background else own)  # 19 is the last there is
    assert threads == (max(1, usable_cores() - 1) if background else usable_cores())


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
    assert time.monotonic() - began < 4  # on a busy machine; what it must not wait for takes for ever
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
from engine_desk import EngineDesk as Desk
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


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_when_the_window_dies_while_the_worker_still_imports_the_worker_goes_too() -> None:
    tests = str(Path(__file__).resolve().parents[1])
    script = PARENT.format(tests=tests).replace("desk.until_running(request)", "while not desk.engine._current: pass")
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "CADVIEWER_FAKE_WORKER": '{"start_delay": 60}'},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[0])
        time.sleep(1)  # by now it sleeps in `create`, or is on the way there
        parent.kill()
    end = time.monotonic() + 10
    while time.monotonic() < end and _alive(pid):
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return sys.platform != "linux" or Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_closing_does_not_stumble_over_a_process_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(life_module, "END_SECONDS", 0.2)
    desk = Desk()
    running = desk.submit(**SLOW)
    desk.until_running(running)
    pid, thread = desk.worker_pid(), desk.engine._thread
    assert thread is not None
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)  # it is stopped: it can neither end nor notice that the pipes are closed
    assert desk.engine._current is not None
    process = desk.engine._current.life.process
    with monkeypatch.context() as patched:
        for end in ("terminate", "kill"):
            patched.setattr(process, end, lambda: None)  # as inside a driver
        desk.close()
    try:
        assert isinstance(desk.of(running)[-1], Cancelled)
        assert not thread.is_alive()
        assert "cannot be ended" in caplog.text
        assert "ValueError" not in caplog.text
        assert process.is_alive()
    finally:
        process.kill()
        process.join(30)
    assert not process.is_alive()
