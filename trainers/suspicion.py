"""Learns `models.suspicion` from the malignancy ratings of LIDC-IDRI's readers, and measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cadviewer.findings import Box
from cadviewer.models.detect import repair_wrapped
from cadviewer.models.suspicion import FEATURES, features, suspicion
from trainers import statistics
from trainers.data.samples import LabelledSlice

ROUNDS = 60
STRENGTH = 0.1
"""Inverse of the penalty: features go together (three of them are sizes)."""
LEAST = 40
"""Rated nodules of each kind below which nothing is learned."""


def table(slices: Sequence[LabelledSlice], pixel_mm: float) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """Features (n, f) of the rated nodules, whether their mean rating is above 3, and their patients.

    A mean rating of exactly 3 ("indeterminate") is left out.
    """
    rows, suspicious, patients = [], [], []
    for item in slices:
        if not any(item.ratings):
            continue
        image = repair_wrapped(item.pixels()).astype(np.float32) / np.float32(255)
        for box, ratings in zip(item.boxes, item.ratings, strict=True):
            mean = float(np.mean(ratings)) if ratings else 3.0
            described = features(image, _box(box), pixel_mm) if mean != 3.0 else None
            if described is not None:
                rows.append(described)
                suspicious.append(mean > 3)
                patients.append(item.patient)
    return np.array(rows).reshape(-1, len(FEATURES)), np.array(suspicious, bool), patients


def _box(corners: NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = (float(v) for v in corners)
    return Box(0, x0, y0, x1, y1, 1.0)


def learn(
    train: Sequence[LabelledSlice], tune: Sequence[LabelledSlice], pixel_mm: float, *, seed: int = 0
) -> dict[str, Any] | None:
    """The model for `ModelCard.calibration["malignancy"]`; None where there are too few ratings."""
    given, suspicious, patients = table(train, pixel_mm)
    if min(int(suspicious.sum()), int((~suspicious).sum())) < LEAST:
        return None
    mean, scale = given.mean(axis=0), np.maximum(given.std(axis=0), 1e-3)
    scaled = np.clip((given - mean) / scale, -4, 4)
    draw = np.random.default_rng(seed)
    names, owner = np.unique(patients, return_inverse=True)
    groups = [np.flatnonzero(owner == g) for g in range(len(names))]
    rounds = [_fit(scaled, suspicious)]
    while len(rounds) <= ROUNDS:
        rows = np.concatenate([groups[g] for g in draw.integers(0, len(groups), len(groups))])
        if suspicious[rows].any() and not suspicious[rows].all():
            rounds.append(_fit(scaled[rows], suspicious[rows]))
    model: dict[str, Any] = {
        "features": list(FEATURES),
        "mean": np.round(mean, 5).tolist(),
        "scale": np.round(scale, 5).tolist(),
        "rounds": np.round(np.array(rounds), 4).tolist(),
        "slope": 1.0,
        "offset": 0.0,
        "meaning": "probability that the readers of LIDC-IDRI rate the nodule above 3 of 5 (suspicious), not pathology",
        "nodules": len(given),
        "patients": len(names),
    }
    return model | _calibrate(model, tune, pixel_mm)


def _fit(scaled: NDArray[np.float64], suspicious: NDArray[np.bool_]) -> NDArray[np.float64]:
    fitted = LogisticRegression(C=STRENGTH, max_iter=500).fit(scaled, suspicious)
    return np.concatenate([fitted.intercept_, fitted.coef_[0]])


def _calibrate(model: dict[str, Any], tune: Sequence[LabelledSlice], pixel_mm: float) -> dict[str, float]:
    """Slope and offset of the logit that fit the tune fold (Platt)."""
    given, suspicious, _ = table(tune, pixel_mm)
    if len(given) < LEAST or suspicious.all() or not suspicious.any():
        return {}
    chances = np.clip([suspicion(row, model).value for row in given], 1e-4, 1 - 1e-4)
    fitted = LogisticRegression(C=1.0).fit(np.log(chances / (1 - chances))[:, None], suspicious)
    return {"slope": round(float(fitted.coef_[0, 0]), 4), "offset": round(float(fitted.intercept_[0]), 4)}


def figures(slices: Sequence[LabelledSlice], model: dict[str, Any], pixel_mm: float, *, rounds: int) -> dict[str, Any]:
    """AUC, balanced accuracy at one half and Brier score on the labelled boxes of these slices; {} without ratings."""
    given, suspicious, patients = table(slices, pixel_mm)
    if not len(given) or suspicious.all() or not suspicious.any():
        return {}
    chances = np.array([suspicion(row, model).value for row in given])

    def all_of(rows: NDArray[np.intp]) -> list[float]:
        truth, chance = suspicious[rows], chances[rows]
        if truth.all() or not truth.any():
            return [float("nan")] * 3
        balanced = ((chance[truth] >= 0.5).mean() + (chance[~truth] < 0.5).mean()) / 2
        return [float(roc_auc_score(truth, chance)), float(balanced), float(((chance - truth) ** 2).mean())]

    names = ("AUC", "balanced accuracy at 0.5", "Brier score")
    values = statistics.bootstrap_many(all_of, patients, rounds=rounds)
    made: dict[str, Any] = {f"suspicion (readers' ratings), {n}": v for n, v in zip(names, values, strict=True)}
    return made | {"suspicion (readers' ratings), nodules": len(given)}
