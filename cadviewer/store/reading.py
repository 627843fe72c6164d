"""What a reader made of a case: the findings with his or her decisions, entries and own marks, and what rules say.

Made from a result and a journal alone, so that the window and every export agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

import numpy as np

from cadviewer.findings import Box, BreastFinding, Nodule, Result, Third, overlap
from cadviewer.imaging.series import Series
from cadviewer.risk import form, lung_rads
from cadviewer.risk.words import Assessment, NoduleType
from cadviewer.store.areas import REGIONS, area_px
from cadviewer.store.breast_form import OWN_CALL, agrees
from cadviewer.store.comparison import Change, Comparison, State
from cadviewer.store.session import (
    READER,
    Answer,
    Drawn,
    Entry,
    FindingRef,
    KeyImage,
    Measure,
    MeasureKind,
    Outlined,
    PixelSize,
    RefKind,
    decisions,
    filled_in,
    frame_answer,
    pixel_size,
    reference,
    same_place,
)

_TYPES = {
    "solid": NoduleType.SOLID,
    "part-solid": NoduleType.PART_SOLID,
    "mixed": NoduleType.PART_SOLID,
    "non-solid": NoduleType.NON_SOLID,
    "ground-glass": NoduleType.NON_SOLID,
}
"""What models call the types."""


class Origin(StrEnum):
    """Who found a finding."""

    MODEL = "model"
    EDITED = "model, box changed by the reader"
    READER = "reader"


@dataclass(frozen=True)
class ReadFinding:
    """A finding as it is shown: the model's, with the reader's box if he or she changed it, or the reader's own.

    nodule: as shown. place: how records name it. origin: who found it. key: the record that drew it, "" for none.
    outlined: by which model what the reader drew was measured; None where by its density. name: what the window calls
        it: the model's by their numbers, the reader's by letters, since candidates below the threshold have numbers.
    also: of the reader's own, the model's finding at the same place, which is no other one then.
    """

    nodule: Nodule
    place: FindingRef
    origin: Origin = Origin.MODEL
    key: str = ""
    outlined: Outlined | None = None
    name: str = ""
    also: Nodule | None = None


@dataclass(frozen=True)
class Read:
    """A finding with what the reader said of it. values: the fields of `risk.form` that were entered.

    change: what became of it since the CT that the case was compared with; None where it was not.
    """

    found: ReadFinding
    answer: Answer | None
    values: Mapping[str, str]
    change: Change | None = None

    @property
    def form(self) -> form.Form:
        """The fields with what was measured, and what a comparison says, where nothing else was entered."""
        return form.with_facts(self.values, facts(self.found.nodule, self.change))


@dataclass(frozen=True)
class Reading:
    """All that a reader made of a case.

    frames: what was said of each breast image, with the answer. values: the fields of the case that were entered.
    case_facts: what the file says. pixel_size: as the reader entered it, for an image whose file does not say; the
    lengths among `measures` are by it. comparison: with an earlier CT of the patient, where one was made.
    """

    findings: tuple[Read, ...] = ()
    frames: tuple[tuple[BreastFinding, Answer | None], ...] = ()
    frame_values: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    case_facts: form.CaseFacts = field(default_factory=form.CaseFacts)
    measures: tuple[tuple[Entry, Measure], ...] = ()
    key_images: tuple[int, ...] = ()
    pixel_size: tuple[Entry, PixelSize] | None = None
    comparison: Comparison | None = None

    @property
    def form(self) -> form.Form:
        """The fields of the case with what the file says where nothing else was entered."""
        return form.with_case_facts(self.values, self.case_facts)

    def assess(self, read: Read) -> tuple[Assessment, ...]:
        """What the rules say of a finding."""
        return form.assess(self.form, read.form)

    def assess_exam(self) -> Assessment | None:
        """Lung-RADS of the exam, from what the reader accepted; None where it is not for screening."""
        accepted = [(f"finding {r.found.name}", r.form) for r in self.findings if r.answer is Answer.ACCEPTED]
        unread = sum(r.answer in (None, Answer.UNSURE) for r in self.findings)
        return form.assess_exam(self.form, accepted, unread)


def read(
    entries: Sequence[Entry],
    nodules: Sequence[Nodule],
    result: Result | None,
    series: Series | None = None,
    comparison: Comparison | None = None,
) -> Reading:
    """A reading from the entries of a journal that count.

    nodules: the model's that are looked at (at or above the confidence that the reader chose), of `result`.
    comparison: with an earlier CT, as it was made last.
    """
    answers, values = decisions(entries), filled_in(entries)
    marked = {e.mark.slice: e.mark.marked for e in entries if isinstance(e.mark, KeyImage)}
    uncalibrated = series is not None and series.geometry.pixel_spacing is None
    entered = pixel_size(entries) if uncalibrated else None
    mm = entered[1].mm if entered is not None else None
    pixel = (mm, mm) if mm is not None else series.geometry.pixel_spacing if series is not None else None
    measures = [(e, _with_area(e.mark, pixel)) for e in entries if isinstance(e.mark, Measure)]
    frames = result.breast if result is not None else ()
    return Reading(
        findings=tuple(
            Read(
                found,
                answer_of(found, answers, result),
                values_of(found, values),
                comparison.of(found.nodule.number) if comparison is not None else None,
            )
            for found in shown(entries, nodules, result)
        ),
        frames=tuple((b, frame_read(b, answers, values)) for b in frames),
        frame_values={b.frame: found for b in frames if (found := frame_values(b.frame, values))},
        values={name: text for (finding, name), text in values.items() if finding is None},
        case_facts=replace(
            facts_of(series) if series is not None else form.CaseFacts(),
            prior_date=comparison.prior_date if comparison is not None else None,
        ),
        measures=tuple((e, _by_pixel(m, mm) if uncalibrated else m) for e, m in measures),
        key_images=tuple(sorted(k for k, on in marked.items() if on)),
        pixel_size=entered,
        comparison=comparison,
    )


def _by_pixel(measure: Measure, mm: float | None) -> Measure:
    """A length by the pixel size that counts now, in pixels without one: it may be another than when it was drawn."""
    ends = measure.points
    if measure.kind not in (MeasureKind.DISTANCE, MeasureKind.BIDIRECTIONAL) or measure.unit not in ("mm", "px"):
        return measure
    pixels = max((math.dist(a, b) for a, b in zip(ends[::2], ends[1::2], strict=False)), default=0.0)
    return replace(measure, value=round(pixels * (mm or 1.0), 3), unit="mm" if mm is not None else "px")


def _with_area(measure: Measure, pixel_mm: tuple[float, float] | None) -> Measure:
    """A region with its area by the pixels (row, column) that count now; one drawn across the slices keeps its own."""
    if measure.kind not in REGIONS or measure.depths:
        return measure
    row, column = pixel_mm or (1.0, 1.0)
    area = round(area_px(measure.kind, measure.points) * row * column, 3)
    return replace(measure, area=area, area_unit="mm²" if pixel_mm is not None else "px²")


def shown(
    entries: Sequence[Entry], nodules: Sequence[Nodule], result: Result | None, *, join: bool = True
) -> tuple[ReadFinding, ...]:
    """The model's findings, with boxes that the reader changed, then those that the reader drew, in that order.

    join: what both found is one, the reader's (`Found.also`); not before the reader may see what the model found.
    """
    drawn = [(e.id, e.mark) for e in entries if isinstance(e.mark, Drawn)]
    replacing = [(key, mark, mark.replaces) for key, mark in drawn if mark.replaces is not None]
    changed = [(key, mark, old) for key, mark, old in replacing if old.model != READER]
    outlined = {e.mark.target: e.mark for e in entries if isinstance(e.mark, Outlined)}
    found = []
    for nodule in nodules:
        origin = result.provenance if result is not None else None
        place = reference(nodule, origin.model if origin else "", origin.weights_sha256 if origin else "")
        last = next(((k, m) for k, m, old in reversed(changed) if same_place(old, nodule)), None)
        if last is None:
            found.append(ReadFinding(nodule, place, name=str(nodule.number)))
        else:
            by = outlined.get(last[0])
            found.append(
                ReadFinding(_moved(nodule, last[1], by), place, Origin.EDITED, last[0], by, str(nodule.number))
            )
    every = [*(result.nodules + result.candidates if result is not None else ()), *nodules]
    taken = {n.number for n in every}
    for key, mark in drawn:
        if mark.replaces is None or mark.replaces.model == READER:
            number = mark.number if mark.number and mark.number not in taken else max(taken, default=0) + 1
            taken.add(number)
            own = _nodule(number, mark, 1.0, outlined.get(key))
            place = mark.replaces or reference(own, READER, "", key)
            place = place if place.key else replace(place, key=key)
            name = mark.label if mark.label and mark.label not in {f.name for f in found} else str(number)
            found.append(ReadFinding(own, place, Origin.READER, key, outlined.get(key), name))
    return _joined(found) if join else tuple(found)


SAME = 0.3
"""Least share of what two findings cover together, on the slices that both are on, for them to be one nodule: a box
drawn by hand on one slice and a model's agree less than two drawn by one hand."""


def _joined(found: Sequence[ReadFinding]) -> tuple[ReadFinding, ...]:
    """The model's findings that the reader found as well go with his or hers: each with the one it agrees with most."""
    theirs = [f for f in found if f.origin is Origin.MODEL]
    pairs = [(_agreement(o.nodule, t.nodule), o, t) for o in found if o.origin is Origin.READER for t in theirs]
    also: dict[str, Nodule] = {}
    gone: set[int] = set()
    for share, own, other in sorted(pairs, key=lambda pair: -pair[0]):
        if share >= SAME and own.key not in also and other.nodule.number not in gone:
            also[own.key] = other.nodule
            gone.add(other.nodule.number)
    kept = [f for f in found if f.origin is not Origin.MODEL or f.nodule.number not in gone]
    return tuple(replace(f, also=also.get(f.key)) if f.origin is Origin.READER else f for f in kept)


def _agreement(a: Nodule, b: Nodule) -> float:
    """Mean intersection over union of two findings' boxes on the slices that both are on; 0 where there is none."""
    theirs = {box.slice: box for box in b.boxes}
    shares = [overlap(box, theirs[box.slice]) for box in a.boxes if box.slice in theirs]
    return sum(shares) / len(shares) if shares else 0.0


def letters(count: int) -> str:
    """The name of the `count`-th finding of the reader's: A … Z, AA, AB …"""
    name = ""
    while count > 0:
        count, rest = divmod(count - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def answer_of(found: ReadFinding, answers: Mapping[FindingRef, Answer], result: Result | None) -> Answer | None:
    """The last answer on a finding, also where its box was changed since; what the reader drew is accepted by that.

    On breast images versions without keys answered the image, never a finding in it: see `session.frame_answer`.
    """
    if result is not None and result.breast:
        answers = {place: answer for place, answer in answers.items() if place.key}
    answer = next((answers[place] for place in reversed(list(answers)) if meant(found, place)), None)
    return Answer.ACCEPTED if answer is None and found.origin is Origin.READER else answer


def frame_values(frame: int, values: Mapping[tuple[FindingRef | None, str], str]) -> dict[str, str]:
    """The entered fields of a breast image, by whichever model was asked when they were entered."""
    return {
        name: text
        for (place, name), text in values.items()
        if place is not None and place.kind is RefKind.FRAME and place.slice == frame
    }


def frame_read(
    finding: BreastFinding, answers: Mapping[FindingRef, Answer], values: Mapping[tuple[FindingRef | None, str], str]
) -> Answer | None:
    """The reader's answer to a call: it follows from an own call, where there is one."""
    own = frame_values(finding.frame, values).get(OWN_CALL)
    if own is None:
        return frame_answer(answers, finding.frame)
    agreed = agrees(finding.call, own)
    return None if agreed is None else Answer.ACCEPTED if agreed else Answer.REJECTED


def values_of(found: ReadFinding, values: Mapping[tuple[FindingRef | None, str], str]) -> dict[str, str]:
    """The entered fields of a finding, also where its box was changed since."""
    return {name: text for (finding, name), text in values.items() if finding is not None and meant(found, finding)}


def meant(found: ReadFinding, place: FindingRef) -> bool:
    """Whether a record means a finding: one of the reader's by its key, others by their place then or now."""
    if place.kind is not found.place.kind:
        return False
    if place.key:
        return place.key == found.place.key
    if (found.origin is not Origin.MODEL) and place == replace(found.place, key=""):
        return True
    return same_place(place, found.nodule)


def facts(nodule: Nodule, change: Change | None = None) -> form.Facts:
    """What was measured of a finding, for the rules, and what became of it as far as that is sure."""
    measured = form.Facts(nodule.long_mm, nodule.short_mm, nodule.volume_mm3, nodule.type)
    if change is None or not change.sure:
        return measured
    prior, status = change.prior, lung_rads_status(change)
    if prior is None:
        return replace(measured, status=status)
    return replace(
        measured,
        status=status,
        previous=prior.category if status is lung_rads.Status.STABLE and prior.category else None,
        prior_long_mm=prior.long_mm,
        prior_short_mm=prior.short_mm,
        prior_volume_mm3=prior.volume_mm3,
    )


def lung_rads_status(change: Change) -> lung_rads.Status | None:
    """What Lung-RADS v2022 calls a change: growth is more than 1.5 mm of mean diameter within 12 months.

    None where the table's word does not follow from two CTs: a volume that grew without that, and growth that took
    longer and was slower than that, which may be the "slowly growing over several exams" of three or more.
    """
    if change.state is State.NEW:
        return lung_rads.Status.NEW
    if change.state in (State.STABLE, State.SHRUNK):
        return lung_rads.Status.STABLE
    if change.state is not State.GROWN or change.delta_mm is None or change.days is None:
        return None
    within_a_year = change.delta_mm * min(1.0, 365 / change.days) if change.days > 0 else 0.0
    return lung_rads.Status.GROWING if within_a_year > lung_rads.GROWTH_MM else None


def proposed_type(nodule: Nodule) -> str | None:
    """The type that a model proposes in the words of the form, None where it proposes none that the form has."""
    guess = (nodule.type or "").strip().lower().replace("_", "-").replace(" ", "-")
    return _TYPES[guess].value if guess in _TYPES else None


def proposed_upper_lobe(nodule: Nodule) -> str | None:
    """Whether it lies in an upper lobe, as its place in the lung suggests: a question to the reader and no fact, since
    the upper third may be lower lobe behind, and the middle third either. None where nothing is suggested."""
    third = nodule.place.third if nodule.place is not None else None
    return None if third is None else {Third.UPPER: "yes", Third.LOWER: "no"}.get(third)


def facts_of(series: Series) -> form.CaseFacts:
    """Age, sex and date as the file says, None where it says nothing."""
    patient, scan = series.patient, _date(series.study_date)
    age = _age(patient.age)
    born = _date(patient.birth_date)
    if age is None and born is not None and scan is not None and scan >= born:
        age = float(scan.year - born.year - ((scan.month, scan.day) < (born.month, born.day)))
    sex = {"F": form.Sex.FEMALE, "M": form.Sex.MALE}.get(patient.sex.strip().upper())
    return form.CaseFacts(age, sex, scan)


def _moved(nodule: Nodule, mark: Drawn, outlined: Outlined | None) -> Nodule:
    """A model's finding in the reader's box: what was measured in that counts."""
    own = _nodule(nodule.number, mark, nodule.score, outlined)
    if not mark.others:  # its boxes on the other slices stay the model's
        rest = [replace(b, score=min(b.score, own.score)) for b in nodule.boxes if b.slice != mark.slice]
        own = replace(own, boxes=tuple(sorted([*own.boxes, *rest], key=lambda b: b.slice)))
    return replace(own, malignancy=nodule.malignancy, type=nodule.type, place=nodule.place)


def _nodule(number: int, mark: Drawn, score: float, outlined: Outlined | None) -> Nodule:
    """What was drawn; measured by a model where it was, else as the record says."""
    outlines = {mark.slice: np.array(mark.outline, np.float32)} if mark.outline else {}
    if outlined is not None:
        outlines = {each.slice: np.array(each.points, np.float32) for each in outlined.outlines}
    measured = outlined or mark
    boxes = [Box(mark.slice, mark.x0, mark.y0, mark.x1, mark.y1, score)]
    boxes += [Box(b.slice, b.x0, b.y0, b.x1, b.y1, score * 0.999) for b in mark.others if b.slice != mark.slice]
    return Nodule(
        number,
        tuple(sorted(boxes, key=lambda b: b.slice)),
        centre_mm=mark.centre_mm,
        long_mm=measured.long_mm,
        short_mm=measured.short_mm,
        volume_mm3=measured.volume_mm3,
        outline=outlines.get(mark.slice),
        outlines=outlines,
    )


def _age(text: str) -> float | None:
    """ "062Y" (DICOM PS3.5, value representation AS) or "62" as years."""
    text = text.strip().upper()
    number = text.removesuffix("Y")
    return float(number) if number.isdigit() and 0 < int(number) < 130 else None


def _date(text: str) -> date | None:
    """20240131 or 2024-01-31 as a date."""
    digits = text.strip().replace("-", "").replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None
