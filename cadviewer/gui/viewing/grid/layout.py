"""Which views stand where, and which planes they show at first. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.planes import ANATOMICAL, Plane, Projection, Slab, oblique, tilt

MIP = Slab(Projection.MIP, 10.0)
"""In axial MIP slabs of 10 mm nodules below 5 mm were found best (Eur Radiol 2005, doi:10.1007/s00330-005-2871-1)."""


class Layout(StrEnum):
    """How the middle of the window is divided."""

    ONE = "1"
    ONE_TWO = "1+2"
    FOUR = "2×2"
    PAIR = "side by side"

    @property
    def planes(self) -> bool:
        """Whether several planes of one volume are shown."""
        return self in (Layout.ONE_TWO, Layout.FOUR)


@dataclass(frozen=True)
class Place:
    """Of one view in a grid: its first row and column and how many of them it takes."""

    row: int
    column: int
    rows: int = 1
    columns: int = 1


PLACES: dict[Layout, tuple[Place, ...]] = {
    Layout.ONE: (Place(0, 0),),
    Layout.ONE_TWO: (Place(0, 0, 2, 2), Place(0, 2), Place(1, 2)),
    Layout.FOUR: (Place(0, 0), Place(0, 1), Place(1, 0), Place(1, 1)),
    Layout.PAIR: (Place(0, 0), Place(0, 1)),
}


@dataclass(frozen=True)
class Content:
    """What a view begins with."""

    plane: Plane = Plane.ACQUIRED
    slab: Slab | None = None


def contents(geometry: Geometry, layout: Layout, slab: Slab = MIP) -> tuple[Content, ...]:
    """Of each view of a layout of planes, for a placed volume. slab: of the fourth view.

    The first view is always the images as acquired: nothing in it is interpolated, and findings and lengths lie on it.
    The next are the patient's planes that it is not. The fourth is the missing one of an oblique acquisition, else a
    MIP slab along the acquired slices, in which small nodules are told from vessels.
    """
    nearest = tilt(geometry)
    assert nearest is not None  # it is placed
    crooked = oblique(geometry)
    others = [Content(plane) for plane in ANATOMICAL if plane is not nearest[0]]
    fourth = Content(nearest[0]) if crooked else Content(slab=slab)
    return (Content(), *others, fourth)[: len(PLACES[layout])]
