"""Where what was drawn on one plane meets the others: which plane it was drawn on, and where another cuts it. No Qt."""

from __future__ import annotations

import math
from itertools import pairwise

from cadviewer.gui.canvas.shapes import Drawing, Point, on_plane, outline, place, seen
from cadviewer.gui.canvas.stack import Stack
from cadviewer.imaging.planes import Plane, why_not

NEAR = 0.5
"""Planes from a point within which it is shown on a plane: half the distance of two."""
APART = 1.0
"""Pixels between two marks at least."""


def home(shape: Drawing, stack: Stack) -> tuple[Stack, int] | None:
    """The planes and the plane that a shape lies in: an acquired slice if in one; None where in none that is shown.

    stack: any through the pixels that it was drawn on.
    """
    for plane in Plane:  # as acquired first
        if plane is not Plane.ACQUIRED and why_not(stack.series):
            return None
        own = stack.through(plane)
        index = math.floor(seen(own, shape.points[0])[0] + 0.5)
        if 0 <= index < len(own) and on_plane(shape, own, index) is not None:
            return own, index
    return None


def crossings(shape: Drawing, stack: Stack, index: int) -> tuple[Point, ...]:
    """Where plane `index` of a stack cuts a shape that does not lie in it; ends that lie near it, laid onto it.

    Points (x, y) in edge coordinates of the plane, in the order of the shape's lines; () where it passes it by.
    """
    found = home(shape, stack)
    if found is None:
        return ()
    own, at = found
    flat = on_plane(shape, own, at)
    assert flat is not None
    marks: list[Point] = []
    for line in outline(shape.kind, flat) or [list(flat)]:
        points = [seen(stack, place(own, at, point)) for point in line]
        for depth, point in points:
            if abs(depth - index) <= NEAR:
                _add(marks, point)
        for (d0, p0), (d1, p1) in pairwise(points):
            if min(abs(d0 - index), abs(d1 - index)) > NEAR and (d0 - index) * (d1 - index) < 0:
                t = (index - d0) / (d1 - d0)
                _add(marks, (p0[0] + t * (p1[0] - p0[0]), p0[1] + t * (p1[1] - p0[1])))
    return tuple(marks)


def _add(marks: list[Point], point: Point) -> None:
    """A mark, unless there is one."""
    if all(math.dist(point, other) >= APART for other in marks):
        marks.append(point)
