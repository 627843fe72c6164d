"""Nodules in the files of a case: `nodules.csv`, the JSON, a picture of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import Nodule, Provenance
from cadviewer.imaging.series import Series, Volume
from cadviewer.store.case_report import CaseReport, path_text
from cadviewer.store.export.drawing import BLACK, LINE_HEIGHT, ORANGE, Image, draw_text, enlarged, origin, with_footer
from cadviewer.store.export.parts import (
    Annotation,
    Named,
    Part,
    Row,
    json_estimate,
    json_number,
    json_numbers,
    json_place,
    number,
)

COLUMNS = (
    "source",
    "series_uid",
    "sop_uid",
    "instance_number",
    "finding",
    "slice_first",
    "slice_last",
    "slice",
    "x0",
    "y0",
    "x1",
    "y1",
    "x_mm",
    "y_mm",
    "z_mm",
    "long_mm",
    "short_mm",
    "volume_mm3",
    "score",
    "malignancy",
    "type",
    "model",
    "weights_sha256",
)

CATEGORY = "nodule"


def _rows(report: CaseReport) -> Mapping[str, list[Row]]:
    if report.series is None or report.result is None:
        return {}
    by = report.result.provenance
    return {"nodules": [_row(report.series, nodule, by) for nodule in report.result.nodules]}


def _row(series: Series, nodule: Nodule, provenance: Provenance) -> Row:
    box = nodule.box
    image = series.slices[box.slice]
    return (
        path_text(series.source),
        series.series_uid,
        image.sop_uid,
        "" if image.instance_number is None else str(image.instance_number),
        str(nodule.number),
        str(nodule.slice_first),
        str(nodule.slice_last),
        str(box.slice),
        *(number(v) for v in (box.x0, box.y0, box.x1, box.y1)),
        *(number(v) for v in nodule.centre_mm or (None, None, None)),
        *(number(v) for v in (nodule.long_mm, nodule.short_mm, nodule.volume_mm3)),
        number(nodule.score, 4),
        number(nodule.malignancy.value if nodule.malignancy else None, 4),
        nodule.type or "",
        provenance.model,
        provenance.weights_sha256,
    )


def _document(report: CaseReport) -> Mapping[str, Any]:
    result = report.result
    return {
        "nodules": [_json(n, report.series) for n in result.nodules] if result else [],
        "candidates": [_json(n, report.series) for n in result.candidates] if result else [],
    }


def _json(nodule: Nodule, series: Series | None) -> dict[str, Any]:
    image = series.slices[nodule.box.slice] if series else None
    return {
        "finding": nodule.number,
        "sop_uid": image.sop_uid if image else "",
        "instance_number": image.instance_number if image else None,
        "slice": nodule.box.slice,
        "slice_first": nodule.slice_first,
        "slice_last": nodule.slice_last,
        "score": round(float(nodule.score), 6),
        "boxes": [
            {"slice": b.slice, **{k: round(float(getattr(b, k)), 6) for k in ("x0", "y0", "x1", "y1", "score")}}
            for b in nodule.boxes
        ],
        "centre_mm": json_numbers(nodule.centre_mm),
        "long_mm": json_number(nodule.long_mm),
        "short_mm": json_number(nodule.short_mm),
        "volume_mm3": json_number(nodule.volume_mm3),
        "place": json_place(nodule.place),
        "malignancy": json_estimate(nodule.malignancy),
        "type": nodule.type,
        "outline": None if nodule.outline is None else _points(nodule.outline),
        "outlines": [{"slice": k, "points": _points(nodule.outlines[k])} for k in sorted(nodule.outlines)],
    }


def _points(outline: NDArray[np.float32]) -> list[list[float]]:
    return [[round(float(v), 3) for v in point] for point in outline]


def _annotations(report: CaseReport) -> Iterator[Annotation]:
    """One for each slice that a nodule has a box or an outline on."""
    for nodule in report.result.nodules if report.result else ():
        boxes = {box.slice: box for box in nodule.boxes}
        more: dict[str, Any] = {"finding": nodule.number}
        if nodule.type:
            more["type"] = nodule.type
        for index in sorted({*boxes, *nodule.outlines}):
            outline, box = nodule.outlines.get(index), boxes.get(index)
            if box is not None:
                edges, score = (box.x0, box.y0, box.x1, box.y1), float(box.score)
            else:  # where it ends: outlined, and not seen by the detector
                assert outline is not None
                (x0, y0), (x1, y1) = outline.min(0).tolist(), outline.max(0).tolist()
                edges, score = (x0, y0, x1, y1), float(nodule.score)
            area = (edges[2] - edges[0]) * (edges[3] - edges[1]) if outline is None else _area(outline)
            yield Annotation(index, CATEGORY, edges, area, score, outline, more=more)


def _area(outline: NDArray[np.float32]) -> float:
    """px of a polygon (Gauss's shoelace formula)."""
    x, y = outline.astype(float).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _pictures(report: CaseReport, volume: Volume) -> Iterator[Named]:
    assert report.result is not None
    nodules = report.result.nodules
    for nodule in nodules or (None,):
        part = f"-{nodule.number:04}" if nodule is not None and len(nodules) > 1 else ""
        yield part, picture(report, volume, nodule)


def picture(report: CaseReport, volume: Volume, finding: Nodule | None) -> Image:
    """BGR picture of the best slice of a finding (the middle one where there is none) with all boxes on it."""
    nodules = report.result.nodules if report.result else ()
    slices = volume.pixels.shape[0]
    index = finding.box.slice if finding is not None else slices // 2
    image, scale = enlarged(volume, index)
    for nodule in nodules:
        _draw(image, nodule, index, scale)
    words = f"finding {finding.number} of {len(nodules)}" if finding is not None else "nothing above the threshold"
    first = f"image {index + 1}/{slices}   {words}"
    return with_footer(image, [first, origin(report)])


def _draw(image: Image, nodule: Nodule, index: int, scale: tuple[float, float]) -> None:
    """The nodule's box on this slice: thick with its score where it is best seen, else thin with where that is.

    Its outline as well, where it has one on this slice.
    """
    if (outline := nodule.outlines.get(index)) is not None:
        points = np.rint(outline * np.array(scale, np.float32) - 0.5).astype(np.int32)
        cv2.polylines(image, [points], True, BLACK, 2, cv2.LINE_AA)
        cv2.polylines(image, [points], True, ORANGE, 1, cv2.LINE_AA)
    box = next((b for b in nodule.boxes if b.slice == index), None)
    if box is None:
        return
    best = nodule.box.slice == index
    x0, x1 = round(box.x0 * scale[0]) - 2, round(box.x1 * scale[0]) + 2
    y0, y1 = round(box.y0 * scale[1]) - 2, round(box.y1 * scale[1]) + 2
    cv2.rectangle(image, (x0, y0), (x1, y1), BLACK, 4 if best else 3)
    cv2.rectangle(image, (x0, y0), (x1, y1), ORANGE, 2 if best else 1)
    words = f"{nodule.number}: {nodule.score:.2f}" if best else f"{nodule.number} (image {nodule.box.slice + 1})"
    draw_text(image, words, (x0, y0 - 6 if y0 > LINE_HEIGHT else y1 + LINE_HEIGHT - 4))


PART = Part(
    count=lambda result: len(result.nodules),
    columns={"nodules": COLUMNS},
    order={"nodules": ("source", "series_uid", "finding")},
    rows=_rows,
    document=_document,
    pictures=_pictures,
    category=CATEGORY,
    annotations=_annotations,
)
