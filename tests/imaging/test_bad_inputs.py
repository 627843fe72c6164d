"""What is not an image, or no longer one: each file gets one reason, and nothing stops the others."""

from __future__ import annotations

import contextlib
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cadviewer.imaging import files
from cadviewer.imaging.series import InputError, Rejected, Series, Shape, State
from cadviewer.phantoms.files import write_dicom_series, write_mhd, write_png
from cadviewer.phantoms.phantom import Phantom, chest_ct


@pytest.fixture(scope="module")
def small() -> Phantom:
    return chest_ct(3, shape=(6, 60, 72), spacing=(10.0, 5.0, 5.0), nodules=())


def rejected(path: Path) -> Rejected:
    (found,) = files.scan([path])
    assert isinstance(found, Rejected), found
    return found


def accepted(path: Path) -> Series:
    (found,) = files.scan([path])
    assert isinstance(found, Series), found
    return found


def test_an_input_that_does_not_exist_fails(tmp_path: Path) -> None:
    assert rejected(tmp_path / "gone") == Rejected(tmp_path / "gone", State.FAILED, "no such file or folder")


def test_an_empty_folder_fails(tmp_path: Path) -> None:
    assert rejected(tmp_path) == Rejected(tmp_path, State.FAILED, "an empty folder")


def test_a_folder_without_images_names_each_file_and_itself(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    found = list(files.scan([tmp_path]))
    assert [(r.source.name, r.state) for r in found if isinstance(r, Rejected)] == [
        ("notes.txt", State.SKIPPED),
        ("table.csv", State.SKIPPED),
        (tmp_path.name, State.FAILED),
    ]
    assert "no image among its 2 file(s)" in str(found[-1])


@pytest.mark.parametrize("name", ["a.png", "a.dcm", "a.nii.gz", "a.mhd", "a.JPG", "a.tiff"])
@pytest.mark.parametrize(("content", "what"), [(b"some words\n" * 40, "a text"), (b"", "an empty file")])
def test_a_name_that_promises_an_image_that_is_not_there_fails(
    tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    (tmp_path / name).write_bytes(content)
    found = rejected(tmp_path / name)
    assert found.state is State.FAILED
    assert "not an image although named" in found.reason
    assert found.reason.endswith(what)


def test_content_decides_and_not_the_name(tmp_path: Path, small: Phantom) -> None:
    write_png(np.full((9, 8), 3, np.uint8), tmp_path / "picture.png").rename(tmp_path / "a.txt")
    first, *_ = write_dicom_series(small.volume, tmp_path / "d")
    first.rename(tmp_path / "b.png")
    assert accepted(tmp_path / "a.txt").format == "image"
    assert accepted(tmp_path / "b.png").format == "dicom"


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_dicom_file_is_named_with_its_reason(tmp_path: Path, small: Phantom, part: float) -> None:
    first, *_ = write_dicom_series(small.volume, tmp_path)
    data = first.read_bytes()
    first.write_bytes(data[: int(part * len(data))])
    found = rejected(first)
    assert found.state is State.FAILED
    assert "truncated" in found.reason or "damaged" in found.reason


def test_a_truncated_slice_leaves_the_others_and_makes_them_a_stack(tmp_path: Path, small: Phantom) -> None:
    paths = write_dicom_series(small.volume, tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:-1000])
    found = list(files.scan([tmp_path]))
    (bad,) = (r for r in found if isinstance(r, Rejected))
    (series,) = (s for s in found if isinstance(s, Series))
    assert bad.source == paths[2]
    assert "truncated" in bad.reason
    assert series.shape is Shape.STACK
    assert "missing slices: 1" in series.not_volume


def test_a_file_that_shrinks_after_the_scan_fails_while_it_is_read(tmp_path: Path, small: Phantom) -> None:
    paths = write_dicom_series(small.volume, tmp_path)
    series = accepted(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"image 3 of 6: truncated"):
        files.read(series)
    paths[2].unlink()
    with pytest.raises(InputError, match=r"image 3 of 6: cannot be read"):
        files.read(series)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_truncated_picture_fails(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 90), dtype=np.uint8)
    data = cv2.imencode(suffix, pixels)[1].tobytes()
    for part in (0.1, 0.5, 0.95):
        path = tmp_path / f"a{part}{suffix}"
        path.write_bytes(data[: int(part * len(data))])
        assert rejected(path).state is State.FAILED


def test_formats_that_are_images_but_not_taken_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a" + bytes(100))
    found = rejected(tmp_path / "a.gif")
    assert (found.state, found.reason) == (State.REFUSED, "a GIF image, which this program does not read")


def test_an_mhd_without_its_raw_names_it(tmp_path: Path, small: Phantom) -> None:
    write_mhd(small.volume, tmp_path / "ct.mhd")
    (tmp_path / "ct.raw").unlink()
    found = rejected(tmp_path)
    assert (found.state, found.reason) == (State.FAILED, "its data file ct.raw is missing")


def test_an_mhd_whose_raw_is_too_short_says_so(tmp_path: Path, small: Phantom) -> None:
    write_mhd(small.volume, tmp_path / "ct.mhd")
    raw = tmp_path / "ct.raw"
    raw.write_bytes(raw.read_bytes()[:-1])
    found = rejected(tmp_path / "ct.mhd")
    assert "truncated: ct.raw holds 51839 of 51840 bytes" in found.reason


def test_a_raw_without_its_header_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(range(256)) * 8)
    assert rejected(tmp_path / "a.raw").state is State.SKIPPED


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_truncated_volume_file_fails_at_the_scan_or_while_it_is_read(
    tmp_path: Path, small: Phantom, suffix: str
) -> None:
    path = write_mhd(small.volume, tmp_path / f"ct{suffix}", compressed=suffix == ".nrrd")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (found,) = files.scan([path])
    if isinstance(found, Series):
        with pytest.raises(InputError, match=r"damaged|truncated"):
            files.read(found)
    else:
        assert found.state is State.FAILED


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_files_and_folders_that_cannot_be_opened_fail_and_stop_nobody(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may open everything")
    write_png(np.zeros((5, 5), np.uint8), tmp_path / "a.png")
    (tmp_path / "locked.png").write_bytes(b"x")
    (tmp_path / "locked.png").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    found = list(files.scan([tmp_path]))
    (tmp_path / "closed").chmod(0o700)
    assert sum(isinstance(f, Series) for f in found) == 1
    reasons = [f.reason for f in found if isinstance(f, Rejected)]
    assert len(reasons) == 2
    assert all("cannot be opened" in r for r in reasons)


@pytest.fixture
def failing_open(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets every file of one name fail to open, as a lost network drive does."""

    def make(name: str) -> None:
        real = Path.open

        def fake(self: Path, *args: object, **kwargs: object) -> object:
            if self.name == name:
                raise PermissionError(13, "Permission denied")
            return real(self, *args, **kwargs)  # type: ignore[call-overload]

        monkeypatch.setattr(Path, "open", fake)

    return make


def test_a_file_that_cannot_be_opened_fails_and_stops_nobody(
    tmp_path: Path, failing_open: Callable[[str], None]
) -> None:
    for name in ("a.png", "b.png"):
        write_png(np.zeros((5, 5), np.uint8), tmp_path / name)
    failing_open("a.png")
    bad, good = files.scan([tmp_path])
    assert isinstance(good, Series)
    assert isinstance(bad, Rejected)
    assert bad.reason == "cannot be opened: Permission denied"


def test_links_in_a_circle_end_and_a_linked_file_counts_once(tmp_path: Path) -> None:
    write_png(np.zeros((5, 5), np.uint8), tmp_path / "a" / "x.png")
    try:
        (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "y.png").symlink_to(tmp_path / "a" / "x.png")
        (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    except OSError:
        pytest.skip("no links on this system")
    found = list(files.scan([tmp_path, tmp_path / "a"]))
    assert sum(isinstance(f, Series) for f in found) == 1
    assert [f.reason for f in found if isinstance(f, Rejected)] == ["a link to a file that does not exist"]


def test_the_same_file_given_twice_is_looked_at_once(tmp_path: Path) -> None:
    path = write_png(np.zeros((5, 5), np.uint8), tmp_path / "x.png")
    counted: list[tuple[int, int]] = []
    found = list(files.scan([path, path, tmp_path], on_file=lambda done, total: counted.append((done, total))))
    assert sum(isinstance(f, Series) for f in found) == 1
    assert counted == [(1, 1)]


def test_names_in_any_script_are_read(tmp_path: Path, small: Phantom) -> None:
    folder = tmp_path / "Große Aufnahme 胸部 ت"
    write_png(np.arange(20, dtype=np.uint8).reshape(4, 5), folder / "Bild 影像.png")
    write_mhd(small.volume, folder / "Lunge é.mhd")
    found = list(files.scan([folder]))
    assert all(isinstance(f, Series) for f in found), found
    for series in found:
        assert isinstance(series, Series)
        assert files.read(series).pixels.size > 0


def test_a_zip_of_dicom_is_one_case_named_by_the_zip(tmp_path: Path, small: Phantom) -> None:
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for k, path in enumerate(write_dicom_series(small.volume, tmp_path / "d")):
            opened.write(path, f"Doe^John/série {k % 2}/{path.name}")
        opened.writestr("Doe^John/report.txt", "words")
    found = list(files.scan([archive]))
    (series,) = (s for s in found if isinstance(s, Series))
    (text,) = (r for r in found if isinstance(r, Rejected))
    assert series.source == archive
    assert series.shape is Shape.VOLUME
    assert not any("Doe" in str(f) for f in series.files)
    assert text.source == archive / "Doe^John" / "report.txt"
    np.testing.assert_array_equal(files.read(series).pixels, small.volume.pixels)


def test_documents_and_damaged_zips_say_what_they_are(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "letter.docx", "w") as opened:
        opened.writestr("[Content_Types].xml", "<x/>")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    assert rejected(tmp_path / "letter.docx").state is State.SKIPPED
    assert "damaged archive" in rejected(tmp_path / "bad.zip").reason
    assert "an empty archive" in rejected(tmp_path / "empty.zip").reason


def test_a_dicomdir_is_skipped_and_its_images_found_by_themselves(tmp_path: Path, small: Phantom) -> None:
    from pydicom.fileset import FileSet

    media = FileSet()
    for path in write_dicom_series(small.volume, tmp_path / "d"):
        media.add(path)
    media.write(tmp_path / "cd")
    found = list(files.scan([tmp_path / "cd"]))
    (skipped,) = (r for r in found if isinstance(r, Rejected))
    (series,) = (s for s in found if isinstance(s, Series))
    assert skipped.source.name == "DICOMDIR"
    assert skipped.state is State.SKIPPED
    assert series.shape is Shape.VOLUME


@pytest.mark.parametrize("seed", range(40))
def test_bytes_changed_at_random_never_raise_anything_but_a_reason(tmp_path: Path, small: Phantom, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, *_ = write_dicom_series(small.volume, tmp_path)
    data = np.frombuffer(first.read_bytes(), np.uint8).copy()
    places = rng.integers(132 if seed % 4 else 0, 1400, 12)
    data[places] = rng.integers(0, 256, 12)
    first.write_bytes(data.tobytes())
    for found in files.scan([first]):
        if isinstance(found, Series):
            with contextlib.suppress(InputError):
                files.read(found)
