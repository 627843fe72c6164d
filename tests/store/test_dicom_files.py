"""Files of DICOM objects: whole or not there, none written over that was not asked for, one clear line for a fault."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

import pydicom
import pytest
import read_cases

from cadviewer import atomic
from cadviewer.store import export
from cadviewer.store.reading import Reading

FORMATS = ("sr", "seg", "gsps", "sc")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> read_cases.ReadCase:
    return read_cases.ct(tmp_path_factory.mktemp("given") / "ct")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_is_full_at_any_file_leaves_what_was_there(
    name: str, case: read_cases.ReadCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.write(case.report, case.volume, case.reading, tmp_path / "a" / "x.dcm", name)
    files = len(list((tmp_path / "a").iterdir()))
    assert files >= 2
    write, folder = atomic.write_bytes, tmp_path / "b"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    for full_at in range(files):
        calls: list[Path] = []

        def some(path: Path, content: bytes, calls: list[Path] = calls, full_at: int = full_at) -> None:
            calls.append(path)
            if len(calls) > full_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(path, content)

        monkeypatch.setattr(atomic, "write_bytes", some)
        with pytest.raises(OSError, match="No space left"):
            export.write(case.report, case.volume, case.reading, folder / "x.dcm", name)
        assert contents(folder) == {"mine.txt": b"mine"}


def test_a_folder_that_takes_nothing_is_said(case: read_cases.ReadCase, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        export.write(case.report, case.volume, case.reading, tmp_path / "file" / "x.dcm", "sr")


def test_only_the_file_that_was_named_is_written_over(case: read_cases.ReadCase, tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    export.write(case.report, case.volume, case.reading, path, "sr")
    first = contents(tmp_path)
    export.write(case.report, case.volume, case.reading, path, "sr")  # a second reader, or again
    second = contents(tmp_path)
    assert second["x-model.dcm"] == first["x-model.dcm"]
    assert second["x.dcm"] != first["x.dcm"]
    assert set(second) == {"x.dcm", "x-model.dcm", "x-model (2).dcm"}


def test_a_case_of_which_nothing_was_accepted_is_not_written_as_read(case: read_cases.ReadCase, tmp_path: Path) -> None:
    for reading in (None, Reading()):
        with pytest.raises(export.ExportError, match="no finding was accepted"):
            export.write(case.report, case.volume, reading, tmp_path / "x.dcm", "sr")
    assert list(tmp_path.iterdir()) == []


def test_no_fault_of_a_header_quotes_it(tmp_path: Path) -> None:
    case = read_cases.ultrasound(tmp_path / "us.dcm")
    broken = pydicom.dcmread(tmp_path / "us.dcm")
    del broken.Rows
    broken.save_as(tmp_path / "us.dcm")
    with pytest.raises(export.ExportError) as caught:
        export.write(case.report, case.volume, case.reading, tmp_path / "x.dcm", "sr")
    assert "Doe" not in str(caught.value)
    assert "\n" not in str(caught.value)
    (tmp_path / "us.dcm").unlink()
    with pytest.raises(OSError, match="No such file"):
        export.write(case.report, case.volume, case.reading, tmp_path / "x.dcm", "sr")
    assert not (tmp_path / "x.dcm").exists()


def test_values_that_no_object_may_hold_are_left_out(tmp_path: Path) -> None:
    case = read_cases.ultrasound(tmp_path / "us.dcm")
    loose = pydicom.dcmread(tmp_path / "us.dcm")
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    loose.StudyDate, loose.PatientSex, loose.AccessionNumber = "31.1.2024", "female", "A" * 40
    loose.StudyTime, loose.PatientBirthDate, loose.PatientName = "noon", "unknown", "Long^" * 40
    loose.save_as(tmp_path / "us.dcm")
    for name in FORMATS:
        export.write(case.report, case.volume, case.reading, tmp_path / name / "x.dcm", name)
        made = pydicom.dcmread(tmp_path / name / "x.dcm")
        assert made.StudyDate == made.PatientSex == made.AccessionNumber == made.PatientBirthDate == ""


def test_a_batch_writes_what_the_model_found(case: read_cases.ReadCase, tmp_path: Path) -> None:
    report = dataclasses.replace(case.report, case="0123456789abcdef")
    for name in FORMATS:
        written = export.load(name).write_case
        assert written is not None
        written(report, case.volume, tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        assert files
        for path in files:
            assert path.name.startswith("0123456789abcdef-model")
            assert "model, not reviewed" in pydicom.dcmread(path).SeriesDescription
