"""What other DICOM objects say of images: the findings of a report, the outlines of a segmentation, the marks of a
presentation state. Of whichever maker; to be looked at, and never changed.

The scan names the files (`Annotations`); `read` gives what is in one, `place` where that lies on the images of a
series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging import contained
from cadviewer.imaging.series import Rejected, Series
from cadviewer.messages import Message

SAME_PX = 1.5
"""Pixels by which a place by the named image and one in the patient may differ and still be one."""
BESIDE = 0.6
"""Distances between slices that a point may lie beside the one it is drawn on."""


class Kind(StrEnum):
    """What such a file is."""

    REPORT = "SR"
    SEGMENTATION = "SEG"
    PRESENTATION = "PR"


WORDS = {
    Kind.REPORT: Message("structured report"),
    Kind.SEGMENTATION: Message("segmentation"),
    Kind.PRESENTATION: Message("presentation state"),
}
"""What people call them."""

REPORTS = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{k}" for k in (11, 22, 33, 34, 35, 50, 65))
SEGMENTATIONS = frozenset(f"1.2.840.10008.5.1.4.1.1.66.{k}" for k in (4, 7))
PRESENTATIONS = frozenset(f"1.2.840.10008.5.1.4.1.1.11.{k}" for k in (1, 2, 3))


def kind_of(sop_class: str) -> Kind | None:
    """Of a SOP Class UID (PS3.4 annex B.5), None for what says nothing of places on images."""
    if sop_class in REPORTS:
        return Kind.REPORT
    if sop_class in SEGMENTATIONS:
        return Kind.SEGMENTATION
    return Kind.PRESENTATION if sop_class in PRESENTATIONS else None


@dataclass(frozen=True)
class Annotations(Rejected):
    """A file of such a kind: no image, and for whoever looks at images of use beside them.

    file: where it can be read, which is another place than `source` for one in an archive.
    """

    kind: Kind = Kind.REPORT
    file: Path = Path()


class Line(StrEnum):
    """What is drawn."""

    OPEN = "open"
    CLOSED = "closed"
    POINT = "point"
    TEXT = "text"


@dataclass(frozen=True)
class Graphic:
    """A line, a region, points or the place of a text.

    points: (n, 2) of (x, y) edge coordinates on `image`; None where only the patient's are known.
    image: SOP Instance UID. frame: of it, from 0; None for a single image or for all frames. size: (rows, columns)
    that the points are meant for, None where that is not said.
    patient: (n, 3) LPS mm in the frame of reference `space`; None where that is not known.
    """

    line: Line
    points: NDArray[np.float64] | None = None
    image: str = ""
    frame: int | None = None
    size: tuple[int, int] | None = None
    patient: NDArray[np.float64] | None = None
    space: str = ""
    text: str = ""


@dataclass(frozen=True)
class Annotation:
    """One finding, segment or group of marks. said: what is measured or said of it, one line each."""

    name: str
    graphics: tuple[Graphic, ...]
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """What is in one file.

    made_by: who stands for it. series: Series Instance UIDs that it is about. missing: what of it is not understood,
    one line each.
    """

    kind: Kind
    made_by: str
    series: frozenset[str]
    annotations: tuple[Annotation, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """A graphic on an image of a series. points: (n, 2) edge coordinates there."""

    index: int
    line: Line
    points: NDArray[np.float64]
    text: str = ""


def read(found: Annotations) -> Content:
    """What is in a file. Raises InputError where it is damaged, OSError where it cannot be opened."""
    target = "cadviewer.imaging.dicom.annotations:read"
    made: Content = contained.call(target, found.file, found.kind, size=found.file.stat().st_size)
    return made


@dataclass(frozen=True)
class Where:
    """How the images of a series are named by other objects. images: (SOP Instance UID, frame) → index."""

    images: Mapping[tuple[str, int], int]
    space: str
    series: str
    by_uid: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Mapping[tuple[str, int], int], space: str, series: str) -> Where:
        """With the frames of each object."""
        by_uid: dict[str, list[int]] = {}
        for (uid, _), index in images.items():
            by_uid.setdefault(uid, []).append(index)
        return cls(images, space, series, {uid: tuple(sorted(found)) for uid, found in by_uid.items()})

    def meant(self, content: Content) -> bool:
        """Whether something is about this series."""
        return self.series in content.series or any(
            graphic.image in self.by_uid for a in content.annotations for graphic in a.graphics
        )


def place(annotation: Annotation, series: Series, where: Where) -> tuple[Placed, ...]:
    """Its graphics on the images of a series; without those that lie on none, or across them."""
    placed: list[Placed] = []
    for graphic in annotation.graphics:
        placed += _placed(graphic, series, where)
    return tuple(placed)


def _placed(graphic: Graphic, series: Series, where: Where) -> list[Placed]:
    """By the image that it names, unless its place in the patient is another: an object may have axes of its own."""
    named, found = _on_images(graphic, series, where), _in_space(graphic, series, where)
    if named and found and named[0].points.shape == found[0].points.shape:
        off = float(np.abs(named[0].points - found[0].points).max())
        return named if off <= SAME_PX else found
    return named or found


def _on_images(graphic: Graphic, series: Series, where: Where) -> list[Placed]:
    size = series.geometry.shape[1:]
    if graphic.points is None or graphic.image not in where.by_uid or (graphic.size or size) != size:
        return []
    indices: Sequence[int] = where.by_uid[graphic.image]
    if graphic.frame is not None:
        one = where.images.get((graphic.image, graphic.frame))
        indices = () if one is None else (one,)
    return [Placed(index, graphic.line, graphic.points, graphic.text) for index in indices]


def _in_space(graphic: Graphic, series: Series, where: Where) -> list[Placed]:
    if (
        graphic.patient is None
        or not graphic.space
        or graphic.space != where.space
        or series.geometry.direction is None
    ):
        return []
    if series.geometry.pixel_spacing is None:
        return []
    found = _nearest(graphic.patient, series)
    if found is None:
        return []
    index, origin = found
    _, down, right = (np.array(v, float) for v in series.geometry.direction)
    row_mm, column_mm = series.geometry.pixel_spacing
    # Along the image's own axes: the step to the next slice need not be at right angles to it.
    across = np.cross(right, down)
    away = graphic.patient - origin
    flat = away - (away @ across)[:, None] * across
    x, y = flat @ right / column_mm + 0.5, flat @ down / row_mm + 0.5
    return [Placed(index, graphic.line, np.stack([x, y], axis=1), graphic.text)]


def _nearest(points: NDArray[np.float64], series: Series) -> tuple[int, NDArray[np.float64]] | None:
    """(index, LPS mm of its first pixel) of the slice that all points lie on or beside; None where there is none."""
    origins = _origins(series)
    if origins is None:
        return None
    assert series.geometry.direction is not None
    _, down, right = (np.array(v, float) for v in series.geometry.direction)
    normal = np.cross(right, down)
    depths, own = origins @ normal, points @ normal
    index = int(np.abs(depths - own.mean()).argmin())
    gaps = np.abs(np.diff(np.sort(depths)))
    thick = series.slices[index].thickness_mm or 1.0
    step = float(np.median(gaps)) if len(gaps) and np.median(gaps) > 0 else thick
    if np.abs(own - depths[index]).max() > BESIDE * step:
        return None
    return index, origins[index]


def _origins(series: Series) -> NDArray[np.float64] | None:
    """(slices, 3) LPS mm of the first pixel of each slice, None where that is not known."""
    positions = [s.position for s in series.slices]
    if all(p is not None for p in positions):
        return np.array(positions, float)
    if not series.geometry.placed:
        return None
    count = len(series.slices)
    return series.geometry.to_patient(np.stack([np.arange(count), np.zeros(count), np.zeros(count)], axis=1))
