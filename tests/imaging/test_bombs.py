"""Files that grow without end, or go on without end, are refused within moments, with the true reason."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest

from cadviewer.imaging import contained, files
from cadviewer.imaging.dicom import deflated
from cadviewer.imaging.formats import tiff_pages
from cadviewer.imaging.series import Refusal, Rejected, Series, State
from cadviewer.phantoms.files import write_dicom_series, write_png
from cadviewer.phantoms.phantom import chest_ct


@pytest.fixture
def dicom(tmp_path: Path) -> bytes:
    volume = chest_ct(3, shape=(2, 24, 32), spacing=(20.0, 12.0, 12.0), nodules=()).volume
    return write_dicom_series(volume, tmp_path / "made")[0].read_bytes()


def scanned(file: Path, content: bytes) -> Series | Rejected:
    file.write_bytes(content)
    began = time.monotonic()
    (found,) = files.scan([file])
    assert time.monotonic() - began < 20  # on a machine that does much else
    return found


def deflated_dicom(tmp_path: Path, dicom: bytes, extra: int) -> bytes:
    """The image deflated, with so many zeros in a private element before its pixels."""
    (tmp_path / "plain.dcm").write_bytes(dicom)
    dataset = pydicom.dcmread(tmp_path / "plain.dcm")
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated.dcm")
    packed = (tmp_path / "deflated.dcm").read_bytes()
    meta = 144 + struct.unpack_from("<I", packed, 140)[0]
    plain = zlib.decompress(packed[meta:], -15)
    at = plain.find(b"\xe0\x7f\x10\x00")
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [plain[:at], struct.pack("<HH2sHI", 0x7FDF, 0x1001, b"OB", 0, extra)]
    parts += [bytes(1 << 20)] * (extra >> 20)
    return packed[:meta] + b"".join(pack.compress(p) for p in (*parts, plain[at:])) + pack.flush()


def test_a_deflated_file_that_would_fill_the_memory_is_refused(tmp_path: Path, dicom: bytes) -> None:
    found = scanned(tmp_path / "a.dcm", deflated_dicom(tmp_path, dicom, 200 << 20))
    assert isinstance(found, Rejected)
    assert (found.state, found.reason) == (
        State.REFUSED,
        "a deflated file that would unpack out of all proportion to its size",
    )


def test_a_sound_deflated_file_is_read(tmp_path: Path, dicom: bytes) -> None:
    found = scanned(tmp_path / "a.dcm", deflated_dicom(tmp_path, dicom, 1 << 20))
    assert isinstance(found, Series)
    assert files.read(found).pixels.shape == (1, 24, 32)
    deflated.check(tmp_path / "plain.dcm")


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_sequences_nested_without_end_are_damaged(tmp_path: Path, dicom: bytes, depth: int) -> None:
    sequence = b"\x40\x00\x30\xa7SQ\x00\x00\xff\xff\xff\xff"
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    at = dicom.find(b"\xe0\x7f\x10\x00OW")
    found = scanned(tmp_path / "a.dcm", dicom[:at] + (sequence + item) * depth)
    assert isinstance(found, Rejected)
    assert found.state is State.FAILED
    assert "damaged" in found.reason


def pages(count: int, *, big: bool = False, cycle: bool = False) -> bytes:
    """A TIFF whose directories are empty, one after the other."""
    first, size = (16, 16) if big else (8, 6)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI", b"II", 42, first)
    nexts = [first + size * (k + 1) for k in range(count - 1)] + [first if cycle else 0]
    return head + b"".join(struct.pack("<QQ" if big else "<HI", 0, n) for n in nexts)


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_too_many_pages_is_refused_before_it_is_decoded(tmp_path: Path, big: bool) -> None:
    found = scanned(tmp_path / "a.tif", pages(20_000, big=big))
    assert isinstance(found, Rejected)
    assert (found.state, found.reason) == (State.REFUSED, "a TIFF of more than 4096 pages")


def test_pages_that_go_round_in_a_circle_are_counted_once() -> None:
    tiff_pages.check(pages(tiff_pages.MOST))
    tiff_pages.check(pages(100, cycle=True))
    with pytest.raises(Refusal):
        tiff_pages.check(pages(tiff_pages.MOST + 1))


@pytest.mark.parametrize("side", [20_000, 30_000, 2**31 - 1])
def test_a_png_whose_header_claims_more_than_it_holds_fails(tmp_path: Path, side: int) -> None:
    data = bytearray(write_png(np.zeros((8, 8), np.uint8), tmp_path / "x.png").read_bytes())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    found = scanned(tmp_path / "a.png", bytes(data))
    assert isinstance(found, Rejected)
    assert found.state is State.FAILED


@pytest.mark.parametrize("syntax", ["ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian", "ExplicitVRLittleEndian"])
def test_frames_are_not_counted_on_a_headers_word(tmp_path: Path, dicom: bytes, syntax: str) -> None:
    (tmp_path / "plain.dcm").write_bytes(dicom)
    dataset = pydicom.dcmread(tmp_path / "plain.dcm")
    dataset.NumberOfFrames = 2_000_000_000
    uid = getattr(pydicom.uid, syntax)
    dataset.file_meta.TransferSyntaxUID = uid
    pydicom.dcmwrite(
        tmp_path / "a.dcm", dataset, implicit_vr=False, little_endian=uid.is_little_endian, force_encoding=True
    )
    found = scanned(tmp_path / "a.dcm", (tmp_path / "a.dcm").read_bytes())
    assert isinstance(found, Rejected)
    plain = syntax == "ExplicitVRLittleEndian"
    assert found.reason.startswith("truncated: 1536 of" if plain else "damaged: more frames than the file can hold")


def test_fragments_without_end_are_not_walked_through(tmp_path: Path, dicom: bytes) -> None:
    (tmp_path / "plain.dcm").write_bytes(dicom)
    dataset = pydicom.dcmread(tmp_path / "plain.dcm")
    dataset.compress(pydicom.uid.RLELossless)
    dataset.save_as(tmp_path / "a.dcm")
    content = (tmp_path / "a.dcm").read_bytes()
    end = content.rfind(b"\xfe\xff\xdd\xe0")
    found = scanned(tmp_path / "a.dcm", content[:end] + b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * 3_000_000)
    assert isinstance(found, Rejected)
    assert found.reason == "damaged: more than 1000000 compressed fragments"


def test_empty_elements_without_end_end(tmp_path: Path, dicom: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "SECONDS", 0.5)
    at = dicom.find(b"\xe0\x7f\x10\x00OW")
    sequence = b"\x40\x00\x30\xa7SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    found = scanned(tmp_path / "a.dcm", dicom[:at] + sequence + b"\x08\x00\x60\x00CS\x00\x00" * 1_200_000)
    assert isinstance(found, Rejected)
