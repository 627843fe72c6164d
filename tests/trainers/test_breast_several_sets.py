"""Learning from several hospitals and from normal tissue: layouts, folds, draws, calibration and what a card says."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import drawn_bus_bra
import numpy as np
import pytest
import torch
from drawn_bus_bra import TINY

from cadviewer.models import catalogue, nets
from cadviewer.models.nets.breast_network import BreastNetwork
from trainers import fitting
from trainers.breast import evaluation as evaluate_breast
from trainers.breast import trainer as breast
from trainers.breast.calibration import Observation, calibrate, least_confidence, least_peak
from trainers.breast.training import Images, SetSampler
from trainers.config import ConfigError
from trainers.data.ultrasound import bus_uclm
from trainers.data.ultrasound import sets as breast_sets
from trainers.data.ultrasound.cases import DataError


def uclm(folder: Path, *, without_mask: bool = False) -> Path:
    """Twelve patients with a lesion and two of tissue each, four of them held back; one with colour flow."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    generator = np.random.default_rng(3)
    rows = []
    for k in range(12):
        patient = f"P{k:02d}"
        for n in range(3):
            label = ("malignant" if k % 2 else "benign") if n == 0 else "normal"
            name = f"{patient}_{n}"
            cv2.imwrite(str(folder / "images" / f"{name}.png"), generator.integers(40, 140, (48, 64)).astype(np.uint8))
            if label != "normal" and not (without_mask and k == 5):
                mask = cv2.circle(np.zeros((48, 64), np.uint8), (32, 24), 8, 255, cv2.FILLED)
                cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
            flow = "yes" if (k, n) == (0, 1) else "no"
            rows.append([name, patient, label, flow, "no", "no", "test" if k >= 8 else "train"])
    with (folder / "index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["image", "patient", "label", "doppler", "marks", "combined", "split"], *rows])
    return folder


def test_bus_uclm_has_its_test_patients_in_fold_five_and_tissue_without_masks(tmp_path: Path) -> None:
    cases = bus_uclm.load(uclm(tmp_path / "BUS-UCLM"))
    assert {c.patient for c in cases if c.fold == 5} == {"P08", "P09", "P10", "P11"}
    lesions = Counter(c.fold for c in cases if not c.normal)
    assert lesions == {1: 2, 2: 2, 3: 2, 4: 2, 5: 4}
    assert Counter((c.normal, c.malignant) for c in cases) == {(True, False): 24, (False, True): 6, (False, False): 6}
    assert [c.name for c in cases if c.doppler] == ["P00_1"]


def test_a_lesion_of_bus_uclm_without_its_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"P05_0\.png: no mask"):
        bus_uclm.load(uclm(tmp_path / "BUS-UCLM", without_mask=True))


def test_of_further_sets_nothing_held_back_and_no_colour_flow_is_learned_from(tmp_path: Path) -> None:
    first, other = drawn_bus_bra.write(tmp_path / "set"), uclm(tmp_path / "BUS-UCLM")
    parts = breast_sets.of_sets(first, [other], (1, 2, 3, 4))
    assert list(parts) == ["BUS-BRA", "BUS-UCLM"]
    assert len(parts["BUS-BRA"]) == 32
    assert {c.patient for c in parts["BUS-UCLM"]} == {f"P{k:02d}" for k in range(8)}
    assert not any(c.doppler for c in parts["BUS-UCLM"])
    with pytest.raises(DataError, match="twice"):
        breast_sets.of_sets(first, [first], (1,))


def test_each_set_is_drawn_from_by_the_root_of_its_size(tmp_path: Path) -> None:
    cases = [c for c in bus_uclm.load(uclm(tmp_path / "BUS-UCLM")) if not c.normal]
    images = Images([cases[0]] * 64 + [cases[1]] * 4, 32, 1, None, 1, sets=(64, 4), epoch_images=5000)
    drawn = list(SetSampler(images))
    assert len(drawn) == len(SetSampler(images)) == 5000
    assert np.mean([k >= 64 for k in drawn]) == pytest.approx(2 / (8 + 2), abs=0.02)
    assert drawn == list(SetSampler(images))  # the same seed and epoch
    images.epoch = 1
    assert drawn != list(SetSampler(images))


def test_a_hospital_with_much_normal_tissue_shows_its_lesions_as_often(tmp_path: Path) -> None:
    cases = bus_uclm.load(uclm(tmp_path / "BUS-UCLM"))
    lesion, tissue = (next(c for c in cases if c.normal == n) for n in (False, True))
    images = Images([lesion] * 4 + [tissue] * 64, 32, 1, None, 1, sets=(68,), epoch_images=5000)
    assert np.mean([k < 4 for k in SetSampler(images)]) == pytest.approx(2 / (2 + 8), abs=0.02)


def test_a_run_on_two_sets_says_whom_it_saw_and_is_measured_on_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    drawn_bus_bra.write(data / "BUS-BRA")
    other, out = uclm(data / "BUS-UCLM"), tmp_path / "run"
    wanted = [*TINY, "network=efficientnet_unet", "epochs=1", f"sets={other}", "epoch_images=8", "limit=0"]
    breast.run(None, data, out, wanted, False)
    card = catalogue.load(next(out.glob("breast-*.json")))
    seen = card.training["patients by set"]
    held_back = {f"P{k:02d}" for k in range(8, 12)}
    assert set(seen["BUS-UCLM"]).isdisjoint(held_back | set(card.training["tuned on by set"]["BUS-UCLM"]))
    assert card.training["sets"]["BUS-UCLM"]["citation"] == bus_uclm.CITATION
    assert card.training["seen"]["normal"] > 0
    assert card.calibration["no_lesion"]["BUS-UCLM"]["tissue"] > 0
    assert any("2 hospitals" in limit for limit in card.limits)
    measured = evaluate_breast.sets(data, "test", card)
    assert {c.patient for c in measured["BUS-UCLM fold 5"]} == held_back
    tuned = evaluate_breast.sets(data, "tune", card)
    assert list(tuned) == ["BUS-BRA fold 4", "BUS-UCLM fold 4"]
    assert {c.patient for c in tuned["BUS-UCLM fold 4"]}.isdisjoint(held_back)
    known_to_one = replace(card, training={"sets": {"BUS-BRA": {}}})
    assert list(evaluate_breast.sets(data, "tune", known_to_one)) == ["BUS-BRA fold 4"]
    assert {c.patient for c in evaluate_breast.sets(data, "test", known_to_one)["BUS-UCLM (external)"]} == held_back
    assert not card.default


def nothing() -> torch.Tensor:
    raise AssertionError("only folded norms need images")


def test_an_encoder_starts_from_given_weights_and_learns_at_its_own_rate(tmp_path: Path) -> None:
    fresh = nets.build("efficientnet_unet", {"preset": "tiny"})
    assert isinstance(fresh, BreastNetwork)
    photographs = {k: torch.full_like(v, 0.25) for k, v in fresh.get_submodule("encoder").state_dict().items()}
    torch.save(photographs, tmp_path / "weights.pth")
    settings = breast.BreastSettings(
        network="efficientnet_unet", size="tiny", image_size=64, pretrained=str(tmp_path / "weights.pth")
    )
    network = breast.make_network(settings)
    told = breast._start(network, settings, tmp_path, nothing)
    assert told is not None
    assert told["licence"] == "unknown"
    started = {k: v for k, v in network.get_submodule("encoder").state_dict().items() if v.is_floating_point()}
    assert all(bool((v == 0.25).all()) for v in started.values())
    groups = fitting.groups(network, 0.1, {"encoder": 1e-4})
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))
    assert {g.get("lr") for g in groups} == {1e-4, None}
    with pytest.raises(ConfigError, match="pretrained"):
        breast._start(
            network, breast.BreastSettings(network="efficientnet_unet", pretrained="missing.pth"), tmp_path, nothing
        )
    other = breast.make_network(breast.BreastSettings(size="tiny", image_size=64))
    with pytest.raises(ConfigError, match="none or imagenet for hybrid_mt_estan"):
        breast._start(
            other, breast.BreastSettings(size="tiny", image_size=64, pretrained="weights.pth"), tmp_path, nothing
        )


def observation(
    logit: float, malignant: bool, confidence: float, hospital: str, *, normal: bool = False
) -> Observation:
    name = f"{hospital}{logit}{confidence}{normal}"
    area = 0.1 if confidence else 0.0
    return Observation(logit, malignant, name, confidence, area, hospital, normal, peak=confidence)


def test_tissue_moves_no_score_and_each_hospital_keeps_its_lesions() -> None:
    spaced = np.linspace(0, 1, 101)
    first = [observation(4 * s - 2, s > 0.45 + 0.2 * (k % 2), 0.8 + 0.2 * s, "A") for k, s in enumerate(spaced)]
    second = [observation(4 * s - 2, s > 0.45 + 0.2 * (k % 2), 0.6 + 0.4 * s, "B") for k, s in enumerate(spaced)]
    tissue = [observation(-9, False, c, "B", normal=True) for c in (0.0, 0.3, 0.59, 0.95)]
    threshold, plain = calibrate([*first, *second], rounds=5)
    with_tissue = calibrate([*first, *second, *tissue], rounds=5)
    assert with_tissue[0] == threshold
    assert with_tissue[1]["temperature"] == plain["temperature"]
    assert with_tissue[1]["tune_images"] == 202
    least = with_tissue[1]["min_confidence"]
    assert least == pytest.approx(0.604)  # the hundredth part of B's, not of all
    assert with_tissue[1]["no_lesion"]["B"] == {
        "lesions": 101, "lesions empty": 0, "malignant": sum(o.malignant for o in second), "malignant empty": 0,
        "tissue": 4, "tissue empty": 2,
    }  # fmt: skip
    assert least_confidence([], 0.01) == 0


def test_no_lesion_is_said_below_what_a_tenth_of_a_hospitals_lesions_reach_and_hardly_a_malignant_one_does() -> None:
    faint = [observation(0.0, False, 0.01 * k, "A") for k in range(20, 60)]
    assert least_peak(faint) == pytest.approx(0.9 * 0.23)  # the fourth of forty
    assert least_peak([*faint, observation(0.0, True, 0.12, "B")]) == pytest.approx(0.9 * 0.12)
    assert least_peak([*faint, observation(0.0, False, 0.0, "B")]) == pytest.approx(0.9 * 0.23)  # too few of B
    assert least_peak([observation(0.0, True, 0.0, "A")]) == 0.05
    assert least_peak([]) == pytest.approx(0.45)
