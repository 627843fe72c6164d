"""Volumes of balls of 3 to 8 mm on slices of 0.6 to 3 mm, with the partial volumes of a scanner."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.findings import Box
from cadviewer.models.nodules.measurement import measure
from cadviewer.models.nodules.volume import measurable, volume_mm3

SOLID, LUNG, PIXEL = 40.0, -860.0, 0.7
SLICES = (0.6, 1.0, 1.5, 2.0, 2.5, 3.0)


def ball(
    diameter: float, slice_mm: float, blur_mm: float, seed: int, inside: float = SOLID
) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """(slices, rows, columns) HU of a ball in lung and its middle (slice, row, column) in indices. A slice is the mean
    over its thickness; the plane is blurred and noisy."""
    rng = np.random.default_rng(seed)
    fine, reach = 6, 11.0
    spacing = np.array([slice_mm, PIXEL, PIXEL])
    count = (2 * reach / spacing).astype(int) + 1
    middle = reach + rng.uniform(-0.5, 0.5, 3) * spacing
    axes = [(np.arange(n * fine) + 0.5) * mm / fine - at for n, mm, at in zip(count, spacing, middle, strict=True)]
    filled = np.zeros(count)
    for k in range(count[0]):
        z = axes[0][k * fine : (k + 1) * fine]
        plane = (z[:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 <= (diameter / 2) ** 2).mean(axis=0)
        filled[k] = plane.reshape(count[1], fine, count[2], fine).mean(axis=(1, 3))
    image = LUNG + (inside - LUNG) * ndimage.gaussian_filter(filled, (0, blur_mm / PIXEL, blur_mm / PIXEL))
    noise = ndimage.gaussian_filter(rng.normal(size=image.shape), (0, 0.7, 0.7)) * 50
    at = middle / spacing - 0.5
    return np.asarray(image + noise, np.float32), (float(at[0]), float(at[1]), float(at[2]))


def boxes(diameter: float, slice_mm: float, at: tuple[float, float, float]) -> tuple[Box, ...]:
    reach, half = diameter / 2 / slice_mm, diameter / 2 / PIXEL
    x, y = at[2] + 0.5, at[1] + 0.5
    slices = range(int(np.floor(at[0] - reach)), int(np.ceil(at[0] + reach)) + 1)
    return tuple(Box(k, x - half, y - half, x + half, y + half, 0.9 if k == round(at[0]) else 0.7) for k in slices)


def told(diameter: float, slice_mm: float, blur_mm: float, seed: int, inside: float = SOLID) -> float | None:
    """The measured volume over the true one."""
    image, at = ball(diameter, slice_mm, blur_mm, seed, inside)
    measured = measure(image, boxes(diameter, slice_mm, at), (PIXEL, PIXEL), slice_mm)
    assert measured is not None
    return None if measured.volume_mm3 is None else measured.volume_mm3 / (np.pi / 6 * diameter**3)


@pytest.mark.parametrize("blur_mm", [0.5, 0.8])
@pytest.mark.parametrize("slice_mm", SLICES)
@pytest.mark.parametrize("diameter", [5.0, 6.0, 8.0])
def test_a_volume_that_is_told_is_within_15_percent(diameter: float, slice_mm: float, blur_mm: float) -> None:
    ratios = [told(diameter, slice_mm, blur_mm, seed) for seed in range(4)]
    if diameter >= 2 * slice_mm + 0.5:  # clear of the border of what is measurable
        assert None not in ratios
    assert all(ratio == pytest.approx(1, abs=0.15) for ratio in ratios if ratio is not None)


@pytest.mark.parametrize("slice_mm", SLICES)
def test_a_nodule_of_3_mm_and_one_thinner_than_two_slices_have_no_volume(slice_mm: float) -> None:
    assert [told(3.0, slice_mm, 0.5, seed) for seed in range(4)] == [None] * 4


def test_what_is_measurable_depends_on_the_distance_of_slices() -> None:
    assert measurable(5.0, 2.5)
    assert not measurable(5.0, 3.0)
    assert measurable(6.0, 3.0)
    assert not measurable(4.0, 0.6)


def test_a_ground_glass_nodule_has_its_volume_too() -> None:
    ratios = [told(8.0, slice_mm, 0.5, 1, inside=-550) for slice_mm in SLICES]
    assert ratios == pytest.approx([1] * len(SLICES), abs=0.15)


def test_a_vessel_beside_a_nodule_adds_nothing() -> None:
    image, at = ball(6.0, 1.0, 0.5, 3)
    alone = measure(image, boxes(6.0, 1.0, at), (PIXEL, PIXEL), 1.0)
    image[:, :, round(at[2]) + 7 : round(at[2]) + 10] = SOLID  # its wall is 1.9 mm from the nodule's
    beside = measure(image, boxes(6.0, 1.0, at), (PIXEL, PIXEL), 1.0)
    assert alone is not None
    assert beside is not None
    assert beside.volume_mm3 == pytest.approx(alone.volume_mm3, rel=0.05)


def test_nothing_has_no_volume() -> None:
    air = np.full((5, 9, 9), LUNG, np.float32)
    assert volume_mm3(air, np.zeros(air.shape, bool), (1.0, 0.7, 0.7)) is None
    assert volume_mm3(air, air > -2000, (1.0, 0.7, 0.7)) is None
