"""Differences between two breast models on the same images, with intervals over patients; see
`trainers.metrics.paired`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.breast.figures import auc
from trainers.metrics import bootstrap
from trainers.metrics.bootstrap import Figure

NAMES = ("AUC", "Dice")
"""What is compared; Dice only where both draw masks."""


@dataclass(frozen=True)
class Said:
    """What a model said of one image with a lesion: patient, truth, probability, Dice (NaN without a mask)."""

    patient: str
    malignant: bool
    probability: float
    dice: float


def read(path: Path, name: str) -> dict[str, Said]:
    """Image → what was said of it, from the images.csv that `evaluate_breast` wrote, of the set `name`."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {
            row["name"]: Said(
                row["patient"],
                row["malignant"] == "True",
                float(row["probability"]),
                float(row["dice"]) if row["dice"] else math.nan,
            )
            for row in csv.DictReader(stream)
            if row["set"] == name and row["normal"] != "True"
        }


def differences(first: Mapping[str, Said], other: Mapping[str, Said], *, rounds: int = 1000) -> dict[str, Figure]:
    """Figures of `other` less those of `first`, by `NAMES`, on images that both were shown; 95 % over patients."""
    names = sorted(first.keys() & other.keys())
    if not names:
        return {}
    truth = np.array([first[n].malignant for n in names])
    patients = [first[n].patient for n in names]
    one, two = (np.array([said[n].probability for n in names]) for said in (first, other))
    gain = np.array([other[n].dice - first[n].dice for n in names])

    def figures(rows: NDArray[np.intp]) -> list[float]:
        return [auc(two[rows], truth[rows]) - auc(one[rows], truth[rows]), float(gain[rows].mean())]

    made = dict(zip(NAMES, bootstrap.bootstrap_many(figures, patients, rounds=rounds), strict=True))
    return {name: figure for name, figure in made.items() if math.isfinite(figure[0])}
