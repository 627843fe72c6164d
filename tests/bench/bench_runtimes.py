"""Torch eager, OpenVINO and ONNX Runtime side by side: start, milliseconds of an image, memory, and a whole `annotate`.

Each figure is of a process of its own, on all cores, once as the processor is and once with AVX2 alone. On a machine
that is busy with other things the seconds of the clock say little: CPU seconds are printed beside them. ONNX Runtime
and `onnx`, which the program does not need, are measured where they are installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cadviewer.findings import Task
from cadviewer.models import catalogue
from cadviewer.models.catalogue import ModelCard

pytestmark = pytest.mark.bench

REPOSITORY = Path(__file__).resolve().parents[2]
SCAN = Path(os.environ.get("CADVIEWER_TEST_DATA", "../shared/data")).resolve() / "ct" / "chest-ct-99" / "series.zip"
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
ISAS: Mapping[str, Mapping[str, str]] = {"as it is": {}, "AVX2": AVX2}
ENGINES: Mapping[str, tuple[str, ...]] = {
    "as it is": ("torch float32", "torch", "openvino", "onnxruntime"),
    "AVX2": ("torch float32", "openvino"),  # no bfloat16 there; ONNX Runtime cannot be told
}

ONE = """
import json, os, resource, sys, time
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
from dataclasses import replace
from cadviewer.inference.worker_process import usable_cores
from cadviewer.models import catalogue, runtime
engine, name, onnx = sys.argv[1:]
card = catalogue.card(name)
nodules = card.task.value == "nodules"
size = (288, 352) if nodules else [card.inputs["size"]] * 2
images = np.random.default_rng(0).random((4, 1, *size), np.float32)
began, spent = time.perf_counter(), time.process_time()
if engine == "onnxruntime":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    forward = lambda batch: session.run(None, {session.get_inputs()[0].name: batch})
else:
    if engine == "torch float32":
        card = replace(card, inputs={**card.inputs, "precision": "float32"})
    forward = runtime.start(engine.split()[0], "cpu", usable_cores()).build(card, batch_size=4)
forward(images)
start = time.perf_counter() - began, time.process_time() - spent
walls, cpus = [], []
for _ in range(12):
    began, spent = time.perf_counter(), time.process_time()
    forward(images)
    walls.append(time.perf_counter() - began)
    cpus.append(time.process_time() - spent)
each = 1000 / (4 if nodules else 1)
print(json.dumps([*start, each * float(np.median(walls)), each * float(np.median(cpus)),
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {len(names)} cores, load {os.getloadavg()[0]:.1f}"


def as_onnx(card: ModelCard, path: Path) -> bool:
    """Export a network for ONNX Runtime; False where that cannot be done here."""
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime", "onnxscript")):
        return False
    code = (
        "import sys, torch; from cadviewer.models import catalogue; from cadviewer.models.nets.runtime import build\n"
        "card = catalogue.card(sys.argv[1]); nodules = card.task.value == 'nodules'\n"
        "x = torch.rand((4, 1, 288, 352) if nodules else (4, 1, *[card.inputs['size']] * 2))\n"
        "torch.onnx.export(build(card), (x,), sys.argv[2], dynamo=not nodules, opset_version=18)"
    )
    done = subprocess.run([sys.executable, "-c", code, card.name, str(path)], capture_output=True, check=False)
    return done.returncode == 0 and path.exists()


@pytest.mark.parametrize("task", [Task.NODULES, Task.BREAST])
def test_milliseconds_of_an_image(task: Task, tmp_path: Path) -> None:
    card = catalogue.default(task)
    onnx = tmp_path / "network.onnx"
    there = as_onnx(card, onnx)
    what = "a slice of 288 × 352, batches of 4" if task is Task.NODULES else "an image in four views"
    print(f"\n{card.name}, {processor()}: ms for {what}; start: import, load and first batch")
    for isa, environment in ISAS.items():
        for engine in ENGINES[isa]:
            if engine == "onnxruntime" and not there:
                print(f"  {isa:9s} {engine:14s} not installed, or the network cannot be exported")
                continue
            done = subprocess.run(
                [sys.executable, "-c", ONE, engine, card.name, str(onnx)],
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
                capture_output=True,
                text=True,
                check=True,
            )
            start, start_cpu, wall, cpu, peak = json.loads(done.stdout.splitlines()[-1])
            print(
                f"  {isa:9s} {engine:14s} {wall:6.1f} ms ({cpu:6.1f} CPU), "
                f"start {start:5.1f} s ({start_cpu:4.1f} CPU), peak {peak:4.0f} MB"
            )


def with_torch(home: Path) -> str:
    """Own models that are the shipped default and its companions, computed by torch in float32; the first's name."""
    card = catalogue.default(Task.NODULES)
    folder = home / "data" / "weights"
    folder.mkdir(parents=True)
    companions = {role: f"torch-{name}" for role, name in card.companions.items()}
    for one in (card, *(catalogue.card(name, role=role) for role, name in card.companions.items())):
        made = replace(
            one,
            name=f"torch-{one.name}",
            default=False,
            inputs={**one.inputs, "runtime": "torch", "precision": "float32"},
            companions=companions if one is card else {},
            graph_sha256="",
            folder=folder,
        )
        made.weights.write_bytes(one.weights.read_bytes())
        (folder / f"{made.name}.json").write_text(made.to_json(), encoding="utf-8")
    return f"torch-{card.name}"


def annotate(model: str, home: Path, out: Path, environment: Mapping[str, str]) -> tuple[float, float, float]:
    """(seconds by the clock, CPU seconds of all its processes, peak MB of the largest of them)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "-m", "cadviewer", "annotate", str(SCAN), "--out", str(out), "--model", model],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "CADVIEWER_HOME": str(home), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    largest = 0.0
    while process.poll() is None:
        try:
            sizes = [p.memory_info().rss for p in [process, *process.children(recursive=True)]]
        except psutil.Error:
            sizes = []  # one of them has just ended
        largest = max(largest, *sizes, 0.0)
        time.sleep(0.02)
    assert process.returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, spent, largest / 1e6


@pytest.mark.skipif(not SCAN.exists(), reason=f"{SCAN} is not here")
def test_a_whole_ct_from_outside(tmp_path: Path) -> None:
    home = tmp_path / "home"
    models = {"torch": with_torch(home), "openvino": catalogue.default(Task.NODULES).name}
    print(f"\nannotate, 99 slices, {processor()}")
    for isa, environment in ISAS.items():
        for engine, model in models.items():
            taken = [annotate(model, home, tmp_path / f"{engine}-{isa}-{k}", environment) for k in range(2)]
            seconds, spent, peak = min(taken)
            print(f"  {isa:9s} {engine:9s} {seconds:5.1f} s ({spent:5.1f} CPU), largest process {peak:4.0f} MB")
