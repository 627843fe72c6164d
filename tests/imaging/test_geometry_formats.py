"""One frame of reference: the same scan lies at the same place whichever file it comes from, however it is turned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry, Vector, edge_to_index
from cadviewer.imaging.series import Rejected, Series, Shape, Volume
from cadviewer.phantoms.files import write_dicom_series, write_mhd
from cadviewer.phantoms.phantom import NoduleSpec, Phantom, chest_ct

OBLIQUE: tuple[Vector, Vector, Vector] = tuple(  # type: ignore[assignment]
    tuple(map(float, row)) for row in Rotation.from_euler("xyz", (12, -7, 20), degrees=True).as_matrix()
)
IDENTITY: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
SMALL = NoduleSpec(20.0)


def opened(path: Path) -> Volume:
    (found,) = (f for f in files.scan([path]) if not isinstance(f, Rejected))
    assert isinstance(found, Series)
    return files.read(found)


def phantom(flips: tuple[bool, bool, bool], rotation: tuple[Vector, Vector, Vector]) -> Phantom:
    return chest_ct(5, shape=(22, 90, 100), spacing=(10.0, 3.2, 3.4), nodules=(SMALL,), flips=flips, rotation=rotation)


def value_at(volume: Volume, point: Vector) -> float:
    index = np.rint(volume.geometry.to_index(point)).astype(int)
    return float(volume.pixels[tuple(index)])


@pytest.mark.parametrize("rotation", [IDENTITY, OBLIQUE], ids=["axial", "oblique"])
@pytest.mark.parametrize(
    "flips", [(False, False, False), (False, True, True), (True, True, False)], ids=["plain", "in-plane", "upside-down"]
)
def test_dicom_metaimage_and_nifti_of_one_scan_agree(
    tmp_path: Path, flips: tuple[bool, bool, bool], rotation: tuple[Vector, Vector, Vector]
) -> None:
    made = phantom(flips, rotation)
    write_dicom_series(made.volume, tmp_path / "dicom")
    volumes = [opened(tmp_path / "dicom")]
    for name in ("ct.mhd", "ct.mha", "ct.nrrd", "ct.nii", "ct.nii.gz"):
        volumes.append(opened(write_mhd(made.volume, tmp_path / name[3:] / name)))
    shape = np.array(made.volume.geometry.shape)
    corners = np.array([(0, 0, 0), shape - 1, (shape[0] - 1, 0, 0), (0, shape[1] - 1, 3)])
    for volume in volumes:
        assert volume.series.shape is Shape.VOLUME
        assert volume.series.hounsfield
        assert volume.pixels.dtype == np.int16
        np.testing.assert_array_equal(volume.pixels, made.volume.pixels)
        np.testing.assert_allclose(
            volume.geometry.to_patient(corners), made.volume.geometry.to_patient(corners), atol=2e-3
        )
        assert value_at(volume, made.nodules[0].centre_mm) > -300


@pytest.mark.parametrize("flips", [(True, False, False), (False, True, False), (True, True, True)])
def test_slices_stored_against_their_normal_are_read_backwards(tmp_path: Path, flips: tuple[bool, bool, bool]) -> None:
    made = phantom(flips, IDENTITY)
    volume = opened(write_mhd(made.volume, tmp_path / "ct.mhd"))
    direction = volume.geometry.direction
    assert direction is not None
    assert np.dot(direction[0], np.cross(direction[2], direction[1])) > 0.99
    np.testing.assert_array_equal(volume.pixels, made.volume.pixels[::-1])
    assert value_at(volume, made.nodules[0].centre_mm) > -300


def test_a_mask_of_unknown_spacing_has_no_millimetres(tmp_path: Path) -> None:
    np.zeros((3, 4, 5), np.uint8).tofile(tmp_path / "m.raw")
    (tmp_path / "m.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nElementType = MET_UCHAR\nElementDataFile = m.raw\n"
    )
    geometry = opened(tmp_path).geometry
    assert geometry == Geometry((3, 4, 5))
    assert geometry.spacing is None
    with pytest.raises(ValueError, match="no known place"):
        geometry.to_patient((0, 0, 0))


def test_flat_and_coloured_files_are_read(tmp_path: Path) -> None:
    flat = sitk.GetImageFromArray(np.arange(30, dtype=np.int16).reshape(5, 6))
    flat.SetSpacing((0.5, 0.7))
    sitk.WriteImage(flat, str(tmp_path / "flat.mha"))
    found = opened(tmp_path / "flat.mha")
    assert (found.series.shape, found.pixels.shape) == (Shape.IMAGE, (1, 5, 6))
    assert found.geometry.pixel_spacing == (0.7, 0.5)
    colour = np.random.default_rng(0).integers(0, 255, (3, 5, 6, 3), dtype=np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "colour.nrrd"))
    volume = opened(tmp_path / "colour.nrrd")
    assert volume.series.channels == 3
    np.testing.assert_array_equal(volume.pixels, colour)


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint32, np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("suffix", [".mhd", ".nii.gz", ".nrrd"])
def test_every_number_type_keeps_its_values(tmp_path: Path, kind: type, suffix: str) -> None:
    values = np.arange(60).reshape(3, 4, 5).astype(kind)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / f"a{suffix}"))
    volume = opened(tmp_path)
    assert volume.pixels.dtype in (np.dtype(np.int16), np.dtype(np.uint16), np.dtype(np.float32))
    np.testing.assert_array_equal(volume.pixels, values.astype(float))


def test_a_scaled_nifti_is_rescaled(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((2, 3, 4), 10, np.int16)), str(path))
    data = bytearray(path.read_bytes())
    data[112:120] = np.array((2.0, -3.0), "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(bytes(data))
    np.testing.assert_allclose(opened(path).pixels, 17)


finite = st.floats(-500, 500)


@given(
    st.tuples(finite, finite, finite),
    st.tuples(*[st.floats(0.1, 10)] * 3),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
    st.booleans(),
    st.tuples(finite, finite, finite),
)
@settings(max_examples=100, deadline=None)
def test_patient_and_index_undo_each_other_for_any_direction(
    origin: Vector, spacing: Vector, quaternion: list[float], mirrored: bool, index: Vector
) -> None:
    axes = Rotation.from_quat(quaternion).as_matrix()
    axes[0] *= -1 if mirrored else 1
    direction: tuple[Vector, Vector, Vector] = tuple(tuple(map(float, row)) for row in axes)  # type: ignore[assignment]
    geometry = Geometry((5, 6, 7), (spacing[1], spacing[2]), spacing[0], origin, direction)
    point = geometry.to_patient(index)
    np.testing.assert_allclose(geometry.to_index(point), index, atol=1e-6)
    step = geometry.to_patient(np.add(index, (1, 0, 0))) - point
    np.testing.assert_allclose(step, np.array(direction[0]) * spacing[0], atol=1e-6)


def test_the_middle_of_the_first_pixel_is_half_a_pixel_from_the_edge() -> None:
    assert edge_to_index(0.5, 0.5) == (0.0, 0.0)
    assert edge_to_index(3.0, 1.0) == (0.5, 2.5)
