"""Whether the values of a CT are Hounsfield units: what each frame and each image says, wherever it says it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_made import item
from pydicom.dataset import Dataset

from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, Volume
from cadviewer.phantoms.files import write_dicom_series

_AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
_UNKNOWN = "a CT whose values are not known to be Hounsfield units"


def _slices(folder: Path, count: int = 5) -> list[Path]:
    geometry = Geometry((count, 16, 16), (0.7, 0.7), 2.5, (0.0, 0.0, 0.0), _AXIAL)
    series = Series(folder, "dicom", (), geometry, Shape.VOLUME, np.dtype(np.int16), hounsfield=True)
    return write_dicom_series(Volume(series, np.zeros(geometry.shape, np.int16)), folder)


def _enhanced(folder: Path, kind: str, intercept: str) -> None:
    first, *others = _slices(folder)
    dataset = pydicom.dcmread(first)
    for file in (first, *others):
        file.unlink()
    del dataset.RescaleType, dataset.RescaleIntercept, dataset.RescaleSlope
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    dataset.NumberOfFrames = 2
    dataset.PixelData = dataset.PixelData * 2
    rescale = Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = "1", intercept, kind
    shared = Dataset()
    shared.PixelValueTransformationSequence = [rescale]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.save_as(folder / "enhanced.dcm")


@pytest.mark.parametrize(("kind", "intercept", "known"), [("HU", "0", True), ("Z_EFF", "-5", False)])
def test_functional_groups_say_whether_values_are_hounsfield_units(
    tmp_path: Path, kind: str, intercept: str, known: bool
) -> None:
    _enhanced(tmp_path, kind, intercept)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert series.hounsfield is known
    assert (_UNKNOWN in series.warnings) is not known


def test_an_intercept_that_is_no_number_leaves_the_values_unknown(tmp_path: Path) -> None:
    for file in _slices(tmp_path):
        file.write_bytes(file.read_bytes().replace(b"-1024", b"-10,5"))
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert not series.hounsfield
    assert _UNKNOWN in series.warnings


def test_one_image_of_another_unit_makes_the_series_no_hounsfield_units(tmp_path: Path) -> None:
    last = _slices(tmp_path)[-1]
    dataset = pydicom.dcmread(last)
    dataset.RescaleType = "US"
    dataset.save_as(last)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert not series.hounsfield


def test_each_frame_of_an_enhanced_ct_has_its_own_rescale_spacing_and_place(tmp_path: Path) -> None:
    """The top of the header says something else of all of it: what stands in the functional groups counts."""
    file, *others = _slices(tmp_path)
    for other in others:
        other.unlink()
    dataset = pydicom.dcmread(file)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "7", "77", "US"
    dataset.PixelSpacing = ["9", "9"]
    dataset.NumberOfFrames = 3
    stored = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)
    dataset.PixelData = stored.tobytes()
    shared = Dataset()
    shared.PixelMeasuresSequence = [item(PixelSpacing=["0.8", "0.7"], SliceThickness="2.5")]
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=["0", "1", "0", "0", "0", "-1"])]
    shared.PixelValueTransformationSequence = [item(RescaleSlope="5", RescaleIntercept="5", RescaleType="HU")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames, told = [], [(1, -1024), (2, -1000), None]
    for k, scale in enumerate(told):
        frame = Dataset()
        frame.PlanePositionSequence = [item(ImagePositionPatient=[str(-2.5 * k), "20", "30"])]
        if scale is not None:
            rescale = item(RescaleSlope=str(scale[0]), RescaleIntercept=str(scale[1]), RescaleType="HU")
            frame.PixelValueTransformationSequence = [rescale]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.save_as(file)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert series.hounsfield
    volume = files.read(series)
    for k, info in enumerate(series.slices):
        slope, intercept = told[info.frame] or (5, 5)
        np.testing.assert_array_equal(volume.pixels[k], stored[info.frame].astype(int) * slope + intercept)
        assert volume.geometry.to_patient((k, 0, 0)) == pytest.approx((-2.5 * info.frame, 20, 30))
        assert volume.geometry.to_patient((k, 3, 2)) == pytest.approx((-2.5 * info.frame, 21.4, 27.6))
