"""Suspicion learned from ratings: larger nodules rated higher are called more suspicious, with an honest interval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cadviewer.findings import Box, Estimate
from cadviewer.models.nodules.malignancy import FEATURES, features, suspicion
from trainers.data.ct.samples import LabelledSlice
from trainers.nodules import malignancy as trainer


def disc(diameter: float, level: float = 0.75, centre: tuple[float, float] = (40.0, 44.0)) -> np.ndarray:
    """(80, 80) prepared slice: lung with a disc; centre in edge coordinates."""
    ys, xs = np.mgrid[:80, :80] + 0.5
    distance = np.hypot(xs - centre[0], ys - centre[1])
    filled = np.clip(diameter / 2 - distance + 0.5, 0, 1)
    return np.asarray(0.1 + (level - 0.1) * filled, np.float32)


def around(diameter: float) -> Box:
    half = diameter / 2
    return Box(0, 40 - half, 44 - half, 40 + half, 44 + half, 0.7)


def test_features_are_what_they_are_called() -> None:
    values = dict(zip(FEATURES, features(disc(12.0), around(12.0), 1.0), strict=True))  # type: ignore[arg-type]
    assert np.exp(values["log long axis"]) == pytest.approx(12, rel=0.1)
    assert np.exp(values["log box side"]) == pytest.approx(12)
    assert values["density"] == pytest.approx(0.72, abs=0.05)
    assert values["irregularity"] == pytest.approx(1.0, abs=0.35)
    assert values["solid share"] > 0.9
    assert values["calcified share"] == 0
    assert values["pleural"] < 0.2
    fine = dict(zip(FEATURES, features(disc(12.0), around(12.0), 0.5), strict=True))  # type: ignore[arg-type]
    assert np.exp(fine["log long axis"]) == pytest.approx(6, rel=0.1), "half the pixel size, half the millimetres"


def test_where_there_is_only_lung_there_is_nothing_to_describe() -> None:
    assert features(np.full((80, 80), 0.1, np.float32), around(10.0), 1.0) is None


MODEL = {
    "mean": [0.0] * len(FEATURES),
    "scale": [1.0] * len(FEATURES),
    "rounds": [[c - 1, c, c + 1, c + 2, 1.0] + [0.0] * (len(FEATURES) - 1) for c in (0.0, -0.5, 0.5)],
    "agreement": [0.1, 0.6],
}


def with_first(value: float) -> np.ndarray:
    return np.array([value] + [0.0] * (len(FEATURES) - 1))


def test_the_value_is_the_chance_of_a_four_or_five_and_the_interval_holds_it() -> None:
    estimate = suspicion(with_first(0.5), MODEL)
    assert estimate.value == pytest.approx(1 / (1 + np.exp(0.5)))  # the cut between 3 and 4 is at 1
    assert estimate.low == pytest.approx(1 / (1 + np.exp(1.0)), abs=0.02)
    assert estimate.high == pytest.approx(0.5, abs=0.02)
    above = [1 / (1 + np.exp(c - 0.5)) for c in (-1, 0, 1, 2)]
    expected = -np.diff([1, *above, 0])
    np.testing.assert_allclose(estimate.classes, expected, atol=1e-9)
    assert sum(estimate.classes[3:]) == pytest.approx(estimate.value)
    assert estimate.grade == 3


def test_no_value_is_surer_than_one_reader_is_of_what_the_others_agree_on() -> None:
    high, low = suspicion(with_first(9.0), MODEL), suspicion(with_first(-9.0), MODEL)
    assert high.value == high.low == high.high == pytest.approx(0.6)
    assert low.value == pytest.approx(0.1)
    assert (high.grade, low.grade) == (4, 1)


def test_nothing_is_surer_than_the_image_can_make_it() -> None:
    certain = {**MODEL, "agreement": [0.001, 0.999]}
    assert suspicion(with_first(99.0), certain).high == pytest.approx(0.95)
    assert suspicion(with_first(-99.0), certain).low == pytest.approx(0.05)


def test_the_classes_in_brackets_are_those_of_four_fifths_of_the_readers() -> None:
    assert Estimate(0.5, 0.5, 0.5, (0.05, 0.2, 0.3, 0.3, 0.15)).spread == (2, 5)
    assert Estimate(0.5, 0.5, 0.5, (0.0, 0.0, 1.0, 0.0, 0.0)).spread == (3, 3)
    assert Estimate(0.5, 0.5, 0.5).spread is None


def test_the_suspicion_of_a_card_of_an_older_run_is_read_as_it_was_meant() -> None:
    older = {
        "mean": [0.0] * len(FEATURES),
        "scale": [1.0] * len(FEATURES),
        "rounds": [[0.5] + [0.0] * len(FEATURES), [0.1] + [0.0] * len(FEATURES), [0.9] + [0.0] * len(FEATURES)],
        "slope": 2.0,
        "offset": -1.0,
    }
    estimate = suspicion(np.zeros(len(FEATURES)), older)
    assert estimate.value == pytest.approx(0.5)  # 2 · 0.5 − 1 = 0
    assert estimate.low == pytest.approx(1 / (1 + np.exp(0.76)), abs=0.02)
    assert estimate.high == pytest.approx(1 / (1 + np.exp(-0.76)), abs=0.02)
    assert estimate.classes == ()
    assert estimate.grade is None


def test_readers_agree_as_often_as_they_are_counted_to() -> None:
    # Of three readers two say 5: the third says 5, 5 and 2; of two readers nothing is known.
    assert trainer.agreement([(5, 5, 5), (5, 5, 2), (4, 4)]) == pytest.approx((1 / 2, 4 / 6))
    assert trainer.agreement([(1, 2, 1), (1, 2, 4)]) == pytest.approx((2 / 6, 1 / 2))


def test_coefficients_are_those_that_ratings_were_drawn_with() -> None:
    draw = np.random.default_rng(1)
    features_ = draw.normal(0, 1, (4000, len(FEATURES)))
    line = 1.5 * features_[:, 2]
    cuts = np.array([-2.0, -0.5, 1.0, 2.0])
    ratings = [tuple(int(v) for v in 1 + (x + draw.logistic(0, 1, (3, 1)) > cuts).sum(axis=1)) for x in line]
    patients = tuple(f"P{k // 4}" for k in range(4000))
    model = trainer.learn(trainer.Rated(features_, tuple(ratings), patients), rounds=0)
    assert model is not None
    fitted = np.array(model["rounds"][0])
    np.testing.assert_allclose(fitted[:4], cuts, atol=0.15)
    scale = np.array(model["scale"])
    expected = np.zeros(len(FEATURES))
    expected[2] = 1.5
    np.testing.assert_allclose(fitted[4:] / scale, expected, atol=0.12)


def rated(folder: Path, count: int, fold: str) -> list[LabelledSlice]:
    import cv2

    draw = np.random.default_rng(int(fold))
    made = []
    for k in range(count):
        large = k % 2 == 0
        side = float(draw.uniform(11, 22) if large else draw.uniform(5, 12))
        path = folder / f"{fold}-{k}.png"
        noisy = disc(side) + draw.normal(0, 0.02, (80, 80))
        cv2.imwrite(str(path), np.clip(noisy * 255, 0, 255).astype(np.uint8))
        b = around(side)
        box = np.array([[b.x0, b.y0, b.x1, b.y1]], np.float32)
        ratings = ((4, 5, 5),) if large else ((1, 2, 1),)
        made.append(LabelledSlice(path, f"P{fold}{k}", "1", fold, box, np.array([side], np.float32), ratings=ratings))
    return made


def test_larger_nodules_that_readers_rated_higher_are_more_suspicious(tmp_path: Path) -> None:
    model = trainer.learn(trainer.of_slices(rated(tmp_path, 100, "3"), 1.0), rounds=10)
    assert model is not None
    large, small = (suspicion(features(disc(d), around(d), 1.0), model) for d in (20.0, 6.0))  # type: ignore[arg-type]
    assert large.value > 0.8
    assert small.value < 0.2
    assert (large.grade, small.grade) in {(4, 2), (5, 1), (4, 1), (5, 2)}
    assert large.low <= large.value <= large.high
    figures = trainer.figures(trainer.of_slices(rated(tmp_path, 40, "1"), 1.0), model, rounds=50)
    assert figures["suspicion (readers' ratings), AUC"][0] > 0.9
    assert figures["suspicion (readers' ratings), nodules"] == 40


def test_indeterminate_ratings_are_left_out_and_too_few_teach_nothing(tmp_path: Path) -> None:
    slices = rated(tmp_path, 10, "3")
    indeterminate = [LabelledSlice(**{**vars(s), "ratings": ((3, 3),)}) for s in slices]
    assert trainer.figures(trainer.of_slices(indeterminate, 1.0), MODEL, rounds=5) == {}
    assert trainer.learn(trainer.of_slices(slices, 1.0)) is None
