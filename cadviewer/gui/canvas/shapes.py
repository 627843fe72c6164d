"""What a reader draws on images to measure or to point: lengths, angles, regions, arrows, texts. No Qt.

A point is (slice, x, y): continuous slice index and edge coordinates of the slices as acquired, whichever plane it was
drawn on. Where the series has a place in the patient that is the same as a point of the patient; where it has none,
shapes are still kept on the slice they were drawn on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.planes import Plane
from cadviewer.store.areas import REGIONS, area_px
from cadviewer.store.session import Measure, MeasureKind

Point = tuple[float, float]
"""(x, y) in edge coordinates of the plane on screen."""
Point3 = tuple[float, float, float]

_NEEDED = {
    MeasureKind.DISTANCE: 2,
    MeasureKind.ANGLE: 3,
    MeasureKind.BIDIRECTIONAL: 4,
    MeasureKind.RECTANGLE: 2,
    MeasureKind.ELLIPSE: 2,
    MeasureKind.FREEHAND: 3,
    MeasureKind.ARROW: 2,
    MeasureKind.TEXT: 1,
}
FREEHAND_HANDLES = 12


@dataclass(frozen=True)
class Drawing:
    """One thing drawn. key: of its record in the journal.

    points: of a distance both ends; of an angle an end, the vertex, the other end; bidirectional: the ends of the long
    axis, then those of the short one; of a rectangle and an ellipse two opposite corners of its bounds in the plane; of
    a freehand region its outline; of an arrow its head, then its tail; of a text its place.
    """

    key: str
    kind: MeasureKind
    points: tuple[Point3, ...]
    text: str = ""

    @property
    def slice(self) -> int:
        """The acquired slice nearest to its first point."""
        return round(self.points[0][0])


@dataclass(frozen=True)
class Value:
    """What a shape measures: a number with its unit, None and "" where there is none, and the lines to be shown.

    area: of a region, in `area_unit`: "mm²" or "px²".
    """

    number: float | None
    unit: str
    lines: tuple[str, ...]
    area: float | None = None
    area_unit: str = ""


# where it is ----------------------------------------------------------------------------------------------------------


def place(stack: Stack, index: float, at: Point) -> Point3:
    """The point (slice, x, y) under a point of plane `index` of a stack."""
    if stack.plane is Plane.ACQUIRED:
        return float(index), at[0], at[1]
    matrix, offset = _steps(stack.geometry, stack.series.geometry)
    s, r, c = (matrix @ (index, at[1] - 0.5, at[0] - 0.5) + offset).tolist()
    return s, c + 0.5, r + 0.5


def seen(stack: Stack, point: Point3) -> tuple[float, Point]:
    """(plane, (x, y)) of a point among the planes of a stack."""
    if stack.plane is Plane.ACQUIRED:
        return point[0], (point[1], point[2])
    matrix, offset = _steps(stack.series.geometry, stack.geometry)
    p, r, c = (matrix @ (point[0], point[2] - 0.5, point[1] - 0.5) + offset).tolist()
    return p, (c + 0.5, r + 0.5)


def on_plane(shape: Drawing, stack: Stack, index: int) -> tuple[Point, ...] | None:
    """The points of a shape on a plane; None unless it lies in that one."""
    points = []
    for point in shape.points:
        depth, at = seen(stack, point)
        if not index - 0.5 <= depth < index + 0.5:
            return None
        points.append(at)
    return tuple(points)


@lru_cache(maxsize=64)
def _steps(source: Geometry, target: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and offset that take (slice, row, column) indices of one grid to those of another."""
    offset = target.to_index(source.to_patient((0, 0, 0)))
    matrix = (target.to_index(source.to_patient(np.eye(3))) - offset).T
    return matrix, offset


# what it looks like ---------------------------------------------------------------------------------------------------


def outline(kind: MeasureKind, points: Sequence[Point]) -> list[list[Point]]:
    """Lines to be drawn through these points of the plane; closed ones end where they begin."""
    if kind is MeasureKind.BIDIRECTIONAL and len(points) == 4:
        return [list(points[:2]), list(points[2:])]
    if kind is MeasureKind.RECTANGLE:
        corners = _corners(points)
        return [[*corners, corners[0]]]
    if kind is MeasureKind.ELLIPSE:
        (x0, y0), (x1, y1) = points[0], points[-1]
        turn = np.linspace(0, 2 * math.pi, 65)
        xs = (x0 + x1) / 2 + (x1 - x0) / 2 * np.cos(turn)
        ys = (y0 + y1) / 2 + (y1 - y0) / 2 * np.sin(turn)
        return [[(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]]
    if kind is MeasureKind.FREEHAND:
        return [[*points, points[0]]]
    if kind is MeasureKind.TEXT:
        return []
    return [list(points)]


def handles(kind: MeasureKind, points: Sequence[Point]) -> list[Point]:
    """Where a shape is taken hold of to change it."""
    if kind is MeasureKind.RECTANGLE:
        return _corners(points)
    if kind is MeasureKind.ELLIPSE:
        (x0, y0), (x1, y1) = points[0], points[-1]
        xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
        return [(xm, y0), (x1, ym), (xm, y1), (x0, ym)]
    if kind is MeasureKind.FREEHAND:
        return [points[k] for k in _freehand(len(points))]
    return list(points)


def drag(
    kind: MeasureKind, points: Sequence[Point], handle: int, to: Point, mm: tuple[float, float] = (1.0, 1.0)
) -> tuple[Point, ...]:
    """The points after a handle was dragged. mm: of a pixel (row, column), so that right angles are right."""
    new = list(points)
    if kind is MeasureKind.RECTANGLE:
        (x0, y0), (x1, y1) = points[0], points[-1]
        xs, ys = [x0, x1], [y0, y1]
        xs[1 if handle in (1, 2) else 0], ys[1 if handle in (2, 3) else 0] = to
        return (xs[0], ys[0]), (xs[1], ys[1])
    if kind is MeasureKind.ELLIPSE:
        (x0, y0), (x1, y1) = points[0], points[-1]
        x0, x1 = (to[0] if handle == 3 else x0), (to[0] if handle == 1 else x1)
        y0, y1 = (to[1] if handle == 0 else y0), (to[1] if handle == 2 else y1)
        return (x0, y0), (x1, y1)
    if kind is MeasureKind.FREEHAND:
        return _bent(points, _freehand(len(points))[handle], to)
    if kind is MeasureKind.BIDIRECTIONAL and len(points) == 4:
        return _across(points, handle, to, mm)
    new[handle] = to
    return tuple(new)


def with_short_axis(points: Sequence[Point], to: Point, mm: tuple[float, float]) -> tuple[Point, ...]:
    """A long axis with a short one as wide as `to` is away from it, the same on both sides."""
    a, b = points[0], points[1]
    t, h = _foot(a, b, to, mm)
    return a, b, _aside(a, b, t, h, mm), _aside(a, b, t, -h, mm)


def _corners(points: Sequence[Point]) -> list[Point]:
    (x0, y0), (x1, y1) = points[0], points[-1]
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _freehand(count: int) -> list[int]:
    """Which points of an outline have a handle."""
    step = max(1, math.ceil(count / FREEHAND_HANDLES))
    return list(range(0, count, step))


def _bent(points: Sequence[Point], at: int, to: Point) -> tuple[Point, ...]:
    """An outline with one point moved and its neighbours drawn along, less the further they are."""
    count = len(points)
    dx, dy = to[0] - points[at][0], to[1] - points[at][1]
    reach = max(count / FREEHAND_HANDLES, 1.0)
    bent = []
    for k, (x, y) in enumerate(points):
        apart = min(abs(k - at), count - abs(k - at))
        weight = math.exp(-((apart / reach) ** 2)) if k != at else 1.0
        bent.append((x + dx * weight, y + dy * weight))
    return tuple(bent)


def _across(points: Sequence[Point], handle: int, to: Point, mm: tuple[float, float]) -> tuple[Point, ...]:
    """Bidirectional: the short axis stays at right angles to the long one."""
    a, b, c, d = points
    t, h = _foot(a, b, c, mm)
    _, other = _foot(a, b, d, mm)
    if handle < 2:
        a, b = (to, b) if handle == 0 else (a, to)
    elif handle == 2:
        t, h = _foot(a, b, to, mm)
    else:
        t, other = _foot(a, b, to, mm)
    return a, b, _aside(a, b, t, h, mm), _aside(a, b, t, other, mm)


def _foot(a: Point, b: Point, p: Point, mm: tuple[float, float]) -> tuple[float, float]:
    """(how far along the line from a to b the foot of p lies, 0…1; signed distance of p from the line), in mm."""
    row, column = mm
    ux, uy = (b[0] - a[0]) * column, (b[1] - a[1]) * row
    vx, vy = (p[0] - a[0]) * column, (p[1] - a[1]) * row
    length = math.hypot(ux, uy) or 1e-9
    return min(max((ux * vx + uy * vy) / length**2, 0.0), 1.0), (ux * vy - uy * vx) / length


def _aside(a: Point, b: Point, t: float, h: float, mm: tuple[float, float]) -> Point:
    """The point at distance h in mm from the line from a to b, beside its point t."""
    row, column = mm
    ux, uy = (b[0] - a[0]) * column, (b[1] - a[1]) * row
    length = math.hypot(ux, uy) or 1e-9
    x, y = ux * t - uy / length * h, uy * t + ux / length * h
    return a[0] + x / column, a[1] + y / row


# what it measures -----------------------------------------------------------------------------------------------------


def complete(kind: MeasureKind, points: Sequence[Point]) -> bool:
    """Whether there are enough points, and not all in one place."""
    if len(points) < _NEEDED[kind]:
        return False
    if kind is MeasureKind.TEXT:
        return True
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    wide, high = max(xs) - min(xs), max(ys) - min(ys)
    if kind in REGIONS:
        return wide >= 0.5 and high >= 0.5
    return math.hypot(wide, high) >= 0.5


def value(kind: MeasureKind, points: Sequence[Point], stack: Stack, index: int, text: str = "") -> Value:
    """What a shape on plane `index` of a stack measures, below its name if it has one."""
    found = _measured(kind, points, stack, index)
    return replace(found, lines=(*text.splitlines(), *found.lines))


def _measured(kind: MeasureKind, points: Sequence[Point], stack: Stack, index: int) -> Value:
    row, column = stack.pixel_shape
    unit = "mm" if stack.pixel_mm else "px"
    flat = [(x * column, y * row) for x, y in points]
    if kind is MeasureKind.DISTANCE:
        length = math.dist(flat[0], flat[1])
        return Value(length, unit, (f"{length:.1f} {unit}",))
    if kind is MeasureKind.ANGLE:
        if len(flat) < 3:
            return Value(None, "", ())
        angle = _angle(flat[0], flat[1], flat[2])
        return Value(angle, "°", (f"{angle:.1f}°",))
    if kind is MeasureKind.BIDIRECTIONAL:
        long = math.dist(flat[0], flat[1])
        if len(flat) < 4:
            return Value(long, unit, (f"{long:.1f} {unit}",))
        short = math.dist(flat[2], flat[3])
        long, short = max(long, short), min(long, short)
        return Value(long, unit, (f"{long:.1f} × {short:.1f} {unit}",))
    if kind in REGIONS:
        return _region(kind, points, stack, index, row * column, unit)
    return Value(None, "", ())


def _angle(a: Point, vertex: Point, b: Point) -> float:
    u, v = (a[0] - vertex[0], a[1] - vertex[1]), (b[0] - vertex[0], b[1] - vertex[1])
    return abs(math.degrees(math.atan2(u[0] * v[1] - u[1] * v[0], u[0] * v[0] + u[1] * v[1])))


def _region(
    kind: MeasureKind, points: Sequence[Point], stack: Stack, index: int, pixel_area: float, unit: str
) -> Value:
    polygon = np.array(outline(kind, points)[0])
    area = area_px(kind, points) * pixel_area
    lines = [tr("area {area:.1f} {unit}²", area=area, unit=unit)]
    frame = stack.frame(index)
    if frame is None or frame.ndim != 2:
        return Value(None, "", tuple(lines), area, f"{unit}²")
    values = _inside(frame, kind, points, polygon)
    known = values[np.isfinite(values)]
    if len(known) < len(values):
        lines.append(tr("{count} of {all} pixels have no value", count=len(values) - len(known), all=len(values)))
    if not len(known):
        return Value(None, "", tuple(lines), area, f"{unit}²")
    name = "HU" if stack.series.hounsfield else ""
    mean, low, high = float(known.mean()), float(known.min()), float(known.max())
    spread = tr("mean {mean:.1f} ± {spread:.1f} {unit}", mean=mean, spread=float(known.std()), unit=name).rstrip()
    found = (spread, tr("{low:g} to {high:g} {unit}", low=low, high=high, unit=name).rstrip(), *lines)
    return Value(mean, name, tuple(line.replace("-", "−") for line in found), area, f"{unit}²")


def _inside(
    frame: NDArray[np.generic], kind: MeasureKind, points: Sequence[Point], polygon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values of the pixels whose centres lie in a region."""
    rows, columns = frame.shape
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    x0, x1 = max(int(low[0]), 0), min(math.ceil(high[0]), columns)
    y0, y1 = max(int(low[1]), 0), min(math.ceil(high[1]), rows)
    if x0 >= x1 or y0 >= y1:
        return np.empty(0)
    x, y = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
    if kind is MeasureKind.ELLIPSE:
        (ax, ay), (bx, by) = points[0], points[-1]
        inside = ((x - (ax + bx) / 2) / ((bx - ax) / 2)) ** 2 + ((y - (ay + by) / 2) / ((by - ay) / 2)) ** 2 <= 1
    elif kind is MeasureKind.RECTANGLE:
        inside = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    else:
        inside = np.zeros(x.shape, bool)  # even–odd rule, edge after edge
        for (ax, ay), (bx, by) in zip(polygon[:-1].tolist(), polygon[1:].tolist(), strict=True):
            if ay != by:
                inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return np.asarray(frame[y0:y1, x0:x1][inside], float)


# the journal ----------------------------------------------------------------------------------------------------------


def to_measure(shape: Drawing, stack: Stack, index: int) -> Measure:
    """How the journal keeps a shape drawn on plane `index` of a stack."""
    flat = on_plane(shape, stack, index)
    found = value(shape.kind, flat, stack, index, shape.text) if flat is not None else Value(None, "", ())
    geometry = stack.series.geometry
    depths = tuple(p[0] for p in shape.points)
    patient: tuple[Point3, ...] = ()
    if geometry.placed:
        at = geometry.to_patient([(s, y - 0.5, x - 0.5) for s, x, y in shape.points]).round(3).tolist()
        patient = tuple((x, y, z) for x, y, z in at)
    return Measure(
        shape.kind,
        shape.slice,
        tuple((x, y) for _, x, y in shape.points),
        None if found.number is None else round(found.number, 3),
        found.unit,
        shape.text,
        () if all(d == shape.slice for d in depths) else depths,
        patient,
        None if found.area is None else round(found.area, 3),
        found.area_unit,
    )


def of_measure(key: str, measure: Measure) -> Drawing | None:
    """The shape of a record; None for a kind or a number of points that this version does not draw."""
    if len(measure.points) < _NEEDED.get(measure.kind, 1 << 30):
        return None
    depths = measure.depths if len(measure.depths) == len(measure.points) else (measure.slice,) * len(measure.points)
    points = tuple((float(d), x, y) for d, (x, y) in zip(depths, measure.points, strict=True))
    return Drawing(key, measure.kind, points, measure.label)
