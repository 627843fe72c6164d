"""Reports, segmentations and presentation states → what they say of places on images (`imaging.annotations`).

Walked as the standard has them and as makers write them: what is not understood is counted and said, and whatever is
understood beside it is kept. It needs pydicom; it runs where a damaged file can do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cadviewer.imaging.annotations import Annotation, Content, Graphic, Kind, Line
from cadviewer.imaging.dicom.dataset import FAULTS, read_dataset
from cadviewer.imaging.mask_outlines import pixel_outlines
from cadviewer.imaging.series import InputError
from cadviewer.messages import Message

MOST = 5000
"""Shapes that are taken of one file."""
DEEPEST = 24
_TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_SEGMENTATION_PX = 0.3
"""How far an outline of a segmentation may run beside the edge of its pixels."""

Points = NDArray[np.float64]


@dataclass
class _Found:
    """What is gathered of a file. tracked: which annotation a tracking UID is of. missing: kinds of things that were
    not understood, with how many."""

    annotations: list[Annotation] = field(default_factory=list)
    tracked: dict[str, int] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    left: int = MOST

    def add(self, name: str, graphics: Sequence[Graphic], said: Sequence[str] = (), tracking: str = "") -> None:
        """tracking: its UID, by which groups about the same finding are one; "" where it has none."""
        kept = tuple(graphics[: self.left])
        self.left -= len(kept)
        if len(kept) < len(graphics):
            self.missing[Message("graphics beyond the first thousands")] += len(graphics) - len(kept)
        made = Annotation(_line(name) or "?", kept, tuple(filter(None, map(_line, said))))
        if tracking in self.tracked:
            old = self.annotations[self.tracked[tracking]]
            both = tuple(dict.fromkeys((*old.said, *made.said)))
            self.annotations[self.tracked[tracking]] = Annotation(old.name, old.graphics + kept, both)
        elif kept or said:
            if tracking:
                self.tracked[tracking] = len(self.annotations)
            self.annotations.append(made)


def read(file: Path, kind: Kind) -> Content:
    """What is in a file of that kind. Raises InputError, OSError."""
    dataset = read_dataset(file, pixels=kind is Kind.SEGMENTATION)
    found = _Found()
    reader = {Kind.REPORT: _report, Kind.SEGMENTATION: _segmentation, Kind.PRESENTATION: _presentation}[kind]
    reader(dataset, found)
    missing = tuple(Message("{count} × {what}", count=count, what=what) for what, count in found.missing.items())
    return Content(kind, _made_by(dataset), frozenset(_series(dataset)), tuple(found.annotations), missing)


def _made_by(dataset: Dataset) -> str:
    """Manufacturer and what the series or the content is called; a person's name only where there is nothing else."""
    maker = _text(dataset, "Manufacturer")
    called = (
        _text(dataset, "SeriesDescription") or _text(dataset, "ContentDescription") or _text(dataset, "ContentLabel")
    )
    if maker and called.lower().startswith(maker.lower()):
        maker = ""
    return " · ".join(filter(None, (maker, called))) or _text(dataset, "ContentCreatorName") or "?"


def _series(dataset: Dataset) -> Iterator[str]:
    """Series Instance UIDs that it refers to."""
    evidence = (
        "CurrentRequestedProcedureEvidenceSequence",
        "PertinentOtherEvidenceSequence",
        "StudiesContainingOtherReferencedInstancesSequence",
    )
    for study in [dataset, *(item for keyword in evidence for item in _items(dataset, keyword))]:
        for series in _items(study, "ReferencedSeriesSequence"):
            if uid := _text(series, "SeriesInstanceUID"):
                yield uid


# ------------------------------------------------------------------------------------------------------------- reports

_GROUP = "125007"  # Measurement Group
_TRACKING = "112039"  # Tracking Identifier
_TRACKING_UID = "112040"  # Tracking Unique Identifier
_FINDING = "121071"  # Finding
_NOT_SAID = frozenset((_TRACKING, "276214006", "121058", "130400", "121401"))
"""Finding category, procedure reported, geometric purpose, derivation: of no use in a line."""
_SEGMENTS = frozenset(("121214", "121191"))  # Referenced Segmentation Frame, Referenced Segment
_CAD_FINDINGS = frozenset(("111059", "111034", "111036", "112004"))
"""What CAD reports (TID 4000, 4100) call a finding by: Single Image Finding, Composite Feature …"""


def _report(dataset: Dataset, found: _Found) -> None:
    _walk(dataset, dataset, found, 0)


def _walk(item: Dataset, root: Dataset, found: _Found, depth: int) -> None:
    """Findings below a content item: measurement groups, findings of CAD, and coordinates that stand alone."""
    if depth > DEEPEST:
        found.missing[Message("items nested too deeply")] += 1
        return
    for child in _items(item, "ContentSequence"):
        name, kind = _concept(child), _text(child, "ValueType")
        if name == _GROUP or (name in _CAD_FINDINGS and kind in ("CODE", "CONTAINER")):
            _group(child, root, found)
        elif kind in ("SCOORD", "SCOORD3D") or (kind == "NUM" and _has_coordinates(child)):
            _alone(child, root, found)
        else:
            _walk(child, root, found, depth + 1)


def _group(group: Dataset, root: Dataset, found: _Found) -> None:
    """A measurement group, with everything below it."""
    graphics: list[Graphic] = []
    measured: list[str] = []
    said: list[str] = []
    name = tracking = ""
    kinds: list[str] = [_meaning(group, "ConceptCodeSequence")] if _text(group, "ValueType") == "CODE" else []
    images = [uid for item in _below(group) if (uid := _image_of(item))]
    for item in _below(group):
        kind, code = _text(item, "ValueType"), _concept(item)
        if kind in ("SCOORD", "SCOORD3D"):
            graphics += _coordinates(item, root, found, images)
        elif kind == "NUM":
            measured.append(_number(item))
        elif kind == "TEXT" and code == _TRACKING:
            name = _text(item, "TextValue")
        elif kind == "UIDREF" and code == _TRACKING_UID:
            tracking = _text(item, "UID")
        elif kind == "CODE" and code == _FINDING:
            kinds.append(_meaning(item, "ConceptCodeSequence"))
        elif kind == "CODE" and code not in _NOT_SAID:
            said.append(f"{_meaning(item)}: {_meaning(item, 'ConceptCodeSequence')}")
        elif kind == "TEXT" and code not in _NOT_SAID and len(said) < 12:
            said.append(f"{_meaning(item)}: {_text(item, 'TextValue')}")
        elif kind == "IMAGE" and code in _SEGMENTS:
            found.missing[Message("outlines in a segmentation, which is a file of its own")] += 1
    found.add(name or next(filter(None, kinds), "") or _meaning(group), graphics, (*measured, *said), tracking)


def _alone(item: Dataset, root: Dataset, found: _Found) -> None:
    if _text(item, "ValueType") != "NUM":
        found.add(_meaning(item) or "coordinates", _coordinates(item, root, found, []))
        return
    graphics = [s for child in _below(item) for s in _coordinates(child, root, found, [])]
    found.add(_meaning(item), graphics, [_number(item)])


def _has_coordinates(item: Dataset) -> bool:
    return any(_text(child, "ValueType") in ("SCOORD", "SCOORD3D") for child in _items(item, "ContentSequence"))


def _below(item: Dataset, depth: int = 0) -> Iterator[Dataset]:
    if depth < DEEPEST:
        for child in _items(item, "ContentSequence"):
            yield child
            yield from _below(child, depth + 1)


def _coordinates(
    item: Dataset, root: Dataset, found: _Found, images: Sequence[tuple[str, int | None]]
) -> list[Graphic]:
    """The graphic of an SCOORD or SCOORD3D item (PS3.3 C.18.6, C.18.9). images: those that its group names."""
    value_type = _text(item, "ValueType")
    if value_type not in ("SCOORD", "SCOORD3D"):
        return []
    across = 3 if value_type == "SCOORD3D" else 2
    graphic = _text(item, "GraphicType").upper()
    points = _points(item, "GraphicData", across)
    drawn = None if points is None else _drawn(graphic, points)
    if drawn is None:
        found.missing[Message("coordinates of type {kind}", kind=graphic or "?")] += 1
        return []
    if across == 3:
        space = _text(item, "ReferencedFrameOfReferenceUID")
        return [Graphic(line, patient=own, space=space) for line, own in drawn]
    own_images = [uid for child in _items(item, "ContentSequence") if (uid := _image_of(child, root))]
    image = next(iter(own_images), next(iter(images), None))
    if image is None:
        found.missing[Message("coordinates on an image that is not named")] += 1
        return []
    return [Graphic(line, own, *image) for line, own in drawn]


def _image_of(item: Dataset, root: Dataset | None = None) -> tuple[str, int | None] | None:
    """(SOP Instance UID, frame from 0) of an IMAGE item, also of one that is named by its place in the tree."""
    path = item.get("ReferencedContentItemIdentifier")
    if path is not None and root is not None:
        target: Dataset | None = root
        for number in ([path] if isinstance(path, int) else list(path))[1:]:
            children = _items(target, "ContentSequence") if target is not None else []
            target = children[int(number) - 1] if 0 < int(number) <= len(children) else None
        item = target if target is not None else item
    if _text(item, "ValueType") != "IMAGE" or _concept(item) in _SEGMENTS:
        return None
    for reference in _items(item, "ReferencedSOPSequence"):
        if uid := _text(reference, "ReferencedSOPInstanceUID"):
            return uid, _frame_indices(reference)[0]
    return None


_UNITS = {"1": "", "deg": "°", "mm2": "mm²", "mm3": "mm³", "cm2": "cm²", "cm3": "cm³", "[hnsf'U]": "HU", "um": "µm"}
_UNITS |= {"{pixels}": "px", "{pixels}2": "px²"}
"""What people write for units of UCUM."""


def _shown(value: float) -> str:
    """A number as people write it: two places, more where it is below 1, never with an exponent."""
    text = f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(item: Dataset) -> str:
    for value in _items(item, "MeasuredValueSequence"):
        unit = next((_text(u, "CodeValue") for u in _items(value, "MeasurementUnitsCodeSequence")), "")
        shown = _numbers(value, "NumericValue")
        if shown:
            return f"{_meaning(item)} {_shown(shown[0])} {_UNITS.get(unit, unit.strip('{}'))}".strip()
    return ""


# ------------------------------------------------------------------------------------------------------- presentations


def _presentation(dataset: Dataset, found: _Found) -> None:
    """Graphic annotations (PS3.3 C.10.5), by layer and tracking identifier."""
    for number, item in enumerate(_items(dataset, "GraphicAnnotationSequence"), start=1):
        images = [
            (uid, frame)
            for r in _items(item, "ReferencedImageSequence")
            if (uid := _text(r, "ReferencedSOPInstanceUID"))
            for frame in _frame_indices(r)
        ] or _all_images(dataset)
        grouped: dict[str, list[Graphic]] = {}
        for graphic in _items(item, "GraphicObjectSequence"):
            name = _text(graphic, "TrackingID")
            for own in _graphic(graphic, dataset, found):
                grouped.setdefault(name, []).extend(_on(own, images))
        for text in _items(item, "TextObjectSequence"):
            name = _text(text, "TrackingID")
            for own in _written(text, dataset, found):
                grouped.setdefault(name, []).extend(_on(own, images))
        if compound := len(_items(item, "CompoundGraphicSequence")):
            found.missing[Message("compound graphics")] += compound
        layer = _text(item, "GraphicLayer") or f"annotation {number}"
        for name, graphics in grouped.items():
            texts = list(dict.fromkeys(s.text for s in graphics if s.text))
            found.add(name or next(iter(texts), layer), graphics, texts)
    if _items(dataset, "BitmapDisplayShutterSequence") or dataset.get("ShutterShape"):
        found.missing[Message("a shutter over the image")] += 1


def _on(own: Graphic, images: Sequence[tuple[str, int | None]]) -> list[Graphic]:
    return [Graphic(own.line, own.points, uid, frame, text=own.text) for uid, frame in images]


def _all_images(dataset: Dataset) -> list[tuple[str, int | None]]:
    return [
        (_text(image, "ReferencedSOPInstanceUID"), frame)
        for series in _items(dataset, "ReferencedSeriesSequence")
        for image in _items(series, "ReferencedImageSequence")
        for frame in _frame_indices(image)
    ]


def _graphic(graphic: Dataset, dataset: Dataset, found: _Found) -> list[Graphic]:
    kind = _text(graphic, "GraphicType").upper()
    points = _points(graphic, "GraphicData", 2)
    in_pixels = None if points is None else _in_pixels(points, _text(graphic, "GraphicAnnotationUnits"), dataset)
    drawn = None if in_pixels is None else _drawn("POLYLINE" if kind == "INTERPOLATED" else kind, in_pixels)
    if drawn is None:
        units = _text(graphic, "GraphicAnnotationUnits") or "?"
        found.missing[Message("graphics of type {kind} in units {units}", kind=kind or "?", units=units)] += 1
        return []
    return [Graphic(line, own) for line, own in drawn]


def _written(text: Dataset, dataset: Dataset, found: _Found) -> list[Graphic]:
    words = _text(text, "UnformattedTextValue")
    for keyword, units in (
        ("AnchorPoint", "AnchorPointAnnotationUnits"),
        ("BoundingBoxTopLeftHandCorner", "BoundingBoxAnnotationUnits"),
    ):
        points = _points(text, keyword, 2)
        at = None if points is None else _in_pixels(points[:1], _text(text, units), dataset)
        if at is not None:
            return [Graphic(Line.TEXT, at, text=_line(words))]
    found.missing[Message("texts without a place")] += 1
    return []


def _in_pixels(points: Points, units: str, dataset: Dataset) -> Points | None:
    """Edge coordinates; of DISPLAY units by the displayed area (PS3.3 C.10.4), where the image is not turned."""
    if units.upper() == "PIXEL":
        return points
    if units.upper() != "DISPLAY":
        return None
    turned = _numbers(dataset, "ImageRotation")
    if (turned and turned[0] % 360) or _text(dataset, "ImageHorizontalFlip").upper() == "Y":
        return None
    for area in _items(dataset, "DisplayedAreaSelectionSequence"):
        low = _numbers(area, "DisplayedAreaTopLeftHandCorner")
        high = _numbers(area, "DisplayedAreaBottomRightHandCorner")
        if len(low) == len(high) == 2:
            first, last = np.array(low) - 1, np.array(high)
            return np.asarray(first + points * (last - first))
    return None


# ------------------------------------------------------------------------------------------------------- segmentations


def _segmentation(dataset: Dataset, found: _Found) -> None:
    """Outlines of each segment (PS3.3 A.51), binary, fractional at one half, or labels."""
    names = {int(s.get("SegmentNumber", 0)): s for s in _items(dataset, "SegmentSequence")}
    labels = _text(dataset, "SegmentationType").upper() == "LABELMAP"
    graphics: dict[int, list[Graphic]] = {number: [] for number in names}
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    for index, frame in enumerate(_frames(dataset)):
        groups = _Groups(dataset, index)
        own = [int(v) for v in np.unique(frame) if v] if labels else [groups.segment]
        for number in own:
            mask = frame == number if labels else frame >= _half(dataset)
            for outline in pixel_outlines(mask, holes=True):
                few = cv2.approxPolyDP(outline.astype(np.float32)[:, None], _SEGMENTATION_PX, closed=True)[:, 0]
                graphics.setdefault(number, []).append(groups.graphic(few.astype(np.float64), (rows, columns)))
    for number, outlines in graphics.items():
        if labels and number == 0:
            continue
        segment = names.get(number, Dataset())
        kind = _meaning(segment, "SegmentedPropertyTypeCodeSequence")
        made = _text(segment, "SegmentAlgorithmType").lower()
        name = _text(segment, "SegmentLabel") or kind or f"segment {number}"
        found.add(name, outlines, [line for line in (kind, made) if line and line != name])
        if number in names and not outlines:
            found.missing[Message("segments without a pixel")] += 1


def _frames(dataset: Dataset) -> NDArray[Any]:
    try:
        pixels: NDArray[Any] = dataset.pixel_array
    except FAULTS as error:
        raise InputError(Message("its pixels cannot be decoded ({kind})", kind=type(error).__name__)) from error
    return pixels.reshape(-1, int(dataset.Rows), int(dataset.Columns))


def _half(dataset: Dataset) -> float:
    fractional = _text(dataset, "SegmentationType").upper() == "FRACTIONAL"
    return 0.5 * float(dataset.get("MaximumFractionalValue", 255)) if fractional else 0.5


class _Groups:
    """Functional groups of a frame of a segmentation: its own, else the shared ones."""

    def __init__(self, dataset: Dataset, index: int) -> None:
        frames = _items(dataset, "PerFrameFunctionalGroupsSequence")
        self._own = frames[index] if index < len(frames) else Dataset()
        self._shared = next(iter(_items(dataset, "SharedFunctionalGroupsSequence")), Dataset())
        self._space = _text(dataset, "FrameOfReferenceUID")

    def _first(self, keyword: str) -> Dataset:
        return next(iter(_items(self._own, keyword) or _items(self._shared, keyword)), Dataset())

    @property
    def segment(self) -> int:
        return int(self._first("SegmentIdentificationSequence").get("ReferencedSegmentNumber", 1))

    def graphic(self, outline: Points, size: tuple[int, int]) -> Graphic:
        """An outline on this frame, by the image that it was made of and by its place in the patient."""
        derived = self._first("DerivationImageSequence")
        source = next(iter(_items(derived, "SourceImageSequence")), Dataset())
        uid = _text(source, "ReferencedSOPInstanceUID")
        position = _numbers(self._first("PlanePositionSequence"), "ImagePositionPatient")
        orientation = _numbers(self._first("PlaneOrientationSequence"), "ImageOrientationPatient")
        spacing = _numbers(self._first("PixelMeasuresSequence"), "PixelSpacing")
        patient = None
        if len(position) == 3 and len(orientation) == 6 and len(spacing) == 2:
            right, down = np.array(orientation[:3]), np.array(orientation[3:])
            steps = (outline - 0.5) * (spacing[1], spacing[0])
            patient = np.array(position) + steps[:, :1] * right + steps[:, 1:] * down
        return Graphic(Line.CLOSED, outline, uid, _frame_indices(source)[0], size, patient, self._space)


# ------------------------------------------------------------------------------------------------------------- drawing


def _drawn(graphic: str, points: Points) -> list[tuple[Line, Points]] | None:
    """Lines of a graphic type of PS3.3 C.18.6.1.2, C.18.9.1.2 or C.10.5.1.2; None for one that is not known."""
    count = len(points)
    if graphic in ("POINT", "MULTIPOINT") and count:
        return [(Line.POINT, points[:1] if graphic == "POINT" else points)]
    if graphic == "POLYLINE" and count > 1:
        if count > 2 and np.allclose(points[0], points[-1]):
            return [(Line.CLOSED, points[:-1])]
        return [(Line.OPEN, points)]
    if graphic == "POLYGON" and count > 2:
        return [(Line.CLOSED, points[:-1] if np.allclose(points[0], points[-1]) else points)]
    if graphic == "CIRCLE" and count == 2 and points.shape[1] == 2:
        radius = float(np.linalg.norm(points[1] - points[0]))
        return [(Line.CLOSED, points[0] + radius * np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1))]
    if graphic == "ELLIPSE" and count == 4:
        centre, major, minor = points[:2].mean(axis=0), (points[1] - points[0]) / 2, (points[3] - points[2]) / 2
        return [(Line.CLOSED, centre + np.cos(_TURN)[:, None] * major + np.sin(_TURN)[:, None] * minor)]
    return None


# ------------------------------------------------------------------------------------------------------------ elements


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    try:
        found = dataset.get(keyword)
        return list(found) if found else []
    except FAULTS:
        return []


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except FAULTS:
        return ""
    return "" if value is None else str(value).strip("\0 ")


def _numbers(dataset: Dataset, keyword: str) -> list[float]:
    """All values, [] where one is no finite number."""
    try:
        value = dataset.get(keyword)
        numbers = [] if value is None else [float(v) for v in np.atleast_1d(np.asarray(value, float))]
    except FAULTS:
        return []
    return numbers if np.isfinite(numbers).all() else []


def _points(dataset: Dataset, keyword: str, across: int) -> Points | None:
    numbers = _numbers(dataset, keyword)
    return np.array(numbers).reshape(-1, across) if numbers and len(numbers) % across == 0 else None


def _frame_indices(reference: Dataset) -> list[int | None]:
    """Indices of the frames that are meant, one None for all of them."""
    return [int(number) - 1 for number in _numbers(reference, "ReferencedFrameNumber")] or [None]


def _concept(item: Dataset) -> str:
    return next((_text(c, "CodeValue") for c in _items(item, "ConceptNameCodeSequence")), "")


def _meaning(item: Dataset, keyword: str = "ConceptNameCodeSequence") -> str:
    return next((_text(c, "CodeMeaning") for c in _items(item, keyword)), "")


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:120]
