"""BrEaST: Pawłowska et al. 2024, doi:10.1038/s41597-024-02984-z. 256 patients, RGBA images, BI-RADS, pixel size.

Layout of TCIA: a spreadsheet `BrEaST-Lesions-USG-clinical-data-….xlsx` beside `BrEaST-Lesions_USG-images_and_masks/`
with `case001.png`, `case001_tumor.png`, `case004_other1.png`. Pixel sizes are in centimetres.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainers.data.ultrasound.cases import DataError, UltrasoundCase

CITATION = "Pawłowska et al. 2024, doi:10.1038/s41597-024-02984-z"
IMAGES = "BrEaST-Lesions_USG-images_and_masks"
LICENCE = "CC BY 4.0"
FOLDERS = ("BrEaST-quarter", "BrEaST", "BrEaST-Lesions_USG")
TRAIN = "BrEaST-train"  # a part in the same layout that is learned from: another name in cards and figures


def find(data: Path) -> Path | None:
    """The set's folder at, in or under `bus/` of `data`; None when it is not there."""
    for folder in (data, *(data / "bus" / f for f in FOLDERS), *(data / f for f in FOLDERS)):
        if (folder / IMAGES).is_dir():
            return folder
    return None


def name(place: Path) -> str:
    """See `trainers.data.ultrasound.sets.Layout`."""
    return TRAIN if place.name == TRAIN else "BrEaST"


def load(place: Path) -> list[UltrasoundCase]:
    """See `trainers.data.ultrasound.sets.Layout`: without folds."""
    return cases(place)


def cases(folder: Path) -> list[UltrasoundCase]:
    """All cases by name; a normal breast has no mask and counts as benign. Raises DataError for another layout.

    Rows whose image is absent are left out: parts of the set are in circulation. Every case is another patient.
    """
    import openpyxl  # only this set needs it

    sheets = sorted(folder.glob("*.xlsx"))
    if not sheets:
        raise DataError(f"{folder}: the spreadsheet of BrEaST is missing")
    try:
        book = openpyxl.load_workbook(sheets[0], read_only=True)
        lines = list(book.worksheets[0].iter_rows(values_only=True))
        book.close()
        rows = [dict(zip(map(str, lines[0]), line, strict=True)) for line in lines[1:] if line[0] is not None]
        found = [
            _case(row, folder / IMAGES) for row in rows if (folder / IMAGES / str(row["Image_filename"])).is_file()
        ]
    except (KeyError, ValueError, IndexError, OSError) as error:
        raise DataError(f"{sheets[0].name}: not the spreadsheet of BrEaST ({error})") from error
    return sorted(found, key=lambda c: c.name)


def _case(row: dict[str, Any], images: Path) -> UltrasoundCase:
    classification = str(row["Classification"]).strip().lower()
    mask = str(row["Mask_tumor_filename"] or "").strip()
    centimetres = row["Pixel_size"]
    return UltrasoundCase(
        name=Path(str(row["Image_filename"])).stem,
        image=images / str(row["Image_filename"]),
        masks=(images / mask,) if mask and classification != "normal" else (),
        malignant=classification == "malignant",
        patient=str(row["CaseID"]),
        birads=str(row["BIRADS"] or ""),
        pixel_mm=float(centimetres) * 10 if isinstance(centimetres, int | float) and centimetres > 0 else None,
    )
