"""From a volume to findings: places and sizes for any direction of the axes, stacks, pictures, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nodule_scenes import CARD, Blobs, chest, picture, volume_of
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.series import Shape
from cadviewer.models.gate.input_gate import OutOfScope
from cadviewer.models.nodules.analysis import find_nodules

MIDDLE = np.array([12.0, -130.0, -240.0])
SPACING = (2.0, 1.2, 1.2)
SHAPE = (60, 190, 270)


def rotation(axis: Vector, degrees: float) -> NDArray[np.float64]:
    """Rodrigues' rotation matrix."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def at(x: float, y: float, z: float) -> Vector:
    """LPS point this far from the middle of the chest."""
    return float(MIDDLE[0] + x), float(MIDDLE[1] + y), float(MIDDLE[2] + z)


def geometry_of(directions: NDArray[np.float64]) -> Geometry:
    """A grid with these LPS vectors for (slice, row, column), its middle at `MIDDLE`."""
    half = (np.array(SHAPE) - 1) / 2
    origin = MIDDLE - (directions * (half * np.array(SPACING))[:, None]).sum(axis=0)
    rows = tuple((float(a), float(b), float(c)) for a, b, c in directions)
    return Geometry(SHAPE, SPACING[1:], SPACING[0], (*origin.tolist(),), (rows[0], rows[1], rows[2]))


STRAIGHT = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float)
DIRECTIONS = {
    "straight": STRAIGHT,
    "slices run down": STRAIGHT * [[-1], [1], [1]],
    "rows and columns flipped": STRAIGHT * [[1], [-1], [-1]],
    "rotated on the table": STRAIGHT @ rotation((0, 0, 1), 17).T,
    "oblique": STRAIGHT @ rotation((1, 0.4, 0), 14).T,
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_nodules_are_found_where_they_are_whatever_the_directions(name: str) -> None:
    geometry = geometry_of(DIRECTIONS[name])
    truth = [(at(-70, 10, 14), 16.0), (at(66, -25, -8), 10.0)]
    volume = volume_of(chest(geometry, truth, MIDDLE), geometry)
    found = find_nodules(volume, Blobs(), CARD).nodules
    assert len(found) == 2
    for centre, diameter in truth:
        nodule = min(found, key=lambda n: float(np.linalg.norm(np.array(n.centre_mm) - centre)))
        apart = np.abs(geometry.to_index(nodule.centre_mm) - geometry.to_index(centre))
        assert (apart < 1).all(), apart
        assert nodule.long_mm == pytest.approx(diameter, rel=0.1)
        assert nodule.short_mm == pytest.approx(diameter, rel=0.1)
        assert nodule.volume_mm3 == pytest.approx(np.pi / 6 * diameter**3, rel=0.25)
        assert nodule.outline is not None
        inside = geometry.to_index(centre)
        assert nodule.slice_first <= inside[0] <= nodule.slice_last


def test_findings_are_numbered_by_score_and_candidates_numbered_on() -> None:
    geometry = geometry_of(STRAIGHT)
    scene = chest(geometry, [(at(-70, 0, 0), 14.0), (at(70, 0, 0), 8.0)], MIDDLE)
    volume = volume_of(scene, geometry)
    everything = find_nodules(volume, Blobs(), CARD, threshold=0.0)
    assert [n.number for n in everything.nodules] == [1, 2]
    none = find_nodules(volume, Blobs(), CARD, threshold=0.95)
    assert none.nodules == ()
    assert [n.number for n in none.candidates] == [1, 2]
    assert all(a.boxes == b.boxes for a, b in zip(everything.nodules, none.candidates, strict=True))


def test_a_scan_without_nodules_has_no_findings() -> None:
    geometry = geometry_of(STRAIGHT)
    analysis = find_nodules(volume_of(chest(geometry, [], MIDDLE), geometry), Blobs(), CARD)
    assert analysis.nodules == ()
    assert analysis.candidates == ()


def test_the_batch_size_changes_nothing() -> None:
    geometry = geometry_of(STRAIGHT)
    volume = volume_of(chest(geometry, [(at(-70, 5, 0), 12.0)], MIDDLE), geometry)
    one, many = (find_nodules(volume, Blobs(size), CARD).nodules for size in (1, 7))
    assert [n.box for n in one] == [n.box for n in many]


def test_not_a_number_counts_as_air() -> None:
    geometry = geometry_of(STRAIGHT)
    scene = chest(geometry, [(at(-70, 5, 0), 12.0)], MIDDLE).astype(np.float32)
    scene[:, :8] = np.nan
    volume = volume_of(scene.astype(np.int16), geometry)
    volume = replace(volume, pixels=scene)
    assert len(find_nodules(volume, Blobs(), CARD).nodules) == 1


def test_progress_is_told_after_each_batch_and_can_end_the_run() -> None:
    geometry = geometry_of(STRAIGHT)
    volume = volume_of(chest(geometry, [], MIDDLE), geometry)
    told: list[tuple[int, int]] = []
    find_nodules(volume, Blobs(), CARD, progress=lambda done, total: told.append((done, total)))
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 0
    forward = Blobs()

    def stop(done: int, total: int) -> None:
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        find_nodules(volume, forward, CARD, progress=stop)
    assert forward.calls == 4, "one batch in four views"


def test_a_part_of_the_lungs_is_said_to_be_one() -> None:
    geometry = geometry_of(STRAIGHT)
    pixels = chest(geometry, [], MIDDLE)
    whole = find_nodules(volume_of(pixels[20:40], replace(geometry, shape=(20, *SHAPE[1:]))), Blobs(), CARD)
    assert any("Only part of the lungs" in w for w in whole.warnings)


def test_thick_slices_are_mentioned() -> None:
    geometry = replace(geometry_of(STRAIGHT), slice_spacing=5.0)
    middle = np.array([12.0, -130.0, MIDDLE[2] + (5 - 2) * (SHAPE[0] - 1) / 2])
    analysis = find_nodules(volume_of(chest(geometry, [], middle), geometry), Blobs(), CARD)
    assert any("5.0 mm apart" in w for w in analysis.warnings)


def test_a_stack_is_searched_image_by_image_without_millimetres() -> None:
    geometry = geometry_of(STRAIGHT)
    pixels = chest(geometry, [(at(-70, 0, 0), 14.0)], MIDDLE)[24:36]
    volume = volume_of(pixels, replace(replace(geometry, shape=pixels.shape), slice_spacing=None))
    volume = replace(volume, series=replace(volume.series, shape=Shape.STACK, not_volume="a slice is missing"))
    analysis = find_nodules(volume, Blobs(), CARD)
    assert len(analysis.nodules) > 3
    assert all(len(n.boxes) == 1 and n.long_mm is None and n.centre_mm is None for n in analysis.nodules)
    assert any("a slice is missing" in w for w in analysis.warnings)


def slice_8bit(nodule: tuple[float, float] = (-70.0, 10.0)) -> NDArray[np.uint8]:
    """A slice of 1.0 mm pixels with one nodule of 12 mm, −1000…400 HU as 0…255."""
    geometry = Geometry((1, 240, 340), (1.0, 1.0), 1.0, (-169.5, -119.5, 0.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    scene = chest(geometry, [((*nodule, 0.0), 12.0)], np.zeros(3))[0].astype(float)
    scene += np.random.default_rng(0).normal(0, 12, scene.shape)
    return np.clip((scene + 1000) / 1400 * 255, 0, 255).astype(np.uint8)


def masked_8bit() -> NDArray[np.uint8]:
    """The same, 0 outside a mask as the LUNA16 slices have it."""
    image = slice_8bit()
    ys, xs = np.mgrid[:240, :340]
    kept = np.zeros(image.shape, bool)
    for side in (-1, 1):
        kept |= ((xs - 169.5 - 70 * side) / 60) ** 2 + ((ys - 119.5) / 85) ** 2 < 1
    return np.where(kept, np.maximum(image, 1), 0).astype(np.uint8)


@pytest.mark.parametrize("image", [slice_8bit(), masked_8bit()], ids=["whole", "masked"])
def test_a_picture_of_a_slice_is_searched_at_the_pixel_size_given(image: NDArray[np.uint8]) -> None:
    analysis = find_nodules(picture(image), Blobs(), CARD, spacing_mm=1.0)
    assert len(analysis.nodules) == 1
    x, y = analysis.nodules[0].box.centre
    assert (x, y) == (pytest.approx(100.0, abs=0.6), pytest.approx(130.0, abs=0.6))
    assert analysis.nodules[0].long_mm == pytest.approx(12, rel=0.15)
    assert analysis.nodules[0].volume_mm3 is None
    assert analysis.warnings == ()


def test_a_picture_without_a_pixel_size_says_what_was_assumed_and_shows_no_millimetre() -> None:
    analysis = find_nodules(picture(slice_8bit()), Blobs(), CARD)
    assert any("350 mm" in w for w in analysis.warnings)
    assert len(analysis.nodules) == 1
    assert analysis.nodules[0].long_mm is None


def test_a_picture_of_finer_pixels_gives_the_box_in_its_own_pixels() -> None:
    fine = np.kron(masked_8bit(), np.ones((2, 2), np.uint8))
    nodule = find_nodules(picture(fine), Blobs(), CARD, spacing_mm=0.5).nodules[0]
    assert nodule.box.centre == (pytest.approx(200.0, abs=1.2), pytest.approx(260.0, abs=1.2))
    assert nodule.long_mm == pytest.approx(12, rel=0.15)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan")])
def test_a_pixel_size_that_makes_no_sense_is_refused(spacing: float) -> None:
    with pytest.raises(ValueError, match="pixel size"):
        find_nodules(picture(masked_8bit()), Blobs(), CARD, spacing_mm=spacing)


def test_what_is_no_chest_ct_is_out_of_scope() -> None:
    geometry = geometry_of(STRAIGHT)
    volume = volume_of(chest(geometry, [], MIDDLE), geometry)
    head = replace(volume, pixels=np.where(volume.pixels < -500, -1000, 40).astype(np.int16))
    head.pixels[volume.pixels == -860] = 40
    with pytest.raises(OutOfScope, match="no lungs"):
        find_nodules(head, Blobs(), CARD)
    with pytest.raises(OutOfScope, match="MR"):
        find_nodules(replace(volume, series=replace(volume.series, modality="MR")), Blobs(), CARD)
    unknown = replace(volume.series, hounsfield=False)
    with pytest.raises(OutOfScope, match="not known to be Hounsfield units"):
        find_nodules(replace(volume, series=unknown), Blobs(), CARD)
    sagittal = replace(geometry, direction=((1, 0, 0), (0, 0, -1), (0, 1, 0)))
    with pytest.raises(OutOfScope, match="axial"):
        find_nodules(replace(volume, series=replace(volume.series, geometry=sagittal)), Blobs(), CARD)
    colour = np.random.default_rng(0).integers(0, 255, (1, 200, 200, 3), np.uint8)
    with pytest.raises(OutOfScope, match="colour"):
        find_nodules(replace(picture(colour[0, ..., 0]), pixels=colour), Blobs(), CARD, spacing_mm=1.0)


def test_the_source_path_does_not_matter() -> None:
    volume = picture(masked_8bit())
    other = replace(volume, series=replace(volume.series, source=Path("elsewhere.png")))
    assert find_nodules(volume, Blobs(), CARD).nodules[0].boxes == find_nodules(other, Blobs(), CARD).nodules[0].boxes
