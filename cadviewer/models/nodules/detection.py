"""From prepared slices to boxes: crop to what is not empty, forward, flips, decode, suppress. NumPy alone.

Prepared slices are float32 in 0…1 (a model card's window), at the card's pixel size, 0 outside the lungs: (rows,
columns), or (channels, rows, columns) with the neighbouring slices for 2.5-D input.
`ModelCard.config["boxes"]` gives the default boxes; `ModelCard.calibration` what was chosen on the tune fold:
{"views": {"volume", "single": of `VIEWS`}, "nms": overlap, "floor": least score kept, "keep": most boxes per slice}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cadviewer.models.nodules.boxes import Boxes, Level, decode, default_boxes, iou, levels, suppress
from cadviewer.models.runtime import Forward, Progress, no_progress

Image = NDArray[np.float32]
MULTIPLE = 32
MARGIN = 8
CANDIDATES = 300


@dataclass(frozen=True)
class SliceView:
    """One way to look at a slice: turned upside down, left to right, rows and columns changed, enlarged."""

    down: bool = False
    across: bool = False
    transposed: bool = False
    scale: float = 1.0

    def show(self, image: Image) -> Image:
        """The slice as this view shows it, channel by channel; what is 0 stays 0."""
        if image.ndim == 3:
            return np.stack([self.show(channel) for channel in image])
        seen = image
        if self.scale != 1:
            size = (round(image.shape[1] * self.scale), round(image.shape[0] * self.scale))
            large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
            kept = cv2.resize((image > 0).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            seen = np.asarray(np.where(kept, np.clip(large, 0, 1), 0), np.float32)
        seen = seen.T if self.transposed else seen
        return np.ascontiguousarray(seen[:: -1 if self.down else 1, :: -1 if self.across else 1])

    def back(self, boxes: Boxes, size: tuple[int, int]) -> Boxes:
        """Boxes of the view as boxes of the slice of (rows, columns) `size`."""
        rows, columns = (round(n * self.scale) for n in size)
        seen = (columns, rows) if self.transposed else (rows, columns)
        turned = boxes.copy()
        if self.down:
            turned[:, [1, 3]] = seen[0] - turned[:, [3, 1]]
        if self.across:
            turned[:, [0, 2]] = seen[1] - turned[:, [2, 0]]
        if self.transposed:
            turned = turned[:, [1, 0, 3, 2]]
        factor = np.array([size[1] / columns, size[0] / rows] * 2, np.float32)
        return np.asarray(turned * factor, np.float32)


def _flips(*, transposed: bool = False, scale: float = 1.0) -> tuple[SliceView, ...]:
    return tuple(SliceView(down, across, transposed, scale) for down in (False, True) for across in (False, True))


VIEWS: dict[str, tuple[SliceView, ...]] = {
    "one": (SliceView(),),
    "two": (SliceView(), SliceView(True, True)),
    "four": _flips(),
    "eight": _flips() + _flips(transposed=True),
    "twelve": _flips() + _flips(transposed=True) + _flips(scale=1.25),
}
"""How often a slice is looked at; scores are means over the views. Twelve is for single slices: it takes its time."""


@dataclass(frozen=True)
class Decoding:
    """How network outputs become boxes.

    levels: default boxes; views: how a slice is looked at; nms: overlap above which a box is suppressed; floor: least
    score kept; keep: most boxes per slice.
    """

    levels: tuple[Level, ...]
    views: tuple[SliceView, ...] = VIEWS["four"]
    nms: float = 0.2
    floor: float = 0.01
    keep: int = 50
    softmax: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], calibration: Mapping[str, Any], *, single: bool = False) -> Decoding:
        """The decoding that a model card asks for, for slices of a scan or for a single slice."""
        views = calibration.get("views", {})
        return cls(
            levels(config["boxes"]),
            views=VIEWS[views.get("single" if single else "volume", "four")],
            nms=float(calibration.get("nms", 0.2)),
            floor=float(calibration.get("floor", 0.01)),
            keep=int(calibration.get("keep", 50)),
            softmax=bool(config.get("softmax", False)),
        )


@dataclass(frozen=True)
class SliceMarks:
    """Boxes on one slice, (n, 4) in edge coordinates of the prepared slice, and their scores (n,), falling."""

    boxes: Boxes
    scores: NDArray[np.float32]


NO_MARKS = SliceMarks(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def repair_wrapped(image: NDArray[np.uint8], *, largest: int = 80) -> NDArray[np.uint8]:
    """8-bit slices whose values above white wrapped round to black have black holes in bone and calcium: fill them.

    A hole is a dark spot of at most `largest` pixels with bright pixels all round, where a CT that was clipped would be
    white; bronchi are not as bright around. Returns a new array when something was filled.
    """
    dark = (image < 45).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    filled = image
    rows, columns = image.shape[0], image.shape[1]
    for k in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] <= largest):
        x, y, w, h, area = stats[k]
        if k == 0 or x == 0 or y == 0 or x + w == columns or y + h == rows:
            continue
        window = (slice(y - 1, y + h + 1), slice(x - 1, x + w + 1))
        spot = labels[window] == k
        ring = image[window][cv2.dilate(spot.astype(np.uint8), cross).astype(bool) & ~spot]
        if ring.max() >= 195 and ring.mean() >= (150 if area <= 3 else 115):  # single dark pixels are mostly noise
            if filled is image:
                filled = image.copy()
            filled[window][spot] = 255
    return filled


def occupied(images: Sequence[Image]) -> tuple[int, int, int, int] | None:
    """(y0, x0, y1, x1) of what is above 0 in any of the slices, with a margin; None when all are empty."""
    seen = np.zeros(images[0].shape[-2:], bool)
    for image in images:
        seen |= image > 0 if image.ndim == 2 else (image > 0).any(axis=0)
    ys, xs = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(ys):
        return None
    rows, columns = images[0].shape[-2:]
    return (
        max(int(ys[0]) - MARGIN, 0),
        max(int(xs[0]) - MARGIN, 0),
        min(int(ys[-1]) + 1 + MARGIN, rows),
        min(int(xs[-1]) + 1 + MARGIN, columns),
    )


def detect(
    prepare: Callable[[int], Image],
    count: int,
    forward: Forward,
    decoding: Decoding,
    *,
    progress: Progress = no_progress,
) -> list[SliceMarks]:
    """Marks of `count` prepared slices; `prepare(k)` makes the k-th one, all of one size.

    `progress` is called before the first and after each batch; what it raises ends the run.
    """
    marks: list[SliceMarks] = []
    progress(0, count)
    while len(marks) < count:
        batch = [prepare(k) for k in range(len(marks), min(count, len(marks) + max(1, forward.batch_size)))]
        marks += _detect_batch(batch, forward, decoding)
        progress(len(marks), count)
    return marks


def _detect_batch(images: Sequence[Image], forward: Forward, decoding: Decoding) -> list[SliceMarks]:
    window = occupied(images)
    if window is None:
        return [NO_MARKS] * len(images)
    y0, x0, y1, x1 = window
    cut = [image[..., y0:y1, x0:x1] for image in images]
    found: list[list[SliceMarks]] = [[] for _ in images]
    for view in decoding.views:
        seen = [view.show(image) for image in cut]
        rows, columns = (-(-n // MULTIPLE) * MULTIPLE for n in seen[0].shape[-2:])
        channels = 1 if seen[0].ndim == 2 else len(seen[0])
        batch = np.zeros((len(images), channels, rows, columns), np.float32)
        for k, image in enumerate(seen):
            batch[k, :, : image.shape[-2], : image.shape[-1]] = image
        logits, offsets = forward(batch)
        defaults = default_boxes(decoding.levels, rows, columns)
        for k in range(len(images)):
            marks = _decode(logits[k], offsets[k], defaults, decoding)
            found[k].append(SliceMarks(view.back(marks.boxes, (y1 - y0, x1 - x0)), marks.scores))
    shift = np.array([x0, y0, x0, y0], np.float32)
    return [_join(views, decoding, len(decoding.views), shift) for views in found]


def probability(logits: NDArray[np.float32], *, softmax: bool) -> NDArray[np.float32]:
    """(A, C) scores of the classes without the background."""
    if not softmax:
        return np.asarray(expit(logits), np.float32)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray((raised / raised.sum(axis=1, keepdims=True))[:, 1:], np.float32)


def _decode(
    logits: NDArray[np.float32], offsets: NDArray[np.float32], defaults: Boxes, decoding: Decoding
) -> SliceMarks:
    """The best boxes of one view, in its own coordinates."""
    scores = probability(logits, softmax=decoding.softmax).max(axis=1)
    chosen = np.flatnonzero(scores >= decoding.floor / 4)
    if len(chosen) > CANDIDATES:
        chosen = chosen[np.argpartition(-scores[chosen], CANDIDATES)[:CANDIDATES]]
    return SliceMarks(decode(offsets[chosen], defaults[chosen]), scores[chosen])


def _join(views: Sequence[SliceMarks], decoding: Decoding, count: int, shift: NDArray[np.float32]) -> SliceMarks:
    """One list of marks from several views: suppressed in each, then joined; a mark's score is its mean over views."""
    single = [suppress(v.boxes, v.scores, decoding.nms, keep=decoding.keep * 2) for v in views]
    boxes = np.concatenate([b for b, _ in single])
    scores = np.concatenate([s for _, s in single])
    if count > 1 and len(boxes):
        boxes, scores = _vote(boxes, scores, np.repeat(np.arange(count), [len(s) for _, s in single]), decoding, count)
    order = np.argsort(-scores, kind="stable")[: decoding.keep]
    order = order[scores[order] >= decoding.floor]
    return SliceMarks(boxes[order] + shift, scores[order])


def _vote(
    boxes: Boxes, scores: NDArray[np.float32], view: NDArray[np.intp], decoding: Decoding, count: int
) -> tuple[Boxes, NDArray[np.float32]]:
    """Marks of different views that overlap become one: score-weighted mean box, summed scores over all views."""
    order = np.argsort(-scores, kind="stable")
    boxes, scores, view = boxes[order], scores[order], view[order]
    near = iou(boxes, boxes) >= decoding.nms
    alive = np.ones(len(boxes), bool)
    joined, totals = [], []
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        here = alive & near[i]
        here[i] = True
        group = np.flatnonzero(here)
        alive[group] = False
        _, first = np.unique(view[group], return_index=True)  # the best of each view
        members = group[first]
        weight = scores[members].astype(np.float64)
        joined.append((boxes[members] * weight[:, None]).sum(axis=0) / weight.sum())
        totals.append(weight.sum() / count)
    return np.array(joined, np.float32).reshape(-1, 4), np.array(totals, np.float32)
