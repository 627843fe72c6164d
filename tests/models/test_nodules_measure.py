"""Axes, volume and outline of balls and ellipsoids whose size is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Box
from cadviewer.models.nodules.measurement import axes, measure

SPACING = (1.5, 0.7, 0.7)
SHAPE = (40, 90, 90)
CENTRE = (20.3, 44.6, 45.2)  # index


def body(half_axes_mm: tuple[float, float, float], inside: float = 40.0) -> NDArray[np.float32]:
    """(slices, rows, columns) HU: lung with an ellipsoid; half axes along (slice, row, column) in mm."""
    grid = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    terms = [((g - c) * s / h) ** 2 for g, c, s, h in zip(grid, CENTRE, SPACING, half_axes_mm, strict=True)]
    depth = (1 - np.sqrt(sum(terms))) * min(half_axes_mm)
    filled = np.clip(depth / 0.7 + 0.5, 0, 1)
    return np.asarray(-860 + (inside + 860) * filled, np.float32)


def boxes(side_mm: float, slices: range = range(18, 24)) -> tuple[Box, ...]:
    half = side_mm / 2 / SPACING[1]
    x, y = CENTRE[2] + 0.5, CENTRE[1] + 0.5
    return tuple(Box(k, x - half, y - half, x + half, y + half, 0.9 if k == 20 else 0.7) for k in slices)


@pytest.mark.parametrize("diameter", [6.0, 10.0, 20.0])
def test_a_ball_has_its_diameter_and_volume(diameter: float) -> None:
    measured = measure(body((diameter / 2,) * 3), boxes(diameter), SPACING[1:], SPACING[0])
    assert measured is not None
    assert measured.long_mm == pytest.approx(diameter, rel=0.1)
    assert measured.short_mm == pytest.approx(diameter, rel=0.1)
    assert measured.volume_mm3 == pytest.approx(np.pi / 6 * diameter**3, rel=0.2)


def test_an_ellipsoid_has_a_long_and_a_short_axis() -> None:
    measured = measure(body((7.0, 9.0, 6.0)), boxes(16.0), SPACING[1:], SPACING[0])
    assert measured is not None
    assert measured.long_mm == pytest.approx(18, rel=0.1)
    assert measured.short_mm == pytest.approx(12, rel=0.1)


def test_a_small_nodule_between_two_thick_slices_is_measured_at_its_own_density() -> None:
    image = np.full((8, 60, 60), -860.0, np.float32)
    ys, xs = np.mgrid[:60, :60]
    disc = (ys - 30) ** 2 + (xs - 30) ** 2 <= 3**2
    image[3][disc] = image[4][disc] = 100.0
    pair = tuple(Box(k, 26.5, 26.5, 34.5, 34.5, 0.8) for k in (3, 4))
    measured = measure(image, pair, (0.6, 0.6), 5.0)
    assert measured is not None
    assert measured.long_mm == pytest.approx(7 * 0.6, rel=0.15)


def test_a_ground_glass_ball_is_measured_at_a_lower_threshold() -> None:
    measured = measure(body((7.0,) * 3, inside=-550), boxes(14.0), SPACING[1:], SPACING[0])
    assert measured is not None
    assert measured.long_mm == pytest.approx(14, rel=0.1)


def test_a_thin_vessel_is_opened_away() -> None:
    image = body((7.0,) * 3)
    image[20, 43:46, :] = 40.0
    measured = measure(image, boxes(14.0), SPACING[1:], SPACING[0])
    assert measured is not None
    assert measured.long_mm < 14 * 1.15


def test_a_nodule_on_the_wall_does_not_grow_into_it() -> None:
    image = body((7.0,) * 3)
    image[:, :, 54:] = 40.0
    measured = measure(image, boxes(14.0), SPACING[1:], SPACING[0])
    assert measured is not None
    assert measured.long_mm < 14 * 1.4


def test_the_outline_lies_on_the_slice_of_the_best_box_around_its_centre() -> None:
    measured = measure(body((6.0,) * 3), boxes(12.0), SPACING[1:], SPACING[0])
    assert measured is not None
    assert measured.outline is not None
    x, y = (measured.outline.min(axis=0) + measured.outline.max(axis=0)) / 2
    assert (x, y) == (pytest.approx(CENTRE[2] + 0.5, abs=0.5), pytest.approx(CENTRE[1] + 0.5, abs=0.5))
    assert (measured.outline.max(axis=0) - measured.outline.min(axis=0)) * 0.7 == pytest.approx([12, 12], rel=0.1)
    assert sorted(measured.outlines) == list(range(17, 25))
    assert measured.outlines[20] is measured.outline


def test_a_single_slice_has_no_volume() -> None:
    measured = measure(body((6.0,) * 3)[20:21], boxes(12.0, range(1)), SPACING[1:], None)
    assert measured is not None
    assert measured.volume_mm3 is None
    assert measured.long_mm == pytest.approx(12, rel=0.1)


def test_where_there_is_only_lung_nothing_is_measured() -> None:
    assert measure(np.full(SHAPE, -860.0, np.float32), boxes(10.0), SPACING[1:], SPACING[0]) is None


def test_a_box_at_the_border_of_the_image_is_measured_as_far_as_it_goes() -> None:
    image = body((7.0,) * 3)[:, :, 45:]
    half = 10.0
    edge = (Box(20, 0.0, CENTRE[1] - half, half, CENTRE[1] + half, 0.9),)
    measured = measure(image, edge, SPACING[1:], SPACING[0])
    assert measured is not None
    assert measured.long_mm == pytest.approx(14, rel=0.2)


def test_axes_of_a_rectangle_are_its_diagonal_and_the_width_across() -> None:
    corners = np.array([[0, 0], [4, 0], [4, 3], [0, 3]], np.float32)
    long, short = axes(corners)
    assert long == pytest.approx(5)
    assert short == pytest.approx(4.8)
