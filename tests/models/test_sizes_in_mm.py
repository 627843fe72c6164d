"""Millimetres are those that a file says: a lesion at three pixel sizes, a ball in a CT with a tilted gantry."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from dicom_made import opened, region, write
from numpy.typing import NDArray
from pydicom.sequence import Sequence

from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.imaging.series import Series
from cadviewer.models import catalogue
from cadviewer.models.breast import analysis as breast
from cadviewer.models.nets.runtime import TorchForward, build
from cadviewer.phantoms.phantom import breast_ultrasound


def _calibrated(path: Path, image: NDArray[np.uint8], mm: float) -> Path:
    rows, columns = image.shape
    whole = region(delta=mm / 10, corners=(0, 0, columns, rows))
    return write(
        path,
        image,
        sop_class="1.2.840.10008.5.1.4.1.1.6.1",
        modality="US",
        SequenceOfUltrasoundRegions=Sequence([whole]),
    )


def test_the_same_image_at_three_pixel_sizes_has_one_call_and_three_lengths(tmp_path: Path) -> None:
    card = catalogue.default(Task.BREAST)
    forward = TorchForward(build(card), "cpu")
    image = breast_ultrasound(2, malignant=True)[0]
    found = [
        breast.assess(opened(_calibrated(tmp_path / f"{k}.dcm", image, 0.05 * 2**k)), forward, card).findings[0]
        for k in range(3)
    ]
    assert len({f.call for f in found}) == 1
    assert all(f.probability == found[0].probability for f in found)
    lengths = [f.long_mm for f in found]
    assert lengths[0] is not None
    assert lengths[0] > 3
    assert lengths == pytest.approx([lengths[0], 2 * lengths[0], 4 * lengths[0]], rel=1e-6)
    assert found[2].area_mm2 == pytest.approx(16 * (found[0].area_mm2 or 0), rel=1e-6)


@pytest.mark.parametrize("flat", [2, 0.5])
def test_pixels_that_are_not_square_are_shown_to_the_network_as_square_ones(tmp_path: Path, flat: float) -> None:
    """The same breast stored with half as many rows, or columns: the same answer, and the mask where the lesion is."""
    card = catalogue.default(Task.BREAST)
    forward = TorchForward(build(card), "cpu")
    image = breast_ultrasound(2, malignant=True)[0]
    rows, columns = image.shape
    size = (columns, rows // 2) if flat == 2 else (columns // 2, rows)
    stored = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    ratio = [2, 1] if flat == 2 else [1, 2]
    path = write(tmp_path / "flat.dcm", stored, modality="US", PixelAspectRatio=ratio)
    (whole,) = breast.assess(opened(write(tmp_path / "whole.dcm", image, modality="US")), forward, card).findings
    found = breast.assess(opened(path), forward, card)
    (finding,) = found.findings
    assert finding.call is whole.call
    assert finding.probability is not None
    assert whole.probability is not None
    assert finding.probability.value == pytest.approx(whole.probability.value, abs=0.05)
    assert finding.mask is not None
    assert whole.mask is not None
    assert finding.mask.shape == stored.shape
    back = cv2.resize(finding.mask, (columns, rows), interpolation=cv2.INTER_NEAREST) > 0
    assert 2 * (back & (whole.mask > 0)).sum() / (back.sum() + (whole.mask > 0).sum()) > 0.93
    assert not any("square" in line for line in found.warnings)


@pytest.mark.parametrize("name", ["tilt.nrrd", "tilt.mha"])
def test_a_ball_under_a_tilted_gantry_has_its_volume(tmp_path: Path, name: str) -> None:
    """Slices are 2.5 mm apart along their normal, however long the step from one to the next is."""
    tilt = math.tan(math.radians(20))
    z, y, x = np.mgrid[:21, :64, :64].astype(float)
    inside = (x - 32) ** 2 + (y - 32 + (z - 10) * 2.5 * tilt) ** 2 + ((z - 10) * 2.5) ** 2 < 100
    pixels = np.where(inside, 40, -1000).astype("<i2")
    if name.endswith("nrrd"):
        head = (
            "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 64 64 21\n"
            f"space directions: (1,0,0) (0,1,0) (0,{2.5 * tilt:.6f},2.5)\nspace origin: (0,0,0)\n"
            "kinds: domain domain domain\nendian: little\nencoding: raw\n\n"
        )
    else:
        turned = f"1 0 0 0 1 0 0 {math.sin(math.radians(20)):.6f} {math.cos(math.radians(20)):.6f}"
        head = (
            f"ObjectType = Image\nNDims = 3\nTransformMatrix = {turned}\nOffset = 0 0 0\n"
            f"ElementSpacing = 1 1 {2.5 / math.cos(math.radians(20)):.6f}\nDimSize = 64 64 21\n"
            "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        )
    path = tmp_path / name
    path.write_bytes(head.encode() + pixels.tobytes())
    (series,) = files.scan([path])
    assert isinstance(series, Series)
    assert series.geometry.slice_spacing == pytest.approx(2.5, abs=1e-4)
    volume = files.read(series)
    row, column = series.geometry.pixel_spacing or (0, 0)
    measured = int((volume.pixels > -500).sum()) * row * column * (series.geometry.slice_spacing or 0)
    assert measured == pytest.approx(4098, rel=0.02)
