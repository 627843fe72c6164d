"""Small cases that somebody has read, of every kind of source that DICOM objects are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import dicom_made
import gui_images
import numpy as np
from labelled import OBLIQUE

from cadviewer.findings import (
    Box,
    BreastFinding,
    Call,
    Estimate,
    LungPlace,
    Nodule,
    Provenance,
    Result,
    Side,
    Task,
)
from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, Volume
from cadviewer.models.breast import lesion_measures
from cadviewer.models.nodules.measurement import axes
from cadviewer.phantoms.files import write_dicom_series, write_mhd
from cadviewer.phantoms.phantom import uid
from cadviewer.store.case_report import CaseReport
from cadviewer.store.marks import (
    Answer,
    Decision,
    Drawn,
    Entered,
    KeyImage,
    Mark,
    Measure,
    MeasureKind,
)
from cadviewer.store.reading import Reading, read
from cadviewer.store.report import of_result
from cadviewer.store.session import Entry, frame_reference, reference

SHA = "ab" * 32
ROWS, COLUMNS = 64, 80
AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


@dataclass(frozen=True)
class ReadCase:
    """A case as an exporter is given it."""

    report: CaseReport
    volume: Volume
    reading: Reading

    @property
    def series(self) -> Series:
        return self.volume.series


def opened(path: Path) -> Volume:
    (found,) = [item for item in files.scan([path]) if isinstance(item, Series)]
    return files.read(found)


# ------------------------------------------------------------------------------------------------------------------- CT


def ct(folder: Path, *, direction: Any = AXIAL, tilt: float = 0.0, slices: int = 12, as_mhd: bool = False) -> ReadCase:
    """Two nodules that the model found on the same slices, the first accepted, the second rejected; one that it found
    elsewhere, not answered; one that the reader drew; measures of every kind."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(-900, -800, (slices, ROWS, COLUMNS)).astype(np.int16)
    geometry = Geometry(pixels.shape, (0.7, 0.7), 2.5, (-20.0, -30.0, 40.0), direction)
    series = Series(folder, "phantom", (), geometry, Shape.VOLUME, pixels.dtype, modality="CT", hounsfield=True)
    series = replace(series, study_uid=uid(5, "study"), series_uid=uid(5, "series"), body_part="CHEST")
    if as_mhd:
        volume = opened(write_mhd(Volume(series, pixels), folder / "ct.mhd").parent)
    else:
        write_dicom_series(Volume(series, pixels), folder, seed=5, tilt_degrees=tilt)
        volume = opened(folder)
    nodules = (nodule(1, 0.9, 20.0, 20.0, 5.0), nodule(2, 0.8, 50.0, 22.0, 4.0), nodule(3, 0.7, 60.0, 50.0, 3.0, 7))
    made = Provenance("cadviewer 0.1.0", "ssd-test", "1.2", SHA, 0.3, "cpu", "none")
    result = Result(volume.series.case_id, Task.NODULES, made, nodules=nodules)
    marks: list[Mark] = [
        Decision(reference(nodules[0], "ssd-test", SHA), Answer.ACCEPTED),
        Decision(reference(nodules[1], "ssd-test", SHA), Answer.REJECTED),
        Drawn(9, 30, 40, 38, 50, "A", long_mm=6.5, short_mm=5.25),
        Entered("setting", "screening"),
        Entered("type", "solid", reference(nodules[0], "ssd-test", SHA)),
        Entered("status", "baseline", reference(nodules[0], "ssd-test", SHA)),
        Entered("feature", "none of these", reference(nodules[0], "ssd-test", SHA)),
        *measures(),
        KeyImage(2, True),
    ]
    return _read(volume, result, marks, nodules)


def nodule(number: int, score: float, x: float, y: float, radius: float, middle: int = 4) -> Nodule:
    """A ball on five slices with its outline on each."""
    outlines, boxes = {}, []
    for k in range(middle - 2, middle + 3):
        own = radius * (1 - 0.2 * abs(k - middle))
        outlines[k] = np.array(
            [(x + 1.3 * own * np.cos(t), y + own * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40, endpoint=False)],
            np.float32,
        )
        boxes.append(Box(k, x - 1.3 * own, y - own, x + 1.3 * own, y + own, score - 0.01 * abs(k - middle)))
    long, short = axes(outlines[middle] * np.float32(0.7))
    return Nodule(
        number,
        tuple(boxes),
        long_mm=long,
        short_mm=short,
        volume_mm3=123.4567,
        outline=outlines[middle],
        outlines=outlines,
        place=LungPlace(Side.RIGHT if x < COLUMNS / 2 else Side.LEFT),
    )


def measures() -> list[Measure]:
    return [
        Measure(MeasureKind.DISTANCE, 3, ((10.0, 10.0), (30.0, 25.0)), 17.5, "mm", "wall"),
        Measure(MeasureKind.ANGLE, 3, ((10.0, 10.0), (30.0, 20.0), (40.0, 10.0)), 108.435, "°"),
        Measure(MeasureKind.ELLIPSE, 5, ((40.0, 30.0), (60.0, 40.0)), -850.5, "HU", area=1.0, area_unit="mm²"),
        Measure(MeasureKind.RECTANGLE, 5, ((4.0, 30.0), (20.0, 40.0)), -849.0, "HU"),
        Measure(MeasureKind.FREEHAND, 6, ((4.0, 4.0), (20.0, 4.0), (12.0, 18.0)), -851.0, "HU"),
        Measure(MeasureKind.BIDIRECTIONAL, 6, ((30.0, 30.0), (50.0, 30.0), (40.0, 25.0), (40.0, 35.0)), 14.0, "mm"),
        Measure(MeasureKind.POINT, 6, ((70.5, 10.5),), -830.0, "HU"),
        Measure(MeasureKind.ARROW, 6, ((10.0, 50.0), (25.0, 40.0))),
        Measure(MeasureKind.TEXT, 6, ((5.0, 60.0),), label="vessel"),
    ]


# ----------------------------------------------------------------------------------------------------------- ultrasound


def ultrasound(path: Path, frames: int = 1, *, calibrated: bool = True, colour: bool = True) -> ReadCase:
    """A DICOM ultrasound with a lesion on each image; the reader agrees with the first call and gives BI-RADS 4B.

    colour: gray in three channels, as most machines write it; else one.
    """
    shape = (frames, ROWS, COLUMNS) if frames > 1 else (ROWS, COLUMNS)
    pixels = np.random.default_rng(1).integers(20, 200, shape).astype(np.uint8)
    if colour:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    elements: dict[str, Any] = {"PatientName": "Doe^Jané", "PatientID": "P-7", "SpecificCharacterSet": "ISO_IR 100"}
    if calibrated:
        elements["SequenceOfUltrasoundRegions"] = [dicom_made.region(corners=(0, 0, COLUMNS - 1, ROWS - 1))]
    if frames > 1:
        elements |= {"FrameTime": 40, "FrameIncrementPointer": 0x00181063}
    many = "1.2.840.10008.5.1.4.1.1.3.1"
    sop_class = many if frames > 1 else "1.2.840.10008.5.1.4.1.1.6.1"
    dicom_made.write(path, pixels, sop_class=sop_class, modality="US", **elements)
    return _breast(opened(path))


def png(path: Path) -> ReadCase:
    """The same of a picture that is no DICOM."""
    gui_images.write_png(path, ROWS, COLUMNS)
    return _breast(opened(path))


def _breast(volume: Volume) -> ReadCase:
    spacing = volume.geometry.pixel_spacing
    found = []
    for k in range(len(volume.pixels)):
        mask = np.zeros((ROWS, COLUMNS), np.uint8)
        cv2.ellipse(mask, (40 + k, 30), (15, 9), 20, 0, 360, 255, -1)
        cv2.ellipse(mask, (10, 55), (4, 3), 0, 0, 360, 255, -1)
        own = lesion_measures.measure(mask, spacing)
        assert own is not None
        found.append(
            BreastFinding(
                k,
                (ROWS, COLUMNS),
                Call.MALIGNANT,
                Estimate(0.8, 0.7, 0.9),
                mask,
                int((mask > 0).sum()),
                own.long_mm,
                own.short_mm,
                lesions=own.lesions,
                long_px=own.long_px,
                short_px=own.short_px,
                area_mm2=own.area_mm2,
                depth_to_width=own.depth_to_width,
            )
        )
    made = Provenance("cadviewer 0.1.0", "hybrid-test", "2.0", SHA, 0.5, "cpu", "none")
    result = Result(volume.series.case_id, Task.BREAST, made, breast=tuple(found))
    place = frame_reference(found[0], "hybrid-test", SHA)
    marks: list[Mark] = [
        Entered("call", "malignant", place),
        Entered("bi_rads", "4B", place),
        Drawn(0, 60, 40, 70, 50, "A"),
    ]
    if spacing is not None:
        marks.append(Measure(MeasureKind.DISTANCE, 0, ((10.0, 10.0), (40.0, 10.0)), 30 * spacing[1], "mm"))
    return _read(volume, result, marks, ())


def _read(volume: Volume, result: Result, marks: list[Mark], nodules: tuple[Nodule, ...]) -> ReadCase:
    entries = [Entry(f"{k:016x}", "w", "2024-01-01T00:00:00Z", mark) for k, mark in enumerate(marks)]
    reading = read(entries, nodules, result, volume.series)
    return ReadCase(of_result(volume.series, result, None), volume, reading)


KINDS: dict[str, Any] = {
    "axial CT": lambda folder: ct(folder / "ct"),
    "oblique CT": lambda folder: ct(folder / "ct", direction=OBLIQUE),
    "CT with a tilted gantry": lambda folder: ct(folder / "ct", tilt=12.0),
    "CT as MetaImage": lambda folder: ct(folder / "ct", as_mhd=True),
    "ultrasound loop": lambda folder: ultrasound(folder / "us.dcm", 3, calibrated=False),
    "gray ultrasound loop": lambda folder: ultrasound(folder / "us.dcm", 3, colour=False),
    "calibrated ultrasound loop": lambda folder: ultrasound(folder / "us.dcm", 3),
    "calibrated ultrasound": lambda folder: ultrasound(folder / "us.dcm"),
    "PNG": lambda folder: png(folder / "us.png"),
}
"""By what the source is."""
