"""Key images of a report: the image of each finding with its box and outline, a close-up beside it, scales in mm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import Box, BreastFinding
from cadviewer.imaging import windowing
from cadviewer.imaging.series import Volume
from cadviewer.store.export.drawing import BLACK, ORANGE, SKY, WHITE, Image, draw_text, enlarged
from cadviewer.store.reporting.content import Finding, Report
from cadviewer.store.reporting.phrases import Phrases
from cadviewer.store.reporting.templates import Picture
from cadviewer.translations import Words

MOST = 12
"""Pictures of one report; how many more there would be is said below the last."""
SIDE = 560
"""Longest side of an image in a picture, and the side of a close-up, in pixels."""
CLOSE_MM, CLOSE_PX = 50.0, 64
"""What a close-up shows at least: mm, or source pixels where nobody knows their size."""
_QUALITY = 90


@dataclass(frozen=True)
class _Mark:
    """What is drawn on an image, in edge coordinates of the source."""

    name: str
    box: Box | None
    outline: NDArray[np.float32] | None


def key_pictures(report: Report, volume: Volume | None, words: Words) -> list[Picture]:
    """The key images of a report, the findings' first, then those that the reader marked; none without pixels."""
    if volume is None:
        return []
    every = list(_wanted(report))
    shown = [_picture(report, volume, index, finding, words) for index, finding in every[:MOST]]
    if len(every) > MOST:
        more = words.count(len(every) - MOST, "{n} more key image is left out", "{n} more key images are left out")
        last = shown[-1]
        shown[-1] = Picture(f"{last.caption}. {more}", last.jpeg, last.width, last.height)
    return shown


def _wanted(report: Report) -> Iterator[tuple[int, Finding | BreastFinding | None]]:
    """Images with the finding that each is for."""
    listed = [*report.findings, *report.unsure]
    taken = set()
    for finding in listed:
        taken.add(finding.slice)
        yield finding.slice, finding
    for image in report.images:
        if image.found.lesion_px or image.entries or len(report.images) == 1:
            taken.add(image.found.frame)
            yield image.found.frame, image.found
    for index in report.key_images:
        if index not in taken:
            yield index, None


def _picture(
    report: Report, volume: Volume, index: int, finding: Finding | BreastFinding | None, words: Words
) -> Picture:
    phrases = Phrases(words)
    whole, scale = enlarged(volume, index)
    whole, scale = _fitted(whole, scale)
    marks = _marks(report, index, finding)
    _scale_bar(whole, report, scale[0])
    for mark in marks:
        _draw(whole, mark, scale, (0.0, 0.0))
    parts = [whole]
    if isinstance(finding, Finding) and finding.nodule is not None:
        parts.append(_close_up(report, volume, index, finding.nodule.box, marks))
    height = max(part.shape[0] for part in parts)
    image = np.concatenate([_padded(p, height, beside=k > 0) for k, p in enumerate(parts)], axis=1)
    coded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not coded:
        raise ValueError("a key image could not be coded")
    return Picture(_caption(report, volume, index, finding, phrases), data.tobytes(), image.shape[1], image.shape[0])


def _caption(
    report: Report, volume: Volume, index: int, finding: Finding | BreastFinding | None, phrases: Phrases
) -> str:
    tr = phrases.words.tr
    parts = []
    if isinstance(finding, Finding):
        parts.append(tr("Finding {number}", number=finding.name))
    parts.append(phrases.images(report.series, index))
    if report.series.hounsfield:
        window = windowing.default_window(report.series, volume.pixels[index], index)
        level = f"{window.width:.0f}/{window.centre:.0f}".replace("-", "−")
        parts.append(tr("window {level}", level=level))
    return ", ".join(parts)


def _marks(report: Report, index: int, finding: Finding | BreastFinding | None) -> list[_Mark]:
    if isinstance(finding, BreastFinding):
        return [] if finding.mask is None else [_Mark("", None, outline) for outline in _outlines(finding.mask)]
    marks = []
    for each in (*report.findings, *report.unsure):
        if each.nodule is not None:
            box = next((b for b in each.nodule.boxes if b.slice == index), None)
            outline = each.nodule.outlines.get(index)
            if box is not None or outline is not None:
                marks.append(_Mark(each.name, box, outline))
    return marks


def _outlines(mask: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Around a mask, edge coordinates."""
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [contour[:, 0].astype(np.float32) + 0.5 for contour in found]


def _fitted(image: Image, scale: tuple[float, float]) -> tuple[Image, tuple[float, float]]:
    """No larger than `SIDE`."""
    height, width = image.shape[:2]
    factor = SIDE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    made = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return made, (scale[0] * size[0] / width, scale[1] * size[1] / height)


def _close_up(report: Report, volume: Volume, index: int, box: Box, marks: list[_Mark]) -> Image:
    """A square around a box, enlarged, with the outlines alone: a box would hide what it is about."""
    whole, scale = enlarged(volume, index)
    mm = report.technique.pixel_mm
    across = CLOSE_MM / mm[1] if mm is not None else CLOSE_PX
    across = max(across, 2.5 * (box.x1 - box.x0), 2.5 * (box.y1 - box.y0) * scale[1] / scale[0])
    side = min(round(across * scale[0]), *whole.shape[:2])
    left, top = (
        int(np.clip(round(c * s - side / 2), 0, n - side))
        for c, s, n in zip(box.centre, scale, whole.shape[1::-1], strict=True)
    )
    part = whole[top : top + side, left : left + side]
    image = np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)
    zoom = SIDE / side
    for mark in marks:
        shown = mark if mark.outline is None else _Mark("", None, mark.outline)
        _draw(image, shown, (scale[0] * zoom, scale[1] * zoom), (left * zoom, top * zoom))
    _scale_bar(image, report, scale[0] * zoom)
    return image


def _draw(image: Image, mark: _Mark, scale: tuple[float, float], start: tuple[float, float]) -> None:
    if mark.outline is not None:
        points = np.rint(mark.outline * np.array(scale) - np.array(start) - 0.5).astype(np.int32)
        cv2.polylines(image, [points], True, BLACK, 3, cv2.LINE_AA)
        cv2.polylines(image, [points], True, SKY, 1, cv2.LINE_AA)
    if mark.box is not None:
        b = mark.box
        x0, x1 = (round(v * scale[0] - start[0]) for v in (b.x0, b.x1))
        y0, y1 = (round(v * scale[1] - start[1]) for v in (b.y0, b.y1))
        cv2.rectangle(image, (x0 - 3, y0 - 3), (x1 + 3, y1 + 3), BLACK, 3)
        cv2.rectangle(image, (x0 - 3, y0 - 3), (x1 + 3, y1 + 3), ORANGE, 1)
        if mark.name:
            draw_text(image, mark.name.encode("ascii", "replace").decode(), (x0, y0 - 8 if y0 > 30 else y1 + 24))


def _scale_bar(image: Image, report: Report, per_pixel: float) -> None:
    """A bar of a round length at the lower edge. per_pixel: how many pixels of the picture one of the source takes."""
    mm = report.technique.pixel_mm
    if mm is None:
        return
    wanted = image.shape[1] / 4 * mm[1] / per_pixel
    length = max((v for v in (1, 2, 5, 10, 20, 50, 100) if v <= wanted), default=1)
    width = round(length / mm[1] * per_pixel)
    y, x = image.shape[0] - 14, 12
    cv2.line(image, (x, y), (x + width, y), BLACK, 5)
    cv2.line(image, (x, y), (x + width, y), WHITE, 2)
    draw_text(image, f"{length} mm", (x, y - 8))


def _padded(image: Image, height: int, *, beside: bool) -> Image:
    return np.pad(image, ((0, height - image.shape[0]), (6 if beside else 0, 0), (0, 0)))
