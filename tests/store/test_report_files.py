"""Reports as files: the PDF read back, scripts and papers, key images, and nothing half-written."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pypdf
import pytest
from dicom_made import FLAT, opened, write
from report_cases import EXAMINATION, PATIENT, read_ct, read_ultrasound
from store_cases import breast_case, nodule_case, provenance, refused_case, volume

from cadviewer import atomic
from cadviewer.findings import Box, Nodule, Result, Task
from cadviewer.imaging.series import Patient
from cadviewer.store import export
from cadviewer.store.export import ExportError
from cadviewer.store.report import of_result
from cadviewer.store.reporting import fonts, pdf, templates, writing
from cadviewer.store.reporting.content import Report, report_of
from cadviewer.store.reporting.key_pictures import MOST, key_pictures
from cadviewer.store.reporting.pdf import Paper
from cadviewer.translations import words_of

EN = words_of("en")
NAMES = ("report", "report-text", "report-pdf")
WARNINGS = ("Missing attribute or value that would be needed to build DICOMDIR", "Retired Person Name form")
"""What dciodvfy may warn of: an image that names nobody, or a name without its parts, and so does what is about it."""
POINTS = {Paper.A4: (595.28, 841.89), Paper.LETTER: (612.0, 792.0)}


def whole(name: str = PATIENT.name) -> Report:
    case, reading = read_ct(with_prior=True)
    assert case.series is not None
    assert case.result is not None
    series = replace(case.series, patient=replace(PATIENT, name=name))
    return report_of(series, case.result, reading, examination=EXAMINATION)


def read_back(content: bytes) -> tuple[pypdf.PdfReader, str]:
    reader = pypdf.PdfReader(io.BytesIO(content))
    return reader, "\n".join(page.extract_text() for page in reader.pages)


@pytest.mark.parametrize("paper", list(Paper))
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_pdf_says_what_the_text_says_on_both_papers(paper: Paper, language: str) -> None:
    report, words = whole(), words_of(language)
    text = templates.render(report, words)
    reader, found = read_back(pdf.pdf_of(report, text, words, paper=paper))
    said = "".join(found.split())
    for line in text.splitlines():
        if not re.fullmatch(r"[-=]+", line):
            assert "".join(line.split())[:60] in said
    assert set(re.findall(r"\d+\.\d+", text)) <= set(re.findall(r"\d+\.\d+", found))
    assert len(reader.pages) > 1
    for number, page in enumerate(reader.pages, start=1):
        assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx(POINTS[paper], abs=0.1)
        assert f"{number} / {len(reader.pages)}" in page.extract_text()
        assert number == 1 or "Müller Jörg" in page.extract_text(), "every page says whose it is"


def test_the_pdf_has_the_key_images() -> None:
    case, _ = read_ct()
    assert case.series is not None
    report = whole()
    pictures = key_pictures(report, volume(case.series), EN)
    reader, text = read_back(pdf.pdf_of(report, templates.render(report, EN), EN, pictures))
    assert sum(len(page.images) for page in reader.pages) == len(pictures) == 4  # 1, A, 4 and the marked one
    assert "Finding 1, no. 2, window 1500/−600" in text


@pytest.mark.parametrize("name", ["Ångström Ğ", "Иванов", "Ελένη", "שלום", "<b>&amp;</b>", "x" * 3000, "a\u200bb"])
def test_names_that_the_shipped_font_covers_stand_in_the_pdf(name: str) -> None:
    report = whole(name)
    assert not fonts.missing(name, fonts.characters(fonts.REGULAR)) or name == "a\u200bb"
    reader, text = read_back(pdf.pdf_of(report, templates.render(report, EN), EN))
    letters = {c for c in name if c.isalnum()}
    assert letters <= set(text)
    assert "is not in any font" not in text
    assert len(reader.pages) < 8


def test_a_character_that_no_font_has_stands_as_its_number_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "substitutes", lambda wanted: ((), wanted))
    report = whole("张伟")
    _, text = read_back(pdf.pdf_of(report, templates.render(report, EN), EN))
    assert "[U+5F20][U+4F1F]" in text
    assert "2 characters are not in any font of this computer" in text


def test_a_font_of_the_computer_gives_what_the_shipped_one_lacks() -> None:
    found, lacking = fonts.substitutes(frozenset("张伟"))
    if lacking:
        pytest.skip("this computer has no Chinese font")
    assert found
    report = whole("张伟")
    _, text = read_back(pdf.pdf_of(report, templates.render(report, EN), EN))
    assert "张伟" in text


def test_paper_is_that_of_the_country(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_PAPER", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert writing.usual_paper() is Paper.A4
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert writing.usual_paper() is Paper.LETTER
    monkeypatch.setenv("LC_PAPER", "de_DE.UTF-8")
    assert writing.usual_paper() is Paper.A4


def test_a_key_image_shows_the_finding_marked_and_close_up() -> None:
    case, _ = read_ct()
    assert case.series is not None
    picture = key_pictures(whole(), volume(case.series), EN)[0]
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == (picture.height, picture.width)
    wide = picture.width // 2
    orange, sky = np.array((0, 159, 230)), np.array((233, 180, 86))
    box = int((np.abs(image[:, :wide].astype(int) - orange).sum(-1) < 120).sum())
    outline = int((np.abs(image[:, wide:].astype(int) - sky).sum(-1) < 120).sum())
    assert box > 50, "the box on the whole image"
    assert outline > 50, "the outline in the close-up"


def test_no_more_key_images_than_a_report_can_bear() -> None:
    case, _ = read_ct()
    assert case.series is not None
    report = whole()
    many = replace(report, findings=report.findings * 10)
    pictures = key_pictures(many, volume(case.series), EN)
    assert len(pictures) == MOST
    assert pictures[-1].caption.endswith(f"{10 * len(report.findings) + 2 - MOST} more key images are left out")


def test_without_pixels_there_are_no_key_images() -> None:
    assert key_pictures(whole(), None, EN) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_format_writes_a_case_of_the_window(name: str, tmp_path: Path) -> None:
    case, reading = read_ct()
    assert case.series is not None
    path = tmp_path / f"r{export.load(name).suffix}"
    export.write(case, volume(case.series), reading, path, name)
    content = path.read_bytes()
    text = read_back(content)[1] if name == "report-pdf" else content.decode()
    assert "Solid nodule on the right." in text
    assert os.listdir(tmp_path) == [path.name]


def test_a_batch_writes_html_and_text_of_each_case_and_none_of_what_failed(tmp_path: Path) -> None:
    write_case = export.load("report").write_case
    assert write_case is not None
    for case in (nodule_case(), breast_case(), refused_case()):
        write_case(case, volume(case.series) if case.series is not None else None, tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(f"{c.case}{s}" for c in (nodule_case(), breast_case()) for s in (".html", ".txt"))
    assert "read by nobody" in (tmp_path / f"{nodule_case().case}.txt").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_an_error_and_leaves_what_was_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, reading = read_ct()
    path = tmp_path / f"r{export.load(name).suffix}"
    path.write_bytes(b"before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export.write(case, None, reading, path, name)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == [path.name]


def test_a_case_without_a_result_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no result to report"):
        export.write(refused_case(), None, None, tmp_path / "r.txt", "report-text")
    assert not list(tmp_path.iterdir())


def test_the_patient_is_in_no_file_name(tmp_path: Path) -> None:
    case, _ = read_ultrasound()
    assert case.series is not None
    write_case = export.load("report-pdf").write_case
    assert write_case is not None
    write_case(replace(case, series=replace(case.series, patient=Patient("Secret"))), None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{case.case}.pdf"]


def of_kind(kind: str, folder: Path) -> Path:
    """Images of a kind, written into a folder."""
    who = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "Müßig^Jörg=山田",
        "PatientID": "7",
        "StudyDate": "20240131",
    }
    if kind == "CT":
        return write(folder / "a.dcm", FLAT, InstanceNumber=3, **who)
    if kind == "loop":
        us = "1.2.840.10008.5.1.4.1.1.3.1"
        return write(folder / "a.dcm", FLAT[None].repeat(3, 0).astype(np.uint8), sop_class=us, modality="US", **who)
    if kind == "hostile":
        with warnings.catch_warnings(action="ignore"):
            return write(folder / "a.dcm", FLAT, PatientName="<b>" * 90, PatientID="y" * 99, StudyDate="soon")
    cv2.imwrite(str(folder / "a.png"), np.full((40, 50), 90, np.uint8))
    return folder / "a.png"


@pytest.mark.parametrize("kind", ["CT", "loop", "hostile", "PNG"])
def test_encapsulated_the_pdf_joins_the_study_and_validates(kind: str, tmp_path: Path) -> None:
    shown = opened(of_kind(kind, tmp_path))
    series = shown.series
    result = Result(series.case_id, Task.NODULES, provenance(), (Nodule(1, (Box(0, 2.0, 2.0, 6.0, 6.0, 0.9),)),))
    path = tmp_path / "r.dcm"
    export.write(of_result(series, result, None), shown, None, path, "report-dicom")
    made = pydicom.dcmread(path)
    assert made.MIMETypeOfEncapsulatedDocument == "application/pdf"
    _, text = read_back(made.EncapsulatedDocument[: made.EncapsulatedDocumentLength])
    assert "Finding 1" in text
    if kind == "PNG":
        assert "UIDs generated" in made.SeriesDescription
        assert not made.PatientName
        export.write(of_result(series, result, None), shown, None, tmp_path / "again.dcm", "report-dicom")
        again = pydicom.dcmread(tmp_path / "again.dcm")
        assert again.StudyInstanceUID == made.StudyInstanceUID, "all objects of one image are of one study"
        assert again.SOPInstanceUID != made.SOPInstanceUID
    else:
        source = pydicom.dcmread(series.slices[0].file)
        assert made.StudyInstanceUID == source.StudyInstanceUID
        assert made.SeriesInstanceUID != source.SeriesInstanceUID
        assert made.SourceInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    if kind in ("CT", "loop"):
        assert str(made.PatientName) == "Müßig^Jörg=山田"
    if kind == "hostile":
        assert str(made.PatientName) == ("<b>" * 90)[:64]
    _validate(path)


def _validate(path: Path) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed")
    said = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, check=False).stderr
    lines = [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
    assert [line for line in lines if not any(known in line for known in WARNINGS)] == []
