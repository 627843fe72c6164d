"""Figures of a breast model: `models.breast.assess` on every image of a reserved fold, and on external sets apart.

The "AUC" column that was published for Hybrid-MT-ESTAN is balanced accuracy at 0.5 (see the docs); here `auc` is the
area under the ROC curve, and balanced accuracy goes by its own name, at the threshold fixed on the tune fold.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cadviewer.findings import Call
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo, Volume
from cadviewer.models import breast
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.runtime import Forward
from trainers import plots, statistics
from trainers.data import breast_tcia, busi
from trainers.data.breast_sets import own_cases, own_set
from trainers.data.ultrasound import UltrasoundCase

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """What was said of one image, beside the truth. dice = iou = nan where there is no lesion or no mask is made."""

    set: str
    name: str
    patient: str
    device: str
    birads: str
    normal: bool
    malignant: bool
    probability: float
    low: float
    high: float
    raw: float
    call: str
    dice: float
    iou: float
    true_px: int
    lesion_px: int
    long_mm: float | None


def evaluate(card: ModelCard, data: Path, out: Path, *, split: str, device: str) -> dict[str, dict[str, Any]]:
    """Figures of BUS-BRA's fold 5 and of the external sets that are under `data` (split "test"), or of fold 4 ("tune").

    Writes `images.csv` (one row per image), `subgroups.csv` and a reliability plot per set into `out`. Raises DataError
    without BUS-BRA or a `cases.csv` of one's own.
    """
    from cadviewer.models.nets.runtime import TorchForward, build

    forward = TorchForward(build(card), device)
    figures: dict[str, dict[str, Any]] = {}
    rows: list[Row] = []
    for name, cases in sets(data, split).items():
        part = [measure(name, case, forward, card) for case in cases]
        figures[name] = summarise(part, card)
        rows.extend(part)
        draw_reliability(part, name, out)
    write_rows(rows, out / "images.csv")
    write_subgroups(rows, card, out / "subgroups.csv")
    return figures


def sets(data: Path, split: str) -> dict[str, list[UltrasoundCase]]:
    """Name of each set of a split → its cases."""
    name = own_set(data)[0]
    if split == "tune":
        return {f"{name} fold 4": own_cases(data, [4])}
    found = {f"{name} fold 5": own_cases(data, [5])}
    for label, layout in (("BrEaST (external)", breast_tcia), ("BUSI (external)", busi)):
        if (folder := layout.find(data)) is not None:
            found[label] = layout.cases(folder)
    return found


def volume_of(case: UltrasoundCase, gray: NDArray[np.uint8]) -> Volume:
    """One image as the viewer would hold it."""
    spacing = (case.pixel_mm, case.pixel_mm) if case.pixel_mm else None
    geometry = Geometry((1, *gray.shape), pixel_spacing=spacing)
    series = Series(case.image, "image", (SliceInfo(case.image),), geometry, Shape.IMAGE, gray.dtype)
    return Volume(series, gray[None])


def measure(name: str, case: UltrasoundCase, forward: Forward, card: ModelCard) -> Row:
    """One image through `assess`."""
    gray, truth = case.read()
    found = breast.assess(volume_of(case, gray), forward, card).findings[0]
    mask = found.mask > 0 if found.mask is not None else np.zeros(gray.shape, bool)
    true = truth > 0
    # A refused image has no mask but counts as missed; a network that only classifies is not measured by masks.
    unmeasured = case.normal or (found.mask is None and found.call is not Call.OUT_OF_SCOPE)
    both, either = int((mask & true).sum()), int((mask | true).sum())
    p = found.probability
    return Row(
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
        lesion_px=found.lesion_px or 0,
        long_mm=found.long_mm,
    )


def uncalibrated(probability: float, card: ModelCard) -> float:
    """The network's own probability, before temperature and bias."""
    p = min(max(probability, 1e-9), 1 - 1e-9)
    z = math.log(p / (1 - p)) - float(card.calibration.get("bias", 0.0))
    return 1 / (1 + math.exp(-z * float(card.calibration.get("temperature", 1.0))))


def auc(score: Floats, label: NDArray[np.bool_]) -> float:
    """Area under the ROC curve by ranks; NaN with one class alone."""
    positive, negative = int(label.sum()), int((~label).sum())
    if not positive or not negative:
        return math.nan
    ranks = rankdata(score)
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * negative))


def calibration_error(probability: Floats, label: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error over bins of equal width."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    return float(
        sum(
            abs(probability[place == b].mean() - label[place == b].mean()) * (place == b).mean()
            for b in range(bins)
            if (place == b).any()
        )
    )


def summarise(rows: Sequence[Row], card: ModelCard, rounds: int = 1000) -> dict[str, Any]:
    """Figures with 95 % intervals over patients. Classification and masks over images with a lesion; normals apart."""
    with_lesion = [r for r in rows if not r.normal]
    figures: dict[str, Any] = {"images": len(with_lesion), "patients": len({r.patient for r in with_lesion})}
    patients = [r.patient for r in with_lesion]
    for name, figure in _figures(with_lesion, card).items():
        if name not in OF_MASKS or all(math.isfinite(r.dice) for r in with_lesion):
            figures[name] = list(statistics.bootstrap(figure, patients, rounds=rounds))
    normals = [r for r in rows if r.normal]
    if normals:
        figures["normals"] = len(normals)
        figures["normals_no_lesion"] = float(np.mean([r.call == Call.NO_LESION for r in normals]))
    return figures


OF_MASKS = ("dice", "dice_median", "dice_below_half", "iou")
"""Figures that a network without a mask does not have."""


def _figures(rows: Sequence[Row], card: ModelCard) -> dict[str, Callable[[NDArray[np.intp]], float]]:
    label = np.array([r.malignant for r in rows])
    p = np.array([r.probability for r in rows])
    raw = np.array([r.raw for r in rows])
    dice, iou = np.array([r.dice for r in rows]), np.array([r.iou for r in rows])
    calls = np.array([r.call for r in rows])
    called = p >= card.threshold
    wrong = ((calls == Call.MALIGNANT) & ~label) | ((calls == Call.BENIGN) & label)

    def share(values: NDArray[Any], among: NDArray[np.bool_]) -> Callable[[NDArray[np.intp]], float]:
        return lambda i: float(values[i][among[i]].mean()) if among[i].any() else math.nan

    every = np.ones(len(rows), bool)
    sensitivity, specificity = share(called, label), share(~called, ~label)

    def f1(i: NDArray[np.intp]) -> float:
        hits = int((called[i] & label[i]).sum())
        return 2 * hits / max(1, int(called[i].sum()) + int(label[i].sum()))

    return {
        "auc": lambda i: auc(p[i], label[i]),
        "balanced_accuracy": lambda i: (sensitivity(i) + specificity(i)) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "accuracy": share(called == label, every),
        "f1": f1,
        "dice": share(dice, every),
        "dice_median": lambda i: float(np.median(dice[i])),
        "dice_below_half": share(dice < 0.5, every),
        "iou": share(iou, every),
        "ece": lambda i: calibration_error(p[i], label[i]),
        "ece_uncalibrated": lambda i: calibration_error(raw[i], label[i]),
        "brier": lambda i: float(np.mean((p[i] - label[i]) ** 2)),
        "brier_uncalibrated": lambda i: float(np.mean((raw[i] - label[i]) ** 2)),
        "sensitivity_at_specificity_90": lambda i: at_fixed(p[i], label[i], 0.9),
        "specificity_at_sensitivity_95": lambda i: at_fixed(-p[i], ~label[i], 0.95),
        "conformal_error": share(wrong, every),
        "conformal_error_malignant": share(wrong, label),
        "conformal_error_benign": share(wrong, ~label),
        "uncertain": share(calls == Call.UNCERTAIN, every),
        "no_lesion": share(calls == Call.NO_LESION, every),
    }


def at_fixed(score: Floats, label: NDArray[np.bool_], rate: float) -> float:
    """Largest share of `label` above a cut that keeps `rate` of the others at or below it."""
    if not label.any() or label.all():
        return math.nan
    cut = np.quantile(score[~label], rate, method="higher")
    return float((score[label] > cut).mean())


def draw_reliability(rows: Sequence[Row], name: str, out: Path) -> None:
    """What was said beside what was so, before and after calibration, over images with a lesion."""
    seen = [r for r in rows if not r.normal]
    truth = [r.malignant for r in seen]
    curves = {"calibrated": ([r.probability for r in seen], truth), "uncalibrated": ([r.raw for r in seen], truth)}
    file = "".join(c if c.isalnum() else "-" for c in name.lower())
    plots.draw_reliability(curves, out / f"reliability-{file}.png", title=name)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """One CSV row per image."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [f.name for f in dataclasses.fields(Row)])
        writer.writeheader()
        for row in rows:
            writer.writerow({k: _cell(v) for k, v in dataclasses.asdict(row).items()})


def _cell(value: Any) -> Any:
    """Empty, and not a number, where a value is unknown."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.5f}"
    return value


def write_subgroups(rows: Sequence[Row], card: ModelCard, path: Path) -> None:
    """AUC, balanced accuracy and Dice by device, BI-RADS and size of the lesion, where a group has ten images."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.normal:
            continue
        keys = [("device", row.device), ("BI-RADS", row.birads), ("size", _size(row.true_px))]
        for kind, value in keys:
            if value:
                groups.setdefault((row.set, f"{kind} {value}"), []).append(row)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["set", "group", "images", "figure", "value", "low", "high"])
        for (name, group), part in sorted(groups.items()):
            if len(part) >= 10:
                for figure in ("auc", "balanced_accuracy", "dice"):
                    if figure in OF_MASKS and any(math.isnan(r.dice) for r in part):
                        continue
                    figures = statistics.bootstrap(_figures(part, card)[figure], [r.patient for r in part], rounds=300)
                    writer.writerow([name, group, len(part), figure, *(f"{v:.4f}" for v in figures)])


def _size(pixels: int) -> str:
    side = math.sqrt(pixels)
    return "below 32 px" if side < 32 else "32 to 64 px" if side < 64 else "from 64 px"


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The main figures as a Markdown table."""
    names = ("auc", "balanced_accuracy", "dice", "ece")
    lines = ["| set | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, group in figures.items():
        cells = [statistics.text((group[n][0], group[n][1], group[n][2])) if n in group else "" for n in names]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
