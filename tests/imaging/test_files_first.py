"""Reading what most people have: a DICOM folder, an mhd, PNGs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import SimpleITK as sitk

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series, Shape, State


def only(found: list[Series | Rejected]) -> Series:
    assert len(found) == 1, found
    assert isinstance(found[0], Series), found
    return found[0]


def test_the_real_chest_ct_is_one_volume_sorted_along_its_normal(chest_ct_99: Path) -> None:
    series = only(list(files.scan([chest_ct_99])))
    assert series.shape is Shape.VOLUME
    assert series.geometry.shape == (99, 512, 512)
    assert series.geometry.spacing == (3.0, 0.564453125, 0.564453125)
    assert [s.instance_number for s in series.slices] == list(range(99, 0, -1))
    assert series.hounsfield
    volume = files.read(series)
    assert volume.pixels.dtype == np.int16
    assert -1024 <= volume.pixels.min() < -900


def test_the_same_scan_as_mhd_has_the_same_geometry_and_pixels(chest_ct_99: Path, tmp_path: Path) -> None:
    dicom = files.read(only(list(files.scan([chest_ct_99]))))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(f) for f in dicom.series.files])
    sitk.WriteImage(reader.Execute(), str(tmp_path / "ct.mhd"))
    mhd = files.read(only(list(files.scan([tmp_path]))))
    assert mhd.series.hounsfield
    np.testing.assert_array_equal(mhd.pixels, dicom.pixels)
    corner = np.array([98, 511, 511])
    np.testing.assert_allclose(mhd.geometry.to_patient(corner), dicom.geometry.to_patient(corner), atol=1e-4)


def test_a_folder_of_pngs_is_never_stacked(tmp_path: Path) -> None:
    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((10, 12), k, np.uint8))
    found = list(files.scan([tmp_path]))
    assert [isinstance(s, Series) and s.shape for s in found] == [Shape.IMAGE] * 3


def test_a_text_renamed_png_fails_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not a picture")
    (found,) = files.scan([tmp_path])
    assert isinstance(found, Rejected)
    assert found.state is State.FAILED
    assert "not an image although named .png" in found.reason


def test_a_plain_series_is_opened_without_pydicom_simpleitk_and_opencv(chest_ct_99: Path) -> None:
    """Their imports take longer than the reading: the first image must not wait for them."""
    code = (
        "import sys; from pathlib import Path; from cadviewer.imaging import files\n"
        "(series,) = files.scan([Path(sys.argv[1])]); files.read(series)\n"
        "assert not {'pydicom', 'SimpleITK', 'cv2'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code, str(chest_ct_99)], check=True)
