"""Marks over the images as a softcopy presentation state (DICOM PS3.3 A.33), by highdicom: boxes, outlines, measures.

One object for all images, each mark on its own image, in a layer called by who stands for it; with the window that an
image opens in. Of colour images it is a Color Softcopy Presentation State, without a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import highdicom as hd
import numpy as np
from highdicom import pr
from PIL import ImageCms
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cadviewer.imaging.windowing import default_window
from cadviewer.store.export.dicom import shapes
from cadviewer.store.export.dicom.contents import Author, Finding
from cadviewer.store.export.dicom.images import Images, uid_of
from cadviewer.store.export.dicom.objects import Order, place_of_body
from cadviewer.store.export.dicom.shapes import Points
from cadviewer.store.marks import Measure, MeasureKind

_READER_RGB, _MODEL_RGB = (86, 180, 233), (230, 159, 0)
_HEAD = 0.02  # length of an arrow's head, of the image's longer side


@dataclass
class _Marks:
    """What is drawn on one image."""

    graphics: list[pr.GraphicObject] = field(default_factory=list)
    texts: list[pr.TextObject] = field(default_factory=list)


def build(order: Order) -> Sequence[Dataset]:
    """The presentation state of an order, one for each rescaling of its images (PS3.3 C.11.1), mostly one; none where
    nothing of it has a place on an image."""
    drawn = _Drawing(order.images)
    for finding in order.contents.findings:
        drawn.finding(finding)
    for key, measure in order.contents.measures:
        drawn.measure(key, measure)
    slices = sorted({*drawn.marks, *order.contents.key_images})
    if not drawn.marks:
        return ()
    order.images.load([0, *slices])
    alike: dict[tuple[float, float], list[int]] = {}
    for k in slices:
        alike.setdefault(_rescaling(order.images, k), []).append(k)
    marked = [own for own in alike.values() if drawn.marks.keys() & set(own)]
    return [_object(order, drawn.marks, own, number) for number, own in enumerate(marked, start=1)]


def _object(order: Order, marks: Mapping[int, _Marks], slices: Sequence[int], number: int) -> Dataset:
    author = order.contents.author
    colour = hd.color.CIELabColor.from_rgb(*(_READER_RGB if author is Author.READER else _MODEL_RGB))
    layer = pr.GraphicLayer(author.value.upper(), order=1, description=author.description, display_color=colour)
    sources = {str(d.SOPInstanceUID): _as_shown(d) for d in order.images.all_of(slices)}
    annotations = [_annotation(order.images, sources, k, marks[k], layer) for k in slices if k in marks]
    common = {
        "referenced_images": list(sources.values()),
        "content_label": author.value.upper(),
        "content_description": order.description[:64],
        "graphic_annotations": annotations,
        "graphic_layers": [layer],
        "transfer_syntax_uid": ExplicitVRLittleEndian,
        **order.identification(number),
    }
    if order.images.series.channels == 3:
        return _completed(order, pr.ColorSoftcopyPresentationState(**common, icc_profile=_srgb()))
    made = pr.GrayscaleSoftcopyPresentationState(
        **common,
        modality_lut_transformation=_modality_lut(order.images, slices[0]),
        voi_lut_transformations=_windows(order, slices),
        presentation_lut_transformation=hd.PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if order.images.series.inverted else "IDENTITY"
        ),
    )
    return _completed(order, made)


def _rescaling(images: Images, index: int) -> tuple[float, float]:
    """(slope, intercept) of an image."""
    stored = images.series.slices[index].stored
    return (1.0, 0.0) if stored is None else (stored.slope, stored.intercept)


def _modality_lut(images: Images, index: int) -> hd.ModalityLUTTransformation:
    slope, intercept = _rescaling(images, index)
    unit = "HU" if images.series.hounsfield else "US"
    return hd.ModalityLUTTransformation(rescale_intercept=intercept, rescale_slope=slope, rescale_type=unit)


def _srgb() -> bytes:
    """The colour space that images without a profile are taken to be in, as a profile of what goes in (ICC.1 7.2.5)."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:12] + b"scnr" + profile[16:]


def _as_shown(dataset: Dataset) -> Dataset:
    """A palette's indices are colours by the time that they are shown."""
    if dataset.get("PhotometricInterpretation") != "PALETTE COLOR":
        return dataset
    shown = deepcopy(dataset)
    shown.SamplesPerPixel = 3
    return shown


def _annotation(
    images: Images, sources: dict[str, Dataset], index: int, marks: _Marks, layer: pr.GraphicLayer
) -> pr.GraphicAnnotation:
    return pr.GraphicAnnotation(
        referenced_images=[sources[str(images.of(index).SOPInstanceUID)]],
        graphic_layer=layer,
        referenced_frame_number=images.frame_number(index),
        graphic_objects=marks.graphics,
        text_objects=marks.texts,
    )


def _windows(order: Order, slices: Sequence[int]) -> list[pr.SoftcopyVOILUTTransformation]:
    """The window that each image opens in, once where it is the same for all of them."""
    series, volume = order.images.series, order.volume
    windows = {k: default_window(series, volume.pixels[k] if volume is not None else None, k) for k in slices}
    by_value: dict[tuple[float, float, str], list[int]] = {}
    for k, window in windows.items():
        by_value.setdefault((float(window.centre), max(float(window.width), 1.0), window.name), []).append(k)
    made = []
    for (centre, width, name), own in by_value.items():
        referenced = None
        if len(by_value) > 1:
            frames = [n for k in own if (n := order.images.frame_number(k)) is not None]
            referenced = hd.ReferencedImageSequence(
                referenced_images=order.images.all_of(own), referenced_frame_number=frames or None
            )
        made.append(
            pr.SoftcopyVOILUTTransformation(
                window_center=centre,
                window_width=width,
                window_explanation=name or None,
                referenced_images=referenced,
            )
        )
    return made


def _completed(order: Order, made: Dataset) -> Dataset:
    """With the shape of the pixels, which highdicom takes as square (PS3.3 C.10.4)."""
    place_of_body(made, order)
    series = order.images.series
    spacing, aspect = series.geometry.pixel_spacing, series.pixel_aspect
    for area in made.DisplayedAreaSelectionSequence:
        if spacing is not None:
            del area.PresentationPixelAspectRatio
            area.PresentationPixelSpacing = [float(f"{v:.9g}") for v in spacing]
        elif abs(aspect - 1) > 1e-3:
            area.PresentationPixelAspectRatio = [round(1000 * aspect), 1000]
    return made


class _Drawing:
    """Collects marks by image."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.marks: dict[int, _Marks] = {}

    def finding(self, finding: Finding) -> None:
        """Its outlines, its boxes, and its name and size where it is best seen."""
        uid = uid_of("finding", self._images.identity, finding.place)
        tracking: Any = {"tracking_id": f"{finding.kind.meaning} {finding.name}"[:64], "tracking_uid": uid}
        for index, outline in finding.outlines.items():
            for piece in outline:
                self._line(index, shapes.closed(piece), tracking)
        for index, box in finding.boxes.items():
            self._line(index, shapes.closed(shapes.rectangle(box)), tracking)
        if finding.best in finding.boxes:
            self._text(finding.best, finding.words, finding.boxes[finding.best][:2], tracking)
        elif pieces := finding.outlines.get(finding.best):
            self._text(finding.best, finding.words, pieces[0].min(axis=0), tracking)

    def measure(self, key: str, measure: Measure) -> None:
        """What was drawn on an image; what was drawn across the images is in the report alone."""
        if measure.depths or not 0 <= measure.slice < len(self._images.series.slices):
            return
        points = np.array(measure.points, float)
        tracking: Any = {
            "tracking_id": (measure.label or measure.kind.value)[:64],
            "tracking_uid": uid_of("measure", self._images.identity, key),
        }
        for line in self._lines(measure.kind, points):
            self._line(measure.slice, line, tracking)
        if measure.kind is MeasureKind.ELLIPSE:
            self._graphic(measure.slice, "ELLIPSE", shapes.ellipse(points), tracking)
        if measure.kind is MeasureKind.POINT:
            self._graphic(measure.slice, "POINT", points[:1], tracking)
        if text := words(measure):
            self._text(measure.slice, text, points[-1], tracking)

    def _lines(self, kind: MeasureKind, points: Points) -> Iterator[Points]:
        if kind is MeasureKind.BIDIRECTIONAL:
            yield from (points[:2], points[2:4])
        elif kind in (MeasureKind.DISTANCE, MeasureKind.ANGLE):
            yield points
        elif kind is MeasureKind.RECTANGLE:
            yield shapes.closed(shapes.rectangle((*points[0], *points[-1])))
        elif kind is MeasureKind.FREEHAND:
            yield shapes.closed(points)
        elif kind is MeasureKind.ARROW:
            yield points
            head = _HEAD * max(self._images.series.geometry.shape[1:])
            yield shapes.arrow_head(points[0], points[-1], head)

    def _line(self, index: int, points: Points, tracking: Any) -> None:
        if len(points) > 1:
            self._graphic(index, "POLYLINE", points, tracking)

    def _graphic(self, index: int, kind: str, points: Points, tracking: Any) -> None:
        inside = shapes.inside(points, *self._images.series.geometry.shape[1:])
        graphic = pr.GraphicObject(graphic_type=kind, graphic_data=inside, units="PIXEL", **tracking)
        self.marks.setdefault(index, _Marks()).graphics.append(graphic)

    def _text(self, index: int, text: str, place: Any, tracking: Any) -> None:
        inside = shapes.inside(np.array([place], float), *self._images.series.geometry.shape[1:])[0]
        anchor = (float(inside[0]), float(inside[1]))
        made = pr.TextObject(text[:1024], units="PIXEL", anchor_point=anchor, anchor_point_visible=False, **tracking)
        self.marks.setdefault(index, _Marks()).texts.append(made)


def words(measure: Measure) -> str:
    """What is written beside a measure."""
    value = "" if measure.value is None else f"{measure.value:.1f} {measure.unit}".strip()
    area = "" if measure.area is None else f"{measure.area:.1f} {measure.area_unit}".strip()
    return ", ".join(part for part in (measure.label, value, area) if part)
