"""HMSS: breast images of ultrasoundcases.info (Hitachi Medical Systems Suisse), as busbench lays them out.

`imgs/` with the downloaded pictures, `HMSS.csv` with the columns "img name", "case id/cover img id" (the case: never
split) and "tumor type" (B or M; rows of anything else are left out).

Assumed, since nothing of it is published: masks are one's own, in `GT/` or `masks/` under the picture's name, with or
without `_GT` or `_mask`, of the picture's size. Pictures without one are left out, since a case without a mask stands
for a normal breast; the crop columns of the table are ignored.
"""

from __future__ import annotations

from pathlib import Path

from trainers.data import sheets
from trainers.data.ultrasound.cases import DataError, UltrasoundCase, find_folder, pictures

CITATION = "ultrasoundcases.info, Hitachi Medical Systems Suisse; layout of busbench (Shareef et al.)"
FOLDERS = ("HMSS",)
SHEET = "HMSS.csv"
LABELS = {"b": False, "benign": False, "m": True, "malignant": True}


def find(data: Path) -> Path | None:
    """The set's folder at, in or under `bus/` of `data`; None when it is not there."""
    return find_folder(data, FOLDERS, lambda f: (f / SHEET).is_file() and (f / "imgs").is_dir())


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return "HMSS"


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`: without folds."""
    return cases(place)


def cases(folder: Path) -> list[UltrasoundCase]:
    """All cases that have a mask, by name. Raises DataError for another layout, and where there is no mask at all."""
    sheet = folder / SHEET
    images = pictures(folder / "imgs")
    masks: dict[str, Path] = {}
    for place in ("masks", "GT"):
        for stem, path in pictures(folder / place).items():
            masks[stem.removesuffix("_GT").removesuffix("_mask")] = path
    if not masks:
        raise DataError(f"{folder.name}: HMSS is published without masks; put yours into GT, named like the pictures")
    found = []
    for row in sheets.rows(sheet):
        stem = Path(sheets.column(row, sheet, "img name")).stem
        kind = sheets.column(row, sheet, "tumor type").lower()
        if stem in images and stem in masks and kind in LABELS:
            patient = sheets.column(row, sheet, "case id/cover img id", "case id") or stem
            found.append(
                UltrasoundCase(
                    stem, images[stem], (masks[stem],), LABELS[kind], f"case {patient}", device="Hitachi/Fujifilm"
                )
            )
    return sorted(found, key=lambda c: c.name)
