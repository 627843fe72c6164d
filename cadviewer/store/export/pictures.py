"""Pictures of the findings as PNG, and the masks of breast lesions.

A picture shows the best slice of a CT with its boxes, or each ultrasound image with the outline of its mask, drawn
with square pixels, and below it what it is and that it is for research use only. Colours are safe for colour-blind
readers and never the only sign (Okabe and Ito 2008).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer import atomic
from cadviewer.findings import BreastFinding, Nodule, Task
from cadviewer.imaging import windowing
from cadviewer.imaging.series import Volume
from cadviewer.store.export import Format
from cadviewer.store.report import CaseReport, mask_name

NOTICE = "For research use only"
LONGEST = 1024
"""Longest side of the image within a picture, in pixels."""

_ORANGE, _SKY, _WHITE, _BLACK = (0, 159, 230), (233, 180, 86), (255, 255, 255), (0, 0, 0)  # BGR
_FONT, _LINE = cv2.FONT_HERSHEY_SIMPLEX, 24

Image = NDArray[np.uint8]


def write_masks(report: CaseReport, folder: Path) -> None:
    """Write the masks of a case into the results folder, each of its source's size, 0 or 255. Raises OSError."""
    for finding in report.result.breast if report.result else ():
        if finding.mask is not None:
            write_png(folder / mask_name(report, finding), finding.mask)


def write_png(path: Path, image: Image) -> None:
    """Put a gray or BGR image into a PNG, atomically. Raises OSError."""
    coded, data = cv2.imencode(".png", image)
    if not coded:
        raise OSError(f"{path.name} could not be coded as PNG")
    atomic.write_bytes(path, data.tobytes())


def nodule_picture(report: CaseReport, volume: Volume, finding: Nodule | None) -> Image:
    """BGR picture of the best slice of a finding (the middle one where there is none) with all boxes on it."""
    nodules = report.result.nodules if report.result else ()
    slices = volume.pixels.shape[0]
    index = finding.box.slice if finding is not None else slices // 2
    image, scale = enlarged(volume, index)
    for nodule in nodules:
        _draw_nodule(image, nodule, index, scale)
    words = f"finding {finding.number} of {len(nodules)}" if finding is not None else "nothing above the threshold"
    first = f"image {index + 1}/{slices}   {words}"
    return _with_footer(image, [first, _origin(report)])


def breast_picture(report: CaseReport, volume: Volume, finding: BreastFinding) -> Image:
    """BGR picture of one image with the outline of its mask and what was said of it."""
    image, _ = enlarged(volume, finding.frame)
    if finding.mask is not None:
        size = (image.shape[1], image.shape[0])
        mask = cv2.resize(finding.mask, size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, _BLACK, 4, cv2.LINE_AA)
        cv2.drawContours(image, outlines, -1, _SKY, 2, cv2.LINE_AA)
    words = finding.call.value.replace("_", " ")
    if finding.probability is not None:
        p = finding.probability
        words += f"   probability of malignancy {p.value:.2f} ({p.low:.2f}-{p.high:.2f})"
    if len(report.result.breast if report.result else ()) > 1:
        words = f"image {finding.frame + 1}/{volume.pixels.shape[0]}   {words}"
    return _with_footer(image, [words, _origin(report)])


def _write_case(report: CaseReport, volume: Volume | None, folder: Path) -> None:
    if volume is None or report.result is None:
        return
    if report.task is Task.NODULES:
        nodules = report.result.nodules
        for nodule in nodules or (None,):
            part = f"-{nodule.number:04}" if nodule is not None and len(nodules) > 1 else ""
            write_png(folder / f"{report.case}{part}.png", nodule_picture(report, volume, nodule))
        return
    for finding in report.result.breast:
        name = Path(mask_name(report, finding)).name
        write_png(folder / name, breast_picture(report, volume, finding))


FORMAT = Format("a picture of each finding, or of each ultrasound image", folder="pictures", write_case=_write_case)


def enlarged(volume: Volume, index: int) -> tuple[Image, tuple[float, float]]:
    """BGR image of one slice with square pixels, and how much larger it is along (x, y)."""
    series = volume.series
    plane: Any = volume.pixels[index]
    if plane.ndim == 3:
        gray = cv2.cvtColor(np.ascontiguousarray(plane), cv2.COLOR_RGB2BGR)
    else:
        gray = windowing.to_gray(plane, windowing.default_window(series, plane, index), inverted=series.inverted)
        gray = cv2.cvtColor(np.ascontiguousarray(gray), cv2.COLOR_GRAY2BGR)
    rows, columns = gray.shape[:2]
    tall, wide = series.geometry.pixel_spacing or (series.pixel_aspect, 1.0)
    height, width = rows * tall, columns * wide
    factor = LONGEST / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = cv2.INTER_LINEAR if factor * min(tall, wide) >= 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(gray, size, interpolation=method), np.uint8), (size[0] / columns, size[1] / rows)


def _draw_nodule(image: Image, nodule: Nodule, index: int, scale: tuple[float, float]) -> None:
    """The nodule's box on this slice: thick with its score where it is best seen, else thin with where that is.

    Its outline as well, where it has one on this slice.
    """
    if (outline := nodule.outlines.get(index)) is not None:
        points = np.rint(outline * np.array(scale, np.float32) - 0.5).astype(np.int32)
        cv2.polylines(image, [points], True, _BLACK, 2, cv2.LINE_AA)
        cv2.polylines(image, [points], True, _ORANGE, 1, cv2.LINE_AA)
    box = next((b for b in nodule.boxes if b.slice == index), None)
    if box is None:
        return
    best = nodule.box.slice == index
    x0, x1 = round(box.x0 * scale[0]) - 2, round(box.x1 * scale[0]) + 2
    y0, y1 = round(box.y0 * scale[1]) - 2, round(box.y1 * scale[1]) + 2
    cv2.rectangle(image, (x0, y0), (x1, y1), _BLACK, 4 if best else 3)
    cv2.rectangle(image, (x0, y0), (x1, y1), _ORANGE, 2 if best else 1)
    words = f"{nodule.number}: {nodule.score:.2f}" if best else f"{nodule.number} (image {nodule.box.slice + 1})"
    _text(image, words, (x0, y0 - 6 if y0 > _LINE else y1 + _LINE - 4))


def _text(image: Image, words: str, place: tuple[int, int]) -> None:
    """Words on a dark plate, moved inside the image; place: left end of the base line."""
    (width, height), base = cv2.getTextSize(words, _FONT, 0.55, 1)
    x, y = max(2, min(place[0], image.shape[1] - width - 6)), max(height + 4, place[1])
    cv2.rectangle(image, (x - 2, y - height - 3), (x + width + 3, y + base), _BLACK, cv2.FILLED)
    cv2.putText(image, words, (x, y), _FONT, 0.55, _ORANGE, 1, cv2.LINE_AA)


def _origin(report: CaseReport) -> str:
    if report.result is None:
        return ""
    made = report.result.provenance
    return f"{made.model} {made.model_version}  {made.weights_sha256[:12]}  threshold {made.threshold:g}"


def _with_footer(image: Image, lines: list[str]) -> Image:
    """The image with lines of text below it, the notice last."""
    lines = [*lines, NOTICE]
    width = max(image.shape[1], 640)
    picture = np.zeros((image.shape[0] + _LINE * len(lines) + 8, width, 3), np.uint8)
    left = (width - image.shape[1]) // 2
    picture[: image.shape[0], left : left + image.shape[1]] = image
    for number, words in enumerate(lines, start=1):
        colour = _ORANGE if words == NOTICE else _WHITE
        words = words.encode("ascii", "replace").decode()  # the built-in font knows no other letters
        place = (8, image.shape[0] + _LINE * number - 4)
        cv2.putText(picture, words, place, _FONT, 0.55, colour, 1, cv2.LINE_AA)
    return picture
