"""`cadviewer-train views`: in which views an image is best shown to a breast model, and whether several models pay.

Each image of the tune fold is shown to each model once per view; all that is compared is made from these outputs, by
the code that `annotate` uses, and on the same redrawn patients. What is chosen here is chosen on the tune fold alone.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cadviewer import atomic
from cadviewer.models import runtime
from cadviewer.models.breast import analysis as breast
from cadviewer.models.breast.analysis import InputView, Seen
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.runtime import Forward
from trainers.breast.calibration import fit_platt
from trainers.breast.figures import auc
from trainers.config import ConfigError
from trainers.data.ultrasound.cases import UltrasoundCase
from trainers.data.ultrasound.sets import own_cases, own_set
from trainers.metrics import bootstrap
from trainers.metrics.bootstrap import Figure

CANDIDATES: Mapping[str, tuple[InputView, ...]] = {
    "one": (InputView(),),
    "mirrored": (InputView(), InputView(True)),
    "smaller": (InputView(), InputView(zoom=0.87)),
    "mirrored, smaller": (InputView(), InputView(True), InputView(zoom=0.87), InputView(True, 0.87)),
    "mirrored, larger": (InputView(), InputView(True), InputView(zoom=1.15), InputView(True, 1.15)),
    "mirrored, three sizes": tuple(InputView(flip, zoom) for zoom in (1.0, 0.87, 1.15) for flip in (False, True)),
}
"""Sets of views, by name."""

EVERY = CANDIDATES["mirrored, three sizes"]
"""Every view that is in one of them."""

NAMES = ("AUC", "Dice", "Brier")
TIMED = 9


@dataclass(frozen=True)
class Tried:
    """One choice of models and views.

    logits, spreads, dices: of each image. milliseconds: of CPU time for an image, its pixels given.
    figures: by `NAMES`, with their intervals; differences: of them to the first choice, on the same patients.
    """

    models: str
    views: str
    logits: NDArray[np.float64]
    spreads: NDArray[np.float64]
    dices: NDArray[np.float64]
    milliseconds: float
    figures: Mapping[str, Figure]
    differences: Mapping[str, Figure]


def run(cards: Sequence[ModelCard], data: Path, out: Path, *, device: str, limit: int = 0) -> list[Tried]:
    """Try all sets of views with each model and with the mean of them all; write `views.md`, `.json` and `.csv`.

    limit: at most so many images, evenly chosen; 0 for all. Raises ConfigError for models that make no mask.
    """

    folds = cards[0].training.get("settings", {}).get("tune_folds", [4])
    for card in cards:
        if set(folds) & set(card.training.get("settings", {}).get("train_folds", ())):
            raise ConfigError(f"{card.name} was trained on the images that the models are compared on")
    cases = own_cases(data, folds)
    if limit and len(cases) > limit:
        cases = [cases[k * len(cases) // limit] for k in range(limit)]
    members = [(card, runtime.ready(card, device)) for card in cards]
    out.mkdir(parents=True, exist_ok=True)
    choices = {name: [k] for k, name in enumerate(_names(cards))}
    if len(cards) > 1:
        choices["mean of all"] = list(range(len(cards)))
    tried = try_all(cases, members, choices)
    write(tried, cases, own_set(data)[0], out)
    return tried


def _names(cards: Sequence[ModelCard]) -> list[str]:
    """Names that differ: with the folder, where two cards are called alike."""
    alike = len({c.name for c in cards}) < len(cards)
    return [f"{c.folder.name}/{c.name}" if alike else c.name for c in cards]


def try_all(
    cases: Sequence[UltrasoundCase],
    members: Sequence[tuple[ModelCard, Forward]],
    choices: Mapping[str, Sequence[int]],
    rounds: int = 1000,
) -> list[Tried]:
    """Each choice of members (indices) with each set of views, on all cases."""
    pairs = [(models, views) for models in choices for views in CANDIDATES]
    logits, spreads, dices = (np.zeros((len(pairs), len(cases))) for _ in range(3))
    for column, case in enumerate(cases):
        gray, truth = case.read()
        seen = [breast.look(gray, forward, card.inputs, EVERY) for card, forward in members]
        for row, (models, views) in enumerate(pairs):
            chosen = [s for k in choices[models] for s in seen[k] if s.view in CANDIDATES[views]]
            logits[row, column], spreads[row, column], dices[row, column] = _of_image(chosen, truth)
    spent = {k: _milliseconds(cases[:TIMED], *members[k]) for k in range(len(members))}
    label = np.array([bool(c.malignant) for c in cases])
    patients = [c.patient for c in cases]
    brier = [(cross_fitted(row, label, patients) - label) ** 2 for row in logits]

    def figures(i: NDArray[np.intp]) -> NDArray[np.float64]:
        every = [(auc(logits[k][i], label[i]), dices[k][i].mean(), brier[k][i].mean()) for k in range(len(pairs))]
        return np.concatenate([np.array(every), np.array(every) - every[0]]).ravel()

    made = bootstrap.bootstrap_many(figures, patients, rounds=rounds)
    rows = [dict(zip(NAMES, made[k : k + len(NAMES)], strict=True)) for k in range(0, len(made), len(NAMES))]
    return [
        Tried(
            models,
            views,
            logits[k],
            spreads[k],
            dices[k],
            sum(spent[m][views] for m in choices[models]),
            rows[k],
            rows[k + len(pairs)],
        )
        for k, (models, views) in enumerate(pairs)
    ]


def _of_image(seen: Sequence[Seen], truth: NDArray[np.uint8]) -> tuple[float, float, float]:
    """(logit, spread, Dice) of one image."""
    reading = breast.combine(seen, (int(truth.shape[0]), int(truth.shape[1])))
    if reading.mask is None:
        raise ConfigError("views are compared for models that outline the lesion")
    mask, true = breast.lesions(reading.mask) > 0, truth > 0
    return reading.logit, reading.spread, 2 * int((mask & true).sum()) / max(1, int(mask.sum()) + int(true.sum()))


def cross_fitted(
    logits: NDArray[np.float64], label: NDArray[np.bool_], patients: Sequence[str], parts: int = 5
) -> NDArray[np.float64]:
    """Calibrated probability of each image, by a fit on the patients of the other parts."""
    _, number = np.unique(patients, return_inverse=True)
    probability = np.zeros(len(logits))
    for part in range(parts):
        held = number % parts == part
        slope, bias = fit_platt(logits[~held], label[~held].astype(float))
        probability[held] = expit(slope * logits[held] + bias)
    return probability


def _milliseconds(cases: Sequence[UltrasoundCase], card: ModelCard, forward: Forward) -> dict[str, float]:
    """CPU time of one image, by set of views: of all threads of this process, whatever else the machine does."""
    images = [case.gray() for case in cases]
    breast.look(images[0], forward, card.inputs, EVERY)  # the first one is slower
    spent = {}
    for name, shown in CANDIDATES.items():
        times = []
        for gray in images:
            began = time.process_time()
            size = (int(gray.shape[0]), int(gray.shape[1]))
            breast.combine(breast.look(gray, forward, card.inputs, shown), size)
            times.append(1000 * (time.process_time() - began))
        spent[name] = min(times)  # the others were disturbed by whatever else runs
    return spent


def table(tried: Sequence[Tried]) -> str:
    """As Markdown: figures of each choice, and what they differ from the first."""
    heads = [*NAMES[:2], "AUC less the first", "Dice less the first", "Brier", "Brier less the first"]
    lines = [f"| models | views | {' | '.join(heads)} | spread | CPU ms |", "|---" * (len(heads) + 4) + "|"]
    for t in tried:
        cells = [bootstrap.text(t.figures[n]) for n in NAMES[:2]]
        cells += [_signed(t.differences[n]) for n in NAMES[:2]]
        cells += [bootstrap.text(t.figures["Brier"]), _signed(t.differences["Brier"], 4)]
        lines.append(
            f"| {t.models} | {t.views} | {' | '.join(cells)} | {np.median(t.spreads):.2f} | {t.milliseconds:.0f} |"
        )
    return "\n".join(lines)


def _signed(figure: Figure, digits: int = 3) -> str:
    value, low, high = figure
    return f"{value:+.{digits}f} [{low:+.{digits}f}–{high:+.{digits}f}]"


def write(tried: Sequence[Tried], cases: Sequence[UltrasoundCase], name: str, out: Path) -> None:
    """The tables of a comparison: figures as Markdown and JSON, and what each choice said of each image."""
    first = f"{len(cases)} images of {len({c.patient for c in cases})} patients of {name}, tune fold"
    atomic.write_text(out / "views.md", f"{first}\n\n{table(tried)}\n")
    content: list[dict[str, Any]] = [
        {
            "models": t.models,
            "views": t.views,
            "cpu_milliseconds": round(t.milliseconds, 1),
            "median_spread": round(float(np.median(t.spreads)), 4),
            "figures": {k: [round(v, 5) for v in f] for k, f in t.figures.items()},
            "differences": {k: [round(v, 5) for v in f] for k, f in t.differences.items()},
        }
        for t in tried
    ]
    atomic.write_text(out / "views.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    with atomic.text(out / "views.csv") as stream:
        writer = csv.writer(stream)
        writer.writerow(["models", "views", "image", "patient", "malignant", "logit", "spread", "dice"])
        for t in tried:
            for k, case in enumerate(cases):
                values = (f"{v[k]:.5f}" for v in (t.logits, t.spreads, t.dices))
                writer.writerow([t.models, t.views, case.name, case.patient, int(bool(case.malignant)), *values])
