"""What a breast model is trained on: BUS-BRA by its official folds, or a table of one's own images split by patient."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainers.data import bus_bra, generic_ultrasound
from trainers.data.ultrasound import DataError, UltrasoundCase

TABLE = "cases.csv"
FOLDS = 5


def own_set(data: Path) -> tuple[str, Path]:
    """(name, place) of the set under `data`: BUS-BRA's folder, or a `cases.csv` (see `generic_ultrasound.from_csv`).

    Raises DataError where there is neither.
    """
    folder = bus_bra.find(data)
    if folder is not None:
        return "BUS-BRA", folder
    if (data / TABLE).is_file():
        return data.resolve().name, data / TABLE
    raise DataError(
        f"{data}: BUS-BRA is not here (bus_data.csv and Images), and no {TABLE} with image, mask, label, patient"
    )


def own_cases(data: Path, folds: Sequence[int]) -> list[UltrasoundCase]:
    """Cases of some of the folds 1 to 5. A table without a fold column is split by patient, crc32(patient) % 5 + 1.

    Raises DataError for a set that is not there, not as its layout says, or has patients in several folds.
    """
    _, place = own_set(data)
    if place.is_dir():
        return bus_bra.cases(place, folds)
    cases = [
        c if c.fold is not None else replace(c, fold=zlib.crc32(c.patient.encode()) % FOLDS + 1)
        for c in generic_ultrasound.from_csv(place)
    ]
    seen: dict[str, int | None] = {}
    for case in cases:
        if seen.setdefault(case.patient, case.fold) != case.fold:
            raise DataError(f"{place.name}: images of one patient are in folds {seen[case.patient]} and {case.fold}")
    return [c for c in cases if c.fold in folds]
