"""Damaged inputs of every format stop nothing; `python tests/fuzz/fuzzing.py --minutes 60` tries more of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("forks", allow_module_level=True)

import fuzzing
from corpus import seeds
from fuzzing import Corpus, attempt

_NOT_READ = ("bzip2.nrrd", "second.nii", "second.nii.gz")  # sound, and refused by the library with a reason


def test_every_seed_is_sound_and_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, given in seeds().items():
        *faults, (_, outcomes) = attempt(given, tmp_path_factory.mktemp("seed"))
        assert not faults, name
        assert name in _NOT_READ or not {"failed", "refused", "unreadable"} & set(outcomes.split(",")), (name, outcomes)


def test_the_fuzzer_sees_what_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def scan(inputs: list[object]) -> list[object]:
        if number == 1:
            raise ZeroDivisionError
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 3:
            time.sleep(60)
        return []

    monkeypatch.setattr(fuzzing, "SLOWEST", 1.0)
    monkeypatch.setattr(fuzzing.files, "scan", scan)
    found, corpus = fuzzing.Found(), Corpus()
    for number in range(4):
        fuzzing._in_child(corpus, 0, number, number + 1, time.monotonic() + 60, found)
    assert {kind: [n for n, _ in which] for kind, which in found.faults.items()} == {
        "good image lost": [0, 1],
        "exception out of scan": [1],
        "crash of the calling process": [2],
        "over 10 s": [3],
    }


def fuzz(*arguments: str) -> int:
    """How many inputs were tried. In a process of its own: nothing forks a test run full of threads."""
    script = Path(fuzzing.__file__)
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(script.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no fault" in done.stdout
    tried, read = (re.search(rf"(\d+) {what}", done.stdout) for what in ("inputs", "read"))
    assert tried is not None
    assert read is not None
    assert int(read[1]) > int(tried[1])  # the good image beside each, and some more
    return int(tried[1])


def test_some_hundred_damaged_inputs_stop_nothing() -> None:
    assert fuzz("--seed", "11", "--inputs", "114") == 114


@pytest.mark.slow
def test_a_minute_of_damaged_inputs_stops_nothing() -> None:
    assert fuzz("--seed", "12", "--minutes", "1") > 114
