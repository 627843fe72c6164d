"""What readers rated the nodules of `ct/lidc-hu-crops128`, out of `ct/lidc-readings/rois.csv.gz`.

A ROI belongs to a nodule when it lies on the slice of one of the nodule's crops (same series, same height) and its
middle in the box of what the readers outlined there, or at most `NEAR_PX` beside its middle.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainers.config import ConfigError
from trainers.data.ct.lidc_crops import OutlinedCrop, box_of

NEAR_PX = 4.0


@dataclass(frozen=True)
class RatedCrop:
    """The crop where a nodule is largest, and each reader's malignancy rating (1–5) of the nodule."""

    crop: OutlinedCrop
    malignancy: tuple[int, ...]


def find(data: Path) -> Path | None:
    """rois.csv.gz in a folder of data sets; None where it is not there."""
    for folder in (data / "ct", data):
        if (folder / "lidc-readings" / "rois.csv.gz").is_file():
            return folder / "lidc-readings" / "rois.csv.gz"
    return None


def read(data: Path, crops: Sequence[OutlinedCrop]) -> list[RatedCrop]:
    """The rated nodules among these crops, by name; none where there are no readings. Raises ConfigError for damage."""
    path = find(data)
    if path is None:
        return []
    rois: dict[tuple[str, float], list[dict[str, str]]] = defaultdict(list)
    wanted = {c.series_uid for c in crops}
    try:
        with gzip.open(path, "rt", newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["malignancy"] and row["series_uid"] in wanted:
                    rois[row["series_uid"], round(float(row["z"]), 1)].append(row)
        nodules: dict[tuple[str, str], list[OutlinedCrop]] = defaultdict(list)
        for crop in crops:
            nodules[crop.patient, crop.nodule].append(crop)
        found = []
        for _, group in sorted(nodules.items()):
            widest = max(group, key=lambda c: int(c.consensus.sum()))
            ratings: dict[str, int] = {}
            for crop in group:
                if crop.corner is not None and crop.z_mm is not None:
                    ratings |= _ratings(crop, rois.get((crop.series_uid, round(crop.z_mm, 1)), []))
            if ratings:
                found.append(RatedCrop(widest, tuple(ratings[reader] for reader in sorted(ratings))))
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise ConfigError(f"{path}: damaged ({error})") from error
    return found


def _ratings(crop: OutlinedCrop, rois: Sequence[dict[str, str]]) -> dict[str, int]:
    """Reader → rating, of the ROIs on the crop's slice that lie on its nodule."""
    assert crop.corner is not None
    x0, y0, x1, y1 = box_of(crop.consensus)
    middle = np.array([(x0 + x1) / 2 + crop.corner[0], (y0 + y1) / 2 + crop.corner[1]])
    reach = np.maximum(np.array([x1 - x0, y1 - y0]) / 2, NEAR_PX)
    found = {}
    for roi in rois:
        at = np.array([float(roi["x0"]) + float(roi["x1"]) + 1, float(roi["y0"]) + float(roi["y1"]) + 1]) / 2
        if (np.abs(at - middle) <= reach).all():
            found[roi["reader"]] = int(float(roi["malignancy"]))
    return found
