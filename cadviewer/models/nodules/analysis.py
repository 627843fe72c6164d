"""Pulmonary nodules: from a volume, a stack or a single slice to findings. NumPy alone; the network is a `Forward`.

The same function serves the worker, `annotate` and `trainers.nodules.evaluation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cadviewer import HU_OF_8_BITS
from cadviewer.findings import Box, Estimate, Nodule
from cadviewer.imaging.geometry import Vector, edge_to_index
from cadviewer.imaging.series import Shape, Volume
from cadviewer.messages import Message
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate.finite import sound
from cadviewer.models.nodules import nodule_type
from cadviewer.models.nodules.detection import Decoding, SliceMarks, detect
from cadviewer.models.nodules.linking import Rules, link
from cadviewer.models.nodules.malignancy import LONGEST_MM, features, suspicion
from cadviewer.models.nodules.measurement import NoduleMeasures, centre, measure
from cadviewer.models.nodules.outlining import outline_findings
from cadviewer.models.nodules.placing import LungGrid
from cadviewer.models.nodules.slices import Prepared, prepare
from cadviewer.models.nodules.volume import LEAST_MM, LEAST_SLICES
from cadviewer.models.runtime import ALONE, Companions, Forward, Progress, no_progress
from cadviewer.models.tasks import Demand, TaskFindings

THICK_MM = 3.0
MOST_CANDIDATES = 400
MEASURED = 80
"""Findings that are measured; the rest is only there for a low setting of the slider."""
OUTLINED, OUTLINED_MOST = 12, 40
"""Findings that the outline network outlines at least, and at most, as far as they are above the threshold."""
VOLUME_FLOOR = 0.03
LEAST_SIDE = 0.01


@dataclass(frozen=True)
class NoduleAnalysis:
    """nodules: at or above the threshold, by falling score, numbered from 1; candidates: below it, numbered on;
    warnings: what the reader should know, one line each."""

    nodules: tuple[Nodule, ...]
    candidates: tuple[Nodule, ...] = ()
    warnings: tuple[str, ...] = ()


def find_nodules(
    volume: Volume,
    forward: Forward,
    card: ModelCard,
    *,
    threshold: float | None = None,
    spacing_mm: float | None = None,
    window: tuple[float, float] = HU_OF_8_BITS,
    progress: Progress = no_progress,
    companions: Companions = ALONE,
) -> NoduleAnalysis:
    """Search a chest CT.

    volume: a VOLUME gives findings over several slices; a STACK or an IMAGE is searched slice by slice.
    threshold: cut of scores, None for the card's. spacing_mm: mm per pixel of an image whose file does not say.
    window: HU that the 8-bit values of an image span. progress: called after each batch; what it raises ends the run.
    companions: with an "outline" network it outlines and measures the best findings; the others, and those in which it
    sees nothing, are outlined by a threshold (`models.nodules.measurement`).
    Raises OutOfScope for what is no axial chest CT, ValueError for a spacing or window that makes no sense.
    """
    volume, replaced = sound(volume)
    ready = prepare(volume, card.inputs, spacing_mm=spacing_mm, window=window)
    joined = volume.series.shape is Shape.VOLUME
    decoding = _decoding(card, threshold, volume.series.shape)
    marks = detect(ready.input, len(ready.indices), forward, decoding, progress=progress)
    boxes = _source_boxes(ready, marks)
    slice_mm = volume.geometry.slice_spacing if joined else None
    if slice_mm is not None:
        rules = Rules(**card.calibration.get("linking", {}))
        findings = link(boxes, ready.pixel_mm, slice_mm, rules)
    else:
        findings = [(b,) for b in sorted(boxes, key=lambda b: (-b.score, b.slice, b.x0, b.y0))]
    cut = card.threshold if threshold is None else threshold
    above = _above(findings, cut)
    findings = findings[: max(MOST_CANDIDATES, above)]
    measures = _measures(findings, above, volume, ready, slice_mm, companions)
    made = [
        _nodule(number, found, measured, volume, ready, card, companions)
        for number, (found, measured) in enumerate(zip(findings, measures, strict=True), start=1)
    ]
    made = _placed(made, volume, ready)
    return NoduleAnalysis(
        tuple(n for n in made if n.score >= cut),
        tuple(n for n in made if n.score < cut),
        (*replaced, *ready.warnings, *_warnings(volume, ready), *_unmeasured(made, slice_mm)),
    )


def analyse(
    volume: Volume,
    forward: Forward,
    card: ModelCard,
    demand: Demand,
    progress: Progress,
    companions: Companions = ALONE,
) -> TaskFindings:
    """See `models.tasks.Analyse`."""
    found = find_nodules(
        volume,
        forward,
        card,
        threshold=demand.threshold,
        spacing_mm=demand.spacing_mm,
        window=demand.window,
        progress=progress,
        companions=companions,
    )
    return TaskFindings(nodules=found.nodules, candidates=found.candidates, warnings=found.warnings)


def _decoding(card: ModelCard, threshold: float | None, shape: Shape) -> Decoding:
    """The card's decoding; marks are kept down to a floor or the threshold, whichever is lower."""
    decoding = Decoding.of(card.config, card.calibration, single=shape is Shape.IMAGE)
    least = max(decoding.floor, VOLUME_FLOOR if shape is Shape.VOLUME else 0.0)
    return replace(decoding, floor=max(1e-4, least if threshold is None else min(least, threshold)))


def _above(findings: Sequence[tuple[Box, ...]], cut: float) -> int:
    return sum(max(b.score for b in found) >= cut for found in findings)


def _source_boxes(ready: Prepared, marks: Sequence[SliceMarks]) -> list[Box]:
    """Marks of all searched slices in source pixels; what lies outside the image is left out."""
    boxes = []
    for index, found in zip(ready.indices, marks, strict=True):
        for (x0, y0, x1, y1), score in zip(ready.to_source(found.boxes), found.scores, strict=True):
            if x1 - x0 > LEAST_SIDE and y1 - y0 > LEAST_SIDE:
                boxes.append(Box(int(index), float(x0), float(y0), float(x1), float(y1), float(np.clip(score, 0, 1))))
    return boxes


def _measures(
    findings: Sequence[tuple[Box, ...]],
    above: int,
    volume: Volume,
    ready: Prepared,
    slice_mm: float | None,
    companions: Companions,
) -> list[NoduleMeasures | None]:
    """Outline and measures of each finding, by falling score; `above`: how many are above the threshold."""
    if volume.series.shape is Shape.STACK:
        return [None] * len(findings)
    measures: list[NoduleMeasures | None] = []
    if "outline" in companions:
        best = findings[: min(max(OUTLINED, above), OUTLINED_MOST)]
        measures = outline_findings(ready.hounsfield, best, ready.pixel_mm, slice_mm, companions["outline"])
    for k, boxes in enumerate(findings):
        if k >= len(measures):
            measures.append(None)
        if measures[k] is None and k < MEASURED:
            measures[k] = measure(ready.hounsfield, boxes, ready.pixel_mm, slice_mm)
    return measures


def _nodule(
    number: int,
    boxes: tuple[Box, ...],
    measured: NoduleMeasures | None,
    volume: Volume,
    ready: Prepared,
    card: ModelCard,
    companions: Companions,
) -> Nodule:
    in_mm = measured if ready.known else None
    return Nodule(
        number=number,
        boxes=boxes,
        centre_mm=_centre(boxes, volume),
        long_mm=in_mm.long_mm if in_mm else None,
        short_mm=in_mm.short_mm if in_mm else None,
        volume_mm3=in_mm.volume_mm3 if in_mm else None,
        malignancy=_suspicion(boxes, ready, in_mm, card),
        type=_type(ready, in_mm, card, companions),
        outline=measured.outline if measured else None,
        outlines=measured.outlines if measured else {},
    )


def _suspicion(
    boxes: tuple[Box, ...], ready: Prepared, measured: NoduleMeasures | None, card: ModelCard
) -> Estimate | None:
    """How suspicious readers would call it, seen on the slice of the largest trusted box."""
    model = card.calibration.get("malignancy")
    if model is None or measured is None or measured.long_mm > LONGEST_MM:
        return None
    top = max(b.score for b in boxes)
    widest = max((b for b in boxes if b.score >= 0.5 * top), key=lambda b: ((b.x1 - b.x0) * (b.y1 - b.y0), b.score))
    image = ready.slice(int(np.searchsorted(ready.indices, widest.slice)))
    described = features(image, ready.to_prepared(widest), float(card.inputs.get("pixel_mm", 1.0)))
    return None if described is None else suspicion(described, model)


def _type(ready: Prepared, measured: NoduleMeasures | None, card: ModelCard, companions: Companions) -> str | None:
    """What readers would call it, by the values within the network's outline on the slice where it is largest."""
    model = companions["outline"].card.calibration.get("type") if "outline" in companions else None
    if model is None or measured is None or not measured.by_network:
        return None
    k = int(np.searchsorted(ready.indices, measured.widest))
    if k >= len(ready.indices) or ready.indices[k] != measured.widest:
        return None
    rows, columns = ready.hounsfield.shape[1:]
    polygon = measured.widest_outline * np.array([ready.size[1] / columns, ready.size[0] / rows], np.float32)
    described = nodule_type.features(ready.slice(k), polygon, float(card.inputs.get("pixel_mm", 1.0)))
    return None if described is None else nodule_type.kind(described, model)


def _centre(boxes: tuple[Box, ...], volume: Volume) -> Vector | None:
    """LPS mm of the weighted mean of the boxes; None where the image has no known place."""
    if volume.series.shape is not Shape.VOLUME or not volume.geometry.placed:
        return None
    index, x, y = centre(boxes)
    x, y, z = volume.geometry.to_patient((index, *edge_to_index(x, y)))
    return float(x), float(y), float(z)


def _placed(nodules: list[Nodule], volume: Volume, ready: Prepared) -> list[Nodule]:
    """The first `MEASURED` with their place in the lungs, as far as the mask tells it."""
    joined = volume.series.shape is Shape.VOLUME and ready.known and ready.lungs is not None
    grid = LungGrid.of(ready.lungs, volume.geometry) if joined and ready.lungs is not None else None
    if grid is None:
        return nodules
    return [
        replace(n, place=grid.place(n.centre_mm, _diameter(n, ready.pixel_mm)))
        if k < MEASURED and n.centre_mm is not None
        else n
        for k, n in enumerate(nodules)
    ]


def _diameter(nodule: Nodule, pixel_mm: tuple[float, float]) -> float:
    """Mean of the axes, else of the sides of the box, in mm."""
    if nodule.long_mm is not None and nodule.short_mm is not None:
        return (nodule.long_mm + nodule.short_mm) / 2
    box = nodule.box
    return ((box.y1 - box.y0) * pixel_mm[0] + (box.x1 - box.x0) * pixel_mm[1]) / 2


def _unmeasured(nodules: Sequence[Nodule], slice_mm: float | None) -> list[str]:
    """Why findings of a volume that were measured have no volume."""
    if slice_mm is None or not any(n.volume_mm3 is None and n.long_mm is not None for n in nodules):
        return []
    least = max(LEAST_MM, LEAST_SLICES * slice_mm)
    return [
        Message(
            "Volumes below {least:.1f} mm are not measurable at this slice thickness ({slice_mm:.1f} "
            "mm) and left empty.",
            least=least,
            slice_mm=slice_mm,
        )
    ]


def _warnings(volume: Volume, ready: Prepared) -> list[str]:
    series = volume.series
    lines: list[str] = []
    if series.shape is Shape.STACK:
        lines.append(
            Message("Not a volume ({not_volume}): each image was searched by itself.", not_volume=series.not_volume)
        )
    if series.shape is Shape.VOLUME and ready.lungs is not None:
        first, last = ready.lungs.open_ends()
        ends = [name for name, is_open in (("first", first), ("last", last)) if is_open]
        if ends:
            lines.append(
                Message(
                    "Only part of the lungs is covered: they go on beyond the {ends} slice.",
                    ends=" and the ".join(ends),
                )
            )
        slice_mm = volume.geometry.slice_spacing
        if slice_mm is not None and slice_mm > THICK_MM:
            lines.append(
                Message(
                    "Slices are {slice_mm:.1f} mm apart: small nodules can lie between them or look fainter.",
                    slice_mm=slice_mm,
                )
            )
    return lines
