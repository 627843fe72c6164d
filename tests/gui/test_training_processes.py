"""Whether a process runs, and is the one that is meant."""

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
from cadviewer.gui.training.processes import alive
from cadviewer.gui.training.run import TrainingRun


def test_a_process_is_alive_until_it_has_ended() -> None:
    assert alive(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert alive(child.pid)
    assert not alive(child.pid)


@pytest.mark.parametrize("pid", [0, -1, 2**40, 2**70])
def test_a_number_that_no_process_can_have_is_not_alive(pid: int) -> None:
    assert not alive(pid)


def test_a_number_that_went_to_another_process_is_not_the_run(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        since = processes.created(child.pid)
        assert since is not None
        assert alive(child.pid, since)
        assert not alive(child.pid, since - 3600)
        processes.end(child.pid, since - 3600)
        time.sleep(0.2)
        assert child.poll() is None  # somebody else's: left alone
        processes.end(child.pid, since)
        assert child.wait(10) != 0
    processes.end(child.pid, since)  # quiet


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
