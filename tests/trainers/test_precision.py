"""Average precision, top-1 hits, and the confusion table beside the published one, against figures worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.metrics import detection_metrics
from trainers.metrics.detection_metrics import Confusion
from trainers.metrics.froc import Slice


def box(x: float, y: float = 0.0, side: float = 10.0) -> list[float]:
    return [x, y, x + side, y + side]


def one(marks: list[tuple[float, float]], truths: list[float], ignored: list[float] = []) -> Slice:  # noqa: B006
    """Marks (x, score), true boxes and ignored boxes, all squares of 10 px on one line."""
    return Slice(
        np.array([box(x) for x, _ in marks]).reshape(-1, 4),
        np.array([s for _, s in marks]),
        np.array([box(x) for x in truths]).reshape(-1, 4),
        np.array([box(x) for x in ignored]).reshape(-1, 4),
    )


def test_average_precision_is_the_area_under_the_envelope() -> None:
    # By falling score: hit (.9), false (.8), hit (.7), false (.6); three nodules, one never found.
    slices = [one([(0, 0.9), (50, 0.8)], [0, 80]), one([(0, 0.7), (50, 0.6)], [0])]
    ranked = detection_metrics.rank(slices)
    values, recall, threshold = detection_metrics.precision_recall(ranked)
    assert values == pytest.approx([1, 1 / 2, 2 / 3, 2 / 4])
    assert recall == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert list(threshold) == [0.9, 0.8, 0.7, 0.6]
    assert detection_metrics.average_precision(ranked) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_a_second_mark_on_the_same_box_is_a_false_alarm_for_average_precision() -> None:
    ranked = detection_metrics.rank([one([(0, 0.9), (1, 0.8)], [0])])
    assert list(ranked.hit) == [True, False]


def test_a_mark_takes_the_free_box_it_overlaps_most() -> None:
    ranked = detection_metrics.rank([one([(1, 0.9), (0, 0.8)], [0, 2])], least_iou=0.5)
    assert list(ranked.hit) == [True, True]


def test_marks_on_ignored_boxes_are_dropped() -> None:
    ranked = detection_metrics.rank([one([(0, 0.9), (50, 0.8)], [0], ignored=[50])])
    assert list(ranked.score) == [0.9]


def test_confusion_counts_every_nodule_that_is_not_found_as_missed() -> None:
    ranked = detection_metrics.rank([one([(0, 0.9), (50, 0.8)], [0, 80]), one([(50, 0.3)], [0])])
    counts = detection_metrics.confusion(ranked, 0.5)
    assert counts == Confusion(tp=1, fp=1, fn=2)
    assert (counts.precision, counts.recall) == (0.5, pytest.approx(1 / 3))
    assert counts.f1 == pytest.approx(2 * 0.5 / 3 / (0.5 + 1 / 3))


def test_the_top_mark_decides_and_a_slice_without_marks_is_a_miss() -> None:
    slices = [one([(0, 0.9), (50, 0.8)], [0]), one([(0, 0.7), (50, 0.8)], [0]), one([], [0])]
    assert list(detection_metrics.top1(slices)) == [1, 0, 0]


def test_equal_top_scores_count_by_their_share_of_hits() -> None:
    assert list(detection_metrics.top1([one([(0, 0.9), (50, 0.9)], [0])])) == [0.5]


def test_the_published_counts_recompute_to_the_known_figures() -> None:
    rows = {name: (c.precision, c.recall, c.f1) for name, c in detection_metrics.PUBLISHED.items()}
    assert rows["mobilenet_v1"] == pytest.approx((0.3824, 0.9747, 0.5493), abs=5e-5)
    assert rows["inception_v2"] == pytest.approx((0.5637, 0.9171, 0.6982), abs=5e-5)
    assert {c.tp + c.fp for c in detection_metrics.PUBLISHED.values()} == {706}


def test_the_table_shows_the_honest_row_beside_the_published_one() -> None:
    slices = [one([(50, 0.9), (0, 0.8)], [0]), one([(0, 0.9)], [0]), one([(50, 0.1)], [0])]
    ours, paper, published, honest = detection_metrics.table3("mobilenet_v1", slices, 0.5)
    assert (ours["tp"], ours["fp"], ours["fn"]) == ("2", "1", "1")
    assert (paper["tp"], paper["fp"], paper["fn"]) == ("1", "1", "1")
    assert (published["recall"], published["top1"]) == ("0.9747", "0.3824")
    assert (honest["fn"], honest["recall"]) == ("436", "0.3824")
    assert set(ours) == set(detection_metrics.TABLE_COLUMNS)
    assert len(detection_metrics.table3("another", slices, 0.5)) == 2


def test_a_set_without_nodules_has_no_average_precision() -> None:
    assert np.isnan(detection_metrics.average_precision(detection_metrics.rank([one([(0, 0.5)], [])])))
    with pytest.raises(ValueError, match="no slice"):
        detection_metrics.rank([])


marks = st.lists(st.tuples(st.integers(0, 20).map(float), st.sampled_from([0.1, 0.3, 0.5, 0.9])), max_size=5)
slice_lists = st.lists(
    st.builds(one, marks, st.lists(st.integers(0, 20).map(float), min_size=1, max_size=3)), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(slice_lists, st.integers(0, 10**6))
def test_order_does_not_matter_and_a_stricter_overlap_never_raises_recall(slices: list[Slice], seed: int) -> None:
    generator = np.random.default_rng(seed)
    shuffled = []
    for i in generator.permutation(len(slices)):
        order = generator.permutation(len(slices[i].boxes))
        shuffled.append(Slice(slices[i].boxes[order], slices[i].scores[order], slices[i].nodules))
    first, second = detection_metrics.rank(slices), detection_metrics.rank(shuffled)
    assert detection_metrics.average_precision(first) == pytest.approx(detection_metrics.average_precision(second))
    assert detection_metrics.confusion(first, 0.3) == detection_metrics.confusion(second, 0.3)
    assert np.mean(detection_metrics.top1(slices)) == pytest.approx(np.mean(detection_metrics.top1(shuffled)))
    assert 0 <= detection_metrics.average_precision(first) <= 1 + 1e-9
    loose, strict = (detection_metrics.top1(slices, least_iou=limit).mean() for limit in (0.1, 0.7))
    assert strict <= loose
