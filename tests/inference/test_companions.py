"""A model that works with another one: both are built, both are named in the result, and it also works alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cadviewer import cli
from cadviewer.batch.cards import Cards
from cadviewer.batch.events import Options
from cadviewer.findings import Task, UsedCompanion
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo, Volume
from cadviewer.inference.protocol import AnalyseJob, DeviceReady, Job
from cadviewer.inference.shared import SharedPixels
from cadviewer.inference.worker import ModelHandler
from cadviewer.inference.worker_loop import JobError
from cadviewer.inference.worker_messages import WorkerOptions
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.nets import NETWORKS
from cadviewer.models.nodules import analysis as nodules
from cadviewer.models.runtime import ALONE, Companions, Forward, Progress
from cadviewer.models.tasks import Demand, TaskFindings

SHAPE = (2, 8, 8)


class Scale(nn.Module):
    """(n, …) times a number."""

    def __init__(self, by: float = 1.0) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor([by]))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x * self.by,)


class Silent:
    """A `worker_loop.Reporter` for whom nothing is done."""

    def step(self, done: int, total: int) -> None: ...
    def check(self) -> None: ...
    def note(self, text: str) -> None: ...
    def device(self, ready: DeviceReady) -> None: ...
    def seconds(self) -> float:
        return 0.0


def install(folder: Path, name: str, by: float, **changes: object) -> ModelCard:
    save_file({"by": torch.tensor([by]).half()}, folder / f"{name}.safetensors")
    card = ModelCard(
        name, "3", Task.NODULES, name, "scale", {}, {}, 0.5, catalogue.sha256(folder / f"{name}.safetensors"),
        folder=folder,
    )  # fmt: skip
    card = replace(card, **changes)  # type: ignore[arg-type]
    (folder / f"{name}.json").write_text(card.to_json())
    return card


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two detectors, of which one works with an outline model that is named so as to come first, and that model."""
    monkeypatch.setitem(NETWORKS, "scale", f"{__name__}:Scale")
    monkeypatch.setattr(catalogue.paths, "weights_folders", lambda: (tmp_path,))
    install(tmp_path, "an-outline", 3.0, role="outline", default=True)
    install(tmp_path, "detector", 2.0, companions={"outline": "an-outline"})
    install(tmp_path, "loner", 2.0)
    return tmp_path


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> ModelHandler:
    def analyse(
        volume: Volume, forward: Forward, card: ModelCard, demand: Demand, progress: Progress,
        companions: Companions = ALONE,
    ) -> TaskFindings:  # fmt: skip
        ones = np.ones((1, 1, 1, 1), np.float32)
        found = [f"{card.name} {forward(ones)[0].item():g}"]
        found += [f"{role} {c.card.name} {c.forward(ones)[0].item():g}" for role, c in companions.items()]
        return TaskFindings(lines=tuple(found))

    monkeypatch.setattr(nodules, "analyse", analyse)
    return ModelHandler(WorkerOptions(device="cpu"))


@pytest.fixture
def pixels() -> Iterator[SharedPixels]:
    with SharedPixels() as shared:
        shared.allocate(SHAPE, np.dtype(np.int16))
        yield shared


def job(pixels: SharedPixels, model: str) -> Job:
    slices = tuple(SliceInfo(Path("x"), k) for k in range(SHAPE[0]))
    series = Series(Path("x"), "dicom", slices, Geometry(SHAPE), Shape.STACK, np.dtype(np.int16), hounsfield=True)
    return AnalyseJob(case_id="case", request_id=1, task=Task.NODULES, model=model, series=series, pixels=pixels.handle)


def test_both_networks_run_and_both_are_in_the_provenance(
    folder: Path, handler: ModelHandler, pixels: SharedPixels
) -> None:
    result = handler.run(job(pixels, "detector"), Silent())
    assert result.lines == ("detector 2", "outline an-outline 3")
    assert result.provenance.model == "detector"
    hashed = catalogue.sha256(folder / "an-outline.safetensors")
    assert result.provenance.companions == (UsedCompanion("outline", "an-outline", "3", hashed),)
    assert result.warnings == ()


def test_a_model_without_companions_runs_alone(folder: Path, handler: ModelHandler, pixels: SharedPixels) -> None:
    result = handler.run(job(pixels, "loner"), Silent())
    assert result.lines == ("loner 2",)
    assert result.provenance.companions == ()


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_companion_that_cannot_be_used_is_named_and_the_model_runs_without_it(
    folder: Path, handler: ModelHandler, pixels: SharedPixels, damage: str
) -> None:
    weights = folder / "an-outline.safetensors"
    if damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes() + b" ")
    result = handler.run(job(pixels, "detector"), Silent())
    assert result.lines == ("detector 2",)
    assert result.provenance.companions == ()
    (warning,) = result.warnings
    assert "an-outline" in warning


def test_a_detector_is_no_companion(folder: Path, handler: ModelHandler, pixels: SharedPixels) -> None:
    install(folder, "detector", 2.0, companions={"outline": "loner"})
    result = handler.run(job(pixels, "detector"), Silent())
    assert result.lines == ("detector 2",)
    assert "loner is no outline model" in result.warnings[0]


def test_warming_up_builds_the_companions_too(folder: Path, handler: ModelHandler) -> None:
    handler.warm("detector")
    assert len(handler._networks) == 2


def test_a_companion_is_never_offered_nor_run_as_a_model_of_its_task(
    folder: Path, handler: ModelHandler, pixels: SharedPixels
) -> None:
    assert [c.name for c in catalogue.cards(Task.NODULES)] == ["detector", "loner"]
    assert catalogue.default(Task.NODULES).name == "detector"
    assert [c.name for c in catalogue.cards(role=None)] == ["an-outline", "detector", "loner"]
    with pytest.raises(CardError, match="companion"):
        catalogue.card("an-outline")
    with pytest.raises(JobError, match="companion"):
        handler.run(job(pixels, "an-outline"), Silent())
    with pytest.raises(CardError, match="companion"):
        Cards(Options(model="an-outline"))


def test_a_batch_depends_on_the_companions_weights_too(folder: Path) -> None:
    hashed = catalogue.sha256(folder / "an-outline.safetensors")
    named = Cards(Options(model="detector", task=Task.NODULES)).names(Task.NODULES)["nodules model"]
    assert named.endswith(f"+ an-outline 3 {hashed[:12]}")


def test_the_list_of_models_shows_companions_apart(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    models, _, companions = capsys.readouterr().out.partition("\n\n")
    assert "detector" in models
    assert "an-outline" not in models
    assert "an-outline" in companions
    assert cli.main(["models", "show", "an-outline"]) == 0
    assert "role: outline" in capsys.readouterr().out
