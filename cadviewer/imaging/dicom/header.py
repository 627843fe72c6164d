"""DICOM headers, read fast: the few elements that a series is made from, as text, and where the pixels begin.

pydicom needs about 1 ms for each header, which is most of the time a series takes to open. So the common encodings
(explicit and implicit VR, little-endian; DICOM PS3.5 section 7) are walked here without decoding what is not needed;
everything unusual is left to pydicom (`imaging.dicom.dataset`); `imaging.dicom.reader.read_header` chooses. The tests
check that both say the same of every file they have.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

TRANSFER_SYNTAX = 0x00020010
CHARACTER_SET = 0x00080005
IMAGE_TYPE = 0x00080008
SOP_CLASS = 0x00080016
SOP_UID = 0x00080018
STUDY_DATE = 0x00080020
ACQUISITION_TIME = 0x00080032
MODALITY = 0x00080060
MANUFACTURER = 0x00080070
STUDY_DESCRIPTION = 0x00081030
DISPLAY_RATE = 0x00082144
SERIES_DESCRIPTION = 0x0008103E
PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
BIRTH_DATE = 0x00100030
SEX = 0x00100040
AGE = 0x00101010
BODY_PART = 0x00180015
CINE_RATE = 0x00180040
SLICE_THICKNESS = 0x00180050
KVP = 0x00180060
ECHO_TIME = 0x00180081
INVERSION_TIME = 0x00180082
ECHO_NUMBER = 0x00180086
TRIGGER_TIME = 0x00181060
FRAME_TIME = 0x00181063
GANTRY_TILT = 0x00181120
KERNEL = 0x00181210
ULTRASOUND_REGIONS = 0x00186011
B_VALUE = 0x00189087
STUDY_UID = 0x0020000D
SERIES_UID = 0x0020000E
SERIES_NUMBER = 0x00200011
ACQUISITION_NUMBER = 0x00200012
INSTANCE_NUMBER = 0x00200013
POSITION = 0x00200032
ORIENTATION = 0x00200037
FRAME_OF_REFERENCE = 0x00200052
TEMPORAL_POSITION = 0x00200100
STACK = 0x00209056
CONCATENATION = 0x00209161
SAMPLES = 0x00280002
PHOTOMETRIC = 0x00280004
PLANAR = 0x00280006
FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
PIXEL_SPACING = 0x00280030
PIXEL_ASPECT = 0x00280034
IMAGER_SPACING = 0x00181164
NOMINAL_SPACING = 0x00182010
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
WINDOW_FUNCTION = 0x00281056
MODALITY_LUT = 0x00283000
VOI_LUT = 0x00283010
FRAME_REFERENCE_TIME = 0x00541300
SHARED_GROUPS = 0x52009229
FRAME_GROUPS = 0x52009230
FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)
PIXEL_DATA = 0x7FE00010

OVERLAY_ROWS = tuple(0x60000010 + (k << 17) for k in range(16))
"""Of each of the overlay planes that a file may have (PS3.3 C.9.2)."""

WANTED = frozenset(
    tag for name, tag in list(globals().items()) if name.isupper() and isinstance(tag, int) and tag < PIXEL_DATA
).union(OVERLAY_ROWS)
WORDS = frozenset((MANUFACTURER, STUDY_DESCRIPTION, SERIES_DESCRIPTION, PATIENT_NAME, PATIENT_ID))
"""Elements whose text is in the file's own character set."""
SEQUENCES = frozenset((ULTRASOUND_REGIONS, MODALITY_LUT, VOI_LUT, SHARED_GROUPS, FRAME_GROUPS))
_BINARY = frozenset(
    (
        *OVERLAY_ROWS,
        SAMPLES,
        PLANAR,
        ROWS,
        COLUMNS,
        BITS_ALLOCATED,
        BITS_STORED,
        HIGH_BIT,
        SIGNED,
        PADDING,
        PADDING_LIMIT,
    )
)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VR = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VR = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_ENCODINGS = {
    "": "latin-1",
    "ISO_IR 6": "latin-1",
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
"""Character sets (DICOM PS3.3 C.12.1.1.2) that need no switching within a text; pydicom does the others."""
_ASCII = ("", "ISO_IR 6")
_FIRST_READ = 16 * 1024
_LARGEST_HEADER = 8 * 1024 * 1024  # of what is walked here: a larger one has more elements than moments


_UID = re.compile(r"\d+(\.\d+)+")


def is_uid(text: str) -> bool:
    """Whether a text can be a UID in another object (PS3.5 section 9.1), leading zeros as some have allowed."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


class _Unusual(Exception):
    """The fast walk does not know this; pydicom may."""


class _Short(Exception):
    """The header goes on beyond the bytes that were read so far."""


@dataclass(frozen=True)
class Header:
    """What one DICOM file says of its images.

    values: text of the wanted elements by tag, several values joined by a backslash; absent ones are missing, and so
        are WORDS in a character set that only pydicom knows: then `words` is False.
    sequences: tags of the wanted sequences that are there.
    pixels_at: byte of the pixel data's value; None when there is none, or when only pydicom can tell.
    pixels_length: bytes of the value; None when encapsulated in fragments.
    has_pixels: whether there is pixel data at all; float_pixels: whether it is in floating point, an element of its own
        (PS3.3 C.7.6.24 and C.7.6.25).
    """

    file: Path
    size: int
    syntax: str
    values: Mapping[int, str]
    sequences: frozenset[int]
    has_pixels: bool
    pixels_at: int | None = None
    pixels_length: int | None = None
    words: bool = True
    float_pixels: bool = False

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


def read_fast(file: Path, size: int, stream: BinaryIO) -> Header | None:
    """The header of a file of `size` bytes at the start of `stream`; None for what is left to pydicom."""
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
    if not syntax or syntax in (BIG_ENDIAN, DEFLATED):
        raise _Unusual
    implicit = syntax == IMPLICIT
    position = _elements(
        buffer, position, implicit=implicit, values=values, sequences=sequences, stop=FLOAT_PIXELS[0], size=size
    )
    found = frozenset(sequences)
    words = values.get(CHARACTER_SET, "") in _ENCODINGS
    if position >= size:
        return Header(file, size, syntax, values, found, has_pixels=False, words=words)
    tag, start, length = _element(buffer, position, implicit)
    if tag != PIXEL_DATA:
        raise _Unusual
    at, long = start, None if length == _UNDEFINED else length
    return Header(file, size, syntax, values, found, True, at, long, words)


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
        if tag in SEQUENCES:
            if length:
                sequences.add(tag)
        elif tag in WANTED:
            encoding = _encoding(values.get(CHARACTER_SET, ""), tag, buffer[start:end])
            if encoding is not None:
                values[tag] = _decode(tag, buffer[start:end], encoding)
        position = end
    return position


def _encoding(character_set: str, tag: int, raw: bytes) -> str | None:
    """How the text of an element is to be decoded; None where only pydicom can."""
    if tag not in WORDS:
        return "latin-1"
    if character_set in _ASCII and not raw.isascii():
        # More than the set that is named, or none is: many programs write UTF-8 and forget to say so.
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            return "latin-1"
        return "utf-8"
    known = _ENCODINGS.get(character_set)
    # An identifier tells patients apart by its bytes, before anybody asks what they read as.
    return "latin-1" if known is None and tag == PATIENT_ID else known


def _decode(tag: int, raw: bytes, encoding: str) -> str:
    if tag in _BINARY:
        if len(raw) % 2:
            raise _Unusual
        return "\\".join(str(v) for v in struct.unpack(f"<{len(raw) // 2}H", raw))
    if tag == B_VALUE and raw:  # the only one with VR FD
        if len(raw) != 8:
            raise _Unusual
        return str(struct.unpack("<d", raw)[0])
    text = raw.decode(encoding, "replace").strip("\0 ")
    return "\\".join(part.strip() for part in text.split("\\")) if "\\" in text else text


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
