"""Nobody who is measured on was learned from: the lists of patients in the shipped cards, by set."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.models import catalogue
from trainers.data.ultrasound import sets as breast_sets

CARDS = sorted((paths.resources() / "weights").glob("*.json"))


def lidc(patient: str) -> bool:
    """LIDC-IDRI and LUNA16 (the same patients): folds 3–9 by crc32 train, and three patients are kept for checks."""
    return zlib.crc32(patient.encode()) % 10 >= 3 and patient not in {f"LIDC-IDRI-000{k}" for k in (1, 2, 3)}


RULES: dict[str, Callable[[str], bool]] = {"LUNA16 slices": lidc, "lidc-hu-crops128": lidc, "lidc-crops128": lidc}
"""Set → whether a patient of it may be trained on."""


WITHOUT_LIST = {"nodules-outline"}
"""Learned from crops that `lidc-hu-crops128` replaced, whose patients cannot be listed any more: it names folds."""


def test_every_shipped_card_lists_its_patients_by_set() -> None:
    unlisted = {p.stem for p in CARDS if not catalogue.load(p).training.get("patients by set")}
    assert unlisted == WITHOUT_LIST
    for name in unlisted:
        card = catalogue.load(paths.resources() / "weights" / f"{name}.json")
        assert "folds 3–9 by patient" in card.training["data"]


BREAST_SETS = {"BUS-BRA": "", "BUS-UCLM": "bus/BUS-UCLM-342", "BrEaST-train": "bus/BrEaST-train"}
"""Set → its folder in that of the data; BUS-BRA is found by itself."""


@pytest.mark.parametrize("name", [p.stem for p in CARDS if catalogue.load(p).task is Task.BREAST])
def test_no_patient_that_breast_models_are_measured_or_tuned_on_was_trained_on(data: Path, name: str) -> None:
    training = catalogue.load(paths.resources() / "weights" / f"{name}.json").training
    by_set = training["patients by set"]
    assert set(training["sets"]) == set(by_set) <= set(BREAST_SETS)
    for one, patients in by_set.items():
        cases = breast_sets.every_case(data / BREAST_SETS[one], 5 if one == "BUS-BRA" else 4)
        held_back = {c.patient for c in cases if c.fold in (4, 5)}
        assert held_back, one
        assert set(patients) <= {c.patient for c in cases}
        assert not held_back & set(patients), one
        assert not set(patients) & set(training["tuned on by set"][one]), one


@pytest.mark.parametrize(
    "name",
    [p.stem for p in CARDS if catalogue.load(p).task is Task.NODULES and p.stem not in WITHOUT_LIST],
)
def test_no_patient_of_a_fold_that_is_measured_or_held_back_was_trained_on(name: str) -> None:
    card = catalogue.load(paths.resources() / "weights" / f"{name}.json")
    by_set = card.training["patients by set"]
    assert by_set, name
    for data, patients in by_set.items():
        assert len(patients) == len(set(patients)) > 0
        assert [p for p in patients if not RULES[data](p)] == [], data
    assert len(set().union(*by_set.values())) == card.training["patients"]
