"""Two CTs of one phantom patient are registered: places are found within millimetres, and what cannot be is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from chest_pairs import MOTIONS, pair, registered

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.registration import aside
from cadviewer.imaging.registration.maps import RIGID_MM, Registration, inside
from cadviewer.imaging.registration.registering import register
from cadviewer.imaging.registration.run import Cancelled
from cadviewer.imaging.series import InputError, Shape, Volume
from cadviewer.phantoms import thorax
from cadviewer.phantoms.pairs import Pair
from cadviewer.phantoms.phantom import Grid


def part(volume: Volume, slices: slice) -> Volume:
    """Some slices of a volume, where they lie."""
    geometry = volume.geometry
    pixels = volume.pixels[slices]
    x, y, z = geometry.to_patient((slices.start or 0, 0, 0)).tolist()
    shape = (len(pixels), geometry.shape[1], geometry.shape[2])
    cut = Geometry(shape, geometry.pixel_spacing, geometry.slice_spacing, (x, y, z), geometry.direction)
    return Volume(replace(volume.series, geometry=cut, slices=volume.series.slices[slices]), pixels)


def lung_places(made: Pair, name: str) -> tuple[np.ndarray, np.ndarray]:
    """LPS mm in the earlier CT and in the later one of 500 points in the lungs, by the phantom's own motion."""
    rng = np.random.default_rng(0)
    body = thorax.Body.random(np.random.default_rng([made.now.seed, 2]))
    points = rng.uniform((-120, -80, -90), (120, 80, 100), (20000, 3))
    depth = thorax.lung(*points.astype(np.float32).T, body)
    points = points[depth < -6][:500]
    moved = MOTIONS["breathing" if name == "thick" else name].from_prior(points, body)
    places = []
    for phantom, at in ((made.before, points), (made.now, moved)):
        geometry = phantom.volume.geometry
        assert geometry.spacing is not None
        grid = Grid(geometry.shape, geometry.spacing)
        places.append(np.array([geometry.to_patient(grid.index(p)) for p in at]))
    shown = inside(made.before.volume.geometry, places[0]) & inside(made.now.volume.geometry, places[1])
    return places[0][shown], places[1][shown]


@pytest.mark.parametrize("name", [*MOTIONS, "thick"])
def test_nodules_and_lungs_are_found_where_they_are(name: str) -> None:
    made, found = pair(name), registered(name)
    before, now = (np.array([p[time] for p in made.places]) for time in (0, 1))
    assert np.linalg.norm(found.to_prior(now) - before, axis=1).max() < 3
    assert np.linalg.norm(found.to_now(before) - now, axis=1).max() < 3
    there, here = lung_places(made, name)
    off = np.linalg.norm(found.to_prior(here) - there, axis=1)
    assert np.median(off) < 1.5
    assert np.quantile(off, 0.95) < 4
    told = found.error_mm(here)
    assert (off < 2 * told + 1).mean() > 0.97  # an estimate, and one that is not too small
    assert found.deformable
    assert found.covered(now).all()


def test_breathing_is_more_than_a_rigid_map_can_follow() -> None:
    made = pair("breathing")
    rigid = register(made.now.volume, made.before.volume, deformable=False)
    there, here = lung_places(made, "breathing")
    off = np.linalg.norm(rigid.to_prior(here) - there, axis=1)
    assert np.quantile(off, 0.95) > 2 * np.quantile(
        np.linalg.norm(registered("breathing").to_prior(here) - there, axis=1), 0.95
    )
    assert not rigid.deformable
    assert rigid.note
    assert (rigid.error_mm(here) >= RIGID_MM).all()
    np.testing.assert_allclose(rigid.to_now(rigid.to_prior(here)), here, atol=1e-6)


def test_a_part_of_the_chest_is_found_in_the_whole() -> None:
    made = pair("moved")
    upper = part(made.before.volume, slice(45, 110))
    found = register(made.now.volume, upper)
    places = [(b, n) for b, n in made.places if inside(upper.geometry, b)[0]]
    assert len(places) >= 2
    for before, now in places:
        assert np.linalg.norm(found.to_prior(now)[0] - before) < 4
    below = next(n for b, n in made.places if not inside(upper.geometry, b)[0])
    assert not found.covered(below)[0]


def test_what_cannot_be_registered_is_refused_with_the_reason() -> None:
    now, prior = pair("moved").now.volume, pair("moved").before.volume
    with pytest.raises(InputError, match="the earlier CT: its place in the patient is not known"):
        register(now, Volume(replace(prior.series, geometry=replace(prior.geometry, origin=None)), prior.pixels))
    with pytest.raises(InputError, match="this CT: only a volume can be matched: slices are missing"):
        register(Volume(replace(now.series, shape=Shape.STACK, not_volume="slices are missing"), now.pixels), prior)
    with pytest.raises(InputError, match="only CT in Hounsfield units"):
        register(now, Volume(replace(prior.series, modality="MR", hounsfield=False), prior.pixels))
    with pytest.raises(InputError, match="no lung was found in the earlier CT"):
        register(now, Volume(prior.series, np.full_like(prior.pixels, 40)))
    with pytest.raises(InputError, match="not show the same part of the lungs"):
        register(part(now, slice(88, 110)), part(prior, slice(0, 22)))


def test_it_can_be_stopped() -> None:
    made, asked = pair("moved"), count()
    with pytest.raises(Cancelled):
        register(made.now.volume, made.before.volume, stop=lambda: next(asked) > 20)
    shares: list[float] = []
    with pytest.raises(Cancelled):
        aside.register(made.now.volume, made.before.volume, stop=lambda: len(shares) > 1, progress=shares.append)


def test_another_process_finds_the_same() -> None:
    made, shares = pair("moved"), list[float]()
    found = aside.register(made.now.volume, made.before.volume, stop=lambda: False, progress=shares.append)
    assert isinstance(found, Registration)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    now = np.array([p[1] for p in made.places])
    np.testing.assert_allclose(found.to_prior(now), registered("moved").to_prior(now), atol=0.2)
    volumes = part(made.now.volume, slice(88, 110)), part(made.before.volume, slice(0, 22))
    with pytest.raises(InputError, match="not show the same part"):
        aside.register(*volumes, stop=lambda: False, progress=shares.append)
