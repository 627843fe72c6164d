"""PNG, JPEG, BMP and TIFF: what the pixels become."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series, Shape, State, Volume


def opened(path: Path) -> Volume:
    (found,) = files.scan([path])
    assert isinstance(found, Series), found
    return files.read(found)


def written(path: Path, pixels: NDArray[Any]) -> Path:
    """pixels as OpenCV wants them: gray, BGR or BGRA."""
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


@pytest.fixture
def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_gray_pictures_are_read_as_they_are(tmp_path: Path, noise: NDArray[np.uint8], suffix: str) -> None:
    volume = opened(written(tmp_path / f"a{suffix}", noise))
    assert volume.series.channels == 1
    assert volume.geometry.shape == (1, 40, 50)
    assert volume.geometry.pixel_spacing is None
    np.testing.assert_array_equal(volume.pixels[0], noise)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg"])
def test_three_equal_channels_become_one(tmp_path: Path, noise: NDArray[np.uint8], suffix: str) -> None:
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    volume = opened(written(tmp_path / f"a{suffix}", np.dstack([smooth] * 3)))
    assert (volume.series.channels, volume.pixels.ndim) == (1, 3)
    np.testing.assert_allclose(volume.pixels[0], smooth, atol=6 if suffix == ".jpg" else 0)


def test_colour_comes_as_rgb(tmp_path: Path) -> None:
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 2] = 200  # OpenCV's order is BGR
    volume = opened(written(tmp_path / "a.png", red))
    assert volume.series.channels == 3
    assert volume.series.colour is True
    assert volume.pixels.shape == (1, 4, 5, 3)
    assert volume.pixels[0, 0, 0].tolist() == [200, 0, 0]


def test_sixteen_bit_gray_keeps_its_bits(tmp_path: Path) -> None:
    values = np.arange(0, 60000, 1000, dtype=np.uint16).reshape(6, 10)
    volume = opened(written(tmp_path / "a.png", values))
    assert volume.pixels.dtype == np.uint16
    np.testing.assert_array_equal(volume.pixels[0], values)


def test_white_hidden_under_transparent_pixels_becomes_black(tmp_path: Path) -> None:
    pixels = np.full((4, 6, 4), 255, np.uint8)
    pixels[:, :3, :3] = 90
    pixels[:, 3:, 3] = 0
    pixels[0, 0, 3] = 128
    volume = opened(written(tmp_path / "a.png", pixels))
    assert volume.series.channels == 1
    assert volume.pixels[0, 1].tolist() == [90, 90, 90, 0, 0, 0]
    assert volume.pixels[0, 0, 0] == 45


def test_pages_of_a_tiff_are_a_stack_that_is_no_volume(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    cv2.imwritemulti(str(tmp_path / "a.tif"), [noise, 255 - noise, noise])
    volume = opened(tmp_path / "a.tif")
    assert volume.series.shape is Shape.STACK
    assert "pages of one file" in volume.series.not_volume
    np.testing.assert_array_equal(volume.pixels[1], 255 - noise)


def test_a_float_tiff_keeps_its_values(tmp_path: Path) -> None:
    values = np.linspace(-3, 5, 20, dtype=np.float32).reshape(4, 5)
    volume = opened(written(tmp_path / "a.tif", values))
    assert volume.pixels.dtype == np.float32
    np.testing.assert_allclose(volume.pixels[0], values)


def test_published_breast_images_with_hidden_white_are_black_there(data: Path) -> None:
    folder = data / "bus" / "BrEaST-quarter"
    pictures = sorted(p for p in folder.rglob("*.png"))
    assert pictures
    hidden = 0
    for path in pictures:
        raw = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        if raw.ndim == 3 and raw.shape[2] == 4 and (under := raw[raw[..., 3] == 0]).size and under[:, :3].any():
            hidden += 1
            volume = opened(path)
            assert not volume.pixels[0][raw[..., 3] == 0].any()
    assert hidden >= 1


def test_every_picture_of_the_public_sets_is_accepted(data: Path) -> None:
    for name in ("BUS-BRA-original", "BUSI-sample", "BrEaST-quarter"):
        found = list(files.scan([data / "bus" / name]))
        assert sum(isinstance(f, Series) for f in found) >= 40
        assert not [f for f in found if isinstance(f, Rejected) and f.state is not State.SKIPPED]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    from PIL import Image, ImageOps

    values = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40, np.ones((32, 32), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(tmp_path / f"a{suffix}", exif=exif, quality=100)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / f"a{suffix}")))
    got = opened(tmp_path / f"a{suffix}").pixels[0]
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_numbers_of_a_tiff_that_grow_towards_black_are_turned(tmp_path: Path, kind: type) -> None:
    from PIL import Image

    values = np.arange(64 * 96).reshape(64, 96) % 256
    values = values.astype(kind) * (np.iinfo(kind).max // 255)
    stored = values if kind is np.uint8 else np.iinfo(kind).max - values  # Pillow turns 8 bits when it writes them
    Image.fromarray(stored).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert (opened(tmp_path / "a.tif").pixels[0] == values).all()


def test_a_bmp_whose_alpha_is_all_zero_is_not_transparent(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
    alpha = np.dstack([colour, np.zeros((16, 20), np.uint8)])
    cv2.imwrite(str(tmp_path / "a.bmp"), alpha)
    assert (opened(tmp_path / "a.bmp").pixels[0] == colour[..., ::-1]).all()


def _tiff(values: NDArray[np.generic], packed: bytes, bits: int, kind: int, photometric: int = 1) -> bytes:
    """A TIFF of one strip by hand. kind: SampleFormat, 1 for unsigned, 3 for floating point."""
    rows, columns = values.shape
    entries = [
        (256, 3, columns), (257, 3, rows), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 8), (277, 3, 1),
        (278, 3, rows), (279, 4, len(packed)), (339, 3, kind),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    return struct.pack("<2sHI", b"II", 42, 8 + len(packed)) + packed + directory + bytes(4)


@pytest.mark.parametrize("photometric", [0, 1])
def test_a_tiff_of_four_bits_spans_black_to_white(tmp_path: Path, noise: NDArray[np.uint8], photometric: int) -> None:
    values = noise >> 4
    packed = (values[:, ::2] << 4 | values[:, 1::2]).tobytes()
    (tmp_path / "a.tif").write_bytes(_tiff(values, packed, 4, 1, photometric))
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    right = values * 17
    assert (files.read(series).pixels[0] == (right if photometric else 255 - right)).all()


def test_a_tiff_of_half_floats_keeps_its_values(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    values = (noise / 7).astype(np.float16)
    (tmp_path / "a.tif").write_bytes(_tiff(values, values.tobytes(), 16, 3))
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert (files.read(series).pixels[0] == values.astype(np.float32)).all()


def test_pages_of_another_size_are_left_out_and_counted(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    pages = [noise, 255 - noise, noise[:10, :20]]
    cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert (files.read(series).pixels == np.stack(pages[:2])).all()
    assert series.warnings == ("1 of its 3 pages have another size or type and are left out",)
