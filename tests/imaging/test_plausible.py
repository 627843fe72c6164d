"""Headers that claim what cannot be: unknown then, with a warning; or refused before memory is taken by their word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.plausible import checked
from cadviewer.imaging.series import InputError, Series, Shape, SliceInfo


@pytest.mark.parametrize("name", ["v.mha", "v.nrrd", "v.nii"])
@pytest.mark.parametrize(("spacing", "known"), [(1e30, False), (1e-30, False), (0.7, True), (500.0, True)])
def test_millimetres_that_cannot_be_are_unknown(tmp_path: Path, name: str, spacing: float, known: bool) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((3, 8, 9), np.int16))
    image.SetSpacing((spacing, spacing, 2.0))
    SimpleITK.WriteImage(image, str(tmp_path / name))
    (found,) = files.scan([tmp_path / name])
    assert isinstance(found, Series)
    if known:
        assert found.geometry.pixel_spacing == pytest.approx((spacing, spacing))
    else:
        assert found.geometry.pixel_spacing is None
        assert any("cannot be" in w for w in found.warnings)
    assert files.read(found).pixels.shape == (3, 8, 9)


def series(file: Path, geometry: Geometry, dtype: Any = np.float32) -> Series:
    return Series(file, "sitk", (SliceInfo(file),), geometry, Shape.VOLUME, np.dtype(dtype))


def test_slices_and_places_that_cannot_be_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x")
    sound = Geometry((2, 3, 4), (1.0, 1.0), 2.0, (0.0, 0.0, 0.0), ((0, 0, 1.0), (0, 1.0, 0), (1.0, 0, 0)))
    assert checked(series(file, sound)).geometry == sound
    far = checked(series(file, replace(sound, origin=(0.0, 1e38, 0.0))))
    assert far.geometry.origin is None
    apart = checked(series(file, replace(sound, slice_spacing=1e38)))
    assert apart.geometry.slice_spacing is None
    assert apart.geometry.pixel_spacing == (1.0, 1.0)
    assert [len(s.warnings) for s in (far, apart)] == [1, 1]


def test_more_pixels_than_a_file_can_hold_are_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(1000))
    with pytest.raises(InputError, match="claims 4 GiB of pixels"):
        checked(series(file, Geometry((1024, 1024, 1024))))
    assert checked(series(file, Geometry((60, 1024, 1024))))  # some 240 MiB of one value are well packed


def test_memory_that_cannot_be_had_is_the_files_reason(tmp_path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((3, 8, 9), np.int16)), str(tmp_path / "v.mha"))
    (found,) = files.scan([tmp_path / "v.mha"])
    assert isinstance(found, Series)

    def allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        raise MemoryError("Doe^John")

    with pytest.raises(InputError, match="more memory than there is"):
        files.read(found, allocate=allocate)
