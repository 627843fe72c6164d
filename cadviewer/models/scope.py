"""What an image is, as far as it matters to the models: which task it is for, or why for none. No torch.

DICOM headers decide where there are any. Without one the content does, by a few measurements of gray values; what does
not look clearly like one kind is refused with the reason, never guessed.
"""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.findings import Task
from cadviewer.imaging.series import UNTOLD, Series, Shape

SMALLEST = 48
"""Shorter side in pixels below which no ultrasound image is read."""

COLOURED = 0.015
"""Share of clearly coloured pixels above which an ultrasound image counts as coloured (Doppler, elastography)."""

FEWEST_GRAYS = 16
"""Different gray values below which an image is drawn: the masks of data sets lie beside their images."""

_LEAST_SIDE = 100
"""Shorter side in pixels below which an image without a header is not judged by its texture."""

TISSUE, COLOUR_FLOW = 1, 2
"""DICOM region data types (PS3.3 C.8.5.5.1.2)."""


class OutOfScope(Exception):
    """An input that no model here knows; the message says why, in one line."""


def check_ultrasound(series: Series) -> None:
    """Raises OutOfScope for a series whose header or values say that it is no ultrasound image."""
    if series.hounsfield or series.modality == "CT":
        raise OutOfScope("this is a CT; the breast model reads B-mode ultrasound")
    if series.modality not in ("", "US", "IVUS", "OT", "SC", "XC"):
        raise OutOfScope(f"modality {series.modality}; the breast model reads B-mode ultrasound")
    part = series.body_part.upper()
    if part and not any(word in part for word in ("BREAST", "MAMMA", "MAMA", "CHEST", "AXILLA")):
        raise OutOfScope(f"body part {part.lower()}; the breast model reads ultrasound of the breast")
    if series.shape is Shape.VOLUME and not series.modality:
        raise OutOfScope("this is a volume; the breast model reads B-mode ultrasound images")


def bmode_region(series: Series) -> tuple[int, int, int, int] | None:
    """(x0, y0, x1, y1) of the file's only B-mode region; None where it names none.

    Raises OutOfScope when the file shows colour flow, or several B-mode regions (a split screen).
    """
    kinds = [r[4] for r in series.ultrasound_regions]
    if COLOUR_FLOW in kinds:
        raise OutOfScope("colour Doppler; the breast model reads B-mode ultrasound")
    tissue = list(dict.fromkeys(r[:4] for r in series.ultrasound_regions if r[4] == TISSUE))
    if len(tissue) > 1:
        raise OutOfScope("a split screen with several B-mode images; open one of them alone")
    if kinds and not tissue:
        raise OutOfScope("no B-mode region in this ultrasound image")
    if not tissue:
        return None
    rows, columns = series.geometry.shape[1:]
    x0, y0, x1, y1 = tissue[0]
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(columns, x1), min(rows, y1)
    return (x0, y0, x1, y1) if x1 - x0 >= SMALLEST and y1 - y0 >= SMALLEST else None


def coloured_share(pixels: NDArray[Any]) -> float:
    """Share of clearly coloured pixels in an RGB image (0 for a gray one)."""
    if pixels.ndim != 3:
        return 0.0
    values = pixels[..., :3].astype(np.int16)
    return float(np.mean(values.max(2) - values.min(2) > 40))


def frame_problem(pixels: NDArray[Any], series: Series) -> str:
    """Why the breast model does not read this frame, in one line; "" if it does."""
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < SMALLEST:
        return f"{columns}×{rows} pixels are too few"
    if coloured_share(pixels) > COLOURED:
        return "coloured (Doppler, elastography or a photograph); the breast model reads gray B-mode images"
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    if float(np.std(gray)) < 2:
        return "the image is blank"
    if not series.modality and looks_like_chest_ct(pixels):
        return "this looks like a chest CT; the breast model reads gray B-mode images"
    if np.unique(gray[:: max(1, rows // 256), :: max(1, columns // 256)]).size < FEWEST_GRAYS:
        return "too few gray values; a mask or a drawing"
    return ""


def task_for(series: Series, pixels: NDArray[Any] | None) -> Task:
    """The task a series is for. pixels: of its middle image, (rows, columns) or (rows, columns, 3), None if not read.

    Raises OutOfScope with the reason when unsure.
    """
    if series.hounsfield or series.modality == "CT":
        return Task.NODULES
    if series.modality == "US":
        bmode_region(series)
        problem = frame_problem(pixels, series) if pixels is not None else ""
        if problem:
            raise OutOfScope(problem)
        return Task.BREAST
    if series.format == "image" and pixels is not None and coloured_share(pixels) <= COLOURED:
        if looks_like_chest_ct(pixels):
            return Task.NODULES
        if looks_like_bmode(pixels):
            return Task.BREAST
    if series.modality not in UNTOLD:
        raise OutOfScope(f"modality {series.modality}; the models read CT and breast ultrasound")
    raise OutOfScope("neither a CT nor an ultrasound image, as far as it shows; choose the task yourself")


def looks_like_bmode(pixels: NDArray[Any]) -> bool:
    """Whether an 8-bit picture without a header is clearly B-mode ultrasound.

    Speckle is as long along the beam as the pulse, and as wide across it as the beam (Wagner et al. 1983): gray values
    of a linear array change faster downwards than sideways, everywhere in the image. In CT slices and photographs they
    do not, or only in places. With these limits 97 % of BUS-BRA (498 of folds 1 to 4), 97 % of BrEaST and 95 % of
    BUSI are known; of CT as 8-bit pictures 0 of 265 LUNA16 slices and 1 of 156 of three whole series in three windows
    were taken for it, and 0 of 24 photographs.
    """
    rows, columns = pixels.shape[:2]
    if pixels.dtype != np.uint8 or min(rows, columns) < _LEAST_SIDE:
        return False
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    scale = 256 / max(rows, columns)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    values = np.asarray(small, np.float32)
    lit = cv2.erode((values > 8).astype(np.uint8), np.ones((5, 5), np.uint8))[:-1, :-1] > 0
    if values.mean() > 165 or lit.mean() < 0.2:
        return False
    around = cv2.GaussianBlur(values, (0, 0), 4)
    texture = np.median((np.abs(values - around) / np.maximum(around, 8))[:-1, :-1][lit])
    smooth = cv2.GaussianBlur(values, (0, 0), 1)
    down, sideways = np.abs(np.diff(smooth, axis=0))[:, :-1], np.abs(np.diff(smooth, axis=1))[:-1]
    ratios = []
    for part in (np.s_[i:j, k:m] for i, j in _quarters(lit.shape[0]) for k, m in _quarters(lit.shape[1])):
        if lit[part].mean() > 0.5:
            ratios.append(down[part][lit[part]].mean() / max(float(sideways[part][lit[part]].mean()), 0.01))
    parts, middle = len(ratios), float(np.median(ratios)) if ratios else 0.0
    if parts < 6 or not 1.2 < middle < 5:
        return False
    everywhere = float(np.mean(np.array(ratios) > 1.15))
    # What one sign lacks the others must make up for; a picture that is half empty must show all of them.
    clear = 0.065 < texture < 0.25 and everywhere >= 0.8 and (middle > 1.4 or (middle > 1.3 and parts >= 9))
    layered = 0.055 < texture < 0.27 and everywhere >= 0.93
    grainy = 0.085 < texture < 0.25 and everywhere >= 0.7 and middle > 1.3
    return bool(clear or (parts >= 9 and (layered or grainy)))


def looks_like_chest_ct(pixels: NDArray[Any]) -> bool:
    """Whether an 8-bit picture without a header is clearly an axial chest CT slice.

    Either lung-masked (exact black around one to four pieces that do not touch the border and are mostly dark), or a
    body: one convex bright piece away from the corners' darkness, with dark lungs left and right of its middle. Of 498
    BUS-BRA images (folds 1 to 4), 64 of BrEaST, 44 of BUSI and 24 photographs none was taken for it; known are 98 % of
    265 LUNA16 slices (folds 2 to 9) and most slices through the lungs of three whole series in three windows.
    """
    if pixels.dtype != np.uint8 or min(pixels.shape[:2]) < _LEAST_SIDE:
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


def _quarters(size: int) -> list[tuple[int, int]]:
    edges = [size * k // 4 for k in range(5)]
    return list(itertools.pairwise(edges))
