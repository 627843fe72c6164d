"""BUS-UCLM: Vallez et al. 2025, doi:10.1038/s41597-025-04562-3. One hospital, most images of normal tissue.

Layout: `images/NAME.png`, `masks/NAME.png` where there is a lesion, and `index.csv` with image, patient, label (benign,
malignant, normal), doppler, marks, combined, split. The patients of the split "test" are fold 5. Those of "train" are
dealt to the folds 1 to 4, to and fro, from the one with most lesions on: with 13 patients a draw by their names put two
thirds of the lesions into one fold.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainers.data.ultrasound.cases import DataError, UltrasoundCase, find_folder

CITATION = "Vallez et al. 2025, doi:10.1038/s41597-025-04562-3"
LICENCE = "CC BY 4.0 (version 3; earlier ones were NC: see the publisher's page before commercial use)"
FOLDERS = ("BUS-UCLM-342", "BUS-UCLM")
RESERVED = True  # its fold 5 is a test split: nothing else of it is measured on
PARTS = 4


def find(data: Path) -> Path | None:
    """The set's folder at, in or under `bus/` of `data`; None when it is not there."""
    return find_folder(data, FOLDERS, _holds)


def _holds(folder: Path) -> bool:
    if not ((folder / "index.csv").is_file() and (folder / "images").is_dir()):
        return False
    with (folder / "index.csv").open(newline="", encoding="utf-8-sig") as stream:
        return {"image", "patient", "label", "doppler", "split"} <= set(next(csv.reader(stream), ()))


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return "BUS-UCLM"


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`. Images with colour Doppler say so; a lesion without a mask is an
    error."""
    found = []
    try:
        with (place / "index.csv").open(newline="", encoding="utf-8-sig") as stream:
            for row in csv.DictReader(stream):
                image, mask = place / "images" / f"{row['image']}.png", place / "masks" / f"{row['image']}.png"
                if not image.is_file():
                    continue
                normal = row["label"] == "normal"
                if not normal and not mask.is_file():
                    raise DataError(f"{image.name}: no mask beside it")
                found.append(
                    UltrasoundCase(
                        name=row["image"],
                        image=image,
                        masks=() if normal else (mask,),
                        malignant=row["label"] == "malignant",
                        patient=row["patient"],
                        fold=5 if row["split"] == "test" else None,
                        device="Siemens ACUSON S2000",
                        doppler=row["doppler"] == "yes",
                    )
                )
    except (OSError, KeyError, csv.Error) as error:
        raise DataError(f"{place}: not the layout of BUS-UCLM ({error})") from error
    fold_of = _dealt([c for c in found if c.fold is None])
    found = [c if c.fold is not None else replace(c, fold=fold_of[c.patient]) for c in found]
    return sorted(found, key=lambda c: c.name)


def _dealt(cases: Sequence[UltrasoundCase]) -> dict[str, int]:
    """Patient → fold, 1 to `PARTS`, so that each fold has about as many lesions."""
    lesions = Counter({c.patient: 0 for c in cases})
    lesions.update(c.patient for c in cases if not c.normal)
    order = sorted(lesions, key=lambda p: (-lesions[p], p))
    to_and_fro = [*range(1, PARTS + 1), *range(PARTS, 0, -1)]
    return {patient: to_and_fro[k % len(to_and_fro)] for k, patient in enumerate(order)}
