"""Fleischner Society 2017, for nodules found by chance on CT.

Source: MacMahon et al., "Guidelines for Management of Incidental Pulmonary Nodules Detected on CT Images: From the
Fleischner Society 2017", Radiology 2017;284:228–243, doi 10.1148/radiol.2017161659, table 1 and recommendations 1–5.

For people of 35 years and more, without a known cancer and without immunosuppression, not for screening. Size is the
mean of the long and the short axis, to the nearest mm, or the volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cadviewer.risk.words import Assessment, NoduleType, Rule, mean_diameter, rounded, yes

RULE = Rule("Fleischner", "2017", "Radiology 2017;284:228–243")

SOLID_MM = (6, 8)
SOLID_MM3 = (100, 250)


class Risk(StrEnum):
    """The reader's estimate of the risk of cancer from age, smoking, family, and what the nodule looks like."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class Patient:
    """Who the nodules were found in; None is not known. age: years. multiple: whether there is more than one."""

    age: float | None = None
    known_cancer: bool | None = None
    immunosuppressed: bool | None = None
    risk: Risk | None = None
    multiple: bool | None = None


@dataclass(frozen=True)
class Nodule:
    """What is known of one nodule; None is not known. Sizes in mm and mm³; solid_*: of its solid component."""

    type: NoduleType | None = None
    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None
    solid_long_mm: float | None = None
    solid_short_mm: float | None = None


def assess(nodule: Nodule, patient: Patient) -> Assessment:
    """What the guideline recommends. Raises ValueError for a size of zero or less."""
    mm = mean_diameter(nodule.long_mm, nodule.short_mm, 0)
    if nodule.volume_mm3 is not None and not nodule.volume_mm3 > 0:
        raise ValueError(f"a volume is positive, not {nodule.volume_mm3}")
    used = _used(nodule, patient, mm)
    outside = _outside(patient)
    if outside:
        text = "The guideline does not apply; follow-up is for the clinical situation to decide"
        return Assessment(RULE, f"outside the guideline: {', '.join(outside)}", text, used)
    missing = _missing(nodule, patient, mm)
    if missing:
        return Assessment(RULE, used=used, missing=missing)
    assert nodule.type is not None
    bucket = _bucket(nodule, mm, nodule.volume_mm3 if mm is None else None)
    words = _management(nodule, patient, bucket)
    notes = _notes(nodule, mm, bucket, bool(patient.multiple))
    count = "multiple" if patient.multiple else "single"
    kind = "subsolid" if patient.multiple and nodule.type is not NoduleType.SOLID else nodule.type.value
    return Assessment(RULE, f"{count} {kind}, {bucket}", words, used, notes=notes)


def _outside(patient: Patient) -> list[str]:
    """Why the guideline is not for this patient."""
    reasons = []
    if patient.age is not None and patient.age < 35:
        reasons.append("younger than 35 years")
    if patient.known_cancer:
        reasons.append("known cancer")
    if patient.immunosuppressed:
        reasons.append("immunosuppressed")
    return reasons


def _missing(nodule: Nodule, patient: Patient, mm: float | None) -> tuple[str, ...]:
    needed: list[tuple[str, object]] = [
        ("nodule type", nodule.type),
        ("size (long and short axis, or volume)", mm if mm is not None else nodule.volume_mm3),
        ("age", patient.age),
        ("known cancer", patient.known_cancer),
        ("immunosuppression", patient.immunosuppressed),
        ("single or multiple", patient.multiple),
    ]
    missing = [name for name, value in needed if value is None]
    if nodule.type is NoduleType.SOLID and patient.risk is None and not _risk_is_the_same(nodule, patient, mm):
        missing.append("risk (low or high)")
    if nodule.type in (NoduleType.AIRWAY_CENTRAL, NoduleType.AIRWAY_SUBSEGMENTAL):
        missing.append("a line of the table for a nodule in an airway")
    elif nodule.type is NoduleType.PART_SOLID and patient.multiple is False and not missing:
        large = _bucket(nodule, mm, nodule.volume_mm3 if mm is None else None) == "≥ 6 mm"
        if large and mean_diameter(nodule.solid_long_mm, nodule.solid_short_mm, 0) is None:
            missing.append("size of the solid component")
    return tuple(missing)


def _risk_is_the_same(nodule: Nodule, patient: Patient, mm: float | None) -> bool:
    """A single solid nodule of more than 8 mm has one line for both risks."""
    if patient.multiple is not False or (mm is None and nodule.volume_mm3 is None):
        return False
    return _bucket(nodule, mm, nodule.volume_mm3 if mm is None else None) == "> 8 mm"


def _bucket(nodule: Nodule, mm: float | None, mm3: float | None) -> str:
    """The column of the table."""
    small = mm < SOLID_MM[0] if mm is not None else (mm3 or 0) < SOLID_MM3[0]
    if small:
        return "< 6 mm"
    if nodule.type is not NoduleType.SOLID:
        return "≥ 6 mm"
    large = mm > SOLID_MM[1] if mm is not None else (mm3 or 0) > SOLID_MM3[1]
    return "> 8 mm" if large else "6–8 mm"


def _management(nodule: Nodule, patient: Patient, bucket: str) -> str:
    if nodule.type is NoduleType.SOLID:
        return _solid(bucket, bool(patient.multiple), patient.risk is Risk.HIGH)
    if patient.multiple:
        if bucket == "< 6 mm":
            return "CT at 3–6 months; if stable, consider CT at 2 and 4 years"
        return "CT at 3–6 months; subsequent management by the most suspicious nodule"
    if bucket == "< 6 mm":
        return "No routine follow-up"
    if nodule.type is NoduleType.NON_SOLID:
        return "CT at 6–12 months to confirm persistence, then CT every 2 years until 5 years"
    solid = mean_diameter(nodule.solid_long_mm, nodule.solid_short_mm, 0)
    assert solid is not None
    if solid < 6:
        return (
            "CT at 3–6 months to confirm persistence; if unchanged and the solid component stays < 6 mm, CT every year "
            "for 5 years"
        )
    if solid > 8:
        return "CT at 3–6 months to confirm persistence; PET/CT, biopsy or resection are recommended"
    return (
        "CT at 3–6 months to confirm persistence; PET/CT, biopsy or resection with suspicious morphology or a growing "
        "solid component"
    )


def _solid(bucket: str, multiple: bool, high: bool) -> str:
    if bucket == "< 6 mm":
        return "Optional CT at 12 months" if high else "No routine follow-up"
    if multiple:
        return f"CT at 3–6 months, then {'' if high else 'consider '}CT at 18–24 months"
    if bucket == "6–8 mm":
        return f"CT at 6–12 months, then {'' if high else 'consider '}CT at 18–24 months"
    return "Consider CT at 3 months, PET/CT, or tissue sampling"


def _notes(nodule: Nodule, mm: float | None, bucket: str, multiple: bool) -> tuple[str, ...]:
    notes = []
    if mm is not None and nodule.volume_mm3 is not None:
        by_volume = _bucket(nodule, None, nodule.volume_mm3)
        if by_volume != bucket:
            notes.append(f"by volume it would be {by_volume}")
    if multiple:
        notes.append("the most suspicious nodule decides")
    return tuple(notes)


def _used(nodule: Nodule, patient: Patient, mm: float | None) -> tuple[tuple[str, str], ...]:
    pairs = [("type", nodule.type.value)] if nodule.type is not None else []
    if mm is not None:
        pairs.append(("mean diameter", f"{mm:.0f} mm"))
    elif nodule.volume_mm3 is not None:
        pairs.append(("volume", f"{rounded(nodule.volume_mm3, 0):.0f} mm³"))
    solid = mean_diameter(nodule.solid_long_mm, nodule.solid_short_mm, 0)
    if nodule.type is NoduleType.PART_SOLID and solid is not None:
        pairs.append(("solid component, mean diameter", f"{solid:.0f} mm"))
    if patient.age is not None:
        pairs.append(("age", f"{patient.age:g}"))
    for name, value in (("known cancer", patient.known_cancer), ("immunosuppressed", patient.immunosuppressed)):
        if value is not None:
            pairs.append((name, yes(value)))
    if patient.risk is not None and nodule.type is NoduleType.SOLID:
        pairs.append(("risk", patient.risk.value))
    if patient.multiple is not None:
        pairs.append(("nodules", "multiple" if patient.multiple else "single"))
    return tuple(pairs)
