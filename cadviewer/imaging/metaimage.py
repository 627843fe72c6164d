"""Text headers of MetaImage (.mhd, .mha) and NRRD: which file holds the pixels, and what the header leaves unsaid.

SimpleITK reads these formats; what it does not tell is whether spacing and place are in the header or made up (1.0, 0),
and it needs a copy where the pixels can be read straight into memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cadviewer.imaging import text_header_checks as checks
from cadviewer.imaging.series import InputError

_TYPES = {
    "MET_CHAR": "<i1",
    "MET_UCHAR": "<u1",
    "MET_SHORT": "<i2",
    "MET_USHORT": "<u2",
    "MET_INT": "<i4",
    "MET_UINT": "<u4",
    "MET_LONG": "<i4",
    "MET_ULONG": "<u4",
    "MET_FLOAT": "<f4",
    "MET_DOUBLE": "<f8",
}
_MILLIMETRES = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3}
_MILLIMETRES |= {"micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "nm": 1e-6}
_LARGEST_HEADER = 1 << 20
_PAIR = re.compile(r"([^=:]*)[=:](.*)")  # of a MetaImage; MetaIO takes either sign, the first one counts


@dataclass(frozen=True)
class RawData:
    """Uncompressed little-endian numbers at byte `offset` of `file`, slowest axis first."""

    file: Path
    offset: int
    dtype: str


@dataclass(frozen=True)
class TextHeader:
    """Fields in lower case, and the files that belong to the header.

    raw: where the pixels can be read without a library, else None.
    """

    fields: Mapping[str, str]
    data_files: tuple[Path, ...]
    raw: RawData | None = None

    def has(self, *names: str) -> bool:
        return any(name in self.fields for name in names)


def read_metaimage(file: Path) -> TextHeader:
    """Header of an .mhd or .mha file. Raises InputError naming what is wrong, OSError when it cannot be opened."""
    with file.open("rb") as stream:
        head = stream.read(_LARGEST_HEADER)
    fields: dict[str, str] = {}
    position = 0
    while position < len(head) and "elementdatafile" not in fields:
        end = head.find(b"\n", position)
        line = head[position : end if end >= 0 else len(head)].decode("utf-8", "replace")
        position = end + 1 if end >= 0 else len(head)
        if pair := _PAIR.match(line):
            fields[pair[1].strip().lower()] = pair[2].strip()
    named = fields.get("elementdatafile")
    if named is None:
        raise InputError("damaged: its header names no ElementDataFile")
    if named.upper() == "LOCAL":
        return TextHeader(fields, (), _raw(fields, file, position))
    if named.upper().startswith("LIST"):
        rest = head[position:].decode("utf-8", "replace").splitlines()
        return TextHeader(fields, tuple(checks.beside(file, n.strip()) for n in rest if n.strip()))
    if "%" in named:
        pattern, *numbers = named.split()
        low, high, step = ([*_integers(numbers), 1, 1, 1])[:3]
        return TextHeader(fields, checks.numbered(file, pattern, low, high, step))
    data = checks.beside(file, named)
    return TextHeader(fields, (data,), _raw(fields, data, 0))


def _raw(fields: Mapping[str, str], file: Path, offset: int) -> RawData | None:
    def true(*names: str) -> bool:
        return any(checks.is_true(fields.get(name, "")) for name in names)

    dtype = _TYPES.get(fields.get("elementtype", "").upper())
    if dtype is None or true("compresseddata", "binarydatabyteordermsb", "elementbyteordermsb"):
        return None
    if not checks.is_true(fields.get("binarydata", "true")):
        return None
    (size,) = _integers([fields.get("headersize", "") or "0"])
    if size < 0:  # the pixels are the file's tail
        count = math.prod(_integers(fields.get("dimsize", "0").split()))
        (channels,) = _integers([fields.get("elementnumberofchannels", "") or "1"])
        offset = file.stat().st_size - count * channels * np.dtype(dtype).itemsize if file.is_file() else 0
    elif size and file.suffix.lower() != ".mha":
        offset = size
    return RawData(file, offset, dtype)


def _integers(parts: Sequence[str]) -> list[int]:
    try:
        return [int(part) for part in parts]
    except ValueError as error:
        raise InputError("damaged header: a number is none") from error


def read_nrrd(file: Path) -> TextHeader:
    """Header of a .nrrd or .nhdr file. Raises InputError for a broken one, OSError when it cannot be opened."""
    with file.open("rb") as stream:
        head = stream.read(_LARGEST_HEADER)
    text = head.partition(b"\n\n")[0] if b"\r\n\r\n" not in head[:65536] else head.partition(b"\r\n\r\n")[0]
    fields: dict[str, str] = {}
    for line in text.decode("utf-8", "replace").splitlines()[1:]:
        name, sign, value = line.partition(":")
        if sign and not line.startswith("#"):
            fields[name.strip().lower()] = value.lstrip("=").strip()
    named = fields.get("data file") or fields.get("datafile")
    if named is None:
        return TextHeader(fields, ())
    if named.upper().startswith("LIST"):
        lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
        start = next(k for k, line in enumerate(lines) if line.partition(":")[0].lower() in ("data file", "datafile"))
        return TextHeader(fields, tuple(checks.beside(file, line) for line in lines[start + 1 :] if line))
    if "%" in named:
        pattern, *numbers = named.split()
        low, high, step = ([*_integers(numbers), 1, 1, 1])[:3]
        return TextHeader(fields, checks.numbered(file, pattern, low, high, step))
    return TextHeader(fields, (checks.beside(file, named),))


def nrrd_is_colour(header: TextHeader) -> bool:
    """Whether the axis of an NRRD that holds several values for each pixel may be one of colours.

    Colour is also written as a "vector", the kind that ITK gives to every such axis.
    """
    kinds = {kind.lower() for kind in header.fields.get("kinds", "").split()}
    return not kinds & {"list", "point", "covariant-vector", "normal", "3-vector", "3-gradient", "3-normal"}


def nrrd_millimetres(header: TextHeader) -> float | None:
    """mm of the unit that an NRRD's spacings are in; None where its axes differ or it is no length that is known."""
    named = header.fields.get("space units") or header.fields.get("units") or ""
    units = {unit.strip().lower() for unit in named.replace('"', " ").split()}
    found = {_MILLIMETRES.get(unit) for unit in units - {"???", "none"}}
    return next(iter(found), 1.0) if len(found) < 2 else None


def nrrd_has_slice_spacing(header: TextHeader) -> bool:
    """Whether the last of an NRRD's spacings is a number: "nan" says that nobody knows it."""
    return header.fields.get("spacings", "1").split()[-1:] != ["nan"]
