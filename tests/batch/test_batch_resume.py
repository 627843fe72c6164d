"""A run killed at any moment goes on, and nothing tells the result from that of a run that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batching import annotate, tables, without_times
from made_inputs import truncate, write_dicom, write_mhd, write_png

from cadviewer.batch import Existing


def start(given: Path, out: Path, existing: Existing) -> subprocess.Popen[bytes]:
    script = Path(__file__).with_name("batching.py")
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), str(root / "tests"), str(script.parent)])
    environment = os.environ | {"PYTHONPATH": path, "CADVIEWER_FAKE_WORKER": '{"steps": 3, "delay": 0.02}'}
    command = [sys.executable, str(script), str(given), str(out), existing.value]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)


def finished(out: Path) -> int:
    try:
        return (out / ".cadviewer" / "journal.jsonl").read_bytes().count(b"\n") - 1
    except OSError:
        return -1


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_run_killed_again_and_again_gives_the_same_bytes_as_one_that_was_not(tmp_path: Path) -> None:
    given = tmp_path / "in"
    for k in range(8):
        write_mhd(given / f"{k}.mhd", 3 + k)
        write_dicom(given / f"us{k}" / "1.dcm", "US")
    truncate(write_dicom(given / "torn" / "1.dcm"))
    write_png(given / "photo.png")
    (given / "notes.txt").write_text("x")
    out, whole = tmp_path / "out", tmp_path / "whole"

    existing, kills = Existing.KEEP_OUT, 0
    for enough in (2, 7, 12):
        process = start(given, out, existing)
        end = time.monotonic() + 60
        while finished(out) < enough and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        existing = Existing.RESUME
    assert kills >= 2
    assert 7 <= finished(out) < 19
    process = start(given, out, Existing.RESUME)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said

    annotate([given], whole)
    for name in ("nodules.csv", "breast.csv", "errors.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert without_times(tables(out)["cases"]) == without_times(tables(whole)["cases"])
    assert len(tables(out)["cases"]) == 19
    for part in ("json", "masks"):
        assert {p.name for p in (out / part).iterdir()} == {p.name for p in (whole / part).iterdir()}
