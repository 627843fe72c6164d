"""Crops in Hounsfield units beside lung-masked slices: boxes as LUNA16 makes them, places, batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cadviewer.models.nodules.boxes import SMALL, default_boxes, levels
from trainers.config import ConfigError
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.nodules import sources as nodule_sources
from trainers.nodules.crops import CropSettings
from trainers.nodules.settings import NoduleSettings

SETTINGS = CropSettings(size=64)


def crop(radius: float = 8.0, centre: tuple[float, float] = (64.0, 64.0), **changed: object) -> OutlinedCrop:
    """Lung with a disc that two readers outline; 0.5 mm pixels."""
    y, x = np.mgrid[:128, :128] + 0.5
    disc = np.hypot(x - centre[0], y - centre[1]) < radius
    made = OutlinedCrop(
        name="c",
        patient="P",
        nodule="nodule-0",
        slice=1,
        fold="3",
        pixels=np.where(disc, 128, 15).astype(np.uint8),
        readers=np.stack([disc, disc]),
        slope=8.0,
        intercept=-1000.0,
        pixel_mm=0.5,
        slice_mm=2.5,
        series_uid="1.2",
        corner=(100.0, 50.0),
        z_mm=-20.0,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(("diameter", "side"), [(3.2, 4), (5.4, 4), (5.6, 6), (6.4, 6), (8.9, 8), (9.6, 10), (21, 20)])
def test_boxes_have_the_side_that_luna16_gives_a_diameter(diameter: float, side: float) -> None:
    assert nodule_sources.side_of(diameter) == side


def test_a_crop_becomes_a_slice_of_millimetres_with_its_nodule_in_a_square_box() -> None:
    (made,) = nodule_sources.crop_slices([crop(centre=(50.0, 80.0))])
    assert made.pixels.shape == made.lungs.shape == (64, 64)
    assert made.pixels[5, 5] == round((15 * 8 - 1000 + 1000) / 1400 * 255)
    np.testing.assert_allclose(made.boxes, [[21, 36, 29, 44]], atol=0.1)
    assert made.pixels[40, 25] == round(128 * 8 / 1400 * 255)
    assert made.lungs[40, 25] == 1, "the nodule is part of the lung"


def test_other_nodules_on_the_same_slice_are_nodules_there_too() -> None:
    first = crop()
    second = crop(nodule="nodule-1", corner=(120.0, 50.0))
    elsewhere = crop(nodule="nodule-2", corner=(110.0, 50.0), z_mm=-17.5)
    unplaced = crop(nodule="nodule-3", corner=None, z_mm=None)
    made = nodule_sources.crop_slices([first, second, elsewhere, unplaced])
    assert [len(m.boxes) for m in made] == [2, 2, 1, 1]
    np.testing.assert_allclose(made[0].boxes, [[28, 28, 36, 36], [38, 28, 46, 36]], atol=0.1)


def test_neighbours_are_the_slices_before_and_after_of_the_same_nodule() -> None:
    crops = [crop(slice=k) for k in (1, 2, 4)] + [crop(nodule="nodule-1", slice=3)]
    held = nodule_sources.shelf_of_crops(crops, torch.device("cpu"), 1)
    assert held.beside.tolist() == [[0, 1], [0, 1], [2, 2], [3, 3]]


def test_a_batch_follows_from_seed_epoch_and_place_and_mixes_the_sources() -> None:
    held = nodule_sources.shelf_of_crops([crop(), crop(radius=5)], torch.device("cpu"), 1)
    defaults = torch.from_numpy(default_boxes(levels(SMALL), 64, 64))
    batches = nodule_sources.Batches([(held, 0.6), (held, 0.4)], 8, SETTINGS, defaults, seed=3)
    assert batches.counts == [5, 3]
    first, again, later = batches[(0, 3, 0)], batches[(0, 3, 0)], batches[(0, 4, 0)]
    assert first[0].shape == (8, 1, 64, 64)
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], later[0])
    assert (first[1] > 0).any()


def test_settings_that_batches_cannot_follow_are_refused() -> None:
    with pytest.raises(ConfigError, match="hounsfield"):
        NoduleSettings(hounsfield=1.0)
    with pytest.raises(ConfigError, match="batched"):
        NoduleSettings(hounsfield=0.4, classes="each")
    with pytest.raises(ConfigError, match="batched"):
        NoduleSettings(batched=True, neighbours=2)


def test_false_alarms_of_an_earlier_run_are_on_the_shelf(luna16_slice: Path) -> None:
    from trainers.data.ct.samples import LabelledSlice

    item = LabelledSlice(luna16_slice, "P", "1", "3", np.array([[30, 30, 36, 36]], np.float32), np.array([6.0]))
    held = nodule_sources.shelf_of_slices([item, item], torch.device("cpu"), 1, [[], [(10.5, 12.5), (20.5, 40.5)]])
    assert held.hard_count.tolist() == [0, 2]
    assert held.hard[1].tolist() == [[10.5, 12.5], [20.5, 40.5]]


@pytest.fixture
def luna16_slice(tmp_path: Path) -> Path:
    import cv2

    image = np.zeros((80, 80), np.uint8)
    image[10:70, 10:70] = 30
    cv2.imwrite(str(tmp_path / "0001.png"), image)
    return tmp_path / "0001.png"
