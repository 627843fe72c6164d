"""Figures of a breast model from what was said of each image: classification, masks, calibration, conformal calls.

The "AUC" column that was published for Hybrid-MT-ESTAN is (sensitivity + specificity) / 2 in every row: it goes by its
own name here, `balanced_accuracy`, at the threshold fixed on the tune fold; `auc` is the area under the ROC curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cadviewer.findings import Call
from cadviewer.models.catalogue import ModelCard
from trainers.metrics import bootstrap

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Figure = Callable[[Rows], float]

MEANING: Mapping[str, str] = {
    "auc": "area under the ROC curve",
    "balanced_accuracy": 'mean of sensitivity and specificity at the threshold; the paper prints it as "AUC"',
    "sensitivity": "malignant lesions scored at or above the threshold",
    "specificity": "benign lesions scored below the threshold",
    "false_positive_rate": "benign lesions scored at or above the threshold (FPR)",
    "false_negative_rate": "malignant lesions scored below the threshold (FNR)",
    "accuracy": "images on the right side of the threshold",
    "f1": "harmonic mean of precision and sensitivity at the threshold",
    "dice": "mean Dice (DSC) per image",
    "dice_median": "median Dice per image",
    "dice_below_half": "failure rate: images with a Dice below one half",
    "iou": "mean Jaccard index per image",
    "ece": "expected calibration error, ten bins, after temperature scaling",
    "ece_uncalibrated": "the same before",
    "brier": "mean squared error of the probability, after temperature scaling",
    "brier_uncalibrated": "the same before",
    "sensitivity_at_specificity_90": "point of the ROC curve of this very set",
    "specificity_at_sensitivity_95": "point of the ROC curve of this very set",
    "tuned_specificity_90_sensitivity": "at the cut that gave a specificity of 90 % on the tune fold",
    "tuned_specificity_90_specificity": "what that cut gives here",
    "tuned_sensitivity_95_sensitivity": "what the cut that gave a sensitivity of 95 % on the tune fold gives here",
    "tuned_sensitivity_95_specificity": "at that cut",
    "conformal_error": "lesions called the other class; the card promises at most alpha of each class",
    "conformal_error_malignant": "malignant lesions called benign",
    "conformal_error_benign": "benign lesions called malignant",
    "uncertain": "lesions called uncertain",
    "no_lesion": "lesions answered with no_lesion",
    "out_of_scope": "lesions for which no score was given",
    "no_lesion_malignant": "malignant lesions answered with no_lesion",
    "normals_no_lesion": "normal breasts answered with no_lesion",
    "normals_malignant": "normal breasts called malignant",
    "doppler_refused": "images with colour flow for which no score was given",
    "doppler_warned": "images with colour flow that have a score and a warning of it",
}
"""What the figures are, for tables."""


@dataclass(frozen=True)
class FigureRow:
    """What was said of one image, beside the truth. dice = iou = nan where there is no lesion or no mask is made.

    true_px, image_px: pixels of the true lesion and of the image. true_mm: its long axis, None without a pixel size.
    """

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
    image_px: int
    true_mm: float | None
    lesion_px: int
    long_mm: float | None


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


def at_fixed(score: Floats, label: NDArray[np.bool_], rate: float) -> float:
    """Largest share of `label` above a cut that keeps `rate` of the others at or below it."""
    if not label.any() or label.all():
        return math.nan
    cut = np.quantile(score[~label], rate, method="higher")
    return float((score[label] > cut).mean())


def summarise(rows: Sequence[FigureRow], card: ModelCard, rounds: int = 1000) -> dict[str, Any]:
    """Figures with 95 % intervals over patients. Classification and masks over images with a lesion; normals apart."""
    with_lesion = [r for r in rows if not r.normal]
    figures: dict[str, Any] = {"images": len(with_lesion), "patients": len({r.patient for r in with_lesion})}
    figures.update(intervals(known(with_lesion, card), [r.patient for r in with_lesion], rounds))
    normals = [r for r in rows if r.normal]
    if normals:
        calls, every = np.array([r.call for r in normals]), np.ones(len(normals), bool)
        figures["normals"] = len(normals)
        wanted = {f"normals_{call}": share(calls == call, every) for call in (Call.NO_LESION, Call.MALIGNANT)}
        figures.update(intervals(wanted, [r.patient for r in normals], rounds))
    return figures


OF_MASKS = ("dice", "dice_median", "dice_below_half", "iou")
"""Figures that a network without a mask does not have."""


def known(rows: Sequence[FigureRow], card: ModelCard) -> dict[str, Figure]:
    """`figures_of`, without those of masks where no mask is made."""
    masked = all(math.isfinite(r.dice) for r in rows)
    return {name: figure for name, figure in figures_of(rows, card).items() if masked or name not in OF_MASKS}


def intervals(figures: Mapping[str, Figure], patients: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """[value, low, high] of each figure, from the same draws of patients."""
    wanted = list(figures.values())
    made = bootstrap.bootstrap_many(lambda i: [f(i) for f in wanted], patients, rounds=rounds)
    return {name: list(values) for name, values in zip(figures, made, strict=True)}


def share(values: NDArray[Any], among: NDArray[np.bool_]) -> Figure:
    """The mean of `values` over the rows of a sample that are `among`; NaN where there are none."""
    return lambda i: float(values[i][among[i]].mean()) if among[i].any() else math.nan


def figures_of(rows: Sequence[FigureRow], card: ModelCard) -> dict[str, Figure]:
    """Each figure as a function of row indices."""
    label = np.array([r.malignant for r in rows])
    p = np.array([r.probability for r in rows])
    raw = np.array([r.raw for r in rows])
    dice, iou = np.array([r.dice for r in rows]), np.array([r.iou for r in rows])
    calls = np.array([r.call for r in rows])
    called = p >= card.threshold
    every = np.ones(len(rows), bool)
    sensitivity, specificity = share(called, label), share(~called, ~label)

    def f1(i: Rows) -> float:
        hits = int((called[i] & label[i]).sum())
        return 2 * hits / max(1, int(called[i].sum()) + int(label[i].sum()))

    return {
        "auc": lambda i: auc(p[i], label[i]),
        "balanced_accuracy": lambda i: (sensitivity(i) + specificity(i)) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "false_positive_rate": share(called, ~label),
        "false_negative_rate": share(~called, label),
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
        **_at_tuned_cuts(p, label, card),
        **_calls(calls, label),
    }


def _at_tuned_cuts(p: Floats, label: NDArray[np.bool_], card: ModelCard) -> dict[str, Figure]:
    """Both rates at each cut that the card keeps from its tune fold; {} for a card that keeps none."""
    found: dict[str, Figure] = {}
    for name, cut in dict(card.calibration.get("cuts", {})).items():
        found[f"tuned_{name}_sensitivity"] = share(p >= float(cut), label)
        found[f"tuned_{name}_specificity"] = share(p < float(cut), ~label)
    return found


def _calls(calls: NDArray[np.str_], label: NDArray[np.bool_]) -> dict[str, Figure]:
    every = np.ones(len(calls), bool)
    wrong = ((calls == Call.MALIGNANT) & ~label) | ((calls == Call.BENIGN) & label)
    return {
        "conformal_error": share(wrong, every),
        "conformal_error_malignant": share(wrong, label),
        "conformal_error_benign": share(wrong, ~label),
        "uncertain": share(calls == Call.UNCERTAIN, every),
        "no_lesion": share(calls == Call.NO_LESION, every),
        "no_lesion_malignant": share(calls == Call.NO_LESION, label),
        "out_of_scope": share(calls == Call.OUT_OF_SCOPE, every),
    }


# Subgroups -----------------------------------------------------------------------------------------------------------

SUBGROUP_FIGURES = ("auc", "balanced_accuracy", "sensitivity", "specificity", "dice", "dice_below_half", "ece")
FEWEST = 10
"""Images below which a subgroup is not measured."""


FEWEST_OF_A_CLASS = 5
"""Benign or malignant images below which a subgroup has no AUC and no balanced accuracy."""


@dataclass(frozen=True)
class Subgroup:
    """Figures of the images of one set that have something in common; kind: "device", "BI-RADS", …"""

    set: str
    kind: str
    value: str
    images: int
    malignant: int
    figures: Mapping[str, Sequence[float]]


def subgroups(rows: Sequence[FigureRow], card: ModelCard, rounds: int = 300) -> list[Subgroup]:
    """By device, BI-RADS and size of the lesion, where a group has at least `FEWEST` images."""
    groups: dict[tuple[str, str, str], list[FigureRow]] = {}
    for row in rows:
        if row.normal:
            continue
        keys = [("device", row.device), ("BI-RADS", row.birads), ("lesion", size_class(row))]
        if row.true_mm is not None:
            keys.append(("long axis", mm_class(row.true_mm)))
        for kind, value in keys:
            if value:
                groups.setdefault((row.set, kind, value), []).append(row)
    found = []
    for (name, kind, value), part in sorted(groups.items()):
        if len(part) >= FEWEST:
            malignant = sum(r.malignant for r in part)
            wanted = {k: f for k, f in known(part, card).items() if k in SUBGROUP_FIGURES}
            if min(malignant, len(part) - malignant) < FEWEST_OF_A_CLASS:
                wanted |= dict.fromkeys(("auc", "balanced_accuracy"), _unknown)
            made = intervals(wanted, [r.patient for r in part], rounds)
            found.append(Subgroup(name, kind, value, len(part), malignant, made))
    return found


def _unknown(rows: Rows) -> float:
    return math.nan


def mm_class(long_mm: float) -> str:
    """How long the lesion is."""
    return "to 10 mm" if long_mm <= 10 else "10 to 20 mm" if long_mm <= 20 else "above 20 mm"


def size_class(row: FigureRow) -> str:
    """How large the lesion is for its image: the side of a square of its area, over that of the image."""
    side = math.sqrt(row.true_px / max(1, row.image_px))
    return "small (side below 1/5)" if side < 0.2 else "middle (1/5 to 1/3)" if side < 1 / 3 else "large (above 1/3)"
