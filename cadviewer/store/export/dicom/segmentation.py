"""Outlines of findings as segmentations (DICOM PS3.3 A.51), binary, by highdicom: a segment for each finding.

Frames lie where their source images lie. Images without a place in the patient (ultrasound, pictures) are told apart
by Stack ID and In-Stack Position Number, the number of their frame; highdicom makes no such object of more than one
frame, so it is given places that are taken out again. Findings that overlap come into objects of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import cv2
import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cadviewer.store.export.dicom import codes
from cadviewer.store.export.dicom.contents import Finding, MadeBy, Polygon
from cadviewer.store.export.dicom.images import SECONDARY_CAPTURE, Images, decimal, uid_of
from cadviewer.store.export.dicom.objects import Order, concept

Mask = NDArray[np.bool_]
_FINE = 8
_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""Recommended for display, safe for colour-blind readers (Okabe and Ito 2008)."""


def build(order: Order) -> Sequence[Dataset]:
    """The segmentations of an order: one, or one more for each set of findings that overlap those before."""
    rows, columns = order.images.series.geometry.shape[1:]
    layers: list[list[tuple[Finding, dict[int, Mask]]]] = []
    for finding in order.contents.findings:
        masks = masks_of(finding, rows, columns)
        if not masks:
            continue
        layer = next((own for own in layers if not any(_overlap(masks, others) for _, others in own)), None)
        if layer is None:
            layers.append(layer := [])
        layer.append((finding, masks))
    return [_object(order, layer, number) for number, layer in enumerate(layers, start=1)]


def masks_of(finding: Finding, rows: int, columns: int) -> dict[int, Mask]:
    """By slice the pixels of a finding, (rows, columns); only slices that have any."""
    made = {k: np.asarray(mask > 0) for k, mask in finding.masks.items()}
    for k, pieces in finding.outlines.items():
        if k not in made:
            made[k] = filled(pieces, rows, columns)
    return {k: mask for k, mask in made.items() if mask.any()}


def filled(pieces: Sequence[Polygon], rows: int, columns: int) -> Mask:
    """Pixels that polygons cover by half or more, at least the one in the middle of each that covers none."""
    mask = np.zeros((rows, columns), bool)
    for piece in pieces:
        x0, y0 = np.clip(np.floor(piece.min(axis=0)).astype(int), 0, (columns - 1, rows - 1))
        x1, y1 = np.clip(np.ceil(piece.max(axis=0)).astype(int), (x0 + 1, y0 + 1), (columns, rows))
        fine = np.zeros(((y1 - y0) * _FINE, (x1 - x0) * _FINE), np.uint8)
        cv2.fillPoly(fine, [np.rint((piece - (x0, y0)) * _FINE - 0.5).astype(np.int32)], 1)
        cover = fine.reshape(y1 - y0, _FINE, x1 - x0, _FINE).mean(axis=(1, 3))
        half = cover >= 0.5
        if not half.any():
            half = cover >= max(float(cover.max()), 1e-9)
        mask[y0:y1, x0:x1] |= half
    return mask


def _overlap(masks: Mapping[int, Mask], others: Mapping[int, Mask]) -> bool:
    return any(k in others and bool((mask & others[k]).any()) for k, mask in masks.items())


def _object(order: Order, layer: Sequence[tuple[Finding, Mapping[int, Mask]]], number: int) -> Dataset:
    images = order.images
    slices = sorted({k for _, masks in layer for k in masks})
    images.load([0, *slices])
    rows, columns = images.series.geometry.shape[1:]
    labels = np.zeros((len(slices), rows, columns), np.uint8 if len(layer) < 256 else np.uint16)
    for segment, (_, masks) in enumerate(layer, start=1):
        for k, mask in masks.items():
            labels[slices.index(k)][mask] = segment
    stand_ins = _StandIns(images, slices)
    identification = order.identification(number)
    made = hd.seg.Segmentation(
        source_images=stand_ins.datasets,
        pixel_array=labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(images, finding, k) for k, (finding, _) in enumerate(layer, start=1)],
        content_label="FINDINGS",
        content_description=order.description[:64],
        content_creator_name="",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **identification,
    )
    stand_ins.put_back(made)
    return made


def _segment(images: Images, finding: Finding, number: int) -> hd.seg.SegmentDescription:
    by = finding.algorithm
    manual = finding.made_by is MadeBy.MANUAL or by is None
    algorithm = None
    if not manual and by is not None:
        algorithm = hd.AlgorithmIdentificationSequence(
            name=by.name or "unknown",
            family=concept(codes.ARTIFICIAL_INTELLIGENCE),
            version=by.version or "unknown",
            parameters={"weights SHA-256": by.sha256} if by.sha256 else None,
        )
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{finding.kind.meaning} {finding.name}"[:64],
        segmented_property_category=concept(codes.ABNORMAL),
        segmented_property_type=concept(finding.kind),
        algorithm_type=(MadeBy.MANUAL if manual else finding.made_by).value,
        algorithm_identification=algorithm,
        tracking_uid=uid_of("finding", images.identity, finding.place),
        tracking_id=f"{finding.kind.meaning} {finding.name} ({images.identity[:8]})"[:64],
        anatomic_regions=[concept(finding.site)],
        display_color=hd.color.CIELabColor.from_rgb(*_COLOURS[(number - 1) % len(_COLOURS)]),
    )


class _StandIns:
    """Single images with places of their own, in place of frames, and of images without a place or with one's twice."""

    def __init__(self, images: Images, slices: Sequence[int]) -> None:
        self._images, self._slices = images, slices
        places = [images.position(k) for k in slices]
        apart = len({tuple(np.round(p, 3)) for p in places if p is not None}) == len(slices)
        self._placed = bool(images.frame_of_reference) and apart
        self._plain = self._placed and not any(images.frame_number(k) for k in slices)
        self._plain = self._plain and all("SliceThickness" in images.of(k) for k in slices)
        self.datasets = [images.of(k) if self._plain else self._made(k, n) for n, k in enumerate(slices)]

    def _made(self, index: int, number: int) -> Any:
        made: Any = deepcopy(self._images.of(index))
        for keyword in ("NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
            if keyword in made:
                delattr(made, keyword)
        made.SOPClassUID, made.SOPInstanceUID = SECONDARY_CAPTURE, self._uid(index)
        geometry = self._images.series.geometry
        if self._placed and geometry.direction is not None and geometry.pixel_spacing is not None:
            position = self._images.position(index)
            assert position is not None
            made.FrameOfReferenceUID = self._images.frame_of_reference
            made.ImagePositionPatient = [decimal(v) for v in position]
            made.ImageOrientationPatient = [decimal(v) for v in (*geometry.direction[2], *geometry.direction[1])]
            made.PixelSpacing = [decimal(v) for v in geometry.pixel_spacing]
        else:
            made.FrameOfReferenceUID = uid_of("no place", self._images.identity)
            made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, -number], [1, 0, 0, 0, 1, 0]
            made.PixelSpacing = [decimal(v) for v in geometry.pixel_spacing or (1.0, 1.0)]
        made.SliceThickness = decimal(self._images.series.slices[index].thickness_mm or geometry.slice_spacing or 1.0)
        return made

    def _uid(self, index: int) -> str:
        return uid_of("stand-in", self._images.identity, index)

    def put_back(self, made: Dataset) -> None:
        """References to the images that they stand for, and no place where there is none."""
        if self._plain:
            return
        frames = {self._uid(k): k for k in self._slices}
        places = {}
        for item in made.PerFrameFunctionalGroupsSequence:
            source: Any = item.DerivationImageSequence[0].SourceImageSequence[0]
            index = frames[str(source.ReferencedSOPInstanceUID)]
            places[id(item)] = index
            self._refer(source, index, with_frame=True)
        for series in made.ReferencedSeriesSequence:
            kept: dict[str, Dataset] = {}
            for instance in series.ReferencedInstanceSequence:
                self._refer(instance, frames[str(instance.ReferencedSOPInstanceUID)], with_frame=False)
                kept[str(instance.ReferencedSOPInstanceUID)] = instance
            series.ReferencedInstanceSequence = list(kept.values())
        if not self._placed:
            self._without_places(made, places)

    def _refer(self, item: Dataset, index: int, *, with_frame: bool) -> None:
        real = self._images.of(index)
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = real.SOPClassUID, real.SOPInstanceUID
        number = self._images.frame_number(index)
        if with_frame and number is not None:
            item.ReferencedFrameNumber = number

    def _without_places(self, made: Dataset, places: Mapping[int, int]) -> None:
        """PS3.3 C.7.6.16.2.2: the second dimension is the position in a stack instead of the patient."""
        for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator"):
            if keyword in made:
                delattr(made, keyword)
        shared = made.SharedFunctionalGroupsSequence[0]
        for keyword in ("PlaneOrientationSequence", "PlanePositionSequence"):
            if keyword in shared:
                delattr(shared, keyword)
        if self._images.series.geometry.pixel_spacing is None and "PixelMeasuresSequence" in shared:
            del shared.PixelMeasuresSequence
        for item in made.PerFrameFunctionalGroupsSequence:
            if "PlanePositionSequence" in item:
                del item.PlanePositionSequence
            content = item.FrameContentSequence[0]
            content.StackID, content.InStackPositionNumber = "1", places[id(item)] + 1
            *others, _ = content.DimensionIndexValues
            content.DimensionIndexValues = [*others, places[id(item)] + 1]
        made.PatientOrientation = None
        for dimension in made.DimensionIndexSequence:
            if dimension.get("FunctionalGroupPointer") == 0x00209113:  # Plane Position Sequence
                dimension.DimensionIndexPointer = 0x00209057  # In-Stack Position Number
                dimension.FunctionalGroupPointer = 0x00209111  # Frame Content Sequence
                dimension.DimensionDescriptionLabel = "In-Stack Position Number"
