"""The form behind the rules: what may be entered, what is asked, and what holds while nothing was entered."""

from __future__ import annotations

from datetime import date

import pytest

from cadviewer.risk import form
from cadviewer.risk.form import CASE_FIELDS, FINDING_FIELDS, CaseFacts, Facts, Sex

SCREENING = {
    "setting": "screening",
    "age": "62",
    "sex": "female",
    "family_history": "no",
    "emphysema": "no",
    "count": "1",
}
SOLID = {"type": "solid", "status": "baseline", "feature": "none of these", "upper_lobe": "yes", "spiculation": "yes"}
MEASURED = Facts(10.0, 8.0, 300.0, "part-solid")


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("age", " 62 ", "62"),
        ("count", "3", "3"),
        ("prior_date", "2024-01-31", "2024-01-31"),
        ("emphysema", "yes", "yes"),
    ],
)
def test_a_field_keeps_what_it_may_hold(name: str, text: str, kept: str) -> None:
    assert CASE_FIELDS[name].check(text) == kept


@pytest.mark.parametrize(
    ("name", "text"),
    [("age", "old"), ("age", "0"), ("count", "2.5"), ("prior_date", "31.1.2024"), ("sex", "x"), ("exam", "")],
)
def test_a_field_refuses_what_it_may_not_hold(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        CASE_FIELDS[name].check(text)


def test_a_decimal_comma_is_a_decimal_point() -> None:
    assert FINDING_FIELDS["long_mm"].check("7,5") == "7.5"


def test_nothing_is_said_before_the_reader_has_said_what_the_ct_is_for() -> None:
    assert form.assess({**SCREENING, "setting": ""}, SOLID) == ()
    assert form.asked({}, SOLID)[0] == ("setting",)


@pytest.mark.parametrize(("purpose", "rule"), [("screening", "Lung-RADS"), ("incidental finding", "Fleischner")])
def test_one_guideline_is_asked_and_never_both(purpose: str, rule: str) -> None:
    answers = form.assess({**SCREENING, "setting": purpose}, form.with_facts(SOLID, MEASURED))
    assert [a.rule.name for a in answers] == [rule, "Brock (PanCan)"]


def test_the_fields_of_the_other_guideline_are_not_asked() -> None:
    screening, _ = form.asked(SCREENING, SOLID)
    incidental, finding = form.asked({"setting": "incidental finding"}, SOLID)
    assert "exam" in screening
    assert "known_cancer" not in screening
    assert "known_cancer" in incidental
    assert "exam" not in incidental
    assert "status" not in finding


def test_fields_of_a_solid_component_are_asked_for_part_solid_nodules_alone() -> None:
    assert "solid_long_mm" not in form.asked(SCREENING, SOLID)[1]
    later = {"type": "part-solid", "status": "growing"}
    assert {"solid_long_mm", "solid_short_mm", "solid_growing"} <= set(form.asked(SCREENING, later)[1])


def test_measured_sizes_hold_until_the_reader_enters_others() -> None:
    brock = form.assess(SCREENING, form.with_facts(SOLID, MEASURED))[1]
    assert ("longest diameter", "10.0 mm") in brock.used
    entered = form.with_facts({**SOLID, "long_mm": "12"}, MEASURED)
    assert ("longest diameter", "12.0 mm") in form.assess(SCREENING, entered)[1].used
    assert "volume_mm3" not in entered  # the measured volume belongs to the measured axes


def test_a_type_that_a_model_only_proposes_is_missing_until_the_reader_confirms_it() -> None:
    without = {name: text for name, text in SOLID.items() if name != "type"}
    assert "nodule type" in form.assess(SCREENING, form.with_facts(without, MEASURED))[0].missing


def test_age_sex_and_date_come_from_the_file_unless_entered() -> None:
    facts = CaseFacts(70, Sex.MALE, date(2024, 5, 1))
    assert form.with_case_facts({"age": "62"}, facts) == {"age": "62", "sex": "male", "scan_date": "2024-05-01"}


def test_growth_is_assessed_once_there_is_an_earlier_ct() -> None:
    case = {**SCREENING, "scan_date": "2024-05-01", "prior_date": "2023-05-01"}
    answers = form.assess(case, form.with_facts({**SOLID, "prior_volume_mm3": "150"}, MEASURED))
    assert answers[2].category == "366 days"


@pytest.mark.parametrize(
    ("now", "before", "months"),
    [("2024-05-01", "2023-11-01", 6), ("2024-05-01", "2023-11-02", 5), ("2024-05-01", "2024-05-01", None)],
)
def test_months_between_two_cts_are_whole(now: str, before: str, months: float | None) -> None:
    assert form.months({"scan_date": now, "prior_date": before}) == months


def test_what_another_version_wrote_into_a_field_counts_as_not_determined() -> None:
    answers = form.assess({**SCREENING, "age": "old"}, {**form.with_facts(SOLID, MEASURED), "type": "crystalline"})
    assert "nodule type" in answers[0].missing
    assert "age" in answers[1].missing


def test_the_exam_is_assessed_for_screening_alone() -> None:
    finding = form.with_facts(SOLID, MEASURED)
    exam = form.assess_exam({**SCREENING, "exam": "complete"}, [("finding 1", finding)])
    assert exam is not None
    assert exam.category == "4A"
    assert form.assess_exam({"setting": "incidental finding"}, [("finding 1", finding)]) is None
