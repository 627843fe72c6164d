"""Training, resuming, calibrating and measuring on drawn images in the layout of BUS-BRA."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import drawn_bus_bra
import numpy as np
import pytest
from drawn_bus_bra import TINY

from cadviewer.models import catalogue
from cadviewer.models.nets.runtime import build
from trainers.breast import evaluation as evaluate_breast
from trainers.breast import trainer as breast
from trainers.breast.calibration import Observation, calibrate, conformal_quantile, fit_platt
from trainers.config import ConfigError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images of discs, eight of each official fold."""
    return drawn_bus_bra.write(tmp_path_factory.mktemp("bus") / "set")


def lines(out: Path, kind: str) -> list[dict[str, object]]:
    every = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in every if line["kind"] == kind]


def test_a_run_trains_resumes_exports_and_is_measured(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    breast.run(None, drawn, out, [*TINY, "epochs=1"], False)
    assert lines(out, "tune")[-1]["step"] == 2
    with pytest.raises(ConfigError, match="holds a run already"):
        breast.run(None, drawn, out, [*TINY, "epochs=1"], False)
    breast.run(None, drawn, out, [*TINY, "epochs=2"], True)
    assert [line["step"] for line in lines(out, "tune")] == [2, 4]  # the second part went on where the first ended
    card = catalogue.load(out / "breast-hybrid-mt-estan-tiny.json")
    told = card.training["sets"]["BUS-BRA"]
    assert (told["folds"], told["tuned on"], told["images"]) == ([1, 2, 3], [4], 24)
    assert "10.1002/mp.16812" in told["citation"]
    assert "licence" in told
    assert len(card.training["patients by set"]["BUS-BRA"]) == 24
    assert card.calibration["tune_images"] == 8
    assert card.weights.stat().st_size < 25_000_000
    build(card)
    figures = evaluate_breast.evaluate(card, drawn, tmp_path, split="test", device="cpu")
    assert figures["BUS-BRA fold 5"]["images"] == 8
    assert len((tmp_path / "images.csv").read_text().splitlines()) == 9


def test_a_setting_that_makes_no_network_is_named(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image_size"):
        breast.run(None, drawn, tmp_path, ["image_size=100"], False)


def test_data_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="BUS-BRA is not here"):
        breast.run(None, tmp_path, tmp_path / "out", TINY, False)


def test_calibration_finds_the_temperature_and_bias_that_made_the_labels() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, 20_000)
    labels = (generator.random(20_000) < 1 / (1 + np.exp(-(logits / 2 - 0.7)))).astype(float)
    slope, bias = fit_platt(logits, labels)
    assert slope == pytest.approx(0.5, abs=0.02)
    assert bias == pytest.approx(-0.7, abs=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 10.0])
def test_scores_that_say_the_opposite_end_at_a_bounded_slope(scale: float) -> None:
    logits = np.linspace(-scale, scale, 40)
    slope, bias = fit_platt(logits, (logits < 0).astype(float))
    assert 1 / slope < 1e4
    assert abs(slope * logits + bias).max() < 0.1  # every score is one half


def test_the_conformal_quantile_counts_one_more_than_it_has_seen() -> None:
    scores = np.arange(1, 20) / 20  # 19 scores: ⌈20 · 0.9⌉ = 18th smallest
    assert conformal_quantile(scores, 0.1) == pytest.approx(0.90)
    assert conformal_quantile(scores[:5], 0.1) == 1.0


def test_conformal_calls_keep_their_promise_on_fresh_images() -> None:
    generator = np.random.default_rng(1)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = generator.random(n) < 0.4
        return generator.normal(np.where(labels, 1.0, -1.0), 1.2), labels

    logits, labels = draw(600)
    seen = [Observation(z, bool(y), str(i), 0.9, 0.1) for i, (z, y) in enumerate(zip(logits, labels, strict=True))]
    _, calibration = calibrate(seen, rounds=20)
    logits, labels = draw(20_000)
    p = 1 / (1 + np.exp(-(logits / calibration["temperature"] + calibration["bias"])))
    missed = (1 - p > calibration["conformal"]["malignant"])[labels].mean()
    assert missed == pytest.approx(0.1, abs=0.04)


def test_auc_counts_pairs_and_half_of_ties() -> None:
    label = np.array([True, True, False, False])
    assert evaluate_breast.auc(np.array([0.9, 0.4, 0.4, 0.1]), label) == pytest.approx(3.5 / 4)
    assert math.isnan(evaluate_breast.auc(np.array([1.0]), np.array([True])))


def test_calibration_error_is_the_gap_between_said_and_seen() -> None:
    said = np.array([0.9] * 10 + [0.1] * 10)
    seen = np.array([True] * 7 + [False] * 3 + [False] * 10)
    assert evaluate_breast.calibration_error(said, seen) == pytest.approx((0.2 + 0.1) / 2)


def test_sensitivity_at_a_fixed_specificity() -> None:
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.95, 0.35, 0.05])
    label = np.array([False, False, False, False, True, True, True, True])
    assert evaluate_breast.at_fixed(score, label, 0.75) == pytest.approx(0.5)


def test_cards_of_several_runs_are_averaged_without_training(drawn: Path, tmp_path: Path) -> None:
    cards = []
    for seed in (1, 2):
        out = tmp_path / f"run{seed}"
        breast.run(None, drawn, out, [*TINY, "epochs=1", f"seed={seed}"], False)
        cards.append(out / "breast-hybrid-mt-estan-tiny.json")
    joined = tmp_path / "joined"
    breast.run(None, drawn, joined, [*TINY, "epochs=0", f"start_from={cards[0]},{cards[1]}"], False)
    told = catalogue.load(joined / "breast-hybrid-mt-estan-tiny.json").training["settings"]["start_from"]
    assert told == ["run1/breast-hybrid-mt-estan-tiny.json", "run2/breast-hybrid-mt-estan-tiny.json"]
    before = catalogue.load(joined / "breast-hybrid-mt-estan-tiny.json").training["started_from"]
    assert [b["settings"]["seed"] for b in before] == [1, 2]
    one, two, mean = (
        build(catalogue.load(c)).state_dict() for c in (*cards, joined / "breast-hybrid-mt-estan-tiny.json")
    )
    name = "segment.weight"
    assert not np.allclose(one[name], two[name])
    assert np.allclose(mean[name], (one[name] + two[name]) / 2, atol=1e-3)


def test_a_classifier_is_trained_calibrated_and_measured_without_a_mask(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    breast.run(None, drawn, out, [*TINY, "network=mobilenet", "epochs=1"], False)
    assert "dice" not in lines(out, "tune")[-1]
    assert lines(out, "tune")[-1]["loss_segmentation"] == 0
    card = catalogue.load(out / "breast-mobilenet-tiny.json")
    assert card.title == "MobileNet"
    assert card.training["parameters"] > 3e6
    figures = evaluate_breast.evaluate(card, drawn, tmp_path, split="test", device="cpu")
    assert "auc" in figures["BUS-BRA fold 5"]
    assert "dice" not in figures["BUS-BRA fold 5"]
    with (tmp_path / "images.csv").open(newline="") as stream:
        assert {row["dice"] for row in csv.DictReader(stream)} == {""}


@pytest.mark.parametrize(("key", "value"), [("network", "resnet"), ("network", "ssd"), ("augmentation", "weak")])
def test_a_choice_that_does_not_exist_is_named(drawn: Path, tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=value):
        breast.run(None, drawn, tmp_path, [*TINY, f"{key}={value}"], False)
