"""Whether images are a volume: order along the normal, even spacing, and if not, why not.

Pure geometry on positions and orientations in LPS millimetres (DICOM PS3.3 C.7.6.2.1.1), without files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Vector
from cadviewer.messages import Message

Orientation = tuple[float, float, float, float, float, float]

# Direction cosines that differ by less count as one orientation: two of 1.5e-3 either way of the truth, as headers that
# keep three decimals and compute their axes again for each slice have them. At 3e-3 the edge of a field of 500 mm is
# .75 mm off, a pixel.
ORIENTATION_TOLERANCE = 3.1e-3
PIXEL_TOLERANCE = 1e-3  # of the spacing: headers round it to three to six decimals; .5 mm over a field of 500 mm
SPACING_TOLERANCE = 0.05  # of the spacing: how far a slice may lie from where even spacing puts it
ROUNDING_MM = 0.101  # or this far (at most a quarter of the spacing), since some headers round positions to 0.1 mm
TILT_TOLERANCE = 0.01  # sine of the angle between normal and slice step: 0.6°


@dataclass(frozen=True)
class Arrangement:
    """How images lie to each other.

    order: indices of the images, increasing along their normal; the given order where they cannot be sorted.
    spacing: mm between slices, None unless they are a volume of two or more.
    direction: unit vectors of (slice, row, column), None when the orientation is unknown or mixed.
    reason: why they are not a volume; "" for a volume and for a single image.
    """

    order: tuple[int, ...]
    spacing: float | None = None
    direction: tuple[Vector, Vector, Vector] | None = None
    reason: str = ""


def directions(orientation: Orientation) -> tuple[Vector, Vector, Vector] | None:
    """Unit vectors of (slice, row, column) of an ImageOrientationPatient; None when it is not two right angles."""
    across, down = np.array(orientation[:3], float), np.array(orientation[3:], float)
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if min(lengths) < 0.5 or not np.isfinite(lengths).all():
        return None
    across, down = across / lengths[0], down / lengths[1]
    if abs(across @ down) > 0.01:
        return None
    normal = np.cross(across, down)
    normal /= np.linalg.norm(normal)
    return _vector(normal), _vector(down), _vector(across)


def arrange(
    positions: Sequence[Vector | None],
    orientations: Sequence[Orientation | None],
    sequence: Sequence[float] | None = None,
) -> Arrangement:
    """Sorts images along their normal and says whether they are a volume.

    sequence: sorts images whose place in the patient is unknown (InstanceNumber, frame); default the given order.
    """
    count = len(positions)
    by_sequence = tuple(sorted(range(count), key=lambda k: (sequence or range(count))[k]))
    known = [o for o in orientations if o is not None]
    axes = directions(known[0]) if len(known) == count else None
    if axes is not None and any(not same_orientation(known[0], o) for o in known[1:]):
        return Arrangement(
            by_sequence, reason=Message("mixed orientation: {known} different planes", known=_distinct(known))
        )
    if axes is None or any(p is None for p in positions):
        reason = Message("no known place in the patient") if count > 1 else ""
        return Arrangement(by_sequence, direction=axes, reason=reason)
    points = np.array(positions, float)
    along = points @ np.array(axes[0])
    order = np.lexsort((np.array(sequence or range(count), float), along))
    if count == 1:
        return Arrangement((0,), direction=axes)
    reason = _fault(points[order], along[order], np.array(axes[0]))
    spacing = None if reason else float((along[order[-1]] - along[order[0]]) / (count - 1))
    return Arrangement(tuple(int(k) for k in order), spacing, axes, reason)


def same_orientation(a: Orientation, b: Orientation) -> bool:
    return a == b or bool(np.abs(np.subtract(a, b)).max() <= ORIENTATION_TOLERANCE)


def same_spacing(spacings: Sequence[tuple[float, float] | None]) -> bool:
    """Whether pixel spacings, (row, column) mm, are one but for rounding; an unknown one equals unknown ones alone."""
    known = [s for s in set(spacings) if s is not None]
    if len(known) < 2 or None in spacings:
        return len(set(spacings)) < 2
    values = np.array(known, float)
    return bool((values.max(axis=0) <= values.min(axis=0) * (1 + PIXEL_TOLERANCE)).all())


def _fault(points: NDArray[np.float64], along: NDArray[np.float64], normal: NDArray[np.float64]) -> str:
    """Why slices sorted along their normal are no volume; "" when they are. points: (n, 3); along: (n,) mm."""
    steps = np.diff(along)
    same = steps < 1e-3
    if same.any():
        places = int(same.sum())
        return Message(
            "duplicate slices: {places} of {points} at the place of another", places=places, points=len(points)
        )
    shift = np.diff(points, axis=0) - steps[:, None] * normal
    sine = float(np.median(np.linalg.norm(shift, axis=1) / np.hypot(steps, np.linalg.norm(shift, axis=1))))
    if sine > TILT_TOLERANCE:
        return Message(
            "gantry tilt: slices are shifted along each other by {degrees:.1f}°", degrees=np.degrees(np.arcsin(sine))
        )
    typical = float(np.median(steps))
    even = np.linspace(along[0], along[-1], len(along))
    tolerance = max(SPACING_TOLERANCE * typical, min(ROUNDING_MM, typical / 4))
    if np.abs(along - even).max() <= tolerance:
        side = float(np.linalg.norm(shift, axis=1).max())
        return (
            "" if side <= max(tolerance, 0.1) else Message("slices shifted sideways by up to {side:.1f} mm", side=side)
        )
    multiples = np.maximum(np.round(steps / typical), 1)
    missing = int((multiples - 1).sum())
    if missing and np.abs(steps - multiples * typical).max() <= 2 * tolerance:
        gaps = ", ".join(f"{along[k]:.1f} and {along[k + 1]:.1f}" for k in np.flatnonzero(multiples > 1)[:3])
        return Message("missing slices: {missing}, between {gaps} mm along the normal", missing=missing, gaps=gaps)
    return Message("uneven spacing: {least:.2f} to {most:.2f} mm", least=steps.min(), most=steps.max())


def _distinct(orientations: Sequence[Orientation]) -> int:
    kept: list[Orientation] = []
    for orientation in orientations:
        if not any(same_orientation(orientation, k) for k in kept):
            kept.append(orientation)
    return len(kept)


def _vector(values: NDArray[np.float64]) -> Vector:
    # + 0.0 turns −0.0 into 0.0, so that equal geometries print equally
    x, y, z = (float(v) + 0.0 for v in values)
    return x, y, z
