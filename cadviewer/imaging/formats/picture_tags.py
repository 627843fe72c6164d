"""What the first directory of a TIFF, or of the EXIF data in a JPEG or PNG, says of how to show the pixels."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORIENTATION, _PHOTOMETRIC, _BITS = 0x0112, 0x0106, 0x0102
_SHORT = 3
_WHITE_IS_ZERO, _RGB = 0, 2


def orientation(data: bytes, kind: str) -> int:
    """EXIF Orientation, 1 to 8, of a "JPEG" or "PNG"; 1 where it is not said. OpenCV turns a TIFF by itself."""
    found = _directory(_exif(data, kind)).get(_ORIENTATION, 1)
    return found if 1 <= found <= 8 else 1


def white_is_zero(data: bytes) -> bool:
    """Whether the numbers of a TIFF grow towards black (TIFF 6.0, PhotometricInterpretation)."""
    return _directory(data).get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def is_rgb(data: bytes) -> bool:
    """Whether a TIFF holds red, green and blue as such (TIFF 6.0, PhotometricInterpretation)."""
    return _directory(data).get(_PHOTOMETRIC) == _RGB


def bits(data: bytes) -> int | None:
    """Bits of a number of a TIFF (BitsPerSample); None where that is not said, or more than one number is."""
    return _directory(data).get(_BITS)


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(rows, columns[, channels]) as it is to be looked at (EXIF 2.32, 4.6.4 A)."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _exif(data: bytes, kind: str) -> bytes:
    """The EXIF block: a small TIFF; empty where there is none."""
    try:
        if kind == "PNG":
            return _chunk(data, b"eXIf")
        if kind == "JPEG":
            at = 2
            while data[at] == 0xFF and data[at + 1] != 0xDA:
                (length,) = struct.unpack_from(">H", data, at + 2)
                if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
                    return data[at + 10 : at + 2 + length]
                at += 2 + length
    except (struct.error, IndexError):
        pass
    return b""


def see_through(data: bytes, image: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where a gray or RGB PNG without an alpha channel is transparent: at the one value or colour that its tRNS chunk
    names (PNG 11.3.2.1), which OpenCV passes over. None for nowhere.

    image: decoded, (rows, columns) or BGR.
    """
    try:
        named, (depth, kind) = _chunk(data, b"tRNS"), struct.unpack_from(">BB", data, 24)
        if kind == 0 and image.ndim == 2 and named:
            (value,) = struct.unpack(">H", named)
            return np.asarray(image == (value * (255 // (2**depth - 1)) if depth < 8 else value))
        if kind == 2 and image.ndim == 3 and image.shape[2] == 3 and named:
            return np.asarray((image == np.array(struct.unpack(">3H", named)[::-1])).all(axis=2))
    except struct.error:
        pass
    return None


def _chunk(data: bytes, name: bytes) -> bytes:
    """The first chunk of that name in a PNG; empty where there is none. Raises struct.error at the end of the data."""
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == name:
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""


def _directory(data: bytes) -> dict[int, int]:
    """The first value of each short element in the first directory of a classic TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    found: dict[int, int] = {}
    if order is None:
        return found
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, at)
        for k in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", data, at + 2 + 12 * k)
            if kind == _SHORT:
                found.setdefault(tag, value)
    except struct.error:
        pass
    return found
