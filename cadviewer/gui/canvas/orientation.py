"""Which side of the patient each edge of an image faces. No Qt.

Letters as in DICOM PS3.3 C.7.6.1.1.1: L left, R right, A anterior, P posterior, H head, F feet; an oblique edge
carries up to three, the strongest first.
"""

from __future__ import annotations

from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.planes import turn_matrix

_POSITIVE, _NEGATIVE = "LPH", "RAF"  # of the LPS axes
_OPPOSITE = str.maketrans(_POSITIVE + _NEGATIVE, _NEGATIVE + _POSITIVE)
_LEAST = 0.12
"""Parts of a direction below this (7°) are left out: nobody calls an axial slice tilted by that much oblique."""


def letters(vector: Vector) -> str:
    """The letters towards which a unit vector in LPS points, at most three, strongest first."""
    parts = sorted(
        ((abs(v), _POSITIVE[k] if v > 0 else _NEGATIVE[k]) for k, v in enumerate(vector) if abs(v) >= _LEAST),
        key=lambda part: -part[0],
    )
    return "".join(letter for _, letter in parts)


def edges(geometry: Geometry, turns: int = 0, mirrored: bool = False) -> dict[str, str] | None:
    """Letters for "left", "right", "top" and "bottom" of a slice; None when the orientation is unknown.

    turns, mirrored: how the slice is turned on the screen, see `gui.canvas.view.ViewState`.
    """
    if geometry.direction is None:
        return None
    _, rows, columns = geometry.direction
    (a, b), (c, d) = turn_matrix(turns, mirrored)
    right, bottom = letters(_sum(a, columns, b, rows)), letters(_sum(c, columns, d, rows))
    return {
        "left": right.translate(_OPPOSITE),
        "right": right,
        "top": bottom.translate(_OPPOSITE),
        "bottom": bottom,
    }


def _sum(a: float, u: Vector, b: float, v: Vector) -> Vector:
    return a * u[0] + b * v[0], a * u[1] + b * v[1], a * u[2] + b * v[2]


def slice_axis(geometry: Geometry) -> tuple[int, str] | None:
    """The LPS axis (0, 1, 2) that slices advance along most and its name (x, y, z); None when unknown."""
    if geometry.direction is None:
        return None
    normal = geometry.direction[0]
    axis = max(range(3), key=lambda k: abs(normal[k]))
    return axis, "xyz"[axis]
