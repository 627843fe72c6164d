"""What is no number, and distances that cannot be, never reach a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nodule_scenes import CARD, Blobs, chest, volume_of

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import InputError, Series, Shape, SliceInfo, Volume
from cadviewer.models.gate.finite import sound
from cadviewer.models.gate.input_gate import OutOfScope
from cadviewer.models.nodules.analysis import find_nodules
from cadviewer.phantoms.phantom import breast_ultrasound

MIDDLE = np.array([12.0, -130.0, -240.0])
GEOMETRY = Geometry((60, 190, 270), (1.2, 1.2), 2.0, (-150.0, -244.0, -300.0), ((0, 0, 1.0), (0, 1.0, 0), (1.0, 0, 0)))


@pytest.fixture(scope="module")
def scene() -> Volume:
    truth = [((-58.0, -120.0, -226.0), 16.0), ((78.0, -155.0, -248.0), 10.0)]
    volume = volume_of(chest(GEOMETRY, truth, MIDDLE), GEOMETRY)
    return Volume(replace(volume.series, dtype=np.dtype(np.float32)), np.asarray(volume.pixels, np.float32))


def changed(volume: Volume, value: float) -> Volume:
    """With a value outside the body and at some voxels of the mediastinum."""
    pixels = volume.pixels.copy()
    pixels[:, :8] = value
    pixels[30, 95, 130:140] = value
    return Volume(volume.series, pixels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e38])
def test_findings_are_those_of_the_same_ct_without_what_is_no_number(scene: Volume, value: float) -> None:
    expected = find_nodules(scene, Blobs(), CARD)
    found = find_nodules(changed(scene, value), Blobs(), CARD)
    assert len(expected.nodules) == len(found.nodules) == 2
    for a, b in zip(expected.nodules, found.nodules, strict=True):
        assert b.volume_mm3 == pytest.approx(a.volume_mm3, rel=0.02)
        assert b.centre_mm == pytest.approx(a.centre_mm, abs=0.5)
    said = [w for w in found.warnings if "are not numbers" in w]
    assert len(said) == (0 if np.isfinite(value) else 1)


def test_sound_values_are_left_where_they_are(scene: Volume) -> None:
    same, said = sound(scene)
    assert same is scene
    assert said == ()


def test_what_holds_no_number_at_all_is_refused(scene: Volume) -> None:
    with pytest.raises(InputError, match="none of its values is a number"):
        find_nodules(Volume(scene.series, np.full(scene.pixels.shape, np.nan, np.float32)), Blobs(), CARD)


def test_elsewhere_what_is_no_number_is_black_or_white() -> None:
    image, _, _ = breast_ultrasound(1, malignant=True)
    pixels = image.astype(np.float32)[None]
    pixels[0, 0, :3] = np.nan, np.inf, -np.inf
    series = Series(
        Path("a.tif"),
        "image",
        (SliceInfo(Path("a.tif")),),
        Geometry((1, *image.shape)),
        Shape.IMAGE,
        np.dtype(np.float32),
    )
    made, (said,) = sound(Volume(series, pixels))
    rest = pixels[np.isfinite(pixels)]
    assert list(made.pixels[0, 0, :3]) == [rest.min(), rest.max(), rest.min()]
    assert said.startswith("3 values")


def test_an_image_of_kilometres_is_no_chest_ct(scene: Volume) -> None:
    wide = replace(scene.series, geometry=replace(GEOMETRY, pixel_spacing=(900.0, 900.0)))
    with pytest.raises(OutOfScope, match="900 mm, an image 243 m wide"):
        find_nodules(Volume(wide, scene.pixels), Blobs(), CARD)
