"""The outline trainer: what a patch shows and asks for, a short run that learns, resuming, the exported card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from test_lidc_crops import make

from cadviewer.findings import Task
from cadviewer.models import catalogue, nets
from cadviewer.models.nets import runtime
from cadviewer.models.nodules.outline import SIDE, shape
from trainers.config import ConfigError
from trainers.data.ct import lidc_crops
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.outline import figures as outline_figures
from trainers.outline import trainer as outline
from trainers.outline.patches import PatchSettings, draw_patch, hold, jittered


def crop_of(radius: float, centre: tuple[float, float] = (64.0, 64.0)) -> OutlinedCrop:
    """Lung with a wall and a disc that two readers outline, the second generously."""
    y, x = np.mgrid[:128, :128] + 0.5
    apart = np.hypot(x - centre[0], y - centre[1])
    pixels = np.where(apart < radius, 150, 40).astype(np.uint8)
    pixels[:, 110:] = 150
    readers = np.stack([apart < radius, apart < radius + 1])
    return OutlinedCrop("disc", "P", "nodule-0", 0, "3", pixels, readers, slope=8.1, intercept=-1184.0, pixel_mm=0.7)


def test_the_network_is_small_and_gives_one_map_per_patch() -> None:
    network = nets.build("outline", {})
    count = sum(p.numel() for p in network.parameters())
    assert 300_000 < count < 1_000_000
    for side in (SIDE, 64):
        assert network(torch.zeros(2, 3, side, side))[0].shape == (2, 1, side, side)


def test_a_patch_asks_for_what_the_readers_drew_where_it_shows_it() -> None:
    held = hold(crop_of(9.0))
    settings = PatchSettings(empty=0.0, masked=0.0)
    draw = np.random.default_rng(0)
    overlaps = []
    for _ in range(40):
        planes, target = draw_patch(held, settings, draw)
        assert planes.shape == (3, SIDE, SIDE)
        assert planes[0].min() >= 0
        assert planes[0].max() <= 1
        middle = planes[1] > 0.5
        assert target[middle].mean() > 0.25, "the nodule is in the box"
        bright = planes[0] > (planes[0].max() + planes[0].min()) / 2
        near = target > 0.02  # not the wall
        overlaps.append((bright & (target >= 0.5)).sum() / max((bright & near).sum(), 1))
    assert np.mean(overlaps) > 0.9


def test_a_box_without_a_nodule_asks_for_nothing() -> None:
    held = hold(crop_of(4.0, (20.0, 20.0)))
    draw = np.random.default_rng(3)
    targets = [draw_patch(held, PatchSettings(empty=1.0), draw)[1] for _ in range(30)]
    assert sum(t.max() == 0 for t in targets) > 20


def test_the_same_draw_gives_the_same_patch() -> None:
    held = hold(crop_of(9.0))
    one, other = (draw_patch(held, PatchSettings(), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_boxes_are_drawn_around_the_true_one_within_their_limits() -> None:
    draw, settings = np.random.default_rng(1), PatchSettings()
    drawn = [jittered(np.array([50.0, 40.0]), np.array([10.0, 12.0]), settings, draw) for _ in range(300)]
    sides = np.array([s for _, s in drawn])
    assert 7.0 < sides.min() < 9.0
    assert 15.0 < sides.max() < 19.0
    assert np.mean([c for c, _ in drawn], axis=0) == pytest.approx([50, 40], abs=0.3)


def settings_of(**changes: object) -> list[str]:
    given = {
        "epochs": 2,
        "batch": 2,
        "patches": 8,
        "widths": "4,8,8,8",
        "threads": 1,
        "check_every": 1,
        "device": "cpu",
        "precision": "32-true",
    }
    return [f"{key}={value}" for key, value in (given | changes).items()]


def test_a_run_exports_a_companion_that_can_be_built(tmp_path: Path) -> None:
    data = make(tmp_path / "lidc-hu-crops128")
    outline.run(None, data, tmp_path / "run", settings_of(), resume=False)
    card = catalogue.load(tmp_path / "run" / "nodules-outline.json")
    assert (card.task, card.role, card.network) == (Task.NODULES, "outline", "outline")
    assert 0.3 <= card.threshold <= 0.7
    assert card.training["crops"] == 2
    forward = runtime.TorchForward(runtime.build(card), "cpu")
    assert forward(np.zeros((1, 3, SIDE, SIDE), np.float32))[0].shape == (1, 1, SIDE, SIDE)


def test_a_run_that_was_ended_and_resumed_ends_where_the_unbroken_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make(tmp_path / "lidc-hu-crops128")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    outline.run(None, data, whole, settings_of(), resume=False)

    def end(self: outline.OutlineValidation, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.current_epoch == 1:
            raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(outline.OutlineValidation, "on_train_epoch_start", end)
        with pytest.raises(InterruptedError):
            outline.run(None, data, parts, settings_of(), resume=False)
    outline.run(None, data, parts, settings_of(), resume=True)
    one, other = (runtime.build(catalogue.load(p / "nodules-outline.json")).state_dict() for p in (whole, parts))
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, rtol=0, atol=1e-3)


def test_data_without_crops_to_train_on_is_refused(tmp_path: Path) -> None:
    data = make(tmp_path / "lidc-hu-crops128")
    index = data / "index.csv"
    index.write_text(index.read_text().replace(",3,8.0,", ",1,8.0,"))
    with pytest.raises(ConfigError, match="no crops of folds"):
        outline.run(None, data, tmp_path / "run", settings_of(), resume=False)


def test_a_perfect_outline_has_a_dice_of_one_and_readers_are_measured_against_the_others() -> None:
    crop = crop_of(9.0)
    crops = [crop, replace(crop, patient="Q")]
    values, patients = outline_figures.dice_per_nodule(
        crops, [c.consensus for c in crops], [c.consensus for c in crops]
    )
    assert values.tolist() == [1.0, 1.0]
    assert patients == ["P", "Q"]
    inner, outer = crop.readers
    expected = 2 * inner.sum() / (inner.sum() + outer.sum())
    readers, ours, _ = outline_figures.beside_readers(crops, [inner, inner])
    assert readers == pytest.approx([expected] * 2)
    assert ours == pytest.approx([(1 + expected) / 2] * 2)


def test_an_outline_filled_again_is_the_mask_that_it_came_from() -> None:
    crop = crop_of(11.0, (61.3, 66.8))
    (patch,) = outline_figures.boxes([crop])
    found = shape(patch.planes(crop.consensus.astype(np.float32))[0], patch, 0.5)
    assert found is not None
    mask = outline_figures.fill(found.polygon, (128, 128))
    assert (mask != crop.consensus).sum() <= 0.03 * crop.consensus.sum()
    assert outline_figures.long_axis(crop.consensus) == pytest.approx(24, abs=1.5)


def test_the_threshold_method_finds_a_disc_in_a_crop(tmp_path: Path) -> None:
    crop = crop_of(9.0)
    (mask,) = outline_figures.masks_by_threshold([crop], outline_figures.boxes([crop]))
    dice = 2 * (mask & crop.readers[0]).sum() / (mask.sum() + crop.readers[0].sum())
    assert dice > 0.93
    assert lidc_crops.consensus(crop.readers).any()
