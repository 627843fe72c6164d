"""Anybody's own images: a CSV with `image, mask, label, patient`, and folders as UDIAT, BUSIS and HMSS have them."""

from __future__ import annotations

import csv
from pathlib import Path

from trainers.data.ultrasound import DataError, UltrasoundCase

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
LABELS = {"benign": False, "malignant": True, "normal": False, "0": False, "1": True, "b": False, "m": True}


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


def from_folders(
    images: Path, masks: Path, labels: dict[str, bool], patients: dict[str, str] | None = None
) -> list[UltrasoundCase]:
    """Cases of a folder of images and one of masks of the same names, as UDIAT, BUSIS and HMSS are laid out.

    labels: name without ending → malignant; patients: name → patient (each image its own without it).
    Raises DataError for an image without mask or label.
    """
    by_name = {p.stem: p for p in masks.iterdir() if p.suffix.lower() in ENDINGS}
    found = []
    for image in sorted(p for p in images.iterdir() if p.suffix.lower() in ENDINGS):
        if image.stem not in by_name or image.stem not in labels:
            raise DataError(f"{image.name}: no {'mask' if image.stem not in by_name else 'label'} of that name")
        patient = (patients or {}).get(image.stem, image.stem)
        found.append(UltrasoundCase(image.stem, image, (by_name[image.stem],), labels[image.stem], patient))
    return found
