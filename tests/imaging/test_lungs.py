"""The lung mask: what is inside, what is not, whichever way the axes run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models.nodule_scenes import chest
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.lungs import find_lungs, lung_mask

SHAPE = (50, 120, 180)
SPACING = (4.0, 2.0, 2.0)
GEOMETRY = Geometry(SHAPE, SPACING[1:], SPACING[0], (-179.0, -119.0, -98.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))


def scene(nodules: tuple[tuple[tuple[float, float, float], float], ...] = ()) -> NDArray[np.int16]:
    return chest(GEOMETRY, nodules, np.zeros(3))


def at(x: float, y: float, z: float) -> tuple[int, int, int]:
    """Array index of a point of the chest."""
    k, r, c = np.rint(GEOMETRY.to_index((x, y, z))).astype(int).tolist()
    return k, r, c


def test_lungs_are_inside_and_body_table_and_air_around_are_not() -> None:
    pixels = scene()
    pixels[:, 112:118, 30:150] = 100  # the table, hollow
    pixels[:, 114:116, 34:146] = -900
    mask = lung_mask(pixels, GEOMETRY)
    assert mask[at(-70, 0, 0)]
    assert mask[at(70, 40, 30)]
    assert not mask[at(0, 0, 0)], "between the lungs"
    assert not mask[at(-140, 0, 0)], "chest wall"
    assert not mask[:, 111:].any(), "table"
    assert not mask[:, 0].any(), "air around"


def test_the_mask_is_a_little_wider_than_the_lungs_and_not_much() -> None:
    pixels = scene()
    mask = lung_mask(pixels, GEOMETRY)
    lungs = pixels == -860
    assert (mask & lungs).sum() > 0.98 * lungs.sum()
    assert not mask[at(-70 - 50 - 16, 0, 0)]
    assert mask[at(-70 - 50 - 6, 0, 0)], "the pleura and 10 mm of wall belong to it"


def test_a_nodule_on_the_pleura_stays_inside() -> None:
    place = (-70.0 - 44.0, 0.0, 0.0)
    mask = lung_mask(scene(((place, 20.0),)), GEOMETRY)
    assert mask[at(*place)]
    assert mask[at(place[0] - 8, 0, 0)]


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
def test_the_mask_of_a_flipped_scan_is_the_flipped_mask(axes: tuple[int, ...]) -> None:
    pixels = scene((((-80.0, 20.0, 10.0), 18.0),))
    flipped = lung_mask(np.ascontiguousarray(np.flip(pixels, axes)), GEOMETRY)
    differing = (flipped != np.flip(lung_mask(pixels, GEOMETRY), axes)).mean()
    assert differing < 0.002


def test_a_part_of_the_lungs_is_open_where_they_go_on() -> None:
    pixels = scene()
    assert find_lungs(pixels, GEOMETRY).open_ends() == (False, False)
    half = find_lungs(pixels[:25], replace(GEOMETRY, shape=(25, *SHAPE[1:])))
    assert half.open_ends() == (False, True)


def test_a_volume_of_lung_is_about_what_it_is() -> None:
    pixels = scene()
    expected = (pixels == -860).sum() * float(np.prod(SPACING)) / 1000
    lungs = find_lungs(pixels, GEOMETRY)
    volume = float(lungs.air.sum()) * lungs.cell_mm[0] * lungs.cell_mm[1] * lungs.slice_mm / 1000
    assert volume == pytest.approx(expected, rel=0.05)


def test_the_windpipe_is_left_out() -> None:
    pixels = scene()
    k, r, c = at(0, 0, 40)
    ys, xs = np.ogrid[: SHAPE[1], : SHAPE[2]]
    pixels[k:, ((ys - r) ** 2 + (xs - c) ** 2) <= 5**2] = -1000
    assert not lung_mask(pixels, GEOMETRY)[k + 2, r, c]


@pytest.mark.parametrize("gas", [None, -1000])
def test_a_body_without_lungs_has_none(gas: int | None) -> None:
    pixels = scene()
    pixels[pixels == -860] = 40 if gas is None else gas  # gas: air pure as in bowel
    lungs = find_lungs(pixels, GEOMETRY)
    assert not lungs.found
    assert lungs.open_ends() == (False, False)
    assert len(lungs.slices()) == 0


def test_values_that_are_no_numbers_and_padding_far_below_air_are_air() -> None:
    pixels = scene().astype(np.float32)
    pixels[:, :3] = np.nan
    pixels[:, -3:] = -3024
    assert lung_mask(pixels, GEOMETRY)[at(-70, 0, 0)]


def test_a_single_slice_has_lungs_too() -> None:
    pixels = scene()[25:26]
    mask = lung_mask(pixels, Geometry((1, *SHAPE[1:]), SPACING[1:]))
    r, c = at(-70, 0, 0)[1:]
    assert mask[0, r, c]
    assert not mask[0, at(0, 0, 0)[1], at(0, 0, 0)[2]]


def with_windpipe(pixels: NDArray[np.int16], top: float) -> NDArray[np.int16]:
    """A windpipe 16 mm wide from both lungs at z 0 up to `top`, then a throat whose air looks less pure."""
    slices, rows, columns = (np.arange(n) for n in SHAPE)
    x, y, z = -179.0 + 2 * columns, -119.0 + 2 * rows, -98.0 + 4 * slices
    made = pixels.copy()
    round_about = np.hypot(x[None, :], y[:, None] + 40) < 8
    narrow = np.hypot(x[None, :], y[:, None] + 40) < 5
    for k in range(SHAPE[0]):
        if 0 <= z[k] <= top:
            made[k][round_about] = -1000
        elif top < z[k] <= top + 12:
            made[k][narrow] = -900
    across = (np.abs(x)[None, :] < 50) & (np.abs(y[:, None] + 40) < 5)
    made[np.argmin(np.abs(z))][across] = -1000
    return made


def test_the_throat_above_the_windpipe_is_not_searched_and_no_lung_is_lost() -> None:
    plain = scene()
    pixels = with_windpipe(plain, 72.0)
    mask = lung_mask(pixels, GEOMETRY)
    assert not mask[at(0, -40, 40)], "the windpipe"
    assert not mask[at(0, -40, 80)], "the throat"
    lungs = plain == -860
    assert (mask & lungs).sum() > 0.98 * lungs.sum()
