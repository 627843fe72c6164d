"""Solid, part-solid or non-solid: a logistic model of the values within a nodule's outline. NumPy alone.

Learned from the texture ratings of LIDC-IDRI's readers (1 non-solid … 5 solid; median of the readers: up to 2,
between, 4 and more), not set by a threshold of Hounsfield units. Nine nodules of ten are solid, so two questions are
asked: which kind the values speak for, were all kinds as common; and how probable that kind then is, as common as it
is. Where that is not probable enough nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.models.nodules.detection import Image

KINDS = ("solid", "part-solid", "non-solid")
FEATURES = (
    "mean",
    "10th percentile",
    "median",
    "90th percentile",
    "core",
    "solid share",
    "mixture",
    "contrast",
    "log diameter",
)
SOLID = 0.46
"""Prepared value of about −350 HU in a window from −1000 to 400."""
FINE = 4
RING_PX = 4


def features(image: Image, polygon: NDArray[np.floating], pixel_mm: float) -> NDArray[np.float64] | None:
    """(len(FEATURES),) of the nodule within `polygon` on a prepared slice (0…1); None where it holds no pixel.

    polygon: (n, 2) of (x, y) in edge coordinates of the prepared slice, whose pixels are `pixel_mm` wide. Pixels at the
    border count as far as they are inside, since small nodules have few others; 0, which is outside a lung mask, does
    not count.
    """
    corner = np.floor(polygon.min(axis=0)).astype(int) - RING_PX - 1
    end = np.ceil(polygon.max(axis=0)).astype(int) + RING_PX + 1
    (x0, y0), (x1, y1) = np.clip(corner, 0, image.shape[::-1]), np.clip(end, 0, image.shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return None
    part = image[y0:y1, x0:x1]
    fine = np.zeros(((y1 - y0) * FINE, (x1 - x0) * FINE), np.uint8)
    cv2.fillPoly(fine, [np.rint((polygon - [x0, y0]) * FINE - 0.5).astype(np.int32)], 1)
    inside = fine.reshape(y1 - y0, FINE, x1 - x0, FINE).mean(axis=(1, 3)) * (part > 0)
    if inside.sum() < 1:
        return None
    near = cv2.dilate((inside > 0).astype(np.uint8), np.ones((3, 3), np.uint8), iterations=RING_PX)
    around = part[(near > 0) & (inside == 0) & (part > 0)]
    depth = cv2.distanceTransform(np.pad((inside >= 0.5).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    core = (depth >= 0.6 * depth.max()) & (inside > 0) if depth.max() > 0 else inside > 0
    share = float((inside * (part > SOLID)).sum() / inside.sum())
    mean = float((inside * part).sum() / inside.sum())
    low, middle, high = _percentiles(part, inside, (10, 50, 90))
    return np.array(
        [
            mean,
            low,
            middle,
            high,
            float(part[core].mean()),
            share,
            4 * share * (1 - share),
            mean - (float(np.percentile(around, 25)) if len(around) else 0.0),
            float(np.log(max(2 * np.sqrt(inside.sum() / np.pi) * pixel_mm, 1.0))),
        ]
    )


def _percentiles(values: Image, weights: NDArray[np.float64], wanted: tuple[float, ...]) -> NDArray[np.float64]:
    """Weighted percentiles."""
    chosen = weights > 0
    order = np.argsort(values[chosen])
    sorted_values, passed = values[chosen][order], np.cumsum(weights[chosen][order])
    return np.asarray(np.interp(np.array(wanted) / 100 * passed[-1], passed, sorted_values))


def chances(values: NDArray[np.float64], model: Mapping[str, Any]) -> NDArray[np.float64]:
    """(…, kinds) of features (…, n), were all kinds as common.

    model: kinds; mean, scale: (n,) of the features; coefficients: (kinds, n + 1), the intercept first.
    """
    scaled = np.clip((values - np.array(model["mean"])) / np.array(model["scale"]), -4, 4)
    table = np.array(model["coefficients"])
    logits = table[:, 0] + scaled @ table[:, 1:].T
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def decide(
    even: NDArray[np.float64], common: NDArray[np.float64], least: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The kind that each row of `even` (…, kinds) speaks for, −1 where that is not sure enough, and its probability.

    even: `chances`; common: (kinds,) how common each is; least: probability from which on it is sure enough.
    """
    best = even.argmax(axis=-1)
    weighed = even * common
    probability = np.take_along_axis(weighed, best[..., None], -1)[..., 0] / weighed.sum(axis=-1)
    return np.where(probability >= least, best, -1), probability


def kind(values: NDArray[np.float64], model: Mapping[str, Any]) -> str | None:
    """One of `KINDS`, None when it is not sure enough.

    model: as for `chances`, with common: (kinds,) shares; least: probability from which on a kind is named.
    """
    found, _ = decide(chances(values, model), np.array(model["common"]), float(model["least"]))
    return str(model["kinds"][int(found)]) if found >= 0 else None
