"""Crops in Hounsfield units as a model sees them: masked or not, with their neighbours or repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_nodule_sources import crop

from cadviewer.findings import Task
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nodules.boxes import SMALL, default_boxes, levels
from trainers.nodules import evaluate_crops
from trainers.nodules import sources as nodule_sources

CARD = ModelCard("m", "1", Task.NODULES, "t", "ssd", {"boxes": list(SMALL)}, {}, 0.5, "")


class Bright:
    """A `Forward` that scores a default box by the grey at its middle, and keeps what it was shown."""

    batch_size = 1

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.seen.append(batch.copy())
        rows, columns = batch.shape[-2:]
        boxes = default_boxes(levels(SMALL), rows, columns)
        middle = ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(int)
        at = batch[0, batch.shape[1] // 2, middle[:, 1].clip(0, rows - 1), middle[:, 0].clip(0, columns - 1)]
        return (20 * at[None, :, None] - 10).astype(np.float32), np.zeros((1, len(boxes), 4), np.float32)


def test_a_crop_is_searched_masked_and_as_it_is() -> None:
    walled = crop()
    pixels = walled.pixels.copy()
    pixels[:, 100:] = 128  # a wall that is no lung
    walled = replace(walled, pixels=pixels)
    model = Bright()
    (masked,) = evaluate_crops.search([walled], model, CARD, masked=True, neighbours=False, floor=0.01)
    (bare,) = evaluate_crops.search([walled], model, CARD, masked=False, neighbours=False, floor=0.01)
    hidden, shown = model.seen
    assert hidden[0, 0, 30, 62] == 0, "the wall, far from the lung"
    assert shown[0, 0, 30, 62] == pytest.approx(128 * 8 / 1400, abs=0.003)
    for found in (masked, bare):
        np.testing.assert_allclose(found.nodules, [[28, 28, 36, 36]], atol=0.1)
        assert len(found.boxes)
    assert masked.scores.max() > 0.9


def test_a_model_of_three_slices_sees_the_true_neighbours_or_the_slice_again() -> None:
    crops = [crop(slice=1, radius=4.0), crop(slice=2), crop(slice=3, radius=6.0)]
    card = replace(CARD, inputs={"neighbours": 1})
    assert [w[0] for w in evaluate_crops.ways(card)] == [
        "masked, with their neighbours",
        "masked, repeated",
        "not masked, with their neighbours",
        "not masked, repeated",
    ]
    assert [w[0] for w in evaluate_crops.ways(CARD)] == ["masked", "not masked"]
    model = Bright()
    evaluate_crops.search(crops, model, card, masked=False, neighbours=True, floor=0.01)
    areas = [(channel > 0.5).sum() for channel in model.seen[1][0]]
    assert areas[0] < areas[2] < areas[1]
    evaluate_crops.search(crops, model, card, masked=False, neighbours=False, floor=0.01)
    middle = model.seen[4][0]
    assert np.array_equal(middle[0], middle[1])
    assert np.array_equal(middle[2], middle[1])
    assert nodule_sources.beside(crops) == [(0, 1), (0, 2), (1, 2)]
