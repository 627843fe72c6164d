"""Breast ultrasound in the files of a case: `breast.csv`, the JSON, a picture of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cadviewer.findings import BreastFinding, Call, Provenance, Result
from cadviewer.imaging.series import Series, Volume
from cadviewer.messages import Message
from cadviewer.store.case_report import CaseReport, mask_name, one_line, path_text
from cadviewer.store.export.drawing import BLACK, SKY, Image, enlarged, origin, with_footer
from cadviewer.store.export.parts import Annotation, Named, Part, Row, json_estimate, json_number, number

COLUMNS = (
    "source",
    "sop_uid",
    "frame",
    "width",
    "height",
    "probability_malignant",
    "probability_low",
    "probability_high",
    "call",
    "lesion_px",
    "long_mm",
    "short_mm",
    "mask",
    "model",
    "weights_sha256",
)

CATEGORY = "breast lesion"


def _count(result: Result) -> int:
    """Images with a lesion."""
    return sum(b.call not in (Call.NO_LESION, Call.OUT_OF_SCOPE) for b in result.breast)


def _refused(result: Result) -> str:
    if not result.breast or any(b.call is not Call.OUT_OF_SCOPE for b in result.breast):
        return ""
    return one_line(result.breast[0].reason) or Message("not what the model knows")


def _rows(report: CaseReport) -> Mapping[str, list[Row]]:
    if report.series is None or report.result is None:
        return {}
    by = report.result.provenance
    return {"breast": [_row(report, report.series, finding, by) for finding in report.result.breast]}


def _row(report: CaseReport, series: Series, finding: BreastFinding, provenance: Provenance) -> Row:
    image = series.slices[min(finding.frame, len(series.slices) - 1)]
    given = finding.probability
    height, width = finding.size
    return (
        path_text(series.source),
        image.sop_uid,
        str(image.frame),
        str(width),
        str(height),
        *(number(v, 4) for v in ((given.value, given.low, given.high) if given else (None, None, None))),
        finding.call.value,
        "" if finding.lesion_px is None else str(finding.lesion_px),
        number(finding.long_mm),
        number(finding.short_mm),
        "" if finding.mask is None else mask_name(report, finding),
        provenance.model,
        provenance.weights_sha256,
    )


def _document(report: CaseReport) -> Mapping[str, Any]:
    return {"breast": [_json(report, finding) for finding in report.result.breast] if report.result else []}


def _json(report: CaseReport, finding: BreastFinding) -> dict[str, Any]:
    series = report.series
    image = series.slices[min(finding.frame, len(series.slices) - 1)] if series else None
    return {
        "index": finding.frame,
        "sop_uid": image.sop_uid if image else "",
        "frame": image.frame if image else finding.frame,
        "width": finding.size[1],
        "height": finding.size[0],
        "call": finding.call.value,
        "reason": one_line(finding.reason),
        "probability_malignant": json_estimate(finding.probability),
        "lesion_px": finding.lesion_px,
        "long_mm": json_number(finding.long_mm),
        "short_mm": json_number(finding.short_mm),
        "lesions": finding.lesions,
        "long_px": json_number(finding.long_px),
        "short_px": json_number(finding.short_px),
        "area_mm2": json_number(finding.area_mm2),
        "depth_to_width": json_number(finding.depth_to_width),
        "taller_than_wide": finding.taller_than_wide,
        "mask": None if finding.mask is None else mask_name(report, finding),
    }


def _annotations(report: CaseReport) -> Iterator[Annotation]:
    """The mask of each image that has a lesion. Its score is the probability of malignancy."""
    for finding in report.result.breast if report.result else ():
        if finding.mask is None or not (inside := np.argwhere(finding.mask)).size:
            continue
        (y0, x0), (y1, x1) = inside.min(0).tolist(), (inside.max(0) + 1).tolist()
        score = float(finding.probability.value) if finding.probability is not None else None
        more = {"finding": finding.frame + 1, "call": finding.call.value}
        area = float(len(inside))
        yield Annotation(finding.frame, CATEGORY, (x0, y0, x1, y1), area, score, mask=finding.mask, more=more)


def _pictures(report: CaseReport, volume: Volume) -> Iterator[Named]:
    assert report.result is not None
    for finding in report.result.breast:
        yield Path(mask_name(report, finding)).stem.removeprefix(report.case), picture(report, volume, finding)


def picture(report: CaseReport, volume: Volume, finding: BreastFinding) -> Image:
    """BGR picture of one image with the outline of its mask and what was said of it."""
    image, _ = enlarged(volume, finding.frame)
    if finding.mask is not None:
        size = (image.shape[1], image.shape[0])
        mask = cv2.resize(finding.mask, size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, BLACK, 4, cv2.LINE_AA)
        cv2.drawContours(image, outlines, -1, SKY, 2, cv2.LINE_AA)
    words = finding.call.value.replace("_", " ")
    if finding.probability is not None:
        p = finding.probability
        words += f"   probability of malignancy {p.value:.2f} ({p.low:.2f}-{p.high:.2f})"
    if len(report.result.breast if report.result else ()) > 1:
        words = f"image {finding.frame + 1}/{volume.pixels.shape[0]}   {words}"
    return with_footer(image, [words, origin(report)])


PART = Part(
    count=_count,
    refused=_refused,
    columns={"breast": COLUMNS},
    order={"breast": ("source", "sop_uid", "frame")},
    rows=_rows,
    document=_document,
    pictures=_pictures,
    category=CATEGORY,
    annotations=_annotations,
)
