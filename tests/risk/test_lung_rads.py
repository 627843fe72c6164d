"""Lung-RADS v2022: every line of the table, each boundary, and what is said where the table says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cadviewer.risk import lung_rads
from cadviewer.risk.lung_rads import Feature, Incomplete, Nodule, Status
from cadviewer.risk.words import NoduleType

SOLID, PART, NON = NoduleType.SOLID, NoduleType.PART_SOLID, NoduleType.NON_SOLID
BASELINE, NEW, GROWING = Status.BASELINE, Status.NEW, Status.GROWING


def _nodule(kind: NoduleType, mm: float, status: Status, solid: float | None = None, **more: object) -> Nodule:
    nodule = Nodule(kind, mm, mm, None, status, Feature.NONE, solid, solid)
    return replace(nodule, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mm", "status", "category"),
    [
        (5.9, BASELINE, "2"),
        (6.0, BASELINE, "3"),
        (7.9, BASELINE, "3"),
        (8.0, BASELINE, "4A"),
        (14.9, BASELINE, "4A"),
        (15.0, BASELINE, "4B"),
        (3.9, NEW, "2"),
        (4.0, NEW, "3"),
        (5.9, NEW, "3"),
        (6.0, NEW, "4A"),
        (7.9, NEW, "4A"),
        (8.0, NEW, "4B"),
        (7.9, GROWING, "4A"),
        (8.0, GROWING, "4B"),
        (6.0, Status.SLOW, "4B"),
    ],
)
def test_a_solid_nodule_goes_by_its_mean_diameter(mm: float, status: Status, category: str) -> None:
    assert lung_rads.assess(_nodule(SOLID, mm, status)).category == category


@pytest.mark.parametrize(
    ("mm3", "category"),
    [(112, "2"), (113, "3"), (267, "3"), (268, "4A"), (1766, "4A"), (1767, "4B"), (112.4, "2"), (112.6, "3")],
)
def test_without_diameters_a_solid_nodule_goes_by_its_volume(mm3: float, category: str) -> None:
    nodule = Nodule(SOLID, volume_mm3=mm3, status=BASELINE, feature=Feature.NONE)
    answer = lung_rads.assess(nodule)
    assert answer.category == category
    assert ("volume", f"{mm3:.0f} mm³") in answer.used


@pytest.mark.parametrize(("long", "short", "mean"), [(6.4, 5.5, "6.0"), (6.4, 5.4, "5.9"), (8.04, 7.86, "8.0")])
def test_the_mean_diameter_is_taken_to_a_tenth_of_a_millimetre(long: float, short: float, mean: str) -> None:
    answer = lung_rads.assess(replace(_nodule(SOLID, 1, BASELINE), long_mm=long, short_mm=short))
    assert ("mean diameter", f"{mean} mm") in answer.used


@pytest.mark.parametrize(
    ("mm", "solid", "status", "growing", "category"),
    [
        (5.9, None, BASELINE, None, "2"),
        (6.0, 5.9, BASELINE, None, "3"),
        (9.0, 6.0, BASELINE, None, "4A"),
        (9.0, 7.9, BASELINE, None, "4A"),
        (9.0, 8.0, BASELINE, None, "4B"),
        (5.9, None, NEW, None, "3"),
        (5.9, 4.0, NEW, None, "4B"),
        (6.0, 3.9, NEW, None, "4A"),
        (6.0, 4.0, NEW, None, "4B"),
        (9.0, 3.9, GROWING, True, "4A"),
        (9.0, 4.0, GROWING, True, "4B"),
        (9.0, 5.0, GROWING, False, "3"),
        (9.0, 5.0, Status.SLOW, None, "4B"),
    ],
)
def test_a_part_solid_nodule_goes_by_its_solid_component_too(
    mm: float, solid: float | None, status: Status, growing: bool | None, category: str
) -> None:
    assert lung_rads.assess(_nodule(PART, mm, status, solid, solid_growing=growing)).category == category


@pytest.mark.parametrize(
    ("mm", "status", "category"),
    [
        (29.9, BASELINE, "2"),
        (30.0, BASELINE, "3"),
        (30.0, NEW, "3"),
        (29.9, GROWING, "2"),
        (30.0, Status.STABLE, "2"),
        (30.0, Status.SLOW, "2"),
    ],
)
def test_a_non_solid_nodule_changes_category_at_30_mm(mm: float, status: Status, category: str) -> None:
    assert lung_rads.assess(_nodule(NON, mm, status)).category == category


@pytest.mark.parametrize(
    ("kind", "status", "category"),
    [
        (NoduleType.AIRWAY_SUBSEGMENTAL, NEW, "2"),
        (NoduleType.AIRWAY_CENTRAL, BASELINE, "4A"),
        (NoduleType.AIRWAY_CENTRAL, Status.STABLE, "4B"),
        (NoduleType.AIRWAY_CENTRAL, GROWING, "4B"),
    ],
)
def test_a_nodule_in_an_airway_needs_no_size(kind: NoduleType, status: Status, category: str) -> None:
    assert lung_rads.assess(Nodule(kind, status=status, feature=Feature.NONE)).category == category


@pytest.mark.parametrize(
    ("feature", "mm", "category"),
    [
        (Feature.BENIGN, 20.0, "1"),
        (Feature.JUXTAPLEURAL, 9.9, "2"),
        (Feature.JUXTAPLEURAL, 10.0, "4A"),
        (Feature.SUSPICIOUS, 5.9, "2"),
        (Feature.SUSPICIOUS, 6.0, "4X"),
        (Feature.SUSPICIOUS, 15.0, "4X"),
    ],
)
def test_features_change_what_size_gives(feature: Feature, mm: float, category: str) -> None:
    assert lung_rads.assess(_nodule(SOLID, mm, BASELINE, feature=feature)).category == category


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [("type", "nodule type"), ("status", "baseline or new"), ("feature", "features"), ("long_mm", "size")],
)
def test_what_is_not_known_is_named_and_never_assumed(left_out: str, missing: str) -> None:
    answer = lung_rads.assess(replace(_nodule(SOLID, 7, BASELINE), **{left_out: None}))
    assert answer.category is None
    assert answer.management == ""
    assert any(missing in m for m in answer.missing)
    assert answer.headline.startswith("not determined: ")


def test_without_features_the_answer_says_what_size_alone_would_give() -> None:
    answer = lung_rads.assess(_nodule(SOLID, 7, BASELINE, feature=None))
    assert answer.missing == ("features",)
    assert answer.notes == ("by size alone: category 3",)


def test_nothing_known_names_everything() -> None:
    assert len(lung_rads.assess(Nodule()).missing) == 4


@pytest.mark.parametrize(
    ("previous", "months", "category"),
    [("2", None, "2"), ("3", 6, "2"), ("4A", 3, "3"), ("3", 5.9, None), ("4A", 2, None), ("4B", 12, None)],
)
def test_stable_nodules_step_down_when_they_were_stable_long_enough(
    previous: str, months: float | None, category: str | None
) -> None:
    nodule = _nodule(
        SOLID, 10, Status.STABLE, previous=previous, months=months, previous_long_mm=10, previous_short_mm=10
    )
    assert lung_rads.assess(nodule).category == category


def test_a_stable_nodule_that_crossed_a_threshold_goes_by_its_size() -> None:
    nodule = _nodule(SOLID, 8.1, Status.STABLE, previous="3", months=6, previous_long_mm=7.8, previous_short_mm=7.8)
    assert lung_rads.assess(nodule).category == "4A"


def test_a_stable_nodule_just_above_a_threshold_needs_the_earlier_diameters() -> None:
    answer = lung_rads.assess(_nodule(SOLID, 8.1, Status.STABLE, previous="3", months=6))
    assert answer.category is None
    assert "earlier diameters" in answer.missing[0]


def test_a_line_that_the_table_does_not_have_is_not_invented() -> None:
    new = lung_rads.assess(Nodule(NoduleType.AIRWAY_CENTRAL, status=NEW, feature=Feature.NONE))
    grown = lung_rads.assess(_nodule(NON, 33, GROWING, previous_long_mm=31, previous_short_mm=31))
    assert new.category is grown.category is None
    assert "line of the table" in new.missing[0]
    assert "line of the table" in grown.missing[0]


def test_a_volume_that_gives_another_category_is_told() -> None:
    answer = lung_rads.assess(_nodule(SOLID, 5.9, BASELINE, volume_mm3=120))
    assert answer.category == "2"
    assert "by volume it would be category 3" in answer.notes


@pytest.mark.parametrize("mm", [0.0, -1.0])
def test_a_size_of_nothing_is_an_error(mm: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        lung_rads.assess(_nodule(SOLID, mm, BASELINE))


def _exam(*nodules: Nodule, **more: object) -> str | None:
    answers = [(f"finding {k + 1}", lung_rads.assess(n)) for k, n in enumerate(nodules)]
    return lung_rads.assess_exam(answers, incomplete=Incomplete.COMPLETE, **more).category  # type: ignore[arg-type]


def test_the_most_suspicious_nodule_decides_for_the_exam() -> None:
    assert _exam(_nodule(SOLID, 5, BASELINE), _nodule(SOLID, 9, BASELINE), _nodule(NON, 9, BASELINE)) == "4A"
    assert _exam() == "1"


def test_an_exam_with_an_open_nodule_is_not_determined_unless_nothing_could_be_worse() -> None:
    open_one = _nodule(SOLID, 5, BASELINE, type=None)
    assert _exam(open_one, _nodule(SOLID, 9, BASELINE)) is None
    assert _exam(open_one, _nodule(SOLID, 9, BASELINE, feature=Feature.SUSPICIOUS)) == "4X"
    assert _exam(_nodule(SOLID, 5, BASELINE), unread=2) is None


@pytest.mark.parametrize("why", [Incomplete.PART, Incomplete.PRIOR, Incomplete.INFLAMMATORY])
def test_an_incomplete_exam_is_category_0(why: Incomplete) -> None:
    answer = lung_rads.assess_exam([], incomplete=why)
    assert answer.category == "0"
    assert answer.management


def test_whether_the_exam_is_complete_is_asked() -> None:
    assert lung_rads.assess_exam([]).missing == ("whether the exam is complete",)


def test_other_findings_add_the_modifier_s() -> None:
    assert _exam(_nodule(SOLID, 5, BASELINE), other_findings=True) == "2S"
