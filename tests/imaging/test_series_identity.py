"""Which DICOM files are one series: what names it, and what scanners' rounding may do to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000

from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Rejected, Series, Shape, Volume
from cadviewer.phantoms.files import write_dicom_series

_AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def _slices(folder: Path, count: int = 10) -> list[Path]:
    geometry = Geometry((count, 16, 16), (0.7, 0.7), 2.5, (0.0, 0.0, 0.0), _AXIAL)
    pixels = np.zeros(geometry.shape, np.int16) + np.arange(count, dtype=np.int16)[:, None, None]
    series = Series(folder, "dicom", (), geometry, Shape.VOLUME, np.dtype(np.int16), hounsfield=True)
    return write_dicom_series(Volume(series, pixels), folder)


def _edit(file: Path, **values: Any) -> None:
    dataset = pydicom.dcmread(file)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(file)


def _found(folder: Path) -> list[Series]:
    found = list(files.scan([folder]))
    assert all(isinstance(item, Series) for item in found)
    return [item for item in found if isinstance(item, Series)]


@pytest.mark.parametrize("name", ["StudyInstanceUID", "PatientID", "FrameOfReferenceUID"])
def test_images_of_one_series_uid_are_apart_where_study_patient_or_frame_of_reference_differ(
    tmp_path: Path, name: str
) -> None:
    for k, file in enumerate(_slices(tmp_path)):
        if k >= 5:
            _edit(file, **{name: "1.2.3.4"})
    found = _found(tmp_path)
    assert [s.geometry.shape[0] for s in found] == [5, 5]
    assert len({s.case_id for s in found}) == 2


def test_spacing_written_with_other_precision_is_one_spacing(tmp_path: Path) -> None:
    for k, file in enumerate(_slices(tmp_path)):
        _edit(file, PixelSpacing=["0.703125"] * 2 if k % 2 else ["0.70312"] * 2)
    (series,) = _found(tmp_path)
    assert series.shape is Shape.VOLUME
    assert series.geometry.pixel_spacing == pytest.approx((0.703, 0.703), abs=0.0005)


def test_spacings_that_differ_by_more_than_rounding_are_none(tmp_path: Path) -> None:
    for k, file in enumerate(_slices(tmp_path)):
        _edit(file, PixelSpacing=["0.70"] * 2 if k % 2 else ["0.71"] * 2)
    (series,) = _found(tmp_path)
    assert (series.not_volume, series.geometry.pixel_spacing) == ("mixed pixel spacing", None)


def test_cosines_rounded_to_three_decimals_are_one_orientation(tmp_path: Path) -> None:
    for k, file in enumerate(_slices(tmp_path)):
        noise = (k % 3 - 1) * 0.0015
        _edit(file, ImageOrientationPatient=[1, noise, 0, -noise, 1, 0])
    (series,) = _found(tmp_path)
    assert (series.shape, series.geometry.slice_spacing) == (Shape.VOLUME, pytest.approx(2.5))


def test_of_an_instance_that_was_saved_in_two_encodings_one_counts_and_the_other_is_named(tmp_path: Path) -> None:
    for file in _slices(tmp_path / "one"):
        dataset = pydicom.dcmread(file)
        (tmp_path / "two").mkdir(exist_ok=True)
        dataset = dataset.copy()
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
        pydicom.dcmwrite(tmp_path / "two" / file.name, dataset, implicit_vr=True, little_endian=True)
    found = list(files.scan([tmp_path]))
    (series,) = [item for item in found if isinstance(item, Series)]
    assert (series.shape, series.geometry.shape[0]) == (Shape.VOLUME, 10)
    assert [item.reason for item in found if not isinstance(item, Series)] == [
        "a copy of another file of its series, which is read"
    ] * 10


def test_of_several_encodings_one_that_lost_nothing_counts(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for file in _slices(tmp_path / "b"):
        dataset = pydicom.dcmread(file)
        dataset.PixelData = encapsulate([bytes(imagecodecs.jpeg2k_encode(dataset.pixel_array, level=20))])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEG2000
        dataset.save_as(tmp_path / "a" / file.name)
    found = list(files.scan([tmp_path]))
    (series,) = [item for item in found if isinstance(item, Series)]
    assert {f.parent.name for f in series.files} == {"b"}


def test_a_copy_with_another_private_element_counts_once(tmp_path: Path) -> None:
    for file in _slices(tmp_path / "one"):
        dataset = pydicom.dcmread(file)
        dataset.private_block(0x0019, "SOMEBODY", create=True).add_new(1, "LO", "sent twice")
        (tmp_path / "two").mkdir(exist_ok=True)
        dataset.save_as(tmp_path / "two" / file.name)
    found = list(files.scan([tmp_path]))
    (series,) = [item for item in found if isinstance(item, Series)]
    assert (series.shape, len(series.files)) == (Shape.VOLUME, 10)


def test_other_pixels_under_one_instance_uid_stay(tmp_path: Path) -> None:
    for file in _slices(tmp_path / "one")[:1]:
        dataset = pydicom.dcmread(file)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(tmp_path / "one" / "other.dcm")
    found = [item for item in files.scan([tmp_path]) if isinstance(item, Series)]
    assert sum(len(item.files) for item in found) == 11


def _no_place(file: Path, **values: Any) -> None:
    dataset = pydicom.dcmread(file)
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing
    dataset.save_as(file)
    _edit(file, **values)


def _region(cm: float) -> Dataset:
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 15, 15
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = cm
    return region


def test_ultrasound_images_of_other_depths_keep_their_own_scale(tmp_path: Path) -> None:
    for file, cm in zip(_slices(tmp_path, 4), (0.005, 0.01, 0.02, 0.01), strict=True):
        _no_place(file, Modality="US", SequenceOfUltrasoundRegions=[_region(cm)])
    found = {len(s.files): s for s in _found(tmp_path) if len(s.files) > 1}
    assert found[2].geometry.pixel_spacing == pytest.approx((0.1, 0.1))
    spacings = sorted(s.geometry.pixel_spacing or (0, 0) for s in _found(tmp_path))
    assert spacings == [pytest.approx((mm, mm)) for mm in (0.05, 0.1, 0.2)]


def test_a_negative_among_positives_is_shown_as_one_and_alone(tmp_path: Path) -> None:
    first, *others = _slices(tmp_path, 4)
    _no_place(first, PhotometricInterpretation="MONOCHROME1")
    for file in others:
        _no_place(file)
    assert {(s.inverted, len(s.files)) for s in _found(tmp_path)} == {(True, 1), (False, 3)}


def _without_spacing(tmp_path: Path, **values: Any) -> Series:
    file = _slices(tmp_path, 1)[0]
    dataset = pydicom.dcmread(file)
    for name in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"):
        del dataset[name]
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(file)
    (series,) = _found(tmp_path)
    return series


@pytest.mark.parametrize("name", ["PixelAspectRatio", "ImagerPixelSpacing", "NominalScannedPixelSpacing"])
def test_pixels_that_are_not_square_have_their_shape_and_no_millimetres(tmp_path: Path, name: str) -> None:
    series = _without_spacing(tmp_path, **{name: ["2", "1"]})
    assert series.geometry.pixel_spacing is None
    assert series.pixel_aspect == 2


@pytest.mark.parametrize("ratio", [["0", "1"], ["1000", "1"], ["x"]])
def test_an_aspect_that_cannot_be_is_none(tmp_path: Path, ratio: list[str]) -> None:
    file = _slices(tmp_path, 1)[0]
    dataset = pydicom.dcmread(file)
    dataset.add_new(0x00280034, "SH", ratio)  # texts that IS refuses to write
    dataset.save_as(file)
    assert _found(tmp_path)[0].pixel_aspect == 1


@pytest.mark.parametrize("group", [0x6000, 0x601E])
def test_an_overlay_that_is_not_drawn_is_named(tmp_path: Path, group: int) -> None:
    file = _slices(tmp_path, 1)[0]
    dataset = pydicom.dcmread(file)
    for element, kind, value in (
        (0x10, "US", dataset.Rows), (0x11, "US", dataset.Columns), (0x40, "CS", "G"), (0x50, "SS", [1, 1]),
        (0x100, "US", 1), (0x102, "US", 0), (0x3000, "OW", bytes(-(-dataset.Rows * dataset.Columns // 16) * 2)),
    ):  # fmt: skip
        dataset.add_new(group << 16 | element, kind, value)
    dataset.save_as(file)
    assert "the file draws over its image (an overlay plane), which is not shown here" in _found(tmp_path)[0].warnings


def test_pixels_in_floating_point_are_refused_for_what_they_are(tmp_path: Path) -> None:
    file = _slices(tmp_path, 1)[0]
    dataset = pydicom.dcmread(file)
    pixels = np.zeros((dataset.Rows, dataset.Columns), np.float32)
    del dataset[0x7FE00010]
    dataset.BitsAllocated = 32
    dataset.add_new(0x7FE00008, "OF", pixels.tobytes())
    dataset.save_as(file)
    (found,) = files.scan([tmp_path])
    assert isinstance(found, Rejected)
    assert found.reason == "pixels in floating point (a parametric map), which this program does not read"


def _group(**parts: dict[str, Any]) -> Dataset:
    group = Dataset()
    for name, values in parts.items():
        item = Dataset()
        for key, value in values.items():
            setattr(item, key, value)
        setattr(group, name, [item])
    return group


@pytest.mark.parametrize("concatenated", [True, False])
def test_the_parts_of_a_concatenation_are_one_volume(tmp_path: Path, concatenated: bool) -> None:
    for part, file in enumerate(_slices(tmp_path, 2)):
        dataset = pydicom.dcmread(file)
        for name in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness"):
            if name in dataset:
                del dataset[name]
        values = np.stack([np.full((16, 16), 10 * (5 * part + k), np.int16) for k in range(5)])
        dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 16, 16, 5
        dataset.PixelData = values.tobytes()
        if concatenated:
            dataset.ConcatenationUID, dataset.InConcatenationNumber = "1.2.3.777", part + 1
        dataset.SharedFunctionalGroupsSequence = [
            _group(
                PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
                PixelMeasuresSequence={"PixelSpacing": [0.5, 0.6], "SliceThickness": 3},
                PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU"},
            )
        ]
        dataset.PerFrameFunctionalGroupsSequence = [
            _group(PlanePositionSequence={"ImagePositionPatient": [1, 2, 3.0 * (5 * part + k)]}) for k in range(5)
        ]
        dataset.save_as(file)
    found = _found(tmp_path)
    assert [s.geometry.shape[0] for s in found] == ([10] if concatenated else [5, 5])
    pixels = np.concatenate([files.read(s).pixels for s in found])
    assert pixels[:, 0, 0].tolist() == [10 * k for k in range(10)]
    assert found[0].geometry.slice_spacing == pytest.approx(3)


def test_images_of_other_pixel_shapes_keep_their_own(tmp_path: Path) -> None:
    for file, ratio in zip(_slices(tmp_path, 2), (["2", "1"], ["1", "1"]), strict=True):
        dataset = pydicom.dcmread(file)
        for name in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"):
            del dataset[name]
        dataset.PixelAspectRatio = ratio
        dataset.save_as(file)
    assert sorted(s.pixel_aspect for s in _found(tmp_path)) == [1, 2]
