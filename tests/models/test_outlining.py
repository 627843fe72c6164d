"""Findings measured with an outline network that is a threshold of NumPy: truth, bodies, fallback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from nodule_scenes import CARD, Blobs, chest, picture, volume_of
from numpy.typing import NDArray

from cadviewer.findings import Box
from cadviewer.imaging.geometry import Geometry
from cadviewer.models.nodules.analysis import find_nodules
from cadviewer.models.nodules.outlining import outline_findings
from cadviewer.models.runtime import Companion

OUTLINE = replace(CARD, name="halves", network="outline", role="outline", inputs={"window": [-1000, 400]})
SPACING = (2.0, 0.8, 0.8)


class Halves:
    """A `Forward`: what is brighter than half-way from lung to soft tissue is nodule."""

    batch_size = 8

    def __init__(self, blind: bool = False) -> None:
        self.seen = 0
        self.blind = blind

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.seen += len(batch)
        return (np.full_like(batch[:, :1], -9) if self.blind else 40 * (batch[:, :1] - 0.42),)


def with_outline(forward: Halves) -> Mapping[str, Companion]:
    return {"outline": Companion(OUTLINE, forward)}


def ball(centre: tuple[float, float, float], radius_mm: float, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """(slices, rows, columns) HU of lung with a ball; centre as index."""
    grid = np.ogrid[: shape[0], : shape[1], : shape[2]]
    distance = np.sqrt(sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, SPACING, strict=True)))
    return np.asarray(-860 + 900 * np.clip((radius_mm - distance) / 0.8 + 0.5, 0, 1), np.float32)


def boxes(slices: range, x: float, y: float, side_mm: float, best: int) -> tuple[Box, ...]:
    half = side_mm / 2 / SPACING[1]
    return tuple(Box(k, x - half, y - half, x + half, y + half, 0.9 if k == best else 0.6) for k in slices)


def test_a_ball_seen_on_its_middle_slices_alone_is_measured_whole() -> None:
    pixels = ball((10.2, 40.0, 50.0), 8.0, (22, 80, 100))
    found = outline_findings(
        pixels, [boxes(range(9, 12), 50.5, 40.5, 16, 10)], SPACING[1:], SPACING[0], Companion(OUTLINE, Halves())
    )[0]
    assert found is not None
    assert found.long_mm == pytest.approx(16, rel=0.06)
    assert found.short_mm == pytest.approx(16, rel=0.06)
    assert found.volume_mm3 == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.12)
    assert found.widest == 10
    assert sorted(found.outlines) == list(range(min(found.outlines), max(found.outlines) + 1))
    assert min(found.outlines) < 9, "the cap has no box"
    assert found.outline is not None
    middle = (found.outline.min(axis=0) + found.outline.max(axis=0)) / 2
    np.testing.assert_allclose(middle, [50.5, 40.5], atol=0.2)


def test_what_lies_above_a_nodule_without_touching_it_is_not_counted() -> None:
    alone = ball((10.0, 40.0, 50.0), 6.0, (24, 80, 100))
    other = ball((17.0, 40.0, 56.0), 4.0, (24, 80, 100))
    given = [boxes(range(8, 13), 50.5, 40.5, 12, 10)]
    companion = Companion(OUTLINE, Halves())
    volumes = [
        found.volume_mm3
        for pixels in (alone, np.maximum(alone, other))
        if (found := outline_findings(pixels, given, SPACING[1:], SPACING[0], companion)[0]) is not None
    ]
    assert len(volumes) == 2
    assert volumes[0] == volumes[1]


def test_a_finding_at_the_first_slice_is_measured_as_far_as_it_goes() -> None:
    pixels = ball((0.0, 40.0, 50.0), 8.0, (8, 80, 100))
    found = outline_findings(
        pixels, [boxes(range(3), 50.5, 40.5, 16, 0)], SPACING[1:], SPACING[0], Companion(OUTLINE, Halves())
    )[0]
    assert found is not None
    assert found.long_mm == pytest.approx(16, rel=0.06)


def test_not_a_number_counts_as_air() -> None:
    pixels = ball((3.0, 40.0, 50.0), 6.0, (7, 80, 100))
    pixels[:, :30] = np.nan
    found = outline_findings(
        pixels, [boxes(range(2, 5), 50.5, 40.5, 12, 3)], SPACING[1:], SPACING[0], Companion(OUTLINE, Halves())
    )[0]
    assert found is not None
    assert np.isfinite(found.long_mm)


def geometry() -> Geometry:
    return Geometry((50, 190, 270), (1.2, 1.2), 2.0, (-160.0, -110.0, -50.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))


def test_findings_in_a_volume_are_measured_with_the_network_where_there_is_one() -> None:
    truth = ((-70.0, 10.0, 0.0), 16.0)
    volume = volume_of(chest(geometry(), [truth], np.zeros(3)), geometry())
    forward = Halves()
    (nodule,) = find_nodules(volume, Blobs(), CARD, companions=with_outline(forward)).nodules
    assert forward.seen > 0
    assert nodule.long_mm == pytest.approx(16, rel=0.1)
    assert nodule.volume_mm3 == pytest.approx(np.pi / 6 * 16**3, rel=0.2)
    assert nodule.centre_mm == (pytest.approx(-70, abs=1.2), pytest.approx(10, abs=1.2), pytest.approx(0, abs=2))


def test_where_the_network_sees_nothing_the_threshold_measures() -> None:
    volume = volume_of(chest(geometry(), [((-70.0, 10.0, 0.0), 16.0)], np.zeros(3)), geometry())
    (blind,) = find_nodules(volume, Blobs(), CARD, companions=with_outline(Halves(blind=True))).nodules
    (alone,) = find_nodules(volume, Blobs(), CARD).nodules
    assert blind.long_mm == alone.long_mm
    assert blind.volume_mm3 == alone.volume_mm3


def test_the_boxes_and_scores_do_not_depend_on_the_network() -> None:
    volume = volume_of(chest(geometry(), [((-70.0, 10.0, 0.0), 16.0)], np.zeros(3)), geometry())
    with_it, without = (find_nodules(volume, Blobs(), CARD, companions=c) for c in (with_outline(Halves()), {}))
    assert [n.boxes for n in with_it.nodules] == [n.boxes for n in without.nodules]


def test_a_picture_has_an_outline_and_no_volume() -> None:
    scene = chest(Geometry((1, 240, 340), (1.0, 1.0), 1.0, (-169.5, -119.5, 0.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0))),
                  [((-70.0, 10.0, 0.0), 12.0)], np.zeros(3))[0]  # fmt: skip
    eight_bit = np.clip((scene.astype(float) + 1000) / 1400 * 255, 0, 255).astype(np.uint8)
    (nodule,) = find_nodules(
        picture(eight_bit), Blobs(), CARD, spacing_mm=1.0, companions=with_outline(Halves())
    ).nodules
    assert nodule.long_mm == pytest.approx(12, rel=0.1)
    assert nodule.volume_mm3 is None
    assert nodule.outline is not None
    assert nodule.outline.mean(axis=0) == pytest.approx([100, 130], abs=1)
