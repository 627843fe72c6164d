"""Whether a process runs: real ones here, and Windows by what its functions answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cadviewer import atomic
from cadviewer.gui.training import processes
from cadviewer.gui.training.processes import ACCESS_DENIED, STILL_RUNNING, SYNCHRONIZE, alive, alive_on_windows
from cadviewer.gui.training.run import TrainingRun

INVALID_PARAMETER = 87  # what OpenProcess says of a number that is nobody's
SIGNALLED = 0  # WAIT_OBJECT_0: it has ended


class Kernel:
    """kernel32 as it answers of one process. handle: 0 when it cannot be opened."""

    def __init__(self, handle: int, state: int = SIGNALLED) -> None:
        self.handle, self.state = handle, state
        self.asked: list[tuple[object, ...]] = []
        self.closed: list[int] = []

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> int:
        self.asked.append((access, inherit, pid))
        return self.handle

    def WaitForSingleObject(self, handle: int, milliseconds: int) -> int:
        assert (handle, milliseconds) == (self.handle, 0)
        return self.state

    def CloseHandle(self, handle: int) -> None:
        self.closed.append(handle)


def test_a_process_is_alive_until_it_has_ended() -> None:
    assert alive(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert alive(child.pid)
    assert not alive(child.pid)


@pytest.mark.parametrize("pid", [0, -1, 2**40, 2**70])
def test_a_number_that_no_process_can_have_is_not_alive(pid: int) -> None:
    assert not alive(pid)
    assert not alive_on_windows(max(pid, 2**40), Kernel(5, STILL_RUNNING), lambda: 0)


@pytest.mark.parametrize(("state", "runs"), [(STILL_RUNNING, True), (SIGNALLED, False)])
def test_windows_a_handle_is_waited_for_and_always_closed(state: int, runs: bool) -> None:
    kernel = Kernel(0x1_0000_0004, state)
    assert alive_on_windows(77, kernel, lambda: 0) is runs
    assert kernel.asked == [(SYNCHRONIZE, False, 77)]
    assert kernel.closed == [kernel.handle]


@pytest.mark.parametrize(("error", "runs"), [(ACCESS_DENIED, True), (INVALID_PARAMETER, False)])
def test_windows_what_cannot_be_opened_is_alive_only_if_that_is_forbidden(error: int, runs: bool) -> None:
    kernel = Kernel(0)
    assert alive_on_windows(77, kernel, lambda: error) is runs
    assert kernel.closed == []


def test_following_a_run_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    begun = [{"kind": "begin", "pid": os.getpid()}, {"kind": "step", "step": 1, "loss": 1}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in begun))
    run = TrainingRun(tmp_path)
    with atomic.locked(tmp_path / "run.lock"):
        assert run.poll().state == "running"
        began = time.perf_counter()
        for _ in range(100):
            run.poll()
    assert time.perf_counter() - began < 2  # 100 polls take 10 ms; a process each would take seconds


def test_killing_a_run_that_ended_meanwhile_is_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    (tmp_path / "log.jsonl").write_text(f'{{"kind": "begin", "pid": {child.pid}}}\n')
    run = TrainingRun(tmp_path)
    monkeypatch.setattr(TrainingRun, "_at_it", lambda self: True)  # it was, a moment ago
    run.poll()
    run.kill()
    assert run.state.pid == child.pid
    assert not processes.alive(child.pid)
