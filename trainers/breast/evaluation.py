"""Figures of a breast model: `models.breast.analysis.assess` on every image of a reserved fold, and on external sets
apart.

What the figures are is in `breast_figures`; the effect of burned-in marks has a command of its own (`breast_marks`).
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cadviewer import atomic
from cadviewer.findings import BreastFinding, Call
from cadviewer.imaging import files
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo, Volume
from cadviewer.models import runtime
from cadviewer.models.breast import analysis as breast
from cadviewer.models.breast import lesion_measures
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate import input_gate
from cadviewer.models.runtime import Forward
from trainers.breast import plots as plots_breast
from trainers.breast.figures import (
    MEANING,
    FigureRow,
    Subgroup,
    at_fixed,
    auc,
    calibration_error,
    intervals,
    share,
    subgroups,
    summarise,
)
from trainers.data.ultrasound.cases import DataError, UltrasoundCase
from trainers.data.ultrasound.sets import every_case, external_sets, own_cases, own_set
from trainers.metrics import bootstrap, plots

__all__ = ["FigureRow", "at_fixed", "auc", "calibration_error", "evaluate", "measure", "sets", "summarise", "volume_of"]


def evaluate(card: ModelCard, data: Path, out: Path, *, split: str, device: str) -> dict[str, dict[str, Any]]:
    """Figures of BUS-BRA's fold 5 and of the external sets that are under `data` (split "test"), or of fold 4 ("tune").

    Images with colour flow are no lesions or normals to a model of gray images: they are counted apart, see `doppler`.

    Writes into `out`: `images.csv` (one row per image), `breast.csv` and `breast.json` (figures and subgroups with
    their intervals and meaning), `subgroups.csv`, and plots: reliability before and after calibration and subgroups
    per set, the ROC curves of all. Raises DataError where there is no set of a known layout.
    """

    forward = runtime.ready(card, device)
    figures: dict[str, dict[str, Any]] = {}
    rows: list[FigureRow] = []
    for name, cases in sets(data, split, card).items():
        part = [measure(name, case, forward, card) for case in cases if not case.doppler]
        figures[name] = summarise(part, card) | doppler([case for case in cases if case.doppler], forward, card)
        rows.extend(part)
    write(rows, figures, card, out)
    return figures


def doppler(cases: Sequence[UltrasoundCase], forward: Forward, card: ModelCard) -> dict[str, Any]:
    """How many images with colour flow there are, and which share is refused, or scored with a warning; {} for none.

    Read in colour, as the window reads them: the gray ones of `measure` do not show the flow.
    """
    refused, warned = [], []
    for case in cases:
        (entry,) = files.scan([case.image])
        if not isinstance(entry, Series):
            raise DataError(f"{case.image.name}: {entry.reason}")
        try:
            found = breast.assess(files.read(entry), forward, card)
            refused.append(False)
            warned.append(any(warning == breast.FLOW for warning in found.warnings))
        except input_gate.OutOfScope:
            refused.append(True)
            warned.append(False)
    if not cases:
        return {}
    every = np.ones(len(cases), bool)
    wanted = {"doppler_refused": share(np.array(refused), every), "doppler_warned": share(np.array(warned), every)}
    return {"doppler": len(cases)} | intervals(wanted, [case.patient for case in cases], 1000)


def write(rows: Sequence[FigureRow], figures: Mapping[str, Mapping[str, Any]], card: ModelCard, out: Path) -> None:
    """All tables and plots of an evaluation."""
    groups = subgroups(rows, card)
    write_rows(rows, out / "images.csv")
    write_figures(figures, out / "breast.csv")
    write_subgroups(groups, out / "subgroups.csv")
    content = {
        "model": card.name,
        "meaning": MEANING,
        "figures": figures,
        "subgroups": [dataclasses.asdict(group) for group in groups],
    }
    text = json.dumps(_known(content), indent=1, ensure_ascii=False, allow_nan=False)
    atomic.write_text(out / "breast.json", text + "\n")
    curves = {}
    for name in figures:
        seen = [r for r in rows if r.set == name and not r.normal]
        draw_reliability(seen, name, out)
        curves[name] = plots_breast.roc_band(
            np.array([r.probability for r in seen]), np.array([r.malignant for r in seen]), [r.patient for r in seen]
        )
        plots_breast.draw_subgroups(
            [g for g in groups if g.set == name], out / f"subgroups-{_file(name)}.png", title=name
        )
    marks = {
        name: (1 - float(group["specificity"][0]), float(group["sensitivity"][0])) for name, group in figures.items()
    }
    plots_breast.draw_roc(curves, out / "roc.png", marks=marks, title=card.name)


def sets(data: Path, split: str, card: ModelCard | None = None) -> dict[str, list[UltrasoundCase]]:
    """Name of each set of a split → its cases.

    The reserved fold of the set that the model was trained on, and every other set whole. Of a set that the card does
    not name as trained on, all images count, as external ones.
    """
    name = own_set(data)[0]
    trained_on: Mapping[str, Any] = (card.training.get("sets") if card is not None else None) or {}
    fold = 4 if split == "tune" else 5
    if trained_on and name not in trained_on:
        found = {f"{name} (external)": every_case(data)}
    else:
        found = {f"{name} fold {fold}": own_cases(data, [fold])}
    # Of a further set that the model has learned from the patients held back are measured on, and called so. Sets that
    # it has not learned from are no part of "tune": what is chosen there must not be chosen by them.
    for label, cases in external_sets(data, fold).items():
        if label in trained_on:
            found[f"{label} fold {fold}"] = [c for c in cases if c.fold == fold]
        elif split != "tune":
            found[f"{label} (external)"] = cases
    return found


def volume_of(case: UltrasoundCase, gray: NDArray[np.uint8]) -> Volume:
    """One image as the viewer would hold it."""
    spacing = (case.pixel_mm, case.pixel_mm) if case.pixel_mm else None
    geometry = Geometry((1, *gray.shape), pixel_spacing=spacing)
    series = Series(case.image, "image", (SliceInfo(case.image),), geometry, Shape.IMAGE, gray.dtype)
    return Volume(series, gray[None])


def measure(name: str, case: UltrasoundCase, forward: Forward, card: ModelCard) -> FigureRow:
    """One image through `assess`."""
    gray, truth = case.read()
    return measure_pixels(name, case, gray, truth, forward, card)


def measure_pixels(
    name: str,
    case: UltrasoundCase,
    gray: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    forward: Forward,
    card: ModelCard,
) -> FigureRow:
    """`measure` with pixels and mask at hand; an image that is out of scope has no score and no mask."""
    try:
        found = breast.assess(volume_of(case, gray), forward, card).findings[0]
    except input_gate.OutOfScope as refusal:
        size = (int(gray.shape[0]), int(gray.shape[1]))
        found = BreastFinding(frame=0, size=size, call=Call.OUT_OF_SCOPE, reason=str(refusal))
    mask = found.mask > 0 if found.mask is not None else np.zeros(gray.shape, bool)
    true = truth > 0
    # A refused image has no mask but counts as missed; a network that only classifies is not measured by masks.
    unmeasured = case.normal or (found.mask is None and found.call is not Call.OUT_OF_SCOPE)
    both, either = int((mask & true).sum()), int((mask | true).sum())
    p = found.probability
    spacing = (case.pixel_mm, case.pixel_mm) if case.pixel_mm else None
    measured = lesion_measures.measure(truth, spacing)
    return FigureRow(
        set=name,
        name=case.name,
        patient=case.patient,
        device=case.device,
        birads=case.birads,
        normal=case.normal,
        malignant=bool(case.malignant),
        # An image that was refused has no score: it counts as the least suspicious, never as left out.
        probability=p.value if p else 0.0,
        low=p.low if p else 0.0,
        high=p.high if p else 0.0,
        raw=uncalibrated(p.value, card) if p else 0.0,
        call=found.call.value,
        dice=math.nan if unmeasured else 2 * both / (int(mask.sum()) + int(true.sum())),
        iou=math.nan if unmeasured else both / either,
        true_px=int(true.sum()),
        image_px=int(true.size),
        true_mm=measured.long_mm if measured is not None else None,
        lesion_px=found.lesion_px or 0,
        long_mm=found.long_mm,
    )


def uncalibrated(probability: float, card: ModelCard) -> float:
    """The network's own probability, before temperature and bias."""
    p = min(max(probability, 1e-9), 1 - 1e-9)
    z = math.log(p / (1 - p)) - float(card.calibration.get("bias", 0.0))
    return float(expit(z * float(card.calibration.get("temperature", 1.0))))


def draw_reliability(seen: Sequence[FigureRow], name: str, out: Path) -> None:
    """What was said beside what was so, before and after calibration, over images with a lesion."""
    truth = [r.malignant for r in seen]
    curves = {"calibrated": ([r.probability for r in seen], truth), "uncalibrated": ([r.raw for r in seen], truth)}
    plots.draw_reliability(curves, out / f"reliability-{_file(name)}.png", title=name)


def _known(value: Any) -> Any:
    """JSON knows no NaN: what is one is null."""
    if isinstance(value, Mapping):
        return {key: _known(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_known(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _file(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def write_rows(rows: Sequence[FigureRow], path: Path) -> None:
    """One CSV row per image."""
    with atomic.text(path) as stream:
        writer = csv.DictWriter(stream, [f.name for f in dataclasses.fields(FigureRow)])
        writer.writeheader()
        for row in rows:
            writer.writerow({k: _cell(v) for k, v in dataclasses.asdict(row).items()})


def _cell(value: Any) -> Any:
    """Empty, and not a number, where a value is unknown."""
    if isinstance(value, float):
        return "" if math.isnan(value) else value  # every digit: `breast_paired` ranks by them
    return value


def write_figures(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """One CSV row per set and figure, with what it means."""
    with atomic.text(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(["set", "figure", "value", "low", "high", "meaning"])
        for name, group in figures.items():
            for figure, value in group.items():
                cells = [f"{v:.4f}" for v in value] if isinstance(value, list | tuple) else [value, "", ""]
                writer.writerow([name, figure, *cells, MEANING.get(figure, "")])


def write_subgroups(groups: Sequence[Subgroup], path: Path) -> None:
    """One CSV row per subgroup and figure."""
    with atomic.text(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(["set", "kind", "group", "images", "malignant", "figure", "value", "low", "high"])
        for group in groups:
            for figure, values in group.figures.items():
                first = [group.set, group.kind, group.value, group.images, group.malignant]
                writer.writerow([*first, figure, *(f"{v:.4f}" for v in values)])


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The main figures as a Markdown table."""
    names = ("auc", "balanced_accuracy", "dice", "ece")
    lines = ["| set | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, group in figures.items():
        cells = [bootstrap.text((group[n][0], group[n][1], group[n][2])) if n in group else "" for n in names]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
