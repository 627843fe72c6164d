"""What a header says of an examination, read where it may be damaged, and never an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_made import FLAT, item, opened, write

from cadviewer.imaging import examination
from cadviewer.imaging.examination import NOTHING


def test_it_says_how_an_image_was_made_and_for_whom(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.dcm",
        FLAT,
        ConvolutionKernel=["B70f", "2"],
        KVP="120",
        SliceThickness="1.25",
        ContrastBolusAgent="Iodine",
        AccessionNumber="A-1",
        SpecificCharacterSet="ISO_IR 192",
        ReferringPhysicianName="Müßig^Jörg^^Dr.",
        InstitutionName="Klinik\nNord",
        Manufacturer="Maker",
        ManufacturerModelName="Model",
    )
    found = examination.of_series(opened(path).series)
    assert (found.kernel, found.kvp, found.thickness_mm) == ("B70f\\2", 120.0, 1.25)
    assert (found.contrast, found.accession, found.referring) == ("Iodine", "A-1", "Müßig, Jörg Dr.")
    assert (found.institution, found.scanner) == ("Klinik Nord", "Maker Model")
    assert repr(found) == "Examination(hidden)"


def test_a_multi_frame_image_says_it_in_its_groups(tmp_path: Path) -> None:
    shared = item(
        CTReconstructionSequence=[item(ConvolutionKernel="Br40")],
        CTXRayDetailsSequence=[item(KVP="100")],
        PixelMeasuresSequence=[item(SliceThickness="2", PixelSpacing=["1", "1"])],
    )
    path = write(tmp_path / "a.dcm", FLAT[None].repeat(2, 0), SharedFunctionalGroupsSequence=[shared])
    found = examination.of_series(opened(path).series)
    assert (found.kernel, found.kvp, found.thickness_mm) == ("Br40", 100.0, 2.0)


@pytest.mark.parametrize("kvp", ["", "nan", "-5", "high"])
def test_a_number_that_is_none_is_not_said(tmp_path: Path, kvp: str) -> None:
    path = write(tmp_path / "a.dcm", FLAT, KVP="120")
    raw = path.read_bytes()
    if kvp:
        raw = raw.replace(b"120 ", kvp.ljust(4).encode())
    path.write_bytes(raw)
    assert examination.of_series(opened(path).series).kvp == (120.0 if not kvp else None)


def test_a_file_that_is_gone_or_another_by_now_says_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", FLAT, KVP="120")
    series = opened(path).series
    path.write_bytes(b"no DICOM any more")
    assert examination.of_series(series).kvp is None
    path.unlink()
    assert examination.of_series(series) == NOTHING
