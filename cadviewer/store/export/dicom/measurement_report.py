"""Findings as a structured report: TID 1500 "Measurement Report" (DICOM PS3.16), by highdicom.

A finding that is outlined on one slice is a planar region (TID 1410), on several a volume (TID 1411), and one of
which only the box is known a planar region that it is bounded by. Its axes stand in a group of their own with their
coordinates (TID 1501), under the same tracking identifier. Coordinates are in the patient (SCOORD3D) where the images
have a frame of reference, else on the images (SCOORD).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset

import cadviewer
from cadviewer.findings import Task
from cadviewer.store.areas import REGIONS
from cadviewer.store.export.dicom import codes, shapes
from cadviewer.store.export.dicom.contents import Author, Finding
from cadviewer.store.export.dicom.images import Images, uid_of
from cadviewer.store.export.dicom.objects import Order, concept
from cadviewer.store.export.dicom.shapes import Points
from cadviewer.store.marks import Measure, MeasureKind

Group = sr.MeasurementsAndQualitativeEvaluations | (
    sr.PlanarROIMeasurementsAndQualitativeEvaluations | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
)
_NAMES = {
    MeasureKind.DISTANCE: codes.LENGTH,
    MeasureKind.BIDIRECTIONAL: codes.LONG_AXIS,
    MeasureKind.ANGLE: codes.ANGLE,
}


def build(order: Order) -> Sequence[Dataset]:
    """The report of an order; none where it holds nothing that can be measured or rated."""
    images = order.images
    used = sorted(
        {k for f in order.contents.findings for k in f.slices} | {m.slice for _, m in order.contents.measures}
    )
    images.load([0, *sorted(used)])
    writer = _Writer(images, images.frame_of_reference)
    groups = [g for finding in order.contents.findings for g in writer.of_finding(finding)]
    groups += [g for key, measure in order.contents.measures for g in writer.of_measure(key, measure)]
    if not groups:
        return ()
    procedure = codes.CT_OF_CHEST if order.contents.task is Task.NODULES else codes.ULTRASOUND_OF_BREAST
    report = sr.MeasurementReport(
        observation_context=_observers(order),
        procedure_reported=concept(procedure),
        imaging_measurements=groups,
    )
    kind = sr.Comprehensive3DSR if writer.space else sr.ComprehensiveSR
    identification = order.identification()
    made = kind(
        evidence=images.all_of(sorted(used)),
        content=report,
        is_complete=True,
        transfer_syntax_uid=hd.UID("1.2.840.10008.1.2.1"),
        **{k: v for k, v in identification.items() if k not in ("manufacturer_model_name",)},
    )
    made.ManufacturerModelName = identification["manufacturer_model_name"]
    return (made,)


def _observers(order: Order) -> sr.ObservationContext:
    """The program as a device; before it, for what a reader stands for, the reader, who has no name here."""
    device = sr.ObserverContext(
        observer_type=concept(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uid_of("device", "cadviewer", cadviewer.__version__),
            name="cadviewer",
            manufacturer_name="cadviewer",
            model_name=f"cadviewer {cadviewer.__version__}",
        ),
    )
    person = sr.ObserverContext(
        observer_type=concept(codes.PERSON),
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(name="reader^"),
    )
    by_reader = order.contents.author is Author.READER
    return sr.ObservationContext(observer_person_context=person if by_reader else None, observer_device_context=device)


@dataclass(frozen=True)
class _Writer:
    """Groups of measurements about the images. space: UID of their frame of reference, "" for none."""

    images: Images
    space: str

    # ---------------------------------------------------------------------------------------------------- findings

    def of_finding(self, finding: Finding) -> Iterator[Group]:
        tracking = sr.TrackingIdentifier(
            uid=hd.UID(uid_of("finding", self.images.identity, finding.place)),
            identifier=f"{finding.kind.meaning if finding.lesion else 'No lesion,'} {finding.name} "
            f"({self.images.identity[:8]})",
        )
        common: dict[str, Any] = {
            "tracking_identifier": tracking,
            "finding_type": concept(finding.kind) if finding.lesion else None,
            "finding_category": concept(codes.ABNORMAL) if finding.lesion else None,
            "finding_sites": [
                sr.FindingSite(
                    anatomic_location=concept(finding.site),
                    laterality=None if finding.side is None else concept(finding.side),
                )
            ],
            "algorithm_id": _algorithm(finding),
        }
        measurements = [
            sr.Measurement(name=concept(m.name), value=_value(m.value), unit=concept(m.unit)) for m in finding.measured
        ]
        rated = [sr.QualitativeEvaluation(name=concept(r.name), value=concept(r.value)) for r in finding.rated]
        outlined = {k: pieces for k, pieces in finding.outlines.items() if pieces}
        more = {**common, "measurements": measurements, "qualitative_evaluations": rated}
        if len(outlined) > 1 or any(len(pieces) > 1 for pieces in outlined.values()):
            yield self._volume(outlined, more)
        elif outlined or finding.best in finding.boxes:
            index = next(iter(outlined), finding.best)
            points = outlined[index][0] if outlined else shapes.rectangle(finding.boxes[index])
            yield self._plane(index, points, codes.OUTLINE if outlined else codes.BOUNDED_BY, more)
        elif measurements or rated:
            image = sr.SourceImageForMeasurementGroup.from_source_image(
                self._source(finding.best), self._frame(finding.best)
            )
            yield sr.MeasurementsAndQualitativeEvaluations(**more, source_images=[image])
        yield from self._axes(finding, common)

    def _plane(self, index: int, points: Points, purpose: codes.Coded, more: dict[str, Any]) -> Group:
        region: Any
        if self.space:
            region = sr.ImageRegion3D(
                graphic_type=sr.GraphicTypeValues3D.POLYGON,
                graphic_data=self._outline(index, points),
                frame_of_reference_uid=self.space,
            )
        else:
            region = self._region(index, points)
        return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            **more, referenced_region=region, geometric_purpose=concept(purpose)
        )

    def _volume(self, outlined: dict[int, tuple[Points, ...]], more: dict[str, Any]) -> Group:
        outlines = [(k, piece) for k in sorted(outlined) for piece in outlined[k]]
        if not self.space:
            regions = [self._region(k, piece) for k, piece in outlines]
            return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                **more, referenced_regions=regions, geometric_purpose=concept(codes.OUTLINE)
            )
        surface = sr.VolumeSurface(
            graphic_type=sr.GraphicTypeValues3D.POLYGON,
            graphic_data=[self._outline(k, piece) for k, piece in outlines],
            frame_of_reference_uid=self.space,
            source_images=[
                sr.SourceImageForSegmentation.from_source_image(self._source(k), self._frame(k))
                for k in sorted(outlined)
            ],
        )
        return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            **more, referenced_volume_surface=surface, geometric_purpose=concept(codes.OUTLINE)
        )

    def _axes(self, finding: Finding, common: dict[str, Any]) -> Iterator[Group]:
        """Both axes with where they lie, where that is known."""
        long, short = finding.value(codes.LONG_AXIS), finding.value(codes.SHORT_AXIS)
        spacing = self.images.series.geometry.pixel_spacing
        if long is None or short is None or spacing is None:
            return
        found = shapes.measured_axes(finding.outlines, spacing, long, short)
        if found is None:
            return
        index, *lines = found
        yield sr.MeasurementsAndQualitativeEvaluations(
            **common,
            measurements=[
                self._measurement(name, value, codes.MM, index, line)
                for name, value, line in zip((codes.LONG_AXIS, codes.SHORT_AXIS), (long, short), lines, strict=True)
            ],
        )

    # ---------------------------------------------------------------------------------------------------- measures

    def of_measure(self, key: str, measure: Measure) -> Iterator[Group]:
        """What the reader measured by hand; arrows and texts measure nothing."""
        number = measure.value if measure.value is not None else measure.area
        region = measure.kind in REGIONS  # of an ultrasound image it has an area, and a mean without a unit
        unit = measure.area_unit if region and measure.area is not None else measure.unit
        if number is None or unit not in codes.UNITS or (measure.depths and not measure.patient_mm):
            return
        label = measure.label or measure.kind.value
        common: Any = {
            "tracking_identifier": sr.TrackingIdentifier(
                uid=hd.UID(uid_of("measure", self.images.identity, key)),
                identifier=f"{label[:40]} ({self.images.identity[:8]})",
            )
        }
        points = np.array(measure.points, float)
        if region:
            if not measure.depths:
                yield self._area(measure, points, common)
            return
        name = _NAMES.get(measure.kind, codes.ATTENUATION if measure.unit == "HU" else None)
        if name is None or measure.value is None:
            return
        if measure.kind is MeasureKind.BIDIRECTIONAL and len(points) == 4:
            yield sr.MeasurementsAndQualitativeEvaluations(**common, measurements=self._both_axes(measure, points))
            return
        place = np.array(measure.patient_mm, float)[: len(points)] if measure.patient_mm else None
        made = self._measurement(name, measure.value, codes.UNITS[measure.unit], measure.slice, points, place)
        yield sr.MeasurementsAndQualitativeEvaluations(**common, measurements=[made])

    def _both_axes(self, measure: Measure, points: Points) -> list[sr.Measurement]:
        """Both axes of a bidirectional measure, whichever was drawn first; its value is the longer one."""
        assert measure.value is not None
        place = np.array(measure.patient_mm, float) if len(measure.patient_mm) == 4 else None
        row_mm, column_mm = self.images.series.geometry.pixel_spacing or (1.0, 1.0)
        ends = place if place is not None else points * (column_mm, row_mm)
        lengths = [float(np.linalg.norm(ends[k + 1] - ends[k])) for k in (0, 2)]
        first = 0 if lengths[0] >= lengths[1] else 2
        scale = measure.value / max(lengths) if max(lengths) > 0 else 1.0
        return [
            self._measurement(
                name,
                lengths[k // 2] * scale,
                codes.UNITS[measure.unit],
                measure.slice,
                points[k : k + 2],
                None if place is None else place[k : k + 2],
            )
            for name, k in ((codes.LONG_AXIS, first), (codes.SHORT_AXIS, 2 - first))
        ]

    def _area(self, measure: Measure, points: Points, common: dict[str, Any]) -> Group:
        outline = points if measure.kind is MeasureKind.FREEHAND else shapes.rectangle((*points[0], *points[-1]))
        if measure.kind is MeasureKind.ELLIPSE:
            outline = shapes.ellipse_outline(points)
        measured = []
        if measure.area is not None and measure.area_unit in codes.UNITS:
            unit = concept(codes.UNITS[measure.area_unit])
            measured.append(sr.Measurement(name=concept(codes.AREA), value=_value(measure.area), unit=unit))
        if measure.value is not None and measure.unit == "HU":
            unit, mean = concept(codes.HOUNSFIELD), concept(codes.MEAN)
            value = _value(measure.value)
            measured.append(sr.Measurement(name=concept(codes.ATTENUATION), value=value, unit=unit, derivation=mean))
        return self._plane(measure.slice, outline, codes.OUTLINE, {**common, "measurements": measured})

    def _measurement(
        self,
        name: codes.Coded,
        value: float,
        unit: codes.Coded,
        index: int,
        points: Points,
        place: Points | None = None,
    ) -> sr.Measurement:
        """With the points that it was measured between. place: those in LPS mm, where they are not all on the slice."""
        coordinates: Any
        kind = "POINT" if len(points) == 1 else "POLYLINE"
        if self.space:
            coordinates = sr.CoordinatesForMeasurement3D(
                graphic_type=sr.GraphicTypeValues3D[kind],
                graphic_data=self.images.to_patient(index, points) if place is None else place,
                frame_of_reference_uid=self.space,
            )
        else:
            coordinates = sr.CoordinatesForMeasurement(
                graphic_type=sr.GraphicTypeValues[kind],
                graphic_data=self._inside(points),
                source_image=self._region_source(index),
            )
        return sr.Measurement(
            name=concept(name), value=_value(value), unit=concept(unit), referenced_coordinates=[coordinates]
        )

    # ------------------------------------------------------------------------------------------------------ images

    def _outline(self, index: int, points: Points) -> Points:
        """(n, 3) in the patient. The fewer points, the faster highdicom sees that they lie in one plane."""
        return self.images.to_patient(index, shapes.closed(shapes.simplified(points)))

    def _region(self, index: int, points: Points) -> sr.ImageRegion:
        return sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=shapes.closed(self._inside(shapes.simplified(points))),
            source_image=self._region_source(index),
        )

    def _region_source(self, index: int) -> sr.SourceImageForRegion:
        return sr.SourceImageForRegion.from_source_image(self._source(index), self._frame(index))

    def _inside(self, points: Points) -> Points:
        return shapes.inside(points, *self.images.series.geometry.shape[1:])

    def _source(self, index: int) -> Dataset:
        return self.images.of(index)

    def _frame(self, index: int) -> list[int] | None:
        number = self.images.frame_number(index)
        return None if number is None else [number]


def _algorithm(finding: Finding) -> sr.AlgorithmIdentification | None:
    by = finding.algorithm
    if by is None:
        return None
    parameters = [f"weights SHA-256 {by.sha256}"] if by.sha256 else None
    return sr.AlgorithmIdentification(name=by.name or "unknown", version=by.version or "unknown", parameters=parameters)


def _value(value: float) -> float:
    """With as many digits as a decimal string takes (PS3.5 section 6.2), rather than more that are cut."""
    return float(f"{value:.9g}")
