"""Headers of every kind, drawn by Hypothesis: read as they mean, or refused with a reason; and as other readers do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_headers import NIFTI_MM, Made, dicoms, metaimages, niftis, nrrds

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series

FORMATS: dict[str, Callable[..., st.SearchStrategy[Made]]] = {
    "MetaImage": metaimages,
    "NRRD": nrrds,
    "NIfTI": niftis,
    "DICOM": dicoms,
}
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


def check(made: Made) -> str:
    """ "read" or why it was refused. Raises AssertionError for a silent difference."""
    entries = list(files.scan([made.file]))
    found = [e for e in entries if isinstance(e, Series)]
    if not found:
        reasons = [e.reason for e in entries if isinstance(e, Rejected)]
        assert reasons, made.described
        assert all(reasons), made.described
        return reasons[0]
    (series,) = found
    volume = files.read(series)
    geometry = series.geometry
    assert geometry.placed, made.described
    assert sorted(geometry.shape) == sorted(made.pixels.shape), made.described
    k, j, i = np.indices(made.pixels.shape).reshape(3, -1)
    points = made.origin + (made.axes @ np.stack([i, j, k]).astype(float)).T
    at = geometry.to_index(points)
    nearest = np.rint(at).astype(int)
    assert np.abs(at - nearest).max() < 0.05, made.described
    # The same rounding over five voxels; other headers are read to the thousandth of a millimetre
    rounding = 0.02 if "qform" in made.described else 1e-3
    assert np.abs(geometry.to_patient(nearest) - points).max() < rounding, made.described
    values = volume.pixels[tuple(nearest.T)].astype(float)
    np.testing.assert_allclose(values, made.pixels[k, j, i], rtol=1e-6, atol=1e-3, err_msg=made.described)
    return "read"


def independent(made: Made) -> None:
    """That the file is what the test takes it for, by readers that others wrote."""
    if made.file.name.startswith(("a.nii", "a.hdr")):
        import nibabel

        image: Any = nibabel.load(made.file)
        values = np.asarray(image.get_fdata()).reshape(image.shape[:3]).transpose(2, 1, 0)
        mm = NIFTI_MM[int(image.header["xyzt_units"]) & 7]  # which nibabel leaves to its caller
        affine = np.diag([-mm, -mm, mm, 1.0]) @ image.affine
        # A quaternion's first part is the root of what three numbers of single precision leave of 1: near half a turn
        # it is known to 5e-4, and the turn to 1e-3 radians, here of voxels of up to 6 mm
        rounding = 6e-3 if "qform" in made.described else 2e-4
        np.testing.assert_allclose(affine[:3, :3], made.axes, atol=rounding)
        np.testing.assert_allclose(affine[:3, 3], made.origin, atol=2e-4)
    elif made.file.is_dir():
        import pydicom
        from pydicom.pixels import apply_rescale

        datasets = [pydicom.dcmread(path) for path in sorted(made.file.iterdir())]
        values = np.stack([apply_rescale(d.pixel_array, d) for d in datasets])
    else:
        import SimpleITK as sitk

        read = sitk.ReadImage(str(made.file))
        values = sitk.GetArrayFromImage(read)
        axes = np.array(read.GetDirection()).reshape(3, 3) * np.array(read.GetSpacing())
        np.testing.assert_allclose(axes, made.axes, atol=1e-5)
        np.testing.assert_allclose(read.GetOrigin(), made.origin, atol=1e-5)
    np.testing.assert_allclose(values.astype(float), made.pixels, rtol=1e-6, atol=1e-3)


def _run(name: str, examples: int) -> dict[str, int]:
    told: dict[str, int] = {}

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=SUPPRESSED)
    @given(st.data())
    def one(data: st.DataObject) -> None:
        with tempfile.TemporaryDirectory() as folder:
            made = data.draw(FORMATS[name](Path(folder)))
            independent(made)
            said = check(made)
            told[said] = told.get(said, 0) + 1

    one()
    return told


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_header_is_read_as_it_means(name: str) -> None:
    told = _run(name, 40)
    assert told.get("read", 0) > 30, told


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FORMATS))
def test_ten_thousand_headers_are_read_as_they_mean(name: str) -> None:
    told = _run(name, 3400)
    assert told.get("read", 0) > 3000, told
