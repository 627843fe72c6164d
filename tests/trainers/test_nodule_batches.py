"""Crops made in batches are those that are made one at a time."""

import numpy as np
import pytest
import torch

from cadviewer.models.nodules.boxes import SMALL, default_boxes, levels
from trainers.nodules import batches as nodule_batches
from trainers.nodules import crops as nodule_crops
from trainers.nodules.crops import CropSettings

PLAIN = CropSettings(size=96, augment="none")


def _slice(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    lungs = np.zeros((150, 190), np.uint8)
    lungs[20:130, 15:170] = 1
    boxes = np.array([[60, 50, 66, 56], [100, 70, 120, 90], [20.5, 100.5, 24.5, 104.5]], np.float32)
    return (draw.integers(30, 250, lungs.shape) * lungs).astype(np.uint8), lungs, boxes


def _batch(settings: CropSettings, count: int, *, masked: bool = True, seed: int = 3):
    pixels, lungs, boxes = _slice()
    held = nodule_batches.shelf([pixels], [lungs], [boxes], torch.device("cpu"), masked=masked)
    defaults = torch.from_numpy(default_boxes(levels(SMALL), settings.size, settings.size))
    made = nodule_batches.batch(
        held,
        torch.zeros(count, dtype=torch.long),
        settings,
        defaults,
        torch.Generator().manual_seed(seed),
    )
    return pixels, boxes, defaults, made


@pytest.mark.parametrize("seed", range(6))
def test_labels_and_boxes_are_those_of_single_crops(seed: int) -> None:
    draw = np.random.default_rng(seed)
    centre = draw.uniform(-10, 106, (5, 2))
    half = draw.choice([2.0, 2.0, 3.0, 4.5, 10.0, 16.0], (5, 1))
    boxes = np.concatenate([centre - half, centre + half], 1).astype(np.float32)
    defaults = default_boxes(levels(SMALL), 96, 96)
    labels, targets = nodule_crops.assign(boxes[:4], defaults, PLAIN, ignored=boxes[4:])
    padded = torch.zeros(1, 7, 4)
    padded[0, :5] = torch.from_numpy(boxes)
    at = torch.arange(7)[None]
    got, where = nodule_batches.assign(padded, at < 4, torch.from_numpy(defaults), PLAIN, at == 4)
    assert np.array_equal(got[0].numpy(), labels)
    np.testing.assert_allclose(where[0].numpy(), targets, atol=1e-4)


def test_turned_by_quarters_a_crop_is_made_of_the_pixels_of_the_slice_and_its_boxes_stay_on_them() -> None:
    pixels, boxes, _, (images, labels, targets) = _batch(CropSettings(size=96, augment="flips"), 24)
    assert images.shape == (24, 1, 96, 96)
    found = 0
    for image, label, target in zip(images[:, 0].numpy(), labels.numpy(), targets.numpy(), strict=True):
        for x0, y0, x1, y1 in np.unique(target[label > 0], axis=0):
            if min(x0, y0) < 0 or max(x1, y1) > 96 or x1 - x0 not in (6, 20):
                continue
            seen = np.round(255 * image[round(y0) : round(y1), round(x0) : round(x1)])
            own = next(b for b in boxes if b[2] - b[0] == x1 - x0)
            truth = pixels[int(own[1]) : int(own[3]), int(own[0]) : int(own[2])]
            turns = [np.rot90(t, k) for t in (truth, truth.T) for k in range(4)]
            assert any(np.array_equal(seen, t) for t in turns)
            found += 1
    assert found > 10


def test_what_is_not_masked_is_shown_bare_or_with_a_mask_of_any_width() -> None:
    *_, (images, _, _) = _batch(CropSettings(size=96, augment="flips", nodules=1.0), 60, masked=False)
    pixels, lungs, _ = _slice()
    assert (pixels[lungs == 0] == 0).all()
    depth = nodule_batches.depth_of(lungs)
    assert depth[20, 90] == nodule_batches.BORDER + 1
    assert depth[19, 90] == nodule_batches.BORDER
    assert depth[15, 90] == nodule_batches.BORDER - 4
    assert images.min() >= 0
    assert images.max() <= 1


def test_full_augmentation_keeps_values_and_what_lies_outside_black_or_filled() -> None:
    *_, (images, labels, targets) = _batch(CropSettings(size=96), 16)
    assert torch.isfinite(targets).all()
    assert images.min() >= 0
    assert images.max() <= 1
    assert set(labels.unique().tolist()) <= {-1, 0, 1}
    assert (labels > 0).any()


def test_the_same_seed_gives_the_same_crops() -> None:
    first, second = (_batch(CropSettings(size=96), 4)[3] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
