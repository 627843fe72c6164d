"""The form behind the rules: which fields there are, what they may hold, and how the rules are asked with them.

A form is a mapping of field names to texts; a field that is not there is not determined. What the program measured or
the file says (`Facts`, `CaseFacts`) is used where the reader entered nothing else; what a model only proposes is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

from cadviewer.risk import brock, fleischner, growth, lung_rads
from cadviewer.risk.words import Assessment, NoduleType, mean_diameter

Form = Mapping[str, str]
E = TypeVar("E", bound=StrEnum)


class Setting(StrEnum):
    """What the CT was made for: it decides which guideline holds, never both."""

    SCREENING = "screening"
    INCIDENTAL = "incidental finding"


class Sex(StrEnum):
    """As the Brock model has it."""

    FEMALE = "female"
    MALE = "male"


class Kind(StrEnum):
    """How a field is filled in."""

    CHOICE = "choice"
    YES_NO = "yes or no"
    NUMBER = "number"
    WHOLE = "whole number"
    DATE = "date"
    TEXT = "text"


@dataclass(frozen=True)
class Field:
    """A field of the form. choices: of a CHOICE. unit: behind the label. low, high: limits of a number."""

    name: str
    label: str
    kind: Kind
    choices: tuple[str, ...] = ()
    unit: str = ""
    low: float = 0.0
    high: float = 0.0

    def check(self, text: str) -> str:
        """The text as it is kept. Raises ValueError saying what is allowed."""
        text = text.strip()
        if self.kind is Kind.TEXT:
            return text
        if self.kind is Kind.YES_NO or self.kind is Kind.CHOICE:
            allowed = ("yes", "no") if self.kind is Kind.YES_NO else self.choices
            if text not in allowed:
                raise ValueError(f"one of {', '.join(allowed)}")
            return text
        if self.kind is Kind.DATE:
            try:
                return date.fromisoformat(text).isoformat()
            except ValueError as error:
                raise ValueError("a date as 2024-01-31") from error
        return self._number(text)

    def _number(self, text: str) -> str:
        whole = self.kind is Kind.WHOLE
        wanted = f"a {'whole ' if whole else ''}number from {self.low:g} to {self.high:g}"
        try:
            value = int(text) if whole else float(text.replace(",", "."))
        except ValueError as error:
            raise ValueError(wanted) from error
        if not self.low <= value <= self.high:
            raise ValueError(wanted)
        return f"{value:g}"


def _mm(name: str, label: str, high: float = 200) -> Field:
    return Field(name, label, Kind.NUMBER, unit="mm", low=0.1, high=high)


def _of(kind: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in kind)


SETTING = Field("setting", "This CT is for", Kind.CHOICE, _of(Setting))

CASE_FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        SETTING,
        Field("exam", "Exam", Kind.CHOICE, _of(lung_rads.Incomplete)),
        Field("other_findings", "Other significant findings (S)", Kind.YES_NO),
        Field("known_cancer", "Known cancer", Kind.YES_NO),
        Field("immunosuppressed", "Immunosuppressed", Kind.YES_NO),
        Field("risk", "Risk of cancer", Kind.CHOICE, _of(fleischner.Risk)),
        Field("count", "Nodules on this CT", Kind.WHOLE, low=1, high=999),
        Field("age", "Age", Kind.NUMBER, unit="years", low=1, high=120),
        Field("sex", "Sex", Kind.CHOICE, _of(Sex)),
        Field("family_history", "Lung cancer in the family", Kind.YES_NO),
        Field("emphysema", "Emphysema", Kind.YES_NO),
        Field("scan_date", "Date of this CT", Kind.DATE),
        Field("prior_date", "Date of the earlier CT", Kind.DATE),
    )
}
"""Fields that are asked once for a case."""

FINDING_FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("type", "Type", Kind.CHOICE, _of(NoduleType)),
        _mm("long_mm", "Long axis"),
        _mm("short_mm", "Short axis"),
        Field("volume_mm3", "Volume", Kind.NUMBER, unit="mm³", low=0.1, high=1e7),
        _mm("solid_long_mm", "Solid part, long axis"),
        _mm("solid_short_mm", "Solid part, short axis"),
        Field("solid_growing", "Solid part new or growing", Kind.YES_NO),
        Field("status", "Since the earlier CT", Kind.CHOICE, _of(lung_rads.Status)),
        Field("feature", "Features", Kind.CHOICE, _of(lung_rads.Feature)),
        Field("previous", "Earlier category", Kind.CHOICE, lung_rads.ORDER),
        _mm("prior_long_mm", "Earlier long axis"),
        _mm("prior_short_mm", "Earlier short axis"),
        Field("prior_volume_mm3", "Earlier volume", Kind.NUMBER, unit="mm³", low=0.1, high=1e7),
        Field("upper_lobe", "Upper lobe", Kind.YES_NO),
        Field("spiculation", "Spiculation", Kind.YES_NO),
        Field("note", "Note", Kind.TEXT),
    )
}
"""Fields that are asked for each finding."""


@dataclass(frozen=True)
class Facts:
    """What the program knows of a finding by itself; None is not known. proposed_type: a model's guess, never used
    before the reader has confirmed it. status, previous, prior_*: from a comparison with an earlier CT, as the
    fields of these names."""

    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None
    proposed_type: str | None = None
    status: lung_rads.Status | None = None
    previous: str | None = None
    prior_long_mm: float | None = None
    prior_short_mm: float | None = None
    prior_volume_mm3: float | None = None


@dataclass(frozen=True)
class CaseFacts:
    """What the file says of a case; None is not known. age in years. prior_date: of the CT it was compared
    with."""

    age: float | None = None
    sex: Sex | None = None
    scan_date: date | None = None
    prior_date: date | None = None


def asked(form: Form, finding: Form) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the fields that matter now, of the case and of the finding, in the order in which they are shown."""
    purpose = setting(form)
    if purpose is None:
        return ("setting",), ("note",)
    case = ["setting"]
    case += ["exam", "other_findings"] if purpose is Setting.SCREENING else ["known_cancer", "immunosuppressed", "risk"]
    case += ["count", "age", "sex", "family_history", "emphysema", "scan_date", "prior_date"]
    own = ["type", "long_mm", "short_mm", "volume_mm3"]
    if finding.get("type") == NoduleType.PART_SOLID:
        own += ["solid_long_mm", "solid_short_mm"]
    if purpose is Setting.SCREENING:
        own += ["status", "feature"]
        later = finding.get("status") in (lung_rads.Status.GROWING, lung_rads.Status.STABLE)
        if finding.get("type") == NoduleType.PART_SOLID and later:
            own.append("solid_growing")
        if finding.get("status") == lung_rads.Status.STABLE:
            own.append("previous")
    own += ["upper_lobe", "spiculation", "prior_long_mm", "prior_short_mm", "prior_volume_mm3", "note"]
    return tuple(case), tuple(own)


def setting(form: Form) -> Setting | None:
    """What the CT is for, None until the reader has said."""
    return _choice(form, "setting", Setting)


def with_facts(finding: Form, facts: Facts) -> Form:
    """The form of a finding with what was measured where the reader entered nothing else."""
    measured = {"long_mm": facts.long_mm, "short_mm": facts.short_mm, "volume_mm3": facts.volume_mm3}
    entered_axes = "long_mm" in finding or "short_mm" in finding
    if entered_axes:  # a volume measured by the program belongs to its own axes, not to the reader's
        measured.pop("volume_mm3")
    measured |= {name: getattr(facts, name) for name in ("prior_long_mm", "prior_short_mm", "prior_volume_mm3")}
    if "prior_long_mm" in finding or "prior_short_mm" in finding:
        measured.pop("prior_volume_mm3")
    known = {name: repr(float(value)) for name, value in measured.items() if value is not None and value > 0}
    if facts.status is not None:
        known["status"] = facts.status.value
    if facts.previous in lung_rads.ORDER:
        known["previous"] = str(facts.previous)
    return {**known, **finding}


def with_case_facts(form: Form, facts: CaseFacts) -> Form:
    """The form of a case with what the file says where the reader entered nothing else."""
    known = {}
    if facts.age is not None:
        known["age"] = f"{facts.age:g}"
    if facts.sex is not None:
        known["sex"] = facts.sex.value
    if facts.scan_date is not None:
        known["scan_date"] = facts.scan_date.isoformat()
    if facts.prior_date is not None:
        known["prior_date"] = facts.prior_date.isoformat()
    return {**known, **form}


def assess(case: Form, finding: Form) -> tuple[Assessment, ...]:
    """What the rules say of one finding: the guideline of the setting, Brock, and growth where there is an earlier CT.

    case, finding: with facts (`with_case_facts`, `with_facts`). Empty until the setting is known.
    """
    purpose = setting(case)
    if purpose is None:
        return ()
    guideline = (
        lung_rads.assess(lung_rads_nodule(case, finding))
        if purpose is Setting.SCREENING
        else fleischner.assess(fleischner_nodule(finding), patient(case))
    )
    answers = [guideline, brock.assess(brock_inputs(case, finding))]
    new = finding.get("status") in (lung_rads.Status.NEW, lung_rads.Status.BASELINE)
    sizes = any(name in finding for name in ("prior_long_mm", "prior_short_mm", "prior_volume_mm3"))
    if sizes or ("prior_date" in case and not new):
        answers.append(growth.assess(*looks(case, finding)))
    return tuple(answers)


def assess_exam(case: Form, findings: Sequence[tuple[str, Form]], unread: int = 0) -> Assessment | None:
    """Lung-RADS of the whole exam; None where the CT is not for screening. findings: (name, form with facts) of those
    that the reader accepted."""
    if setting(case) is not Setting.SCREENING:
        return None
    answers = [(name, lung_rads.assess(lung_rads_nodule(case, form))) for name, form in findings]
    return lung_rads.assess_exam(
        answers,
        incomplete=_choice(case, "exam", lung_rads.Incomplete),
        other_findings=_yes(case, "other_findings"),
        unread=unread,
    )


def lung_rads_nodule(case: Form, finding: Form) -> lung_rads.Nodule:
    """The inputs of Lung-RADS."""
    return lung_rads.Nodule(
        type=_choice(finding, "type", NoduleType),
        long_mm=_number(finding, "long_mm"),
        short_mm=_number(finding, "short_mm"),
        volume_mm3=_number(finding, "volume_mm3"),
        status=_choice(finding, "status", lung_rads.Status),
        feature=_choice(finding, "feature", lung_rads.Feature),
        solid_long_mm=_number(finding, "solid_long_mm"),
        solid_short_mm=_number(finding, "solid_short_mm"),
        solid_growing=_yes(finding, "solid_growing"),
        previous=finding.get("previous"),
        months=months(case),
        previous_long_mm=_number(finding, "prior_long_mm"),
        previous_short_mm=_number(finding, "prior_short_mm"),
    )


def fleischner_nodule(finding: Form) -> fleischner.Nodule:
    """The inputs of Fleischner about the nodule."""
    return fleischner.Nodule(
        type=_choice(finding, "type", NoduleType),
        long_mm=_number(finding, "long_mm"),
        short_mm=_number(finding, "short_mm"),
        volume_mm3=_number(finding, "volume_mm3"),
        solid_long_mm=_number(finding, "solid_long_mm"),
        solid_short_mm=_number(finding, "solid_short_mm"),
    )


def patient(case: Form) -> fleischner.Patient:
    """The inputs of Fleischner about the patient."""
    count = _number(case, "count")
    return fleischner.Patient(
        age=_number(case, "age"),
        known_cancer=_yes(case, "known_cancer"),
        immunosuppressed=_yes(case, "immunosuppressed"),
        risk=_choice(case, "risk", fleischner.Risk),
        multiple=None if count is None else count > 1,
    )


def brock_inputs(case: Form, finding: Form) -> brock.Inputs:
    """The inputs of the Brock model."""
    count, sex = _number(case, "count"), _choice(case, "sex", Sex)
    return brock.Inputs(
        age=_number(case, "age"),
        female=None if sex is None else sex is Sex.FEMALE,
        family_history=_yes(case, "family_history"),
        emphysema=_yes(case, "emphysema"),
        diameter_mm=_number(finding, "long_mm"),
        type=_choice(finding, "type", NoduleType),
        upper_lobe=_yes(finding, "upper_lobe"),
        count=None if count is None else int(count),
        spiculation=_yes(finding, "spiculation"),
    )


def looks(case: Form, finding: Form) -> tuple[growth.Look, growth.Look]:
    """The finding at the earlier CT and now."""
    now = growth.Look(
        _date(case, "scan_date"),
        _number(finding, "volume_mm3"),
        mean_diameter(_number(finding, "long_mm"), _number(finding, "short_mm"), 1),
    )
    earlier = growth.Look(
        _date(case, "prior_date"),
        _number(finding, "prior_volume_mm3"),
        mean_diameter(_number(finding, "prior_long_mm"), _number(finding, "prior_short_mm"), 1),
    )
    return earlier, now


def months(case: Form) -> float | None:
    """Months from the earlier CT to this one; None unless both dates are known and in this order."""
    now, before = _date(case, "scan_date"), _date(case, "prior_date")
    if now is None or before is None or before >= now:
        return None
    whole = (now.year - before.year) * 12 + now.month - before.month
    return float(whole if now.day >= before.day else whole - 1)


def _choice(form: Form, name: str, kind: type[E]) -> E | None:
    text = form.get(name)
    return next((member for member in kind if member.value == text), None)


def _yes(form: Form, name: str) -> bool | None:
    return {"yes": True, "no": False}.get(form.get(name, ""))


def _number(form: Form, name: str) -> float | None:
    """None where nothing is entered, or by another version of the program something that is no number."""
    try:
        return float(form[name])
    except (KeyError, ValueError):
        return None


def _date(form: Form, name: str) -> date | None:
    try:
        return date.fromisoformat(form[name])
    except (KeyError, ValueError):
        return None
