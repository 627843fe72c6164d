"""What of a case goes into its DICOM objects: once what the reader accepted or drew, once what the model found.

The reader's has no finding that was rejected or left open; the model's has all at or above the threshold, whatever was
said of them, and is named as not reviewed wherever it has a name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import BreastFinding, Nodule, Provenance, Result, Task
from cadviewer.imaging.mask_outlines import pixel_outlines
from cadviewer.risk.words import Assessment
from cadviewer.store.breast_form import OWN_CALL
from cadviewer.store.case_report import CaseReport
from cadviewer.store.export.dicom import codes
from cadviewer.store.export.dicom.codes import Coded
from cadviewer.store.marks import Answer, FindingRef, Measure, Outlined
from cadviewer.store.reading import Origin, Read, Reading
from cadviewer.store.session import frame_reference, reference

NO_LESION, NEGATIVE = "no lesion", "1"
"""The reader's own call, and the category of BI-RADS, of an image without a lesion."""
Polygon = NDArray[np.float64]
"""(n, 2) of (x, y) edge coordinates, not closed."""


class Author(StrEnum):
    """Who stands for an object."""

    READER = "reader"
    MODEL = "model"

    @property
    def description(self) -> str:
        """What objects say of whose they are."""
        return "reader" if self is Author.READER else "model, not reviewed"


class MadeBy(StrEnum):
    """Who outlined something (Segment Algorithm Type, PS3.3 C.8.20.2)."""

    AUTOMATIC = "AUTOMATIC"  # the model alone
    SEMIAUTOMATIC = "SEMIAUTOMATIC"  # a program in a box of the reader's
    MANUAL = "MANUAL"


class Measured(NamedTuple):
    """A measurement of a finding."""

    name: Coded
    value: float
    unit: Coded


class Rated(NamedTuple):
    """A coded question and its answer."""

    name: Coded
    value: Coded


@dataclass(frozen=True)
class Algorithm:
    """What found or outlined something. sha256: of its weights."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Finding:
    """A nodule, or a lesion on one breast image.

    name: as the program shows it. place: the same for the same finding in whatever export.
    best: the slice that it is best seen on. boxes, outlines: by slice; outlines has the pieces of each. masks: of the
    image's size, where it is known by one.
    lesion: False where the reader says that there is none: then it is an assessment of the image.
    algorithm: of what found or outlined it, None where a reader alone did. side: of the lungs, None where unknown.
    """

    name: str
    place: str
    task: Task
    best: int
    made_by: MadeBy
    lesion: bool = True
    boxes: Mapping[int, tuple[float, float, float, float]] = field(default_factory=dict)
    outlines: Mapping[int, tuple[Polygon, ...]] = field(default_factory=dict)
    masks: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    rated: tuple[Rated, ...] = ()
    algorithm: Algorithm | None = None
    side: Coded | None = None

    @property
    def kind(self) -> Coded:
        return codes.NODULE if self.task is Task.NODULES else codes.MASS

    @property
    def site(self) -> Coded:
        return codes.LUNG if self.task is Task.NODULES else codes.BREAST

    @property
    def slices(self) -> tuple[int, ...]:
        """Those that it is outlined on, else that of its best box."""
        return tuple(sorted(self.outlines)) or (self.best,)

    def value(self, name: Coded) -> float | None:
        """A measurement by its name."""
        return next((m.value for m in self.measured if m.name == name), None)

    @property
    def words(self) -> str:
        """Its name and size in one line."""
        long, short = self.value(codes.LONG_AXIS), self.value(codes.SHORT_AXIS)
        if long is None:
            return self.name
        unit = "px" if any(m.unit == codes.PIXEL for m in self.measured) else "mm"
        return f"{self.name}: {long:.1f} {unit}" if short is None else f"{self.name}: {long:.1f} x {short:.1f} {unit}"


@dataclass(frozen=True)
class Contents:
    """What one object is made from. measures: with the record of the journal that each is known by."""

    author: Author
    task: Task
    findings: tuple[Finding, ...]
    measures: tuple[tuple[str, Measure], ...] = ()
    key_images: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.findings and not self.measures


def of_model(report: CaseReport) -> Contents | None:
    """What the model found; None where the case was not analysed, or for something else than nodules and lesions."""
    result = report.result
    if result is None or result.task not in (Task.NODULES, Task.BREAST):
        return None
    nodules = (_models_nodule(n, result.provenance) for n in result.nodules)
    breast = (_breast(b, result, None, Author.MODEL) for b in result.breast if b.mask is not None and b.mask.any())
    return Contents(Author.MODEL, result.task, (*nodules, *breast))


def of_reader(report: CaseReport, reading: Reading | None) -> Contents | None:
    """What the reader accepted, drew and measured; None where nobody read."""
    result = report.result
    if reading is None or result is None or result.task not in (Task.NODULES, Task.BREAST):
        return None
    findings = [_read(r, reading, result) for r in reading.findings if r.answer is Answer.ACCEPTED]
    for frame, answer in reading.frames:
        values = reading.frame_values.get(frame.frame, {})
        said = {name: text for name, text in values.items() if name in (OWN_CALL, "bi_rads")}
        if answer is Answer.ACCEPTED or said:
            findings.append(_breast(frame, result, said, Author.READER, outlined=answer is Answer.ACCEPTED))
    measures = tuple((entry.id, measure) for entry, measure in reading.measures)
    return Contents(Author.READER, result.task, tuple(findings), measures, reading.key_images)


# ------------------------------------------------------------------------------------------------------------- nodules


def _models_nodule(nodule: Nodule, by: Provenance) -> Finding:
    rated = [Rated(codes.FOUND_BY, codes.FOUND["model"])]
    if nodule.type:
        rated.append(Rated(codes.TYPE, codes.private("TYPE", nodule.type)))
    certainty = Measured(codes.CERTAINTY, 100 * float(nodule.score), codes.PERCENT)
    return Finding(
        name=str(nodule.number),
        place=_place(reference(nodule, by.model, by.weights_sha256)),
        task=Task.NODULES,
        best=nodule.box.slice,
        made_by=MadeBy.AUTOMATIC,
        boxes=_boxes(nodule),
        outlines=_outlines(nodule),
        measured=(*_sizes(nodule), certainty),
        rated=tuple(rated),
        algorithm=_algorithm(by),
        side=_side(nodule),
    )


def _read(read: Read, reading: Reading, result: Result) -> Finding:
    """A finding that stands, in the reader's words: sizes that were entered count before those measured."""
    found, nodule, by = read.found, read.found.nodule, result.provenance
    made_by, algorithm = _who(found.origin, found.outlined, bool(_outlines(nodule)) and result.task is Task.NODULES, by)
    rated = [Rated(codes.FOUND_BY, codes.FOUND[found.origin.value])]
    if kind := read.values.get("type"):
        rated.append(Rated(codes.TYPE, codes.private("TYPE", kind)))
    rated += [each for a in reading.assess(read) for each in _assessed(a)]
    return Finding(
        name=found.name,
        place=_place(found.place),
        task=result.task,
        best=nodule.box.slice,
        made_by=made_by,
        boxes=_boxes(nodule),
        outlines=_outlines(nodule),
        measured=tuple(_sizes_read(read)),
        rated=tuple(rated),
        algorithm=algorithm,
        side=_side(nodule),
    )


def _sizes_read(read: Read) -> Iterator[Measured]:
    """As the report and the rules take them (`Read.form`): an entered axis keeps the other one that was measured."""
    if not {"long_mm", "short_mm", "volume_mm3"} & set(read.values):
        yield from _sizes(read.found.nodule)
        return
    for name, code, unit in (
        ("long_mm", codes.LONG_AXIS, codes.MM),
        ("short_mm", codes.SHORT_AXIS, codes.MM),
        ("volume_mm3", codes.VOLUME, codes.MM3),
    ):
        if (value := _number(read.form.get(name))) is not None:
            yield Measured(code, value, unit)


def _side(nodule: Nodule) -> Coded | None:
    side = nodule.place.side if nodule.place is not None else None
    return None if side is None else codes.SIDES[side.value]


def _who(
    origin: Origin, outlined: Outlined | None, by_density: bool, by: Provenance
) -> tuple[MadeBy, Algorithm | None]:
    """Who outlined a finding. by_density: whether a drawn one has an outline though no network gave it any."""
    if origin is Origin.MODEL:
        return MadeBy.AUTOMATIC, _algorithm(by)
    if outlined is not None:
        return MadeBy.SEMIAUTOMATIC, Algorithm(outlined.model, outlined.model_version, outlined.weights_sha256)
    if by_density:
        return MadeBy.SEMIAUTOMATIC, Algorithm("density within the box", by.application, "")
    return MadeBy.MANUAL, None


def _algorithm(by: Provenance) -> Algorithm:
    return Algorithm(by.model, by.model_version, by.weights_sha256)


def _boxes(nodule: Nodule) -> dict[int, tuple[float, float, float, float]]:
    return {b.slice: (b.x0, b.y0, b.x1, b.y1) for b in nodule.boxes}


def _outlines(nodule: Nodule) -> dict[int, tuple[Polygon, ...]]:
    found: dict[int, tuple[Polygon, ...]] = {}
    found |= {k: (np.asarray(points, np.float64),) for k, points in nodule.outlines.items() if len(points) > 2}
    if not found and nodule.outline is not None and len(nodule.outline) > 2:
        found = {nodule.box.slice: (np.asarray(nodule.outline, np.float64),)}
    return found


def _sizes(nodule: Nodule) -> Iterator[Measured]:
    for code, value, unit in (
        (codes.LONG_AXIS, nodule.long_mm, codes.MM),
        (codes.SHORT_AXIS, nodule.short_mm, codes.MM),
        (codes.VOLUME, nodule.volume_mm3, codes.MM3),
    ):
        if value is not None and math.isfinite(value):
            yield Measured(code, float(value), unit)


def _assessed(assessment: Assessment) -> Iterator[Rated]:
    """A rule's category, by its own code where there is one, and which version of the rule."""
    rule, category = assessment.rule, assessment.category
    if category is None:
        return
    if rule.name == "Lung-RADS" and category in codes.LUNG_RADS:
        yield Rated(codes.LUNG_RADS_ASSESSMENT, codes.LUNG_RADS[category])
    else:
        yield Rated(codes.private("RULE", rule.name), codes.private("CAT", category))
    yield Rated(codes.RULE, codes.private("RULE", rule.title))


# -------------------------------------------------------------------------------------------------------------- breast


def _breast(
    found: BreastFinding, result: Result, said: Mapping[str, str] | None, author: Author, *, outlined: bool = True
) -> Finding:
    """said: what the reader said of the image, None for the model's own. outlined: whether the mask stands."""
    by = result.provenance
    rated = []
    call = found.call.value if said is None else said.get(OWN_CALL)
    if call is not None and call in codes.CALLS:
        rated.append(Rated(codes.CALL, codes.CALLS[call]))
    category = (said or {}).get("bi_rads", "")
    if category in codes.BI_RADS:
        rated.append(Rated(codes.ASSESSMENT, codes.BI_RADS[category]))
    measured = list(_lesion(found)) if outlined else []
    if author is Author.MODEL and found.probability is not None:
        measured.append(Measured(codes.PROBABILITY, 100 * found.probability.value, codes.PERCENT))
    mask = found.mask if outlined and found.mask is not None and found.mask.any() else None
    own = author is Author.READER and not outlined  # nothing of the model's stands in it
    return Finding(
        name=f"image {found.frame + 1}",
        place=_place(frame_reference(found, by.model, by.weights_sha256)),
        task=Task.BREAST,
        best=found.frame,
        made_by=MadeBy.MANUAL if own else MadeBy.AUTOMATIC,
        lesion=not (own and (call == NO_LESION or category == NEGATIVE)),
        outlines={} if mask is None else {found.frame: pixel_outlines(mask)},
        masks={} if mask is None else {found.frame: mask},
        measured=tuple(measured),
        rated=tuple(rated),
        algorithm=None if own else _algorithm(by),
    )


def _lesion(found: BreastFinding) -> Iterator[Measured]:
    if found.long_mm is not None and found.short_mm is not None:
        yield Measured(codes.LONG_AXIS, float(found.long_mm), codes.MM)
        yield Measured(codes.SHORT_AXIS, float(found.short_mm), codes.MM)
    elif found.long_px is not None and found.short_px is not None:
        yield Measured(codes.LONG_AXIS, float(found.long_px), codes.PIXEL)
        yield Measured(codes.SHORT_AXIS, float(found.short_px), codes.PIXEL)
    if found.area_mm2 is not None:
        yield Measured(codes.AREA, float(found.area_mm2), codes.MM2)


def _place(place: FindingRef) -> str:
    """What a finding is known by: the record that drew it, else who found it and where."""
    if place.key:
        return f"{place.kind.value} {place.key}"
    box = " ".join(f"{v:.2f}" for v in (place.x0, place.y0, place.x1, place.y1))
    return f"{place.kind.value} {place.weights_sha256} {place.slice} {box}"


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) and value > 0 else None
