"""DICOM frames → series: which images belong together, in which order, and whether they are a volume.

Slices are sorted along their normal, never by InstanceNumber. Localizers and images of another size or kind in the
same series become series of their own, and both say so; what is not an evenly spaced volume stays a stack of images
that says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from os.path import commonpath
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from cadviewer.imaging import dicom_header as dh
from cadviewer.imaging.dicom_frames import Frame, frames_of, reject
from cadviewer.imaging.dicom_header import Header
from cadviewer.imaging.dicom_pixels import value_type
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import InputError, Patient, Rejected, Series, Shape, SliceInfo, State, Window
from cadviewer.imaging.stacking import Arrangement, arrange, same_orientation

_MAIN_SHARE = 0.75  # of the images in one orientation: the others then are not what the series is about
_CENTIMETRES = 3  # PhysicalUnits of an ultrasound region, PS3.3 C.8.5.5.1.15
_TISSUE = 1  # RegionDataType
_PLANE = 1  # RegionSpatialFormat 2D


def build(headers: Iterable[Header]) -> Iterator[Series | Rejected]:
    """Series of the given files, each file in exactly one of what comes out, ordered by their first file."""
    groups: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
    seen: dict[str, Header] = {}
    for header in headers:
        rejected = reject(header) or _copy_of(header, seen)
        if rejected is not None:
            yield rejected
            continue
        try:
            frames = frames_of(header)
        except InputError as error:
            yield Rejected(header.file, State.FAILED, str(error))
            continue
        uid = header.text(dh.SERIES_UID)
        alone = len(frames) > 1 or dh.FRAME_GROUPS in header.sequences or not uid
        groups[(uid, str(header.file)) if alone else (uid,)].extend(frames)
    for group in groups.values():
        yield from _series(group)


def _copy_of(header: Header, seen: dict[str, Header]) -> Rejected | None:
    """The same file twice is one image; two different ones of the same name both stay."""
    uid = header.text(dh.SOP_UID)
    other = seen.setdefault(uid, header) if uid else header
    if other is header or other.size != header.size or other.file.read_bytes() != header.file.read_bytes():
        return None
    return Rejected(header.file, State.SKIPPED, "a copy of another file of its series, which is read")


def _series(frames: Sequence[Frame]) -> Iterator[Series | Rejected]:
    parts = _split(frames)
    for part, note in parts:
        try:
            yield _one(part, note)
        except InputError as error:
            for file in dict.fromkeys(f.header.file for f in part):
                yield Rejected(file, State.FAILED, str(error))


def _split(frames: Sequence[Frame]) -> list[tuple[list[Frame], str]]:
    """Images that can share one array, the largest group first, each with what to say about the others."""
    groups: dict[tuple[Any, ...], list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[(_is_localizer(frame.header), frame.rows, frame.columns, frame.colour)].append(frame)
    parts: list[list[Frame]] = []
    for group in groups.values():
        parts.extend(_split_strays(group))
    if len(parts) == 1:
        return [(parts[0], "")]
    parts.sort(key=len, reverse=True)
    total = sum(map(len, parts))
    result = []
    for part in parts:
        others = total - len(part)
        localizers = sum(_is_localizer(f.header) for f in frames) if not _is_localizer(part[0].header) else 0
        kind = "localizer" if others == localizers else "of another size, kind or plane"
        result.append((part, f"the series also holds {others} image(s) {kind}, shown apart".replace("(s) l", "(s): l")))
    return result


def _split_strays(group: list[Frame]) -> list[list[Frame]]:
    """Splits off the few images in another plane; an even mixture stays together."""
    middle = group[len(group) // 2]
    main = [f for f in group if _same_plane(f, middle)]
    others = [f for f in group if not _same_plane(f, middle)] if len(main) < len(group) else []
    if others and len(main) >= 3 and len(main) >= _MAIN_SHARE * len(group):
        return [main, others]
    return [group]


def _same_plane(a: Frame, b: Frame) -> bool:
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    return same_orientation(a.orientation, b.orientation)


def _one(frames: list[Frame], note: str) -> Series:
    rank = {id(f): k for k, f in enumerate(sorted(frames, key=lambda f: f.sequence))}
    arrangement = arrange([f.position for f in frames], [f.orientation for f in frames], [rank[id(f)] for f in frames])
    ordered = [frames[k] for k in arrangement.order]
    middle = ordered[len(ordered) // 2]
    head = dh.read_dataset(middle.header.file)
    spacings = {f.spacing for f in ordered}
    reason = arrangement.reason
    if len(spacings) > 1 and not reason:
        reason = "mixed pixel spacing"
    geometry, regions, warnings = _geometry(ordered, arrangement, reason, head)
    hounsfield = _is_hounsfield(ordered)
    warnings += [note] if note else []
    warnings += _cautions(ordered)
    colour = middle.colour
    stored = [f.stored for f in ordered]
    return Series(
        source=_source(ordered),
        format="dicom",
        slices=tuple(_slice(f) for f in ordered),
        geometry=geometry,
        shape=Shape.IMAGE if len(ordered) == 1 else Shape.STACK if reason else Shape.VOLUME,
        dtype=np.dtype(np.uint8) if colour else value_type(stored, hounsfield=hounsfield),
        channels=3 if colour else 1,
        modality=middle.header.text(dh.MODALITY),
        hounsfield=hounsfield,
        series_uid=middle.header.text(dh.SERIES_UID),
        study_uid=_text(head, "StudyInstanceUID"),
        frame_of_reference_uid=middle.header.text(dh.FRAME_OF_REFERENCE),
        study_date=_text(head, "StudyDate"),
        study_description=_text(head, "StudyDescription"),
        description=_text(head, "SeriesDescription"),
        series_number=_integer(head, "SeriesNumber"),
        body_part=_text(head, "BodyPartExamined"),
        manufacturer=_text(head, "Manufacturer"),
        patient=_patient(head),
        windows=_windows(middle.header, head),
        inverted=middle.header.text(dh.PHOTOMETRIC) == "MONOCHROME1",
        image_type=tuple(p for p in middle.header.text(dh.IMAGE_TYPE).split("\\") if p),
        ultrasound_regions=regions,
        not_volume=reason if len(ordered) > 1 else "",
        warnings=tuple(warnings),
    )


def _geometry(
    ordered: list[Frame], arrangement: Arrangement, reason: str, head: Dataset
) -> tuple[Geometry, tuple[tuple[int, int, int, int, int], ...], list[str]]:
    first = ordered[0]
    spacing = first.spacing if len({f.spacing for f in ordered}) == 1 else None
    regions, calibrated, warnings = _ultrasound(head)
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
    head: Dataset,
) -> tuple[tuple[tuple[int, int, int, int, int], ...], tuple[float, float] | None, list[str]]:
    """Pixel rectangles of the regions, and mm per pixel (row, column) where all tissue regions agree (C.8.5.5)."""
    regions: list[tuple[int, int, int, int, int]] = []
    spacings: set[tuple[float, float]] = set()
    for item in _items(head, "SequenceOfUltrasoundRegions"):
        try:
            x0, y0 = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
            x1, y1 = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
            kind = int(item.get("RegionDataType", 0))
        except dh.PYDICOM_FAULTS:
            continue
        regions.append((x0, y0, x1, y1, kind))
        if kind != _TISSUE or item.get("RegionSpatialFormat") != _PLANE:
            continue
        units = (item.get("PhysicalUnitsYDirection"), item.get("PhysicalUnitsXDirection"))
        delta = _numbers(item.get("PhysicalDeltaY")) + _numbers(item.get("PhysicalDeltaX"))
        if units == (_CENTIMETRES, _CENTIMETRES) and len(delta) == 2 and all(np.isfinite(delta)) and all(delta):
            spacings.add((round(abs(delta[0]) * 10, 9), round(abs(delta[1]) * 10, 9)))
    if len(spacings) > 1:
        return tuple(regions), None, ["its ultrasound regions have different scales: no millimetres are shown"]
    return tuple(regions), next(iter(spacings), None), []


def _is_hounsfield(frames: Sequence[Frame]) -> bool:
    header = frames[0].header
    return (
        header.text(dh.MODALITY) == "CT"
        and not frames[0].colour
        and not _is_localizer(header)
        and header.text(dh.RESCALE_TYPE).upper() in ("", "HU")
        and (dh.INTERCEPT in header.values or any(f.stored.intercept for f in frames))
    )


def _cautions(frames: Sequence[Frame]) -> list[str]:
    header = frames[0].header
    warnings = []
    if header.text(dh.MODALITY) == "CT" and not frames[0].colour and not _is_hounsfield(frames):
        warnings.append("a CT whose values are not known to be Hounsfield units")
    tilt = header.number(dh.GANTRY_TILT, 0.0)
    if abs(tilt) > 0.5 and len(frames) > 1:
        warnings.append(f"the header names a gantry tilt of {tilt:g}°")
    if (
        frames[0].colour
        and (header.integer(dh.BITS_STORED) or 8) > 8
        and header.text(dh.PHOTOMETRIC) != "PALETTE COLOR"
    ):
        warnings.append("colour of more than 8 bits is shown with 8")
    return warnings


def _is_localizer(header: Header) -> bool:
    return "LOCALIZER" in header.text(dh.IMAGE_TYPE).upper().split("\\")


def _source(frames: Sequence[Frame]) -> Path:
    files = list(dict.fromkeys(f.header.file for f in frames))
    if len(files) == 1:
        return files[0]
    folders = {f.parent for f in files}
    return next(iter(folders)) if len(folders) == 1 else Path(commonpath([str(f) for f in folders]))


def _slice(frame: Frame) -> SliceInfo:
    header = frame.header
    return SliceInfo(
        header.file,
        frame.index,
        header.text(dh.SOP_UID),
        header.integer(dh.INSTANCE_NUMBER),
        frame.position,
        frame.thickness,
        frame.stored,
    )


def _windows(header: Header, head: Dataset) -> tuple[Window, ...]:
    centres, widths = header.numbers(dh.WINDOW_CENTRE), header.numbers(dh.WINDOW_WIDTH)
    names = header.text(dh.WINDOW_NAMES).split("\\")
    if not centres:
        frames = _items(head, "PerFrameFunctionalGroupsSequence")
        for group in (*_items(head, "SharedFunctionalGroupsSequence"), *frames[:1]):
            for item in _items(group, "FrameVOILUTSequence")[:1]:
                centres, widths = _numbers(item.get("WindowCenter")), _numbers(item.get("WindowWidth"))
    return tuple(
        Window(c, w, names[k].strip() if k < len(names) else "")
        for k, (c, w) in enumerate(zip(centres, widths, strict=False))
        if w > 0
    )


def _numbers(value: Any) -> tuple[float, ...]:
    try:
        return tuple(float(v) for v in value) if hasattr(value, "__iter__") else (float(value),)
    except (TypeError, ValueError):
        return ()


def _items(dataset: Dataset, name: str) -> list[Dataset]:
    try:
        return list(dataset.get(name) or [])
    except dh.PYDICOM_FAULTS:
        return []


def _text(dataset: Dataset, name: str) -> str:
    try:
        value = dataset.get(name)
    except dh.PYDICOM_FAULTS:
        return ""
    return "" if value is None else str(value).strip()


def _integer(dataset: Dataset, name: str) -> int | None:
    try:
        return int(_text(dataset, name))
    except ValueError:
        return None


def _patient(dataset: Dataset) -> Patient:
    return Patient(
        _text(dataset, "PatientName").replace("^", " ").strip(),
        _text(dataset, "PatientID"),
        _text(dataset, "PatientSex"),
        _text(dataset, "PatientBirthDate"),
        _text(dataset, "PatientAge"),
    )
