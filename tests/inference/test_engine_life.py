"""How the engine's process starts and ends, and that nothing of it stays."""

from __future__ import annotations

import importlib
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
from cadviewer.inference.engine import Engine
from cadviewer.inference.launch import usable_cores
from cadviewer.inference.protocol import Cancelled, DeviceReady, Failed, Finished


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
    monkeypatch.setattr(engine_module, "END_SECONDS", 0.2)
    desk = Desk()
    running = desk.submit(**SLOW)
    desk.until_running(running)
    pid, thread = desk.worker_pid(), desk.engine._thread
    assert thread is not None
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)  # it is stopped: it can neither end nor notice that the pipes are closed
    assert desk.engine._current is not None
    process = desk.engine._current.process
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
