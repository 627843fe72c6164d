"""Files of pictures: PNG and JPEG, a folder of PNGs, GIF, MP4; each whole at the end, or not there at all.

MP4 by the FFmpeg that OpenCV's wheels bring, which is LGPL and has no H.264 encoder: MPEG-4 Part 2, which players and
slides show and browsers do not. (imageio-ffmpeg's binary and PyAV's wheels hold x264, and so are GPL.) GIF by Pillow.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cadviewer import atomic

Picture = NDArray[np.uint8]
"""(rows, columns, 3) RGB."""

JPEG_QUALITY = 92
GIF_LONGEST = 640
"""Longest side of a GIF in pixels: all its images are in memory until it is written."""


def encoded(picture: Picture, suffix: str) -> bytes:
    """A picture as a file of that suffix (".png", ".jpg", ".jpeg"). Raises ValueError for another."""
    kind = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}.get(suffix.lower())
    if kind is None:
        raise ValueError(f"no picture ends in {suffix!r}")
    stream = io.BytesIO()
    _gray_where_it_is(picture).save(stream, kind, quality=JPEG_QUALITY)
    return stream.getvalue()


def write(path: Path, picture: Picture) -> None:
    """One picture into a file. Raises OSError; `path` is then as it was."""
    atomic.write_bytes(path, encoded(picture, path.suffix))


@contextlib.contextmanager
def sequence(path: Path, rate: float) -> Iterator[Callable[[Picture], None]]:
    """What takes one picture after another into a GIF (".gif"), a film (".mp4") or a new folder of PNGs (any other
    name: a folder may have a dot in it).

    All have the size of the first. rate: pictures a second. Nothing is left of it where the block raises. Raises
    OSError when the disk does not take it, FileExistsError where the folder is there.
    """
    ways = {".gif": _gif, ".mp4": _mp4}
    with ways.get(path.suffix.lower(), _folder)(path, rate) as add:
        yield add


def sheet(pictures: list[Picture], columns: int, gap: int = 8) -> Picture:
    """Pictures of one size beside and below each other on black."""
    rows = -(-len(pictures) // columns)
    height, width = pictures[0].shape[:2]
    made = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), np.uint8)
    for k, picture in enumerate(pictures):
        y, x = k // columns * (height + gap), k % columns * (width + gap)
        made[y : y + height, x : x + width] = picture
    return made


def free(path: Path) -> Path:
    """The path, or with a number behind its name where there is something already."""
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


@contextlib.contextmanager
def _folder(path: Path, rate: float) -> Iterator[Callable[[Picture], None]]:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = _beside(path)
    temporary.mkdir(parents=True)
    count = 0

    def add(picture: Picture) -> None:
        nonlocal count
        count += 1
        (temporary / f"{count:04}.png").write_bytes(encoded(picture, ".png"))

    try:
        yield add
        atomic.sync_folder(temporary)
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextlib.contextmanager
def _gif(path: Path, rate: float) -> Iterator[Callable[[Picture], None]]:
    images: list[Image.Image] = []

    def add(picture: Picture) -> None:
        image = _gray_where_it_is(picture)
        image.thumbnail((GIF_LONGEST, GIF_LONGEST))
        images.append(image if image.mode == "L" else image.quantize(256))

    # Opened before the pictures come: a folder that cannot be written to is known at once
    with atomic.replacing(path) as stream:
        yield add
        shown_ms = max(20, round(100 / rate) * 10)  # a GIF counts hundredths, and less than two are shown as ten
        images[0].save(stream, "GIF", save_all=True, append_images=images[1:], duration=shown_ms, loop=0)


@contextlib.contextmanager
def _mp4(path: Path, rate: float) -> Iterator[Callable[[Picture], None]]:
    temporary = _beside(path).with_suffix(f"{atomic.TEMPORARY}.mp4")  # the container is chosen by the suffix
    temporary.open("xb").close()  # the reason why it cannot be written, which OpenCV does not tell
    writer: cv2.VideoWriter | None = None
    count = 0

    def add(picture: Picture) -> None:
        nonlocal writer, count
        # Colours are halved both ways: sides have to be even
        even = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
        if writer is None:
            size = (even.shape[1], even.shape[0])
            writer = cv2.VideoWriter(str(temporary), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
            if not writer.isOpened():
                raise OSError(errno.EIO, "no film can be made on this computer")
        writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))
        count += 1

    try:
        yield add
        if writer is not None:
            writer.release()
        _check_film(temporary, count)
        os.replace(temporary, path)
        atomic.sync_folder(path.parent)
    except BaseException:
        if writer is not None:
            writer.release()
        temporary.unlink(missing_ok=True)
        raise


def _check_film(path: Path, count: int) -> None:
    """Raises OSError when a film has not all its pictures: OpenCV writes on to a full disk without a word."""
    film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    whole = film.isOpened() and round(film.get(cv2.CAP_PROP_FRAME_COUNT)) == count
    film.release()
    if not whole:
        raise OSError(errno.ENOSPC, "the film could not be written whole; the disk may be full")


def _beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{atomic.TEMPORARY}")


def _gray_where_it_is(picture: Picture) -> Image.Image:
    """Without colours a third of the size, and in a GIF all 256 grays."""
    gray = np.array_equal(picture[..., 0], picture[..., 1]) and np.array_equal(picture[..., 1], picture[..., 2])
    return Image.fromarray(np.ascontiguousarray(picture[..., 0] if gray else picture))
