"""What a breast card needs beyond weights, fitted on the tune fold alone: calibration, threshold, conformal cuts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from cadviewer.models.breast import analysis as breast
from cadviewer.models.runtime import Forward
from trainers.data.ultrasound.cases import UltrasoundCase

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """One tune image: averaged logit, truth, patient, and the mask's mean probability inside and share of the image.

    Without a mask both are 0. hospital: name of the set; normal: whether the image shows no lesion; peak: the highest
    probability anywhere in the mask."""

    logit: float
    malignant: bool
    patient: str
    confidence: float
    area: float
    hospital: str = ""
    normal: bool = False
    peak: float = 1.0


_SLOPES = (1e-3, 1e3)


def fit_platt(logits: Floats, labels: Floats) -> tuple[float, float]:
    """(slope, bias) of p = σ(slope · logit + bias) with the least log loss; temperature is 1/slope.

    A bias beside the temperature is needed because training weighs malignant images up. The fit is that of Platt
    (1999), with his targets a little inside 0 and 1. Scores that say nothing, or the opposite, have no best slope above
    0: it ends at the least of `_SLOPES`, where a score changes next to nothing.
    """
    positive, negative = float(labels.sum()), float(len(labels) - labels.sum())
    target = np.where(labels > 0.5, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(v: Floats) -> float:
        z = np.exp(v[0]) * logits + v[1]
        return float(np.mean(np.logaddexp(0, z) - target * z))

    bounds = (tuple(map(math.log, _SLOPES)), (None, None))
    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-7}).x
    return math.exp(found[0]), float(found[1])


def conformal_quantile(scores: Floats, alpha: float) -> float:
    """The ⌈(n + 1)(1 − α)⌉-th smallest of n nonconformity scores; 1 when n is too small to promise α."""
    rank = math.ceil((len(scores) + 1) * (1 - alpha))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else 1.0


def cuts(probability: Floats, malignant: NDArray[np.bool_]) -> dict[str, float]:
    """Scores at or above which to call: with a specificity of 90 %, and with a sensitivity of 95 % among these."""
    if malignant.all() or not malignant.any():
        return {}
    above = float(np.nextafter(np.quantile(probability[~malignant], 0.9, method="higher"), 2))
    return {"specificity_90": above, "sensitivity_95": float(np.quantile(probability[malignant], 0.05, method="lower"))}


def balanced_accuracy(probability: Floats, labels: Floats, threshold: float) -> float:
    """Mean of sensitivity and specificity at a threshold; one half where a class is missing."""
    if labels.min() == labels.max():
        return 0.5
    called = probability >= threshold
    return float((called[labels > 0.5].mean() + (~called)[labels < 0.5].mean()) / 2)


def calibrate(
    observations: Sequence[Observation], *, alpha: float = 0.1, rounds: int = 200, seed: int = 0
) -> tuple[float, dict[str, Any]]:
    """(threshold, calibration for the card) from the tune folds. alpha: promised error of a conformal call per class.

    Scores are calibrated on lesions; images of tissue only say what the limit of `least_peak` costs, which
    is kept under `no_lesion`: how many lesions, and of them malignant ones, and what share of tissue they take.
    """
    normals = [o for o in observations if o.normal]
    observations = [o for o in observations if not o.normal]
    logits = np.array([o.logit for o in observations])
    labels = np.array([float(o.malignant) for o in observations])
    slope, bias = fit_platt(logits, labels)
    probability = expit(slope * logits + bias)
    names, groups = np.unique([o.patient for o in observations], return_inverse=True)
    rows = [np.flatnonzero(groups == g) for g in range(len(names))]
    generator = np.random.default_rng(seed)
    grid = np.linspace(0.1, 0.9, 81)
    fits, accuracies = [], np.zeros(len(grid))
    for _ in range(rounds):
        drawn = np.concatenate([rows[i] for i in generator.integers(0, len(rows), len(rows))])
        fits.append(fit_platt(logits[drawn], labels[drawn]))
        accuracies += [balanced_accuracy(probability[drawn], labels[drawn], t) for t in grid]
    area = np.array([o.area for o in observations])
    calibration = {
        "temperature": 1 / slope,
        "bias": bias,
        "covariance": np.cov(np.array(fits).T).tolist(),
        # Cuts for whoever wants to rule out, or to be sparing with alarms: what they give elsewhere is for `evaluate`.
        "cuts": cuts(probability, labels > 0.5),
        "conformal": {
            "alpha": alpha,
            "malignant": conformal_quantile(1 - probability[labels > 0.5], alpha),
            "benign": conformal_quantile(probability[labels < 0.5], alpha),
        },
        "min_confidence": least_confidence(observations, missed=0.01 if normals else 0.005),
        # A quarter, since tune images are cut closely and a whole screen shows the same lesion smaller.
        "min_area": float(area[area > 0].min() / 4) if area.any() else 0.0,
        "tune_patients": len(names),
        "tune_images": len(observations),
    }
    if normals:
        calibration["least_peak"] = least_peak(observations)
        calibration["no_lesion"] = blank(observations, normals, calibration)
    return float(grid[int(accuracies.argmax())]), calibration


FEW = 50
"""Lesions of a hospital below which a share of a percent of them means nothing: it counts with the others."""


def least_confidence(observations: Sequence[Observation], missed: float) -> float:
    """Mean probability under a mask below which nothing is outlined: at most the share `missed` of the lesions falls
    below it, in each hospital with at least `FEW` of them and in all together; 0 where there are no masks."""
    outlined = [o for o in observations if o.area > 0]
    hospitals = {o.hospital for o in outlined}
    groups = [[o.confidence for o in outlined if o.hospital == h] for h in hospitals]
    groups = [g for g in groups if len(g) >= FEW] + [[o.confidence for o in outlined]]
    return min((float(np.quantile(g, missed)) for g in groups if g), default=0.0)


HIDDEN, HIDDEN_MALIGNANT = 0.1, 0.01
"""Most of the lesions of a hospital, and of all malignant ones, that may be answered with "no lesion"."""
SOME = 20
"""Lesions of a hospital below which a tenth of them is no number."""


def least_peak(lesions: Sequence[Observation]) -> float:
    """Highest probability of a mask below which there is no lesion, from 0.05 to 0.5; a little below the limit that the
    tune folds set: masks that one view of four is sure of all have the same peak, a quarter."""
    hospitals = [[o.peak for o in lesions if o.hospital == h] for h in {o.hospital for o in lesions}]
    limits = [float(np.quantile(peaks, HIDDEN, method="lower")) for peaks in hospitals if len(peaks) >= SOME]
    malignant = [o.peak for o in lesions if o.malignant]
    if malignant:
        limits.append(float(np.quantile(malignant, HIDDEN_MALIGNANT, method="lower")))
    return min(max(0.9 * min(limits, default=0.5), 0.05), 0.5)


def blank(
    lesions: Sequence[Observation], normals: Sequence[Observation], calibration: Mapping[str, Any]
) -> dict[str, Any]:
    """What `least_peak` of a calibration takes, by hospital: counts of lesions, of malignant ones and
    of images of tissue, each with how many are seen as empty."""

    def empty(o: Observation) -> bool:
        return o.peak < float(calibration["least_peak"])

    made: dict[str, Any] = {}
    for hospital in sorted({o.hospital for o in (*lesions, *normals)}):
        here = [o for o in lesions if o.hospital == hospital]
        tissue = [o for o in normals if o.hospital == hospital]
        made[hospital] = {
            "lesions": len(here),
            "lesions empty": sum(map(empty, here)),
            "malignant": sum(o.malignant for o in here),
            "malignant empty": sum(o.malignant and empty(o) for o in here),
            "tissue": len(tissue),
            "tissue empty": sum(map(empty, tissue)),
        }
    return made


def observe(case: UltrasoundCase, forward: Forward, inputs: Mapping[str, Any], hospital: str = "") -> Observation:
    """What the network says of one case, by the code that `annotate` uses."""
    gray, _ = case.read()
    reading = breast.read(gray, forward, inputs)
    if reading.mask is None:
        return Observation(reading.logit, bool(case.malignant), case.patient, 0.0, 0.0, hospital, case.normal)
    mask = breast.lesions(reading.mask) > 0
    confidence = float(reading.mask[mask].mean()) if mask.any() else 0.0
    return Observation(
        reading.logit,
        bool(case.malignant),
        case.patient,
        confidence,
        float(mask.mean()),
        hospital,
        case.normal,
        float(reading.mask.max()),
    )
