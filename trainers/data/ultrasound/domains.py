"""The look of hospitals that a training set does not hold: stronger changes of gray values and of what is in view.

After Zhang et al. 2020, "Generalizing deep learning for medical image segmentation to unseen domains via deep stacked
transformation" (BigAug, arXiv 1906.03347): many strong changes of sharpness, noise, tone and field of view, stacked.
Arrays are (rows, columns) uint8; a `numpy` generator makes every change repeatable.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]


def tone(image: Gray, g: np.random.Generator) -> Gray:
    """Another compression curve: a smooth rising map of gray values through random knots; black stays black."""
    steps = g.dirichlet(np.full(5, 2.0))
    knots = np.concatenate([[0.0], np.cumsum(steps)])
    table = 255 * np.interp(np.arange(256) / 255, np.linspace(0, 1, 6), knots)
    smooth = np.convolve(np.pad(table, 16, mode="edge"), np.ones(33) / 33, mode="valid")
    smooth[0] = 0
    return np.asarray(cv2.LUT(image, np.clip(smooth + 0.5, 0, 255).astype(np.uint8)), np.uint8)


def sharpen(image: Gray, g: np.random.Generator) -> Gray:
    """Edge enhancement of another machine."""
    soft = cv2.GaussianBlur(image, (0, 0), g.uniform(0.8, 2.0))
    amount = float(g.uniform(0.3, 1.2))
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)


def shadow(image: Gray, g: np.random.Generator) -> Gray:
    """A wedge of weaker echoes from some depth down, or of stronger ones: shadow or enhancement that tells nothing."""
    rows, columns = image.shape
    middle, width = g.uniform(0, columns), g.uniform(0.04, 0.18) * columns
    top = int(g.uniform(0, 0.7) * rows)
    across = np.exp(-(((np.arange(columns) - middle) / width) ** 2))
    along = np.clip((np.arange(rows) - top) / (0.15 * rows), 0, 1)
    strength = g.uniform(-0.7, 0.35)
    changed = image * (1 + strength * along[:, None] * across[None])
    return np.asarray(np.clip(changed, 0, 255), np.uint8)


def haze(image: Gray, g: np.random.Generator) -> Gray:
    """Slow additive brightness, as of reverberation; black outside the picture stays black."""
    rows, columns = image.shape
    coarse = g.uniform(-1, 1, (4, 4)).astype(np.float32)
    field = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    changed = np.clip(image + g.uniform(5, 30) * field, 1, 255)
    return np.where(image > 0, changed, 0).astype(np.uint8)


def coarse_speckle(image: Gray, g: np.random.Generator) -> Gray:
    """Strong multiplicative noise with grains longer across the beam than along it, as of a lower frequency."""
    rows, columns = image.shape
    high, wide = g.uniform(1, 3), g.uniform(2, 5)
    noise = g.standard_normal((int(rows / high) + 1, int(columns / wide) + 1), np.float32)
    grains = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(image * np.exp(g.uniform(0.1, 0.35) * grains), 0, 255), np.uint8)


LOOKS = (tone, sharpen, shadow, haze, coarse_speckle)


def framing(image: Gray, mask: Gray, g: np.random.Generator) -> tuple[Gray, Gray]:
    """Another field of view: half of the time a cut around the lesion, else the sector of a convex probe.

    A cut is a rectangle that holds the lesion with a margin, in the middle of a black square of the image's size; how
    much of the screen a set's images show differs more between hospitals than lesions do.
    """
    if g.random() < 0.5 and mask.any():
        return _cut(image, mask, g)
    return _sector(image, mask, g)


def _cut(image: Gray, mask: Gray, g: np.random.Generator) -> tuple[Gray, Gray]:
    side = image.shape[0]
    spans = []
    for axis in (1, 0):
        lesion = np.flatnonzero(mask.any(axis=axis))
        seen = np.flatnonzero(image.any(axis=axis))
        first, last = int(min(lesion[0], seen[0])), int(max(lesion[-1], seen[-1]))
        margin = 0.15 * (lesion[-1] - lesion[0] + 1)
        low = g.uniform(first, max(first, lesion[0] - margin))
        high = g.uniform(min(last, lesion[-1] + margin), last)
        spans.append((max(0, int(low)), min(side, int(high) + 1)))
    (y0, y1), (x0, x1) = spans
    whole = max(y1 - y0, x1 - x0)
    top, left = (whole - (y1 - y0)) // 2, (whole - (x1 - x0)) // 2
    out = []
    for part in (image, mask * np.uint8(255)):
        square = np.zeros((whole, whole), np.uint8)
        square[top : top + y1 - y0, left : left + x1 - x0] = part[y0:y1, x0:x1]
        out.append(np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8))
    return out[0], (out[1] > 127).astype(np.uint8)


def _sector(image: Gray, mask: Gray, g: np.random.Generator) -> tuple[Gray, Gray]:
    rows, columns = image.shape
    half = g.uniform(0.45, 0.8)  # of the opening angle, radians
    apex = (columns * g.uniform(0.4, 0.6), -rows * g.uniform(0.15, 0.8))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    angle = np.abs(np.arctan2(x - apex[0], y - apex[1]))
    inside = (angle < half) & (np.hypot(x - apex[0], y - apex[1]) < (rows - apex[1]) * g.uniform(0.9, 1.1))
    kept = mask * inside.astype(np.uint8)
    if kept.sum() < 0.7 * mask.sum():  # a lesion that is mostly gone is another image
        return image, mask
    return np.where(inside, image, 0).astype(np.uint8), kept
