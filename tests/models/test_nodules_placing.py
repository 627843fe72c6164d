"""Where in the lungs a nodule lies: the same however a scan is stored, and nothing where the mask does not tell."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from models.nodule_scenes import CARD, Blobs, chest, volume_of

from cadviewer.findings import LungPlace, Side, Third
from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.lungs import find_lungs
from cadviewer.models.nodules.analysis import find_nodules
from cadviewer.models.nodules.placing import LungGrid
from cadviewer.phantoms.phantom import NoduleSpec, Phantom, chest_ct

SPECS = (
    NoduleSpec(8.0, side="left", height=80.0),
    NoduleSpec(8.0, side="right", height=0.0),
    NoduleSpec(8.0, pleural=True, side="right", height=30.0),
    NoduleSpec(10.0, side="left", height=-70.0),
    NoduleSpec(10.0, side="right", height=-60.0),
)
KNOWN = (Third.UPPER, Third.MIDDLE, Third.MIDDLE, Third.LOWER, Third.LOWER)
SHAPE, SPACING = (50, 120, 180), (4.0, 2.0, 2.0)
GEOMETRY = Geometry(SHAPE, SPACING[1:], SPACING[0], (-179.0, -119.0, -98.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))


@functools.cache
def phantom(flips: tuple[bool, bool, bool] = (False, False, False)) -> Phantom:
    return chest_ct(3, shape=(100, 200, 200), spacing=(2.5, 1.8, 1.8), nodules=SPECS, flips=flips)


def grid(made: Phantom) -> LungGrid:
    found = LungGrid.of(find_lungs(made.volume.pixels, made.volume.geometry), made.volume.geometry)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "flips", [(False, False, False), (True, False, False), (False, False, True), (True, True, True)]
)
def test_side_and_third_are_those_of_the_patient_however_the_scan_is_stored(flips: tuple[bool, bool, bool]) -> None:
    made = phantom(flips)
    lungs = grid(made)
    places = [lungs.place(n.centre_mm, n.diameter_mm) for n in made.nodules]
    assert [p.side for p in places] == [Side(s.side) for s in SPECS]
    assert [p.third for p in places] == list(KNOWN)
    assert places[2].edge_mm == 0, "it sits on the pleura"
    assert all(p.edge_mm is not None and p.edge_mm > 1 for k, p in enumerate(places) if k != 2)


@pytest.mark.parametrize("out", [0.0, 15.0, 30.0])
def test_the_distance_to_the_edge_is_that_of_the_chest_to_within_a_cell_of_the_mask(out: float) -> None:
    centre, diameter = (-70.0 - out, 0.0, 0.0), 8.0
    pixels = chest(GEOMETRY, [(centre, diameter)], np.zeros(3))
    lungs = LungGrid.of(find_lungs(pixels, GEOMETRY), GEOMETRY)
    assert lungs is not None
    edge = lungs.place(centre, diameter).edge_mm
    assert edge is not None
    assert edge == pytest.approx(_to_wall(out) - diameter / 2, abs=2.0)


def _to_wall(out: float) -> float:
    """From a point this far out to the ellipse of 50 × 75 mm that the lung is there, by many points of it."""
    angle = np.linspace(0, 2 * math.pi, 20_000)
    return float(np.hypot(50 * np.cos(angle) - out, 75 * np.sin(angle)).min())


def test_what_lies_between_the_lungs_has_no_side() -> None:
    made = phantom()
    _, y, z = made.nodules[1].centre_mm
    lungs = grid(made)
    middle = [lungs.place((float(at), y, z), 10.0).side for at in range(-20, 21, 2)]
    assert None in middle
    told = [side for side in middle if side is not None]
    assert told == sorted(told, key=[Side.RIGHT, Side.LEFT].index)


def test_a_scan_of_a_part_of_the_lungs_gives_no_third() -> None:
    made = phantom()
    keep = slice(40, 100)
    geometry = made.volume.geometry
    assert geometry.origin is not None
    low: Vector = tuple(geometry.to_patient((40, 0, 0)).tolist())
    part = Geometry((60, 200, 200), geometry.pixel_spacing, geometry.slice_spacing, low, geometry.direction)
    lungs = LungGrid.of(find_lungs(made.volume.pixels[keep], part), part)
    assert lungs is not None
    place = lungs.place(made.nodules[0].centre_mm, 8.0)
    assert (place.side, place.third) == (Side.LEFT, None)


def test_a_scan_of_no_known_place_has_none() -> None:
    made = phantom()
    unplaced = Geometry(made.volume.geometry.shape, (1.8, 1.8), 2.5)
    assert LungGrid.of(find_lungs(made.volume.pixels, unplaced), unplaced) is None


def test_findings_of_a_volume_are_placed() -> None:
    nodules = (((-70.0, 10.0, 60.0), 14.0), ((75.0, -20.0, -50.0), 14.0))
    found = find_nodules(volume_of(chest(GEOMETRY, nodules, np.zeros(3)), GEOMETRY), Blobs(), CARD).nodules
    places = {(p.side, p.third) for n in found if isinstance(p := n.place, LungPlace)}
    assert places == {(Side.RIGHT, Third.UPPER), (Side.LEFT, Third.LOWER)}
