"""What a report says of a case, as plain frozen data: made from a reading alone, so that every format says the same.

A finding is what the reader accepted or added. What he or she was unsure of stands apart; what nobody answered is
counted, what was rejected is counted and not described. A case that nobody read, as a batch has it, says so, and what
the model marked stands as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from statistics import median

from cadviewer import NOTICE
from cadviewer.findings import BreastFinding, LungPlace, Nodule, Provenance, Result, Task
from cadviewer.imaging.examination import NOTHING, Examination
from cadviewer.imaging.series import Patient, Series
from cadviewer.risk.form import CASE_FIELDS, FINDING_FIELDS, Field
from cadviewer.risk.words import Assessment
from cadviewer.store.breast_form import FRAME_FIELDS
from cadviewer.store.case_report import one_line
from cadviewer.store.comparison import Change
from cadviewer.store.reading import Origin, Read, Reading, read
from cadviewer.store.session import Answer, Measure, MeasureKind

IMPRESSION = "impression"
"""Field of the case (`session.Entered`) that holds the reader's impression."""

MOST_FRAMES = 6
"""Frames of an ultrasound loop that are all listed."""
_MEASURED = ("long_mm", "short_mm", "volume_mm3", "type", "note")
"""Fields of a finding that have a place of their own in a report."""


@dataclass(frozen=True)
class Technique:
    """How the images were made; None and "" where the file does not say.

    thickness_mm: Slice Thickness. spacing_mm: between slices of a volume. pixel_mm: (row, column).
    not_volume: why the images are no volume. entered_pixel: the pixel size is the reader's.
    """

    images: int
    thickness_mm: float | None = None
    spacing_mm: float | None = None
    pixel_mm: tuple[float, float] | None = None
    kernel: str = ""
    kvp: float | None = None
    contrast: str = ""
    protocol: str = ""
    scanner: str = ""
    not_volume: str = ""
    entered_pixel: bool = False


@dataclass(frozen=True)
class Finding:
    """A nodule of a report.

    slice, first, last: indices of its best image and of the first and last it is on; sop_uid: of the best.
    long_mm, short_mm, volume_mm3: as the rules take them, entered by the reader or measured (`entered`: names of what
        the reader entered).
    type: the reader's, else the model's with `type_proposed`. score: the model's; None where the reader alone found it.
    entries: further fields of the form that the reader filled in.
    """

    name: str
    origin: Origin
    answer: Answer | None
    slice: int
    first: int
    last: int
    sop_uid: str = ""
    place: LungPlace | None = None
    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None
    entered: frozenset[str] = frozenset()
    type: str = ""
    type_proposed: bool = False
    nodule: Nodule | None = None
    score: float | None = None
    note: str = ""
    entries: tuple[tuple[Field, str], ...] = ()
    assessments: tuple[Assessment, ...] = ()
    change: Change | None = None


@dataclass(frozen=True)
class BreastImage:
    """One ultrasound image of a report. entries: what the reader entered of it, BI-RADS among them."""

    found: BreastFinding
    answer: Answer | None
    entries: tuple[tuple[Field, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """All that a report says.

    identified: it says whose it is. read_by_reader: somebody has read it.
    findings: accepted or added by the reader, or of a case that nobody read what the model marked.
    images: of a long loop those that the reader said something of and the one with the highest score; images_left: how
        many others there are.
    unanswered, rejected: how many there are. others: those. measures: what the reader drew.
    exam: Lung-RADS of the exam. prior_date: of the examination that it was compared with (ISO 8601), "" for none.
    gone: what that one alone shows. entries: of the case. warnings: what should be known of input and result.
    lines: what a task without findings of its own here says.
    """

    task: Task
    series: Series
    examination: Examination
    technique: Technique
    provenance: Provenance
    read_by_reader: bool
    findings: tuple[Finding, ...] = ()
    unsure: tuple[Finding, ...] = ()
    unanswered: int = 0
    rejected: int = 0
    images: tuple[BreastImage, ...] = ()
    images_left: int = 0
    measures: tuple[Measure, ...] = ()
    key_images: tuple[int, ...] = ()
    exam: Assessment | None = None
    entries: tuple[tuple[Field, str], ...] = ()
    prior_date: str = ""
    gone: tuple[Change, ...] = ()
    impression: str = ""
    warnings: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    notice: str = NOTICE
    identified: bool = True
    others: tuple[Finding, ...] = ()

    def finding(self, name: str) -> Finding | None:
        """The one that the window calls so, also where it is no finding of the report."""
        return next((f for f in (*self.findings, *self.unsure, *self.others) if f.name == name), None)

    def anonymous(self) -> Report:
        """The same without whose it is."""
        series = replace(self.series, patient=Patient())
        return replace(self, series=series, examination=NOTHING, identified=False)


def report_of(
    series: Series,
    result: Result,
    reading: Reading | None,
    *,
    examination: Examination = NOTHING,
) -> Report:
    """What a report of an analysed case says.

    reading: None where nobody has read it. examination: what its header says (`imaging.examination.of_series`).
    """
    series = _plain(series)
    by_reader = reading is not None and _touched(reading)
    reading = reading if reading is not None else read((), result.nodules, result, series)
    made = [_finding(reading, r, series) for r in reading.findings]
    compared = reading.comparison
    images = [
        BreastImage(b, answer, _entries(FRAME_FIELDS, reading.frame_values.get(b.frame, {})))
        for b, answer in reading.frames
    ]
    listed = [f for f in made if f.answer is Answer.ACCEPTED or not by_reader]
    return Report(
        task=result.task,
        series=series,
        examination=examination,
        technique=_technique(series, reading, examination),
        provenance=result.provenance,
        read_by_reader=by_reader,
        findings=tuple(listed),
        unsure=tuple(f for f in made if f.answer is Answer.UNSURE),
        others=tuple(f for f in made if f not in listed and f.answer is not Answer.UNSURE),
        unanswered=sum(f.answer is None for f in made) if by_reader else 0,
        rejected=sum(f.answer is Answer.REJECTED for f in made),
        images=_listed(images),
        images_left=len(images) - len(_listed(images)),
        measures=tuple(m for _, m in reading.measures if m.kind is not MeasureKind.POINT),
        key_images=reading.key_images,
        exam=reading.assess_exam() if by_reader else None,
        entries=_entries(CASE_FIELDS, reading.values),
        prior_date=_prior_date(reading),
        gone=compared.gone if compared is not None else (),
        impression=reading.values.get(IMPRESSION, ""),
        warnings=tuple(dict.fromkeys((*series.warnings, *result.warnings))),
        lines=result.lines,
    )


def _listed(images: Sequence[BreastImage]) -> tuple[BreastImage, ...]:
    """See `Report.images`."""
    if len(images) <= MOST_FRAMES:
        return tuple(images)
    top = max(images, key=lambda i: i.found.probability.value if i.found.probability is not None else -1.0)
    return tuple(i for i in images if i.answer is not None or i.entries or i is top)


def _touched(reading: Reading) -> bool:
    """Whether a reader has said anything of the case."""
    answers = [r.answer for r in reading.findings] + [answer for _, answer in reading.frames]
    return bool(
        any(answers)
        or any(r.values for r in reading.findings)
        or reading.frame_values
        or reading.values
        or reading.measures
        or reading.key_images
    )


def _finding(reading: Reading, found: Read, series: Series) -> Finding:
    shown, nodule, form = found.found, found.found.nodule, found.form
    index = nodule.box.slice
    scored = shown.also if shown.also is not None else nodule if shown.origin is not Origin.READER else None
    return Finding(
        name=shown.name,
        origin=shown.origin,
        answer=found.answer,
        slice=index,
        first=nodule.slice_first,
        last=nodule.slice_last,
        sop_uid=series.slices[index].sop_uid if index < len(series.slices) else "",
        place=nodule.place if nodule.place is not None or shown.also is None else shown.also.place,
        long_mm=_number(form, "long_mm"),
        short_mm=_number(form, "short_mm"),
        volume_mm3=_number(form, "volume_mm3"),
        entered=frozenset(name for name in _MEASURED if name in found.values),
        type=found.values.get("type") or nodule.type or "",
        type_proposed="type" not in found.values,
        nodule=nodule,
        score=scored.score if scored is not None else None,
        note=found.values.get("note", ""),
        entries=_entries({n: f for n, f in FINDING_FIELDS.items() if n not in _MEASURED}, found.values),
        assessments=reading.assess(found),
        change=found.change,
    )


def _prior_date(reading: Reading) -> str:
    if reading.comparison is not None and reading.comparison.prior_date is not None:
        return reading.comparison.prior_date.isoformat()
    return reading.form.get("prior_date", "")


def _technique(series: Series, reading: Reading, examination: Examination) -> Technique:
    thick = [s.thickness_mm for s in series.slices if s.thickness_mm is not None]
    entered = reading.pixel_size[1].mm if reading.pixel_size is not None else None
    return Technique(
        images=len(series.slices),
        thickness_mm=examination.thickness_mm or (median(thick) if thick else None),
        spacing_mm=series.geometry.slice_spacing,
        pixel_mm=series.geometry.pixel_spacing or (None if entered is None else (entered, entered)),
        kernel=examination.kernel,
        kvp=examination.kvp,
        contrast=examination.contrast,
        protocol=examination.protocol,
        scanner=examination.scanner or series.manufacturer,
        not_volume=series.not_volume,
        entered_pixel=series.geometry.pixel_spacing is None and entered is not None,
    )


def _plain(series: Series) -> Series:
    """What its header says in words without line ends and control characters, with which a name could pose as more."""
    patient = Patient(**{f.name: one_line(getattr(series.patient, f.name)) for f in fields(Patient)})
    return replace(
        series,
        patient=patient,
        study_description=one_line(series.study_description),
        description=one_line(series.description),
        body_part=one_line(series.body_part),
    )


def _entries(fields: Mapping[str, Field], values: Mapping[str, str]) -> tuple[tuple[Field, str], ...]:
    return tuple((field, values[name]) for name, field in fields.items() if values.get(name))


def _number(form: Mapping[str, str], name: str) -> float | None:
    try:
        return float(form[name])
    except (KeyError, ValueError):
        return None
