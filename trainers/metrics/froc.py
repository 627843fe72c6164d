"""FROC and CPM by the rules of LUNA16, per scan and per slice. NumPy alone.

LUNA16 (Setio et al., Med Image Anal 2017;42:1, and the organisers' `noduleCADEvaluationLUNA16.py`):

- A mark hits a nodule when its distance to the centre is *less than* the radius. A diameter below 0 counts as 10 mm.
- Of several marks on one nodule the highest score counts; the others are neither hits nor false alarms. A mark inside
  two overlapping nodules hits both.
- A mark that hits no nodule but an excluded (irrelevant) finding is dropped.
- A nodule that no mark hits stays in the denominator: the curve can end below 1.
- CPM is the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false alarms per scan. Between the points of the curve
  it is interpolated linearly, as the script does with `np.interp` ("linear"), or the last point that does not exceed
  the rate is taken ("step", which never flatters). **Where a curve ends before a rate, its last sensitivity is carried
  forward**; another public implementation gives 0 there, so figures of short curves are not comparable with it.

Per slice the same curve is drawn with boxes: a mark hits by overlap (IoU ≥ a limit) or by the rule above in the plane
(its centre nearer to the nodule's than half the longer side of the true box).

A *unit* is what false alarms are counted per: a scan or a slice. Bootstraps draw whole units, or whole patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cadviewer.models.nodules.boxes import iou
from trainers.metrics import bootstrap
from trainers.metrics.bootstrap import Figure

Floats = NDArray[np.float64]
Interpolation = Literal["linear", "step"]
Rule = Literal["iou", "centre"]

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False alarms per scan (or slice) at which CPM takes the sensitivity."""

UNKNOWN_DIAMETER_MM = 10.0
"""What the organisers' script takes for a diameter below 0."""


IGNORED_IOU = 0.1
"""Overlap with an ignored box from which a mark is no false alarm: it need not fit what nobody asked for."""


def _none(columns: int) -> Floats:
    return np.zeros((0, columns))


@dataclass(frozen=True)
class Scan:
    """Marks and truth of one scan.

    marks: (m, 3) LPS mm; scores: (m,), higher is more suspicious; nodules: (t, 3) LPS mm with diameters (t,) in mm;
    excluded: (e, 3) irrelevant findings with excluded_diameters (e,).
    """

    marks: Floats
    scores: Floats
    nodules: Floats = field(default_factory=lambda: _none(3))
    diameters: Floats = field(default_factory=lambda: np.zeros(0))
    excluded: Floats = field(default_factory=lambda: _none(3))
    excluded_diameters: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Slice:
    """Marks and truth of one image.

    boxes: (m, 4) x0, y0, x1, y1 with scores (m,); nodules: (t, 4) true boxes; ignored: (e, 4) boxes on which a mark is
    neither a hit nor a false alarm.
    """

    boxes: Floats
    scores: Floats
    nodules: Floats = field(default_factory=lambda: _none(4))
    ignored: Floats = field(default_factory=lambda: _none(4))


@dataclass(frozen=True)
class Matched:
    """All that a FROC needs to know.

    units: how many scans or slices there are, empty ones included.
    truth_unit, truth_score: (t,) the unit of each nodule and the highest score of a mark on it, −inf where none is.
    false_unit, false_score: (f,) the unit and score of each false alarm.
    """

    units: int
    truth_unit: NDArray[np.intp]
    truth_score: Floats
    false_unit: NDArray[np.intp]
    false_score: Floats


@dataclass(frozen=True)
class Curve:
    """Points of a FROC from the strictest threshold down, the first at (0, 0) with threshold +inf.

    rate: false alarms per unit; sensitivity: 0…1, NaN when there is no nodule at all; threshold: marks with at least
    this score are kept.
    """

    rate: Floats
    sensitivity: Floats
    threshold: Floats


def match_scans(scans: Iterable[Scan]) -> Matched:
    """Compare marks with nodules in millimetres, by the rules above. Raises ValueError for scores that are NaN."""
    hits, excluded, scores = [], [], []
    for scan in scans:
        hits.append(_inside(scan.marks, scan.nodules, scan.diameters))
        excluded.append(_inside(scan.marks, scan.excluded, scan.excluded_diameters))
        scores.append(_scores(scan.scores, len(hits[-1])))
    return _collect(hits, excluded, scores)


def match_slices(slices: Iterable[Slice], *, rule: Rule = "iou", least_iou: float = 0.5) -> Matched:
    """Compare boxes with true boxes, slice by slice. Raises ValueError for scores that are NaN.

    rule: "iou": overlap of at least `least_iou`; "centre": the centres are nearer than half the true box's longer side.
    A mark that overlaps an ignored box by 0.1 (or less, if less makes a hit) is no false alarm.
    """
    hits, ignored, scores = [], [], []
    for one in slices:
        hits.append(hit_table(one.boxes, one.nodules, rule=rule, least_iou=least_iou))
        ignored.append(hit_table(one.boxes, one.ignored, rule=rule, least_iou=min(least_iou, IGNORED_IOU)))
        scores.append(_scores(one.scores, len(hits[-1])))
    return _collect(hits, ignored, scores)


def hit_table(boxes: ArrayLike, truth: ArrayLike, *, rule: Rule = "iou", least_iou: float = 0.5) -> NDArray[np.bool_]:
    """(m, t): whether each of m boxes hits each of t true boxes."""
    marks, nodules = (np.asarray(b, float).reshape(-1, 4) for b in (boxes, truth))
    if rule == "iou":
        found: NDArray[np.bool_] = iou(marks, nodules) >= least_iou
        return found
    apart = (marks[:, None, :2] + marks[:, None, 2:] - nodules[None, :, :2] - nodules[None, :, 2:]) / 2
    radius = (nodules[:, 2:] - nodules[:, :2]).max(axis=1, initial=0.0) / 2
    near: NDArray[np.bool_] = (apart**2).sum(axis=2) < radius**2
    return near


def froc(matched: Matched, units: NDArray[np.intp] | None = None) -> Curve:
    """The curve over all units, or over these (with repeats: one round of a bootstrap).

    Marks of the same score enter together, so the order of the marks never matters.
    """
    count = np.ones(matched.units) if units is None else np.bincount(units, minlength=matched.units).astype(float)
    truths = count[matched.truth_unit]
    found = np.isfinite(matched.truth_score)
    scores = np.concatenate([matched.truth_score[found], matched.false_score])
    gained = np.concatenate([truths[found], np.zeros(len(matched.false_score))])
    wrong = np.concatenate([np.zeros(int(found.sum())), count[matched.false_unit]])
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, np.intp)
    total = truths.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = np.append(0.0, np.cumsum(gained[order])[ends]) / total
        rate = np.append(0.0, np.cumsum(wrong[order])[ends]) / count.sum()
    return Curve(rate, sensitivity, np.append(np.inf, scores[ends]))


def sensitivity_at(curve: Curve, rates: ArrayLike = RATES, *, interpolation: Interpolation = "linear") -> Floats:
    """Sensitivity at these false alarms per unit; carried forward where the curve ends earlier."""
    wanted = np.asarray(rates, float)
    if interpolation == "linear":
        # At a riser np.interp takes its top, since it looks for the last point that does not exceed the rate.
        return np.asarray(np.interp(wanted, curve.rate, curve.sensitivity), float)
    last = np.searchsorted(curve.rate, wanted, side="right") - 1
    return np.asarray(curve.sensitivity[last], float)


def cpm(curve: Curve, *, rates: ArrayLike = RATES, interpolation: Interpolation = "linear") -> float:
    """Competition performance metric: the mean sensitivity at the seven rates."""
    return float(sensitivity_at(curve, rates, interpolation=interpolation).mean())


def threshold_at(curve: Curve, rate: float) -> float:
    """The lowest threshold whose false alarms per unit do not exceed `rate` (+inf: keep nothing)."""
    return float(curve.threshold[np.searchsorted(curve.rate, rate, side="right") - 1])


def figures(
    matched: Matched,
    groups: Sequence[str] | None = None,
    *,
    per: str = "scan",
    rates: Sequence[float] = RATES,
    interpolation: Interpolation = "linear",
    rounds: int = 1000,
    seed: int = 0,
) -> dict[str, Figure]:
    """CPM and the sensitivity at each rate, with 95 % intervals by bootstrap.

    groups: the patient of each unit, drawn as a whole; None draws single units, as LUNA16 does with scans.
    per: the word in the names of the figures ("sensitivity at 1 per scan").
    """

    def at(rows: NDArray[np.intp]) -> Floats:
        return sensitivity_at(froc(matched, rows), rates, interpolation=interpolation)

    names = [f"sensitivity at {_fraction(r)} per {per}" for r in rates]
    drawn = list(groups) if groups is not None else list(range(matched.units))
    made = bootstrap.bootstrap_many(lambda rows: np.append(at(rows).mean(), at(rows)), drawn, rounds=rounds, seed=seed)
    return dict(zip([f"mean sensitivity at {_span(rates)} per {per}", *names], made, strict=True))


def _fraction(rate: float) -> str:
    return f"1/{round(1 / rate)}" if rate < 1 else f"{rate:g}"


def _span(rates: Sequence[float]) -> str:
    return f"{_fraction(min(rates))}…{_fraction(max(rates))}"


def _scores(scores: ArrayLike, marks: int) -> Floats:
    made = np.asarray(scores, float).reshape(-1)
    if len(made) != marks or not np.isfinite(made).all():
        raise ValueError("every mark needs a finite score")
    return made


def _inside(marks: ArrayLike, centres: ArrayLike, diameters: ArrayLike) -> NDArray[np.bool_]:
    """(m, t): whether each mark lies within the radius of each finding."""
    points, middles = (np.asarray(a, float).reshape(-1, 3) for a in (marks, centres))
    sizes = np.asarray(diameters, float).reshape(-1)
    radius = np.where(sizes < 0, UNKNOWN_DIAMETER_MM, sizes) / 2
    squared = ((points[:, None] - middles[None]) ** 2).sum(axis=2)
    near: NDArray[np.bool_] = squared < radius**2
    return near


def _collect(hits: list[NDArray[np.bool_]], dropped: list[NDArray[np.bool_]], scores: list[Floats]) -> Matched:
    truth_unit, truth_score, false_unit, false_score = [], [], [], []
    for unit, (hit, drop, score) in enumerate(zip(hits, dropped, scores, strict=True)):
        best = np.where(hit, score[:, None], -np.inf).max(axis=0, initial=-np.inf)
        wrong = score[~hit.any(axis=1) & ~drop.any(axis=1)]
        truth_unit.append(np.full(len(best), unit, np.intp))
        truth_score.append(best)
        false_unit.append(np.full(len(wrong), unit, np.intp))
        false_score.append(wrong)
    if not hits:
        raise ValueError("there is nothing to measure: no scan and no slice")
    return Matched(
        len(hits),
        np.concatenate(truth_unit),
        np.concatenate(truth_score),
        np.concatenate(false_unit),
        np.concatenate(false_score),
    )
