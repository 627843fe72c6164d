"""The shipped outline network: nodules of a phantom keep their diameter, the card says what it is, and it is quick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cadviewer import paths
from cadviewer.findings import Box, Task
from cadviewer.inference.protocol import DeviceReady, OutlineJob
from cadviewer.inference.shared import SharedPixels
from cadviewer.inference.worker_loop import JobError
from cadviewer.inference.worker_messages import WorkerOptions
from cadviewer.models import catalogue
from cadviewer.models.nodules.measurement import NoduleMeasures
from cadviewer.models.nodules.outlining import outline_findings
from cadviewer.models.runtime import Companion
from cadviewer.phantoms.phantom import NoduleSpec, NoduleTruth, Phantom, chest_ct

SPECS = (
    NoduleSpec(18.0, spiculated=True, side="left", height=40.0),
    NoduleSpec(10.0, side="right", height=10.0),
    NoduleSpec(8.0, pleural=True, side="right", height=55.0),
    NoduleSpec(15.0, kind="part-solid", side="left", height=-15.0),
    NoduleSpec(12.0, kind="ground-glass", side="right", height=-40.0),
    NoduleSpec(6.0, side="left", height=10.0),
)


class Silent:
    """A `worker_loop.Reporter` for whom nothing is done."""

    def step(self, done: int, total: int) -> None: ...
    def check(self) -> None: ...
    def note(self, text: str) -> None: ...
    def device(self, ready: DeviceReady) -> None: ...
    def seconds(self) -> float:
        return 0.0


@pytest.fixture(scope="module")
def companion() -> Companion:
    runtime = pytest.importorskip("cadviewer.models.nets.runtime")
    card = catalogue.load(paths.resources() / "weights" / "nodules-outline.json")
    return Companion(card, runtime.TorchForward(runtime.build(card), "cpu", precision="float32"))


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return chest_ct(1, nodules=SPECS)


def boxes(truth: NoduleTruth) -> tuple[Box, ...]:
    """Squares, on all slices but the first and the last: what a detector gives of a nodule."""
    sides = [max(x1 - x0, y1 - y0) for _, x0, y0, x1, y1 in truth.boxes]
    made = []
    for (k, x0, y0, x1, y1), side in zip(truth.boxes, sides, strict=True):
        x, y, half = (x0 + x1) / 2, (y0 + y1) / 2, side * 1.1 / 2
        made.append(Box(k, x - half, y - half, x + half, y + half, 0.5 + 0.4 * side / max(sides)))
    return tuple(made[1:-1] if len(made) > 4 else made)


@pytest.fixture(scope="module")
def measured(companion: Companion, phantom: Phantom) -> list[NoduleMeasures | None]:
    geometry = phantom.volume.geometry
    assert geometry.pixel_spacing is not None
    findings = [boxes(t) for t in phantom.nodules]
    return outline_findings(phantom.volume.pixels, findings, geometry.pixel_spacing, geometry.slice_spacing, companion)


@pytest.mark.parametrize("number", range(len(SPECS)), ids=[f"{s.diameter_mm:g} mm {s.kind}" for s in SPECS])
def test_nodules_of_every_kind_keep_their_diameter_volume_and_place(
    number: int, measured: list[NoduleMeasures | None], phantom: Phantom
) -> None:
    truth, found = phantom.nodules[number], measured[number]
    assert found is not None
    assert (found.long_mm + found.short_mm) / 2 == pytest.approx(truth.diameter_mm, rel=0.1)
    assert found.volume_mm3 == pytest.approx(np.pi / 6 * truth.diameter_mm**3, rel=0.3)
    assert found.outline is not None
    centre = phantom.volume.geometry.to_index(truth.centre_mm)[[2, 1]] + 0.5
    middle = (found.widest_outline.min(axis=0) + found.widest_outline.max(axis=0)) / 2
    assert np.abs(middle - centre).max() < 1.0


def test_the_worker_outlines_one_finding_of_the_reader(phantom: Phantom) -> None:
    worker = pytest.importorskip("cadviewer.inference.worker")
    volume, truth = phantom.volume, phantom.nodules[1]
    with SharedPixels() as shared:
        shared.allocate(volume.pixels.shape, volume.pixels.dtype)[:] = volume.pixels
        assert shared.handle is not None
        job = OutlineJob("case", 7, Task.NODULES, "nodules-outline", volume.series, shared.handle, boxes=boxes(truth))
        result = worker.ModelHandler(WorkerOptions(device="cpu")).run(job, Silent())
    (found,) = result.nodules
    assert (result.case_id, result.provenance.model) == ("case", "nodules-outline")
    assert result.provenance.weights_sha256 == catalogue.card("nodules-outline", role="outline").weights_sha256
    assert found.boxes == job.boxes
    assert ((found.long_mm or 0) + (found.short_mm or 0)) / 2 == pytest.approx(truth.diameter_mm, rel=0.1)
    assert len(found.outlines) >= len(found.boxes)


def test_the_worker_says_why_it_cannot_outline(phantom: Phantom) -> None:
    worker = pytest.importorskip("cadviewer.inference.worker")
    volume = phantom.volume
    handler = worker.ModelHandler(WorkerOptions(device="cpu"))
    with SharedPixels() as shared:
        shared.allocate(volume.pixels.shape, volume.pixels.dtype)
        assert shared.handle is not None
        far = (Box(10_000, 1, 1, 9, 9, 1.0),)
        job = OutlineJob("case", 7, Task.NODULES, "nodules-outline", volume.series, shared.handle, boxes=far)
        with pytest.raises(JobError, match="not on these images"):
            handler.run(job, Silent())
        with pytest.raises(JobError, match="no outline model"):
            handler.run(replace(job, model="nodules-ssd-inception_v2", boxes=boxes(phantom.nodules[1])), Silent())


def test_the_card_is_that_of_a_companion_with_its_figures() -> None:
    card = catalogue.load(paths.resources() / "weights" / "nodules-outline.json")
    assert (card.task, card.role) == (Task.NODULES, "outline")
    assert catalogue.sha256(card.weights) == card.weights_sha256
    assert card.weights.stat().st_size < 2_000_000
    figures = card.measured["outlines, fold 1 (test)"]
    assert figures["Dice per nodule, network, readers' box"][0] > figures["Dice per nodule, threshold, readers' box"][0]


def test_every_shipped_detector_works_with_the_outline_network() -> None:
    shipped = [catalogue.load(p) for p in sorted((paths.resources() / "weights").glob("*.json"))]
    detectors = [c for c in shipped if c.task is Task.NODULES and not c.role]
    assert detectors
    assert {c.companions.get("outline") for c in detectors} == {"nodules-outline"}
