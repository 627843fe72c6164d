"""Where patches lie, what they show, and the outline back on the slice: continuous edge coordinates throughout."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Box
from cadviewer.models.nodules import outline
from cadviewer.models.nodules.outline import SIDE, VIEWS, OutlinePatch, chances_of, shape


def disc(size: tuple[int, int], centre: tuple[float, float], radius: float) -> NDArray[np.float32]:
    """(rows, columns): share of each pixel within a disc whose centre (x, y) is in edge coordinates."""
    fine = 8
    y, x = ((np.arange(n * fine) + 0.5) / fine for n in size)
    inside = (x[None] - centre[0]) ** 2 + (y[:, None] - centre[1]) ** 2 < radius**2
    return np.asarray(inside.reshape(size[0], fine, size[1], fine).mean(axis=(1, 3)), np.float32)


@pytest.mark.parametrize("side", [3.0, 11.0, 47.3])
@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (0.7, 0.9)])
def test_the_middle_of_the_patch_is_that_of_the_box(side: float, pixel_mm: tuple[float, float]) -> None:
    patch = OutlinePatch.around(Box(0, 20.25, 31.5, 20.25 + side, 31.5 + side, 0.5), pixel_mm)
    np.testing.assert_allclose(patch.to_source(np.full((1, 2), SIDE / 2))[0], [20.25 + side / 2, 31.5 + side / 2])


def test_the_index_map_is_the_edge_map_less_half_a_pixel() -> None:
    patch = OutlinePatch.at(17.3, 8.9, 9.0)
    columns, rows = 5, 40
    edge = patch.to_source(np.array([[columns + 0.5, rows + 0.5]]))[0] - 0.5
    np.testing.assert_allclose(patch.matrix() @ [columns, rows, 1], edge)


def test_a_patch_of_whole_pixels_is_cut_out_as_it_is() -> None:
    image = np.random.default_rng(1).random((100, 120), np.float32)
    side = SIDE / outline.CONTEXT  # one patch pixel is one pixel
    planes = OutlinePatch.at(60.0, 50.0, side).planes(image)
    half = SIDE // 2
    np.testing.assert_allclose(planes[0], image[50 - half : 50 + half, 60 - half : 60 + half], atol=1e-6)


def test_beyond_the_image_a_patch_is_empty() -> None:
    planes = OutlinePatch.at(0.0, 0.0, SIDE / outline.CONTEXT).planes(np.ones((80, 80), np.float32))
    half = SIDE // 2
    assert planes[0, : half - 1].max() == 0
    assert planes[0, :, : half - 1].max() == 0
    assert planes[0, half:, half:].min() == 1


def test_the_second_plane_is_the_square_of_the_box_and_the_third_its_size() -> None:
    small, large = OutlinePatch.at(50, 50, 6.0), OutlinePatch.at(50, 50, 40.0)
    for patch in (small, large):
        planes = patch.planes(np.zeros((100, 100), np.float32))
        assert planes[1].sum() * patch.step[0] * patch.step[1] == pytest.approx(patch.side**2, rel=1e-4)
        assert np.ptp(planes[2]) == 0
    assert small.step[0] == pytest.approx(outline.LEAST_PX / SIDE)
    assert large.planes(np.zeros((9, 9), np.float32))[2, 0, 0] > small.planes(np.zeros((9, 9), np.float32))[2, 0, 0]


@pytest.mark.parametrize("radius", [2.0, 4.5, 13.0, 31.0])
def test_the_outline_of_a_disc_lies_where_the_disc_is(radius: float) -> None:
    centre = (61.37, 58.81)
    image = disc((128, 128), centre, radius)
    patch = OutlinePatch.at(centre[0] + 0.3 * radius, centre[1] - 0.2 * radius, 2.2 * radius)
    found = shape(patch.planes(image)[0], patch, 0.5)
    assert found is not None
    close = 0.06 if radius > 3 else 0.12  # of a few pixels, linear interpolation rounds the edge
    assert found.area == pytest.approx(np.pi * radius**2, rel=close)
    middle = (found.polygon.min(axis=0) + found.polygon.max(axis=0)) / 2
    np.testing.assert_allclose(middle, centre, atol=0.15)
    np.testing.assert_allclose(np.ptp(found.polygon, axis=0), 2 * radius, rtol=close)


def test_pixels_need_not_be_square() -> None:
    image = disc((60, 60), (30.0, 30.0), 6.0)
    stretched = np.repeat(image, 2, axis=0)  # rows of half the height
    patch = OutlinePatch.around(Box(0, 24.0, 48.0, 36.0, 72.0, 1.0), (0.5, 1.0))
    assert patch.side == pytest.approx(12 * np.sqrt(2))
    found = shape(patch.planes(stretched)[0], patch, 0.5)
    assert found is not None
    np.testing.assert_allclose(np.ptp(found.polygon, axis=0), [12, 24], rtol=0.05)


def test_of_several_parts_the_one_in_the_box_is_outlined() -> None:
    image = np.maximum(disc((100, 100), (50, 50), 5), disc((100, 100), (64, 50), 6))
    found = shape(OutlinePatch.at(50, 50, 12).planes(image)[0], OutlinePatch.at(50, 50, 12), 0.5)
    assert found is not None
    assert found.polygon.max(axis=0)[0] < 57


def test_parts_that_touch_by_a_corner_only_do_not_count() -> None:
    chance = np.zeros((SIDE, SIDE), np.float32)
    chance[20:28, 20:28] = 0.9
    chance[28:32, 28:32] = 0.9
    found = shape(chance, OutlinePatch.at(50, 50, SIDE / outline.CONTEXT), 0.5)
    assert found is not None
    assert found.area == pytest.approx(64, rel=0.15)


def test_where_nothing_passes_the_level_there_is_no_outline() -> None:
    assert shape(np.full((SIDE, SIDE), 0.4, np.float32), OutlinePatch.at(5, 5, 4), 0.5) is None


def test_an_outline_that_fills_the_patch_ends_at_its_border() -> None:
    found = shape(np.ones((SIDE, SIDE), np.float32), OutlinePatch.at(50, 50, 20), 0.5)
    assert found is not None
    assert found.area == pytest.approx((20 * outline.CONTEXT) ** 2, rel=0.06)


def test_every_view_comes_back_to_the_same_place() -> None:
    class Echo:
        batch_size = 3

        def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
            return (np.where(batch[:, :1] > 0.5, 9.0, -9.0).astype(np.float32),)

    planes = np.zeros((2, 3, SIDE, SIDE), np.float32)
    planes[0, 0, 3:9, 30:44] = 1
    planes[1, 0, 40, 2] = 1
    for views in VIEWS.values():
        np.testing.assert_allclose(chances_of(planes, Echo(), views), planes[:, 0], atol=1e-3)
