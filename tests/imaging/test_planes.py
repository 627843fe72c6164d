"""Planes through a volume against labelled corners, for acquisitions in any direction."""

from __future__ import annotations

from dataclasses import replace

import labelled
import numpy as np
import pytest

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.planes import (
    ANATOMICAL,
    Plane,
    Projection,
    Slab,
    acquired,
    oblique,
    project,
    through,
    tilt,
    turn_matrix,
    upright,
    why_not,
)
from cadviewer.imaging.series import Shape

EVERY = {**labelled.DIRECTIONS, "oblique": labelled.OBLIQUE, "askew": labelled.ASKEW}
STANDARD = {
    Plane.AXIAL: ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    Plane.CORONAL: ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
    Plane.SAGITTAL: ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}


@pytest.mark.parametrize("plane", ANATOMICAL)
@pytest.mark.parametrize("name", EVERY)
def test_every_corner_lies_where_the_geometry_of_the_planes_says(name: str, plane: Plane) -> None:
    volume = labelled.volume(labelled.geometry(EVERY[name]))
    planes = through(volume.geometry, plane)
    for signs in labelled.CORNERS:
        k, row, column = np.rint(planes.geometry.to_index(labelled.corner_point(signs))).astype(int)
        assert planes.image(volume.pixels, k)[row, column] == labelled.label(signs)


@pytest.mark.parametrize("plane", ANATOMICAL)
@pytest.mark.parametrize("name", EVERY)
def test_planes_are_seen_as_radiologists_hang_them(name: str, plane: Plane) -> None:
    planes = through(labelled.geometry(EVERY[name]), plane)
    cosines = np.einsum("ij,ij->i", np.array(planes.geometry.direction), np.array(STANDARD[plane], float))
    assert (cosines >= np.cos(np.radians(7))).all()


@pytest.mark.parametrize("name", labelled.DIRECTIONS)
def test_planes_along_the_grid_are_views_of_the_pixels(name: str) -> None:
    volume = labelled.volume(labelled.geometry(EVERY[name]))
    for plane in ANATOMICAL:
        image = through(volume.geometry, plane).image(volume.pixels, 3)
        assert np.shares_memory(image, volume.pixels)


def test_an_oblique_grid_is_resampled_on_the_patients_axes_and_one_that_is_hardly_tilted_is_not() -> None:
    crooked, askew = labelled.geometry(labelled.OBLIQUE), labelled.geometry(labelled.ASKEW)
    assert oblique(crooked)
    assert not oblique(askew)
    assert through(crooked, Plane.CORONAL).geometry.direction == STANDARD[Plane.CORONAL]
    assert through(askew, Plane.AXIAL).geometry.direction == askew.direction


def test_the_grid_around_an_oblique_volume_holds_all_of_it() -> None:
    grid = labelled.geometry(labelled.OBLIQUE)
    corners = grid.to_patient(np.array([[s, r, c] for s in (0, grid.shape[0] - 1) for r in (0, 9) for c in (0, 9)]))
    for plane in ANATOMICAL:
        at = through(grid, plane).geometry.to_index(corners)
        assert (at >= -0.5).all()
        assert (at <= np.array(through(grid, plane).geometry.shape) - 0.5).all()


def test_a_resampled_value_is_the_line_between_its_neighbours() -> None:
    grid = labelled.geometry(labelled.OBLIQUE)
    ramp = np.round(grid.to_patient(np.moveaxis(np.indices(grid.shape), 0, -1)) @ (3.0, -2.0, 1.5)).astype(np.int16)
    planes = through(grid, Plane.SAGITTAL)
    k, row, column = (n // 2 for n in planes.geometry.shape)
    point = planes.geometry.to_patient((k, row, column))
    assert planes.image(ramp, k)[row, column] == pytest.approx(point @ (3.0, -2.0, 1.5), abs=1.01)


def test_outside_of_an_oblique_volume_there_is_no_value() -> None:
    volume = labelled.volume(labelled.geometry(labelled.OBLIQUE))
    planes = through(volume.geometry, Plane.AXIAL)
    assert not planes.inside(0, 0, 0)
    assert planes.image(volume.pixels, 0, outside=-1024)[0, 0] == -1024
    middle = [n // 2 for n in planes.geometry.shape]
    assert planes.inside(*middle)


def _stripes(direction: str = "axial") -> tuple[np.ndarray, Geometry]:
    """Values that count the slices: 0, 10, 20, …, 2.5 mm apart."""
    grid = replace(labelled.geometry(labelled.DIRECTIONS[direction]), shape=(9, 6, 7))
    return np.repeat(10 * np.arange(9, dtype=np.int16), 42).reshape(9, 6, 7), grid


@pytest.mark.parametrize(
    ("projection", "value"), [(Projection.MIP, 60), (Projection.MINIP, 20), (Projection.AVERAGE, 40)]
)
def test_a_slab_takes_in_what_lies_within_half_its_thickness_of_the_plane(projection: Projection, value: int) -> None:
    pixels, grid = _stripes()
    assert (acquired(grid).image(pixels, 4, Slab(projection, 10)) == value).all()  # slices 2 to 6 of 2.5 mm


def test_a_slab_thinner_than_the_spacing_is_the_plane_itself_and_at_the_end_there_is_less_of_it() -> None:
    pixels, grid = _stripes()
    assert (acquired(grid).image(pixels, 4, Slab(Projection.MIP, 4.9)) == 40).all()
    assert (acquired(grid).image(pixels, 0, Slab(Projection.AVERAGE, 10)) == 10).all()
    assert list(acquired(grid).planes_of(8, Slab(Projection.MIP, 10))) == [6, 7, 8]


@pytest.mark.parametrize("plane", ANATOMICAL)
@pytest.mark.parametrize("name", ["axial", "coronal", "prone", "feet first"])
def test_slabs_of_any_plane_are_what_numpy_makes_of_single_planes(name: str, plane: Plane) -> None:
    grid = replace(labelled.geometry(labelled.DIRECTIONS[name]), shape=(11, 12, 13))
    pixels = np.random.default_rng(0).integers(-1000, 1000, grid.shape).astype(np.int16)
    planes = through(grid, plane)
    single = np.stack([planes.image(pixels, k) for k in planes.planes_of(5, Slab(Projection.MIP, 7.5))])
    assert len(single) > 2
    for projection, make in ((Projection.MIP, np.max), (Projection.MINIP, np.min), (Projection.AVERAGE, np.mean)):
        slab = planes.image(pixels, 5, Slab(projection, 7.5))
        assert slab.dtype == np.int16
        assert np.abs(slab - make(single, axis=0)).max() <= 0.5


def test_a_thick_oblique_slab_shows_what_is_within_it() -> None:
    volume = labelled.volume(labelled.geometry(labelled.OBLIQUE))
    planes = through(volume.geometry, Plane.AXIAL)
    point = labelled.corner_point((1, -1, 1))
    k, row, column = np.rint(planes.geometry.to_index(point + np.array([0, 0, labelled.SIDE + 6]))).astype(int)
    assert planes.image(volume.pixels, k, outside=-1024)[row, column] == -1000
    slab = planes.image(volume.pixels, k, Slab(Projection.MIP, 30), -1024)
    assert slab.shape == planes.geometry.shape[1:]
    assert slab[row, column] == labelled.label((1, -1, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_projections_keep_the_type_of_the_pixels(dtype: type) -> None:
    block = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for axis in range(3):
        assert (project(block, axis, Projection.MIP) == block.max(axis=axis)).all()
        average = project(block, axis, Projection.AVERAGE)
        assert average.dtype == dtype
        assert np.abs(average - block.mean(axis=axis)).max() <= 0.5


def test_a_slab_of_no_thickness_is_refused() -> None:
    with pytest.raises(ValueError, match="thicker"):
        Slab(Projection.MIP, 0)


def test_what_the_slices_are_most_nearly_and_by_how_much_they_miss_it() -> None:
    assert tilt(labelled.geometry(labelled.DIRECTIONS["coronal"])) == (Plane.CORONAL, pytest.approx(0))
    plane, degrees = tilt(labelled.geometry(labelled.turned(25, 40))) or (None, 0)
    assert plane is Plane.AXIAL
    assert degrees == pytest.approx(25)
    assert tilt(Geometry((2, 2, 2))) is None


@pytest.mark.parametrize("name", EVERY)
def test_upright_slices_have_the_right_on_the_left_and_the_front_or_the_head_on_top(name: str) -> None:
    grid = labelled.geometry(EVERY[name])
    (a, b), (c, d) = turn_matrix(*upright(grid))
    rows, columns = np.array(grid.direction[1]), np.array(grid.direction[2])
    nearest = tilt(grid)
    assert nearest is not None
    _, down, right = np.array(STANDARD[nearest[0]], float)
    assert (a * columns + b * rows) @ right > 0.8
    assert (c * columns + d * rows) @ down > 0.8


def test_a_volume_without_a_place_is_not_turned() -> None:
    assert upright(Geometry((3, 4, 5), direction=labelled.DIRECTIONS["prone"])) == (0, False)


def test_what_has_no_planes_says_why() -> None:
    series = labelled.volume(labelled.geometry(labelled.AXIAL)).series
    assert why_not(series) == ""
    stack = replace(series, shape=Shape.STACK, not_volume="2 slices are missing")
    assert why_not(stack) == "it is not a volume (2 slices are missing)"
    assert "single image" in why_not(replace(series, shape=Shape.IMAGE))
    assert "colour" in why_not(replace(series, channels=3))
    assert "spacing" in why_not(replace(series, geometry=replace(series.geometry, pixel_spacing=None)))
    assert "place" in why_not(replace(series, geometry=replace(series.geometry, origin=None)))
    with pytest.raises(ValueError, match="no known place"):
        through(replace(series.geometry, origin=None), Plane.AXIAL)


@pytest.mark.parametrize("plane", ANATOMICAL)
def test_a_quick_plane_is_made_of_the_voxels_that_its_points_lie_in(plane: Plane) -> None:
    grid = labelled.geometry(labelled.OBLIQUE)
    pixels = np.random.default_rng(0).integers(-1000, 1000, grid.shape, np.int16)
    planes = through(grid, plane)
    count, rows, columns = planes.geometry.shape
    for k in (0, count // 3, count - 1):
        row, column = np.mgrid[:rows, :columns]
        at = grid.to_index(planes.geometry.to_patient(np.stack([np.full_like(row, k), row, column], -1)))
        voxel = np.floor(at + 0.5).astype(int)
        inside = ((voxel >= 0) & (voxel < grid.shape)).all(axis=-1)
        sure = (abs(at + 0.5 - np.rint(at + 0.5)) > 1e-3).all(axis=-1)  # on a border rounding decides
        wanted = np.full((rows, columns), -1024, np.int16)
        wanted[inside] = pixels[tuple(voxel[inside].T)]
        quick = planes.image(pixels, k, outside=-1024, quick=True)
        assert quick.dtype == np.int16
        assert (quick == wanted)[sure].all()


def test_a_quick_plane_of_a_large_volume_and_a_quick_slab_show_the_same_place_in_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cadviewer.imaging.planes._QUICK_POINTS", 2000)
    volume = labelled.volume(labelled.geometry(labelled.OBLIQUE))
    for plane in ANATOMICAL:
        planes = through(volume.geometry, plane)
        for signs in labelled.CORNERS:
            k, row, column = np.rint(planes.geometry.to_index(labelled.corner_point(signs))).astype(int)
            for slab in (None, Slab(Projection.MIP, 5.0)):
                quick = planes.image(volume.pixels, k, slab, quick=True)
                assert quick.shape == planes.geometry.shape[1:]
                assert quick[row, column] == labelled.label(signs)
