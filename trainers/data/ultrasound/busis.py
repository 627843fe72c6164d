"""BUSIS: Zhang et al. 2022, "A Benchmark for Breast Ultrasound Image Segmentation", arXiv 1801.03182. 562 images.

Given out on request; as its users describe it: `Original/case1.png` (busbench: `imgs`), `GT/case1_GT.bmp`, and a table
`BUSIS562.csv` or `BUSIS.xlsx` with the columns "img name" (case001, padded with zeros where the files are not) and
"tumor type" (B or M). Assumed, since the set names no patients: each image is of another one.
"""

from __future__ import annotations

import re
from pathlib import Path

from trainers.data import sheets
from trainers.data.ultrasound.cases import DataError, UltrasoundCase, find_folder, pictures

CITATION = "Zhang et al. 2022, doi:10.3390/healthcare10040729"
FOLDERS = ("BUSIS", "BUSIS562")
SHEETS = ("BUSIS562.csv", "BUSIS.csv", "BUSIS.xlsx", "BUSIS562.xlsx")
LABELS = {"b": False, "benign": False, "m": True, "malignant": True}
PATIENTS = False  # the set does not say whose an image is


def find(data: Path) -> Path | None:
    """The set's folder at, in or under `bus/` of `data`; None when it is not there."""
    return find_folder(data, FOLDERS, lambda f: _sheet(f) is not None and (f / "GT").is_dir())


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return "BUSIS"


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`: without folds."""
    return cases(place)


def cases(folder: Path) -> list[UltrasoundCase]:
    """All cases by name. Raises DataError for another layout; rows whose image is absent are left out."""
    sheet = _sheet(folder)
    if sheet is None:
        raise DataError(f"{folder.name}: none of {', '.join(SHEETS)} is here")
    images: dict[str, Path] = {}
    for place in ("Original", "original", "imgs"):
        images.update({_plain(stem): path for stem, path in pictures(folder / place).items()})
    masks = {_plain(stem.removesuffix("_GT")): path for stem, path in pictures(folder / "GT").items()}
    found = []
    for row in sheets.rows(sheet):
        stem = _plain(Path(sheets.column(row, sheet, "img name", "image")).stem)
        kind = sheets.column(row, sheet, "tumor type", "type").lower()
        if stem not in images:
            continue
        if kind not in LABELS:
            raise DataError(f"{sheet.name}: {stem} is neither B nor M")
        if stem not in masks:
            raise DataError(f"{images[stem].name}: its mask is not in GT")
        found.append(UltrasoundCase(stem, images[stem], (masks[stem],), LABELS[kind], patient=stem))
    return sorted(found, key=lambda c: c.name)


def _plain(stem: str) -> str:
    """ "case001" and "case1" are the same image."""
    return re.sub(r"\D*0*(\d+)$", r"case\1", stem)


def _sheet(folder: Path) -> Path | None:
    return next((folder / s for s in SHEETS if (folder / s).is_file()), None)
