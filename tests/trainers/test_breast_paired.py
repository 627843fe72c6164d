"""Differences between breast models on the same images."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from trainers.breast import paired as breast_paired
from trainers.breast.paired import Said


def said(*, right: float, wrong: float, dice: float) -> dict[str, Said]:
    """Forty images of twenty patients; one in four benign ones is called wrongly."""
    return {
        f"{k}.png": Said(str(k // 2), k % 2 == 0, right if k % 2 == 0 else (wrong if k % 8 == 1 else 0.1), dice)
        for k in range(40)
    }


def test_what_is_so_for_every_patient_has_a_narrow_interval() -> None:
    good, poor = said(right=0.9, wrong=0.2, dice=0.9), said(right=0.9, wrong=0.95, dice=0.8)
    found = breast_paired.differences(poor, good, rounds=50)
    assert found["Dice"] == pytest.approx((0.1, 0.1, 0.1))
    value, low, high = found["AUC"]
    assert value == pytest.approx(0.25)
    assert 0 < low <= value <= high
    assert breast_paired.differences(good, good, rounds=5)["AUC"] == (0.0, 0.0, 0.0)


def test_without_masks_there_is_no_difference_of_dice_and_without_common_images_none_at_all() -> None:
    drawn, called = said(right=0.9, wrong=0.2, dice=0.9), said(right=0.9, wrong=0.2, dice=math.nan)
    assert set(breast_paired.differences(drawn, called, rounds=5)) == {"AUC"}
    assert breast_paired.differences(drawn, {"other.png": Said("a", True, 0.5, 0.5)}, rounds=5) == {}


def test_images_of_other_sets_and_normals_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "images.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["set", "name", "patient", "normal", "malignant", "probability", "dice"])
        writer.writerow(["fold 5", "a.png", "p", "False", "True", "0.7", "0.8"])
        writer.writerow(["fold 5", "b.png", "p", "True", "False", "0.1", ""])
        writer.writerow(["external", "c.png", "q", "False", "False", "0.2", ""])
    assert breast_paired.read(path, "fold 5") == {"a.png": Said("p", True, 0.7, 0.8)}
