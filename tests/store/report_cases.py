"""A reading of a small made-up CT, and of an ultrasound image, with all that a report can say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from store_cases import NODULES, SHA, breast_case, ct, nodule_case, ultrasound

from cadviewer.findings import Box, LungPlace, Nodule, Side, Third
from cadviewer.imaging.examination import Examination
from cadviewer.imaging.series import Patient, Series
from cadviewer.store.case_report import CaseReport
from cadviewer.store.comparison import Change, Comparison, Sighting, State
from cadviewer.store.reading import Reading, read
from cadviewer.store.session import (
    Answer,
    Decision,
    Drawn,
    Entered,
    Entry,
    KeyImage,
    Mark,
    Measure,
    MeasureKind,
    frame_reference,
    reference,
)

PATIENT = Patient("Müller Jörg", "4711", "M", "19500203", "074Y")
EXAMINATION = Examination(
    accession="A-12",
    referring="House, Gregory",
    institution="Clinic",
    scanner="Maker Model",
    protocol="Thorax",
    kernel="B70f",
    kvp=120.0,
    contrast="none",
    thickness_mm=1.25,
)
FOUND: tuple[Nodule, ...] = (
    replace(NODULES[0], place=LungPlace(Side.RIGHT, Third.UPPER, 4.2)),
    NODULES[1],
    replace(NODULES[1], number=3, boxes=(Box(3, 1.0, 1.0, 5.0, 5.0, 0.4),)),
    replace(NODULES[1], number=4, boxes=(Box(3, 20.0, 20.0, 25.0, 25.0, 0.35),), long_mm=4.0, short_mm=3.05),
)


def entries(*marks: Mark) -> list[Entry]:
    return [Entry(str(k), "w", f"2024-02-01T00:00:{k:02}+00:00", mark) for k, mark in enumerate(marks)]


def series() -> Series:
    return replace(ct(), patient=PATIENT, study_date="20240131", study_description="CT Thorax", series_number=3)


def read_ct(*more: Mark, of: Series | None = None, with_prior: bool = False) -> tuple[CaseReport, Reading]:
    """One finding accepted, one open, one rejected, one unsure, one drawn, and what else a report has. more: marks."""
    case = nodule_case(of or series(), FOUND)
    first, _, third, fourth = (reference(n, "ssd", SHA) for n in FOUND)
    marks: tuple[Mark, ...] = (
        Decision(first, Answer.ACCEPTED),
        Decision(third, Answer.REJECTED),
        Decision(fourth, Answer.UNSURE),
        Drawn(2, 30.0, 5.0, 36.0, 11.0, "A", number=5, long_mm=8.0, short_mm=7.0),
        Entered("setting", "screening"),
        Entered("exam", "complete"),
        Entered("type", "solid", first),
        Entered("status", "baseline", first),
        Entered("feature", "none of these", first),
        Entered("spiculation", "yes", first),
        Entered("note", "smooth <b>edge</b>", first),
        Entered("impression", "Solid nodule on the right.\nFollow as Lung-RADS says."),
        Measure(MeasureKind.DISTANCE, 1, ((0.0, 0.0), (10.0, 0.0)), 5.0, "mm", "beside"),
        KeyImage(0, True),
        *more,
    )
    compared = comparison() if with_prior else None
    return case, read(entries(*marks), FOUND, case.result, case.series, comparison=compared)


def comparison() -> Comparison:
    """The first finding has grown; one of the earlier CT is gone; of the fourth it is not sure."""
    places = [reference(n, "ssd", SHA) for n in FOUND]
    now = [
        Sighting(n.number, str(n.number), p, n.box.slice, (0.0, 0.0, 0.0)) for n, p in zip(FOUND, places, strict=True)
    ]
    gone = Sighting(9, "9", places[1], 1, (0.0, 0.0, 0.0), long_mm=5.0, short_mm=4.0)
    before = Sighting(8, "8", places[0], 1, (0.0, 0.0, 0.0), long_mm=4.0, short_mm=3.5)
    on = date(2023, 1, 31)
    return Comparison(
        "case",
        on,
        (
            Change(State.GROWN, now[0], before, 2.125, 2.5, None, 188.0, on, 365),
            Change(State.STABLE, now[3], gone, 0.1, 0.1, None, None, on, 365, sure=False, doubt="two are as near"),
            Change(State.GONE, None, gone, prior_date=on),
        ),
    )


def read_ultrasound(calibrated: bool = True) -> tuple[CaseReport, Reading]:
    """A lesion with the reader's own call and BI-RADS."""
    case = breast_case(ultrasound())
    assert case.result is not None
    finding = case.result.breast[0]
    if not calibrated:
        finding = replace(finding, long_mm=None, short_mm=None, long_px=142.5, short_px=97.5)
    else:
        finding = replace(finding, long_mm=14.25, short_mm=9.75, area_mm2=109.0, depth_to_width=1.21, lesions=1)
    result = replace(case.result, breast=(finding,))
    place = frame_reference(finding, "estan", SHA)
    marks = entries(
        Entered("call", "malignant", place), Entered("bi_rads", "4B", place), Entered("note", "at 3 o'clock", place)
    )
    case = replace(case, result=result)
    return case, read(marks, (), result, case.series)
