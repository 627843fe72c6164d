"""Pictures of the figures of a breast model: ROC with its band, subgroups, what burned-in marks do to the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainers.breast.figures import Subgroup
from trainers.metrics import bootstrap
from trainers.metrics.plots import COLOURS, DASHES, Band, finish, new_figure, save

GRID = tuple(float(v) for v in np.linspace(0, 1, 51))
SHOWN = ("auc", "balanced_accuracy", "dice")
NAMES = {"auc": "ROC-AUC", "balanced_accuracy": "balanced accuracy", "dice": "Dice"}


def roc_band(
    score: NDArray[np.float64], label: NDArray[np.bool_], patients: Sequence[str], *, rounds: int = 300
) -> Band:
    """Sensitivity at false positive rates 0…1 with bootstrapped ends, whole patients drawn."""

    def sensitivity(i: NDArray[np.intp]) -> ArrayLike:
        s, positive = score[i], label[i]
        if positive.all() or not positive.any():
            return np.full(len(GRID), np.nan)
        # At a false positive rate f, the cut lies above all but a share f of the benign: those at or above are called.
        cuts = np.quantile(s[~positive], 1 - np.array(GRID), method="higher")
        called = (s[positive][None] > cuts[:, None]).mean(axis=1)
        called[-1] = 1.0
        return np.asarray(called)

    value, low, high = np.array(bootstrap.bootstrap_many(sensitivity, patients, rounds=rounds), float).T
    return Band(np.array(GRID), value, low, high)


def draw_roc(
    curves: Mapping[str, Band], path: Path, *, marks: Mapping[str, tuple[float, float]] | None = None, title: str = ""
) -> None:
    """ROC curves with 95 % bands; marks: (false positive rate, sensitivity) of each at the threshold in use."""
    figure, axes = new_figure(title)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    for k, (name, band) in enumerate(curves.items()):
        colour = COLOURS[k % len(COLOURS)]
        axes.plot(band.rates, band.value, color=colour, linestyle=DASHES[k % len(DASHES)], label=name)
        axes.fill_between(band.rates, band.low, band.high, color=colour, alpha=0.12, linewidth=0)
        if marks and name in marks:
            axes.plot(*([v] for v in marks[name]), marker="os^Dv"[k % 5], color=colour, linestyle="none")
    axes.set_xlim(0, 1)
    finish(axes, "false positive rate", "sensitivity", legend=True)
    save(figure, path)


def draw_subgroups(groups: Sequence[Subgroup], path: Path, *, title: str = "") -> None:
    """AUC, balanced accuracy and Dice of each subgroup with their intervals; nothing where there is no subgroup."""
    if not groups:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 0.36 * len(groups) + 1.5), dpi=110, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    rows = np.arange(len(groups))[::-1]
    for k, (axes, name) in enumerate(zip(figure.subplots(1, len(SHOWN), sharey=True), SHOWN, strict=True)):
        unknown = (np.nan, np.nan, np.nan)  # a network without a mask has no Dice
        value, low, high = np.array([g.figures.get(name, unknown) for g in groups], float).T
        known = np.isfinite(value)
        reach = np.clip([value - low, high - value], 0, None)[:, known]
        axes.errorbar(value[known], rows[known], xerr=reach, fmt="o", color=COLOURS[k], capsize=2, markersize=4)
        axes.set_xlim(0.3, 1.005)
        axes.set_xlabel(NAMES[name])
        axes.grid(alpha=0.25)
        axes.set_yticks(rows, [f"{g.kind} {g.value}  ({g.images}, {g.malignant} m)" for g in groups], fontsize=8)
    save(figure, path)


def draw_changes(
    changes: Mapping[str, tuple[ArrayLike, ArrayLike]], path: Path, *, threshold: float, title: str = ""
) -> None:
    """Score after over score before, for each way of marking; dotted: the threshold, where a call would flip."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * max(1, len(changes)), 3.7), dpi=110, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    for k, (axes, (name, (before, after))) in enumerate(
        zip(figure.subplots(1, max(1, len(changes)), squeeze=False)[0], changes.items(), strict=False)
    ):
        style: dict[str, Any] = {"color": "#999999", "linewidth": 0.8}
        axes.plot([0, 1], [0, 1], **style)
        axes.axhline(threshold, linestyle=":", **style)
        axes.axvline(threshold, linestyle=":", **style)
        axes.plot(np.asarray(before), np.asarray(after), ".", color=COLOURS[k % len(COLOURS)], markersize=4, alpha=0.6)
        axes.set_title(name, fontsize=9)
        axes.set_xlim(0, 1)
        finish(axes, "score as it is", "score after", legend=False)
    save(figure, path)
