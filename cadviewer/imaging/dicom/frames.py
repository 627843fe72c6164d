"""One DICOM header → its frames: where each lies and how its pixels are stored; or why the file gives none.

Single images keep their place at the top of the header; enhanced multi-frame objects keep it in functional groups
(DICOM PS3.3 C.7.6.16), of which shared ones apply to every frame.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cadviewer.imaging.dicom import codecs
from cadviewer.imaging.dicom import header as dh
from cadviewer.imaging.dicom.header import Header
from cadviewer.imaging.faults import one_line
from cadviewer.imaging.geometry import Vector
from cadviewer.imaging.series import Rejected, State, Stored
from cadviewer.imaging.volume_check import Orientation
from cadviewer.messages import Message

_DICOMDIR = "1.2.840.10008.1.3.10"
_NOT_IMAGES = frozenset(
    ("SR", "PR", "KO", "SEG", "REG", "RTDOSE", "RTPLAN", "RTSTRUCT", "RTRECORD", "FID", "RWV", "DOC")
)
_MICROSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.6"
_LARGEST_SIDE = 65535
_COLOURS = (
    "",
    "MONOCHROME2",
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_PARTIAL_420",
    "YBR_PARTIAL_422",
    "YBR_ICT",
    "YBR_RCT",
)
"""Photometric interpretations of three samples (PS3.3 C.7.6.3.1.2); retired ones, as HSV, are not read. Gray in
three channels is against the standard, and in use."""
_DEFLATE = 1032  # bytes that a deflated one can stand for at most
_FRAGMENT = 8  # bytes of a fragment at least, its head (PS3.5 annex A.4)
_MOST_FRAGMENTS = 1_000_000


@dataclass(frozen=True)
class Frame:
    """One image of a file, without its pixels.

    colour: whether its pixels become RGB.
    own: text of elements that functional groups give this frame, by the tag a single image has for it.
    """

    header: Header
    index: int
    rows: int
    columns: int
    colour: bool
    stored: Stored
    position: Vector | None = None
    orientation: Orientation | None = None
    spacing: tuple[float, float] | None = None
    thickness: float | None = None
    own: Mapping[int, str] = field(default_factory=dict)

    def text(self, tag: int) -> str:
        """An element of this frame, of its file where it has none of its own."""
        return self.own.get(tag) or self.header.text(tag)

    @property
    def sequence(self) -> tuple[float, int]:
        """Sorts frames without a place: by InstanceNumber, then frame."""
        number = self.header.integer(dh.INSTANCE_NUMBER)
        return (float("inf") if number is None else float(number), self.index)


def reject(header: Header) -> Rejected | None:
    """Why this file gives no image; None when it gives one or more."""

    def no(state: State, reason: str) -> Rejected:
        return Rejected(header.file, state, reason)

    sop_class, modality = header.text(dh.SOP_CLASS), header.text(dh.MODALITY)
    if sop_class == _DICOMDIR:
        return no(State.SKIPPED, Message("a DICOMDIR; its images are found by themselves"))
    if modality in _NOT_IMAGES:
        return no(State.SKIPPED, Message("not an image: {header}", header=_kind(header)))
    rows, columns = header.integer(dh.ROWS), header.integer(dh.COLUMNS)
    if not header.has_pixels:
        kind = _kind(header)
        if rows is None and "Image" not in kind:
            return no(State.SKIPPED, Message("not an image: {kind}", kind=kind))
        if header.float_pixels:
            return no(
                State.REFUSED, Message("pixels in floating point (a parametric map), which this program does not read")
            )
        return no(State.FAILED, Message("damaged: a DICOM image without pixel data"))
    for name, value in (("Rows", rows), ("Columns", columns), ("Bits Allocated", header.integer(dh.BITS_ALLOCATED))):
        if value is None or not 0 < value <= _LARGEST_SIDE:
            return no(State.FAILED, Message("damaged: {name} is missing or not sensible", name=name))
    if sop_class == _MICROSCOPY:
        return no(State.REFUSED, Message("a microscopy slide, which this program does not read"))
    if not codecs.can_decode(header.syntax):
        return no(
            State.REFUSED,
            Message("compressed as {syntax}, which this program cannot decode", syntax=_name(header.syntax)),
        )
    allocated = header.integer(dh.BITS_ALLOCATED)
    if allocated not in (1, 8, 16, 32):
        return no(
            State.REFUSED,
            Message("{allocated} bits for each pixel, which this program does not read", allocated=allocated),
        )
    if header.integer(dh.SAMPLES) not in (None, 1, 3):
        return no(
            State.REFUSED,
            Message(
                "{samples} samples for each pixel, which this program does not read", samples=header.integer(dh.SAMPLES)
            ),
        )
    photometric = header.text(dh.PHOTOMETRIC)
    if header.integer(dh.SAMPLES) == 3 and photometric not in _COLOURS:
        return no(
            State.REFUSED,
            Message(
                "colours as {photometric}, which this program does not read", photometric=one_line(photometric, 20)
            ),
        )
    if header.text(dh.FRAMES) and (not header.numbers(dh.FRAMES) or (header.integer(dh.FRAMES) or 0) < 1):
        return no(State.FAILED, Message("damaged: Number of Frames is not a number"))
    if _more_frames_than_bytes(header):
        return no(State.FAILED, Message("damaged: more frames than the file can hold"))
    return _truncated(header)


def _kind(header: Header) -> str:
    """What a file is, in words."""
    sop_class = header.text(dh.SOP_CLASS)
    return _name(sop_class) if sop_class else header.text(dh.MODALITY) or Message("DICOM object of unknown kind")


def _name(uid: str) -> str:
    from pydicom.uid import UID  # only for what is turned away

    name = UID(uid, validation_mode=0).name  # no warning that quotes it
    return name if name != uid else Message("something with the UID {uid}", uid=one_line(uid, 64) or "unknown")


def _more_frames_than_bytes(header: Header) -> bool:
    """Asked before there is a loop over the frames, where nobody knows where the pixels begin (else `_truncated`)."""
    frames = header.integer(dh.FRAMES) or 1
    if frames == 1 or header.pixels_at is not None:
        return False
    if header.syntax in codecs.NATIVE or header.syntax in (dh.BIG_ENDIAN, dh.DEFLATED):
        bits = (header.integer(dh.ROWS) or 0) * (header.integer(dh.COLUMNS) or 0)
        bits *= (header.integer(dh.SAMPLES) or 1) * (header.integer(dh.BITS_ALLOCATED) or 0)
        dense = _DEFLATE if header.syntax == dh.DEFLATED else 1
        return frames * bits > 8 * dense * header.size * 3 // 2  # 4:2:2 colour stores two thirds
    return frames * _FRAGMENT > header.size


def _truncated(header: Header) -> Rejected | None:
    """Names a file that ends before its pixels do."""
    if header.pixels_at is None:
        return None
    if header.pixels_length is None:
        return _truncated_fragments(header)
    if header.syntax not in codecs.NATIVE:
        return Rejected(header.file, State.FAILED, Message("damaged: compressed pixels without fragments"))
    frames = header.integer(dh.FRAMES) or 1
    pixels = (header.integer(dh.ROWS) or 0) * (header.integer(dh.COLUMNS) or 0) * (header.integer(dh.SAMPLES) or 1)
    needed = (frames * pixels * (header.integer(dh.BITS_ALLOCATED) or 0) + 7) // 8
    if header.text(dh.PHOTOMETRIC) == "YBR_FULL_422":
        needed = needed * 2 // 3
    there = min(header.pixels_length, header.size - header.pixels_at)
    if there < needed:
        return Rejected(
            header.file,
            State.FAILED,
            Message("truncated: {there} of {needed} bytes of pixels", there=there, needed=needed),
        )
    return None


def _truncated_fragments(header: Header) -> Rejected | None:
    """Walks the fragments of encapsulated pixels (DICOM PS3.5 annex A.4) by their lengths alone."""
    position, items = header.pixels_at or 0, 0
    with header.file.open("rb") as stream:
        while position + 8 <= header.size:
            stream.seek(position)
            group, element, length = struct.unpack("<HHI", stream.read(8))
            if (group, element) == (0xFFFE, 0xE0DD):
                frames = header.integer(dh.FRAMES) or 1
                if items - 1 < frames:
                    reason = Message(
                        "damaged: {fragments} compressed fragments for {frames} frames",
                        fragments=max(items - 1, 0),
                        frames=frames,
                    )
                    return Rejected(header.file, State.FAILED, reason)
                return None
            if (group, element) != (0xFFFE, 0xE000):
                return Rejected(header.file, State.FAILED, Message("damaged: compressed pixels are not in fragments"))
            position += 8 + length
            items += 1
            if items > _MOST_FRAGMENTS:
                return Rejected(
                    header.file,
                    State.FAILED,
                    Message("damaged: more than {most} compressed fragments", most=_MOST_FRAGMENTS),
                )
    return Rejected(header.file, State.FAILED, Message("truncated: the end of its compressed pixels is missing"))


def first_frame(header: Header) -> tuple[Frame, int]:
    """The first frame of a file as the top of its header describes it, and how many there are."""
    count = header.integer(dh.FRAMES) or 1
    colour = _is_colour(header)
    plain = Frame(
        header,
        0,
        header.integer(dh.ROWS) or 0,
        header.integer(dh.COLUMNS) or 0,
        colour,
        stored_of(header, 0, colour),
        position=vector(header.numbers(dh.POSITION)) if count == 1 else None,
        orientation=orientation(header.numbers(dh.ORIENTATION)) if count == 1 else None,
        spacing=pixel_spacing(header.numbers(dh.PIXEL_SPACING)),
        thickness=positive(header.numbers(dh.SLICE_THICKNESS)),
    )
    return plain, count


def has_groups(header: Header) -> bool:
    """Whether functional groups say more of each frame (`imaging.dicom.dataset.frames_of`)."""
    return bool(header.sequences & {dh.SHARED_GROUPS, dh.FRAME_GROUPS})


def alike(plain: Frame, count: int) -> list[Frame]:
    """The frames of a file without functional groups: they differ in where their pixels are stored."""
    if count == 1:
        return [plain]
    return [replace(plain, index=k, stored=stored_of(plain.header, k, plain.colour)) for k in range(count)]


def stored_of(
    header: Header, index: int, colour: bool, slope: float | None = None, intercept: float | None = None
) -> Stored:
    """How frame `index` lies in its file (DICOM PS3.5 8.1.1): bits, sign, rescaling, and its offset where it is native.

    slope, intercept: of a functional group, None for those of the header.
    """
    allocated = header.integer(dh.BITS_ALLOCATED) or 16
    bits = header.integer(dh.BITS_STORED) or allocated
    bits = bits if 0 < bits <= allocated else allocated
    signed = header.integer(dh.SIGNED) == 1
    offset = None
    simple = (
        header.syntax in codecs.NATIVE
        and header.pixels_at is not None
        and not colour
        and allocated in (8, 16, 32)
        and header.integer(dh.HIGH_BIT) in (None, bits - 1)
        and dh.MODALITY_LUT not in header.sequences
    )
    if simple:
        size = (header.integer(dh.ROWS) or 0) * (header.integer(dh.COLUMNS) or 0) * allocated // 8
        offset = (header.pixels_at or 0) + index * size
    if dh.MODALITY_LUT in header.sequences:
        bits, signed, slope, intercept = 16, False, 1.0, 0.0  # the table gives 16 bits, PS3.3 C.11.1.1
    slope = header.number(dh.SLOPE, 1.0) if slope is None else slope
    return Stored(
        offset,
        f"{'int' if signed else 'uint'}{max(allocated, 8) if dh.MODALITY_LUT not in header.sequences else 16}",
        bits,
        slope or 1.0,  # a slope of 0 would wipe the image out: such headers mean "none"
        header.number(dh.INTERCEPT, 0.0) if intercept is None else intercept,
        _padding(header, allocated, signed),
    )


def _padding(header: Header, allocated: int, signed: bool) -> tuple[int, int] | None:
    """Padding numbers as the stored type has them: headers write negative ones with either sign."""
    first = header.integer(dh.PADDING)
    if first is None:
        return None
    limit = header.integer(dh.PADDING_LIMIT)
    ends = []
    for value in (first, first if limit is None else limit):
        value &= 2**allocated - 1
        ends.append(value - 2**allocated if signed and value >= 2 ** (allocated - 1) else value)
    return min(ends), max(ends)


def _is_colour(header: Header) -> bool:
    return (header.integer(dh.SAMPLES) or 1) == 3 or header.text(dh.PHOTOMETRIC) == "PALETTE COLOR"


def pixel_spacing(values: tuple[float, ...]) -> tuple[float, float] | None:
    """(row, column) mm; None unless both are positive."""
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None


def positive(values: tuple[float, ...]) -> float | None:
    return values[0] if values and values[0] > 0 else None


def vector(values: tuple[float, ...]) -> Vector | None:
    return (values[0], values[1], values[2]) if len(values) == 3 else None


def orientation(values: tuple[float, ...]) -> Orientation | None:
    """The six direction cosines of Image Orientation (Patient); None where there are not six, or all are 0."""
    if len(values) != 6 or not any(values):
        return None
    return (values[0], values[1], values[2], values[3], values[4], values[5])
