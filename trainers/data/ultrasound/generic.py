"""Anybody's own images: `cases.csv` with the columns image, mask, label, patient."""

from __future__ import annotations

import csv
from pathlib import Path

from trainers.data.ultrasound.cases import DataError, UltrasoundCase

TABLE = "cases.csv"
LABELS = {"benign": False, "malignant": True, "normal": False, "0": False, "1": True, "b": False, "m": True}


def find(data: Path) -> Path | None:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return data / TABLE if (data / TABLE).is_file() else None


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return place.resolve().parent.name


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return from_csv(place)


def from_csv(path: Path) -> list[UltrasoundCase]:
    """Cases of a CSV with the columns image, mask, label, patient, and if wanted fold, pixel_mm, birads, device.

    Paths are relative to the CSV; several masks are separated by `;`, none means a normal breast. label: benign,
    malignant, normal, 0, 1. Raises DataError naming the line.
    """
    found = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            for number, row in enumerate(csv.DictReader(stream), start=2):
                label = row["label"].strip().lower()
                if label not in LABELS:
                    raise DataError(
                        f"{path.name}, line {number}: label {row['label']!r} is none of {', '.join(LABELS)}"
                    )
                if not row["patient"].strip():
                    raise DataError(f"{path.name}, line {number}: without a patient images cannot be split")
                masks = tuple(path.parent / m.strip() for m in row["mask"].split(";") if m.strip())
                if label != "normal" and not masks:
                    raise DataError(f"{path.name}, line {number}: a lesion needs its mask")
                found.append(
                    UltrasoundCase(
                        name=Path(row["image"]).stem,
                        image=path.parent / row["image"],
                        masks=masks,
                        malignant=LABELS[label],
                        patient=row["patient"].strip(),
                        fold=int(row["fold"]) if row.get("fold") else None,
                        birads=row.get("birads") or "",
                        device=row.get("device") or "",
                        pixel_mm=float(row["pixel_mm"]) if row.get("pixel_mm") else None,
                    )
                )
    except DataError:
        raise
    except (OSError, KeyError, ValueError, AttributeError, csv.Error) as error:
        raise DataError(f"{path.name}: not a table of image, mask, label, patient ({error})") from error
    return found
