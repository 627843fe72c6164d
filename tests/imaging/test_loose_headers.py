"""Headers that leave something to the reader, as other readers take them."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series
from cadviewer.imaging.windowing import robust_window, to_gray

VALUES = np.arange(5 * 8 * 9, dtype=np.int16).reshape(5, 8, 9)


def _read(path: Path) -> NDArray[np.generic]:
    (series,) = files.scan([path])
    assert isinstance(series, Series)
    return files.read(series).pixels


def _found(folder: Path, data: bytes, **fields: str) -> Series | Rejected:
    """An NRRD of these pixels, 9 × 8 × 5 of 0.7 × 0.8 × 2.5 mm unless `fields` say something else."""
    usual = {
        "type": "short",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "9 8 5",
        "space directions": "(0.7,0,0) (0,0.8,0) (0,0,2.5)",
        "space origin": "(1,2,3)",
        "endian": "little",
        "encoding": "raw",
    } | fields
    head = "".join(f"{name}: {value}\n" for name, value in usual.items() if value)
    (folder / "a.nrrd").write_bytes(f"NRRD0004\n{head}\n".encode() + data)
    (found,) = files.scan([folder])
    return found


def _series(folder: Path, **fields: str) -> Series:
    found = _found(folder, VALUES.tobytes(), **fields)
    assert isinstance(found, Series)
    return found


def _nifti(offset: float, slope: float = 0.0) -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, 9, 8, 5, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 4, 16)
    struct.pack_into("<8f", head, 76, 1, 0.7, 0.8, 2.5, 1, 1, 1, 1)
    struct.pack_into("<3f", head, 108, offset, slope, 0)
    head[123] = 2
    head[344:348] = b"n+1\0"
    return bytes(head) + VALUES.tobytes()


@pytest.mark.parametrize("offset", [0.0, 348.0, 352.0])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_pixels_of_a_single_nifti_file_begin_after_its_header(tmp_path: Path, offset: float, name: str) -> None:
    content = _nifti(offset)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert (_read(tmp_path / name) == VALUES).all()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_scaled_pixels_begin_after_the_header_too(tmp_path: Path, name: str) -> None:
    content = _nifti(0.0, slope=2.5)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert (_read(tmp_path / name) == 2.5 * VALUES).all()


@pytest.mark.parametrize("name", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData"])
@pytest.mark.parametrize("value", ["True", "TRUE", "T", "t", "1", "False", "F", "f", "0"])
def test_a_boolean_of_a_metaimage_goes_by_its_first_letter(tmp_path: Path, name: str, value: str) -> None:
    true = value[0] in "Tt1"
    data = VALUES.astype(">i2" if true and name != "CompressedData" else "<i2").tobytes()
    (tmp_path / "a.raw").write_bytes(zlib.compress(data) if true and name == "CompressedData" else data)
    (tmp_path / "a.mhd").write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = 9 8 5\nElementSpacing = 0.7 0.8 2.5\nElementType = MET_SHORT\n"
        f"{name} = {value}\nElementDataFile = a.raw\n"
    )
    assert (_read(tmp_path / "a.mhd") == VALUES).all()


def test_an_nrrd_in_micrometres_is_given_in_millimetres(tmp_path: Path) -> None:
    geometry = _series(tmp_path, **{"space units": '"um" "um" "um"'}).geometry
    assert geometry.pixel_spacing == pytest.approx((0.0008, 0.0007))
    assert geometry.slice_spacing == pytest.approx(0.0025)
    assert geometry.origin == pytest.approx((0.001, 0.002, 0.003))


def test_an_nrrd_in_a_unit_that_nobody_knows_has_no_spacing(tmp_path: Path) -> None:
    assert _series(tmp_path, **{"space units": '"ell" "ell" "ell"'}).geometry.pixel_spacing is None


def test_a_slice_spacing_of_nan_is_unknown(tmp_path: Path) -> None:
    plain = {"space": "", "space directions": "", "space origin": "", "spacings": "0.7 0.8 nan"}
    geometry = _series(tmp_path, **plain).geometry
    assert (geometry.pixel_spacing, geometry.slice_spacing) == (pytest.approx((0.8, 0.7)), None)


@pytest.mark.parametrize(("kind", "colour"), [("RGB-color", True), ("vector", True), ("list", False)])
def test_only_an_axis_of_colours_is_colour(tmp_path: Path, kind: str, colour: bool) -> None:
    fields = {
        "type": "uchar",
        "dimension": "4",
        "sizes": "3 9 8 5",
        "space directions": "none (0.7,0,0) (0,0.8,0) (0,0,2.5)",
        "kinds": f"{kind} domain domain domain",
    }
    found = _found(tmp_path, bytes(3 * VALUES.size), **fields)
    assert isinstance(found, Series) == colour
    assert isinstance(found, Series) or found.reason == "an image of 3 values for each pixel"


def test_the_slices_of_a_tilted_volume_are_as_far_apart_as_along_their_normal(tmp_path: Path) -> None:
    series = _series(tmp_path, **{"space directions": "(0.7,0,0) (0,0.8,0) (0,0.91,2.5)"})
    assert series.geometry.slice_spacing == pytest.approx(2.5)
    assert series.warnings == ("its slices are shifted against each other, as by a gantry tilt of 20.0°",)


def test_a_ct_with_nan_outside_its_field_of_view_is_one(tmp_path: Path) -> None:
    values = np.full((5, 64, 64), -1000, np.float32)
    values[:, 8:56, 8:56] = 40
    values[:, :4] = np.nan
    found = _found(tmp_path, values.tobytes(), type="float", sizes="64 64 5")
    assert isinstance(found, Series)
    assert files.read(found).series.hounsfield


@pytest.mark.parametrize("top", [3e-9, 3e9])
def test_a_window_spans_the_values_however_small(top: float) -> None:
    values = np.tile(np.linspace(0, top, 64, dtype=np.float32), (64, 1))
    gray = to_gray(values, robust_window(values))
    assert (gray[0, 0], gray[0, -1]) == (0, 255)
    assert len(np.unique(gray)) > 50


def _placed(matrix: list[list[float]], pixdim: tuple[float, ...] = (0.7, 0.8, 2.5)) -> bytes:
    """A NIfTI of these rows of an sform."""
    head = bytearray(_nifti(352.0)[:352])
    struct.pack_into("<3f", head, 80, *pixdim)
    struct.pack_into("<2h", head, 252, 0, 1)
    struct.pack_into("<12f", head, 280, *np.array(matrix).ravel())
    return bytes(head) + VALUES.tobytes()


def _nifti_series(folder: Path, matrix: list[list[float]], pixdim: tuple[float, ...] = (0.7, 0.8, 2.5)) -> Series:
    (folder / "a.nii").write_bytes(_placed(matrix, pixdim))
    (series,) = files.scan([folder])
    assert isinstance(series, Series), series
    return series


def test_a_nifti_whose_pixdim_is_not_that_of_its_transform_goes_by_the_transform_and_says_so(tmp_path: Path) -> None:
    series = _nifti_series(tmp_path, [[0.7, 0, 0, -10], [0, 0.8, 0, -20], [0, 0, 2.5, 5]], (1, 1, 1))
    assert series.geometry.pixel_spacing == pytest.approx((0.8, 0.7))
    assert series.geometry.slice_spacing == pytest.approx(2.5)
    assert series.geometry.origin == pytest.approx((10, 20, 5))  # RAS in the file
    assert "its header has two sizes of a voxel: 1 × 1 × 1 mm is not used" in series.warnings


def test_a_nifti_with_axes_half_a_degree_off_is_read(tmp_path: Path) -> None:
    series = _nifti_series(tmp_path, [[0.7, 0.007, 0, -10], [0, 0.8, 0, -20], [0, 0, 2.5, 5]])
    assert series.geometry.pixel_spacing == pytest.approx((0.8, 0.7), abs=1e-3)
    assert series.geometry.slice_spacing == pytest.approx(2.5)
    assert (files.read(series).pixels == VALUES).all()


def test_slices_of_a_tilted_nifti_lie_apart_along_their_normal(tmp_path: Path) -> None:
    series = _nifti_series(tmp_path, [[0.7, 0, 0, -10], [0, 0.8, 0.25, -20], [0, 0, 2.5, 5]])
    assert series.geometry.slice_spacing == pytest.approx(2.5)
    assert any("gantry tilt of 5.7°" in w for w in series.warnings)


def test_rows_that_lean_against_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(_placed([[0.7, 0.07, 0, 0], [0, 0.8, 0, 0], [0, 0, 2.5, 0]]))
    (found,) = files.scan([tmp_path])
    assert isinstance(found, Rejected)
    assert found.reason == "its rows and columns are not at right angles but off by 5.0°"


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("units", [1, 2, 3])
def test_a_nifti_placed_by_its_quaternion_lies_where_the_library_has_it(
    tmp_path: Path, side: float, units: int
) -> None:
    import SimpleITK

    head = bytearray(_nifti(352.0)[:352])
    struct.pack_into("<f", head, 76, side)
    struct.pack_into("<2h", head, 252, 1, 0)
    struct.pack_into("<6f", head, 256, 0.1, -0.2, 0.3, 4, 5, -6)
    head[123] = units
    (tmp_path / "a.nii").write_bytes(bytes(head) + VALUES.tobytes())
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    image = SimpleITK.ReadImage(str(tmp_path / "a.nii"))
    pixels = files.read(series).pixels
    for z, y, x in ((0, 0, 0), (4, 7, 8), (2, 1, 5)):
        place = series.geometry.to_patient((z, y, x))
        index = image.TransformPhysicalPointToIndex(place)
        assert image.TransformIndexToPhysicalPoint(index) == pytest.approx(place, abs=1e-3 * 1000 ** (units == 1))
        assert image[index] == pixels[z, y, x]


def test_a_transform_of_a_metaimage_with_columns_of_any_length_stretches_the_spacing(tmp_path: Path) -> None:
    lines = (
        "ObjectType = Image\nNDims = 3\nDimSize = 9 8 5\nElementSpacing = 0.7 0.8 2.5\nOffset = 1 2 3\n"
        "TransformMatrix = 1 0 0 0 1 0.2 0 0 1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "a.mha").write_bytes(lines.encode() + VALUES.tobytes())
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert series.geometry.pixel_spacing == pytest.approx((0.8 * 1.04**0.5, 0.7))
    assert series.geometry.slice_spacing == pytest.approx(2.5 / 1.04**0.5)  # between planes, along their normal


@pytest.mark.parametrize("name", ["x", "x.nii", "x.nii.gz", "x.dat"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_nifti_is_known_by_its_content(tmp_path: Path, name: str, packed: bool) -> None:
    content = _nifti(352.0)
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    assert (_read(tmp_path / name) == VALUES).all()


@pytest.mark.parametrize("name", ["x", "x.dat", "x.nii", "x.mha", "x.nrrd"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("kind", ["metaimage", "nrrd"])
def test_metaimage_and_nrrd_are_known_by_their_content(tmp_path: Path, name: str, encoding: str, kind: str) -> None:
    data = VALUES.tobytes()
    if kind == "nrrd":
        lines = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 9 8 5\nendian: little\nencoding: {encoding}\n\n"
        data = gzip.compress(data) if encoding == "gzip" else data
    else:
        lines = "ObjectType = Image\nNDims = 3\nDimSize = 9 8 5\nElementType = MET_SHORT\n"
        if encoding == "gzip":
            data = zlib.compress(data)
            lines += f"CompressedData = True\nCompressedDataSize = {len(data)}\n"
        lines += "ElementDataFile = LOCAL\n"
    (tmp_path / name).write_bytes(lines.encode() + data)
    assert (_read(tmp_path / name) == VALUES).all()


def test_a_metaimage_may_have_colons_where_others_have_equals_signs(tmp_path: Path) -> None:
    lines = (
        "ObjectType : Image\nNDims : 3\nComment : a = b\nDimSize : 9 8 5\nElementSpacing : 0.7 0.8 2.5\n"
        "ElementType : MET_SHORT\nElementDataFile : a.raw\n"
    )
    (tmp_path / "a.mhd").write_text(lines)
    (tmp_path / "a.raw").write_bytes(VALUES.tobytes())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.mhd", "p/a.mhd")
        archive.write(tmp_path / "a.raw", "p/a.raw")
    for place in (tmp_path / "a.mhd", tmp_path / "a.zip"):
        (series,) = files.scan([place])
        assert isinstance(series, Series)
        assert series.geometry.pixel_spacing == pytest.approx((0.8, 0.7))
        assert (files.read(series).pixels == VALUES).all()


def test_a_nifti_in_colour_comes_as_rgb(tmp_path: Path) -> None:
    head = bytearray(_nifti(352.0)[:352])
    struct.pack_into("<2h", head, 70, 128, 24)
    values = np.random.default_rng(1).integers(0, 256, (5, 8, 9, 3)).astype(np.uint8)
    (tmp_path / "a.nii").write_bytes(bytes(head) + values.tobytes())
    assert (_read(tmp_path / "a.nii") == values).all()
