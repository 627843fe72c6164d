"""Training crops of lung slices: where they are cut, how they are changed, and what each default box should say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from cadviewer.models.boxes import Boxes, Level, default_boxes, iou, match
from cadviewer.models.detect import repair_wrapped
from trainers.data.samples import LabelledSlice

Gray = NDArray[np.float32]


@dataclass(frozen=True)
class CropSettings:
    """size: px of the square crop; nodules: share of crops that hold a nodule; positive, negative: overlaps of
    `boxes.match`; hard: share of the other crops that hold a false alarm of an earlier run, where those are known;
    least_side: px to which small boxes are widened for matching; background: share of crops whose
    outside of the lungs is filled with soft tissue instead of 0; narrow: share whose mask is made narrower."""

    size: int = 128
    nodules: float = 0.75
    positive: float = 0.4
    negative: float = 0.22
    least_side: float = 5.0
    hard: float = 0.7
    background: float = 0.12
    narrow: float = 0.2


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
    """A slice in memory: 8-bit pixels, where the mask is, all nodules that cross it, where nothing is to be learned."""

    pixels: NDArray[np.uint8]
    inside: NDArray[np.uint8]
    boxes: Boxes
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
    """(1, size, size) image in 0…1, (A,) 1 nodule, 0 background, −1 does not count, (A, 4) true box per default box."""

    def __init__(
        self,
        slices: Sequence[LabelledSlice],
        levels: Sequence[Level],
        settings: CropSettings,
        seed: int,
        false_alarms: Sequence[Sequence[tuple[float, float]]] | None = None,
    ) -> None:
        """false_alarms: for each slice, (x, y) where an earlier run saw a nodule that is none."""
        self.settings, self.seed = settings, seed
        self.defaults = default_boxes(levels, settings.size, settings.size)
        self.held = []
        self.false_alarms = false_alarms or [()] * len(slices)
        for item in slices:
            pixels = repair_wrapped(item.pixels())
            boxes = np.concatenate([item.boxes, item.others])
            self.held.append(_Held(pixels, lungs_of_masked(pixels), boxes, item.ignored))

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
        labels, targets = assign(boxes[:own], self.defaults, self.settings, ignored=boxes[own:])
        return torch.from_numpy(image[None]), torch.from_numpy(labels), torch.from_numpy(targets)


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
    """One changed crop (size, size) in 0…1, and the boxes in its edge coordinates; crops aim at the first `own`."""
    matrix, scale = _matrix(inside, boxes[:own], settings, draw, false_alarms)
    shape = (settings.size, settings.size)
    # warpAffine speaks of pixel centres: edge coordinates less one half on both sides
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    exact = bool(np.allclose(centred, np.round(centred), atol=1e-6))
    how = cv2.INTER_NEAREST if exact else cv2.INTER_LINEAR
    image = cv2.warpAffine(pixels.astype(np.float32) / 255, centred, shape, flags=how)
    mask = cv2.warpAffine(inside, centred, shape, flags=cv2.INTER_NEAREST).astype(bool)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    moved = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return _recolour(np.asarray(image, np.float32), mask, moved, settings, draw), moved


def _matrix(
    inside: NDArray[np.uint8],
    boxes: Boxes,
    settings: CropSettings,
    draw: np.random.Generator,
    false_alarms: Sequence[tuple[float, float]],
) -> tuple[NDArray[np.float64], float]:
    """2×3 map from edge coordinates of the slice to those of the crop, and by how much it enlarges."""
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
    turn = np.eye(2)
    if draw.random() < 0.5:
        turn = turn[::-1]
    turn = turn * draw.choice([-1.0, 1.0], (2, 1))
    scale = 1.0
    if draw.random() < 0.6:
        angle = draw.uniform(0, 2 * np.pi)
        scale = float(np.exp(draw.uniform(np.log(0.8), np.log(1.25))))
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ turn
    for _ in range(4):  # a crop whose middle is not lung is mostly empty
        goal = draw.uniform(edge, size - edge, 2)
        column, row = (aim + np.linalg.solve(turn, size / 2 - goal)).astype(int)
        if 0 <= row < inside.shape[0] and 0 <= column < inside.shape[1] and inside[row, column]:
            break
    shift = goal - turn @ aim
    if scale == 1.0:  # whole pixels: the slice stays as sharp as it is
        shift = np.round(shift)
    return np.concatenate([turn, shift[:, None]], axis=1), scale


def _recolour(
    image: Gray, mask: NDArray[np.bool_], boxes: Boxes, settings: CropSettings, draw: np.random.Generator
) -> Gray:
    """Gain, offset, blur or sharpening, noise; then what lies outside the lungs."""
    grey: NDArray[Any] = image * draw.uniform(0.87, 1.15) + draw.uniform(-0.05, 0.05)
    kernel = draw.random()
    if kernel < 0.25:
        soft = cv2.GaussianBlur(grey, (0, 0), draw.uniform(0.4, 0.8))
        grey = soft if kernel < 0.12 else grey + (grey - soft) * draw.uniform(0.3, 1.2)
    if draw.random() < 0.5:
        noise = draw.standard_normal(grey.shape, np.float32) * draw.uniform(0, 0.045)
        grey = grey + (cv2.GaussianBlur(noise, (0, 0), 0.7) * 1.8 if draw.random() < 0.4 else noise)
    if draw.random() < settings.narrow:
        mask = _narrower(mask, boxes, int(draw.integers(1, 5)))
    grey = np.where(mask, np.clip(grey, 0, 1), 0)
    if draw.random() < settings.background:
        body = draw.uniform(0.62, 0.82) + draw.standard_normal(grey.shape, np.float32) * draw.uniform(0, 0.04)
        grey = np.where(mask, grey, np.clip(body, 0, 1))
    return np.asarray(grey, np.float32)


def _narrower(mask: NDArray[np.bool_], boxes: Boxes, by: int) -> NDArray[np.bool_]:
    """The mask less `by` pixels at its border, but never less a nodule."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    thin = cv2.erode(mask.astype(np.uint8), kernel, borderValue=1).astype(bool)
    size = mask.shape[0]
    for x0, y0, x1, y1 in boxes:
        rows = slice(int(np.clip(y0 - 2, 0, size)), int(np.clip(y1 + 3, 0, size)))
        columns = slice(int(np.clip(x0 - 2, 0, size)), int(np.clip(x1 + 3, 0, size)))
        thin[rows, columns] = mask[rows, columns]
    return thin


def assign(
    boxes: Boxes, defaults: Boxes, settings: CropSettings, *, ignored: Boxes | None = None
) -> tuple[NDArray[np.int8], Boxes]:
    """Labels and true boxes of all default boxes. Nodules cut by the crop's border do not count, nor what lies on
    `ignored` boxes."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    whole = ((centre > 0) & (centre < settings.size)).all(axis=1)
    owner = match(
        boxes[whole], defaults, positive=settings.positive, negative=settings.negative, least_side=settings.least_side
    )
    labels = np.where(owner >= 0, 1, np.where(owner == -2, -1, 0)).astype(np.int8)
    targets = defaults.copy()
    if whole.any():
        targets[owner >= 0] = boxes[whole][owner[owner >= 0]]
    skipped = boxes[~whole] if ignored is None else np.concatenate([boxes[~whole], ignored])
    if len(skipped):
        near = iou(skipped, defaults).max(axis=0) > 0.05
        labels[near & (labels == 0)] = -1
    return labels, targets
