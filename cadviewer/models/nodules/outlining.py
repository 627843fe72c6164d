"""Findings outlined slice by slice by the companion network, and joined into bodies whose parts touch. NumPy alone.

Each slice of a finding is outlined in its own box, and a few slices beyond both ends in the box of the last one: a
detector misses the caps of a nodule. What is kept grows from the slice of the best box upwards and downwards as long
as the outlines of neighbouring slices overlap, so that a vessel or a rib above a nodule is not counted to it, and as
long as what they enclose is at least half as dense as the nodule where it is widest: the network learned from slices
that hold a nodule, and given a box where it has just ended it goes on outlining what is faintly left. Half-way in
density is where a threshold would put the end, as it does in the plane. Volume: see `models.nodules.volume`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer import HU_OF_8_BITS
from cadviewer.findings import Box, Nodule
from cadviewer.imaging.series import Shape as SeriesShape
from cadviewer.imaging.series import Volume
from cadviewer.models.nodules.measurement import NoduleMeasures, axes
from cadviewer.models.nodules.outline import SIDE, VIEWS, Floats, OutlinePatch, OutlineShape, chances_of, shape
from cadviewer.models.nodules.volume import volume_mm3
from cadviewer.models.runtime import Companion

BEYOND_SIDES = 0.35
"""How far beyond the ends of a finding is looked, in sides of its box…"""
BEYOND_MOST = 6
"""…and in slices at most; at least one."""
DENSE = 0.5
"""Least mean density on a slice, above lung, as a share of that of the nodule's body."""
DEPTH, LOWER = 0.35, 25
"""The body: what lies this deep inside (share of the greatest depth), and of it the percentile that counts, so that a
part-solid nodule is as dense as its non-solid part."""
LUNG = 0.25
"""Most that counts as lung around a nodule, in the window (about −650 HU)."""
OVERLAP = 0.3
"""Share of the smaller of two neighbouring outlines that the other must cover."""
FINE = 4
MARGIN_MM = 6.0
"""How much of the lung around is looked at for the volume."""


@dataclass(frozen=True)
class _Place:
    """A patch of one finding on one slice."""

    finding: int
    slice: int
    patch: OutlinePatch


@dataclass(frozen=True)
class _Section:
    """An outline with how much denser than lung it is within (in the window): in the mean, and its body."""

    shape: OutlineShape
    density: float
    body: float


def outline_findings(
    pixels: NDArray[np.generic],
    findings: Sequence[tuple[Box, ...]],
    pixel_mm: tuple[float, float],
    slice_mm: float | None,
    companion: Companion,
) -> list[NoduleMeasures | None]:
    """Measures of findings; None where the network outlines nothing at the place of the best box.

    pixels: (slices, rows, columns) HU; pixel_mm: (row, column); slice_mm: None where slices are searched one by one.
    """
    places = [place for k, boxes in enumerate(findings) for place in _places(k, boxes, pixels, pixel_mm, slice_mm)]
    if not places:
        return []
    low, high = companion.card.inputs.get("window", HU_OF_8_BITS)
    planes = np.stack([_planes(pixels[p.slice], p.patch, float(low), float(high)) for p in places])
    chance = _chances(planes, companion, many=slice_mm is None)
    found: list[dict[int, _Section]] = [{} for _ in findings]
    for place, one, image in zip(places, chance, planes[:, 0], strict=True):
        outlined = shape(one, place.patch, companion.card.threshold)
        if outlined is not None:
            found[place.finding][place.slice] = _section(outlined, image)
    return [
        _measured(boxes, _dense(each), pixels, pixel_mm, slice_mm) for boxes, each in zip(findings, found, strict=True)
    ]


def outline_one(volume: Volume, boxes: tuple[Box, ...], companion: Companion) -> Nodule | None:
    """A finding in the boxes of a reader, outlined and measured; None where the network outlines nothing there.

    boxes: one per slice, slices increasing, the best one scored highest.
    Raises ValueError for boxes outside the series and for values or a pixel size that are not known.
    """
    pixel_mm = volume.geometry.pixel_spacing
    if pixel_mm is None or not volume.series.hounsfield:
        raise ValueError("values or pixel size of this image are not known")
    if not all(0 <= box.slice < len(volume.pixels) for box in boxes):
        raise ValueError("the finding is not on these images")
    slice_mm = volume.geometry.slice_spacing if volume.series.shape is SeriesShape.VOLUME else None
    (measured,) = outline_findings(volume.pixels, [boxes], pixel_mm, slice_mm, companion)
    if measured is None:
        return None
    return Nodule(
        1,
        boxes,
        long_mm=measured.long_mm,
        short_mm=measured.short_mm,
        volume_mm3=measured.volume_mm3,
        outline=measured.outline,
        outlines=measured.outlines,
    )


def _section(outlined: OutlineShape, image: Floats) -> _Section:
    """image: (SIDE, SIDE) of the patch, in the window."""
    around = image[~outlined.part]
    lung = min(float(np.percentile(around, 20)), LUNG) if around.size else 0.0
    depth = cv2.distanceTransform(np.pad(outlined.part.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    body = float(np.percentile(image[depth >= max(DEPTH * float(depth.max()), 1.0)], LOWER))
    return _Section(outlined, float(image[outlined.part].mean()) - lung, body - lung)


def _dense(sections: Mapping[int, _Section]) -> dict[int, OutlineShape]:
    """The outlines of what is dense enough to belong to the nodule."""
    if not sections:
        return {}
    widest = max(sections.values(), key=lambda s: s.shape.area)
    return {k: s.shape for k, s in sections.items() if s.density >= DENSE * widest.body}


def _chances(planes: Floats, companion: Companion, *, many: bool) -> Floats:
    """(n, SIDE, SIDE): mean over the views of each patch; `many`: all of them, for single slices."""
    views = VIEWS[companion.card.inputs.get("views", {}).get("single" if many else "volume", "one")]
    return chances_of(planes, companion.forward, views)


def _planes(image: NDArray[np.generic], patch: OutlinePatch, low: float, high: float) -> Floats:
    """What the network sees of a patch: only the part of the slice below it is windowed."""
    corner = np.floor([patch.x0, patch.y0]).astype(int) - 2
    end = np.ceil(patch.to_source(np.full((1, 2), SIDE))[0]).astype(int) + 2
    rows, columns = image.shape
    x0, y0 = np.clip(corner, 0, (columns, rows))
    x1, y1 = np.clip(end, 0, (columns, rows))
    part = np.nan_to_num(np.asarray(image[y0:y1, x0:x1], np.float32), nan=low)
    if not part.size:
        part, x0, y0 = np.full((1, 1), low, np.float32), 0, 0
    scaled = np.asarray(np.clip((part - low) / (high - low), 0, 1), np.float32)
    return replace(patch, x0=patch.x0 - x0, y0=patch.y0 - y0).planes(scaled)


def _places(
    finding: int,
    boxes: tuple[Box, ...],
    pixels: NDArray[np.generic],
    pixel_mm: tuple[float, float],
    slice_mm: float | None,
) -> list[_Place]:
    """Where a finding is looked at: every slice from its first to its last trusted box, and beyond."""
    best = max(boxes, key=lambda b: b.score)
    trusted = [b for b in boxes if b.score >= 0.5 * best.score]
    sides = [((b.x1 - b.x0) * pixel_mm[1] + (b.y1 - b.y0) * pixel_mm[0]) / 2 for b in trusted]
    if slice_mm is None:
        return [_Place(finding, best.slice, OutlinePatch.around(best, pixel_mm))]
    beyond = int(np.clip(np.ceil(BEYOND_SIDES * max(sides) / slice_mm), 1, BEYOND_MOST))
    first, last = max(0, trusted[0].slice - beyond), min(len(pixels) - 1, trusted[-1].slice + beyond)
    at = [b.slice for b in trusted]
    wanted = np.arange(first, last + 1)
    x, y, side = (
        np.interp(wanted, at, values)
        for values in ([b.centre[0] for b in trusted], [b.centre[1] for b in trusted], sides)
    )
    return [
        _Place(finding, int(k), OutlinePatch.at(float(cx), float(cy), float(s), pixel_mm))
        for k, cx, cy, s in zip(wanted, x, y, side, strict=True)
    ]


def _measured(
    boxes: tuple[Box, ...],
    shapes: Mapping[int, OutlineShape],
    pixels: NDArray[np.generic],
    pixel_mm: tuple[float, float],
    slice_mm: float | None,
) -> NoduleMeasures | None:
    best = max(boxes, key=lambda b: b.score).slice
    if best not in shapes:
        return None
    body = _connected(best, shapes)
    widest = max(sorted(body), key=lambda k: body[k].area)
    long_mm, short_mm = axes(body[widest].polygon * np.array([pixel_mm[1], pixel_mm[0]], np.float32))
    outlines = {k: body[k].polygon for k in sorted(body)}
    volume = _volume(outlines, pixels, (slice_mm, *pixel_mm)) if slice_mm is not None else None
    return NoduleMeasures(long_mm, short_mm, volume, outlines[best], widest, outlines, by_network=True)


def _volume(
    outlines: Mapping[int, NDArray[np.float32]], pixels: NDArray[np.generic], spacing: tuple[float, float, float]
) -> float | None:
    """Volume in mm³ of outlines by slice; a slice missing between two is taken to be like the one before it."""
    margin = [int(np.ceil(MARGIN_MM / mm)) + 2 for mm in spacing]
    points = np.concatenate(list(outlines.values()))
    first, last = min(outlines), max(outlines)
    low = [first - margin[0], *(np.floor(points.min(axis=0)).astype(int)[::-1] - margin[1:]).tolist()]
    high = [last + 1 + margin[0], *(np.ceil(points.max(axis=0)).astype(int)[::-1] + margin[1:]).tolist()]
    part = tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(low, high, pixels.shape, strict=True))
    mask = np.zeros([p.stop - p.start for p in part], bool)
    corner = np.array([part[2].start, part[1].start], np.float32)
    for k in range(first, last + 1):
        polygon = outlines[max(j for j in outlines if j <= k)]
        mask[k - part[0].start] = _filled(polygon - corner, mask.shape[1:])
    return volume_mm3(pixels[part], mask, spacing)


def _filled(polygon: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels of (rows, columns) that lie in a polygon (n, 2) of (x, y) edge coordinates by at least a half."""
    fine = np.zeros((shape[0] * FINE, shape[1] * FINE), np.uint8)
    cv2.fillPoly(fine, [np.rint(polygon * FINE - 0.5).astype(np.int32)], 1)
    filled: NDArray[np.bool_] = fine.reshape(shape[0], FINE, shape[1], FINE).mean(axis=(1, 3)) >= 0.5
    return filled


def _connected(start: int, shapes: Mapping[int, OutlineShape]) -> dict[int, OutlineShape]:
    """The outlines that hang together with that of slice `start`; one slice may be missing in between."""
    body = {start: shapes[start]}
    for step in (1, -1):
        last, at = start, start + step
        while abs(at - last) <= 2:
            if at in shapes and _touch(shapes[at], shapes[last]):
                body[at] = shapes[at]
                last = at
            at += step
    return body


def _touch(one: OutlineShape, other: OutlineShape) -> bool:
    """Whether two outlines of neighbouring slices lie on each other."""
    low = np.minimum(one.polygon.min(axis=0), other.polygon.min(axis=0))
    high = np.maximum(one.polygon.max(axis=0), other.polygon.max(axis=0))
    scale = FINE * min(1.0, 64.0 / float((high - low).max()))
    columns, rows = np.ceil((high - low) * scale).astype(int) + 1
    masks = []
    for polygon in (one.polygon, other.polygon):
        mask = np.zeros((rows, columns), np.uint8)
        cv2.fillPoly(mask, [np.rint((polygon - low) * scale).astype(np.int32)], 1)
        masks.append(mask)
    shared = int((masks[0] & masks[1]).sum())
    return shared >= OVERLAP * min(int(masks[0].sum()), int(masks[1].sum()))
