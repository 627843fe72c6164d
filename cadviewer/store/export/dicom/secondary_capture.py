"""Pictures of the findings with their marks burnt in, as Secondary Capture images (DICOM PS3.3 A.8.1), by highdicom.

For systems that show nothing else: each finding where it is best seen, then the reader's key images; below each
picture what is on it, who stands for it, and that it is for research use only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cadviewer.imaging.series import Volume
from cadviewer.messages import Message
from cadviewer.store.areas import REGIONS
from cadviewer.store.export import ExportError
from cadviewer.store.export.dicom import codes, shapes
from cadviewer.store.export.dicom.contents import Author, Contents
from cadviewer.store.export.dicom.objects import Order, place_of_body
from cadviewer.store.export.dicom.presentation_state import words
from cadviewer.store.export.dicom.shapes import Points
from cadviewer.store.export.drawing import BLACK, ORANGE, SKY, Image, draw_text, enlarged, with_footer
from cadviewer.store.marks import MeasureKind

_LEFT_OUT = ("manufacturer_model_name", "software_versions", "device_serial_number")


def build(order: Order) -> Sequence[Dataset]:
    """A picture for each image that has a finding at its best, or that the reader marked or measured on."""
    if order.volume is None:
        raise ExportError(Message("its pixels are not there yet"))
    contents = order.contents
    slices = dict.fromkeys(
        [f.best for f in contents.findings] + [*contents.key_images] + [m.slice for _, m in contents.measures]
    )
    order.images.load([0, *slices])
    return [_object(order, order.volume, k, number) for number, k in enumerate(slices, start=1)]


def _object(order: Order, volume: Volume, index: int, number: int) -> Any:
    source = order.images.of(index)
    identification = order.identification(number)
    picture = np.ascontiguousarray(_picture(order, volume, index)[..., ::-1])
    made: Any = hd.sc.SCImage.from_ref_dataset(
        ref_dataset=source,
        pixel_array=picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),  # highdicom wants one; taken out again, since it is a page and no slice
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **{k: v for k, v in identification.items() if k not in _LEFT_OUT},
    )
    for keyword, name in (
        ("manufacturer_model_name", "ManufacturerModelName"),
        ("software_versions", "SoftwareVersions"),
    ):
        setattr(made, name, identification[keyword])
    made.PatientOrientation = None
    place_of_body(made, order)
    made.ConversionType = "SYN"
    made.BurnedInAnnotation = "YES"
    made.StudyDescription = source.get("StudyDescription", "")
    made.DerivationDescription = order.description
    made.SourceImageSequence = [_reference(order, source, index)]
    return made


def _reference(order: Order, source: Dataset, index: int) -> Any:
    item: Any = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    if (number := order.images.frame_number(index)) is not None:
        item.ReferencedFrameNumber = number
    return item


def _picture(order: Order, volume: Volume, index: int) -> Image:
    """BGR, with a border below that says what it is."""
    image, scale = enlarged(volume, index)
    shown = _draw(image, scale, order.contents, index)
    number = order.images.series.slices[index].instance_number
    which = f"image {index + 1}/{len(volume.pixels)}" + (f" (instance {number})" if number is not None else "")
    return with_footer(image, [which, *shown[:4], order.description])


def _draw(image: Image, scale: tuple[float, float], contents: Contents, index: int) -> list[str]:
    """All marks on this image; a line for each finding."""
    colour = SKY if contents.author is Author.READER else ORANGE
    said = []
    for finding in contents.findings:
        for piece in finding.outlines.get(index, ()):
            _line(image, shapes.closed(piece), scale, colour)
        if box := finding.boxes.get(index):
            _line(image, shapes.closed(shapes.rectangle(box)), scale, colour)
        corner = box[:2] if box else min((tuple(p.min(axis=0)) for p in finding.outlines.get(index, ())), default=None)
        if corner is not None:
            draw_text(image, finding.name, (round(corner[0] * scale[0]), round(corner[1] * scale[1]) - 6))
        if finding.best == index or corner is not None:
            rated = (r.value.meaning for r in finding.rated if r.name not in (codes.FOUND_BY, codes.RULE))
            said.append("   ".join([finding.words, *rated]))
    for _, measure in contents.measures:
        if measure.slice == index and not measure.depths:
            points = np.array(measure.points, float)
            for line in _lines(measure.kind, points):
                _line(image, line, scale, colour)
            if text := words(measure).replace("²", "2"):
                draw_text(image, text, (round(points[-1][0] * scale[0]), round(points[-1][1] * scale[1])))
    return said


def _lines(kind: MeasureKind, points: Points) -> Sequence[Points]:
    if kind is MeasureKind.ELLIPSE:
        return (shapes.closed(shapes.ellipse_outline(points)),)
    if kind is MeasureKind.RECTANGLE:
        return (shapes.closed(shapes.rectangle((*points[0], *points[-1]))),)
    if kind is MeasureKind.BIDIRECTIONAL:
        return points[:2], points[2:4]
    if kind is MeasureKind.ARROW:
        return points, shapes.arrow_head(points[0], points[-1], 8.0)
    return (shapes.closed(points) if kind in REGIONS else points,)


def _line(image: Image, points: Points, scale: tuple[float, float], colour: tuple[int, int, int]) -> None:
    drawn = np.rint(points * np.array(scale) - 0.5).astype(np.int32)
    cv2.polylines(image, [drawn], False, BLACK, 3, cv2.LINE_AA)
    cv2.polylines(image, [drawn], False, colour, 1, cv2.LINE_AA)
