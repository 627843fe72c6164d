"""Malignancy suspicion of a nodule: a logistic model of a few things seen on its largest slice. NumPy alone.

Learned from the readers' ratings of LIDC-IDRI (1 highly unlikely … 5 highly suspicious), not from pathology: what comes
out is how probable each of the five ratings is by one reader, and the value is the probability of a 4 or 5. Readers
disagree, so no value is higher or lower than what one reader says where all the others agree. The interval is that of
the model's coefficients over resampled patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cadviewer.findings import Box, Estimate
from cadviewer.models.nodules.detection import Image
from cadviewer.models.nodules.measurement import NoduleMeasures, measure

FEATURES = (
    "log long axis",
    "log short axis",
    "log box side",
    "density",
    "spread of density",
    "contrast",
    "irregularity",
    "solid share",
    "calcified share",
    "pleural",
)
CUTS, SUSPICIOUS = 4, 2
"""Cuts between five ratings, and which of them lies below a 4."""
SOLID, CALCIFIED = 0.46, 0.9
"""Prepared values of about −350 and 260 HU in a window from −1000 to 400."""
UNKNOWN = 0.05
"""No suspicion is above 95 % or below 5 %: what a patient has had before, or pathology, is not in the image."""
LONGEST_MM = 40.0
"""Above it nothing is said: the readers rated nodules, which are up to 30 mm long, no masses and no infiltrates."""


def features(image: Image, box: Box, pixel_mm: float) -> NDArray[np.float64] | None:
    """(len(FEATURES),) of the nodule in `box` on a prepared slice (0…1); None where nothing can be outlined.

    box: in edge coordinates of the prepared slice, whose pixels are `pixel_mm` wide.
    """
    flat = Box(0, box.x0, box.y0, box.x1, box.y1, 1.0)
    found = measure((image * 1400 - 1000)[None], (flat,), (pixel_mm, pixel_mm), None)
    if found is None or found.outline is None:
        return None
    return _describe(image, flat, found, pixel_mm)


def _describe(image: Image, box: Box, found: NoduleMeasures, pixel_mm: float) -> NDArray[np.float64]:
    assert found.outline is not None
    margin = 6
    x0, y0 = (int(np.floor(v)) - margin for v in found.outline.min(axis=0))
    x1, y1 = (int(np.ceil(v)) + margin for v in found.outline.max(axis=0))
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, image.shape[1]), min(y1, image.shape[0])
    part = image[y0:y1, x0:x1]
    polygon = found.outline - np.array([x0, y0], np.float32) - 0.5
    inside = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(inside, [np.rint(polygon).astype(np.int32)], 1)
    ring = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))).astype(bool) & (inside == 0)
    within = part[inside > 0] if inside.any() else part.ravel()
    around = part[ring] if ring.any() else np.zeros(1, np.float32)
    area = max(float(cv2.contourArea(found.outline)), 1.0)
    perimeter = float(cv2.arcLength(found.outline, True))
    side = ((box.x1 - box.x0) + (box.y1 - box.y0)) / 2 * pixel_mm
    return np.array(
        [
            np.log(max(found.long_mm, 1.0)),
            np.log(max(found.short_mm, 1.0)),
            np.log(max(side, 1.0)),
            float(within.mean()),
            float(within.std()),
            float(within.mean() - np.median(around)),
            perimeter**2 / (4 * np.pi * area),
            float((within > SOLID).mean()),
            float((within > CALCIFIED).mean()),
            float((around > SOLID).mean()),
        ]
    )


def suspicion(values: NDArray[np.float64], model: Mapping[str, Any]) -> Estimate:
    """Probability of a rating of 4 or 5 with its 95 % interval, and of each rating.

    model: mean, scale: (n,) of the features; rounds: (b, 4 + n) over resampled patients, the first row of all: the four
    cuts between the ratings and the coefficients of a proportional odds model (McCullagh 1980); agreement: (least,
    most), the probabilities of a 4 or 5 where all other readers agree. Cards of older runs have rounds (b, 1 + n),
    intercept and coefficients for a mean rating above 3, with slope and offset of the logit.
    """
    scaled = np.clip((values - np.array(model["mean"])) / np.array(model["scale"]), -4, 4)
    rounds = np.array(model["rounds"])
    if "agreement" not in model:
        logits = rounds[:, 0] + rounds[:, 1:] @ scaled
        return _estimate(np.clip(_share(float(model["slope"]) * logits + float(model["offset"])), UNKNOWN, 1 - UNKNOWN))
    above = exceeding(rounds @ np.concatenate([np.zeros(CUTS), scaled]), rounds[:, :CUTS], model["agreement"])
    classes = -np.diff(above[0], prepend=1.0, append=0.0)
    return replace(_estimate(above[:, SUSPICIOUS]), classes=tuple(float(c) for c in classes))


def exceeding(line: NDArray[np.float64], cuts: NDArray[np.float64], agreement: Sequence[float]) -> NDArray[np.float64]:
    """(b, 4) probability that a reader's rating is above 1, 2, 3 and 4; line: (b,), cuts: (b, 4)."""
    surest = 1 - UNKNOWN
    least, most = (float(np.log(p / (1 - p))) for p in np.clip(agreement, UNKNOWN, surest))
    middle = cuts[:, SUSPICIOUS]
    held = np.clip(line, middle + least, middle + most)
    return _share(held[:, None] - cuts)


def _share(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(expit(logits), np.float64)


def _estimate(chances: NDArray[np.float64]) -> Estimate:
    """The first of the chances, and the interval of all."""
    low, high = np.percentile(chances, [2.5, 97.5])
    value = float(chances[0])
    return Estimate(value, min(float(low), value), max(float(high), value))
