"""DICOM frames → series: which images belong together, in which order, and whether they are a volume.

Slices are sorted along their normal, never by InstanceNumber. Localizers and images of another size or kind in the
same series become series of their own, and so do its volumes where it holds several (`dicom_split`); what is not an
evenly spaced volume stays a stack of images that says why.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from os.path import commonpath
from pathlib import Path

import numpy as np

from cadviewer.imaging import contained
from cadviewer.imaging.annotations import Annotations, kind_of
from cadviewer.imaging.dicom import codecs
from cadviewer.imaging.dicom import header as dh
from cadviewer.imaging.dicom.frames import Frame, reject
from cadviewer.imaging.dicom.header import Header
from cadviewer.imaging.dicom.pixels import value_type
from cadviewer.imaging.dicom.reader import frames_of
from cadviewer.imaging.dicom.split import Part, is_localizer, pixel_aspect, split
from cadviewer.imaging.faults import reason_of
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Patient, Rejected, Series, Shape, SliceInfo, State, Window
from cadviewer.imaging.volume_check import Arrangement, arrange, same_spacing
from cadviewer.messages import Message


def build(headers: Iterable[Header]) -> Iterator[Series | Rejected]:
    """Series of the given files, each file in exactly one of what comes out, ordered by their first file."""
    groups: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
    headers = list(headers)
    originals = _originals(headers)
    for header in headers:
        try:
            rejected = reject(header) or _copy_of(header, originals)
            frames = [] if rejected else frames_of(header)
        except Exception as error:  # noqa: BLE001 - whatever one file makes this raise is that file's reason
            rejected = Rejected(header.file, State.FAILED, reason_of(error))
        if rejected is not None:
            yield _with_kind(rejected, header)
            continue
        uid = header.text(dh.SERIES_UID)
        alone = len(frames) > 1 or dh.FRAME_GROUPS in header.sequences or not uid
        # The parts of a concatenation are one instance that was too large for a file (PS3.3 C.7.6.16.2.2.4).
        own = (header.text(dh.CONCATENATION) or str(header.file),) if alone else ()
        groups[(*_identity(header), *own)].extend(frames)
    for group in groups.values():
        yield from _series(group)


def _with_kind(rejected: Rejected, header: Header) -> Rejected:
    """A file that gives no image, named as what it is of use for where it says something of images."""
    kind = kind_of(header.text(dh.SOP_CLASS)) if rejected.state is State.SKIPPED else None
    return rejected if kind is None else Annotations(**vars(rejected), kind=kind, file=header.file)


def _identity(header: Header) -> tuple[str, ...]:
    """What all images of a series share: anonymisers have given two patients one Series UID."""
    return tuple(header.text(tag) for tag in (dh.SERIES_UID, dh.STUDY_UID, dh.PATIENT_ID, dh.FRAME_OF_REFERENCE))


def _originals(headers: Iterable[Header]) -> dict[str, Header]:
    """The file that counts of each instance: the first, of several encodings one that lost nothing."""
    originals: dict[str, Header] = {}
    for header in sorted(headers, key=lambda h: codecs.may_lose(h.syntax)):
        with suppress(Exception):  # what this file makes `reject` raise is told as its reason
            if reject(header) is None:
                originals.setdefault(header.text(dh.SOP_UID), header)
    return originals


def _copy_of(header: Header, originals: Mapping[str, Header]) -> Rejected | None:
    """An instance that is there twice is one image, in whatever encoding; what only shares its UID stays."""
    uid = header.text(dh.SOP_UID)
    other = originals.get(uid) if uid else None
    if other is None or other is header or not _same_instance(header, other):
        return None
    return Rejected(header.file, State.SKIPPED, Message("a copy of another file of its series, which is read"))


def _same_instance(a: Header, b: Header) -> bool:
    numbers = (dh.INSTANCE_NUMBER, dh.POSITION, dh.ORIENTATION, dh.ROWS, dh.COLUMNS, dh.FRAMES, dh.SLOPE, dh.INTERCEPT)
    if _identity(a) != _identity(b) or any(a.numbers(tag) != b.numbers(tag) for tag in numbers):
        return False
    return a.syntax != b.syntax or _pixels(a) == _pixels(b)


def _pixels(header: Header) -> bytes:
    """Pixel data as stored; the whole file where only pydicom can tell where they begin."""
    with header.file.open("rb") as stream:
        stream.seek(header.pixels_at or 0)
        return stream.read(-1 if header.pixels_length is None else header.pixels_length)


def _series(frames: Sequence[Frame]) -> Iterator[Series | Rejected]:
    try:
        parts = split(frames)
    except Exception as error:  # noqa: BLE001 - as above, of files that belong together
        yield from _failed(frames, error)
        return
    for part in parts:
        try:
            yield _one(part)
        except Exception as error:  # noqa: BLE001
            yield from _failed(part.frames, error)


def _failed(frames: Sequence[Frame], error: Exception) -> Iterator[Rejected]:
    for file in dict.fromkeys(f.header.file for f in frames):
        yield Rejected(file, State.FAILED, reason_of(error))


def _one(part: Part) -> Series:
    frames = part.frames
    rank = {id(f): k for k, f in enumerate(sorted(frames, key=lambda f: f.sequence))}
    arrangement = arrange([f.position for f in frames], [f.orientation for f in frames], [rank[id(f)] for f in frames])
    ordered = [frames[k] for k in arrangement.order]
    middle = ordered[len(ordered) // 2]
    header = middle.header
    reason = arrangement.reason
    if not same_spacing([f.spacing for f in ordered]) and not reason:
        reason = Message("mixed pixel spacing")
    geometry, regions, warnings = _geometry(ordered, arrangement, reason)
    hounsfield = _is_hounsfield(ordered)
    warnings += part.notes
    warnings += _cautions(ordered)
    words = header.values if header.words else _words(header.file)
    stored = [f.stored for f in ordered]
    windows = _windows(ordered)
    usual = windows[len(ordered) // 2]
    return Series(
        source=_source(ordered),
        format="dicom",
        slices=tuple(_slice(f, None if w == usual else w) for f, w in zip(ordered, windows, strict=True)),
        geometry=geometry,
        shape=Shape.IMAGE if len(ordered) == 1 else Shape.STACK if reason else Shape.VOLUME,
        dtype=np.dtype(np.uint8) if middle.colour else value_type(stored, hounsfield=hounsfield),
        channels=3 if middle.colour else 1,
        modality=header.text(dh.MODALITY),
        hounsfield=hounsfield,
        series_uid=header.text(dh.SERIES_UID),
        study_uid=header.text(dh.STUDY_UID),
        frame_of_reference_uid=header.text(dh.FRAME_OF_REFERENCE),
        study_date=header.text(dh.STUDY_DATE),
        study_description=words.get(dh.STUDY_DESCRIPTION, ""),
        description=" · ".join(t for t in (words.get(dh.SERIES_DESCRIPTION, ""), part.label) if t),
        series_number=header.integer(dh.SERIES_NUMBER),
        body_part=header.text(dh.BODY_PART),
        manufacturer=words.get(dh.MANUFACTURER, ""),
        patient=Patient(
            words.get(dh.PATIENT_NAME, "").replace("^", " ").strip(),
            words.get(dh.PATIENT_ID, ""),
            header.text(dh.SEX),
            header.text(dh.BIRTH_DATE),
            header.text(dh.AGE),
        ),
        windows=usual,
        inverted=header.text(dh.PHOTOMETRIC) == "MONOCHROME1",
        image_type=tuple(p for p in header.text(dh.IMAGE_TYPE).split("\\") if p),
        pixel_aspect=pixel_aspect(header),
        frame_rate=_frame_rate(header),
        ultrasound_regions=regions,
        not_volume=reason if len(ordered) > 1 else "",
        warnings=tuple(warnings),
    )


def _frame_rate(header: Header) -> float | None:
    """As it is to be shown, else as it was taken (PS3.3 C.7.6.5)."""
    time = header.number(dh.FRAME_TIME, 0.0)  # milliseconds
    rates = (header.number(dh.DISPLAY_RATE, 0.0), header.number(dh.CINE_RATE, 0.0), 1000 / time if time > 0 else 0.0)
    return next((rate for rate in rates if rate > 0 and math.isfinite(rate)), None)


def _words(file: Path) -> dict[int, str]:
    words: dict[int, str] = contained.call("cadviewer.imaging.dicom.dataset:words_of", file)
    return words


def _geometry(
    ordered: list[Frame], arrangement: Arrangement, reason: str
) -> tuple[Geometry, tuple[tuple[int, int, int, int, int], ...], list[str]]:
    first = ordered[0]
    spacing = first.spacing if same_spacing([f.spacing for f in ordered]) else None
    regions, calibrated, warnings = _ultrasound(first.header)
    shape = (len(ordered), first.rows, first.columns)
    volume = not reason and arrangement.spacing is not None
    return (
        Geometry(
            shape,
            calibrated or spacing,
            arrangement.spacing if volume else None,
            first.position if arrangement.direction is not None else None,
            arrangement.direction,
        ),
        regions,
        warnings,
    )


def _ultrasound(
    header: Header,
) -> tuple[tuple[tuple[int, int, int, int, int], ...], tuple[float, float] | None, list[str]]:
    if dh.ULTRASOUND_REGIONS not in header.sequences:
        return (), None, []
    regions, spacing, agree = contained.call("cadviewer.imaging.dicom.dataset:ultrasound", header.file)
    return (
        regions,
        spacing,
        [] if agree else [Message("its ultrasound regions have different scales: no millimetres are shown")],
    )


def _is_hounsfield(frames: Sequence[Frame]) -> bool:
    header = frames[0].header
    return (
        header.text(dh.MODALITY) == "CT"
        and not frames[0].colour
        and not is_localizer(header)
        and all(f.text(dh.RESCALE_TYPE).upper() in ("", "HU") for f in frames)
        and all(_rescaled(f) for f in frames)
    )


def _rescaled(frame: Frame) -> bool:
    """Whether a frame says in readable numbers how its values come about."""
    written = frame.text(dh.INTERCEPT)
    if dh.MODALITY_LUT in frame.header.sequences:
        return dh.INTERCEPT in frame.header.values
    try:
        return math.isfinite(float(written))
    except ValueError:
        return False


def _cautions(frames: Sequence[Frame]) -> list[str]:
    header = frames[0].header
    warnings: list[str] = []
    if header.text(dh.MODALITY) == "CT" and not frames[0].colour and not _is_hounsfield(frames):
        warnings.append(Message("a CT whose values are not known to be Hounsfield units"))
    tilt = header.number(dh.GANTRY_TILT, 0.0)
    if abs(tilt) > 0.5 and len(frames) > 1:
        warnings.append(Message("the header names a gantry tilt of {tilt:g}°", tilt=tilt))
    if any(header.integer(tag) for tag in dh.OVERLAY_ROWS):
        warnings.append(Message("the file draws over its image (an overlay plane), which is not shown here"))
    if (
        frames[0].colour
        and (header.integer(dh.BITS_STORED) or 8) > 8
        and header.text(dh.PHOTOMETRIC) != "PALETTE COLOR"
    ):
        warnings.append(Message("colour of more than 8 bits is shown with 8"))
    return warnings


def _source(frames: Sequence[Frame]) -> Path:
    files = list(dict.fromkeys(f.header.file for f in frames))
    if len(files) == 1:
        return files[0]
    folders = {f.parent for f in files}
    return next(iter(folders)) if len(folders) == 1 else Path(commonpath([str(f) for f in folders]))


def _slice(frame: Frame, windows: tuple[Window, ...] | None) -> SliceInfo:
    header = frame.header
    return SliceInfo(
        header.file,
        frame.index,
        header.text(dh.SOP_UID),
        header.integer(dh.INSTANCE_NUMBER),
        frame.position,
        frame.thickness,
        frame.stored,
        windows,
    )


def _windows(frames: Sequence[Frame]) -> list[tuple[Window, ...]]:
    """Of each frame; a file is asked once."""
    of_file: dict[int, list[tuple[Window, ...]]] = {}
    for frame in frames:
        if id(frame.header) not in of_file:
            of_file[id(frame.header)] = _windows_of(frame.header)
    return [own[min(f.index, len(own) - 1)] for f in frames if (own := of_file[id(f.header)])]


def _windows_of(header: Header) -> list[tuple[Window, ...]]:
    """Of each frame of a file; the last one's also of those after it."""
    centres, widths = header.numbers(dh.WINDOW_CENTRE), header.numbers(dh.WINDOW_WIDTH)
    names = header.text(dh.WINDOW_NAMES).split("\\")
    if header.sequences & {dh.SHARED_GROUPS, dh.FRAME_GROUPS}:  # they come first, as in everything that they say
        groups: list[tuple[Window, ...]] = contained.call("cadviewer.imaging.dicom.dataset:group_windows", header.file)
        if any(groups):
            return groups
    sigmoid = header.text(dh.WINDOW_FUNCTION).upper() == "SIGMOID"
    windows = tuple(
        Window(c, w, names[k].strip() if k < len(names) else "", sigmoid=sigmoid)
        for k, (c, w) in enumerate(zip(centres, widths, strict=False))
        if w > 0
    )
    if dh.VOI_LUT in header.sequences:
        windows += contained.call("cadviewer.imaging.dicom.dataset:voi_luts", header.file)
    return [windows]
