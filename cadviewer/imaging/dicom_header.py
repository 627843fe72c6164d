"""DICOM headers, read fast: the few elements that a series is made from, as text, and where the pixels begin.

pydicom needs about 1 ms for each header, which is most of the time a series takes to open. So the common encodings
(explicit and implicit VR, little-endian; DICOM PS3.5 section 7) are walked here without decoding what is not needed;
everything unusual is left to pydicom, and the tests check that both say the same of every file they have.
"""

from __future__ import annotations

import io
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
import pydicom.config
import pydicom.errors
import pydicom.uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue

from cadviewer.imaging.series import InputError

TRANSFER_SYNTAX = 0x00020010
IMAGE_TYPE = 0x00080008
SOP_CLASS = 0x00080016
SOP_UID = 0x00080018
MODALITY = 0x00080060
SLICE_THICKNESS = 0x00180050
GANTRY_TILT = 0x00181120
ULTRASOUND_REGIONS = 0x00186011
SERIES_UID = 0x0020000E
INSTANCE_NUMBER = 0x00200013
POSITION = 0x00200032
ORIENTATION = 0x00200037
FRAME_OF_REFERENCE = 0x00200052
SAMPLES = 0x00280002
PHOTOMETRIC = 0x00280004
PLANAR = 0x00280006
FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
PIXEL_SPACING = 0x00280030
BITS_ALLOCATED = 0x00280100
BITS_STORED = 0x00280101
HIGH_BIT = 0x00280102
SIGNED = 0x00280103
PADDING = 0x00280120
PADDING_LIMIT = 0x00280121
WINDOW_CENTRE = 0x00281050
WINDOW_WIDTH = 0x00281051
INTERCEPT = 0x00281052
SLOPE = 0x00281053
RESCALE_TYPE = 0x00281054
WINDOW_NAMES = 0x00281055
MODALITY_LUT = 0x00283000
SHARED_GROUPS = 0x52009229
FRAME_GROUPS = 0x52009230
FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)
PIXEL_DATA = 0x7FE00010

WANTED = frozenset(
    tag for name, tag in list(globals().items()) if name.isupper() and isinstance(tag, int) and tag < PIXEL_DATA
)
_BINARY = frozenset(
    (SAMPLES, PLANAR, ROWS, COLUMNS, BITS_ALLOCATED, BITS_STORED, HIGH_BIT, SIGNED, PADDING, PADDING_LIMIT)
)
_SEQUENCES = frozenset((ULTRASOUND_REGIONS, MODALITY_LUT, SHARED_GROUPS, FRAME_GROUPS))
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VR = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VR = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_FIRST_READ = 16 * 1024
_LARGEST_HEADER = 64 * 1024 * 1024


# pydicom quotes values that are not as the standard wants them, names of patients too: it is not to say so.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")

PYDICOM_FAULTS = (
    pydicom.errors.InvalidDicomError,
    pydicom.errors.BytesLengthException,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    NotImplementedError,
    IndexError,
    RecursionError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What pydicom raises over damaged files, when they are read and when an element is looked at: not of one kind."""


class _Unusual(Exception):
    """The fast walk does not know this; pydicom may."""


class _Short(Exception):
    """The header goes on beyond the bytes that were read so far."""


@dataclass(frozen=True)
class Header:
    """What one DICOM file says of its images.

    values: text of the wanted elements by tag, several values joined by a backslash; absent ones are missing.
    sequences: tags of the wanted sequences that are there.
    pixels_at: byte of the pixel data's value; None when there is none, or when only pydicom can tell.
    pixels_length: bytes of the value; None when encapsulated in fragments.
    has_pixels: whether there is pixel data at all.
    """

    file: Path
    size: int
    syntax: str
    values: Mapping[int, str]
    sequences: frozenset[int]
    has_pixels: bool
    pixels_at: int | None = None
    pixels_length: int | None = None

    def text(self, tag: int) -> str:
        return self.values.get(tag, "")

    def numbers(self, tag: int) -> tuple[float, ...]:
        """All values as finite numbers; empty when absent or when one is not a number."""
        try:
            found = tuple(float(part) for part in self.text(tag).split("\\"))
        except ValueError:
            return ()
        return found if all(map(math.isfinite, found)) else ()

    def number(self, tag: int, default: float) -> float:
        return next(iter(self.numbers(tag)), default)

    def integer(self, tag: int) -> int | None:
        found = self.numbers(tag)
        return int(found[0]) if found else None


def read_header(file: Path) -> Header:
    """The header of a DICOM file.

    Raises InputError when the file is not DICOM or is damaged, OSError when it cannot be opened.
    """
    with file.open("rb", buffering=0) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        header = _read_fast(file, size, stream)
    return header or _read_with_pydicom(file, size)


def read_dataset(file: Path, *, pixels: bool = False) -> FileDataset:
    """The whole header by pydicom, with `pixels` the pixel data too.

    Raises InputError when the file is not DICOM or is damaged, OSError when it cannot be opened.
    """
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=not pixels, force=True)
    except EOFError as error:
        raise InputError("truncated: the file ends within its header") from error
    except PYDICOM_FAULTS as error:
        # Its own words may quote values, and so a patient: only their kind is told.
        raise InputError(f"damaged DICOM header ({type(error).__name__})") from error
    if len(dataset) == 0:
        raise InputError("damaged: a DICOM file without any element")
    return dataset


def syntax_of(dataset: FileDataset) -> str:
    """The transfer syntax, taken from how the file was encoded where its meta header does not say."""
    meta = getattr(dataset, "file_meta", None)
    named = str(meta.get("TransferSyntaxUID", "") or "") if meta is not None else ""
    if named:
        return named
    implicit, little = dataset.original_encoding
    if implicit is None or implicit:
        return str(pydicom.uid.ImplicitVRLittleEndian)
    return str(pydicom.uid.ExplicitVRLittleEndian if little in (None, True) else pydicom.uid.ExplicitVRBigEndian)


def _read_with_pydicom(file: Path, size: int) -> Header:
    dataset = read_dataset(file)
    values = {tag: text for tag in WANTED if (text := _text(dataset, tag)) is not None}
    sequences = frozenset(tag for tag in _SEQUENCES if tag in dataset)
    # Stopped before the pixels: whether there are any is only known by looking on.
    has_pixels = PIXEL_DATA in read_dataset(file, pixels=True)
    return Header(file, size, syntax_of(dataset), values, sequences, has_pixels)


def _text(dataset: Dataset, tag: int) -> str | None:
    if tag not in dataset or tag in _SEQUENCES:
        return None
    try:
        value = dataset[tag].value
    except PYDICOM_FAULTS:
        return None  # one bad element is as good as none
    if value is None:
        return ""
    if isinstance(value, MultiValue | list):
        return "\\".join(str(v).strip("\0 ") for v in value)
    return str(value).strip("\0 ")


def _read_fast(file: Path, size: int, stream: BinaryIO) -> Header | None:
    buffer = stream.read(_FIRST_READ)
    while True:
        try:
            return _walk(file, size, buffer)
        except _Unusual:
            return None
        except _Short:
            if len(buffer) >= min(size, _LARGEST_HEADER):
                return None
            more = stream.read(min(15 * len(buffer), _LARGEST_HEADER - len(buffer)))
            if not more:
                return None
            buffer += more


def _walk(file: Path, size: int, buffer: bytes) -> Header:
    if buffer[128:132] != b"DICM":
        raise _Unusual
    values: dict[int, str] = {}
    sequences: set[int] = set()
    position = _elements(buffer, 132, implicit=False, values=values, sequences=sequences, stop=0x00030000, size=size)
    syntax = values.get(TRANSFER_SYNTAX, "")
    if not syntax or syntax in (pydicom.uid.ExplicitVRBigEndian, pydicom.uid.DeflatedExplicitVRLittleEndian):
        raise _Unusual
    implicit = syntax == pydicom.uid.ImplicitVRLittleEndian
    position = _elements(
        buffer, position, implicit=implicit, values=values, sequences=sequences, stop=FLOAT_PIXELS[0], size=size
    )
    found = frozenset(sequences)
    if position >= size:
        return Header(file, size, syntax, values, found, has_pixels=False)
    tag, start, length = _element(buffer, position, implicit)
    if tag != PIXEL_DATA:
        raise _Unusual
    return Header(file, size, syntax, values, found, True, start, None if length == _UNDEFINED else length)


def _element(buffer: bytes, position: int, implicit: bool) -> tuple[int, int, int]:
    """(tag, first byte of the value, length of the value) of the element at `position` (PS3.5 section 7.1)."""
    if position + 8 > len(buffer):
        raise _Short
    group, element = struct.unpack_from("<HH", buffer, position)
    tag = group << 16 | element
    if implicit:
        return tag, position + 8, struct.unpack_from("<I", buffer, position + 4)[0]
    kind = buffer[position + 4 : position + 6]
    if kind in _SHORT_VR:
        return tag, position + 8, struct.unpack_from("<H", buffer, position + 6)[0]
    if kind in _LONG_VR:
        if position + 12 > len(buffer):
            raise _Short
        return tag, position + 12, struct.unpack_from("<I", buffer, position + 8)[0]
    raise _Unusual


def _elements(
    buffer: bytes, position: int, *, implicit: bool, values: dict[int, str], sequences: set[int], stop: int, size: int
) -> int:
    """Collects the wanted elements from `position` on; the position of the first element at or after tag `stop`."""
    before = -1
    while position < size:
        if position + 4 > len(buffer):
            raise _Short
        group, element = struct.unpack_from("<HH", buffer, position)
        if group << 16 | element >= stop:
            return position  # before the length is looked at: what follows may be encoded otherwise
        tag, start, length = _element(buffer, position, implicit)
        if tag <= before:
            raise _Unusual  # elements out of order: somebody's mistake, pydicom copes
        before = tag
        if length == _UNDEFINED:
            if not implicit and buffer[position + 4 : position + 6] != b"SQ":
                raise _Unusual
            end = _skip_sequence(buffer, start, implicit, depth=0)
        else:
            end = start + length
            if end > size:
                raise _Unusual
            if end > len(buffer):
                raise _Short
        if tag in _SEQUENCES:
            if length:
                sequences.add(tag)
        elif tag in WANTED:
            values[tag] = _decode(tag, buffer[start:end])
        position = end
    return position


def _decode(tag: int, raw: bytes) -> str:
    if tag not in _BINARY:
        # Names and descriptions are read by pydicom with their character set; what is read here is plain ASCII.
        text = raw.decode("latin-1").strip("\0 ")
        return "\\".join(part.strip() for part in text.split("\\")) if "\\" in text else text
    if len(raw) % 2:
        raise _Unusual
    return "\\".join(str(v) for v in struct.unpack(f"<{len(raw) // 2}H", raw))


def _skip_sequence(buffer: bytes, position: int, implicit: bool, depth: int) -> int:
    """The end of a sequence of undefined length whose first item is at `position` (PS3.5 section 7.5)."""
    if depth > 16:
        raise _Unusual
    while True:
        if position + 8 > len(buffer):
            raise _Short
        group, element, length = struct.unpack_from("<HHI", buffer, position)
        tag = group << 16 | element
        position += 8
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise _Unusual
        position = _skip_item(buffer, position, implicit, depth) if length == _UNDEFINED else position + length


def _skip_item(buffer: bytes, position: int, implicit: bool, depth: int) -> int:
    while True:
        if position + 8 > len(buffer):
            raise _Short
        if struct.unpack_from("<HH", buffer, position) == (0xFFFE, 0xE00D):
            return position + 8
        _, start, length = _element(buffer, position, implicit)
        if length != _UNDEFINED:
            position = start + length
            continue
        if not implicit and buffer[position + 4 : position + 6] != b"SQ":
            raise _Unusual
        position = _skip_sequence(buffer, start, implicit, depth + 1)
