from __future__ import annotations

import math

from cadviewer.gui.canvas.orientation import edges, letters, slice_axis
from cadviewer.imaging.geometry import Geometry

AXIAL = ((0, 0, 1), (0, 1, 0), (1, 0, 0))


def _geometry(direction: tuple[tuple[float, float, float], ...] | None) -> Geometry:
    return Geometry((3, 4, 5), direction=direction)  # type: ignore[arg-type]


def test_an_axial_slice_shows_the_patients_right_on_the_left() -> None:
    assert edges(_geometry(AXIAL)) == {"left": "R", "right": "L", "top": "A", "bottom": "P"}


def test_a_flipped_acquisition_flips_the_letters() -> None:
    flipped = ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0))
    assert edges(_geometry(flipped)) == {"left": "L", "right": "R", "top": "P", "bottom": "A"}


def test_a_coronal_slice_has_head_and_feet() -> None:
    coronal = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0))
    assert edges(_geometry(coronal)) == {"left": "R", "right": "L", "top": "H", "bottom": "F"}
    assert slice_axis(_geometry(coronal)) == (1, "y")


def test_an_oblique_edge_carries_both_letters_the_stronger_first() -> None:
    a = math.radians(30)
    assert letters((math.cos(a), math.sin(a), 0)) == "LP"
    assert letters((math.sin(a), -math.cos(a), 0)) == "AL"


def test_an_unknown_orientation_has_no_letters() -> None:
    assert edges(_geometry(None)) is None
    assert slice_axis(_geometry(None)) is None
