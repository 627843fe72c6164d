"""Headers that leave something to the reader, as other readers take them."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series

VALUES = np.arange(5 * 8 * 9, dtype=np.int16).reshape(5, 8, 9)


def _read(path: Path) -> NDArray[np.generic]:
    (series,) = files.scan([path])
    assert isinstance(series, Series)
    return files.read(series).pixels


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


def test_scaled_pixels_that_begin_within_the_header_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(_nifti(0.0, slope=2.0))
    (found,) = files.scan([tmp_path])
    assert isinstance(found, Rejected)
    assert found.reason == "damaged header: its pixels begin within it"


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
