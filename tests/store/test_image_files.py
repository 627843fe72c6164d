"""Files of pictures read back, and nothing half-written where the disk does not take them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cadviewer.store import image_files
from cadviewer.store.image_files import Picture

KINDS = ("", ".gif", ".mp4")


def pictures(count: int = 5, size: tuple[int, int] = (61, 83), colour: bool = False) -> Iterator[Picture]:
    for k in range(count):
        picture = np.full((*size, 3), 40 * k, np.uint8)
        if colour:
            picture[10:20, 10:20] = (255, 0, 0)
        yield picture


def write(path: Path, **more: object) -> None:
    with image_files.sequence(path, 10) as add:
        for picture in pictures(**more):  # type: ignore[arg-type]
            add(picture)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_one_picture_is_read_back(tmp_path: Path, suffix: str) -> None:
    (*_, picture) = pictures(colour=True)
    image_files.write(tmp_path / f"a{suffix}", picture)
    read = np.asarray(Image.open(tmp_path / f"a{suffix}").convert("RGB"))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < (0.01 if suffix == ".png" else 8)
    image_files.write(tmp_path / f"gray{suffix}", next(pictures()))
    assert Image.open(tmp_path / f"gray{suffix}").mode == "L"


def test_a_folder_has_them_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "series")
    files = sorted((tmp_path / "series").iterdir())
    assert [f.name for f in files] == [f"{k:04}.png" for k in range(1, 6)]
    assert [int(np.asarray(Image.open(f)).mean()) for f in files] == [0, 40, 80, 120, 160]
    with pytest.raises(FileExistsError):
        write(tmp_path / "series")
    assert image_files.free(tmp_path / "series") == tmp_path / "series-2"


@pytest.mark.parametrize("colour", [False, True])
def test_a_gif_shows_each_as_long_as_it_should(tmp_path: Path, colour: bool) -> None:
    write(tmp_path / "a.gif", colour=colour)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["loop"], gif.info["duration"]) == (5, 0, 100)
        gif.seek(3)
        read = np.asarray(gif.convert("RGB"))
    assert abs(int(read[40, 40, 0]) - 120) <= 3
    assert bool(read[15, 15, 0] > 240 and read[15, 15, 1] < 30) is colour


def test_a_large_gif_is_made_smaller(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", count=2, size=(900, 1800))
    assert Image.open(tmp_path / "a.gif").size == (640, 320)


def test_a_film_has_every_picture_at_its_rate(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", colour=True)
    film = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    read = []
    while (found := film.read())[0]:
        read.append(found[1])
    assert len(read) == 5
    assert read[0].shape == (62, 84, 3)  # even sides
    assert [abs(int(r[40, 40].mean()) - 40 * k) <= 6 for k, r in enumerate(read)] == [True] * 5
    blue, _, red = read[2][15, 15]
    assert red > 150 > 80 > blue


@pytest.mark.parametrize("suffix", KINDS)
def test_nothing_is_left_of_what_was_given_up(tmp_path: Path, suffix: str) -> None:
    def stopped() -> None:
        with image_files.sequence(tmp_path / f"a{suffix}", 10) as add:
            for picture in pictures():
                add(picture)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", KINDS)
def test_where_nothing_can_be_written_the_reason_is_the_systems(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"Not a directory|File exists") as raised:
        write(tmp_path / "file" / f"a{suffix}")
    assert raised.value.strerror
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
@pytest.mark.parametrize("suffix", [*KINDS, ".png"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, suffix: str) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    path = tmp_path / f"a{suffix}"

    def fill() -> None:
        if suffix == ".png":
            return image_files.write(path, noise)
        with image_files.sequence(path, 10) as add:
            for _ in range(30):
                add(noise)

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match=r".") as raised:
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.strerror
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_has_each_at_its_place() -> None:
    made = image_files.sheet(list(pictures()), 3, gap=2)
    assert made.shape == (61 * 2 + 2, 83 * 3 + 4, 3)
    assert made[30, 85 + 30, 0] == 40
    assert made[63 + 30, 30, 0] == 120
    assert made[63 + 30, 170 + 30, 0] == 0
