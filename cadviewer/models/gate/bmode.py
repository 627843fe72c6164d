"""What a B-mode ultrasound image looks like, as far as gray values tell: its speckle, and whether it is one image.

Speckle is as long along the beam as the pulse, and as wide across it as the beam (Wagner et al. 1983): gray values of
a linear array change faster downwards than sideways, everywhere in the image. In CT slices and photographs they do
not, or only in places. No torch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

LEAST_SIDE = 100
"""Shorter side in pixels below which an image is not judged by its texture."""

_SIDE = 256
"""The longer side at which texture and seams are measured; larger images are averaged down to it."""

SEAM = 0.75
"""What `seam` exceeds where two images meet; single images have at most .6, with calipers painted in .74."""


@dataclass(frozen=True)
class Texture:
    """Measures of the gray values of an 8-bit image.

    grain: median of |value − its surroundings| over the surroundings. ratio: median over sixteen parts of how much
    faster values change downwards than sideways; everywhere: share of the parts where they clearly do; parts: how many
    of the sixteen show enough. mean: of all values; lit: share that is not black.
    """

    grain: float
    ratio: float
    everywhere: float
    parts: int
    mean: float
    lit: float


def texture(pixels: NDArray[Any]) -> Texture | None:
    """The texture of a gray or RGB image; None where it cannot be judged: not eight bits, or too small."""
    if pixels.dtype != np.uint8 or min(pixels.shape[:2]) < LEAST_SIDE:
        return None
    values = _small(pixels)
    lit = cv2.erode((values > 8).astype(np.uint8), np.ones((5, 5), np.uint8))[:-1, :-1] > 0
    mean, share = float(values.mean()), float(lit.mean())
    if share < 0.02:
        return Texture(0.0, 0.0, 0.0, 0, mean, share)
    around = cv2.GaussianBlur(values, (0, 0), 4)
    grain = float(np.median((np.abs(values - around) / np.maximum(around, 8))[:-1, :-1][lit]))
    smooth = cv2.GaussianBlur(values, (0, 0), 1)
    down, sideways = np.abs(np.diff(smooth, axis=0))[:, :-1], np.abs(np.diff(smooth, axis=1))[:-1]
    ratios = []
    for part in (np.s_[i:j, k:m] for i, j in _quarters(lit.shape[0]) for k, m in _quarters(lit.shape[1])):
        if lit[part].mean() > 0.5:
            ratios.append(down[part][lit[part]].mean() / max(float(sideways[part][lit[part]].mean()), 0.01))
    if not ratios:
        return Texture(grain, 0.0, 0.0, 0, mean, share)
    everywhere = float(np.mean(np.array(ratios) > 1.15))
    return Texture(grain, float(np.median(ratios)), everywhere, len(ratios), mean, share)


def looks_like_bmode(pixels: NDArray[Any]) -> bool:
    """Whether an 8-bit picture without a header is clearly B-mode ultrasound: what lets it in unasked.

    Known are 99 % of BUS-BRA (1,492 of folds 1 to 4), 98 % of BrEaST (64) and 98 % of BUSI (44); taken for it were 0 of
    265 LUNA16 slices, 1 of 108 pictures of three whole CT series in three windows, and of 208 photographs, parts of
    photographs and turned photographs two of a brick wall.
    """
    t = texture(pixels)
    if t is None or t.mean > 165 or t.lit < 0.2 or t.parts < 6 or not 1.2 < t.ratio < 5:
        return False
    # What one sign lacks the others must make up for; a picture that is half empty must show all of them.
    clear = 0.065 < t.grain < 0.25 and t.everywhere >= 0.8 and (t.ratio > 1.4 or (t.ratio > 1.3 and t.parts >= 9))
    layered = 0.055 < t.grain < 0.27 and t.everywhere >= 0.93
    grainy = 0.085 < t.grain < 0.25 and t.everywhere >= 0.7 and t.ratio > 1.3
    # Machines smooth; a full picture of middling brightness may have finer grain, a photograph of text is brighter.
    full = t.parts >= 15 and t.ratio < 2.5
    smoothed = full and 0.038 < t.grain < 0.066 and t.ratio > 1.45 and t.everywhere >= 0.8 and t.mean < 115
    uneven = full and 0.06 < t.grain < 0.1 and t.ratio > 1.4 and t.everywhere >= 0.74 and t.mean < 140
    return bool(clear or (t.parts >= 9 and (layered or grainy)) or smoothed or uneven)


def unlike(pixels: NDArray[Any]) -> bool:
    """Whether an 8-bit picture is so unlike ultrasound that no score is given even when the user says that it is one.

    Limits well outside what 1,492 images of BUS-BRA (folds 1 to 4), 64 of BrEaST and 44 of BUSI show: none of them is
    refused, of 605 CT pictures, photographs and other modalities nine in ten are. False where it cannot be judged.
    """
    t = texture(pixels)
    if t is None:
        return False
    grain, bright = 0.035 < t.grain < 0.3, t.mean < 190
    return not (grain and bright and 1.2 < t.ratio < 4.5 and t.everywhere >= 0.6 and t.parts >= 2)


def looks_split(pixels: NDArray[Any]) -> bool:
    """Whether two images lie side by side (`split_column`)."""
    return split_column(pixels) is not None


def split_column(pixels: NDArray[Any]) -> int | None:
    """Where two images lie side by side: a black gutter from top to bottom near the middle, or a seam there.

    The column of `pixels`, (rows, columns) 8-bit, that parts them; None where it is one image.

    A seam: neighbouring columns show the same speckle everywhere but there, and gray values jump. Limits were set on
    images of BUS-BRA's folds 1 to 4, BrEaST and BUSI, and on pairs of the former; what it does on others is in
    `docs/breast-ultrasound.md`.
    """
    if min(pixels.shape[:2]) < LEAST_SIDE or pixels.dtype != np.uint8:
        return None
    values = _small(pixels)
    shown = np.flatnonzero((values > 12).mean(axis=1) > 0.25)
    if len(shown) < 32:
        return None
    values = values[shown[0] : shown[-1] + 1]
    width = values.shape[1]
    first, last = int(0.3 * width), int(0.7 * width)
    sides = min(float((part > 12).mean()) for part in (values[:, :first], values[:, last:]))
    if sides < 0.25:
        return None
    scale = pixels.shape[1] / width
    black = (values < 10).mean(axis=0)[first:last] > 0.97
    runs = [list(run) for dark, run in itertools.groupby(range(len(black)), lambda k: bool(black[k])) if dark]
    gutter = max(runs, key=len, default=[])
    if len(gutter) >= max(2, 0.008 * width):
        return int((first + (gutter[0] + gutter[-1] + 1) / 2) * scale + 0.5)
    strength, column = seam(values, first, last)
    return int((column + 0.5) * scale + 0.5) if strength > SEAM else None


def seam(values: NDArray[np.float32], first: int, last: int) -> tuple[float, int]:
    """How much the likeliest of the columns from `first` to `last` looks like a seam (above `SEAM` it is one), and that
    column.

    By how much the agreement of fine structure across it falls short of that nearby (a shadow is broader), and the
    share of rows that jump there, the mean over a close and a wider pair of columns. Across a line of calipers or of a
    machine, up to two columns wide, the structure goes on: that is no seam, however bright it is.
    """
    if first < REACH + 2 or last > values.shape[1] - REACH - 3:
        return 0.0, first
    fall, wider = _fall(_agreement(values, 1)), _fall(_agreement(values, 2))
    across = np.min([np.roll(wider, k) for k in (1, 0, -1, -2)], axis=0)  # all pairs with one column on either side
    jumps = (_jumps(values, 3, 1) + _jumps(values, 4, 6)) / 2
    likely = np.where(across > 0, fall + jumps, 0)[first:last]
    return float(likely.max()), first + int(likely.argmax())


REACH, GAP = 14, 3
"""Columns to either side of one: with which its agreement is compared, and which a blurred seam spoils."""


def _fall(agreement: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much the agreement at each column is below the median of those nearby; 0 near the borders."""
    windows = sliding_window_view(agreement, 2 * REACH + 1)
    nearby = np.concatenate([windows[:, : REACH - GAP], windows[:, REACH + GAP + 1 :]], axis=1)
    fall = np.zeros(len(agreement))
    fall[REACH:-REACH] = np.median(nearby, axis=1) - agreement[REACH:-REACH]
    return fall


def _agreement(values: NDArray[np.float32], apart: int) -> NDArray[np.float64]:
    """Correlation along the depth of the columns `apart` to the left and right of each, of detail of even strength.

    1 for the outermost, which have none.
    """
    detail = values - cv2.GaussianBlur(values, (0, 0), sigmaX=0.01, sigmaY=4)
    detail = detail / (np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 6)) + 2)
    left, right = detail[:, : -2 * apart], detail[:, 2 * apart :]
    found = np.ones(values.shape[1])
    found[apart:-apart] = (left * right).sum(0) / np.sqrt((left * left).sum(0) * (right * right).sum(0) + 1e-6)
    return found


def _jumps(values: NDArray[np.float32], across: int, apart: int) -> NDArray[np.float64]:
    """Share of the rows that jump at or beside each column, between means of `across` columns `apart` from it."""
    smooth = cv2.blur(values, (across, 7))
    step = np.abs(smooth[:, apart:] - smooth[:, :-apart])
    share = np.zeros(values.shape[1])
    begin = apart // 2
    share[begin : begin + step.shape[1]] = (step > 3 * (np.median(step, axis=1, keepdims=True) + 1)).mean(axis=0)
    return np.asarray(ndimage.maximum_filter1d(share, 3), np.float64)


def _small(pixels: NDArray[Any]) -> NDArray[np.float32]:
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    scale = _SIDE / max(gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(gray, np.float32)


def _quarters(size: int) -> list[tuple[int, int]]:
    edges = [size * k // 4 for k in range(5)]
    return list(itertools.pairwise(edges))
