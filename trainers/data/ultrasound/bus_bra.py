"""BUS-BRA: Gómez-Flores et al. 2024, doi:10.1002/mp.16812. 1,875 images of 1,064 patients, official patient folds.

Layout: `Images/bus_0001-l.png`, `Masks/mask_0001-l.png`, `bus_data.csv` and `5-fold-cv.csv`. The sizes of four rows and
the box of one row of `bus_data.csv` are wrong (0856-l, 0857-r, 0912-l, 0990-l; 0845-s): image and mask are used, never
those columns.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from trainers.data.ultrasound.cases import DataError, UltrasoundCase

CITATION = "Gómez-Flores et al. 2024, doi:10.1002/mp.16812"
LICENCE = "BUS-BRA's own permissive licence, citation required"
FOLDERS = ("BUS-BRA-256", "BUS-BRA-original", "BUSBRA", "BUS-BRA")


def find(data: Path) -> Path | None:
    """The set's folder at, in or under `bus/` of `data`; None when it is not there."""
    for folder in (data, *(data / "bus" / f for f in FOLDERS), *(data / f for f in FOLDERS)):
        if (folder / "bus_data.csv").is_file() and (folder / "Images").is_dir():
            return folder
    return None


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return "BUS-BRA"


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`: with the official folds, which must be there."""
    return cases(place, range(1, 6))


def cases(folder: Path, folds: Sequence[int] | None = None) -> list[UltrasoundCase]:
    """All cases by name, or those of the given official folds (1–5). Raises DataError for another layout.

    Rows whose image is absent are left out: parts of the set are in circulation.
    """
    try:
        with (folder / "bus_data.csv").open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
        fold_of = _folds(folder)
        found = []
        for row in rows:
            name = row["ID"]
            image, mask = folder / "Images" / f"{name}.png", folder / "Masks" / f"{name.replace('bus', 'mask', 1)}.png"
            if not image.is_file() or (folds is not None and fold_of.get(name) not in folds):
                continue
            found.append(
                UltrasoundCase(
                    name=name,
                    image=image,
                    masks=(mask,),
                    malignant=row["Pathology"] == "malignant",
                    patient=row["Case"],
                    fold=fold_of.get(name),
                    birads=row["BIRADS"],
                    device=row["Device"],
                )
            )
    except (OSError, KeyError, csv.Error) as error:
        raise DataError(f"{folder}: not the layout of BUS-BRA ({error})") from error
    if folds is not None and not fold_of:
        raise DataError(f"{folder}: 5-fold-cv.csv is needed for its folds")
    return sorted(found, key=lambda c: c.name)


def _folds(folder: Path) -> dict[str, int]:
    path = folder / "5-fold-cv.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return {row["ID"]: int(row["kFold"]) for row in csv.DictReader(stream)}
