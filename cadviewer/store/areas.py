"""How large a region is, from the points that the journal keeps of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cadviewer.store.marks import MeasureKind

REGIONS = frozenset({MeasureKind.RECTANGLE, MeasureKind.ELLIPSE, MeasureKind.FREEHAND})


def area_px(kind: MeasureKind, points: Sequence[tuple[float, float]]) -> float:
    """In pixels: a rectangle or an ellipse by two opposite corners of its bounds, a freehand region by its outline."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    if kind is MeasureKind.RECTANGLE:
        return abs((x1 - x0) * (y1 - y0))
    if kind is MeasureKind.ELLIPSE:
        return math.pi / 4 * abs((x1 - x0) * (y1 - y0))
    following = [*points[1:], points[0]]
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(points, following, strict=True))) / 2
