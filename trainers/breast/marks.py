"""`cadviewer-train marks`: what burned-in calipers and text do to the score of a breast model.

Sonographers mark what they measure, and what they think suspicious more often: a network can lean on that. Each image
is analysed as it is and again with marks painted in (or with its own calipers painted over), by the code that
`annotate` uses; what changes is the effect of the marks, since the tissue stays the same.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer import atomic
from cadviewer.models import runtime
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.runtime import Forward
from trainers.breast import plots as plots_breast
from trainers.breast.evaluation import measure_pixels, sets
from trainers.breast.figures import Figure, auc, intervals, share
from trainers.data.ultrasound.augmentation import Gray, paint_calipers, paint_text
from trainers.data.ultrasound.cases import UltrasoundCase

FOUND, SECOND = 0.72, 0.5
"""Correlation with a cross from which a caliper is found, and from which another one in the same image is."""

WEAKEST = 110
"""Gray value that every pixel of a cross has at least."""


@dataclass(frozen=True)
class Change:
    """One image, analysed as it is and changed in one way."""

    set: str
    way: str
    name: str
    patient: str
    malignant: bool
    before: float
    after: float
    call_before: str
    call_after: str
    dice_before: float
    dice_after: float


Way = Callable[[Gray, Gray, np.random.Generator], Gray | None]
"""From an image, the mask of its lesion and a generator to the changed image; None where there is nothing to change."""


def calipers_on_lesion(gray: Gray, truth: Gray, generator: np.random.Generator) -> Gray | None:
    """Two pairs of calipers where a sonographer sets them: at the ends of the lesion's width and of its depth."""
    rows, columns = np.nonzero(truth)
    if not len(rows):
        return None
    marked = gray.copy()
    y, x = int(rows.mean()), int(columns.mean())
    paint_calipers(marked, (int(columns.min()), y), (int(columns.max()), y), generator)
    paint_calipers(marked, (x, int(rows.min())), (x, int(rows.max())), generator)
    return marked


def calipers_elsewhere(gray: Gray, truth: Gray, generator: np.random.Generator) -> Gray | None:
    """The same two pairs, somewhere else: the size of the lesion, in tissue as far from it as of several tries."""
    rows, columns = np.nonzero(truth)
    if not len(rows):
        return None
    height, width = (int(np.ptp(v)) + 1 for v in (rows, columns))
    tries = [
        (
            int(generator.integers(0, max(1, gray.shape[0] - height))),
            int(generator.integers(0, max(1, gray.shape[1] - width))),
        )
        for _ in range(8)
    ]
    top, left = min(tries, key=lambda t: int(truth[t[0] : t[0] + height, t[1] : t[1] + width].sum()))
    moved = np.zeros_like(truth)
    moved[top : top + height, left : left + width] = 1
    return calipers_on_lesion(gray, moved, generator)


def text(gray: Gray, truth: Gray, generator: np.random.Generator) -> Gray | None:
    """Two lines of a machine's lettering, above and below the middle."""
    marked = gray.copy()
    rows, columns = gray.shape
    for share_of in (0.12, 0.92):
        paint_text(marked, (int(generator.integers(0, max(1, columns // 2))), max(9, int(share_of * rows))), generator)
    return marked


def painted_over(gray: Gray, truth: Gray, generator: np.random.Generator) -> Gray | None:
    """The image's own calipers filled in from around them (Telea 2004); None where none is found."""
    marks = find_crosses(gray)
    if not marks.any():
        return None
    return np.asarray(cv2.inpaint(gray, marks, 3, cv2.INPAINT_TELEA), np.uint8)


WAYS: Mapping[str, Way] = {
    "calipers on the lesion": calipers_on_lesion,
    "calipers elsewhere": calipers_elsewhere,
    "text": text,
    "own calipers painted over": painted_over,
}


def find_crosses(gray: Gray) -> NDArray[np.uint8]:
    """Mask (0 or 1) of "+" calipers and of the bright strokes beside them (their numbers); empty where none is sure.

    For images such as BUS-BRA's, whose crosses are 5 to 9 pixels wide at a longer side of 256. Other marks are left.
    """
    scale = max(1.0, max(gray.shape) / 256)
    best, arms = np.zeros(gray.shape, np.float32), np.zeros(gray.shape, np.int32)
    for size in (5, 7, 9):
        arm = max(2, round(size * scale / 2))
        template = np.zeros((2 * arm + 3, 2 * arm + 3), np.uint8)
        template[arm + 1, 1:-1] = template[1:-1, arm + 1] = 255
        if min(gray.shape) <= template.shape[0]:
            continue
        match = cv2.matchTemplate(gray, template, cv2.TM_CCOEFF_NORMED)
        inner = np.s_[arm + 1 : arm + 1 + match.shape[0], arm + 1 : arm + 1 + match.shape[1]]
        better = match > best[inner]
        best[inner][better], arms[inner][better] = match[better], arm
    peaks = best == cv2.dilate(best, np.ones((7, 7), np.uint8))
    found = np.zeros(gray.shape, np.uint8)
    sure = [p for p in np.argwhere(peaks & (best >= FOUND)) if _bright(gray, p, int(arms[tuple(p)]))]
    if not sure:
        return found
    strokes = cv2.morphologyEx(gray, cv2.MORPH_TOPHAT, np.ones((5, 5), np.uint8)) > 50
    for y, x in (p for p in np.argwhere(peaks & (best >= SECOND)) if _bright(gray, p, int(arms[tuple(p)]))):
        arm = int(arms[y, x])
        cv2.line(found, (int(x - arm), int(y)), (int(x + arm), int(y)), 1)
        cv2.line(found, (int(x), int(y - arm)), (int(x), int(y + arm)), 1)
        near = np.s_[max(0, y - 3 * arm) : y + 3 * arm + 1, max(0, x - 3 * arm) : x + 3 * arm + 1]
        found[near] |= (strokes[near] & (gray[near] > WEAKEST)).astype(np.uint8)
    return np.asarray(cv2.dilate(found, np.ones((3, 3), np.uint8)), np.uint8)


def _bright(gray: Gray, place: NDArray[np.intp], arm: int) -> bool:
    y, x = int(place[0]), int(place[1])
    across, down = gray[y, max(0, x - arm) : x + arm + 1], gray[max(0, y - arm) : y + arm + 1, x]
    return arm > 0 and int(min(across.min(), down.min())) >= WEAKEST


def changes(
    name: str, cases: Sequence[UltrasoundCase], forward: Forward, card: ModelCard, seed: int = 0
) -> list[Change]:
    """Every image with a lesion, in every way that applies to it. Each image has a seed of its own."""
    found = []
    for number, case in enumerate(c for c in cases if not c.normal):
        gray, truth = case.read()
        before = measure_pixels(name, case, gray, truth, forward, card)
        for k, (way, change) in enumerate(WAYS.items()):
            marked = change(gray, truth, np.random.default_rng([seed, number, k]))
            if marked is None:
                continue
            after = measure_pixels(name, case, marked, truth, forward, card)
            found.append(
                Change(
                    name,
                    way,
                    case.name,
                    case.patient,
                    bool(case.malignant),
                    before.probability,
                    after.probability,
                    before.call,
                    after.call,
                    before.dice,
                    after.dice,
                )
            )
    return found


def figures(part: Sequence[Change], threshold: float, rounds: int = 1000) -> dict[str, Any]:
    """How much the score changes, with 95 % intervals over patients.

    flips: images on the other side of the threshold; calls_changed: images with another call.
    """
    before, after = np.array([c.before for c in part]), np.array([c.after for c in part])
    malignant = np.array([c.malignant for c in part])
    dice = np.array([c.dice_after - c.dice_before for c in part])
    flips = (before >= threshold) != (after >= threshold)
    other = np.array([c.call_before != c.call_after for c in part])
    every = np.ones(len(part), bool)
    wanted: dict[str, Figure] = {
        "change": share(after - before, every),
        "change_malignant": share(after - before, malignant),
        "change_benign": share(after - before, ~malignant),
        "absolute_change": share(np.abs(after - before), every),
        "flips": share(flips, every),
        "calls_changed": share(other, every),
        "auc_before": lambda i: auc(before[i], malignant[i]),
        "auc_after": lambda i: auc(after[i], malignant[i]),
        "auc_change": lambda i: auc(after[i], malignant[i]) - auc(before[i], malignant[i]),
        "dice_change": share(dice, every),
    }
    counts = {"images": len(part), "patients": len({c.patient for c in part})}
    return {**counts, **intervals(wanted, [c.patient for c in part], rounds)}


def run(
    card: ModelCard, data: Path, out: Path, *, split: str, device: str, limit: int = 0
) -> dict[str, dict[str, Any]]:
    """Measure and write `marks.csv` (one row per image and way), `marks.json` and a plot per set into `out`.

    limit: at most so many images with a lesion per set, evenly chosen; 0 for all.
    """

    forward = runtime.ready(card, device)
    out.mkdir(parents=True, exist_ok=True)
    every: list[Change] = []
    made: dict[str, dict[str, Any]] = {}
    for number, (name, cases) in enumerate(sets(data, split, card).items()):
        cases = [c for c in cases if not c.normal]
        if limit and len(cases) > limit:
            cases = [cases[k * len(cases) // limit] for k in range(limit)]
        part = changes(name, cases, forward, card)
        every.extend(part)
        shown = {}
        for way in WAYS:
            some = [c for c in part if c.way == way]
            if len(some) >= 5:
                made[f"{name}: {way}"] = figures(some, card.threshold)
                shown[way] = ([c.before for c in some], [c.after for c in some])
        plots_breast.draw_changes(shown, out / f"marks-{number}.png", threshold=card.threshold, title=name)
        _write(every, made, card, split, out)  # after each set: a run takes long
    return made


def _write(every: Sequence[Change], made: Mapping[str, Any], card: ModelCard, split: str, out: Path) -> None:
    with atomic.text(out / "marks.csv") as stream:
        writer = csv.DictWriter(stream, [f.name for f in dataclasses.fields(Change)])
        writer.writeheader()
        for change in every:
            row = dataclasses.asdict(change)
            writer.writerow({k: f"{v:.5f}" if isinstance(v, float) else v for k, v in row.items()})
    content = json.dumps({"model": card.name, "split": split, "figures": made}, indent=1, ensure_ascii=False)
    atomic.write_text(out / "marks.json", content + "\n")
