"""Names of patients in the character sets of DICOM (PS3.3 C.12.1.1.2), and files that name none or a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from cadviewer.imaging import files
from cadviewer.imaging.series import Series

SHARED_UID = generate_uid()


def _write(path: Path, character_set: str, name: bytes, patient_id: bytes = b"T1") -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    image = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.Modality, image.SeriesInstanceUID, image.StudyInstanceUID = "CT", SHARED_UID, "1.2.3"
    image.Rows, image.Columns, image.SamplesPerPixel, image.PhotometricInterpretation = 8, 8, 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PixelData = bytes(64)
    for tag, kind, raw in (
        (0x00080005, "CS", character_set.encode()),
        (0x00100010, "PN", name),
        (0x00100020, "LO", patient_id),
    ):
        if raw:
            even = raw + b" " * (len(raw) % 2)
            image[tag] = RawDataElement(Tag(tag), kind, len(even), even, 0, False, True)
    image.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    ("character_set", "raw", "name"),
    [
        ("ISO_IR 192", "Müller^Jörg".encode(), "Müller Jörg"),
        ("ISO_IR 100", "Jérôme".encode("latin-1"), "Jérôme"),
        ("", "Jérôme".encode(), "Jérôme"),
        ("", "Jérôme".encode("latin-1"), "Jérôme"),
        ("ISO_IR 6", "Jérôme".encode(), "Jérôme"),
        ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang XiaoDong=张 小东"),
        ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong Gildong=洪 吉洞"),
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada Tarou=山田 太郎"),
    ],
)
def test_a_name_is_read_in_its_character_set(tmp_path: Path, character_set: str, raw: bytes, name: str) -> None:
    _write(tmp_path / "a.dcm", character_set, raw)
    (series,) = files.scan([tmp_path])
    assert isinstance(series, Series)
    assert series.patient.name == name


@pytest.mark.parametrize("character_set", ["", "ISO_IR 192", "\\ISO 2022 IR 87"])
def test_two_patients_under_one_series_uid_are_apart_in_any_character_set(tmp_path: Path, character_set: str) -> None:
    for number in (1, 2):
        _write(tmp_path / f"{number}.dcm", character_set, b"Same^Name", f"ID{number}".encode())
    assert sorted(s.patient.patient_id for s in files.scan([tmp_path]) if isinstance(s, Series)) == ["ID1", "ID2"]
