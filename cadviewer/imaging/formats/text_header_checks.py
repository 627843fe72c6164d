"""MetaImage and NRRD headers against themselves and their files, before a library believes them.

ITK takes memory, and writes into it, by the numbers of a header: one that names 300 dimensions ends the process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from cadviewer.imaging.faults import one_line
from cadviewer.imaging.series import InputError
from cadviewer.messages import Message

METAIMAGE_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG": 4,
} | {"MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8}
_FEWEST, _MOST = 2, 4
_DENSEST = 1100  # bytes that a deflated one can stand for: at most 1032
_DENSEST_BZIP2 = 25_000  # 900 kB of one value are some 40 bytes
_VECTORS = ("elementspacing", "elementsize", "offset", "position", "origin")
_MATRICES = ("transformmatrix", "rotation", "orientation")
_NUMBERED = re.compile(r"[^%]*%0?\d{0,3}[du][^%]*")
_SIZE = re.compile(r"0*[1-9]\d{0,17}", re.ASCII)
_MOST_FILES = 100_000


def is_true(value: str) -> bool:
    """A boolean of a MetaImage header, which MetaIO goes by the first letter of: T, t, True, 1."""
    return value.strip().lower()[:1] in ("t", "1", "y")


def check_metaimage(fields: Mapping[str, str], files: Sequence[Path]) -> None:
    """files: those that hold the pixels. Raises InputError for a header that cannot be, naming the field."""
    count = _whole(fields, "NDims")
    if not _FEWEST <= count <= _MOST:
        raise InputError(Message("damaged header: an image of {count} dimensions", count=count))
    sizes = _sizes(fields.get("dimsize", ""), "DimSize", count)
    for name in (*_VECTORS, *_MATRICES):
        if name in fields:
            _vector(fields[name], name, count if name in _VECTORS else count * count)
    kind = fields.get("elementtype", "").upper().removesuffix("_ARRAY")
    if kind not in METAIMAGE_BYTES:
        raise InputError(Message("damaged header: an ElementType that there is not"))
    channels = _whole(fields, "ElementNumberOfChannels", 1)
    packed = is_true(fields.get("compresseddata", ""))
    if channels < 1 or _whole(fields, "HeaderSize", 0) < -1 or _whole(fields, "CompressedDataSize", 0) < 0:
        raise InputError(Message("damaged header: a number below zero"))
    text = fields.get("binarydata", "true").strip().lower()[:1] in ("f", "0", "n")
    needed = math.prod(sizes) * channels * (2 if text else METAIMAGE_BYTES[kind])
    check_room(needed, files, _DENSEST if packed else 1)


def check_nrrd(fields: Mapping[str, str], files: Sequence[Path]) -> None:
    """The same of an NRRD header (teem.sourceforge.net/nrrd/format.html)."""
    count = _whole(fields, "dimension")
    if not 1 <= count <= _MOST + 1:
        raise InputError(Message("damaged header: an image of {count} dimensions", count=count))
    sizes = _sizes(fields.get("sizes", ""), "sizes", count)
    dense = {"raw": 1, "txt": 1, "text": 1, "ascii": 1, "bz2": _DENSEST_BZIP2, "bzip2": _DENSEST_BZIP2}
    least = math.prod(sizes)  # a value has a byte at least, in every type and as text
    check_room(least, files, dense.get(fields.get("encoding", "raw").lower(), _DENSEST))


def check_room(needed: int, files: Sequence[Path], dense: int) -> None:
    """Raises InputError where so many bytes are more than the files can hold."""
    there = sum(file.stat().st_size for file in files if file.is_file())
    if all(file.is_file() for file in files) and needed > dense * there:
        held = (
            Message("{name} holds", name=one_line(files[0].name, 60)) if len(files) == 1 else Message("its files hold")
        )
        if dense == 1:
            raise InputError(
                Message(
                    "truncated: {held} {there} of {needed:.15g} bytes of pixels", held=held, there=there, needed=needed
                )
            )
        raise InputError(
            Message(
                "damaged: {held} {there} bytes, out of which no {needed:.15g} can be unpacked",
                held=held,
                there=there,
                needed=needed,
            )
        )


def beside(header: Path, name: str) -> Path:
    """The data file of that name. Raises InputError for one that is not in the header's folder or below it."""
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(name)
        if path.is_absolute() or path.drive or ".." in path.parts:
            raise InputError(Message("its header names a data file outside its folder"))
    if "\0" in name or not name:
        raise InputError(Message("damaged header: a data file without a name"))
    return header.parent / name


def numbered(header: Path, pattern: str, first: int, last: int, step: int) -> tuple[Path, ...]:
    """The data files of a pattern like "slice%03d.raw". Raises InputError for one that cannot be."""
    if not _NUMBERED.fullmatch(pattern) or step == 0 or not 0 <= (last - first) // step < _MOST_FILES:
        raise InputError(Message("damaged header: a pattern of data files that cannot be"))
    return tuple(beside(header, pattern % k) for k in range(first, last + (1 if step > 0 else -1), step))


def _whole(fields: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = fields.get(name.lower(), "").strip()
    if not text and default is not None:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise InputError(
            Message("damaged header: {name} is {text}", name=name, text=one_line(text, 30) or "missing")
        ) from error


def _sizes(text: str, name: str, count: int) -> list[int]:
    parts = text.split()
    if len(parts) != count or not all(_SIZE.fullmatch(p) for p in parts):
        raise InputError(Message("damaged header: {name} is {text}", name=name, text=one_line(text, 30) or "missing"))
    return [int(p) for p in parts]


def _vector(text: str, name: str, count: int) -> None:
    try:
        values = [float(p) for p in text.split()]
    except ValueError:
        values = []
    if len(values) != count:
        raise InputError(
            Message(
                "damaged header: {name} is {text}, not {count} numbers",
                name=name,
                text=one_line(text, 30) or "missing",
                count=count,
            )
        )
