"""Tissue without a lesion, cut out beside lesions, and what a model calls it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Task
from cadviewer.models.catalogue import ModelCard
from cadviewer.phantoms.phantom import breast_ultrasound
from trainers.breast import tissue as breast_tissue
from trainers.data.ultrasound.cases import UltrasoundCase

CARD = ModelCard("fake", "1", Task.BREAST, "", "", {}, {"size": 64}, 0.5, "")


class Sees:
    """Draws a square in the middle, or nothing, always sure that it is benign."""

    batch_size = 4

    def __init__(self, lesion: bool) -> None:
        self.lesion = lesion

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        mask = np.full((len(batch), 1, *batch.shape[2:]), -9.0, np.float32)
        if self.lesion:
            mask[..., 20:40, 20:40] = 9
        return mask, np.full(len(batch), -5, np.float32)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> UltrasoundCase:
    """A phantom made twice as wide, with its lesion in the left half."""
    folder = tmp_path_factory.mktemp("tissue")
    image, mask, _ = breast_ultrasound(1, malignant=False)
    other, _, _ = breast_ultrasound(2, malignant=False)
    wide = np.hstack([image, other])
    lesion = np.hstack([(mask > 0).astype(np.uint8) * 255, np.zeros_like(mask, np.uint8)])
    cv2.imwrite(str(folder / "a.png"), wide)
    cv2.imwrite(str(folder / "m.png"), lesion)
    return UltrasoundCase("a", folder / "a.png", (folder / "m.png",), False, "p")


def test_a_cut_holds_nothing_of_the_lesion(case: UltrasoundCase) -> None:
    gray, mask = case.read()
    marked = gray.copy()
    marked[mask > 0] = 255
    cv2.imwrite(str(case.image), marked)
    try:
        cuts = [breast_tissue.cut(case, seed) for seed in range(5)]
    finally:
        cv2.imwrite(str(case.image), gray)
    found = [c for c in cuts if c is not None]
    assert found
    whole = (marked == 255).sum()
    for one in found:
        assert (one == 255).sum() < whole / 20  # bright specks, not the lesion
        assert min(one.shape) >= gray.shape[0] / 3.2


def test_no_side_wide_enough_gives_no_cut(case: UltrasoundCase, tmp_path: Path) -> None:
    gray, _ = case.read()
    cv2.imwrite(str(tmp_path / "all.png"), np.full_like(gray, 255))
    full = UltrasoundCase("b", case.image, (tmp_path / "all.png",), False, "q")
    assert breast_tissue.cut(full, 0) is None
    assert breast_tissue.calls([full], Sees(True), CARD) == []


def test_calls_are_those_of_the_model_and_shares_are_counted(case: UltrasoundCase) -> None:
    empty = breast_tissue.calls([case, case], Sees(False), CARD)
    seen = breast_tissue.calls([case, case], Sees(True), CARD)
    assert [call for _, call in empty] == ["no_lesion"] * 2
    assert "no_lesion" not in [call for _, call in seen]
    shares = breast_tissue.shares([empty[0], seen[0]])
    assert shares["cuts"] == 2
    assert shares["patients"] == 1
    assert shares["no_lesion"][0] == 0.5
    assert shares[seen[0][1]][0] == 0.5
