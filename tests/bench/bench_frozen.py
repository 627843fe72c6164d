"""Measured from outside: the start of the frozen program (`make installer-linux`) beside a bare PySide6 window.

`pytest -m bench -s tests/bench/bench_frozen.py`; on an X server of its own, with xdotool.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

BUILD = Path(__file__).resolve().parents[2] / "build" / "installer"
FROZEN = BUILD / "frozen" / "cadviewer" / "cadviewer"
PYTHON = BUILD / "env" / "bin" / "python"
BARE = """
import sys
from PySide6.QtWidgets import QApplication, QMainWindow

app = QApplication(sys.argv)
window = QMainWindow()
window.setWindowTitle("cadviewer")
window.resize(1366, 768)
window.show()
app.exec()
"""
RUNS = 7


@pytest.fixture
def display() -> Iterator[str]:
    """An X server that ends with the test."""
    lacking = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if lacking or not FROZEN.is_file():
        pytest.skip(f"not here: {', '.join(lacking) or FROZEN}")
    end, other = os.pipe()
    command = ["Xvfb", "-displayfd", str(other), "-screen", "0", "1600x1000x24"]
    server = subprocess.Popen(command, pass_fds=(other,), stderr=subprocess.DEVNULL)
    os.close(other)
    with os.fdopen(end) as stream:
        number = stream.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


def seconds_to_windows(command: list[str], count: int, display: str, home: Path) -> list[float]:
    """From the start of a process until each of its first windows is on the screen, in the order of their coming."""
    kept = {k: v for k, v in os.environ.items() if k != "QT_QPA_PLATFORM"}
    environment = {**kept, "DISPLAY": display, "HOME": str(home), "CADVIEWER_HOME": str(home), "CADVIEWER_WORKER": "no"}
    looking = ["xdotool", "search", "--onlyvisible", "--name", "cadviewer"]
    found: dict[str, float] = {}
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while len(found) < count and time.perf_counter() - began < 60:
            said = subprocess.run(looking, env=environment, capture_output=True, text=True, check=False).stdout
            for window in said.split():
                found.setdefault(window, time.perf_counter() - began)
        run.terminate()
    time.sleep(0.5)
    return sorted(found.values())


def test_start_of_the_frozen_program_against_a_bare_window(display: str, tmp_path: Path) -> None:
    times = []
    for _ in range(RUNS + 1):
        (bare,) = seconds_to_windows([str(PYTHON), "-c", BARE], 1, display, tmp_path)
        first, real = seconds_to_windows([str(FROZEN)], 2, display, tmp_path)
        times.append((bare, first, real))
    runs = times[1:]  # the first one fills the disk's cache
    bare, first, real = (statistics.median(of) for of in zip(*runs, strict=True))
    sign, whole = (statistics.median(run[k] / run[0] for run in runs) for k in (1, 2))
    print(
        f"\nfrozen: first window after {first:.2f} s ({sign:.1f} times a bare PySide6 window's {bare:.2f} s), "
        f"the real one after {real:.2f} s ({whole:.1f} times)"
    )
    assert sign < 3
    assert whole < 9
