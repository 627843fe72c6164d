"""A training that is killed at any moment and resumed gives the model of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import drawn_bus_bra
import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")]


def start(data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    settings = [*drawn_bus_bra.TINY, "epochs=8", "name=killed"]
    command = [sys.executable, "-m", "trainers", "breast", "--data", str(data), "--out", str(out)]
    command += [part for setting in settings for part in ("--set", setting)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CADVIEWER_HOME": str(out.parent / "home")}
    return subprocess.Popen(
        [*command, *more], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def steps(out: Path) -> int:
    """How far the log says the run is."""
    try:
        lines = (out / "log.jsonl").read_text().splitlines()
    except OSError:
        return 0
    return max((json.loads(line).get("step") or 0 for line in lines if line.endswith("}")), default=0)


def test_a_training_that_was_killed_again_and_again_gives_the_same_weights(tmp_path: Path) -> None:
    data = drawn_bus_bra.write(tmp_path / "set")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    unbroken = start(data, whole)
    assert unbroken.wait(600) == 0, unbroken.stderr.read()[-1000:]  # type: ignore[union-attr]
    kills = 0
    for number, enough in enumerate((3, 7, 12)):
        process = start(data, killed, *(["--resume"] if number else []))
        end = time.monotonic() + 300
        while steps(killed) < enough and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if not (killed / "last.ckpt").exists():
            pytest.fail("it was killed before its first checkpoint")
    assert kills == 3
    resumed = start(data, killed, "--resume")
    assert resumed.wait(600) == 0, resumed.stderr.read()[-1000:]  # type: ignore[union-attr]
    first, second = (load_file(folder / "killed.safetensors") for folder in (whole, killed))
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    cards = [json.loads((folder / "killed.json").read_text()) for folder in (whole, killed)]
    assert cards[0]["calibration"] == cards[1]["calibration"]
