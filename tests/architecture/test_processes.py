"""Which process loads what: torch never in the window's, Qt never in the worker's, and the wheel has all it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PATH = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])

OPEN_A_SERIES = """
import json, sys, threading
from pathlib import Path
import numpy as np
import SimpleITK
from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.inference.engine import Engine
from cadviewer.inference.protocol import Failed, Finished, Job
from cadviewer.inference.shared import SharedPixels

path = Path(sys.argv[1]) / "scan.mhd"
SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((4, 64, 64), -700, np.int16)), str(path))
(series,) = files.scan([path])
ended, events = threading.Event(), []
def listen(event):
    events.append(event)
    if isinstance(event, (Finished, Failed)):
        ended.set()
with Engine(listen, worker="fake_worker") as engine, SharedPixels() as pixels:
    files.read(series, allocate=pixels.allocate)
    engine.submit(Job(series.case_id, engine.next_request_id(), Task.NODULES, "m", series, pixels.handle))
    assert ended.wait(60)
heavy = ("torch", "torchvision", "timm", "lightning", "cadviewer.inference.worker", "cadviewer.models.nets", "PySide6")
print(json.dumps({
    "findings": len(events[-1].result.nodules),
    "window": [name for name in heavy if name in sys.modules],
    "worker": json.loads(events[-1].result.provenance.preprocessing)["loaded"],
}))
"""


def test_a_series_is_opened_and_analysed_without_torch_here_or_qt_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPEN_A_SERIES, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["findings"] > 0
    assert said["window"] == []
    assert said["worker"] == []
    assert done.stderr == ""


def test_importing_the_main_module_again_in_the_worker_loads_neither_qt_nor_torch_nor_the_gui() -> None:
    # What `multiprocessing.spawn` does first in the child of `python -m cadviewer`.
    code = (
        "import runpy, sys; runpy.run_module('cadviewer', run_name='__mp_main__', alter_sys=True);"
        "print([m for m in ('PySide6', 'torch', 'numpy', 'cadviewer.gui', 'cadviewer.app') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_program_opens_its_window_and_saves_a_picture_of_it(tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    done = subprocess.run(
        [sys.executable, "-m", "cadviewer", "--screenshot", str(picture), "--size", "900x600"],
        env={**os.environ, "PYTHONPATH": PATH, "CADVIEWER_WORKER": "fake_worker", "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_wheel_runs_from_another_folder_with_its_resources(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path / "dist")
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    scheme = {"base": str(environment), "platbase": str(environment)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The dependencies, without downloading them again: after the environment's own, so that the wheel comes first.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *arguments], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=120, check=False
        )

    where = run("-c", "import cadviewer, cadviewer.paths as p; print(cadviewer.__file__); print(p.resources())")
    assert str(site) in where.stdout.splitlines()[0], where.stdout
    assert str(site) in where.stdout.splitlines()[1]
    shipped = sorted(p.stem for p in (REPOSITORY / "resources" / "weights").glob("*.json"))
    listed = run("-m", "cadviewer", "models")
    assert listed.returncode == 0, listed.stderr
    for name in shipped:
        assert name in listed.stdout
    assert run("-m", "trainers", "--help").returncode == 0


def _wheel(folder: Path) -> Path:
    """The wheel of this checkout, built in an environment of its own."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    for command in (
        [uv, "build", "--wheel", "--out-dir", str(folder), str(REPOSITORY)],
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(REPOSITORY)],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            (wheel,) = folder.glob("*.whl")
            return wheel
        if "No module named pip" not in done.stderr:
            pytest.fail(done.stderr)
    pytest.skip("neither uv nor pip is here to build a wheel")
