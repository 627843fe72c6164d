"""Rows of `index.csv` for one LUNA16 scan: which slices, which boxes on them, and the fold of each.

The columns and roles are described in `trainers.data.ct.luna16`.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from cadviewer.imaging.geometry import Geometry
from cadviewer.models.nodules.slices import neighbours
from trainers.data.ct import luna16_scan as scan
from trainers.data.ct.luna16_scan import LabelledRow, Lungs, Section, Wanted
from trainers.data.ct.luna16_tables import Annotation

COLUMNS = (
    *("image", "series_uid", "patient_id", "role", "annotation_row", "cx", "cy", "box", "diameter_mm", "dz_mm"),
    *("W", "H", "mal_bool", "mal_details", "fold", "width", "height", "slice", "slices", "previous", "next"),
    *("slice_mm", "neighbour_mm", "pixel_mm", "subset", "inside"),
)

MARGIN_MM = 5.0
"""How far a slice must be from every nodule to be a negative."""

RESERVED = ("LIDC-IDRI-0001", "LIDC-IDRI-0002", "LIDC-IDRI-0003")
"""Patients of the validation set `lidc-dicom-small`: never trained on (fold x)."""

Finding = tuple[str, Annotation, Section]


def samples(
    geometry: Geometry,
    nodules: Sequence[Annotation],
    excluded: Sequence[Annotation],
    wanted: Wanted,
    lungs: Lungs | None,
    seed: int,
) -> Iterator[tuple[int, list[Finding]]]:
    """Slices to write, with (role, annotation, section) of what is on them; nothing on a negative."""
    labelled, grazed = scan.chosen(geometry, nodules, wanted)
    irrelevant: dict[int, list[Finding]] = {}
    for finding in excluded:
        if not scan.holds(geometry, finding.centre):
            continue
        for section in scan.sections(geometry, finding.centre, finding.diameter_mm):
            irrelevant.setdefault(section.slice, []).append(("excluded", finding, section))
    for k in sorted(labelled):
        own: list[Finding] = [("labelled", a, s) for a, s in labelled[k]]
        others: list[Finding] = [("grazed", a, s) for a, s in grazed.get(k, [])]
        yield k, [*own, *others, *irrelevant.get(k, [])]
    free = np.ones(geometry.shape[0], bool)
    free[list(irrelevant)] = False
    for nodule in nodules:  # no nodule is a sphere: its strands go on
        near = scan.sections(geometry, nodule.centre, nodule.diameter_mm + 2 * MARGIN_MM)
        free[[s.slice for s in near]] = False
    if lungs is not None:
        free &= np.isin(np.arange(len(free)), lungs.slices())
    for k in scan.background(free, wanted.negatives, seed):
        yield k, []


def rows_of(
    k: int,
    found: Sequence[Finding],
    geometry: Geometry,
    wanted: Wanted,
    lungs: Lungs | None,
    common: Mapping[str, str],
) -> list[LabelledRow]:
    """The index rows of one slice; `slice`, `previous` and `next` still as slice numbers."""
    width, height = scan.size_of(geometry, wanted)
    beside = neighbours(k, geometry.shape[0], wanted.neighbours, wanted.neighbour_mm, geometry.slice_spacing)
    row_mm, column_mm = geometry.pixel_spacing or (1.0, 1.0)
    _, rows, columns = geometry.shape
    every = {
        **dict.fromkeys(COLUMNS, ""),
        **common,
        "W": str(width),
        "H": str(height),
        "slice": str(k),
        "slices": str(geometry.shape[0]),
        "previous": " ".join(str(i) for i in reversed(beside[: wanted.neighbours])),
        "next": " ".join(str(i) for i in beside[wanted.neighbours + 1 :]),
        "slice_mm": f"{geometry.slice_spacing:.4f}",
        "neighbour_mm": f"{wanted.neighbour_mm:g}" if wanted.neighbours else "",
        "pixel_mm": f"{(column_mm * columns / width * row_mm * rows / height) ** 0.5:.4f}",
    }
    if not found:
        return [{**every, "role": "negative"}]
    return [{**every, **_box(*item, geometry, (width, height), lungs)} for item in found]


def _box(
    role: str,
    of: Annotation,
    section: Section,
    geometry: Geometry,
    size: tuple[int, int],
    lungs: Lungs | None,
) -> LabelledRow:
    """The columns of one box, cut at the edge of the image."""
    _, rows, columns = geometry.shape
    x0, x1 = (min(max(section.x + s * section.rx, 0.0), columns) for s in (-1, 1))
    y0, y1 = (min(max(section.y + s * section.ry, 0.0), rows) for s in (-1, 1))
    fx, fy = size[0] / columns, size[1] / rows
    width, height = (x1 - x0) * fx, (y1 - y0) * fy
    inside = ""
    if lungs is not None:
        top, left = int(y0 * fy), int(x0 * fx)
        mask = lungs.on_slice(section.slice, (size[1], size[0]))
        inside = f"{mask[top : max(top + 1, round(y1 * fy)), left : max(left + 1, round(x1 * fx))].mean():.2f}"
    return {
        "role": role,
        "annotation_row": str(of.row),
        "cx": f"{(x0 + x1) / 2 * fx - 0.5:.3f}",
        "cy": f"{(y0 + y1) / 2 * fy - 0.5:.3f}",
        "box": f"{(width * height) ** 0.5:.3f}",
        "width": f"{width:.3f}",
        "height": f"{height:.3f}",
        "diameter_mm": f"{of.diameter_mm:.6f}",
        "dz_mm": f"{section.dz_mm:.3f}",
        "mal_bool": of.malignant,
        "mal_details": of.ratings,
        "inside": inside,
    }


def fold_of(patient: str) -> str:
    """Fold of a patient in every set of this project: crc32 of its name % 10; x for reserved patients."""
    return "x" if patient in RESERVED else str(zlib.crc32(patient.encode()) % 10)


def folded(rows: Sequence[LabelledRow], by: str, *, tune_share: float = 0.0, seed: int = 0) -> Iterator[LabelledRow]:
    """Rows with their fold: by "patient", "subset" or "image" (80:20, `tune_share` of the 80 set aside for tuning)."""
    by_image: dict[str, str] = {}
    if by == "image":
        names = sorted({row["image"] for row in rows})
        order = np.random.default_rng(seed).permutation(len(names))
        test, tune = round(0.2 * len(names)), round(0.8 * tune_share * len(names))
        for place, i in enumerate(order):
            by_image[names[i]] = "1" if place < test else "2" if place < test + tune else "3"
    for row in rows:
        fold = by_image.get(row["image"], row["subset"] if by == "subset" else fold_of(row["patient_id"]))
        yield {**row, "fold": fold}


def table(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """A CSV table as text."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
