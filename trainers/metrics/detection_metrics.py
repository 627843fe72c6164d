"""Precision, recall and what the published Table 3 confuses: figures of boxes on single slices. NumPy alone.

- Average precision as in Pascal VOC since 2010 (all-point interpolation: area under the precision envelope). Marks of
  all slices by falling score; a mark takes the free true box that it overlaps most, if IoU ≥ the limit; further marks
  on the same box are false alarms (unlike in FROC); marks on ignored boxes are dropped.
- Top-1 hit rate: the share of slices with a nodule whose highest-scored mark hits. A slice without a mark is a miss.
- Confusion at a threshold fixed elsewhere: every true box that is not found is a miss (FN).

The published table (papers.md §3.5; Table 3 of the LUNA16 SSD paper) scores one box per image: TP + FP = 706 images for
all five models. A box beside the nodule counts there as FP but not as a missed nodule, so its FN and its "sensitivity"
mean nothing; its Precision and Recall columns are swapped. `PUBLISHED` has its counts, `paper_style` ours in its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cadviewer.models.nodules.boxes import iou
from trainers.metrics.froc import IGNORED_IOU, Floats, Slice, hit_table


@dataclass(frozen=True)
class Confusion:
    """Counts of boxes: hits, false alarms, missed nodules."""

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """TP / (TP + FP), NaN without a mark."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN), NaN without a nodule. Also called sensitivity."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN): harmonic mean of precision and recall, NaN when there is nothing at all."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


PUBLISHED: dict[str, Confusion] = {
    "resnet101": Confusion(387, 319, 36),
    "inception_v2": Confusion(398, 308, 36),
    "mobilenet_v1": Confusion(270, 436, 7),
    "mobilenet_v2": Confusion(345, 361, 32),
    "resnet50": Confusion(316, 390, 13),
}
"""Backbone → counts as printed in Table 3. Their "recall" here is not a share of all nodules: see the module."""


@dataclass(frozen=True)
class Ranked:
    """Marks of all slices after matching: everything that precision and recall need.

    units: number of slices; truths: (units,) nodules per slice; unit, score, hit: (m,) per mark that counts.
    """

    units: int
    truths: NDArray[np.intp]
    unit: NDArray[np.intp]
    score: Floats
    hit: NDArray[np.bool_]


def rank(slices: Sequence[Slice], *, least_iou: float = 0.5) -> Ranked:
    """Match marks to true boxes one to one, best scores first. Raises ValueError when there is no slice."""
    if not slices:
        raise ValueError("there is nothing to measure: no slice")
    units, scores, hits = [], [], []
    for unit, one in enumerate(slices):
        score, hit = _assign(one, least_iou)
        units.append(np.full(len(score), unit, np.intp))
        scores.append(score)
        hits.append(hit)
    truths = np.array([len(np.reshape(s.nodules, (-1, 4))) for s in slices], np.intp)
    return Ranked(len(slices), truths, np.concatenate(units), np.concatenate(scores), np.concatenate(hits))


def precision_recall(ranked: Ranked, units: NDArray[np.intp] | None = None) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and threshold at every score from the highest down; units as in `froc.froc`.

    Empty arrays when there is no mark; recall is NaN when there is no nodule.
    """
    count = np.ones(ranked.units) if units is None else np.bincount(units, minlength=ranked.units).astype(float)
    present = count[ranked.unit] > 0
    weight, score, hit = count[ranked.unit][present], ranked.score[present], ranked.hit[present]
    order = np.argsort(-score, kind="stable")
    score = score[order]
    ends = np.flatnonzero(np.append(score[1:] != score[:-1], True)) if len(score) else np.zeros(0, np.intp)
    right = np.cumsum((weight * hit)[order])[ends]
    kept = np.cumsum(weight[order])[ends]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = right / (count * ranked.truths).sum()
    return right / kept, recall, score[ends]


def average_precision(ranked: Ranked, units: NDArray[np.intp] | None = None) -> float:
    """Area under the precision envelope over recall; NaN when there is no nodule."""
    if not ranked.truths[slice(None) if units is None else units].sum():
        return float("nan")
    precision, recall, _ = precision_recall(ranked, units)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def confusion(ranked: Ranked, threshold: float) -> Confusion:
    """Counts of the marks with at least this score; every nodule without one is missed."""
    kept = ranked.score >= threshold
    tp = int((ranked.hit & kept).sum())
    return Confusion(tp, int((~ranked.hit & kept).sum()), int(ranked.truths.sum()) - tp)


def top1(slices: Sequence[Slice], *, least_iou: float = 0.5) -> Floats:
    """(units,) 1 where the highest-scored mark of a slice hits a nodule, else 0.

    Of several marks with the same highest score each is as likely to be taken, so the share of them that hit counts.
    """
    rates = np.zeros(len(slices))
    for unit, one in enumerate(slices):
        scores = np.asarray(one.scores, float).reshape(-1)
        if len(scores):
            hit = np.asarray(hit_table(one.boxes, one.nodules, least_iou=least_iou).any(axis=1))
            rates[unit] = hit[scores == scores.max()].mean()
    return rates


def paper_style(slices: Sequence[Slice], threshold: float, *, least_iou: float = 0.5) -> Confusion:
    """Counts in the way that the published table seems to have been made; for a footnote, never as a result.

    Of each slice the highest-scored mark: TP when it hits, FP when it misses; FN only for slices without a mark of at
    least `threshold` (a missed nodule beside a false alarm is not counted, which is the fault).
    """
    tp = fp = fn = 0
    for one, rate in zip(slices, top1(slices, least_iou=least_iou), strict=True):
        scores = np.asarray(one.scores, float).reshape(-1)
        if not len(scores) or scores.max() < threshold:
            fn += 1
        elif rate >= 0.5:
            tp += 1
        else:
            fp += 1
    return Confusion(tp, fp, fn)


TABLE_COLUMNS = ("row", "tp", "fp", "fn", "precision", "recall", "f1", "top1", "note")


def table3(backbone: str, slices: Sequence[Slice], threshold: float, *, least_iou: float = 0.5) -> list[dict[str, str]]:
    """The confusion table of one model beside the published row: dicts with the keys of `TABLE_COLUMNS`.

    backbone: a key of `PUBLISHED`; without one there is no published row.
    """
    ranked = rank(slices, least_iou=least_iou)
    present = [s for s in slices if len(s.nodules)]
    rate = float(top1(present, least_iou=least_iou).mean()) if present else float("nan")
    rows = [
        _row("this model", confusion(ranked, threshold), rate, f"boxes with a score of at least {threshold:.4g}"),
        _row(
            "this model, counted as published",
            paper_style(slices, threshold, least_iou=least_iou),
            rate,
            "one box per slice; a false alarm hides the nodule it missed; do not quote",
        ),
    ]
    if backbone in PUBLISHED:
        counts = PUBLISHED[backbone]
        images = counts.tp + counts.fp
        rows.append(
            _row(
                f"published, {backbone}",
                counts,
                counts.tp / images,
                "printed with precision and recall swapped; another split, with slices of one nodule on both sides",
            )
        )
        honest = Confusion(counts.tp, counts.fp, images - counts.tp)
        note = f"at best: {images} images hold at least one nodule each"
        rows.append(_row(f"published, {backbone}, every missed nodule counted", honest, counts.tp / images, note))
    return rows


def _row(name: str, counts: Confusion, rate: float, note: str) -> dict[str, str]:
    shown = (f"{v:.4f}" if np.isfinite(v) else "" for v in (counts.precision, counts.recall, counts.f1, rate))
    values = (name, str(counts.tp), str(counts.fp), str(counts.fn), *shown, note)
    return dict(zip(TABLE_COLUMNS, values, strict=True))


def _assign(one: Slice, least_iou: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores and hits of the marks of a slice that count."""
    boxes, nodules = (np.asarray(b, float).reshape(-1, 4) for b in (one.boxes, one.nodules))
    scores = np.asarray(one.scores, float).reshape(-1)
    if len(scores) != len(boxes) or not np.isfinite(scores).all():
        raise ValueError("every mark needs a finite score")
    overlap = iou(boxes, nodules)
    free = np.ones(len(nodules), bool)
    hit = np.zeros(len(boxes), bool)
    # Of equal scores the larger overlap first, then by place, so that the order of the marks does not matter.
    for i in np.lexsort((*boxes.T, -overlap.max(axis=1, initial=0.0), -scores)):
        candidates = np.where(free, overlap[i], -1.0)
        if len(candidates) and candidates.max() >= least_iou:
            free[candidates.argmax()] = False
            hit[i] = True
    dropped = hit_table(boxes, one.ignored, least_iou=min(least_iou, IGNORED_IOU)).any(axis=1) & ~hit
    return scores[~dropped], hit[~dropped]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
