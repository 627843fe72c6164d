"""The breast model that ships, on the demo's phantoms and on real images that it was not trained on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Call, Task
from cadviewer.imaging import files
from cadviewer.imaging.series import Series
from cadviewer.models import catalogue
from cadviewer.models.breast import analysis as breast
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nets.runtime import TorchForward, build
from cadviewer.phantoms.phantom import breast_ultrasound
from trainers.breast.evaluation import auc, measure, volume_of
from trainers.data.ultrasound import bus_bra
from trainers.data.ultrasound.cases import UltrasoundCase

Model = tuple[ModelCard, TorchForward]


@pytest.fixture(scope="module")
def model() -> Model:
    card = catalogue.default(Task.BREAST)
    return card, TorchForward(build(card), "cpu")


def dice(found: NDArray[np.uint8] | None, truth: NDArray[np.uint8]) -> float:
    assert found is not None
    a, b = found > 0, truth > 0
    return 2 * int((a & b).sum()) / (int(a.sum()) + int(b.sum()))


def test_the_card_says_what_it_was_trained_on_and_what_was_measured(model: Model) -> None:
    card, _ = model
    assert card.weights.stat().st_size <= 25_000_000
    assert card.training["sets"]["BUS-BRA"]["folds"] == [1, 2, 3]
    assert all(learned["citation"] and learned["licence"] for learned in card.training["sets"].values())
    assert card.training["started_with"]["licence"] == "Apache-2.0"
    assert card.limits
    assert 0 < card.threshold < 1
    value, low, high = card.measured["BUS-BRA fold 5"]["auc"]
    assert low <= value <= high


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_lesion_of_each_demo_image_is_outlined(model: Model, seed: int) -> None:
    card, forward = model
    image, truth, _ = breast_ultrasound(seed, malignant=seed % 2 == 0)
    case = UltrasoundCase("phantom", Path("phantom.png"), (), None, "phantom")
    found = breast.assess(volume_of(case, image), forward, card).findings[0]
    assert dice(found.mask, truth) >= 0.7
    assert found.probability is not None
    assert found.probability.low <= found.probability.value <= found.probability.high


def test_a_mirrored_image_gives_the_mirrored_mask_and_the_same_score(model: Model) -> None:
    card, forward = model
    image, _, _ = breast_ultrasound(2, malignant=True)
    case = UltrasoundCase("phantom", Path("phantom.png"), (), None, "phantom")
    straight = breast.assess(volume_of(case, image), forward, card).findings[0]
    mirrored = breast.assess(volume_of(case, np.ascontiguousarray(image[:, ::-1])), forward, card).findings[0]
    assert straight.probability is not None
    assert mirrored.probability is not None
    assert straight.mask is not None
    assert mirrored.probability.value == pytest.approx(straight.probability.value, abs=0.03)
    assert dice(mirrored.mask, np.ascontiguousarray(straight.mask[:, ::-1])) > 0.97


def test_real_images_of_the_tune_fold_are_outlined_and_ranked(model: Model, data: Path) -> None:
    card, forward = model
    folder = bus_bra.find(data)
    assert folder is not None
    rows = [measure("tune", case, forward, card) for case in bus_bra.cases(folder, [4])[::12]]
    assert np.mean([r.dice for r in rows]) > 0.75
    score, label = np.array([r.probability for r in rows]), np.array([r.malignant for r in rows])
    assert auc(score, label) > 0.7
    assert not any(math.isnan(s) for s in score)


def test_an_image_opened_as_a_file_gives_what_evaluation_measures(model: Model, data: Path) -> None:
    card, forward = model
    folder = bus_bra.find(data)
    assert folder is not None
    case = bus_bra.cases(folder, [4])[0]
    (series,) = files.scan([case.image])
    assert isinstance(series, Series)
    found = breast.assess(files.read(series), forward, card).findings[0]
    row = measure("tune", case, forward, card)
    assert found.probability is not None
    assert found.probability.value == pytest.approx(row.probability, abs=1e-6)
    assert found.call in set(Call)
