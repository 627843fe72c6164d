"""BUSI: Al-Dhabyani et al. 2020. Folders `benign`, `malignant`, `normal`; several masks per image are one lesion map.

`benign (4).png`, `benign (4)_mask.png`, `benign (4)_mask_1.png`. The set names no patients and holds near-duplicates:
where a `manifest.csv` beside the set gives duplicate groups they stand for the patient, else each image is its own
(see `trainers.data.ultrasound.duplicates`).
"""

from __future__ import annotations

import csv
from pathlib import Path

from trainers.data.ultrasound.cases import DataError, UltrasoundCase

CITATION = "Al-Dhabyani et al. 2020, doi:10.1016/j.dib.2019.104863"
CLASSES = ("benign", "malignant", "normal")
FOLDERS = ("BUSI-sample", "BUSI", "Dataset_BUSI_with_GT")
PATIENTS = False  # the set does not say whose an image is


def find(data: Path) -> Path | None:
    """The folder that holds benign/, malignant/ at, in or under `bus/` of `data`; None when it is not there."""
    tops = (data, *(data / "bus" / f for f in FOLDERS), *(data / f for f in FOLDERS))
    for folder in (f for top in tops for f in (top, top / "Dataset_BUSI_with_GT")):
        if (folder / "benign").is_dir() and (folder / "malignant").is_dir():
            return folder
    return None


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return "BUSI"


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`: without folds."""
    return cases(place)


def cases(folder: Path) -> list[UltrasoundCase]:
    """All cases by name; normals have no mask (theirs are empty) and count as benign. Raises DataError."""
    groups = _groups(folder)
    found = []
    for kind in CLASSES:
        for image in sorted((folder / kind).glob("*.png")) if (folder / kind).is_dir() else ():
            if "_mask" in image.stem:
                continue
            masks = tuple(sorted(p for p in (folder / kind).glob("*.png") if p.stem.startswith(f"{image.stem}_mask")))
            if kind != "normal" and not masks:
                raise DataError(f"{image.name}: no mask beside it")
            found.append(
                UltrasoundCase(
                    name=image.stem,
                    image=image,
                    masks=() if kind == "normal" else masks,
                    malignant=kind == "malignant",
                    patient=groups.get(f"{kind}/{image.name}", image.stem),
                )
            )
    return sorted(found, key=lambda c: c.name)


def _groups(folder: Path) -> dict[str, str]:
    for path in (folder / "manifest.csv", folder.parent / "manifest.csv"):
        if path.is_file():
            with path.open(newline="", encoding="utf-8-sig") as stream:
                rows = list(csv.DictReader(stream))
            return {r["image"]: f"group {r['dup_group']}" for r in rows if r.get("dup_group")}
    return {}
