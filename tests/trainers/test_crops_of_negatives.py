"""Training crops of slices without a nodule, and of places where nothing is to be learned."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from cadviewer.models.nodules.boxes import SMALL, Boxes, iou, levels
from trainers.data.ct.samples import LabelledSlice, no_boxes
from trainers.nodules.crops import Crops, CropSettings, assign
from trainers.nodules.trainer import focal, mined

PLAIN = CropSettings(size=96)


def slice_of(path: Path, boxes: Boxes, ignored: Boxes) -> LabelledSlice:
    image = np.zeros((160, 160), np.uint8)
    image[20:140, 20:140] = 40
    cv2.imwrite(str(path), image)
    return LabelledSlice(path, "p", "", "3", boxes, np.full(len(boxes), np.nan, np.float32), ignored=ignored)


def test_a_slice_without_nodules_is_background_everywhere(tmp_path: Path) -> None:
    crops = Crops([slice_of(tmp_path / "a.png", no_boxes(), no_boxes())], levels(SMALL), PLAIN, 0)
    for place in range(8):
        image, labels, _ = crops[(0, place, 0)]
        assert image.shape == (1, 96, 96)
        assert (labels == 0).all()


def test_an_empty_slice_gives_a_crop_too(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((160, 160), np.uint8))
    black = LabelledSlice(tmp_path / "a.png", "p", "", "3", no_boxes(), np.zeros(0, np.float32))
    image, labels, _ = Crops([black], levels(SMALL), PLAIN, 0)[(0, 0, 0)]
    assert torch.isfinite(image).all()
    assert (labels == 0).all()


def test_on_ignored_boxes_nothing_is_learned_and_crops_do_not_aim_at_them(tmp_path: Path) -> None:
    ignored = np.array([[70, 70, 90, 90]], np.float32)
    crops = Crops([slice_of(tmp_path / "a.png", no_boxes(), ignored)], levels(SMALL), PLAIN, 0)
    seen = [crops[(0, place, 0)][1] for place in range(8)]
    assert all((labels <= 0).all() for labels in seen)
    assert any((labels == -1).any() for labels in seen)


def test_default_boxes_on_ignored_places_do_not_count_but_nodules_do() -> None:
    crops = Crops([], levels(SMALL), PLAIN, 0)
    nodule, other = np.array([[20, 20, 30, 30]], np.float32), np.array([[60, 60, 72, 72]], np.float32)
    labels, _ = assign(nodule, crops.defaults, PLAIN, ignored=other)
    assert (labels == 1).any()
    assert (labels[iou(other, crops.defaults)[0] > 0.3] == -1).all()
    plain, _ = assign(nodule, crops.defaults, PLAIN)
    assert (plain[iou(other, crops.defaults)[0] > 0.3] == 0).all()


def test_a_batch_without_any_nodule_has_a_loss_that_teaches() -> None:
    labels = torch.zeros(2, 200, dtype=torch.int8)
    for loss, classes in ((focal, 1), (mined, 2)):
        logits = torch.zeros(2, 200, classes, requires_grad=True)
        value = loss(logits, labels)
        value.backward()
        assert value > 0
        assert logits.grad is not None
        assert logits.grad.abs().sum() > 0
