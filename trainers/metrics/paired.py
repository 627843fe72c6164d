"""Differences between two models on the same slices, with intervals that know that the slices are the same.

Two figures with overlapping intervals can still differ beyond chance, since both models are tried on the same patients:
here both are computed on the same redrawn patients each time, and their difference has the interval.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.ct.samples import LabelledSlice
from trainers.metrics import bootstrap, detection_metrics, froc
from trainers.metrics.bootstrap import Figure
from trainers.metrics.froc import Slice

NAMES = ("top-1", "AP@.5", "AP@.1", "sensitivity at 1", "mean sensitivity")
"""What is compared: as in `evaluate_nodules`, sensitivities by the rule of the centre."""


def read_marks(path: Path, items: Sequence[LabelledSlice]) -> list[Slice]:
    """The marks that `evaluate_nodules` wrote into marks.csv, beside the truth of the slices."""
    marks: dict[str, list[list[float]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            marks[row["image"]].append([float(row[k]) for k in ("x0", "y0", "x1", "y1", "score")])
    scored = []
    for item in items:
        table = np.array(marks[item.image.name], float).reshape(-1, 5)
        ignored = np.concatenate([item.others, item.ignored]).astype(float)
        scored.append(Slice(table[:, :4], table[:, 4], np.asarray(item.boxes, float), ignored))
    return scored


def images(path: Path) -> set[str]:
    """The images that a marks.csv has marks on."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["image"] for row in csv.DictReader(stream)}


class _Figures:
    """The figures of `NAMES` over any choice of slices, matched once."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self.hits = detection_metrics.top1(slices)
        self.present = np.array([len(s.nodules) > 0 for s in slices])
        self.ranked = [detection_metrics.rank(slices, least_iou=least) for least in (0.5, 0.1)]
        self.matched = froc.match_slices(slices, rule="centre")

    def __call__(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        held = rows[self.present[rows]]
        top1 = float(self.hits[held].mean()) if len(held) else float("nan")
        areas = [detection_metrics.average_precision(ranked, rows) for ranked in self.ranked]
        curve = froc.froc(self.matched, rows)
        at_one = float(froc.sensitivity_at(curve, [1.0], interpolation="step")[0])
        return np.array([top1, *areas, at_one, froc.cpm(curve, interpolation="step")])


def differences(
    first: Sequence[Slice], other: Sequence[Slice], patients: Sequence[Any], *, rounds: int = 500
) -> dict[str, Figure]:
    """Figures of `other` less those of `first`, by the names of `NAMES`, with 95 % intervals over patients."""
    a, b = _Figures(first), _Figures(other)
    made = bootstrap.bootstrap_many(lambda rows: b(rows) - a(rows), patients, rounds=rounds)
    return dict(zip(NAMES, made, strict=True))
