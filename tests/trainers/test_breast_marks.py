"""What burned-in marks do to a score, with a network that leans on them on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Task
from cadviewer.models.catalogue import ModelCard
from cadviewer.phantoms.phantom import breast_ultrasound
from trainers.breast import marks as breast_marks
from trainers.data.ultrasound.cases import UltrasoundCase

CARD = ModelCard("fake", "1", Task.BREAST, "", "", {}, {"size": 192}, 0.5, "")


class Leaning:
    """A network whose logit grows with thin bright strokes, as one that learned calipers would."""

    batch_size = 4

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        strokes = [cv2.morphologyEx(b[0], cv2.MORPH_TOPHAT, np.ones((5, 5), np.uint8)).max() for b in batch]
        logit = self.weight * (np.array(strokes) - 2)
        return np.where(batch < -0.8, 4, -4).astype(np.float32), logit.astype(np.float32)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[UltrasoundCase]:
    """Six phantoms, half of them malignant, two of one patient."""
    folder = tmp_path_factory.mktemp("phantoms")
    found = []
    for k in range(6):
        image, mask, _ = breast_ultrasound(k, malignant=k % 2 == 0)
        cv2.imwrite(str(folder / f"{k}.png"), image)
        cv2.imwrite(str(folder / f"{k}_mask.png"), (mask > 0).astype(np.uint8) * 255)
        found.append(
            UltrasoundCase(f"{k}", folder / f"{k}.png", (folder / f"{k}_mask.png",), k % 2 == 0, f"p{max(k, 1)}")
        )
    return found


def test_a_network_that_leans_on_marks_is_found_out(cases: list[UltrasoundCase]) -> None:
    leaning = breast_marks.changes("made", cases, Leaning(1), CARD)
    honest = breast_marks.changes("made", cases, Leaning(0), CARD)
    for way in ("calipers on the lesion", "calipers elsewhere", "text"):
        own = [c for c in leaning if c.way == way]
        assert len(own) == 6
        figures = breast_marks.figures(own, 0.5, rounds=50)
        assert figures["change"][0] > 0.02, way
        assert figures["absolute_change"][0] >= figures["change"][0]
        assert figures["patients"] == 5
    plain = breast_marks.figures([c for c in honest if c.way == "text"], 0.5, rounds=50)
    assert plain["absolute_change"][0] == pytest.approx(0, abs=1e-9)
    assert plain["flips"][0] == 0


def test_calipers_lie_at_the_ends_of_the_lesion_or_away_from_it() -> None:
    image, truth = np.full((120, 160), 40, np.uint8), np.zeros((120, 160), np.uint8)
    truth[30:60, 50:90] = 1
    generator = np.random.default_rng(0)
    on = breast_marks.calipers_on_lesion(image, truth, generator)
    away = breast_marks.calipers_elsewhere(image, truth, generator)
    assert on is not None
    assert away is not None
    rows, columns = np.nonzero(on != image)
    assert rows.min() >= 30 - 6
    assert rows.max() <= 60 + 6
    assert columns.min() >= 50 - 6
    assert columns.max() <= 90 + 6
    assert (away != image).any()
    assert (away != image)[truth > 0].sum() < (on != image)[truth > 0].sum()
    assert breast_marks.calipers_on_lesion(image, np.zeros_like(truth), generator) is None


def test_crosses_are_found_and_painted_over_and_tissue_is_left() -> None:
    image, truth, _ = breast_ultrasound(3)
    assert not breast_marks.find_crosses(image).any()
    assert breast_marks.painted_over(image, truth, np.random.default_rng(0)) is None
    marked = image.copy()
    for at in ((60, 50), (130, 80)):
        cv2.drawMarker(marked, at, 230, cv2.MARKER_CROSS, 8, 1)
    found = breast_marks.find_crosses(marked)
    changed = marked != image
    assert found[changed].mean() > 0.9
    assert found.mean() < 0.02
    cleaned = breast_marks.painted_over(marked, truth, np.random.default_rng(0))
    assert cleaned is not None
    before = np.abs(marked[changed].astype(int) - image[changed]).mean()
    assert np.abs(cleaned[changed].astype(int) - image[changed]).mean() < before / 3
    assert np.array_equal(cleaned[found == 0], marked[found == 0])


def test_the_same_seed_paints_the_same_marks(cases: list[UltrasoundCase]) -> None:
    one, two = (breast_marks.changes("made", cases[:2], Leaning(1), CARD, seed=7) for _ in range(2))
    assert one == two


def test_images_that_look_alike_to_nobody_are_drawn(tmp_path: Path, cases: list[UltrasoundCase]) -> None:
    part = breast_marks.changes("made", cases, Leaning(1), CARD)
    shown = {
        way: ([c.before for c in part if c.way == way], [c.after for c in part if c.way == way]) for way in ("text",)
    }
    breast_marks.plots_breast.draw_changes(shown, tmp_path / "marks.png", threshold=0.5)
    assert (tmp_path / "marks.png").stat().st_size > 5000
    assert json.dumps(breast_marks.figures(part, 0.5, rounds=5))
