"""The engine that ships against torch in float32, through the whole analyses: findings, calls, masks, score maps.

Bounds: scores .001, boxes .2 pixels, masks Dice .995. Real images of the folds for choices (fold 2 of LUNA16, fold 4 of
BUS-BRA) and of the chest CT, where they are there; the demo's phantoms everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import BreastFinding, Nodule, Task
from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Volume
from cadviewer.models import catalogue
from cadviewer.models.breast import analysis as breast
from cadviewer.models.breast import explanation
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nets.runtime import TorchForward, build
from cadviewer.models.nodules.analysis import find_nodules
from cadviewer.models.openvino_runtime import OpenvinoRuntime
from cadviewer.models.runtime import Companion, Forward
from cadviewer.phantoms.files import write_demo_study
from trainers.breast.evaluation import own_cases, volume_of
from trainers.data import read_slices
from trainers.data.ct import samples

SCORE, PIXELS, DICE = 1e-3, 0.2, 0.995
IMAGES = 10


def both(card: ModelCard) -> tuple[Forward, Forward]:
    """Of torch and of OpenVINO, with batches of one size: a batch's slices are cut alike."""
    return TorchForward(build(card), "cpu", precision="float32", batch_size=4), OpenvinoRuntime("cpu").build(card)


@pytest.fixture(scope="module")
def nodules() -> tuple[ModelCard, list[dict[str, Companion]], tuple[Forward, Forward]]:
    card = catalogue.default(Task.NODULES)
    outline = catalogue.card(card.companions["outline"], role="outline")
    return card, [{"outline": Companion(outline, forward)} for forward in both(outline)], both(card)


@pytest.fixture(scope="module")
def lesions() -> tuple[ModelCard, tuple[Forward, Forward]]:
    card = catalogue.default(Task.BREAST)
    return card, both(card)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[Series]:
    folder = tmp_path_factory.mktemp("demo")
    write_demo_study(folder)
    return [s for s in files.scan([folder]) if isinstance(s, Series)]


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    whole = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / whole if whole else 1.0


def same_nodules(volume: Volume, setting: tuple[ModelCard, list[dict[str, Companion]], tuple[Forward, Forward]]) -> int:
    """Holds both against each other; how many findings and candidates there are."""
    card, companions, forwards = setting
    wanted, found = (
        find_nodules(volume, forward, card, threshold=0.05, companions=with_them)
        for forward, with_them in zip(forwards, companions, strict=True)
    )
    assert len(found.nodules) == len(wanted.nodules)
    left: list[Nodule] = list(found.nodules)
    for nodule in wanted.nodules:  # two of nearly the same score may have changed places
        twin = min(left, key=lambda other: abs(other.score - nodule.score) + distance(other, nodule))
        left.remove(twin)
        assert abs(twin.score - nodule.score) < SCORE
        assert distance(twin, nodule) < PIXELS
        assert (twin.long_mm is None) == (nodule.long_mm is None)
        if twin.long_mm is not None and nodule.long_mm is not None:
            assert abs(twin.long_mm - nodule.long_mm) < 0.2
        assert twin.type == nodule.type
    return len(wanted.nodules)


def distance(a: Nodule, b: Nodule) -> float:
    """Between the edges of the best boxes; infinite on different slices."""
    if a.box.slice != b.box.slice:
        return float("inf")
    return max(abs(getattr(a.box, edge) - getattr(b.box, edge)) for edge in ("x0", "y0", "x1", "y1"))


def same_lesions(volume: Volume, setting: tuple[ModelCard, tuple[Forward, Forward]]) -> int:
    card, forwards = setting
    wanted, found = (breast.assess(volume, forward, card).findings for forward in forwards)
    for one, other in zip(wanted, found, strict=True):
        same_lesion(one, other)
    return len(wanted)


def same_lesion(wanted: BreastFinding, found: BreastFinding) -> None:
    assert found.call == wanted.call
    assert (found.probability is None) == (wanted.probability is None)
    if found.probability is not None and wanted.probability is not None:
        for part in ("value", "low", "high"):
            assert abs(getattr(found.probability, part) - getattr(wanted.probability, part)) < SCORE
    if found.mask is not None and wanted.mask is not None:
        assert dice(found.mask > 0, wanted.mask > 0) >= DICE
    else:
        assert found.mask is wanted.mask


def test_the_demo_study_is_the_same(demo: list[Series], nodules, lesions) -> None:  # type: ignore[no-untyped-def]
    ct = [s for s in demo if s.modality == "CT"]
    images = [s for s in demo if s.modality != "CT"]
    assert sum(same_nodules(files.read(s), nodules) for s in ct) >= 4
    assert sum(same_lesions(files.read(s), lesions) for s in images) >= 4


def test_a_score_map_is_the_same(demo: list[Series], lesions) -> None:  # type: ignore[no-untyped-def]
    card, forwards = lesions
    volume = files.read(next(s for s in demo if s.modality != "CT"))
    wanted, found = (explanation.explain(volume, 0, forward, card).values for forward in forwards)
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_slices_of_the_tune_fold_have_the_same_findings(data: Path, nodules) -> None:  # type: ignore[no-untyped-def]
    items = read_slices(data, samples.TUNE)
    found = 0
    for item in items[:: max(1, len(items) // IMAGES)][:IMAGES]:
        (series,) = (s for s in files.scan([item.image]) if isinstance(s, Series))
        found += same_nodules(files.read(series), nodules)
    assert found >= IMAGES


def test_images_of_the_tune_fold_have_the_same_calls_and_masks(data: Path, lesions) -> None:  # type: ignore[no-untyped-def]
    cases = own_cases(data, [4])
    for case in cases[:: max(1, len(cases) // IMAGES)][:IMAGES]:
        assert same_lesions(volume_of(case, case.gray()), lesions) == 1


@pytest.mark.slow
def test_the_findings_of_a_whole_ct_are_the_same(chest_ct_99: Path, nodules) -> None:  # type: ignore[no-untyped-def]
    (series,) = (s for s in files.scan([chest_ct_99]) if isinstance(s, Series))
    assert same_nodules(files.read(series), nodules) >= 7
