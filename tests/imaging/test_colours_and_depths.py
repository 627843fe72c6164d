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


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_tiff_whose_pixels_are_differences(tmp_path: Path, mode: str, compression: str) -> None:
    path = tmp_path / "a.tif"
    _pictures()[mode].save(path, compression=compression, tiffinfo={317: 2})
    np.testing.assert_allclose(read(path).astype(float), by_pillow(path), atol=1)


@pytest.mark.parametrize("values", [NOISE, NOISE.astype(np.uint16) * 200, COLOUR], ids=["8", "16", "RGB"])
def test_tiff_in_tiles(tmp_path: Path, values: NDArray[Any]) -> None:
    """Tiles of 16 × 16, written by hand: Pillow writes strips alone."""
    path, samples = tmp_path / "a.tif", values.reshape(ROWS, COLUMNS, -1).shape[2]
    padded = np.zeros((32, 32, samples), values.dtype)
    padded[:ROWS, :COLUMNS] = values.reshape(ROWS, COLUMNS, samples)
    tiles = [padded[y : y + 16, x : x + 16].tobytes() for y in (0, 16) for x in (0, 16)]
    starts = [8 + sum(map(len, tiles[:k])) for k in range(4)]
    at = 8 + sum(map(len, tiles))
    arrays = struct.pack("<4I4I3H", *starts, *map(len, tiles), *[8 * values.itemsize] * 3)
    bits = (258, 3, samples, at + 32 if samples > 2 else 8 * values.itemsize)
    fields = [(256, 3, 1, COLUMNS), (257, 3, 1, ROWS), bits, (259, 3, 1, 1), (262, 3, 1, 2 if samples > 2 else 1)]
    fields += [(277, 3, 1, samples), (322, 3, 1, 16), (323, 3, 1, 16), (324, 4, 4, at), (325, 4, 4, at + 16)]
    entries = b"".join(struct.pack("<HHII", *field) for field in fields)
    directory = struct.pack("<H", len(fields)) + entries + b"\0\0\0\0"
    path.write_bytes(b"II*\0" + struct.pack("<I", at + len(arrays)) + b"".join(tiles) + arrays + directory)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), values)
    np.testing.assert_array_equal(read(path), values)


def test_png_of_sixteen_bits_in_colour(tmp_path: Path) -> None:
    """Shown in eight bits, as Pillow has it, or refused; never with the bytes of one number taken for two."""
    import cv2

    path = tmp_path / "a.png"
    cv2.imwrite(str(path), COLOUR[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_allclose(read(path).astype(float), by_pillow(path), atol=1)


@pytest.mark.parametrize("packed", [False, True])
def test_bmp_of_four_bits(tmp_path: Path, packed: bool) -> None:
    """Pillow writes none: 16 colours, two pixels a byte, or in runs (BI_RLE4)."""
    levels = NOISE // 16
    if packed:
        rows = [b"".join(bytes((2, int(v) << 4 | int(v))) for v in row[::2]) + b"\0\0" for row in levels[::-1]]
        levels = np.repeat(levels[:, ::2], 2, axis=1)
        data = b"".join(rows) + b"\0\1"
    else:
        data = b"".join(bytes((row[::2] << 4 | row[1::2]).tolist()) + b"\0" for row in levels[::-1])
    palette = b"".join(bytes((v, v, v, 0)) for v in range(0, 256, 17))
    head = struct.pack("<IiiHHIIiiII", 40, COLUMNS, ROWS, 1, 4, 2 if packed else 0, len(data), 0, 0, 16, 16)
    at = 14 + len(head) + len(palette)
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + head + palette + data)
    np.testing.assert_array_equal(read(path), levels * 17)


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


@pytest.mark.parametrize("high", [11, 13, 15])
def test_dicom_of_twelve_bits_at_any_place(tmp_path: Path, high: int) -> None:
    """ACR-NEMA and some plate readers put the stored bits at the top of the word (PS3.5 8.1.1: no longer allowed).

    GDCM and pydicom mask without shifting, so they are no reference here.
    """
    values = np.random.default_rng(3).integers(0, 1 << 12, (ROWS, COLUMNS), np.uint16)
    path = write(tmp_path / "a.dcm", values << (high - 11), modality="CR", BitsStored=12, HighBit=high)
    below = ((values.astype(np.int16) - 2048) << (high - 11)) & np.int16(2 ** (high + 1) - 1 if high < 15 else -1)
    signed = write(tmp_path / "b.dcm", below.astype(np.int16), modality="CR", BitsStored=12, HighBit=high)
    np.testing.assert_array_equal(opened(path).pixels[0], values)
    np.testing.assert_array_equal(opened(signed).pixels[0], values.astype(int) - 2048)


@pytest.mark.parametrize("above", [0, 0xF000])
def test_dicom_bits_above_the_stored_ones(tmp_path: Path, above: int) -> None:
    """Overlays of old scanners lie there (PS3.5 8.1.2 retired): they are not part of the value."""
    values = np.random.default_rng(3).integers(0, 1 << 12, (ROWS, COLUMNS), np.uint16)
    path = write(tmp_path / "a.dcm", values | np.uint16(above), modality="CR", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(opened(path).pixels[0], values)


@pytest.mark.parametrize("padding", [(0, None), (0, 3), (4095, 4090)])
def test_dicom_padding_is_no_value(tmp_path: Path, padding: tuple[int, int | None]) -> None:
    """PS3.3 C.7.5.1.1.2: the pixels from Pixel Padding Value to its range limit, both included, are not there."""
    values = np.random.default_rng(3).integers(0, 1 << 12, (ROWS, COLUMNS), np.uint16)
    value, limit = padding
    extent = sorted((value, value if limit is None else limit))
    values[:4, :5], values[8:10] = extent[0], extent[1]
    elements: dict[str, Any] = {"PixelPaddingValue": value}
    if limit is not None:
        elements["PixelPaddingRangeLimit"] = limit
    path = write(tmp_path / "a.dcm", values, BitsStored=12, HighBit=11, **elements)
    volume = opened(path)
    inside = (values < extent[0]) | (values > extent[1])
    np.testing.assert_array_equal(volume.pixels[0][inside], values[inside])
    stored = volume.series.slices[0].stored
    assert stored is not None
    told = stored.padding
    assert told is not None
    assert sorted(told) == extent


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
