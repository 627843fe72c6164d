"""Boxes as arrays: the default boxes of an SSD, decoding, overlap and suppression. NumPy alone.

Used by the worker, by the trainer and by `evaluate`, so that all three mean the same. A box is (x0, y0, x1, y1) in
continuous edge coordinates of the image that the network sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""(n, 4): x0, y0, x1, y1."""

SMALL: tuple[Mapping[str, Any], ...] = (
    {"stride": 4, "sizes": (5.0, 7.0, 10.0), "dense": (2, 1, 1)},
    {"stride": 8, "sizes": (14.0, 20.0), "dense": (1, 1)},
    {"stride": 16, "sizes": (28.0, 40.0), "dense": (1, 1)},
)
"""Square boxes that fit nodules of 3–30 mm at 1 mm per pixel. `dense`: how many centres per cell and axis; the smallest
boxes stand twice as densely (as in FaceBoxes, arXiv 1708.05234 §3.2), or most 4 px nodules would match none."""

PAPER_STRIDES = (16, 32, 64, 128, 256, 512)


def paper_levels(shorter_side: int) -> tuple[Mapping[str, Any], ...]:
    """Default boxes of SSD (arXiv 1512.02325 §2.2) as the TF object detection `ssd_anchor_generator` lays them out.

    Scales 0.2…0.95 of the shorter side over six maps; aspect ratios 1, 2, ½, 3, ⅓ and a second square of
    √(s_k·s_{k+1}); the lowest map has only (0.1, 1), (0.2, 2), (0.2, ½). `shapes` are (width, height) px.
    """
    count = len(PAPER_STRIDES)
    scales = [0.2 + (0.95 - 0.2) * k / (count - 1) for k in range(count)] + [1.0]
    levels = []
    for k, stride in enumerate(PAPER_STRIDES):
        pairs = [(scales[k], r) for r in (1.0, 2.0, 0.5, 3.0, 1 / 3)] + [((scales[k] * scales[k + 1]) ** 0.5, 1.0)]
        if k == 0:
            pairs = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        shapes = tuple((shorter_side * s * r**0.5, shorter_side * s / r**0.5) for s, r in pairs)
        levels.append({"stride": stride, "shapes": shapes})
    return tuple(levels)


@dataclass(frozen=True)
class Level:
    """Default boxes of one feature map: the same in every cell.

    offsets: (k, 2) centre (x, y) within the cell in px; shapes: (k, 2) width and height in px.
    """

    stride: int
    offsets: tuple[tuple[float, float], ...]
    shapes: tuple[tuple[float, float], ...]

    @property
    def per_cell(self) -> int:
        """K of the paper: default boxes per cell."""
        return len(self.shapes)


def levels(layout: Sequence[Mapping[str, Any]]) -> tuple[Level, ...]:
    """Levels from the settings of a model card: {"stride", "sizes", "dense"} or {"stride", "shapes"}."""
    made = []
    for item in layout:
        stride = int(item["stride"])
        shapes = [tuple(map(float, s)) for s in item.get("shapes", [(s, s) for s in item.get("sizes", ())])]
        dense = item.get("dense") or [1] * len(shapes)
        offsets: list[tuple[float, float]] = []
        spread: list[tuple[float, float]] = []
        for (width, height), n in zip(shapes, dense, strict=True):
            steps = [(i + 0.5) * stride / n for i in range(int(n))]
            offsets += [(x, y) for y in steps for x in steps]
            spread += [(width, height)] * len(steps) ** 2
        made.append(Level(stride, tuple(offsets), tuple(spread)))
    return tuple(made)


def default_boxes(made: Sequence[Level], rows: int, columns: int) -> Boxes:
    """All default boxes for an image of that size, (A, 4): level by level, row by row, column by column, K per cell."""
    parts = []
    for level in made:
        ys = np.arange(-(-rows // level.stride), dtype=np.float32) * level.stride
        xs = np.arange(-(-columns // level.stride), dtype=np.float32) * level.stride
        corner = np.stack(np.meshgrid(xs, ys), axis=-1)[:, :, None]  # (rows, columns, 1, 2) x, y
        centre = corner + np.array(level.offsets, np.float32)
        half = np.broadcast_to(np.array(level.shapes, np.float32) / 2, centre.shape)
        parts.append(np.concatenate([centre - half, centre + half], axis=-1).reshape(-1, 4))
    return np.concatenate(parts)


def encode(truth: Boxes, defaults: Boxes, scale: float = 1.0) -> Boxes:
    """Offsets that `decode` turns back into `truth`: (Δx/w, Δy/h, log w'/w, log h'/h) of each default box."""
    size, true_size = defaults[:, 2:] - defaults[:, :2], truth[:, 2:] - truth[:, :2]
    shift = (truth[:, :2] + truth[:, 2:] - defaults[:, :2] - defaults[:, 2:]) / 2 / size
    return (np.concatenate([shift, np.log(true_size / size)], axis=1) / scale).astype(np.float32)


def decode(deltas: Boxes, defaults: Boxes) -> Boxes:
    """Boxes from the network's offsets (arXiv 1512.02325 eq. 2 without variances)."""
    size = defaults[:, 2:] - defaults[:, :2]
    centre = (defaults[:, :2] + defaults[:, 2:]) / 2 + deltas[:, :2] * size
    half = size * np.exp(np.clip(deltas[:, 2:], -4, 4)) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union of every pair, (len(a), len(b)), in the precision of the boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = (np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b))
    union = np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9)
    return np.asarray(shared / union)


def match(
    truth: Boxes, defaults: Boxes, *, positive: float = 0.5, negative: float = 0.5, least_side: float = 0.0
) -> NDArray[np.intp]:
    """Which true box each default box stands for, (A,): its row, −1 for background, −2 for "do not care".

    Overlap of at least `positive` matches, below `negative` is background, between them does not count; every true box
    also takes its best default box (arXiv 1512.02325 §2.2). least_side: smaller true boxes are widened to it, for the
    comparison alone.
    """
    owner = np.full(len(defaults), -1, np.intp)
    if not len(truth):
        return owner
    centre = (truth[:, :2] + truth[:, 2:]) / 2
    half = np.maximum(truth[:, 2:] - truth[:, :2], least_side) / 2
    overlap = iou(np.concatenate([centre - half, centre + half], axis=1), defaults)
    best = overlap.max(axis=0)
    owner[best >= negative] = -2
    owner[best >= positive] = overlap.argmax(axis=0)[best >= positive]
    # Larger overlaps last, so that of two true boxes with the same best default box the better one keeps it.
    first = overlap.argmax(axis=1)
    for row in np.argsort(overlap.max(axis=1)):
        owner[first[row]] = row
    return owner


def suppress(
    boxes: Boxes, scores: NDArray[np.float32], overlap: float, *, keep: int = 100, average: bool = True
) -> tuple[Boxes, NDArray[np.float32]]:
    """Non-maximum suppression: the boxes that stay and their scores, by falling score.

    average: each box that stays is moved to the score-weighted mean of those it suppresses and itself.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    near = iou(boxes, boxes) >= overlap
    alive = np.ones(len(boxes), bool)
    kept_boxes, kept_scores = [], []
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        group = alive & near[i]
        group[i] = True
        alive &= ~group
        weight = scores[group].astype(np.float64)
        if average and weight.sum() > 0:
            kept_boxes.append((boxes[group] * weight[:, None]).sum(axis=0) / weight.sum())
        else:
            kept_boxes.append(boxes[i].astype(np.float64))
        kept_scores.append(scores[i])
        if len(kept_boxes) == keep:
            break
    return np.array(kept_boxes, np.float32).reshape(-1, 4), np.array(kept_scores, np.float32)
