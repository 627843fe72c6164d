"""The Brock models against worked examples, and doubling times against known ones."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest

from cadviewer.risk import brock, growth
from cadviewer.risk.brock import Inputs
from cadviewer.risk.growth import Look
from cadviewer.risk.words import Assessment, NoduleType, Rule, rounded

WORKED = Inputs(62, True, False, False, 10, NoduleType.SOLID, True, 1, True)


def test_the_worked_example_of_the_model_with_spiculation() -> None:
    assert brock.probability(WORKED) == pytest.approx(0.201, abs=5e-4)
    assert brock.assess(WORKED).category == "20.1 %"
    assert brock.probability(replace(WORKED, diameter_mm=12)) == pytest.approx(0.287, abs=5e-4)


def test_the_centred_form_is_the_uncentred_form_of_the_paper_that_prints_it() -> None:
    """PMC6717521, table 2, column BU: intercept 0.2761, size (d/10)^−½, age and count as they are."""
    inputs = Inputs(71, False, True, True, 7.3, NoduleType.PART_SOLID, False, 6, False)
    x = 0.2761 + 0.0287 * 71 + 0.2961 + 0.2953 - 5.3854 * 0.73**-0.5 + 0.377 - 0.0824 * 6
    assert brock.probability(inputs) == pytest.approx(1 / (1 + math.exp(-x)), abs=1e-4)


def test_without_spiculation_the_other_full_model_is_used_and_named() -> None:
    inputs = replace(WORKED, spiculation=None)
    x = -6.8071 + 0.5635 - 5.6693 * (1 - 1.58113883) + 0.7116 - 0.0803 * (1 - 4)
    answer = brock.assess(inputs)
    assert brock.probability(inputs) == pytest.approx(1 / (1 + math.exp(-x)))
    assert "2a" in answer.rule.version
    assert "2b" in brock.assess(WORKED).rule.version


@pytest.mark.parametrize(
    "field", ["age", "female", "family_history", "emphysema", "diameter_mm", "type", "upper_lobe", "count"]
)
def test_no_probability_is_given_while_an_input_is_missing(field: str) -> None:
    answer = brock.assess(replace(WORKED, **{field: None}))
    assert answer.category is None
    assert len(answer.missing) == 1
    with pytest.raises(ValueError, match="not known"):
        brock.probability(replace(WORKED, **{field: None}))


def test_an_age_that_the_model_never_saw_is_told() -> None:
    assert any("50 to 75" in note for note in brock.assess(replace(WORKED, age=40)).notes)


def test_a_nodule_in_an_airway_has_no_probability() -> None:
    assert brock.assess(replace(WORKED, type=NoduleType.AIRWAY_CENTRAL)).category is None


START = date(2024, 1, 1)


@pytest.mark.parametrize(("days", "band"), [(399, "Suspicious"), (400, "Indeterminate"), (600, "Indet"), (601, "Prob")])
def test_a_volume_that_doubled_took_the_days_between(days: int, band: str) -> None:
    answer = growth.assess(Look(START, 100), Look(START + timedelta(days), 200))
    assert answer.category == f"{days} days"
    assert answer.management.startswith(band)


def test_diameters_give_the_doubling_time_of_spheres() -> None:
    answer = growth.assess(Look(START, mean_mm=8), Look(START + timedelta(365), mean_mm=10))
    expected = 365 * math.log(2) / (3 * math.log(10 / 8))
    assert answer.category == f"{expected:.0f} days"
    assert "spheres" in answer.notes[0]


@pytest.mark.parametrize(
    ("after", "category"),
    [(5.4, "no significant change"), (2.4, "smaller"), (5.6, "365 days"), (4.0, "no significant change")],
)
def test_diameters_must_differ_by_more_than_their_error_for_a_doubling_time(after: float, category: str) -> None:
    days = 365 * 3 * math.log(5.6 / 4) / math.log(2)
    assert (
        growth.assess(Look(START, mean_mm=4), Look(START + timedelta(round(days)), mean_mm=after)).category == category
    )


@pytest.mark.parametrize(
    ("after", "category"), [(124, "no significant change"), (76, "no significant change"), (74, "smaller")]
)
def test_a_change_within_the_error_of_measuring_has_no_doubling_time(after: float, category: str) -> None:
    assert growth.assess(Look(START, 100), Look(START + timedelta(365), after)).category == category


def test_what_a_doubling_time_lacks_is_named() -> None:
    assert len(growth.assess(Look(), Look()).missing) == 3
    same_day = growth.assess(Look(START, 100), Look(START, 200))
    assert same_day.category is None
    assert growth.assess(Look(START, volume_mm3=100), Look(START + timedelta(9), mean_mm=5)).category is None


def test_a_doubling_time_is_negative_when_shrinking_and_none_when_still() -> None:
    assert growth.doubling_days(200, 100, 30) == pytest.approx(-30)
    assert growth.doubling_days(100, 100, 30) is None
    with pytest.raises(ValueError, match="positive"):
        growth.doubling_days(0, 100, 30)


def test_halves_are_rounded_away_from_zero() -> None:
    assert [rounded(6.25, 1), rounded(5.95, 1), rounded(8.5, 0), rounded(-0.5, 0)] == [6.3, 6.0, 9.0, -1.0]


def test_an_answer_has_a_category_or_says_what_is_missing() -> None:
    rule = Rule("a", "1", "b")
    with pytest.raises(ValueError, match="missing"):
        Assessment(rule)
    with pytest.raises(ValueError, match="missing"):
        Assessment(rule, "2", missing=("type",))
