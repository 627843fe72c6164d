"""Pictures of figures: that they say what the figures say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from trainers.metrics import detection_metrics, froc, plots
from trainers.metrics.froc import Slice

ROOT = Path(__file__).resolve().parents[2]


def detector(n: int, sensitivity: float, seed: int = 0) -> tuple[list[Slice], list[np.ndarray]]:
    """Slices with a bright square each, marks on most of them, and a false alarm on every third."""
    draw = np.random.default_rng(seed)
    slices, images = [], []
    for k in range(n):
        x, y, side = draw.uniform(30, 120), draw.uniform(30, 90), draw.uniform(5, 20)
        truth = np.array([[x, y, x + side, y + side]])
        boxes, scores = [], []
        if draw.random() < sensitivity:
            boxes.append(truth[0] + draw.normal(0, 0.4, 4))
            scores.append(draw.uniform(0.4, 1))
        if k % 3 == 0:
            boxes.append(np.array([5, 5, 14, 14.0]))
            scores.append(draw.uniform(0.05, 0.8))
        image = draw.integers(10, 40, (140, 160)).astype(np.uint8)
        image[int(y) : int(y + side), int(x) : int(x + side)] = 190
        slices.append(Slice(np.array(boxes).reshape(-1, 4), np.array(scores), truth))
        images.append(image)
    return slices, images


def drawn(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    assert image.std() > 5  # not an empty sheet
    return image


def test_a_froc_is_drawn_with_its_band(tmp_path: Path) -> None:
    matched = froc.match_slices(detector(60, 0.8)[0])
    band = plots.froc_band(matched, [str(k // 2) for k in range(60)], rounds=50)
    assert (band.low <= band.value).all()
    assert (band.value <= band.high).all()
    np.testing.assert_allclose(band.value, froc.sensitivity_at(froc.froc(matched), band.rates))
    plots.draw_froc({"this": band, "plain": froc.froc(matched)}, tmp_path / "deep" / "froc.png", title="FROC")
    assert drawn(tmp_path / "deep" / "froc.png").shape[1] > 400


def test_the_same_figures_give_the_same_file(tmp_path: Path) -> None:
    ranked = detection_metrics.rank(detector(20, 0.7)[0])
    p, r, _ = detection_metrics.precision_recall(ranked)
    for name in ("a.png", "b.png"):
        plots.draw_precision_recall({"IoU .5": (p, r)}, tmp_path / name, mark=(0.8, 0.6))
    drawn(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_reliability_groups_by_rising_probability(tmp_path: Path) -> None:
    mean, share, count = plots.reliability([0.9, 0.1, 0.2, 0.8], [1, 0, 1, 1], bins=2)
    assert mean == pytest.approx([0.15, 0.85])
    assert share == pytest.approx([0.5, 1.0])
    assert list(count) == [2, 2]
    plots.draw_reliability({"tune": ([0.9, 0.1, 0.2, 0.8], [1, 0, 1, 1])}, tmp_path / "reliability.png", bins=2)
    drawn(tmp_path / "reliability.png")


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    low, high = plots.wilson(np.array([0.5, 0.0, 1.0]), np.array([10, 10, 10], np.intp))
    assert low == pytest.approx([0.2366, 0.0, 0.7225], abs=1e-4)
    assert high == pytest.approx([0.7634, 0.2775, 1.0], abs=1e-4)


def test_examples_are_the_surest_hits_the_misses_and_the_surest_false_alarms(tmp_path: Path) -> None:
    slices, images = detector(30, 0.7, seed=3)
    chosen = plots.choose_examples(slices, images, 0.3, each=4, names=[f"slice {k}" for k in range(30)])
    kinds = [e.kind for e in chosen]
    assert {k: kinds.count(k) for k in set(kinds)} == {"hit": 4, "miss": 4, "false alarm": 4}
    hits = [e for e in chosen if e.kind == "hit"]
    assert all(froc.hit_table(e.marks, e.truth).any() for e in hits)
    misses = [e for e in chosen if e.kind == "miss"]
    assert all(not froc.hit_table(e.marks, e.truth).any() for e in misses)
    false = [e for e in chosen if e.kind == "false alarm"]
    strongest = max(s for one in slices for s, b in zip(one.scores, one.boxes, strict=True) if b[0] == 5)
    assert false[0].scores.max() >= strongest
    plots.draw_examples(chosen, tmp_path / "examples.png", title="Examples")
    drawn(tmp_path / "examples.png")
    plots.draw_examples([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_box_that_lies_on_a_nodule_but_does_not_fit_is_loose_and_no_false_alarm() -> None:
    truth = np.array([[20.0, 20, 24, 24]])
    one = Slice(np.array([[18.0, 18, 26, 26], [60, 60, 66, 66]]), np.array([0.9, 0.6]), truth)
    chosen = plots.choose_examples([one], [np.zeros((80, 80), np.uint8)], 0.5)
    assert [(e.kind, float(e.box[0])) for e in chosen] == [("loose", 20.0), ("false alarm", 60.0)]
    (missed,) = plots.choose_examples([one], [np.zeros((80, 80), np.uint8)], 0.95)
    assert missed.kind == "miss"


def test_matplotlib_is_imported_only_when_something_is_drawn() -> None:
    code = "import sys; import trainers.metrics.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
