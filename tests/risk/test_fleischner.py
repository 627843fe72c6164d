"""Fleischner 2017: every line of the table, each boundary, and who it is not for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cadviewer.risk import fleischner
from cadviewer.risk.fleischner import Nodule, Patient, Risk
from cadviewer.risk.words import NoduleType

SOLID, PART, NON = NoduleType.SOLID, NoduleType.PART_SOLID, NoduleType.NON_SOLID
LOW = Patient(60, False, False, Risk.LOW, False)
HIGH = replace(LOW, risk=Risk.HIGH)


def _says(kind: NoduleType, mm: float, patient: Patient = LOW, solid: float | None = None) -> tuple[str | None, str]:
    answer = fleischner.assess(Nodule(kind, mm, mm, None, solid, solid), patient)
    return answer.category, answer.management


@pytest.mark.parametrize(
    ("long", "short", "size"),
    [
        (5.9, 5.0, "< 6 mm"),  # 5.45 is 5
        (5.9, 5.1, "6–8 mm"),  # 5.5 is 6
        (6.0, 6.0, "6–8 mm"),
        (8.4, 8.4, "6–8 mm"),
        (9.0, 7.9, "6–8 mm"),  # 8.45 is 8
        (9.0, 8.0, "> 8 mm"),  # 8.5 is 9
        (14.9, 15.0, "> 8 mm"),
    ],
)
def test_size_is_the_mean_diameter_to_the_nearest_millimetre(long: float, short: float, size: str) -> None:
    answer = fleischner.assess(Nodule(SOLID, long, short), LOW)
    assert answer.category == f"single solid, {size}"


@pytest.mark.parametrize(
    ("mm3", "size"), [(99.9, "< 6 mm"), (100, "6–8 mm"), (250, "6–8 mm"), (250.1, "> 8 mm"), (30, "< 6 mm")]
)
def test_without_diameters_volume_decides(mm3: float, size: str) -> None:
    assert fleischner.assess(Nodule(SOLID, volume_mm3=mm3), LOW).category == f"single solid, {size}"


def test_single_solid_nodules_by_size_and_risk() -> None:
    assert _says(SOLID, 5)[1] == "No routine follow-up"
    assert _says(SOLID, 5, HIGH)[1] == "Optional CT at 12 months"
    assert _says(SOLID, 7)[1] == "CT at 6–12 months, then consider CT at 18–24 months"
    assert _says(SOLID, 7, HIGH)[1] == "CT at 6–12 months, then CT at 18–24 months"
    assert _says(SOLID, 9)[1] == _says(SOLID, 9, HIGH)[1] == "Consider CT at 3 months, PET/CT, or tissue sampling"


def test_multiple_solid_nodules_by_size_and_risk() -> None:
    low, high = replace(LOW, multiple=True), replace(HIGH, multiple=True)
    assert _says(SOLID, 5, low)[1] == "No routine follow-up"
    assert _says(SOLID, 5, high)[1] == "Optional CT at 12 months"
    assert _says(SOLID, 7, low)[1] == "CT at 3–6 months, then consider CT at 18–24 months"
    assert _says(SOLID, 20, high)[1] == "CT at 3–6 months, then CT at 18–24 months"


def test_subsolid_nodules() -> None:
    many = replace(LOW, multiple=True)
    assert _says(NON, 5)[1] == _says(PART, 5)[1] == "No routine follow-up"
    assert _says(NON, 6)[1].endswith("every 2 years until 5 years")
    assert "every year for 5 years" in _says(PART, 6, solid=5)[1]
    assert "growing solid component" in _says(PART, 9, solid=6)[1]
    assert "are recommended" in _says(PART, 12, solid=9)[1]
    assert _says(NON, 5, many) == (
        "multiple subsolid, < 6 mm",
        "CT at 3–6 months; if stable, consider CT at 2 and 4 years",
    )
    assert _says(PART, 8, many)[1] == "CT at 3–6 months; subsequent management by the most suspicious nodule"


@pytest.mark.parametrize(
    ("change", "why"),
    [({"age": 34}, "younger than 35"), ({"known_cancer": True}, "cancer"), ({"immunosuppressed": True}, "immuno")],
)
def test_whom_it_is_not_for_gets_no_recommendation(change: dict[str, object], why: str) -> None:
    category, words = _says(SOLID, 7, replace(LOW, **change))  # type: ignore[arg-type]
    assert category is not None
    assert why in category
    assert "does not apply" in words


def test_35_years_is_old_enough() -> None:
    assert _says(SOLID, 5, replace(LOW, age=35))[0] == "single solid, < 6 mm"


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        ("age", "age"),
        ("known_cancer", "known cancer"),
        ("immunosuppressed", "immunosuppression"),
        ("risk", "risk (low or high)"),
        ("multiple", "single or multiple"),
    ],
)
def test_what_is_not_known_is_named(field: str, missing: str) -> None:
    answer = fleischner.assess(Nodule(SOLID, 7, 7), replace(LOW, **{field: None}))
    assert answer.missing == (missing,)
    assert answer.management == ""


def test_risk_is_not_asked_where_it_changes_nothing() -> None:
    nobody = replace(LOW, risk=None)
    assert _says(SOLID, 9, nobody)[0] == "single solid, > 8 mm"
    assert _says(NON, 9, nobody)[0] == "single non-solid, ≥ 6 mm"


def test_a_large_part_solid_nodule_needs_the_size_of_its_solid_component() -> None:
    assert fleischner.assess(Nodule(PART, 7, 7), LOW).missing == ("size of the solid component",)


def test_nothing_known_names_everything_and_a_nodule_in_an_airway_has_no_line() -> None:
    assert len(fleischner.assess(Nodule(), Patient()).missing) == 6
    answer = fleischner.assess(Nodule(NoduleType.AIRWAY_CENTRAL, 7, 7), LOW)
    assert "airway" in answer.missing[0]
