"""What the worker makes of a job: provenance, reasons for failures, fallback. In this process, with a tiny network."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cadviewer.findings import Box, Nodule, Task
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import InputError, Series, Shape, SliceInfo, Volume
from cadviewer.inference.protocol import AnalyseJob, DeviceReady, Job
from cadviewer.inference.shared import SharedPixels
from cadviewer.inference.worker import ModelHandler
from cadviewer.inference.worker_loop import JobError
from cadviewer.inference.worker_messages import WorkerOptions
from cadviewer.models import catalogue, runtime
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate.input_gate import OutOfScope
from cadviewer.models.nets import NETWORKS
from cadviewer.models.nodules import analysis as nodules
from cadviewer.models.runtime import Forward, Progress
from cadviewer.models.tasks import Demand, TaskFindings

SHAPE = (4, 16, 16)


class Means(nn.Module):
    """(n, 1) mean of each image; `most` images at a time fit into memory."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.most = most

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return (x.mean((2, 3)) * self.scale,)


class Listener:
    """A `worker_loop.Reporter` that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.notes: list[str] = []
        self.devices: list[DeviceReady] = []
        self.checks = 0
        self._began = time.monotonic()

    def step(self, done: int, total: int) -> None:
        self.steps.append((done, total))

    def check(self) -> None:
        self.checks += 1

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def note(self, text: str) -> None:
        self.notes.append(text)

    def device(self, ready: DeviceReady) -> None:
        self.devices.append(ready)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModelCard:
    """An installed model whose network gives the mean of each slice."""
    monkeypatch.setitem(NETWORKS, "means", f"{__name__}:Means")
    monkeypatch.setattr(catalogue.paths, "weights_folders", lambda: (tmp_path,))
    path = tmp_path / "means.safetensors"
    save_file({"scale": torch.ones(1).half()}, path)
    card = ModelCard(
        name="means",
        version="1.2",
        task=Task.NODULES,
        title="",
        network="means",
        config={},
        inputs={"precision": "float32", "pixel_mm": 0.7},
        threshold=0.4,
        weights_sha256=catalogue.sha256(path),
        folder=tmp_path,
    )
    (tmp_path / "means.json").write_text(card.to_json())
    return card


@pytest.fixture
def pixels() -> Iterator[SharedPixels]:
    with SharedPixels() as shared:
        shared.allocate(SHAPE, np.dtype(np.int16))[...] = np.arange(4, dtype=np.int16)[:, None, None]
        yield shared


def job(pixels: SharedPixels, **changes: Any) -> Job:
    slices = tuple(SliceInfo(Path("x"), k, sop_uid=f"1.2.{k}") for k in range(SHAPE[0]))
    series = Series(
        Path("x"), "dicom", slices, Geometry(SHAPE), Shape.STACK, np.dtype(np.int16), hounsfield=True, series_uid="1.2"
    )
    return AnalyseJob(**{
        "case_id": "case", "request_id": 7, "task": Task.NODULES, "model": "means", "series": series,
        "pixels": pixels.handle, **changes,
    })  # fmt: skip


def one_nodule_on_the_brightest_slice(
    volume: Volume, forward: Forward, card: ModelCard, demand: Demand, progress: Progress
) -> TaskFindings:
    means = forward(volume.pixels[:, None].astype(np.float32))[0][:, 0]
    progress(1, 1)
    return TaskFindings(nodules=(Nodule(1, (Box(int(means.argmax()), 1, 1, 3, 3, 0.9),)),), warnings=("a warning",))


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> ModelHandler:
    monkeypatch.setattr(nodules, "analyse", one_nodule_on_the_brightest_slice)
    return ModelHandler(WorkerOptions(device="cpu"))


def test_a_result_says_where_it_came_from(handler: ModelHandler, card: ModelCard, pixels: SharedPixels) -> None:
    listener = Listener()
    result = handler.run(job(pixels), listener)
    assert (result.case_id, result.task) == ("case", Task.NODULES)
    assert result.nodules[0].box.slice == 3
    assert result.warnings == ("a warning",)
    assert listener.steps == [(1, 1)]
    assert listener.checks == 1  # before the only batch
    origin = result.provenance
    assert origin.application.startswith("cadviewer ")
    assert (origin.model, origin.model_version, origin.weights_sha256) == ("means", "1.2", card.weights_sha256)
    assert origin.threshold == 0.4
    assert origin.device == f"cpu, torch {torch.__version__}, float32"
    assert json.loads(origin.preprocessing) == {"precision": "float32", "pixel_mm": 0.7}
    assert origin.series_uid == "1.2"
    assert origin.sop_uids == ("1.2.0", "1.2.1", "1.2.2", "1.2.3")
    assert result.seconds_infer >= 0


def test_the_jobs_own_threshold_spacing_and_window_are_in_the_provenance(
    handler: ModelHandler, card: ModelCard, pixels: SharedPixels
) -> None:
    given = job(pixels, threshold=0.0, spacing_mm=0.5)
    assert handler.run(given, Listener()).provenance.threshold == 0.0
    assert json.loads(handler.run(given, Listener()).provenance.preprocessing)["spacing_mm_given"] == 0.5


def test_a_network_is_read_once_and_again_when_a_training_has_replaced_it(
    handler: ModelHandler, card: ModelCard, pixels: SharedPixels
) -> None:
    first = handler.run(job(pixels), Listener())
    card.weights.write_bytes(b"")  # still in memory
    assert handler.run(job(pixels), Listener()).nodules == first.nodules
    save_file({"scale": -torch.ones(1).half()}, card.weights)
    (card.folder / "means.json").write_text(card.to_json().replace(card.weights_sha256, catalogue.sha256(card.weights)))
    assert handler.run(job(pixels), Listener()).nodules[0].box.slice == 0


def test_missing_or_changed_weights_fail_the_job_by_name(
    handler: ModelHandler, card: ModelCard, pixels: SharedPixels
) -> None:
    card.weights.write_bytes(card.weights.read_bytes() + b" ")
    with pytest.raises(JobError, match=r"means\.safetensors: not the weights"):
        handler.run(job(pixels), Listener())
    card.weights.unlink()
    with pytest.raises(JobError, match="no model is called 'means'"):
        handler.run(job(pixels), Listener())


def test_a_model_of_another_task_is_refused(handler: ModelHandler, card: ModelCard, pixels: SharedPixels) -> None:
    with pytest.raises(JobError, match="means is for nodules, not for breast"):
        handler.run(job(pixels, task=Task.BREAST), Listener())


@pytest.mark.parametrize(
    ("error", "reason", "out_of_scope"),
    [
        (OutOfScope("a head"), "a head", True),
        (InputError("slice 3 is damaged"), "slice 3 is damaged", False),
        (MemoryError(), "not enough memory for this case", False),
    ],
)
def test_known_failures_become_reasons(
    handler: ModelHandler,
    card: ModelCard,
    pixels: SharedPixels,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
    out_of_scope: bool,
) -> None:
    def fail(*_: object) -> TaskFindings:
        raise error

    monkeypatch.setattr(nodules, "analyse", fail)
    with pytest.raises(JobError, match=reason) as raised:
        handler.run(job(pixels), Listener())
    assert raised.value.out_of_scope is out_of_scope


def test_lack_of_memory_is_noted_on_the_job_and_the_result_is_the_same(
    handler: ModelHandler, card: ModelCard, pixels: SharedPixels
) -> None:
    (card.folder / "means.json").write_text(card.to_json().replace('"config": {}', '"config": {"most": 1}'))
    listener = Listener()
    assert handler.run(job(pixels), listener).nodules[0].box.slice == 3
    assert listener.notes[-1] == "out of memory on cpu: going on with batches of 1 instead of 2"


def test_a_network_that_had_to_leave_the_device_takes_the_others_with_it_and_the_window_is_told(
    handler: ModelHandler, card: ModelCard, pixels: SharedPixels
) -> None:
    handler._runtimes.name, handler._runtimes.first = "torch", runtime.start("torch", "cpu", 1)
    handler.run(job(pixels), Listener())
    (forward,) = handler._networks.values()
    handler._runtimes.first.device = "cuda:0"  # as if it had begun there
    forward.why = "out of memory on cuda:0"
    listener = Listener()
    handler.run(job(pixels), listener)
    assert listener.devices == [DeviceReady("cpu", "out of memory on cuda:0; 1 thread")]
