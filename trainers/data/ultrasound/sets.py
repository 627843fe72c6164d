"""What a breast model is trained on: the first known layout under a folder, split by patient."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from cadviewer.messages import Message
from trainers.data.ultrasound import duplicates
from trainers.data.ultrasound.cases import DataError, UltrasoundCase

LAYOUTS: dict[str, str] = {
    "BUS-BRA": "trainers.data.ultrasound.bus_bra",
    "table": "trainers.data.ultrasound.generic",
    "BUS-UCLM": "trainers.data.ultrasound.bus_uclm",
    "BrEaST": "trainers.data.ultrasound.breast_tcia",
    "BUSI": "trainers.data.ultrasound.busi",
    "UDIAT": "trainers.data.ultrasound.udiat",
    "BUSIS": "trainers.data.ultrasound.busis",
    "HMSS": "trainers.data.ultrasound.hmss",
}
"""Layouts of breast ultrasound: name → module with the functions of `Layout`.

The first that is found under a folder is what is trained on; the others there are external sets, for `evaluate` alone.
"""

FOLDS = 5


class UltrasoundLayout(Protocol):
    """What a module of `LAYOUTS` has."""

    __name__: str

    def find(self, data: Path) -> Path | None:
        """The place of such a set at or under a folder; None when there is none."""

    def name(self, place: Path) -> str:
        """What figures of the set are called."""

    def load(self, place: Path) -> list[UltrasoundCase]:
        """All cases with their folds (1–5), None where the set has none. Raises DataError."""


def _find(data: Path) -> tuple[UltrasoundLayout, Path]:
    for module in LAYOUTS.values():
        layout = cast(UltrasoundLayout, importlib.import_module(module))
        place = layout.find(data)
        if place is not None:
            return layout, place
    raise DataError(
        Message(
            "{folder}: BUS-BRA is not here (bus_data.csv and Images), nor {others}, nor a cases.csv with image, mask, "
            "label, patient",
            folder=data,
            others=", ".join(list(LAYOUTS)[2:]),
        )
    )


def own_set(data: Path) -> tuple[str, Path]:
    """(name, place) of the set under `data`. Raises DataError where there is none of the known layouts."""
    layout, place = _find(data)
    return layout.name(place), place


def knows_patients(data: Path) -> bool:
    """Whether the set under `data` says whose its images are. Raises DataError as `own_set` does."""
    layout, _ = _find(data)
    return bool(getattr(layout, "PATIENTS", True))


def layout_of(data: Path) -> str:
    """The key in `LAYOUTS` of the set under `data`. Raises DataError as `own_set` does."""
    layout, _ = _find(data)
    return next(key for key, module in LAYOUTS.items() if module == layout.__name__)


def external_sets(data: Path, fold: int = FOLDS) -> dict[str, list[UltrasoundCase]]:
    """The other sets under `data` by name, whole; of one with a test split of its own `fold` alone.

    Images that look alike count as one patient's.

    Raises DataError for one that is not as its layout says.
    """
    own, own_place = _find(data)
    found = {}
    for module in LAYOUTS.values():
        layout = cast(UltrasoundLayout, importlib.import_module(module))
        place = layout.find(data)
        if place is not None and module != own.__name__ and place != own_place:
            cases = duplicates.join_patients(layout.load(place))
            if getattr(layout, "RESERVED", False):
                cases = [c for c in cases if c.fold == fold]
            found[layout.name(place)] = cases
    return found


def every_case(data: Path, parts: int = FOLDS) -> list[UltrasoundCase]:
    """All cases of the set under `data`, each with its fold, 1 to 5.

    A set without folds is split by patient, crc32(patient) % parts + 1, and images that look alike count as one
    patient's: the same lesion must not be on both sides. Raises DataError for a set that is not there, that
    is not as its layout says, or that has patients in several folds.
    """
    layout, place = _find(data)
    cases = layout.load(place)
    if any(c.fold is None for c in cases):
        cases = duplicates.join_patients(cases)
    cases = [c if c.fold is not None else replace(c, fold=zlib.crc32(c.patient.encode()) % parts + 1) for c in cases]
    seen: dict[str, int | None] = {}
    for case in cases:
        if seen.setdefault(case.patient, case.fold) != case.fold:
            raise DataError(f"{place.name}: images of one patient are in folds {seen[case.patient]} and {case.fold}")
    return cases


def said(data: Path) -> dict[str, str]:
    """What a card says of the set under `data`: its citation and licence, as far as its layout knows them."""
    layout, _ = _find(data)
    known = {"citation": getattr(layout, "CITATION", ""), "licence": getattr(layout, "LICENCE", "")}
    return {key: value for key, value in known.items() if value}


def of_sets(data: Path, others: Sequence[Path], folds: Sequence[int]) -> dict[str, list[UltrasoundCase]]:
    """Name → the cases of some folds of the set under `data` and of further ones, without those with colour flow.

    A further set without folds of its own is split into the folds 1 to 4: none of it is held back for measuring, which
    others are for. Raises DataError as `every_case` does, and for a set that is named twice.
    """
    found: dict[str, list[UltrasoundCase]] = {}
    for folder in (data, *others):
        cases = every_case(folder, FOLDS if folder == data else FOLDS - 1)
        name = own_set(folder)[0]
        if name in found:
            raise DataError(f"{folder}: {name} is there twice")
        found[name] = [c for c in cases if c.fold in folds and c.malignant is not None and not c.doppler]
    return found


def own_cases(data: Path, folds: Sequence[int]) -> list[UltrasoundCase]:
    """The cases of some of the folds. Raises DataError as `every_case` does."""
    return [c for c in every_case(data) if c.fold in folds]
