"""Text headers of MetaImage (.mhd, .mha) and NRRD: which file holds the pixels, and what the header leaves unsaid.

SimpleITK reads these formats; what it does not tell is whether spacing and place are in the header or made up (1.0, 0),
and its readers of packed pixels are not to be trusted (`encoded`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cadviewer.imaging.formats import text_header_checks as checks
from cadviewer.imaging.formats.encoded import Numbers
from cadviewer.imaging.series import InputError
from cadviewer.messages import Message

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NRRD_TYPES = dict.fromkeys(("signed char", "int8", "int8_t"), "i1")
_NRRD_TYPES |= dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1")
_NRRD_TYPES |= dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2")
_NRRD_TYPES |= dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2")
_NRRD_TYPES |= dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4")
_NRRD_TYPES |= dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4")
_NRRD_TYPES |= dict.fromkeys(("longlong", "long long", "long long int", "signed long long"), "i8")
_NRRD_TYPES |= dict.fromkeys(("signed long long int", "int64", "int64_t"), "i8")
_NRRD_TYPES |= dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8")
_NRRD_TYPES |= {"float": "f4", "double": "f8"}
_ENCODINGS = {"raw": "raw", "txt": "text", "text": "text", "ascii": "text", "hex": "hex"}
_ENCODINGS |= {"gz": "gzip", "gzip": "gzip", "bz2": "bzip2", "bzip2": "bzip2"}
_PATIENT = frozenset(
    ("left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las")
)
_MILLIMETRES = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3}
_MILLIMETRES |= {"micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "nm": 1e-6}
_LARGEST_HEADER = 1 << 20
_PAIR = re.compile(r"([^=:]*)[=:](.*)")  # of a MetaImage; MetaIO takes either sign, the first one counts


@dataclass(frozen=True)
class TextHeader:
    """Fields in lower case, and the files that belong to the header.

    numbers: where the pixels are, the values of each voxel together; None where only the library can tell.
    """

    fields: Mapping[str, str]
    data_files: tuple[Path, ...]
    numbers: Numbers | None = None

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
        raise InputError(Message("damaged: its header names no ElementDataFile"))
    if named.upper() == "LOCAL":
        return TextHeader(fields, (), _metaimage_numbers(fields, (file,), position))
    listed: list[str] = []
    if named.upper().startswith("LIST"):
        listed = head[position:].decode("utf-8", "replace").splitlines()
    parts = _data_files(file, named, listed)
    return TextHeader(fields, parts, _metaimage_numbers(fields, parts, 0) if parts else None)


def _data_files(file: Path, named: str, listed: Sequence[str]) -> tuple[Path, ...]:
    """The files that a header names: those listed after "LIST", a numbered pattern, or one."""
    if named.upper().startswith("LIST"):
        return tuple(checks.beside(file, line.strip()) for line in listed if line.strip())
    if "%" in named:
        pattern, *numbers = named.split()
        low, high, step = ([*_integers(numbers), 1, 1, 1])[:3]
        return checks.numbered(file, pattern, low, high, step)
    return (checks.beside(file, named),)


def _metaimage_numbers(fields: Mapping[str, str], parts: tuple[Path, ...], start: int) -> Numbers | None:
    def true(*names: str) -> bool:
        return any(checks.is_true(fields.get(name, "")) for name in names)

    dtype = _TYPES.get(fields.get("elementtype", "").upper().removesuffix("_ARRAY"))
    if dtype is None:
        return None
    if not checks.is_true(fields.get("binarydata", "true")):
        return Numbers(parts, dtype, "text", start)
    order = ">" if true("binarydatabyteordermsb", "elementbyteordermsb") else "<"
    encoding = "zlib" if true("compresseddata") else "raw"
    (size,) = _integers([fields.get("headersize", "") or "0"])
    if size > 0:  # counted from the beginning of the file, of one that holds its header too
        return Numbers(parts, order + dtype, encoding, size)
    return Numbers(parts, order + dtype, encoding, start, skip=-1 if size < 0 else 0)


def _integers(parts: Sequence[str]) -> list[int]:
    try:
        return [int(part) for part in parts]
    except ValueError as error:
        raise InputError(Message("damaged header: a number is none")) from error


def read_nrrd(file: Path) -> TextHeader:
    """Header of a .nrrd or .nhdr file. Raises InputError for a broken one, OSError when it cannot be opened."""
    with file.open("rb") as stream:
        head = stream.read(_LARGEST_HEADER)
    gap = b"\r\n\r\n" if b"\r\n\r\n" in head[:65536] else b"\n\n"
    text, found, _ = head.partition(gap)
    lines = text.decode("utf-8", "replace").splitlines()
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, sign, value = line.partition(":")
        if sign and not line.startswith("#"):
            fields[name.strip().lower()] = value.lstrip("=").strip()
    named = fields.get("data file") or fields.get("datafile")
    if named is None:
        return TextHeader(fields, (), _nrrd_numbers(fields, (file,), len(text) + len(found)))
    listed: list[str] = []
    if named.upper().startswith("LIST"):
        start = next(k for k, line in enumerate(lines) if line.partition(":")[0].lower() in ("data file", "datafile"))
        listed = lines[start + 1 :]
    parts = _data_files(file, named, listed)
    return TextHeader(fields, parts, _nrrd_numbers(fields, parts, 0) if parts else None)


def _nrrd_numbers(fields: Mapping[str, str], parts: tuple[Path, ...], start: int) -> Numbers | None:
    dtype = _NRRD_TYPES.get(" ".join(fields.get("type", "").lower().split()))
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
    if dtype is None or encoding is None:
        return None
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower())
    if order is None and dtype[1] != "1" and encoding != "text":
        raise InputError(Message("damaged header: it does not say the order of the bytes of its numbers"))
    lines, skip = _integers(
        [fields.get(n) or fields.get(n.replace(" ", "")) or "0" for n in ("line skip", "byte skip")]
    )
    if lines < 0:
        raise InputError(Message("damaged header: a number below zero"))
    return Numbers(parts, ("=" if encoding == "text" else order or "=") + dtype, encoding, start, lines, skip)


def nrrd_range_axis(header: TextHeader) -> int | None:
    """Which axis of an NRRD, from the fastest, is said to hold several values for each voxel; None where none is."""
    for axis, kind in enumerate(header.fields.get("kinds", "").lower().split()):
        if kind not in ("domain", "space", "time", "none", "???"):
            return axis
    directions = re.findall(r"none|\([^)]*\)", header.fields.get("space directions", ""))
    return directions.index("none") if "none" in directions else None


def nrrd_has_place(header: TextHeader) -> bool:
    """Whether an NRRD's space is the patient's: of a scanner's own, or of none, nobody knows where it lies."""
    return header.fields.get("space", "").lower() in _PATIENT


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
