"""What zips may take is bounded before anything is unpacked, whatever they hold; reasons are true and quote no name."""

from __future__ import annotations

import io
import tempfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cadviewer.imaging import archives, budget, files, unzipping
from cadviewer.imaging.series import Rejected, Series, State
from cadviewer.phantoms.files import write_mhd, write_png
from cadviewer.phantoms.phantom import chest_ct

PATIENT = "DOE_JOHN"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def png(tmp_path: Path) -> bytes:
    return write_png(np.arange(600, dtype=np.uint8).reshape(20, 30), tmp_path / "one.png").read_bytes()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def scanned(content: bytes, tmp_path: Path, seconds: float = 3.0) -> list[Series | Rejected]:
    (tmp_path / "a.zip").write_bytes(content)
    began = time.monotonic()
    found = list(files.scan([tmp_path / "a.zip"]))
    assert time.monotonic() - began < seconds
    return found


def unpacked_bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def test_a_zip_of_too_many_files_is_refused_at_once(tmp_path: Path, temporary: Path) -> None:
    (found,) = scanned(zipped({f"{k}": b"" for k in range(20_000)}, zipfile.ZIP_STORED), tmp_path)
    assert isinstance(found, Rejected)
    assert (found.state, found.reason) == (
        State.REFUSED,
        "an archive of more than 16000 files, which are not unpacked",
    )
    assert unpacked_bytes(temporary) == 0


def test_a_list_of_contents_that_is_out_of_all_proportion_is_not_gone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MOST_MEMBERS", 10)
    content = bytearray(zipped({f"{k:0200}": b"" for k in range(40)}))
    at = content.rfind(b"PK\x05\x06")
    content[at + 8 : at + 12] = b"\x05\x00\x05\x00"  # declares 5
    (found,) = scanned(bytes(content), tmp_path)
    assert isinstance(found, Rejected)
    assert "more than 16000 files" in found.reason.replace("10", "16000")


def test_a_bomb_is_refused_by_what_it_declares(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "FREE_SIZE", 1 << 20)
    (found,) = scanned(zipped({f"{PATIENT}.dcm": bytes(20 << 20)}), tmp_path)
    assert isinstance(found, Rejected)
    assert found.state is State.REFUSED
    assert found.reason == "an archive that would unpack to 20 MiB, out of all proportion to its own size"
    assert unpacked_bytes(temporary) == 0


def test_zips_within_a_zip_are_counted_together_before_one_is_unpacked(
    tmp_path: Path, png: bytes, temporary: Path
) -> None:
    inner = zipped({"x.raw": bytes(4 << 20)})
    content = zipped({**{f"{k}.zip": inner for k in range(200)}, "good.png": png})
    found = scanned(content, tmp_path)
    assert sum(isinstance(f, Series) for f in found) == 1
    refused = [f for f in found if isinstance(f, Rejected)]
    assert len(refused) == 200
    assert {f.state for f in refused} == {State.REFUSED}
    assert unpacked_bytes(temporary) < 4 << 20


def test_three_zips_within_one_another_are_opened_and_the_fourth_is_refused(tmp_path: Path, png: bytes) -> None:
    content = zipped({"good.png": png})
    for _ in range(2):
        content = zipped({"next.zip": content})
    (found,) = scanned(content, tmp_path)
    assert isinstance(found, Series)
    assert found.source == tmp_path / "a.zip"
    (found,) = scanned(zipped({"outer.zip": content}), tmp_path)
    assert isinstance(found, Rejected)
    assert (found.state, found.reason) == (State.REFUSED, "an archive within 3 others, which is not opened")
    assert found.source == tmp_path / "a.zip" / "outer.zip" / "next.zip" / "next.zip"


def test_all_archives_of_a_scan_draw_on_one_budget(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(3):
        (tmp_path / f"{k}.zip").write_bytes(zipped({"a.png": png, "b.png": png}))
    monkeypatch.setattr(files, "Budget", lambda: budget.Budget(members=5))
    found = list(files.scan([tmp_path / f"{k}.zip" for k in range(3)]))
    assert [type(f) for f in found] == [Series] * 4 + [Rejected]
    assert "more than one search takes" in str(found[-1])


def test_a_damaged_file_in_a_zip_leaves_the_others(tmp_path: Path, png: bytes) -> None:
    content = bytearray(zipped({"good.png": png, f"{PATIENT}.png": bytes(range(256)) * 8}, zipfile.ZIP_STORED))
    at = content.find(bytes(range(200)))
    content[at + 5] ^= 255
    good, bad = sorted(scanned(bytes(content), tmp_path), key=lambda f: isinstance(f, Rejected))
    assert isinstance(good, Series)
    assert isinstance(bad, Rejected)
    assert (bad.state, bad.reason) == (State.FAILED, "damaged in its archive")
    assert bad.source == tmp_path / "a.zip" / f"{PATIENT}.png"


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_damaged_packing_of_each_kind_fails_with_a_reason(tmp_path: Path, method: int) -> None:
    content = bytearray(zipped({f"{PATIENT}.dcm": np.random.default_rng(0).bytes(4000)}, method))
    content[60:400] = bytes(340)
    (found,) = scanned(bytes(content), tmp_path)
    assert isinstance(found, Rejected)
    assert found.state is State.FAILED
    assert found.reason == "damaged archive: damaged in its archive"


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_every_packing_is_unpacked_to_the_same_bytes(tmp_path: Path, method: int) -> None:
    data = np.random.default_rng(0).integers(0, 9, 3 << 18, dtype=np.uint8).tobytes()
    (tmp_path / "a.zip").write_bytes(zipped({"x.raw": data, "empty.raw": b""}, method))
    assert [p.read_bytes() for p in archives.unpack(tmp_path / "a.zip")] == [data, b""]


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_member_that_grows_without_end_comes_in_small_pieces(tmp_path: Path, method: int) -> None:
    """40 MiB of nothing are some 50 bytes of bzip2, which zipfile gives back in one piece."""
    content = zipped({"x.raw": bytes(40 << 20)}, method)
    tracemalloc.start()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        total = sum(map(len, unzipping.pieces(archive, archive.infolist()[0])))
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 40 << 20
    assert peak < 12 << 20


def test_encrypted_and_unknown_packing_are_said(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.png": b"x"}, zipfile.ZIP_STORED))
    central = content.find(b"PK\x01\x02")
    encrypted, unknown = bytearray(content), bytearray(content)
    encrypted[central + 8] |= 1
    encrypted[6] |= 1
    unknown[central + 10] = unknown[8] = 99
    assert "an encrypted archive" in str(scanned(bytes(encrypted), tmp_path))
    assert "packed in a way that this program does not know" in str(scanned(bytes(unknown), tmp_path))


@pytest.fixture
def study(tmp_path: Path) -> bytes:
    """A zip whose names are all of a patient, with headers that name other files."""
    volume = chest_ct(3, shape=(4, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=()).volume
    folder = tmp_path / "made"
    write_mhd(volume, folder / PATIENT / f"{PATIENT}.mhd")
    write_mhd(volume, folder / PATIENT / f"{PATIENT}_2.nrrd")
    write_mhd(volume, folder / f"{PATIENT}.hdr")
    planes = [p.astype("<i2").tobytes() for p in np.asarray(volume.pixels)]
    for k, plane in enumerate(planes):
        (folder / f"{PATIENT}{k}.raw").write_bytes(plane)
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 72 60 4\nencoding: raw\nendian: little\n"
    listed = "".join(f"{PATIENT}{k}.raw\n" for k in range(4))
    text = "ObjectType = Image\nNDims = 3\nDimSize = 72 60 4\nElementType = MET_SHORT\nElementDataFile = "
    (folder / f"{PATIENT}.nhdr").write_text(f"{head}data file: LIST\n{listed}")
    (folder / "pattern.nhdr").write_text(f"{head}data file: {PATIENT}%d.raw 0 3 1\n")
    (folder / "listed.mhd").write_text(f"{text}LIST\n{listed}")
    whole = folder / f"{PATIENT}_all.raw"
    whole.write_bytes(b"".join(planes))
    (folder / f"{PATIENT}_all.nhdr").write_text(f"{head}data file: {whole.name}\nspace: LPS\n")
    return zipped({p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()})


def test_names_on_the_disk_are_numbers_and_headers_find_their_files(
    tmp_path: Path, study: bytes, temporary: Path
) -> None:
    expected = chest_ct(3, shape=(4, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=()).volume.pixels
    found = scanned(study, tmp_path, 30.0)
    on_disk = [p for p in temporary.rglob("*") if p.is_file() and p.name != "in-use"]
    assert not any(PATIENT in str(p) for p in on_disk)
    assert all(p.name.split(".")[0].isdigit() for p in on_disk), on_disk
    series = [f for f in found if isinstance(f, Series)]
    assert len(series) == len(found) == 7, [f for f in found if isinstance(f, Rejected)]
    for each in series:
        pixels = files.read(each).pixels
        assert np.array_equal(pixels, expected) or np.array_equal(pixels[::-1], expected), each.files


def test_a_member_is_shown_below_its_archive_wherever_it_claims_to_lie(tmp_path: Path) -> None:
    found = scanned(zipped({"/etc/x.txt": b"words", "../../y.txt": b"words", "a\x1bb\nc.txt": b"words"}), tmp_path)
    assert [f.source.relative_to(tmp_path / "a.zip").as_posix() for f in found] == ["etc/x.txt", "y.txt", "a b c.txt"]


def test_endless_paths_in_an_archive_are_cut(tmp_path: Path) -> None:
    (found,) = scanned(zipped({"folder-of-a-patient/" * 3000 + "x.txt": b"words"}), tmp_path)
    assert found.source.name == "x.txt"
    assert not found.source.is_file()  # which would raise for a path that is too long for the system
    assert len(str(found.source)) < 2000
