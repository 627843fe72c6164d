"""The phantoms: the same on every run, their truth where they say it is, and readable back from files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Shape
from cadviewer.phantoms.files import write_demo_study
from cadviewer.phantoms.phantom import NoduleSpec, Phantom, breast_ultrasound, chest_ct

ONE = (NoduleSpec(20.0),)


@pytest.fixture(scope="module")
def small() -> Phantom:
    return chest_ct(3, shape=(44, 150, 180), spacing=(5.0, 2.0, 2.0), nodules=ONE)


def test_a_seed_gives_the_same_chest_again_and_another_seed_another(small: Phantom) -> None:
    again = chest_ct(3, shape=(44, 150, 180), spacing=(5.0, 2.0, 2.0), nodules=ONE)
    np.testing.assert_array_equal(small.volume.pixels, again.volume.pixels)
    assert small.nodules == again.nodules
    other = chest_ct(4, shape=(44, 150, 180), spacing=(5.0, 2.0, 2.0), nodules=ONE)
    assert (small.volume.pixels != other.volume.pixels).mean() > 0.5


def test_the_chest_has_air_lung_soft_tissue_and_bone(small: Phantom) -> None:
    values = small.volume.pixels
    middle = values[22]
    assert -1024 <= values.min() < -950
    assert ((middle > -930) & (middle < -780)).mean() > 0.1, "lung"
    assert ((middle > -20) & (middle < 200)).mean() > 0.1, "soft tissue"
    assert (middle > 400).any(), "bone"


def test_a_nodule_is_bright_where_its_truth_says(small: Phantom) -> None:
    (nodule,) = small.nodules
    geometry = small.volume.geometry
    index = np.rint(geometry.to_index(nodule.centre_mm)).astype(int)
    assert small.volume.pixels[tuple(index)] > -200
    slices = {b[0] for b in nodule.boxes}
    assert index[0] in slices
    (box,) = (b for b in nodule.boxes if b[0] == index[0])
    width, height = (box[3] - box[1]) * 2.0, (box[4] - box[2]) * 2.0
    assert 15 <= width <= 26
    assert 15 <= height <= 26
    assert box[1] <= index[2] + 0.5 <= box[3]
    assert box[2] <= index[1] + 0.5 <= box[4]


def test_flipping_the_axes_leaves_the_nodule_at_its_place_in_the_patient(small: Phantom) -> None:
    flipped = chest_ct(3, shape=(44, 150, 180), spacing=(5.0, 2.0, 2.0), nodules=ONE, flips=(False, True, True))
    np.testing.assert_allclose(flipped.nodules[0].centre_mm, small.nodules[0].centre_mm, atol=1e-6)
    index = np.rint(flipped.volume.geometry.to_index(flipped.nodules[0].centre_mm)).astype(int)
    assert flipped.volume.pixels[tuple(index)] > -200


def test_a_nodule_that_does_not_fit_the_field_of_view_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        chest_ct(0, shape=(4, 20, 20), spacing=(2.0, 2.0, 2.0), nodules=(NoduleSpec(30.0),))


@pytest.mark.parametrize("malignant", [False, True])
def test_a_breast_lesion_is_darker_than_its_surroundings(malignant: bool) -> None:
    image, mask, said = breast_ultrasound(5, malignant=malignant)
    assert said is malignant
    assert image.shape == mask.shape == (400, 336)
    assert set(np.unique(mask)) == {0, 255}
    assert 0.02 < (mask > 0).mean() < 0.25
    rows = (mask > 0).any(axis=1)
    assert image[mask > 0].mean() < 0.75 * image[rows][mask[rows] == 0].mean()


def test_malignant_lesions_are_taller_for_their_width_than_benign_ones() -> None:
    def aspect(seed: int, malignant: bool) -> float:
        mask = breast_ultrasound(seed, malignant=malignant)[1] > 0
        return float(mask.any(axis=1).sum() / mask.any(axis=0).sum())

    assert max(aspect(s, False) for s in range(4)) < 0.9 < min(aspect(s, True) for s in range(4))


def test_the_demo_study_is_one_chest_four_breast_images_and_their_truth(tmp_path: Path) -> None:
    write_demo_study(tmp_path)
    found = [s for s in files.scan([tmp_path]) if isinstance(s, Series)]
    assert sorted((s.format, s.shape) for s in found) == [
        ("dicom", Shape.VOLUME),
        *[("image", Shape.IMAGE)] * 4,
    ]
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert len(truth["chest-ct"]) == 4
    chest = next(s for s in found if s.format == "dicom")
    volume = files.read(chest)
    for nodule in truth["chest-ct"]:
        index = np.rint(chest.geometry.to_index(nodule["centre_mm"])).astype(int)
        assert volume.pixels[tuple(index)] > -700
        assert index[0] in {b[0] for b in nodule["boxes"]}
