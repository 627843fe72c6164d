"""Figures of a nodule model on labelled slices it never saw, found by `models.nodules.analysis.find_nodules` as
`annotate` does.

Each PNG is read by `imaging.files` and searched as a 2-D CT slice of 1.0 mm pixels that is lung-masked already. Truth
is the set's own boxes; further nodules of annotations.csv on the same slice are neither asked for nor false alarms.
There are no slices without a nodule, so false alarms per slice are those beside nodules.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cadviewer import atomic
from cadviewer.imaging import files
from cadviewer.imaging.series import Series, Volume
from cadviewer.models import runtime
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate.input_gate import OutOfScope
from cadviewer.models.nodules.analysis import find_nodules
from cadviewer.models.nodules.boxes import iou
from cadviewer.models.nodules.detection import Decoding
from cadviewer.models.runtime import Forward
from trainers.config import ConfigError
from trainers.data import read_slices
from trainers.data.ct import lidc_crop_ratings, lidc_crops, luna16_slices, samples
from trainers.data.ct.samples import LabelledSlice
from trainers.metrics import bootstrap, detection_metrics, froc, plots
from trainers.nodules import evaluate_crops, evaluate_scans, malignancy
from trainers.nodules.scoring import score_slices

LOWEST = 0.002
"""Score down to which marks are asked for, so that curves reach 8 false alarms per slice."""
SMALL_PX = 5.0


def evaluate(card: ModelCard, data: Path, out: Path, *, split: str, device: str) -> dict[str, dict[str, Any]]:
    """Measure `card` on fold 1 ("test") or fold 2 ("tune").

    A folder of labelled slices gives marks.csv, slices.csv, froc.csv, table3.csv, table3.json, plots; one of scans with
    annotations.csv gives what `evaluate_scans` writes.
    Returns {set: {figure: (value, low, high)}}; intervals are bootstraps over patients.
    """
    folds = samples.TEST if split == "test" else samples.TUNE
    where = f"fold {', '.join(folds)} ({split})"
    if evaluate_scans.holds(data):
        forward = runtime.ready(card, device)
        measured = evaluate_scans.measure(
            lambda volume: search_scan(volume, forward, card), data, out, model=card.weights_sha256, folds=folds
        )
        return {f"scans, {where}": evaluate_scans.evaluate(measured, out, threshold=card.threshold)}
    items = read_slices(data, folds)
    if not items:
        raise ConfigError(f"{data}: no slices of fold {', '.join(folds)}")
    forward = runtime.ready(card, device)
    scored = [search(item, forward, card) for item in items]
    if any(_with_neighbours(item, card) for item in items):
        where += ", with their neighbours"
    _write_marks(items, scored, out)
    _write_curve(scored, out / "froc.csv")
    _write_table(card, scored, out / "table3.csv")
    draw(items, scored, card.threshold, out)
    made = figures(items, scored, card.threshold)
    if "malignancy" in card.calibration:
        model = dict(card.calibration["malignancy"])
        made |= malignancy.figures(malignancy.of_slices(items, luna16_slices.PIXEL_MM), model, rounds=1000)
    found = {f"slices, {where}": made}
    if not lidc_crops.holds(data):
        return found
    crops = lidc_crops.read(data, folds)
    for name, masked, neighbours in evaluate_crops.ways(card) if "size" not in card.inputs else ():
        shown = evaluate_crops.search(crops, forward, card, masked=masked, neighbours=neighbours, floor=LOWEST)
        found[f"crops in HU, {name}, {where}"] = figures(crops, shown, card.threshold)
    if "malignancy" in card.calibration:
        rated = malignancy.of_crops(lidc_crop_ratings.read(data, crops))
        if of_crops := malignancy.figures(rated, model, rounds=1000):
            found[f"rated crops in HU, {where}"] = of_crops
    return found


def search_scan(volume: Volume, forward: Forward, card: ModelCard) -> tuple[froc.Floats, froc.Floats]:
    """Marks (m, 3) in LPS mm and scores (m,) of a whole scan. Raises OutOfScope for what is no chest CT."""
    analysis = find_nodules(volume, forward, card, threshold=LOWEST)
    placed = [(n.centre_mm, n.score) for n in analysis.nodules if n.centre_mm is not None]
    return np.array([c for c, _ in placed], float).reshape(-1, 3), np.array([s for _, s in placed], float)


def search(item: LabelledSlice, forward: Forward, card: ModelCard) -> froc.Slice:
    """The marks of one labelled slice beside its truth; none where the model refuses it (a slice without lung).

    A slice that comes with its neighbours is shown to a model of 2.5-D input with them, as `find_nodules` does with a
    slice of a volume; findings are not joined. Raises ConfigError when such slices have another pixel size.
    """
    if _with_neighbours(item, card):
        wanted, given = float(card.inputs.get("pixel_mm", 1.0)), item.pixel_mm or luna16_slices.PIXEL_MM
        if "size" not in card.inputs and abs(given / wanted - 1) > 0.01:
            raise ConfigError(f"{item.image.name}: {given:g} mm per pixel, but the model looks at {wanted:g} mm")
        decoding = replace(Decoding.of(card.config, card.calibration, single=True), floor=LOWEST)
        return score_slices([item], forward, decoding, card.inputs)[0]
    series = next(s for s in files.scan([item.image]) if isinstance(s, Series))
    spacing = item.pixel_mm or luna16_slices.PIXEL_MM
    try:
        boxes = [
            n.box for n in find_nodules(files.read(series), forward, card, threshold=LOWEST, spacing_mm=spacing).nodules
        ]
    except OutOfScope:
        boxes = []
    return froc.Slice(
        np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes], float).reshape(-1, 4),
        np.array([b.score for b in boxes], float),
        np.asarray(item.boxes, float),
        np.concatenate([item.others, item.ignored]).astype(float),
    )


def _with_neighbours(item: LabelledSlice, card: ModelCard) -> bool:
    return bool(card.inputs.get("neighbours")) and bool(item.previous or item.next)


class OfPatient(Protocol):
    """A labelled slice or a crop."""

    @property
    def patient(self) -> str: ...


def figures(
    items: Sequence[OfPatient], scored: Sequence[froc.Slice], threshold: float, *, rounds: int = 1000
) -> dict[str, Any]:
    """All figures with 95 % intervals over patients, and plain counts."""
    patients = [i.patient for i in items]
    hits = detection_metrics.top1(scored)
    made: dict[str, Any] = {
        "slices": len(items),
        "slices without a nodule": sum(not len(s.nodules) for s in scored),
        "patients": len(set(patients)),
        "nodules": int(sum(len(s.nodules) for s in scored)),
    }
    present = np.array([len(s.nodules) > 0 for s in scored])
    made |= _hit_rate("top-1 hit rate, IoU ≥ 0.5", hits, patients, present, rounds)
    for least in (0.5, 0.1):
        ranked = detection_metrics.rank(scored, least_iou=least)
        made[f"AP, IoU ≥ {least}"] = bootstrap.bootstrap(
            lambda r, ranked=ranked: detection_metrics.average_precision(ranked, r),  # type: ignore[misc]
            patients,
            rounds=rounds,
        )
    for rule, matched in (
        ("centre in box", froc.match_slices(scored, rule="centre")),
        ("IoU ≥ 0.5", froc.match_slices(scored, least_iou=0.5)),
    ):
        group = froc.figures(matched, patients, per="slice", interpolation="step", rounds=rounds)
        made |= {f"{k}, {rule}": v for k, v in group.items()}
    smallest = np.array([(s.nodules[:, 2] - s.nodules[:, 0]).min(initial=np.inf) for s in scored])
    small = smallest < SMALL_PX
    for label, chosen in (
        (f"under {SMALL_PX:g} px", small),
        (f"{SMALL_PX:g} px and more", ~small & np.isfinite(smallest)),
    ):
        made |= _hit_rate(f"top-1 hit rate, boxes {label}", hits, patients, chosen, rounds)
    made |= _at_threshold(scored, patients, threshold, rounds)
    return made


def _hit_rate(
    name: str, hits: froc.Floats, patients: Sequence[str], chosen: NDArray[np.bool_], rounds: int
) -> dict[str, Any]:
    """The mean of `hits` over the chosen slices; nothing when there are none."""
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return {}
    drawn = [patients[int(k)] for k in rows]
    return {name: bootstrap.bootstrap(lambda r: float(hits[rows[r]].mean()), drawn, rounds=rounds)}


def draw(items: Sequence[LabelledSlice], scored: Sequence[froc.Slice], threshold: float, out: Path) -> None:
    """froc.png, precision_recall.png and examples.png: the surest hits and false alarms, and misses."""
    patients = [i.patient for i in items]
    rules = (("centre in box", froc.match_slices(scored, rule="centre")), ("IoU ≥ 0.5", froc.match_slices(scored)))
    bands = {name: plots.froc_band(m, patients, interpolation="step", rounds=200) for name, m in rules}
    plots.draw_froc(bands, out / "froc.png", per="slice")
    ranked = {least: detection_metrics.rank(scored, least_iou=least) for least in (0.5, 0.1)}
    curves = {f"IoU ≥ {least}": detection_metrics.precision_recall(r)[:2] for least, r in ranked.items()}
    at = detection_metrics.confusion(ranked[0.5], threshold)
    plots.draw_precision_recall(curves, out / "precision_recall.png", mark=(at.precision, at.recall))
    images = [item.pixels() for item in items]
    chosen = plots.choose_examples(scored, images, threshold, names=[i.image.stem for i in items])
    plots.draw_examples(chosen, out / "examples.png")


def _at_threshold(
    scored: Sequence[froc.Slice], patients: Sequence[str], threshold: float, rounds: int
) -> dict[str, Any]:
    """Precision, recall and F1 (IoU ≥ 0.5) and false alarms per slice at the card's threshold."""
    each = [detection_metrics.confusion(detection_metrics.rank([s]), threshold) for s in scored]
    counts = np.array([(c.tp, c.fp, c.fn) for c in each], float)

    def ratios(rows: np.ndarray[Any, Any]) -> list[float]:
        tp, fp, fn = counts[rows].sum(axis=0)
        return [tp / max(tp + fp, 1), tp / max(tp + fn, 1), 2 * tp / max(2 * tp + fp + fn, 1), fp / len(rows)]

    names = ("precision", "recall", "F1", "false alarms per slice")
    values = bootstrap.bootstrap_many(ratios, patients, rounds=rounds)
    return {f"{n} at threshold {threshold:.2f}, IoU ≥ 0.5": v for n, v in zip(names, values, strict=True)}


def _write_marks(items: Sequence[LabelledSlice], scored: Sequence[froc.Slice], out: Path) -> None:
    hits = detection_metrics.top1(scored)
    with atomic.text(out / "marks.csv") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image", "x0", "y0", "x1", "y1", "score"))
        for item, one in zip(items, scored, strict=True):
            for box, score in zip(one.boxes, one.scores, strict=True):
                # Every digit: `paired` ranks by them, and rounding makes ties of scores that are none.
                writer.writerow((item.image.name, *map(float, box), float(score)))
    with atomic.text(out / "slices.csv") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image", "patient", "box_px", "diameter_mm", "top1_hit", "best_overlap", "marks"))
        for item, one, hit in zip(items, scored, hits, strict=True):
            overlap = iou(one.boxes, one.nodules).max(initial=0.0)
            side = " ".join(f"{b[2] - b[0]:.1f}" for b in item.boxes)
            mm = " ".join(f"{d:.2f}" for d in item.diameters)
            row = (
                item.image.name,
                item.patient,
                side,
                mm,
                int(hit),
                f"{overlap:.3f}",
                len(one.boxes),
            )
            writer.writerow(row)


def _write_curve(scored: Sequence[froc.Slice], path: Path) -> None:
    with atomic.text(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(("rule", "false_alarms_per_slice", "sensitivity", "threshold"))
        for rule in ("centre", "iou"):
            curve = froc.froc(froc.match_slices(scored, rule=rule))
            for rate, sensitivity, cut in zip(curve.rate, curve.sensitivity, curve.threshold, strict=True):
                writer.writerow((rule, f"{rate:.5f}", f"{sensitivity:.5f}", f"{cut:.5f}"))


def _write_table(card: ModelCard, scored: Sequence[froc.Slice], path: Path) -> None:
    rows = detection_metrics.table3(str(card.config.get("backbone", "")), scored, card.threshold)
    with atomic.text(path) as stream:
        writer = csv.DictWriter(stream, detection_metrics.TABLE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    atomic.write_text(path.with_suffix(".json"), json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
