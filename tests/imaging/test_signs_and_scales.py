"""Signed JPEG-LS, palettes of words, and the scale of colour flow regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

from cadviewer.imaging import files
from cadviewer.imaging.series import Series


def _image(modality: str, sop: str, syntax: str, rows: int, columns: int) -> Any:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = syntax, sop, "1.2.3.5"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop, "1.2.3.5", modality
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    return dataset


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_signed_jpeg_ls_keeps_its_sign(tmp_path: Path, bits: int) -> None:
    values = np.linspace(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 4096).astype(np.int16).reshape(64, 64)
    stored = values.view(np.uint16) & np.uint16(2**bits - 1)
    dataset = _image("CT", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.4.80", 64, 64)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, bits, bits - 1, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    code = bytes(imagecodecs.jpegls_encode(stored))
    dataset.PixelData = encapsulate([code + b"\0" * (len(code) % 2)])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(tmp_path / "jls.dcm", enforce_file_format=True)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    np.testing.assert_array_equal(files.read(series).pixels[0], values)


def test_a_colour_flow_region_gives_millimetres(tmp_path: Path) -> None:
    dataset = _image("US", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1", 120, 160)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = bytes(120 * 160)
    dataset["PixelData"].VR = "OB"
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 2, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 159, 119
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.save_as(tmp_path / "flow.dcm", enforce_file_format=True)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert series.geometry.pixel_spacing == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("factor", [1, 256])
def test_a_palette_of_eight_bits_in_words_is_read_from_either_byte(tmp_path: Path, factor: int) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    dataset = _image("US", UltrasoundImageStorage, ExplicitVRLittleEndian, 8, 256)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    tables = {"Red": np.arange(256), "Green": np.arange(256)[::-1], "Blue": np.zeros(256)}
    for colour, table in tables.items():
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", (table * factor).astype("<u2").tobytes())
    dataset.PixelData = ramp.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    row = files.read(series).pixels[0, 0]
    assert (row == np.stack([*tables.values()], -1)).all()
