"""Figures of a detector on single slices. A hit is what each function says it is; nothing is said of slices without
nodules, since the given sets have none.

`Scored` holds one slice: marks with scores, its nodules, and further nodules that are neither asked for nor false.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cadviewer.models.boxes import Boxes, iou

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False alarms per slice at which LUNA16 averages the sensitivity (there per scan)."""


@dataclass(frozen=True)
class Scored:
    """boxes (n, 4) and scores (n,) by falling score; truth (m, 4); ignore (k, 4); diameters (m,) mm; patient."""

    boxes: Boxes
    scores: NDArray[np.float32]
    truth: Boxes
    ignore: Boxes
    patient: str
    name: str = ""
    diameters: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Matched:
    """One slice matched under one rule.

    hit: (m,) score of the mark that found each nodule, −1 for none. alarms: scores of false marks.
    """

    hit: NDArray[np.float32]
    alarms: NDArray[np.float32]


def match_iou(item: Scored, overlap: float) -> Matched:
    """Each mark, by falling score, takes the free nodule it overlaps most, by at least `overlap`.

    A second mark on a found nodule is a false alarm (PASCAL VOC rule); marks on `ignore` boxes are neither.
    """
    hit = np.full(len(item.truth), -1, np.float32)
    alarms = []
    over = iou(item.boxes, item.truth) if len(item.truth) else np.zeros((len(item.boxes), 0), np.float32)
    spare = iou(item.boxes, item.ignore) if len(item.ignore) else np.zeros((len(item.boxes), 0), np.float32)
    for k, score in enumerate(item.scores):
        free = np.where(hit < 0, over[k], -1)
        if len(free) and free.max() >= overlap:
            hit[free.argmax()] = score
        elif not (spare[k] >= min(overlap, 0.1)).any():
            alarms.append(score)
    return Matched(hit, np.array(alarms, np.float32))


def match_centre(item: Scored) -> Matched:
    """The LUNA16 rule in the plane: a mark hits when its centre is nearer to the nodule's than half the box's side.

    Further marks on the same nodule, and marks on `ignore` boxes, do not count.
    """
    hit = np.full(len(item.truth), -1, np.float32)
    alarms = []
    centres = (item.boxes[:, :2] + item.boxes[:, 2:]) / 2
    for k, score in enumerate(item.scores):
        near = _near(centres[k], item.truth)
        if near.any():
            hit[near] = np.maximum(hit[near], score)
        elif not _near(centres[k], item.ignore).any():
            alarms.append(score)
    return Matched(hit, np.array(alarms, np.float32))


def _near(centre: NDArray[np.float32], boxes: Boxes) -> NDArray[np.bool_]:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    radius = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    near: NDArray[np.bool_] = np.hypot(*(middle - centre).T) < radius
    return near


def top_one(item: Scored, overlap: float = 0.5) -> float:
    """1 when the best mark of the slice overlaps one of its labelled nodules by at least `overlap`, else 0."""
    if not len(item.boxes) or not len(item.truth):
        return 0.0
    return float(iou(item.boxes[:1], item.truth).max() >= overlap)


def average_precision(matched: Sequence[Matched]) -> float:
    """Area under precision against recall, precision made monotone (PASCAL VOC 2010 and later)."""
    nodules = sum(len(m.hit) for m in matched)
    found = np.concatenate([m.hit[m.hit >= 0] for m in matched])
    false = np.concatenate([m.alarms for m in matched])
    scores = np.concatenate([found, false])
    right = np.concatenate([np.ones(len(found)), np.zeros(len(false))])
    right = right[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * right).sum() / nodules) if nodules else float("nan")


def sensitivity_at(matched: Sequence[Matched], rate: float) -> float:
    """Share of nodules found at the score where at most `rate` false alarms per slice remain (steps, no interpolation).

    A detector that makes fewer false alarms keeps its last sensitivity.
    """
    nodules = sum(len(m.hit) for m in matched)
    hits = np.concatenate([m.hit for m in matched])
    false = np.sort(np.concatenate([m.alarms for m in matched]))[::-1]
    allowed = int(np.floor(rate * len(matched)))
    cut = false[allowed] if allowed < len(false) else -0.5  # only marks above this score remain
    return float((hits > cut).sum() / nodules) if nodules else float("nan")


def mean_sensitivity(matched: Sequence[Matched]) -> float:
    """Mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false alarms per slice."""
    return float(np.mean([sensitivity_at(matched, r) for r in RATES]))


def at_threshold(matched: Sequence[Matched], threshold: float) -> dict[str, float]:
    """Counts, precision, recall and F1 of marks with at least this score."""
    found = int(sum((m.hit >= threshold).sum() for m in matched))
    false = int(sum((m.alarms >= threshold).sum() for m in matched))
    missed = int(sum(len(m.hit) for m in matched)) - found
    precision = found / (found + false) if found + false else float("nan")
    recall = found / (found + missed) if found + missed else float("nan")
    f1 = 2 * found / (2 * found + false + missed) if found + false + missed else float("nan")
    return {
        "true_positives": found,
        "false_positives": false,
        "false_negatives": missed,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
