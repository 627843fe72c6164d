"""Drawing on pictures of cases: one image with square pixels, lines, words, and what it is below.

Colours are safe for colour-blind readers and never the only sign (Okabe and Ito 2008).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging import windowing
from cadviewer.imaging.series import Volume
from cadviewer.store.case_report import CaseReport

NOTICE = "For research use only"
LONGEST = 1024
"""Longest side of the image within a picture, in pixels."""

ORANGE, SKY, WHITE, BLACK = (0, 159, 230), (233, 180, 86), (255, 255, 255), (0, 0, 0)  # BGR
_FONT, LINE_HEIGHT = cv2.FONT_HERSHEY_SIMPLEX, 24

Image = NDArray[np.uint8]


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


def draw_text(image: Image, words: str, place: tuple[int, int]) -> None:
    """Words on a dark plate, moved inside the image; place: left end of the base line."""
    (width, height), base = cv2.getTextSize(words, _FONT, 0.55, 1)
    x, y = max(2, min(place[0], image.shape[1] - width - 6)), max(height + 4, place[1])
    cv2.rectangle(image, (x - 2, y - height - 3), (x + width + 3, y + base), BLACK, cv2.FILLED)
    cv2.putText(image, words, (x, y), _FONT, 0.55, ORANGE, 1, cv2.LINE_AA)


def origin(report: CaseReport) -> str:
    """What made a picture, in one line."""
    if report.result is None:
        return ""
    made = report.result.provenance
    return f"{made.model} {made.model_version}  {made.weights_sha256[:12]}  threshold {made.threshold:g}"


def with_footer(image: Image, lines: list[str]) -> Image:
    """The image with lines of text below it, the notice last."""
    lines = [*lines, NOTICE]
    width = max(image.shape[1], 640)
    picture = np.zeros((image.shape[0] + LINE_HEIGHT * len(lines) + 8, width, 3), np.uint8)
    left = (width - image.shape[1]) // 2
    picture[: image.shape[0], left : left + image.shape[1]] = image
    for number, words in enumerate(lines, start=1):
        colour = ORANGE if words == NOTICE else WHITE
        words = words.encode("ascii", "replace").decode()  # the built-in font knows no other letters
        place = (8, image.shape[0] + LINE_HEIGHT * number - 4)
        cv2.putText(picture, words, place, _FONT, 0.55, colour, 1, cv2.LINE_AA)
    return picture
