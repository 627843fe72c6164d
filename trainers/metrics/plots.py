"""Pictures of figures: FROC, precision over recall, reliability, examples. PNG by Matplotlib, imported when drawn.

Figures are made without pyplot, so nothing global is touched and a process without a screen can draw. Colours are those
of Okabe and Ito (safe for colour-blind readers); lines also differ by dash, boxes by dash and label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cadviewer import atomic
from trainers.metrics import bootstrap, froc
from trainers.metrics.froc import Curve, Floats, Interpolation, Matched, Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
TRUTH, MARK = "#E69F00", "#56B4E9"
Kind = Literal["hit", "loose", "miss", "false alarm"]
GRID = tuple(float(r) for r in 2.0 ** np.linspace(-3, 3, 49))
"""Rates at which a FROC is drawn with its band: 1/8…8, eight to an octave."""


@dataclass(frozen=True)
class Band:
    """Sensitivity at rates with the ends of its 95 % interval; all of one length."""

    rates: Floats
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Example:
    """One place on a slice worth looking at.

    image: (rows, columns) 8-bit; box: what it is about; truth: (t, 4), marks: (m, 4) with scores (m,), all in edge
    coordinates of the image; caption: without the name of a patient.
    """

    kind: Kind
    image: NDArray[np.uint8]
    box: Floats
    truth: Floats
    marks: Floats
    scores: Floats
    caption: str = ""


def froc_band(
    matched: Matched,
    groups: Sequence[str] | None = None,
    *,
    rates: Sequence[float] = GRID,
    interpolation: Interpolation = "linear",
    rounds: int = 300,
    seed: int = 0,
) -> Band:
    """The FROC at a grid of rates with bootstrapped ends, whole `groups` (patients) drawn; None: single units."""
    drawn = list(groups) if groups is not None else list(range(matched.units))
    made = bootstrap.bootstrap_many(
        lambda rows: froc.sensitivity_at(froc.froc(matched, rows), rates, interpolation=interpolation),
        drawn,
        rounds=rounds,
        seed=seed,
    )
    value, low, high = np.array(made, float).T
    return Band(np.asarray(rates, float), value, low, high)


def draw_froc(
    curves: Mapping[str, Band | Curve],
    path: Path,
    *,
    per: str = "slice",
    title: str = "",
    interpolation: str = "linear",
) -> None:
    """FROC curves: sensitivity over false alarms per slice or scan, from 1/8 to 8 on a scale of octaves."""
    figure, axes = new_figure(title)
    for k, (name, curve) in enumerate(curves.items()):
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "linestyle": DASHES[k % len(DASHES)]}
        if isinstance(curve, Band):
            axes.plot(curve.rates, curve.value, label=name, **style)
            axes.fill_between(curve.rates, curve.low, curve.high, color=style["color"], alpha=0.15, linewidth=0)
        else:
            how: Interpolation = "step" if interpolation == "step" else "linear"
            axes.plot(GRID, froc.sensitivity_at(curve, GRID, interpolation=how), label=name, **style)
    axes.set_xscale("log", base=2)
    axes.set_xlim(1 / 8, 8)
    axes.set_xticks(froc.RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.minorticks_off()
    finish(axes, f"false alarms per {per}", "sensitivity", legend=len(curves) > 1)
    save(figure, path)


def draw_precision_recall(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    path: Path,
    *,
    title: str = "",
    mark: tuple[float, float] | None = None,
) -> None:
    """Precision over recall of each (precision, recall); mark: (precision, recall) at the threshold in use."""
    figure, axes = new_figure(title)
    for k, (name, (precision, recall)) in enumerate(curves.items()):
        axes.plot(
            np.asarray(recall, float),
            np.asarray(precision, float),
            color=COLOURS[k % len(COLOURS)],
            linestyle=DASHES[k % len(DASHES)],
            label=name,
        )
    if mark is not None:
        axes.plot([mark[1]], [mark[0]], marker="o", color="#000000", linestyle="none", label="threshold")
    axes.set_xlim(0, 1)
    finish(axes, "recall", "precision", legend=len(curves) > 1 or mark is not None)
    save(figure, path)


def reliability(
    probabilities: ArrayLike, truth: ArrayLike, *, bins: int = 10
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Mean probability, observed share and count of each of `bins` groups of equal size (fewer for few cases)."""
    p, t = np.asarray(probabilities, float), np.asarray(truth, float)
    groups = np.array_split(np.argsort(p, kind="stable"), max(1, min(bins, len(p))))
    groups = [g for g in groups if len(g)]
    count = np.array([len(g) for g in groups], np.intp)
    return np.array([p[g].mean() for g in groups]), np.array([t[g].mean() for g in groups]), count


def draw_reliability(
    sets: Mapping[str, tuple[ArrayLike, ArrayLike]], path: Path, *, title: str = "", bins: int = 10
) -> None:
    """Observed share over predicted probability of each (probabilities, truth), with 95 % Wilson intervals."""
    figure, axes = new_figure(title)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    for k, (name, (probabilities, truth)) in enumerate(sets.items()):
        mean, share, count = reliability(probabilities, truth, bins=bins)
        low, high = wilson(share, count)
        axes.errorbar(
            mean,
            share,
            yerr=np.clip([share - low, high - share], 0, None),
            marker="os^Dv"[k % 5],
            linestyle=DASHES[k % len(DASHES)],
            color=COLOURS[k % len(COLOURS)],
            capsize=2,
            label=f"{name} ({int(count.sum())})",
        )
    axes.set_xlim(0, 1)
    finish(axes, "predicted probability", "observed share", legend=True)
    save(figure, path)


def wilson(share: Floats, count: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Ends of the 95 % interval of a share of `count` cases (Wilson 1927)."""
    z = 1.959964
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return middle - half, middle + half


def choose_examples(
    slices: Sequence[Slice],
    images: Sequence[NDArray[np.uint8]],
    threshold: float,
    *,
    names: Sequence[str] | None = None,
    least_iou: float = 0.5,
    each: int = 6,
) -> list[Example]:
    """The surest hits, loose boxes and false alarms, and the nodules missed most clearly, `each` of a kind.

    Marks of at least `threshold` count. A hit overlaps a nodule by `least_iou`; a loose box only lies on one (by the
    rule of LUNA16 in the plane), which costs overlap but is no false alarm to a reader; a nodule with neither is
    missed.
    Of a slice at most one example of each kind is taken. images: one per slice; names: captions.
    """
    found: dict[Kind, list[tuple[float, Example]]] = {"hit": [], "loose": [], "miss": [], "false alarm": []}
    for k, (one, image) in enumerate(zip(slices, images, strict=True)):
        boxes, truth = (np.asarray(b, float).reshape(-1, 4) for b in (one.boxes, one.nodules))
        scores = np.asarray(one.scores, float).reshape(-1)
        kept = scores >= threshold
        hit = froc.hit_table(boxes, truth, least_iou=least_iou)
        near = froc.hit_table(boxes, truth, rule="centre") & ~hit[kept].any(axis=0)
        touched = (hit | froc.hit_table(boxes, truth, rule="centre")).any(axis=1)
        spared = froc.hit_table(boxes, one.ignored, least_iou=froc.IGNORED_IOU).any(axis=1)
        missed = ~(hit | near)[kept].any(axis=0)
        ranked: dict[Kind, list[tuple[float, Floats]]] = {
            "hit": [(scores[i], truth[hit[i].argmax()]) for i in np.flatnonzero(kept & hit.any(axis=1))],
            "loose": [(scores[i], truth[near[i].argmax()]) for i in np.flatnonzero(kept & near.any(axis=1))],
            "miss": [(-_best(scores, hit[:, j] | near[:, j]), truth[j]) for j in np.flatnonzero(missed)],
            "false alarm": [(scores[i], boxes[i]) for i in np.flatnonzero(kept & ~touched & ~spared)],
        }
        for kind, places in ranked.items():
            if places:
                score, box = max(places, key=lambda place: place[0])
                caption = names[k] if names else ""
                found[kind].append((score, Example(kind, image, box, truth, boxes[kept], scores[kept], caption)))
    return [e for kind in found for _, e in sorted(found[kind], key=lambda item: -item[0])[:each]]


def draw_examples(
    examples: Sequence[Example], path: Path, *, side: int = 64, columns: int = 6, title: str = ""
) -> None:
    """A sheet of crops of `side` px: truth in solid orange, marks in dashed blue with their score.

    A row per kind and as many more as it needs; nothing is drawn when there is no example.
    """
    if not examples:
        return
    kinds = list(dict.fromkeys(e.kind for e in examples))
    rows: list[list[Example]] = []
    for kind in kinds:
        own = [e for e in examples if e.kind == kind]
        rows += [own[i : i + columns] for i in range(0, len(own), columns)]
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(1.9 * columns, 2.15 * len(rows) + 0.6), dpi=110, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    truth = Line2D([], [], color=TRUTH, linewidth=1.4, label="truth")
    marks = Line2D([], [], color=MARK, linewidth=1.2, linestyle=(0, (3, 2)), label="mark and its score")
    figure.legend(handles=[truth, marks], loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        for axes, example in zip(line, row, strict=False):
            _draw_example(axes, example, side)
        for axes in line[len(row) :]:
            axes.set_axis_off()
    save(figure, path)


def _best(scores: Floats, hits: NDArray[np.bool_]) -> float:
    """The highest score among the marks that hit, 0 when none does."""
    return float(scores[hits].max()) if hits.any() else 0.0


def _draw_example(axes: Axes, example: Example, side: int) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    rows, columns = example.image.shape
    x0, y0, x1, y1 = example.box
    side = max(side, int(2 * max(x1 - x0, y1 - y0)))
    left, top = (x0 + x1) / 2 - side / 2, (y0 + y1) / 2 - side / 2
    axes.imshow(example.image, cmap="gray", vmin=0, vmax=255, extent=(0, columns, rows, 0), interpolation="nearest")
    axes.set_xlim(left, left + side)
    axes.set_ylim(top + side, top)
    for x0, y0, x1, y1 in example.truth:
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=TRUTH, linewidth=1.4))
    for (x0, y0, x1, y1), score in zip(example.marks, example.scores, strict=True):
        axes.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=MARK, linewidth=1.2, linestyle=(0, (3, 2)))
        )
        above = y0 > top + 0.1 * side  # else the score would be cut off
        axes.text(
            x1,
            y0 if above else y1,
            f"{score:.2f}",
            color=MARK,
            fontsize=7,
            va="bottom" if above else "top",
            clip_on=True,
            path_effects=[withStroke(linewidth=1.5, foreground="black")],  # readable on bright tissue too
        )
    axes.set_facecolor("black")  # beyond the image's edge
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{example.kind} {example.caption}".strip(), fontsize=8)


def new_figure(title: str) -> tuple[Figure, Axes]:
    """A figure of the usual size with one plot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    if title:
        axes.set_title(title, fontsize=11)
    return figure, axes


def finish(axes: Axes, x: str, y: str, *, legend: bool) -> None:
    """Name the axes of a plot whose values lie in 0…1."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(0, 1.005)
    axes.grid(alpha=0.25)
    if legend:
        axes.legend(fontsize=8, frameon=False)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as stream:
        # Without the program's name the same figures give the same file.
        figure.savefig(stream, format=path.suffix[1:], metadata={"Software": None})
