"""UDIAT, also called Dataset B: Yap et al. 2018, doi:10.1109/JBHI.2017.2731873. 163 images, each of another woman.

As sent by its authors: `original/000001.png`, `GT/000001.png` and `DatasetB.xlsx` with the columns Image (the number)
and Type (Benign or Malignant). Also taken: `imgs` for `original` (as busbench has it), and copies sorted into `Benign`
and `Malignant` folders without the sheet, with the masks in `GT` beside or below them. Any other column is ignored.
"""

from __future__ import annotations

from pathlib import Path

from trainers.data import sheets
from trainers.data.ultrasound.cases import DataError, UltrasoundCase, find_folder, pictures

CITATION = "Yap et al. 2018, doi:10.1109/JBHI.2017.2731873"
FOLDERS = ("UDIAT", "UDIAT_Dataset_B", "Dataset_B", "DatasetB", "BUS_Dataset_B", "BUS")
SHEET = "DatasetB.xlsx"
LABELS = {"benign": False, "malignant": True}


def find(data: Path) -> Path | None:
    """The set's folder at, in or under `bus/` of `data`; None when it is not there."""
    return find_folder(data, FOLDERS, lambda f: (f / "GT").is_dir() and ((f / SHEET).is_file() or _sorted(f)))


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return "UDIAT"


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`: without folds."""
    return cases(place)


def cases(folder: Path) -> list[UltrasoundCase]:
    """All cases by name. Raises DataError for another layout; rows whose image is absent are left out."""
    found = _by_folder(folder) if not (folder / SHEET).is_file() else _by_sheet(folder)
    return sorted(found, key=lambda c: c.name)


def _by_sheet(folder: Path) -> list[UltrasoundCase]:
    images = {**pictures(folder / "imgs"), **pictures(folder / "original")}
    sheet = folder / SHEET
    found = []
    for row in sheets.rows(sheet):
        number, kind = sheets.column(row, sheet, "image"), sheets.column(row, sheet, "type").lower()
        stem = Path(number).stem.zfill(6)
        if stem not in images:
            continue
        if kind not in LABELS:
            raise DataError(f"{SHEET}: image {number} is neither Benign nor Malignant")
        found.append(_case(stem, images[stem], folder / "GT" / f"{stem}.png", LABELS[kind]))
    return found


def _by_folder(folder: Path) -> list[UltrasoundCase]:
    found = []
    for kind, malignant in LABELS.items():
        place = folder / kind.capitalize()
        for stem, image in {**pictures(place), **pictures(place / "original")}.items():
            inner = place / "GT" / f"{stem}.png"
            found.append(_case(stem, image, inner if inner.is_file() else folder / "GT" / f"{stem}.png", malignant))
    return found


def _case(stem: str, image: Path, mask: Path, malignant: bool) -> UltrasoundCase:
    if not mask.is_file():
        raise DataError(f"{image.name}: its mask is not in GT")
    return UltrasoundCase(stem, image, (mask,), malignant, patient=stem, device="Siemens ACUSON Sequoia C512")


def _sorted(folder: Path) -> bool:
    return (folder / "Benign").is_dir() and (folder / "Malignant").is_dir()
