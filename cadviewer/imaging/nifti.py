"""NIfTI headers (nifti1.h, nifti2.h): where the pixels lie, how many bytes there must be, and what is left unsaid.

SimpleITK reads NIfTI, but fills what is missing of a truncated file with zeros and says nothing; so plain numbers are
read here, where the end of the file is noticed. SimpleITK still turns the header's place (RAS) into LPS.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from cadviewer.imaging.series import InputError

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_HEAD = 540
_FARTHEST = 1 << 28  # byte that pixels begin at: extensions of a header have some megabytes
GZIP_FAULTS = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class NiftiHeader:
    """offset: byte of the first number in `file` (once unpacked). dtype: of the numbers, None when they are not plain:
    scaled by a slope, or colour. needed: bytes of all of them. spacing_known, placed: whether the header says so."""

    file: Path
    offset: int
    dtype: str | None
    needed: int
    spacing_known: bool
    placed: bool

    @property
    def packed(self) -> bool:
        return self.file.name.lower().endswith(".gz")

    def open(self) -> BinaryIO:
        """The unpacked file. Raises OSError; reading it one of GZIP_FAULTS."""
        return cast(BinaryIO, gzip.open(self.file, "rb")) if self.packed else self.file.open("rb")

    def check_length(self) -> None:
        """Raises InputError when the file ends before its pixels do; a packed file is unpacked for it."""
        try:
            if self.packed:
                there = 0
                with self.open() as stream:
                    while there < self.offset + self.needed and (part := stream.read(1 << 22)):
                        there += len(part)  # no farther: what follows may be made to go on for ever
            else:
                there = self.file.stat().st_size
        except GZIP_FAULTS as error:
            raise InputError("truncated or damaged: it cannot be unpacked") from error
        if there < self.offset + self.needed:
            raise InputError(f"truncated: {max(there - self.offset, 0)} of {self.needed} bytes of pixels")


def read_nifti_header(file: Path, data: Path | None = None) -> NiftiHeader:
    """Header of a .nii, .nii.gz or .hdr file; `data`: the .img of a pair. Raises InputError, OSError."""
    try:
        with gzip.open(file, "rb") if file.name.lower().endswith(".gz") else file.open("rb") as stream:
            head = stream.read(_HEAD)
    except GZIP_FAULTS as error:
        raise InputError("truncated or damaged: it cannot be unpacked") from error
    try:
        return _parse(file, data, head)
    except struct.error as error:
        raise InputError("truncated: the file ends within its header") from error


def _parse(file: Path, data: Path | None, head: bytes) -> NiftiHeader:
    order = "<" if struct.unpack_from("<i", head)[0] in (348, 540) else ">"
    second = struct.unpack_from(order + "i", head)[0] == 540
    if second:
        sizes = struct.unpack_from(order + "8q", head, 16)
        kind, bits = struct.unpack_from(order + "2h", head, 12)
        offset, slope, intercept = struct.unpack_from(order + "q2d", head, 168)
        qform, sform, units = (
            *struct.unpack_from(order + "2i", head, 344),
            *struct.unpack_from(order + "i", head, 500),
        )
    else:
        sizes = struct.unpack_from(order + "8h", head, 40)
        kind, bits = struct.unpack_from(order + "2h", head, 70)
        offset, slope, intercept = struct.unpack_from(order + "3f", head, 108)
        qform, sform, units = (*struct.unpack_from(order + "2h", head, 252), head[123])
    if not 0 <= offset <= _FARTHEST:
        raise InputError("damaged header: its pixels begin at no byte that there is")
    count = math.prod(max(int(n), 1) for n in sizes[1 : 1 + min(max(int(sizes[0]), 0), 7)])
    plain = kind in _TYPES and (slope == 0 or (slope == 1 and intercept == 0))
    least = 0 if data is not None else 544 if second else 352
    if offset < least:
        # Writers leave 0, and mean "right after the header"; ITK reads four bytes too early then.
        if not plain:
            raise InputError("damaged header: its pixels begin within it")
        offset = least
    return NiftiHeader(
        file if data is None else data,
        int(offset),
        order + _TYPES[kind] if plain else None,
        count * int(bits) // 8,
        qform > 0 or sform > 0 or units & 7 in (1, 2, 3),
        qform > 0 or sform > 0,
    )
