"""Which images are a volume, and what is said of those that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series, Shape, State
from cadviewer.imaging.volume_check import arrange
from cadviewer.phantoms.files import write_dicom_series
from cadviewer.phantoms.phantom import NoduleSpec, Phantom, chest_ct

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


@pytest.fixture(scope="module")
def small() -> Phantom:
    return chest_ct(3, shape=(12, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=(NoduleSpec(20.0),))


def scanned(folder: Path) -> list[Series]:
    found = list(files.scan([folder]))
    assert not [r for r in found if isinstance(r, Rejected)], found
    return [s for s in found if isinstance(s, Series)]


def along_z(*heights: float) -> list[tuple[float, float, float]]:
    return [(0.0, 0.0, z) for z in heights]


def test_slices_are_sorted_along_their_normal_and_not_as_they_came() -> None:
    found = arrange(along_z(4, 0, 6, 2), [AXIAL] * 4)
    assert found.order == (1, 3, 0, 2)
    assert found.spacing == 2.0
    assert found.reason == ""


@given(
    st.permutations(range(6)),
    st.floats(0.3, 10),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
)
@settings(max_examples=60, deadline=None)
def test_any_even_stack_is_a_volume_however_it_is_turned_and_shuffled(
    shuffle: list[int], spacing: float, quaternion: list[float]
) -> None:
    from scipy.spatial.transform import Rotation

    across, down, normal = Rotation.from_quat(quaternion).as_matrix().T
    points = [tuple(map(float, 7 + normal * spacing * k)) for k in shuffle]
    found = arrange(points, [(*map(float, across), *map(float, down))] * 6)  # type: ignore[arg-type]
    assert found.reason == ""
    assert found.spacing == pytest.approx(spacing, rel=1e-6)
    assert [shuffle[k] for k in found.order] == list(range(6))
    assert found.direction is not None
    np.testing.assert_allclose(found.direction, [normal, down, across], atol=1e-9)


def test_positions_rounded_to_a_tenth_are_still_a_volume() -> None:
    assert arrange(along_z(*np.round(np.arange(20) * 1.25, 1)), [AXIAL] * 20).reason == ""


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        ((0, 2, 4, 8, 10), "missing slices: 1"),
        ((0, 2, 2, 4, 6), "duplicate slices: 1"),
        ((0, 1, 2, 3.4, 4), "uneven spacing"),
    ],
)
def test_a_stack_that_is_no_volume_says_why(heights: tuple[float, ...], words: str) -> None:
    found = arrange(along_z(*heights), [AXIAL] * len(heights))
    assert words in found.reason
    assert found.spacing is None


def test_slices_shifted_along_each_other_name_the_tilt() -> None:
    points = [(0.0, 5 * np.tan(np.radians(12)) * k, 5.0 * k) for k in range(8)]
    assert "gantry tilt" in arrange(points, [AXIAL] * 8).reason
    assert "12.0°" in arrange(points, [AXIAL] * 8).reason


def test_mixed_planes_and_unknown_places_are_named() -> None:
    assert "mixed orientation: 2" in arrange(along_z(0, 1, 2, 3), [AXIAL, AXIAL, CORONAL, CORONAL]).reason
    assert "no known place" in arrange([None, None], [AXIAL, AXIAL]).reason
    assert arrange([None], [None]).reason == ""


def test_images_without_a_place_keep_the_order_of_their_numbers() -> None:
    assert arrange([None] * 3, [None] * 3, [30, 10, 20]).order == (1, 2, 0)


def test_a_written_series_is_read_back_as_it_was(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path)
    (series,) = scanned(tmp_path)
    volume = files.read(series)
    assert series.shape is Shape.VOLUME
    np.testing.assert_array_equal(volume.pixels, small.volume.pixels)
    np.testing.assert_allclose(series.geometry.to_patient((11, 59, 71)), small.volume.geometry.to_patient((11, 59, 71)))


def test_a_series_with_a_missing_slice_is_a_stack_that_says_so(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path, missing=(5,))
    (series,) = scanned(tmp_path)
    assert series.shape is Shape.STACK
    assert "missing slices: 1" in series.not_volume
    assert series.geometry.slice_spacing is None
    assert series.geometry.pixel_spacing == (5.0, 5.0)
    assert not series.geometry.placed
    assert files.read(series).pixels.shape == (11, 60, 72)


def test_two_different_images_at_one_place_are_named(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path, duplicated=(4,))
    (series,) = scanned(tmp_path)
    assert series.shape is Shape.STACK
    assert "duplicate slices: 1 of 13" in series.not_volume


def test_a_copy_of_a_file_is_skipped_and_the_volume_stays(small: Phantom, tmp_path: Path) -> None:
    first, *_ = write_dicom_series(small.volume, tmp_path)
    (tmp_path / "copy.dcm").write_bytes(first.read_bytes())
    found = list(files.scan([tmp_path]))
    (rejected,) = (r for r in found if isinstance(r, Rejected))
    (series,) = (s for s in found if isinstance(s, Series))
    assert rejected.state is State.SKIPPED
    assert "copy" in rejected.reason
    assert series.shape is Shape.VOLUME


def test_a_tilted_gantry_is_named(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path, tilt_degrees=10)
    (series,) = scanned(tmp_path)
    assert "gantry tilt" in series.not_volume
    assert any("gantry tilt of 10°" in w for w in series.warnings)


def test_uneven_spacing_is_named(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path, uneven_mm=2)
    (series,) = scanned(tmp_path)
    assert "uneven spacing: 8.00 to 12.00 mm" in series.not_volume


def test_a_localizer_in_the_series_is_shown_apart_and_the_volume_stays(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path, localizer=True)
    volume, scout = sorted(scanned(tmp_path), key=lambda s: -len(s.slices))
    assert volume.shape is Shape.VOLUME
    assert volume.hounsfield
    assert "localizer" in volume.warnings[0]
    assert scout.shape is Shape.IMAGE
    assert not scout.hounsfield
    assert scout.case_id != volume.case_id


def test_images_of_two_sizes_become_two_series_that_say_so(small: Phantom, tmp_path: Path) -> None:
    *_, last = write_dicom_series(small.volume, tmp_path)
    dataset = pydicom.dcmread(last)
    dataset.Rows, dataset.PixelData = 30, dataset.PixelData[: 30 * 72 * 2]
    dataset.save_as(last)
    large, one = sorted(scanned(tmp_path), key=lambda s: -len(s.slices))
    assert len(large.slices) == 11
    assert one.geometry.shape == (1, 30, 72)
    assert all("of another size" in s.warnings[0] for s in (large, one))


def test_each_slice_is_rescaled_by_its_own_slope(small: Phantom, tmp_path: Path) -> None:
    first, *_ = write_dicom_series(small.volume, tmp_path)
    dataset = pydicom.dcmread(first)
    stored = dataset.pixel_array.astype(np.int32) * 2
    dataset.RescaleSlope, dataset.PixelData = "0.5", stored.astype("<u2").tobytes()
    dataset.save_as(first)
    (series,) = scanned(tmp_path)
    volume = files.read(series)
    assert volume.pixels.dtype == np.float32
    np.testing.assert_allclose(volume.pixels, small.volume.pixels, atol=1e-3)


def test_two_series_in_one_folder_are_two_cases(small: Phantom, tmp_path: Path) -> None:
    other = chest_ct(4, shape=(5, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=())
    write_dicom_series(small.volume, tmp_path)
    for k, file in enumerate(write_dicom_series(other.volume, tmp_path / "b", seed=4)):
        file.rename(tmp_path / f"b{k}.dcm")
    (tmp_path / "b").rmdir()
    assert sorted(len(s.slices) for s in scanned(tmp_path)) == [5, 12]


def test_the_first_slice_asked_for_comes_first_and_stopping_stops(small: Phantom, tmp_path: Path) -> None:
    write_dicom_series(small.volume, tmp_path)
    (series,) = scanned(tmp_path)
    seen: list[int] = []
    files.read(series, on_slice=seen.append)
    assert seen[0] == 6
    assert sorted(seen) == list(range(12))
    assert files.read(series, first=2, on_slice=lambda k: None).pixels.shape[0] == 12

    class Stop(Exception):
        pass

    def stop(k: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        files.read(series, on_slice=stop, first=3)
