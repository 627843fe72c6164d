"""Figures of a breast model, from rows whose truth is known; and what the conformal call promises."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Call, Task
from cadviewer.models import catalogue
from cadviewer.models.breast import analysis as breast
from cadviewer.models.catalogue import ModelCard
from cadviewer.phantoms import phantom
from trainers.breast import evaluation as evaluate_breast
from trainers.breast import figures as breast_figures
from trainers.breast import plots as plots_breast
from trainers.breast.calibration import Observation, calibrate, cuts
from trainers.breast.figures import FigureRow
from trainers.data.ultrasound.cases import UltrasoundCase

CARD = ModelCard("fake", "1", Task.BREAST, "", "", {}, {}, 0.5, "")


def row(k: int, malignant: bool, probability: float, **changes: object) -> FigureRow:
    call = Call.MALIGNANT if probability >= 0.5 else Call.BENIGN
    plain = FigureRow(
        *("made", f"image {k}", f"patient {k // 2}", "A" if k % 2 else "B", "4", False, malignant, probability),
        *(probability, probability, probability, call.value, 0.9, 0.8, 400, 40_000, None, 380, None),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def rows() -> list[FigureRow]:
    """Forty images: of 20 malignant ones 16 are scored above one half, of 20 benign ones 15 below."""
    malignant = [row(k, True, 0.9 if k < 16 else 0.2) for k in range(20)]
    return malignant + [row(k, False, 0.7 if k < 25 else 0.1) for k in range(20, 40)]


def test_rates_are_those_of_the_counted_images_and_the_published_auc_is_balanced_accuracy() -> None:
    figures = breast_figures.summarise(rows(), CARD, rounds=50)
    assert figures["images"] == 40
    assert figures["patients"] == 20
    for name, value in {
        "sensitivity": 0.8,
        "specificity": 0.75,
        "false_negative_rate": 0.2,
        "false_positive_rate": 0.25,
        "accuracy": 31 / 40,
        "balanced_accuracy": 0.775,
        "f1": 2 * 16 / (2 * 16 + 5 + 4),
    }.items():
        assert figures[name][0] == pytest.approx(value), name
    assert figures["auc"][0] == pytest.approx((16 * 20 + 4 * 15) / 400)
    assert figures["auc"][0] != figures["balanced_accuracy"][0]
    assert all(name in breast_figures.MEANING for name in figures if isinstance(figures[name], list))


def test_failures_of_the_mask_and_refused_images_are_counted() -> None:
    some = rows()
    some[0] = replace(some[0], dice=0.3, iou=0.2)
    some[1] = replace(some[1], call=Call.OUT_OF_SCOPE.value, probability=0.0, dice=0.0, iou=0.0)
    figures = breast_figures.summarise(some, CARD, rounds=20)
    assert figures["dice_below_half"][0] == pytest.approx(2 / 40)
    assert figures["out_of_scope"][0] == pytest.approx(1 / 40)
    assert figures["false_negative_rate"][0] == pytest.approx(5 / 20)


def test_cuts_fixed_on_the_tune_fold_are_measured_by_both_rates() -> None:
    card = replace(CARD, calibration={"cuts": {"specificity_90": 0.8}})
    figures = breast_figures.summarise(rows(), card, rounds=20)
    assert figures["tuned_specificity_90_sensitivity"][0] == pytest.approx(0.8)
    assert figures["tuned_specificity_90_specificity"][0] == pytest.approx(1)


def test_cuts_give_on_their_own_images_what_they_are_named_for() -> None:
    generator = np.random.default_rng(0)
    malignant = generator.random(400) < 0.4
    score = np.clip(generator.normal(0.4 + 0.3 * malignant, 0.2), 0, 1)
    found = cuts(score, malignant)
    assert (score[~malignant] < found["specificity_90"]).mean() >= 0.9
    assert (score[malignant] >= found["sensitivity_95"]).mean() >= 0.95
    assert (score[malignant] >= found["sensitivity_95"]).mean() < 0.97
    assert cuts(score, np.ones(400, bool)) == {}


def test_normals_are_counted_apart_with_an_interval() -> None:
    normals = [row(k, False, 0.1, normal=True, call=c, dice=math.nan) for k, c in ((50, "no_lesion"), (53, "benign"))]
    figures = breast_figures.summarise([*rows(), *normals], CARD, rounds=200)
    assert figures["images"] == 40
    assert figures["normals"] == 2
    assert figures["normals_no_lesion"] == [0.5, 0.0, 1.0]
    assert figures["normals_malignant"][0] == 0


def test_malignant_lesions_that_are_not_seen_are_a_figure_of_their_own() -> None:
    some = [replace(r, call="no_lesion") if k in (0, 1) else r for k, r in enumerate(rows())]
    figures = breast_figures.summarise(some, CARD, rounds=20)
    malignant = [r for r in some if r.malignant]
    assert figures["no_lesion_malignant"][0] == sum(r.call == "no_lesion" for r in malignant) / len(malignant)


class Below:
    """A network that takes the middle of the lower part for a lesion."""

    batch_size = 4

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        mask = np.full(batch.shape, -8, np.float32)
        rows, columns = batch.shape[-2:]
        mask[..., rows // 3 :, columns // 4 : -columns // 4] = 8
        return mask, np.zeros(len(batch), np.float32)


def test_images_with_colour_flow_are_counted_apart(tmp_path: Path) -> None:
    gray = phantom.breast_ultrasound(2, malignant=True)[0]
    cases = []
    for name, at in (("none", None), ("beside", (20, 20)), ("over", (220, 168))):
        picture = np.repeat(gray[..., None], 3, 2)
        if at is not None:
            picture[at[0] : at[0] + 8, at[1] : at[1] + 8] = (220, 20, 20)
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture[..., ::-1])
        cases.append(UltrasoundCase(name, tmp_path / f"{name}.png", (), False, name, doppler=True))

    card = replace(catalogue.default(Task.BREAST), calibration={})
    found = evaluate_breast.doppler(cases, Below(), card)
    assert found["doppler"] == 3
    assert found["doppler_refused"][0] == pytest.approx(1 / 3)
    assert found["doppler_warned"][0] == pytest.approx(1 / 3)
    assert evaluate_breast.doppler([], Below(), card) == {}


def test_subgroups_are_by_device_birads_and_size_and_small_ones_are_left_out() -> None:
    some = rows()
    some = [replace(r, true_px=4000 if k < 12 else 400, birads="5" if k < 4 else "4") for k, r in enumerate(some)]
    some = [replace(r, true_mm=8.0) for r in some]
    groups = {(g.kind, g.value): g for g in breast_figures.subgroups(some, CARD, rounds=20)}
    assert {k for k, _ in groups} == {"device", "BI-RADS", "lesion", "long axis"}
    assert ("BI-RADS", "5") not in groups  # four images
    assert groups["lesion", "middle (1/5 to 1/3)"].images == 12
    assert groups["device", "A"].malignant == 10
    assert math.isnan(groups["lesion", "middle (1/5 to 1/3)"].figures["auc"][0])  # all of them malignant


def test_tables_and_pictures_of_an_evaluation_are_written(tmp_path: Path) -> None:
    some = rows()
    figures = {"made": breast_figures.summarise(some, CARD, rounds=20)}
    evaluate_breast.write(some, figures, CARD, tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        *("images.csv", "breast.csv", "breast.json", "subgroups.csv"),
        *("reliability-made.png", "roc.png", "subgroups-made.png"),
    }
    with (tmp_path / "breast.csv").open(newline="") as stream:
        lines = {line["figure"]: line for line in csv.DictReader(stream)}
    assert "AUC" in lines["balanced_accuracy"]["meaning"]
    assert float(lines["sensitivity"]["value"]) == pytest.approx(0.8)
    assert json.loads((tmp_path / "breast.json").read_text())["subgroups"]


def test_the_roc_band_goes_through_the_sensitivity_at_a_fixed_specificity() -> None:
    generator = np.random.default_rng(1)
    label = generator.random(300) < 0.4
    score = np.clip(generator.normal(0.4 + 0.3 * label, 0.2), 0, 1)
    band = plots_breast.roc_band(score, label, [str(k) for k in range(300)], rounds=20)
    tenth = int(np.argmin(np.abs(band.rates - 0.1)))
    assert band.value[tenth] == pytest.approx(breast_figures.at_fixed(score, label, 0.9), abs=1e-9)
    assert (np.diff(band.value) >= 0).all()
    assert (band.low <= band.value + 1e-9).all()


def observations(n: int, generator: np.random.Generator) -> list[Observation]:
    malignant = generator.random(n) < 1 / 3
    logits = generator.normal(np.where(malignant, 1.2, -1.0), 1.4)
    return [
        Observation(float(z), bool(m), f"p{k}", 0.9, 0.1)
        for k, (z, m) in enumerate(zip(logits, malignant, strict=True))
    ]


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2])
def test_conformal_calls_of_new_images_err_as_often_as_promised(alpha: float) -> None:
    """Calibrated on many draws of 375 images, measured on new ones: the mean error of either class is at most alpha."""
    generator = np.random.default_rng(int(alpha * 100))
    errors: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(40):
        _, calibration = calibrate(observations(375, generator), alpha=alpha, rounds=2)
        card = replace(CARD, calibration=calibration)
        fresh = observations(1500, generator)
        calls = [breast.decide(breast.calibrated(o.logit, 0.0, calibration).value, card)[0] for o in fresh]
        for kind, wrong in ((True, Call.BENIGN), (False, Call.MALIGNANT)):
            own = [c for c, o in zip(calls, fresh, strict=True) if o.malignant is kind]
            errors[kind].append(np.mean([c is wrong for c in own]))
    for kind in errors:
        spread = np.std(errors[kind]) / math.sqrt(len(errors[kind]))
        assert np.mean(errors[kind]) <= alpha + 2 * spread
        assert np.mean(errors[kind]) > alpha / 3  # and it does not keep its promise by calling everything uncertain
