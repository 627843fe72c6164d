"""NIfTI headers (nifti1.h, nifti2.h): where the pixels lie, how many bytes there must be, and what is left unsaid.

SimpleITK reads NIfTI, but fills what is missing of a truncated file with zeros and says nothing, takes distances from
`pixdim` where the transform says others, and refuses axes not quite at right angles. So headers and numbers are read
here. The transform is the sform where there is one, else the qform (nifti1.h, methods 3 and 2), turned from its RAS
into LPS.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.series import InputError
from cadviewer.messages import Message

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COLOUR = {128: 3}  # DT_RGB24: values for each pixel
_UNITS = {1: 1000.0, 2: 1.0, 3: 0.001}  # millimetres of a metre, millimetre, micrometre
_AGREE = 0.005  # share by which two statements of one distance may differ: headers keep them in single precision
_HALF_TURN = 1e-7  # what is left of a quaternion's length for its first part where the turn is one by 180°
_HEAD = 540
_FARTHEST = 1 << 28  # byte that pixels begin at: extensions of a header have some megabytes
GZIP_FAULTS = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class NiftiHeader:
    """offset: byte of the first number in `file` (once unpacked). sizes: columns, rows, slices and further axes.
    dtype: of the numbers, None when they are none that is read here; channels: 3 for colour. scale: (slope, intercept),
    None where the numbers are the values. needed: bytes of all of them. spacing_known, placed: said by the header.
    axes: (3, 3) columns in LPS, mm from one voxel to the next along column, row and slice; origin: LPS mm of the first
    voxel. disagrees: the distances of pixdim, where the transform has others, "" otherwise. packed: by gzip."""

    file: Path
    offset: int
    sizes: tuple[int, ...]
    dtype: str | None
    channels: int
    scale: tuple[float, float] | None
    needed: int
    spacing_known: bool
    placed: bool
    axes: NDArray[np.float64]
    origin: NDArray[np.float64]
    disagrees: str
    packed: bool

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
            raise InputError(Message("truncated or damaged: it cannot be unpacked")) from error
        if there < self.offset + self.needed:
            raise InputError(
                Message(
                    "truncated: {there} of {needed} bytes of pixels",
                    there=max(there - self.offset, 0),
                    needed=self.needed,
                )
            )


def is_packed(file: Path) -> bool:
    """Whether a file is packed by gzip, whatever its name says. Raises OSError."""
    with file.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def read_nifti_header(file: Path, data: Path | None = None) -> NiftiHeader:
    """Header of a .nii, .nii.gz or .hdr file; `data`: the .img of a pair. Raises InputError, OSError."""
    try:
        with gzip.open(file, "rb") if is_packed(file) else file.open("rb") as stream:
            head = stream.read(_HEAD)
    except GZIP_FAULTS as error:
        raise InputError(Message("truncated or damaged: it cannot be unpacked")) from error
    try:
        return _parse(file, data, head)
    except struct.error as error:
        raise InputError(Message("truncated: the file ends within its header")) from error


def _parse(file: Path, data: Path | None, head: bytes) -> NiftiHeader:
    order = "<" if struct.unpack_from("<i", head)[0] in (348, 540) else ">"

    def get(form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + form, head, at)

    second = get("i", 0)[0] == 540
    if second:
        sizes, (kind, bits), (offset, slope, intercept) = get("8q", 16), get("2h", 12), get("q2d", 168)
        pixdim, (qform, sform), units = get("8d", 104), get("2i", 344), get("i", 500)[0]
        quaternion, shift, rows = get("3d", 352), get("3d", 376), get("12d", 400)
    else:
        sizes, (kind, bits), (offset, slope, intercept) = get("8h", 40), get("2h", 70), get("3f", 108)
        pixdim, (qform, sform), units = get("8f", 76), get("2h", 252), head[123]
        quaternion, shift, rows = get("3f", 256), get("3f", 268), get("12f", 280)
    if not 0 <= offset <= _FARTHEST:
        raise InputError(Message("damaged header: its pixels begin at no byte that there is"))
    dimensions = tuple(max(int(n), 1) for n in sizes[1 : 1 + min(max(int(sizes[0]), 0), 7)])
    least = 0 if data is not None else 544 if second else 352
    pixels = file if data is None else data
    known = kind in _TYPES
    scaled = known and slope != 0 and (slope, intercept) != (1, 0)
    if scaled and not (math.isfinite(slope) and math.isfinite(intercept)):
        raise InputError(Message("damaged header: the slope or intercept of its values is no number"))
    unit = _UNITS.get(units & 7, 1.0)
    axes, origin = _transform(pixdim, qform, sform, quaternion, shift, rows)
    return NiftiHeader(
        file=pixels,
        # Writers leave 0, and mean "right after the header".
        offset=max(int(offset), least),
        sizes=dimensions,
        dtype=order + _TYPES[kind] if known else "u1" if kind in _COLOUR else None,
        channels=_COLOUR.get(kind, 1),
        scale=(float(slope), float(intercept)) if scaled else None,
        needed=math.prod(dimensions) * int(bits) // 8,
        spacing_known=qform > 0 or sform > 0 or units & 7 in _UNITS,
        placed=qform > 0 or sform > 0,
        axes=axes * unit,
        origin=origin * unit,
        disagrees=_disagreement(pixdim, axes, unit, len(dimensions)) if sform > 0 else "",
        packed=is_packed(pixels),
    )


def _transform(
    pixdim: tuple[Any, ...],
    qform: int,
    sform: int,
    quaternion: tuple[Any, ...],
    shift: tuple[Any, ...],
    rows: tuple[Any, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(axes, origin) in LPS, in the unit of the header. Raises InputError for what is no transform."""
    steps = np.abs(np.array(pixdim[1:4], float))
    steps[(steps == 0) | ~np.isfinite(steps)] = 1.0
    if sform > 0:
        matrix = np.array(rows, float).reshape(3, 4)
        axes, origin = matrix[:, :3], matrix[:, 3]
    elif qform > 0:
        b, c, d = (float(v) for v in quaternion)
        rest = 1 - b * b - c * c - d * d if all(map(math.isfinite, (b, c, d))) else math.nan
        if rest < _HALF_TURN:  # as the reference does (nifti_quatern_to_mat44), since b, c and d are rounded
            b, c, d = (v / math.sqrt(1 - rest) for v in (b, c, d))
            rest = 0.0
        a = math.sqrt(rest)
        turn = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        axes = turn * steps * (1, 1, -1 if pixdim[0] < 0 else 1)
        origin = np.array(shift, float)
    else:
        # Said by nobody: as ITK has it, columns to the patient's left and rows to the back.
        return np.diag(steps), np.zeros(3)
    to_lps = np.array([-1.0, -1.0, 1.0])
    if not (np.isfinite(axes).all() and np.isfinite(origin).all()) or not np.linalg.norm(axes, axis=0).all():
        raise InputError(Message("damaged header: its transform into the patient is none"))
    return axes * to_lps[:, None], origin * to_lps


def _disagreement(pixdim: tuple[Any, ...], axes: NDArray[np.float64], unit: float, dimensions: int) -> str:
    count = min(3, dimensions)
    said = np.abs(np.array(pixdim[1 : 1 + count], float))
    lengths = np.linalg.norm(axes, axis=0)[:count]
    if not np.isfinite(said).all() or not said.all() or (np.abs(said - lengths) <= _AGREE * lengths).all():
        return ""
    return " × ".join(f"{v * unit:.4g}" for v in said)
