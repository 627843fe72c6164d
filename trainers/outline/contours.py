"""Outlines in whole slices of Hounsfield units against readers' contours: `ct/lidc-dicom-small` (LIDC-IDRI 0001–0003).

Each nodule is given by the box of its consensus on every slice, as a detector would find it; volume and axes are those
that `annotate` would write. Three nodules are no sample: they are listed one by one, without intervals.
"""

from __future__ import annotations

import csv
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer import atomic
from cadviewer.findings import Box
from cadviewer.imaging import archives, files, sources
from cadviewer.imaging.budget import Budget
from cadviewer.imaging.series import Series, Volume
from cadviewer.models.nodules.measurement import NoduleMeasures, measure
from cadviewer.models.nodules.outlining import outline_findings
from cadviewer.models.runtime import Companion
from trainers.config import ConfigError
from trainers.data.ct import lidc_xml
from trainers.data.ct.lidc_crops import box_of
from trainers.data.ct.lidc_xml import ReadNodule
from trainers.outline.figures import fill, long_axis

COLUMNS = (
    "patient",
    "nodule",
    "readers",
    "method",
    "dice",
    "long_mm",
    "long_mm_readers",
    "volume_mm3_readers",
    "volume_mm3",
)


@dataclass(frozen=True)
class ReadVolume:
    """A series of slices with the nodules that its readers outlined."""

    patient: str
    volume: Volume
    nodules: tuple[ReadNodule, ...]


def _archive(data: Path) -> Path | None:
    for folder in (data / "ct" / "lidc-dicom-small", data / "lidc-dicom-small", data):
        if (folder / "series.zip").is_file() and folder.name == "lidc-dicom-small":
            return folder / "series.zip"
    return None


def holds(data: Path) -> bool:
    """Whether the slices and contours are in the folder of data sets."""
    return _archive(data) is not None


def read(folder: Path) -> list[ReadVolume]:
    """Every series below a folder that has contours beside it, by patient. Raises ConfigError for damaged contours."""
    contours = {path.parent.name: path for path in folder.rglob("*.xml")}
    found = []
    for series in files.scan([folder]):
        if not isinstance(series, Series) or series.series_uid not in contours:
            continue
        readings = lidc_xml.read(contours[series.series_uid])
        volume = files.read(series)
        uids = [s.sop_uid for s in series.slices]
        nodules = lidc_xml.nodules(readings, uids, (volume.pixels.shape[1], volume.pixels.shape[2]))
        patient = next((p for p in contours[series.series_uid].parts if p.startswith("LIDC-IDRI-")), series.series_uid)
        found.append(ReadVolume(patient, volume, tuple(nodules)))
    return sorted(found, key=lambda v: v.patient)


def boxes_of(mask: NDArray[np.bool_]) -> tuple[Box, ...]:
    """A square box on each slice of a mask (slices, rows, columns), the best score where it is largest."""
    areas = mask.sum(axis=(1, 2))
    boxes = []
    for k in np.flatnonzero(areas):
        x0, y0, x1, y1 = box_of(mask[k])
        half = max(x1 - x0, y1 - y0) / 2
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        boxes.append(Box(int(k), x - half, y - half, x + half, y + half, float(0.5 + 0.5 * areas[k] / areas.max())))
    return tuple(boxes)


def figures(data: Path, companion: Companion, out: Path) -> dict[str, Any]:
    """Dice on the slice of the best box, long axis and volume, of both methods and of the readers."""
    archive = _archive(data)
    assert archive is not None
    made: dict[str, Any] = {}
    rows: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        if why := sources.too_large_together([(archive, archives)], Budget().share(archive.stat().st_size)):
            raise ConfigError(f"{archive}: {why}")
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)  # of each file no more than it declares, which has just been bounded
        for case in read(Path(folder)):
            for number, nodule in enumerate(case.nodules, start=1):
                rows += _compare(case, number, nodule, companion)
    for patient, number, _, method, dice, long_mm, long_readers, volume_readers, volume in rows:
        made[f"{patient} nodule {number}, {method}: Dice"] = dice
        made[f"{patient} nodule {number}, {method}: long axis mm (readers {long_readers})"] = long_mm
        made[f"{patient} nodule {number}, {method}: volume mm³ (readers {volume_readers})"] = volume
    with atomic.text(out / "contours.csv") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    return made


def _compare(case: ReadVolume, number: int, nodule: ReadNodule, companion: Companion) -> list[tuple[Any, ...]]:
    geometry = case.volume.geometry
    truth, boxes = nodule.consensus, boxes_of(nodule.consensus)
    pixel_mm, slice_mm = geometry.pixel_spacing, geometry.slice_spacing
    assert pixel_mm is not None
    assert slice_mm is not None
    long_readers = round(long_axis(truth[int(truth.sum(axis=(1, 2)).argmax())]) * pixel_mm[0], 1)
    volume_readers = round(float(truth.sum()) * float(np.prod(pixel_mm)) * slice_mm)
    methods: dict[str, NoduleMeasures | None] = {
        "network": outline_findings(case.volume.pixels, [boxes], pixel_mm, slice_mm, companion)[0],
        "threshold": measure(case.volume.pixels, boxes, pixel_mm, slice_mm),
    }
    best = max(boxes, key=lambda b: b.score).slice
    rows: list[tuple[Any, ...]] = []
    for method, found in methods.items():
        if found is None:
            rows.append(
                (case.patient, number, len(nodule.masks), method, 0.0, None, long_readers, volume_readers, None)
            )
            continue
        mask = fill(found.outline, (truth.shape[1], truth.shape[2]))
        dice = 2 * float((mask & truth[best]).sum()) / float(mask.sum() + truth[best].sum())
        volume = round(found.volume_mm3) if found.volume_mm3 is not None else None
        rows.append(
            (case.patient, number, len(nodule.masks), method, round(dice, 3), round(found.long_mm, 1), long_readers,
             volume_readers, volume)
        )  # fmt: skip
    return rows
