"""FROC and CPM by the rules of LUNA16, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.metrics import froc
from trainers.metrics.froc import Scan, Slice


def scan(marks: list[tuple[float, float]], nodules: list[tuple[float, float]] = [], **excluded: object) -> Scan:  # noqa: B006
    """Marks (x mm, score) and nodules (x mm, diameter mm) along one axis."""
    return Scan(
        marks=np.array([[x, 0, 0] for x, _ in marks], float).reshape(-1, 3),
        scores=np.array([s for _, s in marks], float),
        nodules=np.array([[x, 0, 0] for x, _ in nodules], float).reshape(-1, 3),
        diameters=np.array([d for _, d in nodules], float),
        **excluded,  # type: ignore[arg-type]
    )


def test_a_mark_at_exactly_the_radius_is_a_false_alarm() -> None:
    on_edge = froc.match_scans([scan([(5.0, 0.9)], [(0.0, 10.0)])])
    inside = froc.match_scans([scan([(4.999, 0.9)], [(0.0, 10.0)])])
    assert (list(on_edge.truth_score), list(on_edge.false_score)) == ([-np.inf], [0.9])
    assert (list(inside.truth_score), list(inside.false_score)) == ([0.9], [])


def test_of_several_marks_on_a_nodule_the_highest_counts_and_the_others_are_no_false_alarms() -> None:
    matched = froc.match_scans([scan([(0, 0.3), (1, 0.8), (2, 0.5), (40, 0.4)], [(0, 10)])])
    assert list(matched.truth_score) == [0.8]
    assert list(matched.false_score) == [0.4]


def test_a_mark_inside_two_overlapping_nodules_hits_both() -> None:
    matched = froc.match_scans([scan([(2, 0.7)], [(0, 10), (4, 10)])])
    assert list(matched.truth_score) == [0.7, 0.7]
    assert not len(matched.false_score)


def test_a_mark_on_an_excluded_finding_is_dropped_unless_it_also_hits_a_nodule() -> None:
    extra = {"excluded": np.array([[50.0, 0, 0], [3.0, 0, 0]]), "excluded_diameters": np.array([8.0, 8.0])}
    matched = froc.match_scans([scan([(51, 0.9), (2, 0.6), (90, 0.1)], [(0, 10)], **extra)])
    assert list(matched.truth_score) == [0.6]
    assert list(matched.false_score) == [0.1]


def test_a_negative_diameter_counts_as_ten_millimetres() -> None:
    matched = froc.match_scans([scan([(4.9, 0.9)], [(0, -1)]), scan([(5.1, 0.8)], [(0, -1)])])
    assert list(matched.truth_score) == [0.9, -np.inf]


def test_the_curve_and_cpm_of_a_small_set_are_as_worked_out_by_hand() -> None:
    # Two scans, three nodules; by falling score: hit, false, hit, false, false; the third nodule is never found.
    matched = froc.match_scans(
        [
            scan([(0, 0.9), (60, 0.8), (70, 0.2)], [(0, 10), (30, 10)]),
            scan([(0, 0.7), (60, 0.5)], [(0, 10)]),
        ]
    )
    curve = froc.froc(matched)
    assert curve.rate == pytest.approx([0, 0, 0.5, 0.5, 1.0, 1.5])
    assert curve.sensitivity == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert list(curve.threshold) == [np.inf, 0.9, 0.8, 0.7, 0.5, 0.2]
    # At 1/8 and 1/4 the first nodule; at 1/2 the top of the riser; from 1.5 on the last value is carried forward.
    assert froc.sensitivity_at(curve) == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert froc.cpm(curve) == pytest.approx((2 * 1 / 3 + 5 * 2 / 3) / 7)
    assert froc.threshold_at(curve, 1.0) == 0.5


def test_linear_interpolation_lies_between_the_points_and_step_takes_the_earlier_one() -> None:
    # One scan: a false alarm and a hit with the same score enter together: from (0, 0) straight to (1, 1).
    curve = froc.froc(froc.match_scans([scan([(0, 0.5), (60, 0.5)], [(0, 10)])]))
    assert froc.sensitivity_at(curve, [0.25]) == pytest.approx([0.25])
    assert froc.sensitivity_at(curve, [0.25], interpolation="step") == pytest.approx([0.0])
    assert froc.sensitivity_at(curve, [1.0], interpolation="step") == pytest.approx([1.0])


def test_a_scan_without_nodules_and_marks_still_counts_in_the_rate() -> None:
    curve = froc.froc(froc.match_scans([scan([(60, 0.5)], [(0, 10)]), scan([])]))
    assert curve.rate[-1] == 0.5


def test_a_set_without_nodules_has_no_sensitivity() -> None:
    assert np.isnan(froc.cpm(froc.froc(froc.match_scans([scan([(60, 0.5)])]))))


def test_no_scan_at_all_and_nan_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to measure"):
        froc.match_scans([])
    with pytest.raises(ValueError, match="finite score"):
        froc.match_scans([scan([(0, float("nan"))])])


def test_boxes_hit_by_overlap_or_by_centre() -> None:
    truth = np.array([[10.0, 10, 20, 20]])
    half = np.array([[10.0, 10, 20, 15]])  # IoU exactly .5
    less = np.array([[10.0, 10, 20, 14.9]])
    small = np.array([[14.0, 14, 16, 16]])  # in the middle, IoU .04
    score = np.array([0.5])

    def found(boxes: froc.Floats, **how: object) -> bool:
        matched = froc.match_slices([Slice(boxes, score, truth)], **how)  # type: ignore[arg-type]
        return bool(np.isfinite(matched.truth_score[0]))

    assert found(half)
    assert not found(less)
    assert found(less, least_iou=0.4)
    assert not found(small)
    assert found(small, rule="centre")


def test_a_mark_on_an_ignored_box_is_dropped() -> None:
    boxes = np.array([[10.0, 10, 20, 20], [40.0, 40, 50, 50], [70.0, 70, 80, 80]])
    one = Slice(boxes, np.array([0.9, 0.8, 0.7]), boxes[:1], ignored=boxes[1:2])
    matched = froc.match_slices([one])
    assert list(matched.false_score) == [0.7]


def test_intervals_hold_the_figure_and_are_wide_for_few_scans() -> None:
    hit, miss = scan([(0, 0.9)], [(0, 10)]), scan([(60, 0.5)], [(0, 10)])
    made = froc.figures(froc.match_scans([hit, miss] * 10), rounds=200)
    assert len(made) == 8
    value, low, high = made["mean sensitivity at 1/8…8 per scan"]
    assert low < value < high
    assert made["sensitivity at 1/8 per scan"][0] == pytest.approx(0.5)
    together = froc.figures(froc.match_scans([hit, miss] * 10), groups=["a", "b"] * 10, rounds=200)
    assert together["sensitivity at 8 per scan"][1:] == (0.0, 1.0)  # two patients: one found, one not


@st.composite
def case_lists(draw: st.DrawFn) -> list[Scan]:
    place = st.integers(0, 12).map(float)
    scores = st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9])
    made = []
    for _ in range(draw(st.integers(1, 4))):
        marks = draw(st.lists(st.tuples(place, scores), max_size=6))
        nodules = draw(st.lists(st.tuples(place, st.sampled_from([3.0, 6.0])), max_size=3))
        made.append(scan(marks, nodules))
    return made


@settings(max_examples=60, deadline=None)
@given(case_lists())
def test_curves_never_fall_and_stay_in_range(cases: list[Scan]) -> None:
    matched = froc.match_scans(cases)
    curve = froc.froc(matched)
    assert (np.diff(curve.rate) >= 0).all()
    assert (np.diff(curve.threshold) < 0).all()
    if len(matched.truth_unit):
        assert (np.diff(curve.sensitivity) >= 0).all()
        linear, step = froc.cpm(curve), froc.cpm(curve, interpolation="step")
        assert 0 <= step <= linear + 1e-12 <= 1 + 1e-9


@settings(max_examples=60, deadline=None)
@given(case_lists(), st.randoms(use_true_random=False))
def test_the_order_of_scans_marks_and_nodules_does_not_matter(cases: list[Scan], random: object) -> None:
    seed = random.randrange(10**6)  # type: ignore[attr-defined]
    generator = np.random.default_rng(seed)
    shuffled = []
    for i in generator.permutation(len(cases)):
        one = cases[i]
        m, n = generator.permutation(len(one.marks)), generator.permutation(len(one.nodules))
        shuffled.append(Scan(one.marks[m], one.scores[m], one.nodules[n], one.diameters[n]))
    first, second = (froc.froc(froc.match_scans(c)) for c in (cases, shuffled))
    for name in ("rate", "sensitivity", "threshold"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name))


@settings(max_examples=40, deadline=None)
@given(case_lists())
def test_a_further_hit_never_lowers_and_a_further_false_alarm_never_raises_the_mean_sensitivity(
    cases: list[Scan],
) -> None:
    cases = [*cases, scan([(200, 0.5)], [(100, 6)])]
    one = cases[-1]

    def value(x: float, score: float) -> float:
        marks = np.concatenate([one.marks, [[x, 0, 0]]])
        more = Scan(marks, np.append(one.scores, score), one.nodules, one.diameters)
        return froc.cpm(froc.froc(froc.match_scans([*cases[:-1], more])))

    plain = froc.cpm(froc.froc(froc.match_scans(cases)))
    assert value(100, 0.95) >= plain - 1e-12
    assert value(300, 0.95) <= plain + 1e-12
