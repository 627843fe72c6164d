"""PNG, JPEG, BMP and TIFF by OpenCV, decoded from bytes so that any file name works on any system.

Transparent pixels are composited on black (some published ultrasound images hide white under alpha 0); three equal
channels become one. The resolution that such files name is one of printing, never of the patient: it is not used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.faults import cleaned
from cadviewer.imaging.formats import picture_tags, tiff_pages
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import InputError, Series, Shape, SliceInfo
from cadviewer.messages import Message

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
}
_OTHERS = {b"GIF8": "GIF", b"\x00\x00\x00\x0cjP": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"8BPS": "Photoshop"}


def kind_of(head: bytes) -> str | None:
    """ "PNG", "JPEG", "BMP" or "TIFF" by the first bytes of a file, else None."""
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind == "BMP" and (
        len(head) < 18 or int.from_bytes(head[14:18], "little") not in (12, 40, 52, 56, 64, 108, 124)
    ):
        return None
    return kind


def other_kind_of(head: bytes) -> str | None:
    """The name of an image format that is known but not taken."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((kind for magic, kind in _OTHERS.items() if head.startswith(magic)), None)


def scan_image(file: Path) -> Series:
    """One image file as a series; several pages of a TIFF as a stack.

    Raises InputError when it is damaged, OSError when it cannot be opened.
    """
    pages, others = decode(file.read_bytes())
    first = pages[0]
    count = len(pages)
    return Series(
        source=file,
        format="image",
        slices=tuple(SliceInfo(file, k) for k in range(count)),
        geometry=Geometry((count, first.shape[0], first.shape[1])),
        shape=Shape.IMAGE if count == 1 else Shape.STACK,
        dtype=first.dtype,
        channels=1 if first.ndim == 2 else 3,
        colour=first.ndim == 3,
        not_volume="" if count == 1 else Message("pages of one file, their places unknown"),
        warnings=(
            Message(
                "{others} of its {count} pages have another size or type and are left out",
                others=others,
                count=count + others,
            ),
        )
        if others
        else (),
    )


def _left_out(others: int, pages: int) -> tuple[str, ...]:
    return (
        (
            Message(
                "{others} of its {pages} pages have another size or type and are left out", others=others, pages=pages
            ),
        )
        if others
        else ()
    )


class Pages:
    """The decoded pages of one file. Raises as `scan_image` does, and where they are no longer as they were found.

    form: shape (pages, rows, columns[, 3]) and type.
    """

    def __init__(self, file: Path, form: tuple[tuple[int, ...], np.dtype[Any]]) -> None:
        self._pages, _ = decode(file.read_bytes())
        if ((len(self._pages), *self._pages[0].shape), self._pages[0].dtype) != form:
            raise InputError(Message("the file has changed since it was found"))

    def page(self, k: int) -> NDArray[Any]:
        return self._pages[k]


def first_page(file: Path, form: tuple[tuple[int, ...], np.dtype[Any]]) -> NDArray[Any]:
    """The only page of most files. Raises as `Pages` does."""
    return Pages(file, form).page(0)


def decode(data: bytes) -> tuple[list[NDArray[Any]], int]:
    """The pages of an image file, each (rows, columns) or RGB (rows, columns, 3), all of the size and type of the first
    one, and how many others there are.

    uint8, uint16 or float32. Raises InputError when the bytes are damaged or not such an image.
    """
    import cv2

    kind = kind_of(data[:32])
    if kind is None:
        raise InputError(Message("not a PNG, JPEG, BMP or TIFF image"))
    fault = _truncation(data, kind)
    if fault:
        raise InputError(Message("truncated {kind} image: {fault}", kind=kind, fault=fault))
    if kind == "TIFF":
        tiff_pages.check(data)
    try:
        buffer = np.frombuffer(data, np.uint8)
        if kind == "TIFF":
            fine, found = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)
            images: list[NDArray[Any]] = list(found) if fine else []
        else:
            image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
            images = [] if image is None else [image]
    except cv2.error as error:
        raise InputError(
            Message("damaged {kind} image: {fault}", kind=kind, fault=cleaned(str(error.err or error)))
        ) from error
    if kind == "TIFF" and not images:
        images = _rare_pages(data)
    if not images or any(i is None or i.size == 0 for i in images):
        raise InputError(Message("damaged {kind} image: it cannot be decoded", kind=kind))
    if kind == "BMP":
        images = [_without_empty_alpha(i) for i in images]
    if kind == "TIFF" and images[0].dtype == np.uint16 and images[0].ndim == 2 and picture_tags.white_is_zero(data):
        images = [cv2.bitwise_not(i) for i in images]  # OpenCV turns 8 bits alone
    if kind == "PNG" and (hidden := picture_tags.see_through(data, images[0])) is not None:
        images[0][hidden] = 0
    if kind in ("JPEG", "PNG"):
        images = [picture_tags.upright(images[0], picture_tags.orientation(data, kind))]
    pages = [_plain(i) for i in images]
    if any(p.ndim == 3 for p in pages):
        pages = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in pages]
    alike = [p for p in pages if (p.shape, p.dtype) == (pages[0].shape, pages[0].dtype)]
    return alike, len(pages) - len(alike)


def _rare_pages(data: bytes) -> list[NDArray[Any]]:
    """The pages of a TIFF of a kind that OpenCV does not know (4 bits, half floats, raw RGB tiles of 16 × 16).

    Colour is BGR; [] where nobody knows it.
    """
    import cv2
    import imagecodecs

    pages: list[NDArray[Any]] = []
    try:
        while len(pages) < tiff_pages.MOST:
            pages.append(np.asarray(imagecodecs.tiff_decode(data, index=len(pages))))
    except IndexError:
        pass  # the one after the last
    except (imagecodecs.TiffError, ValueError, NotImplementedError):
        return []
    if pages and all(p.ndim == 3 and p.shape[2] == 3 for p in pages) and picture_tags.is_rgb(data):
        return [p[..., ::-1] for p in pages]
    if any(p.ndim != 2 for p in pages):
        return []
    if picture_tags.bits(data) == 4:
        pages = [p * np.uint8(255 // 15) for p in pages]
        if picture_tags.white_is_zero(data):
            pages = [np.asarray(cv2.bitwise_not(p)) for p in pages]
    return pages


def _plain(image: NDArray[Any]) -> NDArray[Any]:
    """BGR(A) of any type as OpenCV gives it → gray or RGB, on black where transparent."""
    if image.dtype not in (np.uint8, np.uint16):
        image = image.astype(np.float32)
    if image.ndim == 3 and image.shape[2] in (2, 4):
        image = _on_black(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    if image.shape[2] != 3:
        raise InputError(Message("an image of {shape} channels", shape=image.shape[2]))
    blue, green, red = image[..., 0], image[..., 1], image[..., 2]
    if np.array_equal(blue, green) and np.array_equal(green, red):
        return np.ascontiguousarray(green)
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)  # colour is for looking at
    return np.ascontiguousarray(image[..., ::-1])


def _without_empty_alpha(image: NDArray[Any]) -> NDArray[Any]:
    """The fourth byte of a BMP's pixels is mostly unused: all 0 is no transparency."""
    return image[..., :3] if image.ndim == 3 and image.shape[2] == 4 and not image[..., 3].any() else image


def _on_black(image: NDArray[Any]) -> NDArray[Any]:
    colour, alpha = image[..., :-1], image[..., -1:]
    if image.dtype.kind == "f":
        return np.asarray(colour * np.clip(alpha, 0, 1))
    full = np.iinfo(image.dtype).max
    if (alpha == full).all():
        return colour
    blended = (colour.astype(np.uint32) * alpha + full // 2) // full
    return np.asarray(blended.astype(image.dtype))


def _truncation(data: bytes, kind: str) -> str:
    """OpenCV fills what is missing of a truncated file with gray and says nothing; "" when the end is there."""
    if kind == "PNG" and b"IEND" not in data[-1024:] and b"IEND" not in data:
        return Message("its end is missing")
    # 0xFF is stuffed within JPEG scans, so an end marker after the last scan is a real one
    if kind == "JPEG" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        return Message("its end is missing")
    if kind == "BMP" and len(data) < int.from_bytes(data[10:14], "little"):
        return Message("its pixels are missing")
    return ""
