"""Every photometric interpretation and bit depth of DICOM, PNG, TIFF and BMP: as pydicom and Pillow have it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_made import opened, write
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels import apply_color_lut, convert_color_space

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series

ROWS, COLUMNS = 24, 30
NOISE = np.random.default_rng(5).integers(0, 256, (ROWS, COLUMNS), np.uint8)
COLOUR = np.random.default_rng(6).integers(0, 256, (ROWS, COLUMNS, 3), np.uint8)


def read(path: Path) -> NDArray[Any]:
    (entry,) = files.scan([path])
    assert isinstance(entry, Series), entry
    volume = files.read(entry)
    pixels = volume.pixels[0]
    return 255 - pixels if entry.inverted and pixels.dtype == np.uint8 else pixels


def by_pillow(path: Path) -> NDArray[Any]:
    """8-bit gray, or RGB where the channels differ; what is transparent over black."""
    with Image.open(path) as image:
        rgba = np.asarray(image.convert("RGBA"), float)
    rgb = np.rint(rgba[..., :3] * rgba[..., 3:] / 255)
    same = (rgb == rgb[..., :1]).all()
    return rgb[..., 0] if same else rgb


def _pictures() -> dict[str, Image.Image]:
    gray = Image.fromarray(NOISE)
    palette = Image.fromarray(COLOUR).quantize(16)
    translucent = Image.fromarray(COLOUR).convert("RGBA")
    translucent.putalpha(gray)
    with_alpha = gray.convert("LA")
    with_alpha.putalpha(Image.fromarray(np.where(NOISE > 99, 255, 0).astype(np.uint8)))
    return {
        "1": Image.fromarray(NOISE > 127),
        "L": gray,
        "LA": with_alpha,
        "P": palette,
        "P gray": gray.quantize(8),
        "RGB": Image.fromarray(COLOUR),
        "RGBA": translucent,
    }


PNG = [("1", {}), ("L", {}), ("LA", {}), ("P", {}), ("P", {"bits": 4}), ("P gray", {"bits": 4}), ("RGB", {})]
PNG += [("RGBA", {}), ("P", {"transparency": 3}), ("L", {"transparency": 7})]
PNG += [("RGB", {"transparency": tuple(int(v) for v in COLOUR[3, 4])})]


@pytest.mark.parametrize(("mode", "options"), PNG)
def test_png(tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
    path = tmp_path / "a.png"
    _pictures()[mode].save(path, **options)
    np.testing.assert_allclose(read(path).astype(float), by_pillow(path), atol=1)


def test_png_of_sixteen_bits(tmp_path: Path) -> None:
    values = NOISE.astype(np.uint16) * 257
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png"), values)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_tiff(tmp_path: Path, mode: str, compression: str) -> None:
    path = tmp_path / "a.tif"
    _pictures()[mode].save(path, compression=compression)
    np.testing.assert_allclose(read(path).astype(float), by_pillow(path), atol=1)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_tiff_in_which_white_is_zero(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    _pictures()[mode].save(path, tiffinfo={262: 0})
    np.testing.assert_allclose(read(path).astype(float), by_pillow(path), atol=1)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate"])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_tiff_of_more_bits(tmp_path: Path, kind: type, compression: str) -> None:
    values = NOISE.astype(kind) * kind(100)
    Image.fromarray(values).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), values)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.bmp"
    _pictures()[mode].save(path)
    np.testing.assert_array_equal(read(path), by_pillow(path))


def test_bmp_whose_first_row_is_the_top_one(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Image.fromarray(COLOUR).save(path)
    data = bytearray(path.read_bytes())
    data[22:26] = struct.pack("<i", -ROWS)
    path.write_bytes(bytes(data))
    np.testing.assert_array_equal(read(path), by_pillow(path))


def test_bmp_of_run_lengths(tmp_path: Path) -> None:
    levels = NOISE // 64
    rows = [b"".join(bytes((1, int(v))) for v in row) + b"\0\0" for row in levels[::-1]]
    data = b"".join(rows) + b"\0\1"
    palette = b"".join(bytes((v, v, v, 0)) for v in (0, 80, 160, 255))
    head = struct.pack("<IiiHHIIiiII", 40, COLUMNS, ROWS, 1, 8, 1, len(data), 0, 0, 4, 4)
    at = 14 + len(head) + len(palette)
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + head + palette + data)
    np.testing.assert_array_equal(read(path), np.array([0, 80, 160, 255])[levels])


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("allocated", "stored"), [(8, 8), (8, 6), (16, 8), (16, 12), (16, 16), (32, 24)])
@pytest.mark.parametrize("signed", [False, True])
def test_dicom_gray(tmp_path: Path, photometric: str, allocated: int, stored: int, signed: bool) -> None:
    low, high = (-(1 << (stored - 1)), 1 << (stored - 1)) if signed else (0, 1 << stored)
    kind = f"{'i' if signed else 'u'}{allocated // 8}"
    values = np.random.default_rng(1).integers(low, high, (ROWS, COLUMNS)).astype(kind)
    path = write(
        tmp_path / "a.dcm",
        values,
        modality="CR",
        PhotometricInterpretation=photometric,
        BitsStored=stored,
        HighBit=stored - 1,
    )
    volume = opened(path)
    np.testing.assert_array_equal(volume.pixels[0], pydicom.dcmread(path).pixel_array)
    assert volume.series.inverted == (photometric == "MONOCHROME1")


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_dicom_colour(tmp_path: Path, photometric: str, planar: int) -> None:
    stored = COLOUR if photometric == "RGB" else convert_color_space(COLOUR, "RGB", "YBR_FULL")
    path = write(tmp_path / "a.dcm", stored, modality="US", PhotometricInterpretation=photometric)
    dataset = pydicom.dcmread(path)
    dataset.PlanarConfiguration = planar
    dataset.PixelData = (stored.transpose(2, 0, 1) if planar else stored).tobytes()
    dataset.save_as(path)
    np.testing.assert_allclose(opened(path).pixels[0].astype(int), COLOUR.astype(int), atol=3)


def test_dicom_colour_of_half_the_columns(tmp_path: Path) -> None:
    smooth = np.repeat(COLOUR[:, ::2], 2, axis=1)
    full = convert_color_space(smooth, "RGB", "YBR_FULL")
    half = np.stack([full[:, ::2, 0], full[:, 1::2, 0], full[:, ::2, 1], full[:, ::2, 2]], axis=-1)
    path = write(tmp_path / "a.dcm", smooth, modality="US", PhotometricInterpretation="YBR_FULL_422")
    dataset = pydicom.dcmread(path)
    dataset.PixelData = half.tobytes()
    dataset.save_as(path)
    np.testing.assert_allclose(opened(path).pixels[0].astype(int), smooth.astype(int), atol=3)


@pytest.mark.parametrize("bits", [8, 16])
def test_dicom_palette(tmp_path: Path, bits: int) -> None:
    table = np.random.default_rng(2).integers(0, 1 << bits, (3, 256))
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in zip(("Red", "Green", "Blue"), table, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        elements[f"{name}PaletteColorLookupTableData"] = values.astype(f"<u{bits // 8}").tobytes()
    path = write(tmp_path / "a.dcm", NOISE, modality="US", **elements)
    expected = apply_color_lut(NOISE, pydicom.dcmread(path)).astype(int) >> (bits - 8)
    np.testing.assert_allclose(opened(path).pixels[0].astype(int), expected, atol=1)


def test_a_jpeg_without_markers_is_what_the_header_says(tmp_path: Path) -> None:
    """Neither JFIF nor Adobe marker, and RGB in the header: as dcmtk and GDCM take it."""
    import io

    from pydicom.encaps import encapsulate

    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32, 0], halves[:, 32:, 2] = 255, 255
    stream = io.BytesIO()
    Image.fromarray(halves).save(stream, "JPEG", quality=95, subsampling=2)
    coded = stream.getvalue()
    length = int.from_bytes(coded[4:6], "big")
    coded = coded[:2] + coded[4 + length :]  # what Pillow wrote is YCbCr, whatever the header says
    path = write(tmp_path / "a.dcm", halves, modality="US")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    dataset.PixelData = encapsulate([coded])
    dataset.save_as(path)
    luminance = np.asarray(Image.fromarray(halves).convert("YCbCr"))
    np.testing.assert_allclose(opened(path).pixels[0][:, 8:24].astype(int), luminance[:, 8:24].astype(int), atol=6)


def test_what_is_refused_says_why(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", COLOUR, modality="US", PhotometricInterpretation="CMYK")
    (entry,) = files.scan([path])
    if isinstance(entry, Rejected):
        assert "CMYK" in entry.reason
    else:
        pytest.fail("CMYK was read as something else")
