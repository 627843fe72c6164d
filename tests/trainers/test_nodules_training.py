"""The nodule trainer on made-up slices: it learns, stops, goes on, exports what the viewer reads, and measures it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from test_lidc_crops import make as make_crops

from cadviewer.models import catalogue
from cadviewer.models.nets import runtime
from cadviewer.models.nodules.boxes import SMALL, default_boxes, levels
from trainers import evaluate
from trainers.config import ConfigError
from trainers.data.ct import luna16_slices, samples
from trainers.nodules import losses as nodule_losses
from trainers.nodules import trainer as nodules
from trainers.nodules.crops import Crops, CropSettings, EpochSampler, assign, cut, lungs_of_masked

FAST = ["epochs=2", "batch=4", "size=64", "width=16", "threads=1", "check_every=2", "precision=32-true", "warm_up=0.3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set in the layout of luna16-slices: noisy lung with one bright disc per slice."""
    root = tmp_path_factory.mktemp("slices")
    (root / "images").mkdir()
    draw = np.random.default_rng(0)
    header = "image,series_uid,patient_id,role,annotation_row,cx,cy,box,diameter_mm,dz_mm,W,H,mal_bool,mal_details,fold"
    rows = [header]
    for k, fold in enumerate(["3"] * 8 + ["2"] * 3 + ["1"] * 3):
        image = np.zeros((140, 140), np.uint8)
        ys, xs = np.mgrid[:140, :140]
        lung = ((xs - 70) / 60) ** 2 + ((ys - 70) / 50) ** 2 < 1
        image[lung] = np.clip(draw.normal(30, 6, lung.sum()), 1, 255)
        cx, cy = draw.integers(45, 95, 2)
        image[(xs - cx) ** 2 + (ys - cy) ** 2 <= 4**2] = 210
        cv2.imwrite(str(root / "images" / f"{k:04}.png"), image)
        rows.append(f"{k:04}.png,1.2.{k},P{k},labelled,{k},{cx}.0,{cy}.0,8.0,8.1,0.0,140,140,,,{fold}")
    (root / "index.csv").write_text("\n".join(rows) + "\n")
    return root


def test_edge_coordinates_are_the_index_plus_one_half(folder: Path) -> None:
    item = luna16_slices.read(folder, samples.TRAIN)[0]
    bright = np.argwhere(item.pixels() == 210)
    middle = (bright.min(axis=0) + bright.max(axis=0) + 1) / 2
    x0, y0, x1, y1 = item.boxes[0]
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == (pytest.approx(middle[1]), pytest.approx(middle[0]))


def test_boxes_follow_the_nodule_through_every_change_of_a_crop(folder: Path) -> None:
    item = luna16_slices.read(folder, samples.TRAIN)[0]
    pixels = item.pixels()
    settings = CropSettings(size=96, nodules=1.0, background=0.0, narrow=0.0)
    for seed in range(30):
        draw = np.random.default_rng(seed)
        image, boxes = cut(pixels, lungs_of_masked(pixels), item.boxes, settings, draw)
        ys, xs = np.nonzero(image > 0.5)
        middle = (xs.mean() + 0.5, ys.mean() + 0.5)
        centre = (boxes[0, :2] + boxes[0, 2:]) / 2
        assert centre == pytest.approx(middle, abs=0.35), seed


def test_a_crop_is_the_same_every_time_and_differs_between_epochs(folder: Path) -> None:
    crops = Crops(luna16_slices.read(folder, samples.TRAIN), levels(SMALL), CropSettings(size=64), seed=5)
    first, again, later = crops[(0, 3, 2)], crops[(0, 3, 2)], crops[(1, 3, 2)]
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], later[0])


def test_an_epoch_draws_every_slice_once_and_another_order_next_time() -> None:
    sampler = EpochSampler(slices=6, crops=6, seed=1)
    first = [i for _, _, i in sampler]
    sampler.set_epoch(1)
    second = [i for _, _, i in sampler]
    assert sorted(first) == sorted(second) == list(range(6))
    assert first != second


def test_a_nodule_cut_by_the_border_does_not_count() -> None:
    defaults = default_boxes(levels(SMALL), 64, 64)
    boxes = np.array([[-7, 20, 1, 28]], np.float32)  # its centre lies outside
    labels, _ = assign(boxes, defaults, CropSettings(size=64))
    assert (labels == -1).any()
    assert not (labels == 1).any()


def test_focal_loss_of_one_box_by_hand() -> None:
    logits = torch.tensor([[[0.0], [0.0], [5.0]]])
    labels = torch.tensor([[1, 0, -1]])
    expected = (0.6 + 0.4) * 0.25 * np.log(2)
    assert nodule_losses.focal(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_hard_negatives_are_three_to_one_and_never_none() -> None:
    labels = torch.zeros(1, 100, dtype=torch.long)
    logits = torch.zeros(1, 100, 2)
    alone = nodule_losses.mined(logits, labels).item()
    assert alone == pytest.approx(30 * np.log(2), rel=1e-5)
    labels[0, :20] = 1
    many = nodule_losses.mined(logits, labels).item()
    assert many == pytest.approx((20 + 60) * np.log(2) / 20, rel=1e-5)


def test_the_box_loss_is_nothing_for_exact_boxes_and_for_no_boxes() -> None:
    defaults = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    labels = torch.tensor([[1, 0]])
    offsets = torch.zeros(1, 2, 4)
    assert nodule_losses.box_loss(offsets, labels, defaults[None], defaults).item() == pytest.approx(0, abs=1e-6)
    moved = defaults[None] + torch.tensor([5.0, 0, 5, 0])
    # DIoU: 1 − 50/150 + 25/(15² + 10²); smooth-L1 of an offset of 0.5 with β 0.1: 0.45
    expected = 1 - 1 / 3 + 25 / 325 + 0.5 * 0.45
    assert nodule_losses.box_loss(offsets, labels, moved, defaults).item() == pytest.approx(expected, rel=1e-4)
    assert nodule_losses.box_loss(offsets, labels * 0, moved, defaults).item() == 0


def train(folder: Path, out: Path, *extra: str, resume: bool = False) -> dict[str, torch.Tensor]:
    nodules.run(None, folder, out, [*FAST, *extra], resume)
    return torch.load(out / "last.ckpt", weights_only=False)["state_dict"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(folder, out)
    return out


def test_a_run_that_was_stopped_and_resumed_ends_where_an_unbroken_one_does(
    folder: Path, trained: Path, tmp_path: Path
) -> None:
    whole = torch.load(trained / "last.ckpt", weights_only=False)["state_dict"]
    stopped = nodules.NoduleValidation.on_train_epoch_end

    def stop_after_first(self: nodules.NoduleValidation, trainer: object, module: object) -> None:
        stopped(self, trainer, module)  # type: ignore[arg-type]
        if trainer.current_epoch == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodules.NoduleValidation, "on_train_epoch_end", stop_after_first)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            nodules.run(None, folder, tmp_path, FAST, False)
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["epoch"] == 0
    resumed = train(folder, tmp_path, resume=True)
    assert resumed.keys() == whole.keys()
    for key, value in whole.items():
        torch.testing.assert_close(resumed[key], value, atol=1e-5, rtol=1e-4)


def test_what_a_run_exports_is_read_by_the_viewer_and_measured(trained: Path, folder: Path, tmp_path: Path) -> None:
    card = catalogue.load(trained / "nodules-ssd-mobilenet_v1.json")
    network = runtime.build(card)
    logits, offsets = network(torch.zeros(1, 1, 64, 64))
    assert logits.shape[1] == offsets.shape[1] == len(default_boxes(levels(card.config["boxes"]), 64, 64))
    figures = evaluate.evaluate(card, folder, tmp_path, split="test", device="cpu")
    ((_, values),) = figures.items()
    assert values["slices"] == 3
    value, low, high = values["top-1 hit rate, IoU ≥ 0.5"]
    assert 0 <= low <= value <= high <= 1
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["weights_sha256"] == card.weights_sha256
    with (tmp_path / "slices.csv").open() as stream:
        assert [r["image"] for r in csv.DictReader(stream)] == ["0011.png", "0012.png", "0013.png"]


def test_a_run_writes_its_settings_and_its_log(trained: Path) -> None:
    settings = json.loads((trained / "settings.json").read_text())
    assert settings["epochs"] == 2
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    told = [line.get("stage", line["kind"]) for line in lines if line["kind"] != "step"]
    assert told == ["begin", "reading", "training", "tune", "finishing", "end"]
    assert {"top1", "sens1", "mean_sens", "ap50"} <= lines[-3].keys()


def test_false_alarms_of_an_earlier_run_are_mined_off_the_nodules(trained: Path, folder: Path) -> None:
    slices = luna16_slices.read(folder, samples.TRAIN)
    settings = nodules.NoduleSettings(**json.loads((trained / "settings.json").read_text()))
    task = nodules.NoduleTask(settings, 1)
    for points, item in zip(nodules.mine(slices, task, least=0.0), slices, strict=True):
        assert 0 < len(points) <= 6
        x0, y0, x1, y1 = item.boxes[0]
        assert not any(x0 < x < x1 and y0 < y < y1 for x, y in points)


def test_crops_aim_at_false_alarms_where_they_are_known(folder: Path) -> None:
    item = luna16_slices.read(folder, samples.TRAIN)[0]
    pixels = np.zeros((140, 140), np.uint8)
    pixels[20:23, 110:113] = 255
    settings = CropSettings(size=48, nodules=0.0, hard=1.0, background=0.0, narrow=0.0)
    for seed in range(10):
        draw = np.random.default_rng(seed)
        image, _ = cut(pixels, np.ones_like(pixels), item.boxes, settings, draw, false_alarms=[(111.5, 21.5)])
        assert image.max() > 0.4, seed


def test_an_earlier_run_that_does_not_fit_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="start_from"):
        nodules.run(None, folder, tmp_path / "out", [*FAST, f"start_from={tmp_path / 'other.ckpt'}"], False)


def test_a_folder_with_a_run_is_not_written_over(trained: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="resume"):
        nodules.run(None, folder, trained, FAST, False)


def test_there_is_nothing_to_resume_in_an_empty_folder(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"last\.ckpt"):
        nodules.run(None, folder, tmp_path, FAST, True)


def test_a_folder_that_is_no_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="layouts"):
        nodules.run(None, tmp_path, tmp_path / "out", FAST, False)


def test_crops_in_hounsfield_units_are_learned_from_beside_the_slices(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "luna16-slices").symlink_to(folder, target_is_directory=True)
    make_crops(tmp_path / "data" / "lidc-hu-crops128")
    nodules.run(None, tmp_path / "data", tmp_path / "out", [*FAST, "hounsfield=0.5"], False)
    card = catalogue.load(tmp_path / "out" / "nodules-ssd-mobilenet_v1.json")
    assert card.training["patients by set"] == {
        "LUNA16 slices": [f"P{k}" for k in range(8)],
        "lidc-hu-crops128": ["P0", "P1"],
    }
    assert card.training["patients"] == 8
    assert card.training["crops in HU"] == 2
