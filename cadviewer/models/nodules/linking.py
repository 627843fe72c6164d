"""Boxes of neighbouring slices joined into findings, and what their agreement is worth.

A network that sees single slices takes a vessel that crosses the slice for a nodule. Two things tell them apart: a
nodule of diameter d is seen on about d / (distance of slices) slices, and it is no longer than it is wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import Box


@dataclass(frozen=True)
class Rules:
    """overlap: least IoU of boxes on neighbouring slices, or their centres are nearer than `near` of the mean side.
    skip_mm: a finding may be missing on slices over at most this length. extent: share of the expected slices whose
    scores are averaged. tube: exponent with which a finding longer than twice its width loses score. keep: boxes with
    less than this share of the best score are not part of the finding."""

    overlap: float = 0.2
    near: float = 0.4
    skip_mm: float = 2.6
    extent: float = 1.0
    most: int = 3
    tube: float = 1.0
    keep: float = 0.15


@dataclass
class _Track:
    boxes: list[Box] = field(default_factory=list)


def link(marks: Sequence[Box], pixel_mm: tuple[float, float], slice_mm: float, rules: Rules) -> list[tuple[Box, ...]]:
    """Findings, each one box per slice with scores that include the agreement of neighbours, by falling score.

    marks: boxes of all slices in source pixels; pixel_mm: (row, column) size; slice_mm: distance of slices.
    """
    tracks: list[_Track] = []
    open_tracks: list[_Track] = []
    reach = 1 + int(rules.skip_mm / slice_mm)
    by_slice: dict[int, list[Box]] = {}
    for mark in marks:
        by_slice.setdefault(mark.slice, []).append(mark)
    for index in sorted(by_slice):
        open_tracks = [t for t in open_tracks if index - t.boxes[-1].slice <= reach]
        here = sorted(by_slice[index], key=lambda b: (-b.score, b.x0, b.y0))
        fit = _affinity([t.boxes[-1] for t in open_tracks], here, pixel_mm, rules)
        fresh = []
        for column, mark in enumerate(here):
            best = int(fit[:, column].argmax()) if len(open_tracks) else -1
            if best >= 0 and fit[best, column] > 0:
                open_tracks[best].boxes.append(mark)
                fit[best] = 0
            else:
                fresh.append(_Track([mark]))
        open_tracks += fresh
        tracks += fresh
    findings = [_agree(t.boxes, pixel_mm, slice_mm, rules) for t in tracks]
    return sorted(findings, key=lambda boxes: (-max(b.score for b in boxes), boxes[0].slice, boxes[0].x0, boxes[0].y0))


def _affinity(
    before: Sequence[Box], here: Sequence[Box], pixel_mm: tuple[float, float], rules: Rules
) -> NDArray[np.float64]:
    """(before, here): how well boxes of different slices belong together; 0 not at all. Nearer slices count more."""
    old, new = (
        np.array([(b.x0, b.y0, b.x1, b.y1, b.score, b.slice) for b in g]).reshape(-1, 6) for g in (before, here)
    )
    a, b = old[:, None], new[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:4], b[..., 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    size_a, size_b = a[..., 2:4] - a[..., :2], b[..., 2:4] - b[..., :2]
    overlap = shared / (size_a.prod(axis=-1) + size_b.prod(axis=-1) - shared)
    scale = np.array([pixel_mm[1], pixel_mm[0]])
    apart = np.linalg.norm((a[..., :2] + a[..., 2:4] - b[..., :2] - b[..., 2:4]) / 2 * scale, axis=-1)
    close = apart < rules.near * ((size_a + size_b) / 2 * scale).mean(axis=-1)
    fit = (overlap + 0.5 * close) * (a[..., 4] + 0.1) / np.abs(a[..., 5] - b[..., 5])
    return np.where((overlap >= rules.overlap) | close, fit, 0.0)


def side_mm(box: Box, pixel_mm: tuple[float, float]) -> float:
    """Mean of the two sides of a box in mm."""
    return ((box.x1 - box.x0) * pixel_mm[1] + (box.y1 - box.y0) * pixel_mm[0]) / 2


def agreement(scores: NDArray[np.float64], side: float, length: float, slice_mm: float, rules: Rules) -> float:
    """Factor in 0…1 by which the best score of a finding is lowered.

    scores: of its boxes; side: its width in mm; length: along the slices in mm.
    """
    expected = int(np.clip(round(rules.extent * side / slice_mm), 1, rules.most))
    best = np.sort(scores)[::-1][:expected]
    mean = best.sum() / expected
    tube = min(1.0, (2 * side / max(length, 1e-6))) ** rules.tube
    return float(mean / best[0] * tube)


def _agree(boxes: Sequence[Box], pixel_mm: tuple[float, float], slice_mm: float, rules: Rules) -> tuple[Box, ...]:
    top = max(b.score for b in boxes)
    kept = [b for b in boxes if b.score >= rules.keep * top]
    scores = np.array([b.score for b in kept])
    side = float(np.average([side_mm(b, pixel_mm) for b in kept], weights=scores))
    strong = [b.slice for b in kept if b.score >= 0.5 * top]
    length = (max(strong) - min(strong) + 1) * slice_mm
    factor = agreement(scores, side, length, slice_mm, rules)
    return tuple(Box(b.slice, b.x0, b.y0, b.x1, b.y1, b.score * factor) for b in kept)
