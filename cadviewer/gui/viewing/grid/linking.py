"""How two examinations are laid over each other, so that scrolling one scrolls the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.planes import why_not
from cadviewer.imaging.series import Series

Point = NDArray[np.float64]
PointMap = Callable[[Point], Point]
"""From LPS mm in one examination to LPS mm in another."""
_OVERLAP = 0.5


@dataclass(frozen=True)
class Link:
    """offset: LPS mm from a point of the first series to the same point in the second; None when they are not linked.

    forth, back: from the first series to the second and back where they were registered, instead of the offset.
    words: how they are linked; {key} stands for the key that links and parts. guessed: whether the reader has to look
        at it.
    """

    offset: Point | None
    words: str
    guessed: bool = False
    forth: PointMap | None = None
    back: PointMap | None = None

    @property
    def said(self) -> str:
        """`words` for the corner of the image, with the key as it is now."""
        return self.words.replace("{key}", hint("link"))

    def to_second(self, point: Point) -> Point | None:
        """LPS mm in the second series of a point of the first; None where they are not linked."""
        if self.offset is None:
            return None
        return self.forth(point) if self.forth is not None else point + self.offset

    def to_first(self, point: Point) -> Point | None:
        """The way back."""
        if self.offset is None:
            return None
        return self.back(point) if self.back is not None else point - self.offset


def unlinkable(first: Series, second: Series) -> str:
    """Why two series cannot be scrolled together; "" when they can."""
    for series in (first, second):
        if reason := why_not(series):
            return reason
    return ""


def link(first: Series, second: Series) -> Link:
    """By the place in the patient where both have one frame of reference. Otherwise by the place on the table, as far
    as the scans overlap there, else middle on middle; the reader then sets it right (`realign`)."""
    if reason := unlinkable(first, second):
        return Link(None, tr("not linked: {reason}", reason=reason))
    if first.frame_of_reference_uid and first.frame_of_reference_uid == second.frame_of_reference_uid:
        return Link(np.zeros(3), tr("linked by patient position"))
    a, b = _extent(first.geometry), _extent(second.geometry)
    shared = np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])
    shorter = np.minimum(a[1] - a[0], b[1] - b[0])
    if (shared >= _OVERLAP * shorter).all():
        return Link(np.zeros(3), tr("linked by table position{key}"), guessed=True)
    return Link((b[0] + b[1] - a[0] - a[1]) / 2, tr("linked middle on middle{key}"), guessed=True)


def registered(forth: PointMap, back: PointMap, error_mm: float) -> Link:
    """By what a registration of the two found. error_mm: that it estimates of itself."""
    words = tr("registered, ± {mm:.0f} mm{key}", mm=max(1.0, error_mm), key="{key}")
    return Link(np.zeros(3), words, forth=forth, back=back)


def unlinked() -> Link:
    """Each goes its own way."""
    return Link(None, tr("not linked{key}"))


def realign(first: Series, second: Series, here: Point, there: Point) -> Link:
    """These two points (LPS mm) are the same point of the patient."""
    if reason := unlinkable(first, second):
        return Link(None, tr("not linked: {reason}", reason=reason))
    before = link(first, second).offset
    assert before is not None
    assert first.geometry.direction is not None
    normal = np.cross(first.geometry.direction[1], first.geometry.direction[2])
    normal /= np.linalg.norm(normal)
    along = float((there - here - before) @ normal)  # across the table the middles of two fields of view mean nothing
    if abs(along) < 0.05:
        return link(first, second)
    return Link(before + normal * along, tr("linked as set, {off:.0f} mm off", off=abs(along)))


def _extent(geometry: Geometry) -> Point:
    """(2, 3) lowest and highest LPS mm of a placed volume."""
    corners = np.array(np.meshgrid(*((0, n - 1) for n in geometry.shape))).reshape(3, -1).T
    points = geometry.to_patient(corners)
    return np.stack([points.min(axis=0), points.max(axis=0)])
