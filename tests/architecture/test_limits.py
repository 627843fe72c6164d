"""What a machine may lack: memory for the worker, room in /dev/shm. Said in our words, and nothing is lost by it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from cadviewer.phantoms import files as phantom_files

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="ulimit, namespaces")]

LITTLE_SHM = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=8m tmpfs /dev/shm && exec "$@"', "sh"]


def ran(command: list[object], home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | {"CADVIEWER_HOME": str(home), "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.parametrize("mebibytes", [4000, 2000])
def test_a_worker_without_memory_ends_no_run_and_names_memory_or_leaves_the_cases_unfinished(
    tmp_path: Path, mebibytes: int
) -> None:
    study, out = tmp_path / "study", tmp_path / "out"
    study.mkdir()
    phantom_files.write_demo_study(study)
    limited = ["sh", "-c", f'ulimit -v {mebibytes << 10}; exec "$@"', "sh", sys.executable, "-m", "cadviewer"]
    done = ran([*limited, "annotate", study, "--out", out, "--device", "cpu"], tmp_path / "home")
    assert done.returncode in (0, 1), done.stderr[-1000:]
    assert "Traceback" not in done.stderr
    with (out / "errors.csv").open(newline="", encoding="utf-8") as stream:
        reasons = [row["error"] for row in csv.DictReader(stream)]
    assert all("memory" in reason for reason in reasons), reasons
    assert done.returncode == 0 or reasons or "Unfinished" in done.stderr
    again = ran([sys.executable, "-m", "cadviewer", "annotate", study, "--out", out, "--device", "cpu", "--resume"],
                tmp_path / "home")  # fmt: skip
    assert again.returncode == 0, again.stderr[-1000:]


def test_six_hundred_slices_are_shown_and_analysed_with_eight_mebibytes_of_dev_shm(tmp_path: Path) -> None:
    if subprocess.run([*LITTLE_SHM, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user cannot have a /dev/shm of its own")
    pixels = np.zeros((600, 512, 512), np.int16)
    pixels += np.arange(-300, 300, dtype=np.int16)[:, None, None]
    image = SimpleITK.GetImageFromArray(pixels)
    image.SetSpacing((0.7, 0.7, 1.0))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    command = [*LITTLE_SHM, sys.executable, "-m", "cadviewer", "--screenshot", tmp_path / "a.png", tmp_path / "a.mha"]
    done = ran(
        command,
        tmp_path / "home",
        CADVIEWER_WORKER="fake_worker",
        PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        QT_QPA_PLATFORM="offscreen",
    )
    assert done.returncode == 0, done.stderr[-1000:]
    assert (tmp_path / "a.png").stat().st_size > 10_000
