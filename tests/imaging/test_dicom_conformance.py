"""Every file of the conformance set is shown with the right pixels, or turned away with a reason."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from cadviewer.imaging import files
from cadviewer.imaging.dicom.pixels import AIR
from cadviewer.imaging.dicom.reader import read_header
from cadviewer.imaging.series import Rejected, Series, State, Volume

LOSSY = (".50", ".51", ".53", ".55", ".81", ".91")
NOT_IMAGES = ("SEG", "RTDOSE", "SR", "RTPLAN", "RTSTRUCT")


@pytest.fixture(scope="module")
def index(data: Path) -> dict[str, dict[str, str]]:
    with (data / "dicom-conformance" / "index.csv").open() as stream:
        return {row["path"]: row for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def outcomes(dicom_conformance: Path, index: dict[str, dict[str, str]]) -> dict[str, Volume | Rejected]:
    """What becomes of each file when it is opened alone."""
    found: dict[str, Volume | Rejected] = {}
    for path in index:
        (item,) = files.scan([dicom_conformance / path])
        found[path] = files.read(item) if isinstance(item, Series) else item
    return found


def plain_pipeline(path: Path, volume: Volume) -> NDArray[Any] | None:
    """The same by pydicom alone, None where it cannot: pixels, tables, rescale, then frames in the volume's order."""
    dataset = pydicom.dcmread(path, force=True)
    try:
        array = dataset.pixel_array
    except (RuntimeError, NotImplementedError, AttributeError):
        return None
    frames = [s.frame for s in volume.series.slices]
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        array = apply_color_lut(array, dataset)
    array = array.reshape(volume.pixels.shape)[frames]
    if volume.series.channels == 3:
        return array >> 8 * (array.dtype.itemsize - 1)
    if "ModalityLUTSequence" in dataset:
        return apply_modality_lut(array, dataset)
    slopes = [(s.stored.slope, s.stored.intercept) for s in volume.series.slices if s.stored]
    values = np.stack([a * slope + intercept for a, (slope, intercept) in zip(array, slopes, strict=True)])
    padding = dataset.get("PixelPaddingValue")
    if volume.series.hounsfield and padding is not None:
        values[array == np.array(padding).astype(array.dtype)] = AIR
    return values


def test_every_image_is_shown_and_everything_else_says_why_not(
    outcomes: dict[str, Volume | Rejected], index: dict[str, dict[str, str]]
) -> None:
    for path, outcome in outcomes.items():
        row = index[path]
        if row["decode"].startswith("ok") and row["modality"] not in NOT_IMAGES:
            assert isinstance(outcome, Volume), (path, outcome)
        if isinstance(outcome, Rejected):
            assert outcome.reason, path
            assert "\n" not in outcome.reason
            assert "Traceback" not in outcome.reason
    kinds = Counter(o.state if isinstance(o, Rejected) else "shown" for o in outcomes.values())
    assert kinds == {"shown": 147, State.SKIPPED: 25, State.FAILED: 5}


def test_pixels_equal_those_of_the_plain_pipeline(
    outcomes: dict[str, Volume | Rejected], dicom_conformance: Path
) -> None:
    compared = 0
    for path, outcome in outcomes.items():
        if isinstance(outcome, Rejected):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = plain_pipeline(dicom_conformance / path, outcome)
        if expected is None:
            continue
        compared += 1
        slope = max(s.stored.slope if s.stored else 1.0 for s in outcome.series.slices)
        lossy = read_header(dicom_conformance / path).syntax.endswith(LOSSY)  # decoders may round differently
        tolerance = 2.01 * slope if lossy else 1e-6 * max(1.0, float(np.abs(expected).max()))
        difference = np.abs(outcome.pixels.astype(float) - expected).max()
        assert difference <= tolerance, (path, difference)
    assert compared >= 70  # more where pydicom finds plug-ins of its own for compressed pixels


def test_one_scan_of_the_folder_names_every_file_exactly_once(dicom_conformance: Path) -> None:
    present = [p for p in dicom_conformance.rglob("*") if p.is_file()]
    told: Counter[Path] = Counter()
    for item in files.scan([dicom_conformance]):
        told.update(item.files if isinstance(item, Series) else [item.source])
    assert set(told) == set(present)
    assert set(told.values()) == {1}


@pytest.mark.parametrize("name", ["CT1", "CT2", "MR1", "NM1", "XA1"])
def test_lossless_syntaxes_of_one_image_agree(outcomes: dict[str, Volume | Rejected], name: str) -> None:
    found = [outcomes[f"robyoung/data/WG04/{kind}/{name}_{kind}"] for kind in ("RLE", "J2KR", "JLSL", "JPLL")]
    first, *others = [v.pixels for v in found if isinstance(v, Volume)]
    assert len(others) == 3
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_twelve_bit_and_progressive_jpeg_look_like_the_image_they_were_made_from(
    outcomes: dict[str, Volume | Rejected],
) -> None:
    folder = "cs/testImages/CTImage.dcm"
    original = outcomes[folder]
    assert isinstance(original, Volume)
    for path in [p for p in outcomes if p.startswith(folder + "_JPEGProcess")]:
        volume = outcomes[path]
        assert isinstance(volume, Volume), path
        shown = original.pixels > -1000
        error = np.abs(volume.pixels.astype(float) - original.pixels)[shown].mean()
        assert error < (40 if "Process1T" in path else 15), (path, error)


def test_the_fast_header_walk_says_what_pydicom_says(dicom_conformance: Path, index: dict[str, dict[str, str]]) -> None:
    from cadviewer.imaging.dicom import dataset as dicom_dataset
    from cadviewer.imaging.dicom import header as dh

    walked = 0
    for path in index:
        file = dicom_conformance / path
        with file.open("rb") as stream:
            fast = dh.read_fast(file, file.stat().st_size, stream)
        if fast is None or path.endswith("too_short.dcm"):  # pydicom gives up on that one
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            slow = dicom_dataset.read_header(file, file.stat().st_size)
        walked += 1
        for tag in dh.WANTED - {dh.TRANSFER_SYNTAX, dh.PADDING, dh.PADDING_LIMIT}:
            assert fast.text(tag) == slow.text(tag), (path, hex(tag))
        assert (fast.syntax, fast.sequences, fast.has_pixels) == (slow.syntax, slow.sequences, slow.has_pixels)
        if fast.text(dh.PADDING):
            assert (int(fast.text(dh.PADDING)) - int(slow.text(dh.PADDING))) % 65536 == 0
    assert walked >= 130
