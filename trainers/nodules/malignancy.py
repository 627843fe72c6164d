"""Learns `models.nodules.malignancy` from the malignancy ratings of LIDC-IDRI's readers, and measures it.

A proportional odds model (McCullagh 1980) of every reader's rating, each nodule weighing the same; patients are
resampled for its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from cadviewer.findings import Box
from cadviewer.models.nodules.detection import repair_wrapped
from cadviewer.models.nodules.malignancy import CUTS, FEATURES, features, suspicion
from trainers.data.ct.lidc_crop_ratings import RatedCrop
from trainers.data.ct.luna16_slices import PIXEL_MM
from trainers.data.ct.samples import LabelledSlice
from trainers.metrics import bootstrap
from trainers.nodules import batches as nodule_batches
from trainers.nodules import sources as nodule_sources

ROUNDS = 60
STRENGTH = 0.1
"""Inverse of the penalty: features go together (three of them are sizes)."""
LEAST = 40
"""Rated nodules of each kind below which nothing is learned."""
REACH_PX = 5
"""How far beyond the lungs a crop is shown: as far as the mask of a scan reaches."""
SIZE = FEATURES.index("log box side")


@dataclass(frozen=True)
class Rated:
    """Nodules that readers rated: features (n, f), each reader's ratings, patients."""

    features: NDArray[np.float64]
    ratings: tuple[tuple[int, ...], ...]
    patients: tuple[str, ...]

    @property
    def mean(self) -> NDArray[np.float64]:
        """(n,) mean rating."""
        return np.array([np.mean(r) for r in self.ratings], float)

    def only(self, rows: NDArray[Any]) -> Rated:
        """Some of them, by index or by a mask."""
        chosen = np.arange(len(self.ratings))[rows]
        return Rated(
            self.features[chosen],
            tuple(self.ratings[int(k)] for k in chosen),
            tuple(self.patients[int(k)] for k in chosen),
        )


def of_slices(slices: Sequence[LabelledSlice], pixel_mm: float) -> Rated:
    """The rated nodules of labelled slices."""
    rows = []
    for item in slices:
        if any(item.ratings):
            image = repair_wrapped(item.pixels()).astype(np.float32) / np.float32(255)
            for box, ratings in zip(item.boxes, item.ratings, strict=True):
                rows.append((features(image, _box(box), pixel_mm), ratings, item.patient))
    return _rated(rows)


def of_crops(rated: Sequence[RatedCrop]) -> Rated:
    """The rated nodules of crops in Hounsfield units, as a model sees them: of 1 mm pixels, lung-masked, boxed."""
    rows = []
    for item, seen in zip(rated, nodule_sources.crop_slices([r.crop for r in rated]), strict=True):
        if len(seen.boxes):
            shown = nodule_batches.depth_of(seen.lungs) > nodule_batches.BORDER - REACH_PX
            image = np.where(shown, seen.pixels, 0).astype(np.float32) / np.float32(255)
            rows.append((features(image, _box(seen.boxes[0]), PIXEL_MM), item.malignancy, item.crop.patient))
    return _rated(rows)


def _rated(rows: Sequence[tuple[NDArray[np.float64] | None, tuple[int, ...], str]]) -> Rated:
    known = [(values, ratings, patient) for values, ratings, patient in rows if values is not None and ratings]
    return Rated(
        np.array([v for v, _, _ in known], float).reshape(-1, len(FEATURES)),
        tuple(r for _, r, _ in known),
        tuple(p for _, _, p in known),
    )


def _box(corners: NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = (float(v) for v in corners)
    return Box(0, x0, y0, x1, y1, 1.0)


def learn(rated: Rated, *, seed: int = 0, rounds: int = ROUNDS) -> dict[str, Any] | None:
    """The model for `ModelCard.calibration["malignancy"]`; None where there are too few ratings."""
    mean = rated.mean
    if min(int((mean > 3).sum()), int((mean < 3).sum())) < LEAST:
        return None
    centre, scale = rated.features.mean(axis=0), np.maximum(rated.features.std(axis=0), 1e-3)
    scaled = np.clip((rated.features - centre) / scale, -4, 4)
    draw = np.random.default_rng(seed)
    names, owner = np.unique(rated.patients, return_inverse=True)
    groups = [np.flatnonzero(owner == g) for g in range(len(names))]
    fitted = [_fit(scaled, rated.ratings)]
    while len(fitted) <= rounds:
        rows = np.concatenate([groups[g] for g in draw.integers(0, len(groups), len(groups))])
        fitted.append(_fit(scaled[rows], [rated.ratings[int(k)] for k in rows], start=fitted[0]))
    return {
        "features": list(FEATURES),
        "mean": np.round(centre, 5).tolist(),
        "scale": np.round(scale, 5).tolist(),
        "rounds": np.round(np.array(fitted), 4).tolist(),
        "agreement": [round(p, 4) for p in agreement(rated.ratings)],
        "meaning": "probability that a reader of LIDC-IDRI rates the nodule 4 or 5 of 5 (suspicious), not pathology",
        "nodules": len(rated.ratings),
        "patients": len(names),
    }


def _fit(
    scaled: NDArray[np.float64], ratings: Sequence[tuple[int, ...]], *, start: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """(4 + f,) cuts and coefficients of the proportional odds model with a penalty on the coefficients."""
    rows = np.repeat(np.arange(len(ratings)), [len(r) for r in ratings])
    weight = np.repeat([1 / len(r) for r in ratings], [len(r) for r in ratings])
    given = np.concatenate([np.asarray(r, int) for r in ratings])

    def loss(p: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        cuts = p[0] + np.concatenate([[0.0], np.cumsum(np.exp(p[1:CUTS]))])
        line = (scaled @ p[CUTS:])[rows]
        # Probability of a rating above 0, 1 … 5, and its derivative by the line.
        above = np.ones((len(rows), CUTS + 2))
        above[:, 1:-1] = expit(line[:, None] - cuts)
        above[:, -1] = 0
        slope = above * (1 - above)
        at = np.arange(len(rows))
        chance = np.maximum(above[at, given - 1] - above[at, given], 1e-9)
        by_low, by_high = slope[at, given - 1] / chance * weight, slope[at, given] / chance * weight
        by_cut = np.zeros(CUTS)
        np.add.at(by_cut, np.clip(given - 2, 0, CUTS - 1), np.where(given > 1, by_low, 0))
        np.add.at(by_cut, np.clip(given - 1, 0, CUTS - 1), np.where(given <= CUTS, -by_high, 0))
        steps = np.concatenate([[by_cut.sum()], [by_cut[k:].sum() * np.exp(p[k]) for k in range(1, CUTS)]])
        by_weight = -scaled.T @ np.bincount(rows, by_low - by_high, len(scaled)) + p[CUTS:] / STRENGTH
        value = -float((weight * np.log(chance)).sum()) + float((p[CUTS:] ** 2).sum()) / (2 * STRENGTH)
        return value, np.concatenate([steps, by_weight])

    first = np.zeros(CUTS + scaled.shape[1])
    first[0] = -2.0
    if start is not None:
        first = np.concatenate([[start[0]], np.log(np.diff(start[:CUTS])), start[CUTS:]])
    found = minimize(loss, first, jac=True, method="L-BFGS-B").x
    cuts = found[0] + np.concatenate([[0.0], np.cumsum(np.exp(found[1:CUTS]))])
    return np.concatenate([cuts, found[CUTS:]])


def agreement(ratings: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """How often a reader gives a 4 or 5 where all the others (two at least) say 1 or 2, and where they say 4 or 5."""
    counts = np.zeros((2, 2))
    for each in ratings:
        for k, own in enumerate(each):
            others = [*each[:k], *each[k + 1 :]]
            if len(others) >= 2 and (max(others) <= 2 or min(others) >= 4):
                counts[int(min(others) >= 4), int(own >= 4)] += 1
    low, high = (counts[:, 1] + 1) / (counts.sum(axis=1) + 2)
    return float(low), float(high)


def figures(rated: Rated, model: dict[str, Any], *, rounds: int) -> dict[str, Any]:
    """Against readers' ratings: AUC of a mean above 3, beside the size alone; balanced accuracy at one half, Brier
    score, and the class beside the readers' median; {} without ratings of both kinds."""
    sure = rated.only(rated.mean != 3.0)
    suspicious = sure.mean > 3
    if not len(suspicious) or suspicious.all() or not suspicious.any():
        return {}
    found = [suspicion(row, model) for row in sure.features]
    chances, size = np.array([e.value for e in found]), sure.features[:, SIZE]

    def all_of(rows: NDArray[np.intp]) -> list[float]:
        truth, chance = suspicious[rows], chances[rows]
        if truth.all() or not truth.any():
            return [float("nan")] * 5
        whole, alone = float(roc_auc_score(truth, chance)), float(roc_auc_score(truth, size[rows]))
        balanced = ((chance[truth] >= 0.5).mean() + (chance[~truth] < 0.5).mean()) / 2
        return [whole, alone, whole - alone, float(balanced), float(((chance - truth) ** 2).mean())]

    names = (
        "AUC",
        "AUC of the size alone",
        "AUC less that of the size alone",
        "balanced accuracy at 0.5",
        "Brier score",
    )
    values = bootstrap.bootstrap_many(all_of, sure.patients, rounds=rounds)
    made: dict[str, Any] = {f"suspicion (readers' ratings), {n}": v for n, v in zip(names, values, strict=True)}
    made |= _classes(rated, model, rounds)
    return made | {"suspicion (readers' ratings), nodules": len(suspicious)}


def _classes(rated: Rated, model: dict[str, Any], rounds: int) -> dict[str, Any]:
    """How often the class is at most one off the readers' median, and how often a reader is off the others'."""
    grades = [suspicion(row, model).grade for row in rated.features]
    if None in grades:
        return {}
    ours = np.array([abs(float(g or 0) - np.median(r)) <= 1 for g, r in zip(grades, rated.ratings, strict=True)])
    theirs = np.array(
        [
            np.mean([abs(own - np.median([*r[:k], *r[k + 1 :]])) <= 1 for k, own in enumerate(r)])
            if len(r) > 1
            else np.nan
            for r in rated.ratings
        ]
    )
    values = bootstrap.bootstrap_many(
        lambda rows: [float(ours[rows].mean()), float(np.nanmean(theirs[rows]))], rated.patients, rounds=rounds
    )
    names = ("class at most one off the readers' median", "a reader at most one off the others' median")
    return {f"suspicion (readers' ratings), {n}": v for n, v in zip(names, values, strict=True)}
