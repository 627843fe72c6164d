"""Learns `models.nodules.nodule_type` from the texture ratings of LIDC-IDRI's readers, and measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from cadviewer.findings import Box
from cadviewer.models.nodules.detection import repair_wrapped
from cadviewer.models.nodules.nodule_type import FEATURES, KINDS, chances, decide, features
from cadviewer.models.nodules.outlining import outline_findings
from cadviewer.models.runtime import Companion
from trainers.data.ct.lidc_ratings import RatedNodule
from trainers.data.ct.luna16_slices import WINDOW
from trainers.data.ct.samples import read_gray
from trainers.metrics import bootstrap

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
FEWEST = 10
"""Nodules of each kind below which nothing is learned."""
LEAST = tuple(round(0.05 * k, 2) for k in range(13))
RIGHT = 0.4
"""Share of the calls of each kind that must be right: the rest is not called. (Even readers disagree on part-solid.)"""
NAME = "type (readers' texture ratings)"


def kind_of(texture: float) -> str:
    """The kind for a median rating: 1–2 non-solid, 4–5 solid, what lies between part-solid."""
    return "non-solid" if texture <= 2 else "solid" if texture >= 4 else "part-solid"


def table(
    nodules: Sequence[RatedNodule], outline: Companion
) -> tuple[NDArray[np.float64], NDArray[np.intp], list[str]]:
    """Features (n, f) of the nodules that can be outlined, their kinds (indices of `KINDS`) and their patients."""
    rows, kinds, patients = [], [], []
    low, high = WINDOW
    for nodule in nodules:
        image = repair_wrapped(read_gray(nodule.image)).astype(np.float32) / np.float32(255)
        x0, y0, x1, y1 = (float(v) for v in nodule.box)
        mm = nodule.pixel_mm
        (found,) = outline_findings(
            (image * (high - low) + low)[None], [(Box(0, x0, y0, x1, y1, 1.0),)], (mm, mm), None, outline
        )
        described = features(image, found.widest_outline, mm) if found is not None else None
        if described is not None:
            rows.append(described)
            kinds.append(KINDS.index(kind_of(nodule.texture)))
            patients.append(nodule.patient)
    return np.array(rows).reshape(-1, len(FEATURES)), np.array(kinds, np.intp), patients


def learn(
    given: NDArray[np.float64], kinds: NDArray[np.intp], patients: Sequence[str], *, folds: int = 5
) -> dict[str, Any] | None:
    """The model for `ModelCard.calibration["type"]`; None where there are too few of a kind.

    Kinds weigh the same, however rare. The penalty has the best balanced accuracy, and the least probability for an
    answer is the lowest with `RIGHT` of the calls of each kind right, over parts of the patients left out in turn.
    """
    if min(np.bincount(kinds, minlength=len(KINDS))) < FEWEST:
        return None
    owner = np.unique(patients, return_inverse=True)[1]
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for strength in STRENGTHS:
        held_out = np.zeros((len(given), len(KINDS)))
        for train, rest in GroupKFold(folds).split(given, kinds, owner):
            held_out[rest] = chances(given[rest], _fit(given[train], kinds[train], strength))
        score = balanced(kinds, held_out.argmax(axis=1))
        if best is None or score > best[0]:
            best = (score, strength, held_out)
    assert best is not None
    _, strength, held_out = best
    common = np.bincount(kinds, minlength=len(KINDS)) / len(kinds)
    return _fit(given, kinds, strength) | {
        "common": np.round(common, 4).tolist(),
        "least": _least(kinds, held_out, common),
        "strength": strength,
        "meaning": "median texture rating of LIDC-IDRI's readers: 1–2 non-solid, 4–5 solid, between part-solid",
        "nodules": {kind: int(n) for kind, n in zip(KINDS, np.bincount(kinds, minlength=len(KINDS)), strict=True)},
        "patients": len(set(patients)),
    }


def _fit(given: NDArray[np.float64], kinds: NDArray[np.intp], strength: float) -> dict[str, Any]:
    mean, scale = given.mean(axis=0), np.maximum(given.std(axis=0), 1e-3)
    scaled = np.clip((given - mean) / scale, -4, 4)
    fitted = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced").fit(scaled, kinds)
    coefficients = np.concatenate([fitted.intercept_[:, None], fitted.coef_], axis=1)
    return {
        "features": list(FEATURES),
        "kinds": list(KINDS),
        "mean": np.round(mean, 5).tolist(),
        "scale": np.round(scale, 5).tolist(),
        "coefficients": np.round(coefficients, 4).tolist(),
    }


def _least(kinds: NDArray[np.intp], held_out: NDArray[np.float64], common: NDArray[np.float64]) -> float:
    """See `learn`; the highest of `LEAST` where no lower one will do."""
    for least in LEAST:
        found, _ = decide(held_out, common, least)
        if all((kinds[found == k] == k).mean() >= RIGHT for k in range(len(KINDS)) if (found == k).any()):
            return least
    return LEAST[-1]


def balanced(kinds: NDArray[np.intp], answers: NDArray[np.intp]) -> float:
    """Mean over the kinds of the share that was called right; NaN where a kind is missing."""
    if len(np.unique(kinds)) < len(KINDS):
        return float("nan")
    return float(np.mean([(answers[kinds == k] == k).mean() for k in range(len(KINDS))]))


def answers(given: NDArray[np.float64], model: dict[str, Any]) -> NDArray[np.intp]:
    """Index of the answer for each row, −1 where there is none."""
    return decide(chances(given, model), np.array(model["common"]), float(model["least"]))[0]


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else float("nan")


def confusion(kinds: NDArray[np.intp], found: NDArray[np.intp]) -> list[list[int]]:
    """Rows: the readers' kind; columns: the answer, the last one "not determined"."""
    order = [*range(len(KINDS)), -1]
    return [[int(((kinds == k) & (found == a)).sum()) for a in order] for k in range(len(KINDS))]


def figures(
    given: NDArray[np.float64],
    kinds: NDArray[np.intp],
    patients: Sequence[str],
    model: dict[str, Any],
    *,
    rounds: int = 1000,
) -> dict[str, Any]:
    """Balanced accuracies, shares called right and right of those called, confusion table; see the names."""
    found = answers(given, model)

    def all_of(rows: NDArray[np.intp]) -> list[float]:
        truth, answer = kinds[rows], found[rows]
        sure = answer >= 0
        likeliest = even[rows].argmax(axis=1)
        recalls = [_share(answer[truth == k] == k) for k in range(len(KINDS))]
        precisions = [_share(truth[answer == k] == k) for k in range(len(KINDS))]
        scores = [balanced(truth, likeliest), balanced(truth, answer), balanced(truth[sure], answer[sure])]
        return [*scores, float(sure.mean()), _share(answer[sure] == truth[sure]), *recalls, *precisions]

    even = chances(given, model)
    names = (
        "balanced accuracy of the likeliest kind",
        "balanced accuracy, no answer counted as wrong",
        "balanced accuracy where answered",
        "answered",
        "right where answered",
        *(f"{kind} called {kind}" for kind in KINDS),
        *(f"called {kind}, right" for kind in KINDS),
    )
    values = bootstrap.bootstrap_many(all_of, patients, rounds=rounds)
    made: dict[str, Any] = {  # what has no value (of a kind that was never called) is left out
        f"{NAME}, {name}": value for name, value in zip(names, values, strict=True) if np.isfinite(value).all()
    }
    for kind, row in zip(KINDS, confusion(kinds, found), strict=True):
        said = ", ".join(f"{n} {a}" for n, a in zip(row, (*KINDS, "not determined"), strict=True))
        made[f"{NAME}, {kind} were called"] = said
    return made | {f"{NAME}, nodules": len(given)}
