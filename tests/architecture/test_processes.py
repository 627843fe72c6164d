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

from cadviewer.phantoms import files as phantom_files

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
from cadviewer.inference.protocol import Failed, Finished, AnalyseJob, Job
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
    engine.submit(AnalyseJob(series.case_id, engine.next_request_id(), Task.NODULES, "m", series, pixels.handle))
    assert ended.wait(60)
heavy = ("torch", "torchvision", "timm", "lightning", "openvino", "PySide6")
heavy += ("cadviewer.inference.worker", "cadviewer.models.nets")
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


def test_cases_are_annotated_where_torch_cannot_be_imported(tmp_path: Path) -> None:
    stub = tmp_path / "stub"
    stub.mkdir()
    for name in ("torch", "torchvision", "timm", "openvino_telemetry"):
        (stub / f"{name}.py").write_text(f"raise ImportError('{name} was imported')\n")
    study, out = tmp_path / "study", tmp_path / "out"
    study.mkdir()
    phantom_files.write_demo_study(study)
    done = subprocess.run(
        [sys.executable, "-m", "cadviewer", "annotate", str(study), "--out", str(out), "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(stub), PATH)), "CADVIEWER_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    cases = [json.loads(path.read_text()) for path in (out / "json").glob("*.json")]
    devices = {case["provenance"]["device"] for case in cases if case["provenance"]}
    assert [device.split()[:2] for device in devices] == [["cpu,", "OpenVINO"]]
    for table, least in (("nodules.csv", 4), ("breast.csv", 4)):
        assert len((out / table).read_text().splitlines()) > least


READ_EVERYTHING = """
import sys
from pathlib import Path
from cadviewer.imaging import files
for item in files.scan([Path(sys.argv[1])]):
    if hasattr(item, "slices"):
        files.read(item)
        print(item.source.name)
print([name for name in ("SimpleITK", "pydicom", "imagecodecs", "cv2", "PIL") if name in sys.modules])
"""


def test_no_native_parser_is_loaded_where_the_window_lives(tmp_path: Path) -> None:
    sys.path.insert(0, str(REPOSITORY / "tests" / "fuzz"))
    try:
        from corpus import seeds
    finally:
        del sys.path[0]
    names = ("dicom implicit", "dicom deflated", "dicom jpeg 2000", "v.mha", "v.mha packed", "v.nrrd", "v.nii.gz")
    made = seeds()
    for k, name in enumerate((*names, "gray.png", "turned.jpg", "lzw.tif", "colour.bmp", "deflated.zip")):
        for own, data in made[name].items():
            (tmp_path / str(k)).mkdir(exist_ok=True)
            (tmp_path / str(k) / own).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", READ_EVERYTHING, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    *read, loaded = done.stdout.splitlines()
    assert len(read) > 11
    assert loaded == "[]"


BOTH_MODELS = """
import json, sys
from pathlib import Path
from queue import Queue
from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.phantoms import breast as phantom_breast, files as phantom_files, phantom
from cadviewer.inference.engine import Engine
from cadviewer.inference.protocol import Failed, Finished, AnalyseJob, Job, Priority, Progressed, Started
from cadviewer.inference.shared import SharedPixels
from cadviewer.models import catalogue

folder = Path(sys.argv[1])
chest = phantom.chest_ct(1, shape=(16, 256, 256), spacing=(2.5, 1.3, 1.3))
phantom_files.write_mhd(chest.volume, folder / "chest.mhd")
phantom_files.write_png(phantom_breast.breast_ultrasound(1)[0], folder / "breast.png")
events = Queue()

def open_file(name, task, priority):
    (series,) = files.scan([folder / name])
    pixels = SharedPixels()
    files.read(series, allocate=pixels.allocate)
    model = catalogue.default(task).name
    request = engine.next_request_id()
    engine.submit(AnalyseJob(series.case_id, request, task, model, series, pixels.handle, priority=priority))
    return request, pixels

def until(request, kinds):
    while True:
        event = events.get(timeout=240)
        said.append(event)
        assert not isinstance(event, Failed), event.reason
        if getattr(event, "request_id", None) == request and isinstance(event, kinds):
            return event

said = []
with Engine(events.put, device="cpu", background=False) as engine:
    first, pixels_1 = open_file("chest.mhd", Task.NODULES, Priority.BATCH)
    alone = until(first, Finished).result
    batch, pixels_2 = open_file("chest.mhd", Task.NODULES, Priority.BATCH)
    until(batch, Progressed)
    opened, pixels_3 = open_file("breast.png", Task.BREAST, Priority.OPEN)
    breast = until(opened, Finished).result
    interrupted = until(batch, Finished).result
for pixels in (pixels_1, pixels_2, pixels_3):
    pixels.close()
boxes, again = ([n.boxes for n in (*r.nodules, *r.candidates)] for r in (alone, interrupted))
heavy = ("torch", "torchvision", "timm", "cadviewer.inference.worker", "cadviewer.models.nets")
print(json.dumps({
    "boxes": len(boxes),
    "same": boxes == again,
    "starts": sum(isinstance(e, Started) and e.request_id == batch for e in said),
    "weights": alone.provenance.weights_sha256 == catalogue.default(Task.NODULES).weights_sha256,
    "call": breast.breast[0].call.value,
    "loaded": [name for name in heavy if name in sys.modules],
}))
"""


def test_the_shipped_models_run_in_the_worker_and_an_interruption_changes_no_finding(tmp_path: Path) -> None:
    if not list((REPOSITORY / "resources" / "weights").glob("*.safetensors")):
        pytest.skip("no weights are in this checkout")
    done = subprocess.run(
        [sys.executable, "-c", BOTH_MODELS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["boxes"] > 0
    assert said["same"]
    assert said["starts"] == 2  # it was interrupted and went on
    assert said["weights"]
    assert said["call"] in ("benign", "malignant", "uncertain")
    assert said["loaded"] == []


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
