"""Models laid side by side: what is measured, what is taken over, what is looked up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cadviewer.findings import Task
from cadviewer.models import catalogue
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nets import build
from trainers import compare, evaluate, export, tasks
from trainers.__main__ import main
from trainers.config import ConfigError
from trainers.data import read_slices
from trainers.data.ct import samples
from trainers.metrics import paired
from trainers.metrics.froc import Slice
from trainers.nodules import evaluation as evaluate_nodules
from trainers.nodules.settings import NoduleSettings, network_config


def made(folder: Path, name: str, *, seed: int = 0, task: Task = Task.NODULES, width: int = 16) -> ModelCard:
    """An untrained model of few channels with its card."""
    torch.manual_seed(seed)
    network = network_config(NoduleSettings(width=width, backbone="mobilenet_v2"))
    card = ModelCard(
        name=name,
        version="1",
        task=task,
        title="",
        network="ssd",
        config=network,
        inputs={"pixel_mm": 1.0, "window": [-1000, 400], "lung_mask": True},
        threshold=0.1,
        weights_sha256="",
        calibration={"views": {"volume": "one", "single": "one"}, "floor": 0.001},
        training={"settings": {"batch": 16, "start_from": "runs/first/last.ckpt"}},
    )
    return export.export(build("ssd", network).state_dict(), card, folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("slices")
    (root / "images").mkdir()
    rows = ["image,series_uid,patient_id,role,annotation_row,cx,cy,box,diameter_mm,dz_mm,W,H,mal_bool,mal_details,fold"]
    for k in range(2):
        image = np.zeros((96, 96), np.uint8)
        image[16:80, 16:80] = 30
        image[40:48, 40 + 4 * k : 48 + 4 * k] = 210
        cv2.imwrite(str(root / "images" / f"{k}.png"), image)
        rows.append(f"{k}.png,1.{k},P{k},labelled,{k},{43.5 + 4 * k},43.5,8,8,0,96,96,,,{2 - k}")
    (root / "index.csv").write_text("\n".join(rows) + "\n")
    return root


def test_models_are_laid_side_by_side(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    made(run, "one")
    lines = [
        {"kind": "begin"},
        {"kind": "step", "step": 1, "epoch": 0, "seconds": 2.0},
        {"kind": "step", "step": 40, "epoch": 1, "seconds": 30.0},
        {"kind": "begin"},
        {"kind": "step", "step": 60, "epoch": 2, "seconds": 11.5},
        {"kind": "tune", "step": 60, "epoch": 3, "seconds": 15.0},
    ]
    (run / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"kind": "st')
    two = made(tmp_path, "two", seed=1, width=24)
    out = tmp_path / "out"
    assert main(["compare", str(run), str(tmp_path / "two.json"), "--data", str(data), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == (out / "compare.md").read_text().strip()
    content = json.loads((out / "compare.json").read_text())
    first, second = content["models"]
    assert first["course"] == {"epochs": 3, "steps": 60, "seconds": 45.0, "images": 960, "start": "first"}
    assert second["course"]["seconds"] is None
    assert content["threads"] == torch.get_num_threads()
    assert second["bytes"] == two.weights.stat().st_size
    assert first["parameters"] < second["parameters"]
    assert all(m["milliseconds"]["cpu"] > 0 for m in content["models"])
    with (out / "compare.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["model"], r["set"]) for r in rows] == [(n, "slices, fold 1 (test)") for n in ("one", "two")]
    for row in rows:
        assert 0 <= float(row["AP@.1 low"]) <= float(row["AP@.1"]) <= float(row["AP@.1 high"]) <= 1
    assert "| one | " in printed
    assert "320 × 256 px" in printed


def test_figures_of_the_same_weights_and_split_are_taken_over_and_others_are_measured(
    data: Path, tmp_path: Path
) -> None:
    card = made(tmp_path / "run", "one")
    figures = {"slices": {"AP, IoU ≥ 0.5": [0.123, 0.1, 0.2]}}
    content = {"model": "one", "version": "1", "weights_sha256": card.weights_sha256, "split": "test"}
    (tmp_path / "run" / "fold1").mkdir()
    path = tmp_path / "run" / "fold1" / "figures.json"
    path.write_text(json.dumps({**content, "figures": figures}))
    taken = compare.compare([str(tmp_path / "run")], data, tmp_path / "out", rounds=0)
    assert taken[0].figures == figures
    assert not (tmp_path / "out" / "one").exists()
    for changed in ({"split": "tune"}, {"weights_sha256": "0"}, {"model": "other"}):
        path.write_text(json.dumps({**content, **changed, "figures": figures}))
        fresh = compare.compare([str(tmp_path / "run")], data, tmp_path / f"out-{next(iter(changed))}", rounds=0)
        assert "slices, fold 1 (test)" in fresh[0].figures
    path.write_text("{ damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate", lambda *a, **k: figures)
        assert compare.compare([str(tmp_path / "run")], data, tmp_path / "last", rounds=0)[0].figures == figures


def test_the_time_of_an_average_is_that_of_the_runs_it_was_made_of_each_once() -> None:
    first = {"name": "a", "settings": {"seed": 1}, "seconds": 100}
    on = {"name": "a", "settings": {"seed": 2, "init": ["first/a.json"]}, "seconds": 50, "started_from": [first]}
    last = {"name": "a", "settings": {"seed": 3, "init": ["on/a.json"]}, "seconds": 7, "started_from": [on]}
    training = {
        "settings": {"epochs": 0, "init": ["on/a.json", "last/a.json"]},
        "seconds": 0,
        "started_from": [on, last],
    }
    card = catalogue.ModelCard("a", "2", Task.BREAST, "", "", {}, {}, 0.5, "", training=training)
    assert compare.course_of(card, None) == compare.Course(seconds=157.0, start="on, last")


def test_differences_are_those_of_the_same_patients(data: Path, tmp_path: Path) -> None:
    made(tmp_path / "a", "one")
    made(tmp_path / "b", "two", seed=1, width=24)
    rows = compare.compare([str(tmp_path / n) for n in "ab"], data, tmp_path / "out", rounds=0)
    assert rows[0].difference == {}
    figures = [next(iter(row.figures.values())) for row in rows]
    for name, head in tasks.of_model("nodules").figures[:5]:
        value, low, high = rows[1].difference[head]
        assert value == pytest.approx(figures[1][name][0] - figures[0][name][0], abs=1e-12)
        assert low <= value <= high
    assert "less one, on the same patients" in (tmp_path / "out" / "compare.md").read_text()


def test_marks_are_read_back_as_they_were_so_that_scores_a_millionth_apart_keep_their_order(
    data: Path, tmp_path: Path
) -> None:
    items = read_slices(data, samples.TEST)
    box = np.array(items[0].boxes, float)[:1]
    close = np.array([0.3000001, 0.3000004])  # the same to five decimals; the hit is the lower one
    scored = [Slice(np.concatenate([box, box + 40.0001]), close, box) for _ in items]
    evaluate_nodules._write_marks(items, scored, tmp_path)
    read = paired.read_marks(tmp_path / "marks.csv", items)
    for one, other in zip(scored, read, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_difference_seen_on_every_patient_has_a_narrow_interval() -> None:
    """One model hits on all odd slices, the other on those and one more of every patient."""
    nodule = np.array([[10.0, 10, 20, 20]])
    hit, miss = nodule.copy(), nodule + 40
    first = [Slice(hit if k % 3 == 0 else miss, np.array([0.9]), nodule) for k in range(60)]
    other = [Slice(hit if k % 3 < 2 else miss, np.array([0.9]), nodule) for k in range(60)]
    found = paired.differences(first, other, [k // 3 for k in range(60)], rounds=50)
    assert found["top-1"] == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert paired.differences(first, first, [0] * 60, rounds=5)["AP@.5"] == (0.0, 0.0, 0.0)


def test_a_breast_model_is_compared_by_its_own_figures(tmp_path: Path) -> None:
    card = catalogue.default(Task.BREAST)
    figures = {"fold": {"auc": [0.9, 0.8, 0.95], "dice": [0.85, 0.8, 0.9], "images": 3}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate", lambda *a, **k: figures)
        (row,) = compare.compare([card.name], tmp_path, tmp_path / "out", rounds=1)
    assert row.milliseconds["cpu"] > 0
    text = (tmp_path / "out" / "compare.md").read_text()
    assert "| model | AUC | Dice |" in text
    size = card.inputs["size"]
    assert f"one image of {size} × {size} px" in text


def test_the_best_of_a_column_is_bold(tmp_path: Path) -> None:
    def row(name: str, value: float) -> compare.Compared:
        figures = {"set": {"auc": [value, value - 0.1, 1.0], "ece": [value, 0.0, 1.0]}}
        return compare.Compared(name, Task.BREAST, "", 1, 1, {}, compare.Course(), figures)

    text = compare.as_markdown([row("a", 0.8), row("b", 0.9)], {"threads": 1})
    assert "| a | 0.800 [0.700–1.000] | **0.800** [0.000–1.000] |" in text  # a smaller error is better
    assert "| b | **0.900** [0.800–1.000] | 0.900 [0.000–1.000] |" in text


def test_what_cannot_be_compared_is_named(data: Path, tmp_path: Path) -> None:
    made(tmp_path / "a", "one")
    made(tmp_path / "b", "one")
    made(tmp_path / "c", "three", task=Task.BREAST)
    with pytest.raises(ConfigError, match="called one"):
        compare.compare([str(tmp_path / "a"), str(tmp_path / "b")], data, tmp_path / "out")
    with pytest.raises(ConfigError, match="several tasks"):
        compare.compare([str(tmp_path / "a"), str(tmp_path / "c")], data, tmp_path / "out")
    with pytest.raises(ConfigError, match="holds no models"):
        compare.compare([str(data)], data, tmp_path / "out")
    with pytest.raises(ConfigError, match="no model is called"):
        compare.compare(["absent"], data, tmp_path / "out")
