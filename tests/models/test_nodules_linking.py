"""Boxes of neighbouring slices: what belongs together, and what agreement is worth."""

from __future__ import annotations

import pytest

from cadviewer.findings import Box
from cadviewer.models.nodules.linking import Rules, link

PIXEL = (1.0, 1.0)


def box(k: int, x: float, score: float, side: float = 10.0) -> Box:
    return Box(k, x, 50.0, x + side, 50.0 + side, score)


def test_overlapping_boxes_of_neighbouring_slices_are_one_finding() -> None:
    found = link([box(3, 20, 0.8), box(4, 21, 0.9), box(5, 22, 0.7), box(4, 80, 0.3)], PIXEL, 2.5, Rules())
    assert [[b.slice for b in f] for f in found] == [[3, 4, 5], [4]]


def test_boxes_of_one_slice_are_never_one_finding() -> None:
    found = link([box(3, 20, 0.8), box(3, 22, 0.7)], PIXEL, 2.5, Rules())
    assert [len(f) for f in found] == [1, 1]


def test_a_finding_may_be_missing_on_one_thin_slice_but_not_on_a_thick_one() -> None:
    marks = [box(3, 20, 0.8), box(5, 20, 0.8)]
    assert len(link(marks, PIXEL, 1.25, Rules())) == 1
    assert len(link(marks, PIXEL, 5.0, Rules())) == 2


def test_a_mark_on_a_single_thin_slice_is_worth_less_than_on_a_thick_one() -> None:
    thin = link([box(3, 20, 0.9)], PIXEL, 1.0, Rules())[0][0].score
    thick = link([box(3, 20, 0.9)], PIXEL, 10.0, Rules())[0][0].score
    assert thin == pytest.approx(0.3)  # three slices were expected
    assert thick == pytest.approx(0.9)


def test_a_nodule_seen_on_all_its_slices_keeps_its_score() -> None:
    found = link([box(k, 20, 0.9) for k in range(4)], PIXEL, 2.5, Rules())[0]
    assert max(b.score for b in found) == pytest.approx(0.9)


def test_a_long_thin_finding_loses_score() -> None:
    found = link([box(k, 20, 0.9, side=5.0) for k in range(20)], PIXEL, 1.0, Rules())[0]
    assert max(b.score for b in found) == pytest.approx(0.9 * 2 * 5 / 20)


def test_weak_ends_are_cut_off() -> None:
    marks = [box(2, 20, 0.05), box(3, 20, 0.9), box(4, 20, 0.8), box(5, 20, 0.1)]
    assert [b.slice for b in link(marks, PIXEL, 2.5, Rules())[0]] == [3, 4]


def test_the_better_mark_takes_the_finding_that_both_could_go_on_with() -> None:
    found = link([box(3, 20, 0.9), box(4, 21, 0.3), box(4, 20, 0.8)], PIXEL, 5.0, Rules())
    assert [b.score for b in found[0]] == pytest.approx([0.9 * 17 / 18, 0.8 * 17 / 18])
    assert len(found) == 2


def test_order_of_marks_does_not_matter() -> None:
    marks = [box(3, 20, 0.8), box(4, 21, 0.9), box(5, 60, 0.7), box(4, 80, 0.3)]
    assert link(marks, PIXEL, 2.5, Rules()) == link(marks[::-1], PIXEL, 2.5, Rules())


def test_nothing_gives_nothing() -> None:
    assert link([], PIXEL, 2.5, Rules()) == []
