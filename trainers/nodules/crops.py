"""Training crops of lung slices: where they are cut, how they are changed, and what each default box should say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from cadviewer.models.nodules.boxes import Boxes, Level, default_boxes, iou, match
from cadviewer.models.nodules.detection import repair_wrapped
from trainers.data.ct.samples import LabelledSlice

Gray = NDArray[np.float32]


@dataclass(frozen=True)
class CropSettings:
    """size: px of the square crop; nodules: share of crops that hold a nodule; positive, negative: overlaps of
    `boxes.match`; hard: share of the other crops that hold a false alarm of an earlier run, where those are known;
    least_side: px to which small boxes are widened for matching; background: share of crops whose
    outside of the lungs is filled with soft tissue instead of 0; narrow: share whose mask is made narrower.
    augment: "full", "flips" (and quarter turns, alone) or "none" (then neither background nor narrow).
    whole: (rows, columns) to which whole slices are resized, mirrored at most, instead of cutting crops.
    neighbours: how many slices on either side are further channels."""

    size: int = 128
    nodules: float = 0.75
    positive: float = 0.4
    negative: float = 0.22
    least_side: float = 5.0
    hard: float = 0.7
    background: float = 0.12
    narrow: float = 0.2
    augment: str = "full"
    whole: tuple[int, int] | None = None
    neighbours: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of what the network sees."""
        return self.whole or (self.size, self.size)


class EpochSampler(Sampler[tuple[int, int, int]]):
    """Indices (epoch, place, slice): the whole draw of an epoch follows from (seed, epoch), so runs can be resumed."""

    def __init__(self, slices: int, crops: int, seed: int) -> None:
        self.slices, self.crops, self.seed, self.epoch = slices, crops, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.crops

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        draw = np.random.default_rng((self.seed, self.epoch))
        rounds = -(-self.crops // self.slices)
        order = np.concatenate([draw.permutation(self.slices) for _ in range(rounds)])[: self.crops]
        return iter([(self.epoch, place, int(i)) for place, i in enumerate(order)])


@dataclass(frozen=True)
class _Held:
    """A slice in memory: 8-bit pixels, where the mask is, all nodules that cross it with their classes (from 1), where
    nothing is to be learned. With neighbours pixels and mask are (channels, rows, columns)."""

    pixels: NDArray[np.uint8]
    inside: NDArray[np.uint8]
    boxes: Boxes
    kinds: NDArray[np.intp]
    ignored: Boxes


def lungs_of_masked(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mask (0 or 1) that a lung-masked slice was masked with: what is above 0, gaps closed, small holes filled."""
    closed = cv2.morphologyEx((pixels > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    outside = 1 - closed
    count, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    for k in range(1, count):
        if stats[k, cv2.CC_STAT_AREA] < 400:  # black air in the lungs, not the hole that the mediastinum leaves
            closed[labels == k] = 1
    return np.asarray(closed, np.uint8)


class Crops(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """(channels, rows, columns) image in 0…1; (A,) k ≥ 1 for the k-th class, 0 background, −1 does not count; (A, 4)
    true box per default box."""

    def __init__(
        self,
        slices: Sequence[LabelledSlice],
        levels: Sequence[Level],
        settings: CropSettings,
        seed: int,
        false_alarms: Sequence[Sequence[tuple[float, float]]] | None = None,
        *,
        by_class: bool = False,
    ) -> None:
        """false_alarms: for each slice, (x, y) where an earlier run saw a nodule that is none. by_class: labels are the
        classes of the set; without it every nodule is of the first."""
        self.settings, self.seed = settings, seed
        self.defaults = default_boxes(levels, *settings.shape)
        self.held = [_hold(item, settings.neighbours, by_class) for item in slices]
        self.false_alarms = false_alarms or [()] * len(slices)

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        epoch, place, i = index
        draw = np.random.default_rng((self.seed, epoch, place))
        held = self.held[i]
        own, every = len(held.boxes), np.concatenate([held.boxes, held.ignored])
        image, boxes = cut(
            held.pixels, held.inside, every, self.settings, draw, own=own, false_alarms=self.false_alarms[i]
        )
        labels, targets = assign(boxes[:own], self.defaults, self.settings, ignored=boxes[own:], kinds=held.kinds)
        seen = image[None] if image.ndim == 2 else image
        return torch.from_numpy(seen), torch.from_numpy(labels), torch.from_numpy(targets)


def _hold(item: LabelledSlice, neighbours: int, by_class: bool) -> _Held:
    pixels = _each(item.stack(neighbours), repair_wrapped) if neighbours else repair_wrapped(item.pixels())
    boxes = np.concatenate([item.boxes, item.others])
    kinds = np.ones(len(boxes), np.intp)  # `others` are of the first class: only sets with one class have them
    if by_class and len(item.classes):
        kinds[: len(item.boxes)] = item.classes + 1
    return _Held(pixels, _each(pixels, lungs_of_masked), boxes, kinds, item.ignored)


def _each(array: NDArray[Any], change: Callable[[NDArray[Any]], Any]) -> NDArray[Any]:
    """`change` of an image (rows, columns), or of every channel of (channels, rows, columns)."""
    return np.asarray(change(array)) if array.ndim == 2 else np.stack([change(a) for a in array])


def cut(
    pixels: NDArray[np.uint8],
    inside: NDArray[np.uint8],
    boxes: Boxes,
    settings: CropSettings,
    draw: np.random.Generator,
    *,
    own: int | None = None,
    false_alarms: Sequence[tuple[float, float]] = (),
) -> tuple[Gray, Boxes]:
    """One changed crop in 0…1, and the boxes in its edge coordinates; crops aim at the first `own`.

    pixels, inside: (rows, columns), or with neighbours (channels, rows, columns), and so is the crop.
    """
    rows, columns = settings.shape
    middle = inside if inside.ndim == 2 else inside[len(inside) // 2]
    if settings.whole is not None:
        matrix = _fit(middle.shape, settings, draw)
    else:
        matrix = _matrix(middle, boxes[:own], settings, draw, false_alarms)
    # warpAffine speaks of pixel centres: edge coordinates less one half on both sides
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    exact = bool(np.allclose(centred, np.round(centred), atol=1e-6))
    how = cv2.INTER_NEAREST if exact else cv2.INTER_LINEAR
    image = _each(pixels, lambda p: cv2.warpAffine(p.astype(np.float32) / 255, centred, (columns, rows), flags=how))
    near = cv2.INTER_NEAREST
    mask = _each(inside, lambda p: cv2.warpAffine(p, centred, (columns, rows), flags=near)).astype(bool)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    # Nodules are round: a box turns into that of the turned ellipse in it, so a square stays as large as it is.
    half = np.sqrt(((boxes[:, 2:] - boxes[:, :2]).astype(float) / 2) ** 2 @ (matrix[:, :2] ** 2).T)
    moved = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    changed = _recolour(np.asarray(image, np.float32), mask, moved, settings, draw)
    if changed.ndim == 3 and settings.augment != "none" and draw.random() < 0.5:
        changed = changed[::-1].copy()  # head or feet first, a nodule is one
    return changed, moved


def _fit(shape: tuple[int, ...], settings: CropSettings, draw: np.random.Generator) -> NDArray[np.float64]:
    """2×3 map of a whole slice onto the network's input, mirrored left to right half of the time."""
    rows, columns = settings.shape
    x, y = columns / shape[1], rows / shape[0]
    if settings.augment != "none" and draw.random() < 0.5:
        return np.array([[-x, 0.0, columns], [0.0, y, 0.0]])
    return np.array([[x, 0.0, 0.0], [0.0, y, 0.0]])


def _matrix(
    inside: NDArray[np.uint8],
    boxes: Boxes,
    settings: CropSettings,
    draw: np.random.Generator,
    false_alarms: Sequence[tuple[float, float]],
) -> NDArray[np.float64]:
    """2×3 map from edge coordinates of the slice to those of the crop."""
    size = settings.size
    if draw.random() < settings.nodules and len(boxes):
        x0, y0, x1, y1 = boxes[draw.integers(len(boxes))]
        aim = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        edge = min(size * 0.12 + (x1 - x0) / 2, size * 0.45)
    elif len(false_alarms) and draw.random() < settings.hard:
        aim = np.array(false_alarms[int(draw.integers(len(false_alarms)))])
        edge = size * 0.15
    else:
        ys, xs = np.nonzero(inside)
        k = draw.integers(max(len(ys), 1))
        aim = np.array([xs[k] + 0.5, ys[k] + 0.5]) if len(ys) else np.array(inside.shape[::-1]) / 2
        edge = size * 0.3
    turn, moved = _turn(settings, draw)
    for _ in range(4):  # a crop whose middle is not lung is mostly empty
        goal = draw.uniform(edge, size - edge, 2)
        column, row = (aim + np.linalg.solve(turn, size / 2 - goal)).astype(int)
        if 0 <= row < inside.shape[0] and 0 <= column < inside.shape[1] and inside[row, column]:
            break
    shift = goal - turn @ aim
    if not moved:  # whole pixels: the slice stays as sharp as it is
        shift = np.round(shift)
    return np.concatenate([turn, shift[:, None]], axis=1)


def _turn(settings: CropSettings, draw: np.random.Generator) -> tuple[NDArray[np.float64], bool]:
    """2×2 flips and quarter turns, at times with any angle and another scale; and whether it was one of those."""
    turn = np.eye(2)
    if settings.augment == "none":
        return turn, False
    if draw.random() < 0.5:
        turn = turn[::-1]
    turn = turn * draw.choice([-1.0, 1.0], (2, 1))
    if settings.augment == "flips" or draw.random() >= 0.6:
        return turn, False
    angle = draw.uniform(0, 2 * np.pi)
    scale = float(np.exp(draw.uniform(np.log(0.8), np.log(1.25))))
    return scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ turn, True


def _recolour(
    image: Gray, mask: NDArray[np.bool_], boxes: Boxes, settings: CropSettings, draw: np.random.Generator
) -> Gray:
    """Gain, offset, blur or sharpening, noise; then what lies outside the lungs."""
    if settings.augment != "full":
        return np.asarray(np.where(mask, np.clip(image, 0, 1), 0), np.float32)
    grey: NDArray[Any] = image * draw.uniform(0.87, 1.15) + draw.uniform(-0.05, 0.05)
    kernel = draw.random()
    if kernel < 0.25:
        soft = _blurred(grey, draw.uniform(0.4, 0.8))
        grey = soft if kernel < 0.12 else grey + (grey - soft) * draw.uniform(0.3, 1.2)
    if draw.random() < 0.5:
        noise = draw.standard_normal(grey.shape, np.float32) * draw.uniform(0, 0.045)
        grey = grey + (_blurred(noise, 0.7) * 1.8 if draw.random() < 0.4 else noise)
    if draw.random() < settings.narrow:
        by = int(draw.integers(1, 5))
        mask = _each(mask, lambda one: _narrower(one, boxes, by))
    grey = np.where(mask, np.clip(grey, 0, 1), 0)
    if draw.random() < settings.background:
        body = draw.uniform(0.62, 0.82) + draw.standard_normal(grey.shape, np.float32) * draw.uniform(0, 0.04)
        grey = np.where(mask, grey, np.clip(body, 0, 1))
    return np.asarray(grey, np.float32)


def _blurred(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    return _each(image, lambda one: cv2.GaussianBlur(one, (0, 0), sigma))


def _narrower(mask: NDArray[np.bool_], boxes: Boxes, by: int) -> NDArray[np.bool_]:
    """The mask less `by` pixels at its border, but never less a nodule."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    thin = cv2.erode(mask.astype(np.uint8), kernel, borderValue=1).astype(bool)
    height, width = mask.shape
    for x0, y0, x1, y1 in boxes:
        rows = slice(int(np.clip(y0 - 2, 0, height)), int(np.clip(y1 + 3, 0, height)))
        columns = slice(int(np.clip(x0 - 2, 0, width)), int(np.clip(x1 + 3, 0, width)))
        thin[rows, columns] = mask[rows, columns]
    return thin


def assign(
    boxes: Boxes,
    defaults: Boxes,
    settings: CropSettings,
    *,
    ignored: Boxes | None = None,
    kinds: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.int8], Boxes]:
    """Labels and true boxes of all default boxes. Nodules cut by the crop's border do not count, nor what lies on
    `ignored` boxes. kinds: the class of each box, counted from 1; None: all of the first."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    whole = ((centre > 0) & (centre < settings.shape[::-1])).all(axis=1)
    owner = match(
        boxes[whole], defaults, positive=settings.positive, negative=settings.negative, least_side=settings.least_side
    )
    labels = np.where(owner >= 0, 1, np.where(owner == -2, -1, 0)).astype(np.int8)
    targets = defaults.copy()
    if whole.any():
        targets[owner >= 0] = boxes[whole][owner[owner >= 0]]
        if kinds is not None:
            labels[owner >= 0] = kinds[whole][owner[owner >= 0]]
    skipped = boxes[~whole] if ignored is None else np.concatenate([boxes[~whole], ignored])
    if len(skipped):
        near = iou(skipped, defaults).max(axis=0) > 0.05
        labels[near & (labels == 0)] = -1
    return labels, targets
