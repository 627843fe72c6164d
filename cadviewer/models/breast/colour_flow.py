"""Colour Doppler that is on in a B-mode image: a few spots of flow, too small to make it a coloured picture.

The rule is set on the Doppler images of BUS-UCLM's training patients (13 of 13 known) and on 40 images of BrEaST with
coloured marks and no flow (none taken for it).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

STRONG = 80
"""Least difference between the channels of a pixel of flow; the marks and body signs of machines are paler."""
REDS, BLUES = (335, 25), (190, 265)
"""Hues of flow in degrees, from first to last: between them lie the yellow, green and orange of marks."""
SPOT = 4, 5e-5
"""A spot of flow has at least so many pixels, and at least such a share of the image."""


def flow(pixels: NDArray[Any]) -> NDArray[np.bool_]:
    """(rows, columns): where a gray or RGB image (8 bit) shows flow."""
    shape = pixels.shape[:2]
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        return np.zeros(shape, bool)
    rgb = np.ascontiguousarray(pixels[..., :3])
    strong = rgb.max(2).astype(np.int16) - rgb.min(2) > STRONG
    if not strong.any():
        return np.zeros(shape, bool)
    hue = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 0].astype(np.int16) * 2
    there = strong & ((hue >= REDS[0]) | (hue <= REDS[1]) | ((hue >= BLUES[0]) & (hue <= BLUES[1])))
    _, labels, facts, _ = cv2.connectedComponentsWithStats(there.astype(np.uint8), connectivity=8)
    large = facts[:, cv2.CC_STAT_AREA] >= max(SPOT[0], SPOT[1] * shape[0] * shape[1])
    large[0] = False
    return np.asarray(large[labels], bool)


def crosses(flow: NDArray[np.bool_], mask: NDArray[np.uint8]) -> bool:
    """Whether flow lies in or at a lesion's mask, within a hundredth of the image's longer side."""
    reach = 2 * max(1, round(max(mask.shape) / 100)) + 1
    near = cv2.dilate((mask > 0).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return bool((near.astype(bool) & flow).any())
