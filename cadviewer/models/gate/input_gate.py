"""What an image is, as far as it matters to the models: which task it is for, or why for none. No torch.

DICOM headers decide where there are any. Without one the content does, by a few measurements of gray values; what does
not look clearly like one kind is refused with the reason, never guessed.
"""

from __future__ import annotations

import contextlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.findings import SPLITS, Half, Task
from cadviewer.imaging.series import UNTOLD, Series, Shape
from cadviewer.messages import Message
from cadviewer.models.gate import bmode
from cadviewer.models.gate.bmode import looks_like_bmode

__all__ = ["OutOfScope", "bmode_region", "check_ultrasound", "frame_problem", "looks_like_bmode", "task_for"]

SMALLEST = 48
"""Shorter side in pixels below which no ultrasound image is read."""

COLOURED = 0.015
"""Share of clearly coloured pixels above which an ultrasound image counts as coloured (Doppler, elastography)."""

BLOTCHES = 0.006
"""The same of the pixels of coloured patches alone: a small field of flow, but no calipers or letters of a machine."""

FEWEST_GRAYS = 16
"""Different gray values below which an image is drawn: the masks of data sets lie beside their images."""

TISSUE, COLOUR_FLOW, SPECTRA = 1, 2, (3, 4)
"""DICOM region data types (PS3.3 C.8.5.5.1.2): tissue, colour flow, pulsed and continuous wave Doppler."""

OTHER_EXAMS = (
    *("ABDOM", "CARDI", "CAVITARY", "ENDO", "FETAL", "FOETAL", "GYN", "HEART", "MUSCULO", "NEONATAL", "OBSTET"),
    *("OPHTHALM", "PELV", "PROSTAT", "RENAL", "RETROPERITON", "SCROTAL", "TEE", "THYROID", "TRANSCRANIAL", "TTE"),
    *("UROLOG", "VASCULAR"),
)
"""What the type of examination of an ultrasound that is not of the breast begins with or holds (Image Type value 3,
PS3.3 C.8.5.6.1.1, and what machines write there). Breasts go by BREAST, CHEST, SMALL PARTS or nothing."""

MODES = {
    0x0002: Message("M-mode"),
    0x0004: Message("Doppler"),
    0x0008: Message("Doppler"),
    0x0010: Message("colour Doppler"),
    0x0020: Message("colour M-mode"),
}
MODES |= {
    0x0040: Message("a 3-D rendering"),
    0x0100: Message("power Doppler"),
    0x0200: Message("tissue characterisation (elastography)"),
}
"""Bits of Image Type value 4 (PS3.3 C.8.5.6.1.1) that say that an image holds more than two-dimensional B-mode."""


class OutOfScope(Exception):
    """An input that no model here knows; the message says why, in one line."""


def check_ultrasound(series: Series) -> None:
    """Raises OutOfScope for a series whose header or values say that it is no ultrasound image."""
    if series.hounsfield or series.modality == "CT":
        raise OutOfScope(Message("this is a CT; the breast model reads B-mode ultrasound"))
    if series.modality not in ("", "US", "IVUS", "OT", "SC", "XC"):
        raise OutOfScope(
            Message("modality {modality}; the breast model reads B-mode ultrasound", modality=series.modality)
        )
    part = series.body_part.upper()
    if part and not any(word in part for word in ("BREAST", "MAMMA", "MAMA", "CHEST", "AXILLA")):
        raise OutOfScope(
            Message("body part {part}; the breast model reads ultrasound of the breast", part=part.lower())
        )
    exam = series.image_type[2].upper() if series.modality == "US" and len(series.image_type) > 2 else ""
    if not part and any(word in exam for word in OTHER_EXAMS):
        raise OutOfScope(
            Message("an examination of type {exam}; the breast model reads ultrasound of the breast", exam=exam.lower())
        )
    if (mode := _other_mode(series)) and not series.ultrasound_regions:
        raise OutOfScope(Message("{mode}; the breast model reads B-mode ultrasound", mode=mode))
    if series.shape is Shape.VOLUME and not series.modality:
        raise OutOfScope(Message("this is a volume; the breast model reads B-mode ultrasound images"))


def _other_mode(series: Series) -> str:
    """What Image Type value 4 says that the image shows beside or instead of B-mode; "" for nothing."""
    bits = 0
    if series.modality == "US" and len(series.image_type) > 3:
        with contextlib.suppress(ValueError):  # machines also write words there
            bits = int(series.image_type[3], 16)
    return next((mode for bit, mode in MODES.items() if bits & bit), "")


def bmode_region(series: Series) -> tuple[int, int, int, int] | None:
    """(x0, y0, x1, y1) of the file's only B-mode region; None where it names none.

    A region that is listed twice, or twice with borders a few pixels apart, is one. Raises OutOfScope when the file
    shows colour flow, a Doppler spectrum, or several B-mode regions (a split screen).
    """
    kinds = [r[4] for r in series.ultrasound_regions]
    if COLOUR_FLOW in kinds or any(kind in SPECTRA for kind in kinds):
        what = Message(Message("colour Doppler")) if COLOUR_FLOW in kinds else Message("a Doppler spectrum")
        raise OutOfScope(Message("{what}; the breast model reads B-mode ultrasound", what=what))
    tissue: list[tuple[int, int, int, int]] = []
    for region in (r[:4] for r in series.ultrasound_regions if r[4] == TISSUE):
        if not any(_same(region, other) for other in tissue):
            tissue.append(region)
    if len(tissue) > 1:
        raise OutOfScope(SPLITS[0])
    if kinds and not tissue:
        raise OutOfScope(Message("no B-mode region in this ultrasound image"))
    if not tissue:
        return None
    rows, columns = series.geometry.shape[1:]
    x0, y0, x1, y1 = tissue[0]
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(columns, x1), min(rows, y1)
    return (x0, y0, x1, y1) if x1 - x0 >= SMALLEST and y1 - y0 >= SMALLEST else None


def half_region(series: Series, pixels: NDArray[Any], half: Half) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of one of two images side by side.

    By the file's regions where it names several, else parted where the image shows it, else in the middle. pixels: of a
    frame, (rows, columns) or (rows, columns, 3). Raises OutOfScope where that half shows colour flow by its region.
    """
    rows, columns = int(pixels.shape[0]), int(pixels.shape[1])
    regions: list[tuple[int, int, int, int, int]] = []
    for region in sorted((r for r in series.ultrasound_regions if r[4] in (TISSUE, COLOUR_FLOW)), key=lambda r: r[0]):
        if not any(_same(region[:4], other[:4]) for other in regions):
            regions.append(region)
    if len(regions) > 1:
        x0, y0, x1, y1, kind = regions[0 if half is Half.LEFT else -1]
        if kind == COLOUR_FLOW:
            raise OutOfScope(Message("colour Doppler; the breast model reads B-mode ultrasound"))
        return max(0, x0), max(0, y0), min(columns, x1), min(rows, y1)
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    at = bmode.split_column(_eight_bits(gray)) or columns // 2
    return (0, 0, at, rows) if half is Half.LEFT else (at, 0, columns, rows)


def _same(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two rectangles are one to a few pixels: they share nine tenths of what they cover."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return a == b or both >= 0.9 * either


def coloured(pixels: NDArray[Any]) -> bool:
    """Whether an image shows more colour than a machine's marks: by all of it, or by patches wider than 1/48 of it."""
    if pixels.ndim != 3:
        return False
    values = pixels[..., :3].astype(np.int16)
    there = (values.max(2) - values.min(2) > 40).astype(np.uint8)
    if float(there.mean()) > COLOURED:
        return True
    wide = max(3, min(there.shape) // 48)
    return float(cv2.morphologyEx(there, cv2.MORPH_OPEN, np.ones((wide, wide), np.uint8)).mean()) > BLOTCHES


def colours(pixels: NDArray[Any]) -> str:
    """What the colours of an RGB image look like, for the reader: colour Doppler, elastography, or just coloured.

    Doppler shows flow in red and blue; elastography lays the whole rainbow, green included, over a large field.
    """
    values = np.ascontiguousarray(pixels[..., :3].astype(np.uint8))
    there = values.max(2).astype(np.int16) - values.min(2) > 40
    hue = cv2.cvtColor(values, cv2.COLOR_RGB2HSV)[..., 0][there].astype(np.int16) * 2  # degrees
    red, green, blue = (float(np.mean(m)) for m in ((hue < 70) | (hue > 320), (hue > 80) & (hue < 160), hue > 180))
    if green > 0.1 and red + blue > 0.2 and float(there.mean()) > 0.05:
        return Message("coloured like an elastogram")
    if float(there.mean()) < 0.5 and red + blue > 0.9 and 0.05 < float(np.mean((hue > 180) & (hue < 280))) < 0.95:
        return Message("coloured like colour Doppler")
    return Message("coloured (Doppler, elastography or a photograph)")


def frame_problem(pixels: NDArray[Any], series: Series) -> str:
    """Why the breast model does not read this frame (or B-mode region), in one line; "" if it does."""
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < SMALLEST:
        return Message("{columns}×{rows} pixels are too few", columns=columns, rows=rows)
    if coloured(pixels):
        return Message("{pixels}; the breast model reads gray B-mode images", pixels=colours(pixels))
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    if float(np.std(gray)) < 2:
        return Message("the image is blank")
    if not series.modality and looks_like_chest_ct(pixels) and not looks_like_bmode(pixels):
        return Message("this looks like a chest CT; the breast model reads gray B-mode images")
    if np.unique(gray[:: max(1, rows // 256), :: max(1, columns // 256)]).size < FEWEST_GRAYS:
        return Message("too few gray values; a mask or a drawing")
    eight = _eight_bits(gray)
    if series.modality in UNTOLD and bmode.unlike(eight):
        return Message("without the speckle of ultrasound; the breast model reads gray B-mode images")
    if bmode.looks_split(eight):
        return SPLITS[1]
    return ""


def _eight_bits(gray: NDArray[Any]) -> NDArray[np.uint8]:
    if gray.dtype == np.uint8:
        return np.asarray(gray, np.uint8)
    low, high = (float(v) for v in np.percentile(gray, [0.5, 99.5]))
    return np.asarray(np.clip((gray.astype(np.float32) - low) * (255 / max(high - low, 1e-6)), 0, 255), np.uint8)


def task_for(series: Series, pixels: NDArray[Any] | None) -> Task:
    """The task a series is for. pixels: of its middle image, (rows, columns) or (rows, columns, 3), None if not read.

    Raises OutOfScope with the reason when unsure.
    """
    if series.hounsfield or series.modality == "CT":
        return Task.NODULES
    if series.modality == "US":
        check_ultrasound(series)
        bmode_region(series)
        problem = frame_problem(pixels, series) if pixels is not None else ""
        if problem:
            raise OutOfScope(problem)
        return Task.BREAST
    if series.format == "image" and pixels is not None and not coloured(pixels):
        if looks_like_bmode(pixels):  # first: of real ultrasound a few images have the outline of a chest too
            return Task.BREAST
        if looks_like_chest_ct(pixels):
            return Task.NODULES
    if series.modality not in UNTOLD:
        raise OutOfScope(
            Message("modality {modality}; the models read CT and breast ultrasound", modality=series.modality)
        )
    raise OutOfScope(Message("neither a CT nor an ultrasound image, as far as it shows; choose the task yourself"))


def looks_like_chest_ct(pixels: NDArray[Any]) -> bool:
    """Whether an 8-bit picture without a header is clearly an axial chest CT slice.

    Either lung-masked (exact black around one to four pieces that do not touch the border and are mostly dark), or a
    body: one convex bright piece away from the corners' darkness, with dark lungs left and right of its middle. Of 498
    BUS-BRA images (folds 1 to 4), 64 of BrEaST, 44 of BUSI and 24 photographs none was taken for it; known are 98 % of
    265 LUNA16 slices (folds 2 to 9) and most slices through the lungs of three whole series in three windows.
    """
    if pixels.dtype != np.uint8 or min(pixels.shape[:2]) < bmode.LEAST_SIDE:
        return False
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    black = float(np.mean(gray == 0))
    scale = 192 / max(gray.shape)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    values = np.asarray(small, np.uint8)
    return (black > 0.4 and _masked_lungs(values)) or _body_with_lungs(values)


def _masked_lungs(values: NDArray[np.uint8]) -> bool:
    shown = cv2.morphologyEx((values > 0).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(shown)
    areas = stats[1:count, cv2.CC_STAT_AREA] / values.size
    pieces = areas[areas > 0.01]
    border = np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]]).mean()
    dark = float(np.mean(values[shown > 0] < 90)) if shown.any() else 0.0
    return bool(1 <= len(pieces) <= 4 and 0.03 < pieces.sum() < 0.6 and border < 0.03 and dark > 0.3)


def _body_with_lungs(values: NDArray[np.uint8]) -> bool:
    cut, _ = cv2.threshold(values, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = cv2.morphologyEx((values > cut).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    if count < 2:
        return False
    largest = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    body = ndimage.binary_fill_holes(ndimage.binary_closing(largest, iterations=2))
    area = float(body.sum())
    points = np.argwhere(body)
    solid = area / max(1.0, cv2.contourArea(cv2.convexHull(points[:, ::-1].astype(np.int32))))
    if not (0.15 < area / values.size < 0.9 and solid > 0.85):
        return False
    inside = cv2.morphologyEx((body & (values <= cut)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, _, stats, centres = cv2.connectedComponentsWithStats(inside)
    shares = stats[1:count, cv2.CC_STAT_AREA] / area
    right = centres[1:count, 0] >= points[:, 1].mean()
    big = shares > 0.025
    sides = float(shares[big & right].sum()), float(shares[big & ~right].sum())
    if not (min(sides) > 0.05 and sum(sides) < 0.7 and big.sum() <= 5):
        return False
    contrast = float(values[body & (values > cut)].mean()) - float(values[inside > 0].mean())
    outside = float(values[~body].mean()) if (~body).any() else 0.0
    return contrast > 0.3 * 255 and outside < 0.45 * 255
