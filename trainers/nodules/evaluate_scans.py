"""Scan-level figures by the rules of LUNA16: whole scans, marks in millimetres, FROC and CPM per scan.

Data: scans (`.mhd`) and `annotations.csv`, laid out as for `cadviewer-train luna16`; `annotations_excluded.csv` names
irrelevant findings. Each scan goes through `models.nodules.analysis.find_nodules`, as in `annotate`. A scan that the
model refuses has no marks, and its nodules count as missed; one that cannot be read is left out and listed.

Written: `candidates.csv` in the organisers' format (seriesuid, coordX, coordY, coordZ, probability), `froc_scans.csv`,
`froc_scans.png`, `problems.csv`, and `scans/*.json`, so that a killed run goes on where it was.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cadviewer import atomic
from cadviewer.imaging.series import InputError, Volume
from trainers.config import ConfigError
from trainers.data.ct import luna16, luna16_rows, luna16_scan
from trainers.data.ct.luna16 import Luna16Settings, Source
from trainers.metrics import bootstrap, froc, plots
from trainers.metrics.froc import Curve, Floats, Matched, Scan

Search = Callable[[Volume], tuple[Floats, Floats]]
"""A scan → marks (m, 3) in LPS mm and their scores (m,). Raises `models.gate.input_gate.OutOfScope` for what is no
chest CT.
"""

LIDC = "1.3.6.1.4.1.14519.5.2.1.6279.6001."
"""What the series UIDs of LIDC-IDRI, and so of LUNA16, begin with."""


@dataclass(frozen=True)
class MeasuredScan:
    """Scans that could be searched, with what was found; patients: of each scan; left_out: series → why not."""

    uids: tuple[str, ...]
    scans: tuple[Scan, ...]
    patients: tuple[str, ...]
    left_out: Mapping[str, str]


def holds(data: Path) -> bool:
    """Whether a folder holds scans with annotations."""
    return any(data.rglob("annotations.csv")) and any(data.rglob("*.mhd"))


def measure(
    search: Search,
    data: Path,
    out: Path,
    *,
    model: str,
    folds: Sequence[str] | None = None,
    on_scan: Callable[[int, int], None] = lambda done, scans: None,
) -> MeasuredScan:
    """Search every scan below `data`, one in memory at a time.

    model: identifies the search (SHA-256 of the weights): finished scans of another one are not taken over.
    folds: only patients of these folds (`luna16_rows.fold_of`); None: all. Scans that are neither of LIDC nor in a
    table of patients are another set, which no model here has seen: all are measured.
    on_scan: called with (done, scans).
    Raises ConfigError when there is nothing to measure, or the patients of LIDC scans are unknown.
    """
    source = luna16.find(Luna16Settings(), data)
    uids = [u for u in sorted(source.scans) if folds is None or _asked(u, source, folds, data)]
    if not uids:
        raise ConfigError(f"{data}: none of its {len(source.scans)} scans is of fold {', '.join(folds or ())}")
    found, left_out = {}, {}
    for number, uid in enumerate(uids, start=1):
        try:
            found[uid] = _marks(uid, source, search, out, model)
        except InputError as error:
            left_out[uid] = str(error)
        on_scan(number, len(uids))
    if not found:
        raise ConfigError(
            f"{data}: none of its {len(uids)} scans could be read, the first: {next(iter(left_out.values()))}"
        )
    return MeasuredScan(
        tuple(found),
        tuple(_scan(uid, marks, source) for uid, marks in found.items()),
        tuple(source.patients.get(uid, uid) for uid in found),
        left_out,
    )


def evaluate(measured: MeasuredScan, out: Path, *, threshold: float, rounds: int = 1000) -> dict[str, Any]:
    """Figures with 95 % intervals over patients, and the tables and the plot into `out`.

    threshold: the score at which the model is used, for sensitivity and false alarms there.
    """
    matched = froc.match_scans(measured.scans)
    made: dict[str, Any] = {
        "scans": len(measured.scans),
        "scans left out": len(measured.left_out),
        "patients": len(set(measured.patients)),
        "nodules": len(matched.truth_unit),
    }
    made |= froc.figures(matched, measured.patients, per="scan", rounds=rounds)
    values = bootstrap.bootstrap_many(lambda rows: _at(matched, threshold, rows), measured.patients, rounds=rounds)
    names = (f"sensitivity at threshold {threshold:.2f}", f"false alarms per scan at threshold {threshold:.2f}")
    made |= dict(zip(names, values, strict=True))
    curve = froc.froc(matched)
    atomic.write_text(out / "candidates.csv", _candidates(measured))
    atomic.write_text(out / "froc_scans.csv", _points(curve))
    atomic.write_text(out / "problems.csv", _csv(("series_uid", "problem"), sorted(measured.left_out.items())))
    band = plots.froc_band(matched, measured.patients, rounds=min(rounds, 300))
    plots.draw_froc({"scans": band}, out / "froc_scans.png", per="scan")
    return made


def _asked(uid: str, source: Source, folds: Sequence[str], data: Path) -> bool:
    """Whether a scan is of these folds, or of no set that models were trained on."""
    patient = source.patients.get(uid)
    if patient is None and uid.startswith(LIDC):
        raise ConfigError(
            f"{data}: which patients these LIDC scans are of is unknown, so a model may have learned from them; "
            "put LIDC-IDRI_MetaData.csv (or any CSV with series_uid, patient_id) beside them as patients.csv"
        )
    return patient is None or luna16_rows.fold_of(patient) in folds


def _marks(uid: str, source: Source, search: Search, out: Path, model: str) -> list[list[float]]:
    """(x, y, z, score) of every mark on a scan, searched or taken over from an earlier run. Raises InputError."""
    from cadviewer.models.gate.input_gate import OutOfScope

    path = out / "scans" / f"{luna16.name_of(uid)}.json"
    if path.is_file():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if earlier["model"] == model:
            known: list[list[float]] = earlier["marks"]
            return known
    volume = luna16_scan.read_scan(source.scans[uid])
    for nodule in source.nodules.get(uid, ()):
        if not luna16_scan.holds(volume.geometry, nodule.centre):
            raise InputError(f"annotation row {nodule.row} lies outside the image: another scan, or wrong geometry")
    try:
        places, scores = search(volume)
        marks = [[*map(float, place), float(score)] for place, score in zip(places, scores, strict=True)]
    except OutOfScope:
        marks = []
    atomic.write_text(path, json.dumps({"series_uid": uid, "model": model, "marks": marks}) + "\n")
    return marks


def _scan(uid: str, marks: list[list[float]], source: Source) -> Scan:
    table = np.array(marks, float).reshape(-1, 4)
    nodules, excluded = source.nodules.get(uid, ()), source.excluded.get(uid, ())
    return Scan(
        marks=table[:, :3],
        scores=table[:, 3],
        nodules=np.array([n.centre for n in nodules], float).reshape(-1, 3),
        diameters=np.array([n.diameter_mm for n in nodules], float),
        excluded=np.array([n.centre for n in excluded], float).reshape(-1, 3),
        excluded_diameters=np.array([n.diameter_mm for n in excluded], float),
    )


def _at(matched: Matched, threshold: float, units: np.ndarray[Any, np.dtype[np.intp]]) -> list[float]:
    """Sensitivity and false alarms per scan of the marks with at least this score."""
    count = np.bincount(units, minlength=matched.units)
    truths = count[matched.truth_unit]
    found = truths[matched.truth_score >= threshold].sum()
    wrong = count[matched.false_unit[matched.false_score >= threshold]].sum()
    return [float(found / truths.sum()) if truths.sum() else float("nan"), float(wrong / count.sum())]


def _candidates(measured: MeasuredScan) -> str:
    rows = [
        (uid, *(f"{v:.4f}" for v in place), f"{score:.6f}")
        for uid, scan in zip(measured.uids, measured.scans, strict=True)
        for place, score in zip(scan.marks, scan.scores, strict=True)
    ]
    return _csv(("seriesuid", "coordX", "coordY", "coordZ", "probability"), rows)


def _points(curve: Curve) -> str:
    points = zip(curve.rate, curve.sensitivity, curve.threshold, strict=True)
    rows = [(f"{rate:.5f}", f"{sensitivity:.5f}", f"{cut:.6f}") for rate, sensitivity, cut in points]
    return _csv(("false_alarms_per_scan", "sensitivity", "threshold"), rows)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()
