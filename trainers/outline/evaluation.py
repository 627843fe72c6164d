"""Figures of the outline network on readers' outlines it never saw, and of the nodule type on readers' ratings.

Dice per nodule: over all crops of a nodule together, against what at least half of its readers count in. Beside it the
readers themselves, each against the consensus of the others, and the threshold method of `models.nodules.measurement`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer import atomic
from cadviewer.models import runtime
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nodules.nodule_type import KINDS
from cadviewer.models.runtime import Companion
from trainers.config import ConfigError
from trainers.data.ct import lidc_crops, lidc_ratings, samples
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.metrics import bootstrap
from trainers.nodules import types as nodule_types
from trainers.outline import contours
from trainers.outline import figures as outline_figures

OFF_SEED = 7
"""Of the boxes that are off; another one than that of the choices."""


def evaluate(card: ModelCard, data: Path, out: Path, *, split: str, device: str) -> dict[str, dict[str, Any]]:
    """Measure `card` on fold 1 ("test") or fold 2 ("tune"): nodules.csv with every nodule, type.csv, and the figures.

    With "test" the HU slices of three further patients are measured as well, where they are (`evaluate_contours`).
    Returns {set: {figure: (value, low, high)}}; intervals are bootstraps over patients.
    """
    folds = samples.TEST if split == "test" else samples.TUNE
    where = f"fold {', '.join(folds)} ({split})"
    companion = Companion(card, runtime.ready(card, device, batch_size=32))
    crops = lidc_crops.read(data, folds)
    if not crops:
        raise ConfigError(f"{data}: no crops of fold {', '.join(folds)}")
    made = {f"outlines, {where}": figures(crops, companion, out)}
    if "type" in card.calibration and lidc_ratings.holds(data):
        given, kinds, patients = nodule_types.table(lidc_ratings.read(data, folds), companion)
        model = dict(card.calibration["type"])
        _write_types(kinds, nodule_types.answers(given, model), out / "type.csv")
        made[f"types, {where}"] = nodule_types.figures(given, kinds, patients, model)
    if split == "test" and contours.holds(data):
        made["LIDC-IDRI 0001–0003, slices in HU (no part of training)"] = contours.figures(data, companion, out)
    return made


def figures(crops: Sequence[OutlinedCrop], companion: Companion, out: Path, *, rounds: int = 1000) -> dict[str, Any]:
    """Dice per nodule of network, threshold and readers, with what each has of the long axis."""
    truths = [c.consensus for c in crops]
    masks: dict[str, list[NDArray[np.bool_]]] = {}
    views = companion.card.inputs.get("views", {}).get("volume", "one")
    for box, seed in (("readers' box", None), ("box that is off", OFF_SEED)):
        patches = outline_figures.boxes(crops, seed=seed)
        chance = outline_figures.chances(crops, patches, companion.forward, views)
        masks[f"network, {box}"] = outline_figures.masks_at(crops, patches, chance, companion.card.threshold)
        masks[f"threshold, {box}"] = outline_figures.masks_by_threshold(crops, patches)
    values: dict[str, NDArray[np.float64]] = {}
    patients: list[str] = []
    for name, found in masks.items():
        values[f"Dice per nodule, {name}"], patients = outline_figures.dice_per_nodule(crops, found, truths)
    readers, ours, _ = outline_figures.beside_readers(crops, masks["network, readers' box"])
    values["Dice per nodule against the other readers, a reader"] = readers
    values["Dice per nodule against the other readers, network"] = ours
    values["Dice per nodule against the other readers, threshold"] = outline_figures.beside_readers(
        crops, masks["threshold, readers' box"]
    )[1]
    made: dict[str, Any] = {
        "crops": len(crops),
        "nodules": len(patients),
        "patients": len(set(patients)),
    }
    made |= {name: _mean(each, patients, rounds) for name, each in values.items()}
    below = {f"{n}, share under 0.5": v < 0.5 for n, v in values.items() if n.startswith("Dice per nodule, ")}
    made |= {name: _mean(each, patients, rounds) for name, each in below.items()}
    true_long = np.array([outline_figures.long_axis(t) for t in truths])
    for name, found in masks.items():
        ratio = np.array([outline_figures.long_axis(m) for m in found]) / true_long - 1
        each = [c.patient for c in crops]
        made[f"long axis against the consensus's, relative difference, {name}"] = _mean(ratio, each, rounds)
        made[f"long axis against the consensus's, absolute relative difference, {name}"] = _mean(
            np.abs(ratio), each, rounds
        )
    _write_nodules(crops, values, out / "nodules.csv")
    return made


def _mean(values: NDArray[Any], patients: Sequence[str], rounds: int) -> bootstrap.Figure:
    return bootstrap.bootstrap(lambda rows: float(values[rows].mean()), patients, rounds=rounds)


def _write_nodules(crops: Sequence[OutlinedCrop], values: Mapping[str, NDArray[np.float64]], path: Path) -> None:
    names = list(dict.fromkeys((c.patient, c.nodule) for c in crops))
    with atomic.text(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(("patient", "nodule", *values))
        for k, name in enumerate(names):
            writer.writerow((*name, *(f"{v[k]:.4f}" for v in values.values())))


def _write_types(kinds: NDArray[np.intp], found: NDArray[np.intp], path: Path) -> None:
    with atomic.text(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(("readers say", *KINDS, "not determined"))
        for kind, row in zip(KINDS, nodule_types.confusion(kinds, found), strict=True):
            writer.writerow((kind, *row))
