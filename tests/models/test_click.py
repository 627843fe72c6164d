"""From a click to boxes: round nodules of any size, on vessels and at the wall, in anisotropic voxels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.models.nodules.measurement import measure
from cadviewer.models.nodules.seeded_region import grow

SPACING = (1.25, 0.7, 0.7)


def _lung(shape: tuple[int, int, int] = (40, 90, 90), noise: float = 25.0) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(-860, noise, shape).astype(np.float32)


def _ball(pixels: NDArray[np.float32], at: tuple[float, float, float], mm: float, value: float = 30.0) -> None:
    """A ball at a (slice, row, column) index."""
    grid = np.ogrid[: pixels.shape[0], : pixels.shape[1], : pixels.shape[2]]
    apart = np.sqrt(sum(((g - c) * s) ** 2 for g, c, s in zip(grid, at, SPACING, strict=True)))
    pixels[apart <= mm / 2] = value


@pytest.mark.parametrize("mm", [4.0, 6.0, 10.0, 20.0])
@pytest.mark.parametrize("off", [(0, 0.0, 0.0), (1, 1.5, -1.0)])
def test_a_round_nodule_has_boxes_and_measures_of_its_size(mm: float, off: tuple[int, float, float]) -> None:
    pixels = _lung()
    _ball(pixels, (20, 40, 50), mm)
    boxes = grow(pixels, (20 + off[0], 50.5 + off[1], 40.5 + off[2]), SPACING[1:], SPACING[0])
    assert boxes is not None
    best = max(boxes, key=lambda b: b.score)
    assert best.slice == 20
    assert best.x1 - best.x0 == pytest.approx(mm / 0.7, abs=1.6)
    assert best.centre == pytest.approx((50.5, 40.5), abs=0.6)
    assert len(boxes) == pytest.approx(mm / 1.25, abs=1.6)
    found = measure(pixels, boxes, SPACING[1:], SPACING[0])
    assert found is not None
    assert found.long_mm == pytest.approx(mm, abs=1.3)
    assert found.volume_mm3 == (None if mm < 4.5 else pytest.approx(np.pi / 6 * mm**3, rel=0.15))


def test_a_vessel_that_leads_to_it_is_not_part_of_it() -> None:
    pixels = _lung()
    _ball(pixels, (20, 40, 50), 10)
    pixels[19:22, 39:42, 50:] = 30.0  # a vessel of 2 to 3 mm to the edge
    boxes = grow(pixels, (20, 50.5, 40.5), SPACING[1:], SPACING[0])
    assert boxes is not None
    best = max(boxes, key=lambda b: b.score)
    assert best.x1 - best.x0 < 10 / 0.7 * 1.45


def test_a_nodule_at_the_chest_wall_does_not_become_the_wall() -> None:
    pixels = _lung()
    pixels[:, :, :20] = 40.0
    _ball(pixels, (20, 40, 26), 10)  # touches the wall
    boxes = grow(pixels, (20, 28.5, 40.5), SPACING[1:], SPACING[0])
    assert boxes is not None
    assert max(b.x1 - b.x0 for b in boxes) < 30
    assert max(b.x1 for b in boxes) == pytest.approx(26.5 + 5 / 0.7, abs=2)


@pytest.mark.parametrize("place", [(20, 10.5, 10.5), (0, 0.0, 0.0), (39, 89.9, 89.9)])
def test_where_there_is_lung_alone_there_is_nothing(place: tuple[int, float, float]) -> None:
    assert grow(_lung(), place, SPACING[1:], SPACING[0]) is None


def test_a_single_slice_is_looked_at_by_itself() -> None:
    pixels = _lung((1, 90, 90))
    _ball(pixels, (0, 40, 50), 8)
    boxes = grow(pixels, (0, 50.5, 40.5), SPACING[1:], None)
    assert boxes is not None
    assert [b.slice for b in boxes] == [0]


def test_values_that_are_no_numbers_are_taken_for_air() -> None:
    pixels = _lung()
    pixels[:, :30] = np.nan
    _ball(pixels, (20, 40, 50), 8)
    assert grow(pixels, (20, 50.5, 40.5), SPACING[1:], SPACING[0]) is not None
