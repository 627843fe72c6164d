"""Small made-up cases for the tests of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cadviewer.findings import Box, BreastFinding, Call, Estimate, Nodule, Provenance, Result, Task, UsedCompanion
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Rejected, Series, Shape, SliceInfo, State, Volume
from cadviewer.store import report as reports
from cadviewer.store.case_report import CaseReport

SHA = "ab" * 32


def provenance(model: str = "ssd") -> Provenance:
    companions = (UsedCompanion("outline", "outliner", "2", SHA),) if model == "ssd" else ()
    return Provenance("cadviewer 0.1.0", model, "1.0", SHA, 0.3, "cpu", "1.0 mm, lung masked", companions=companions)


def ct(source: Path = Path('scans/A, "B"'), count: int = 4, uid: str = "1.2.3") -> Series:
    return Series(
        source=source,
        format="dicom",
        slices=tuple(SliceInfo(source / f"{k}.dcm", 0, f"{uid}.{k}", count - k) for k in range(count)),
        geometry=Geometry((count, 40, 50), (0.7, 0.5), 2.5, (0, 0, 0), ((0, 0, 1), (0, 1, 0), (1, 0, 0))),
        shape=Shape.VOLUME,
        dtype=np.dtype(np.int16),
        modality="CT",
        hounsfield=True,
        series_uid=uid,
        study_uid="1",
    )


def ultrasound(source: Path = Path("bus/x.png"), frames: int = 1) -> Series:
    return Series(
        source=source,
        format="image",
        slices=tuple(SliceInfo(source, k) for k in range(frames)),
        geometry=Geometry((frames, 30, 60)),
        shape=Shape.IMAGE if frames == 1 else Shape.STACK,
        dtype=np.dtype(np.uint8),
    )


def volume(series: Series) -> Volume:
    grid = np.indices(series.geometry.shape).sum(0)
    return Volume(series, (grid * 20 - 1000 if series.hounsfield else grid).astype(series.dtype))


NODULES = (
    Nodule(
        1,
        (Box(1, 10.25, 12.5, 20.125, 21.0, 0.5), Box(2, 10.0, 12.0, 20.0, 21.333333, 0.91)),
        (1.0, -2.0, -0.00001),
        long_mm=6.5,
        short_mm=5.25,
        volume_mm3=100.0,
        malignancy=Estimate(0.4, 0.1, 0.7, (0.1, 0.2, 0.3, 0.25, 0.15)),
        type="solid",
        outline=np.array([[10, 12], [20, 12], [15, 20]], np.float32),
        outlines={
            2: np.array([[10, 12], [20, 12], [15, 20]], np.float32),
            1: np.array([[11, 13], [14, 13], [12, 15.5]], np.float32),
        },
    ),
    Nodule(2, (Box(0, 30.0, 3.0, 33.0, 6.0, 0.31),)),
)


def nodule_case(series: Series | None = None, nodules: tuple[Nodule, ...] = NODULES) -> CaseReport:
    series = series or ct()
    result = Result(series.case_id, Task.NODULES, provenance(), nodules, seconds_infer=1.5)
    return reports.of_result(series, result, 0.25)


def breast_finding(frame: int = 0, call: Call = Call.MALIGNANT) -> BreastFinding:
    mask = np.zeros((30, 60), np.uint8)
    mask[10:20, 20:40] = 255
    return BreastFinding(frame, (30, 60), call, Estimate(0.8, 0.7, 0.9), mask, 200, 12.0, 6.0)


def breast_case(series: Series | None = None, *findings: BreastFinding) -> CaseReport:
    series = series or ultrasound()
    result = Result(series.case_id, Task.BREAST, provenance("estan"), breast=findings or (breast_finding(),))
    return reports.of_result(series, result, 0.01)


def refused_case(source: Path = Path("scans/bad\nname.png"), state: State = State.FAILED) -> CaseReport:
    return reports.of_rejected(Rejected(source, state, "not an image\nalthough named .png"))
