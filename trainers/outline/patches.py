"""Training patches for the outline network: readers' crops, turned, recoloured, around boxes that are a little off.

A detector's box is not the readers' box, so its place and size are drawn around the true ones; a CT is not always as
sharp as these crops, windowed slices are clipped, and some are lung-masked: all of that is drawn as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cadviewer.models.nodules.outline import SIDE, OutlinePatch, sample, stack
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.data.ct.luna16_slices import WINDOW

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PatchSettings:
    """smaller, larger: factors between which the box's side is drawn; shift: standard deviation of its centre, in
    sides; shift_px: the same in pixels, added; empty: share of patches around a box without a nodule; coarse: share
    seen with larger pixels; masked: share that is lung-masked."""

    smaller: float = 0.75
    larger: float = 1.5
    shift: float = 0.07
    shift_px: float = 0.3
    empty: float = 0.05
    coarse: float = 0.4
    masked: float = 0.3


@dataclass(frozen=True)
class _Held:
    """A crop in memory: window units (0…1 is the window, not yet clipped), share of readers, mask of lung, corners of
    the consensus's pixels (n, 2) in edge coordinates."""

    image: Floats
    share: Floats
    lung: NDArray[np.uint8]
    corners: NDArray[np.float64]


def in_window(hounsfield: Floats) -> Floats:
    """HU → 0 and 1 at the ends of the window, not clipped."""
    return np.asarray((hounsfield - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), np.float32)


def hold(crop: OutlinedCrop) -> _Held:
    """What is kept of a crop."""
    image = in_window(crop.hounsfield())
    dark = cv2.morphologyEx((image < 0.43).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    drawn = cv2.dilate(np.asarray(crop.readers.any(axis=0), np.uint8), np.ones((3, 3), np.uint8))
    lung = np.maximum(dark, drawn)
    ys, xs = np.nonzero(crop.consensus)
    corners = np.concatenate([np.stack([xs + dx, ys + dy], axis=1) for dx in (0, 1) for dy in (0, 1)])
    return _Held(image, crop.share, np.asarray(lung, np.uint8), corners.astype(np.float64))


class Patches(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """(3, SIDE, SIDE) planes, (1, SIDE, SIDE) share of the readers; indices are those of `EpochSampler`."""

    def __init__(self, crops: Sequence[OutlinedCrop], settings: PatchSettings, seed: int) -> None:
        self.held = [hold(c) for c in crops if c.consensus.any()]
        self.settings, self.seed = settings, seed

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, place, i = index
        planes, target = draw_patch(self.held[i], self.settings, np.random.default_rng((self.seed, epoch, place)))
        return torch.from_numpy(planes), torch.from_numpy(target[None])


def draw_patch(held: _Held, settings: PatchSettings, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Planes (3, SIDE, SIDE) and target (SIDE, SIDE) of one changed patch."""
    image, share, pixel = _recoloured(held, settings, draw), held.share, 1.0
    if draw.random() < settings.coarse:
        size = int(draw.uniform(0.55, 1.0) * image.shape[0])
        pixel = image.shape[0] / size
        image, share = (
            np.asarray(cv2.resize(a, (size, size), interpolation=cv2.INTER_AREA), np.float32) for a in (image, share)
        )
    angle = draw.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if draw.random() < 0.5:
        turn[:, 0] *= -1
    turned = held.corners / pixel @ turn.T  # the crop is turned: the box is upright in the turned one
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre, side = jittered((low + high) / 2, high - low, settings, draw)
    empty = draw.random() < settings.empty
    if empty:
        centre = turn @ draw.uniform(0.15, 0.85, 2) * image.shape[0]
        side = float(np.exp(draw.uniform(np.log(4.0), np.log(20.0))))
        empty = not bool(((turned > centre - side / 2 - 1) & (turned < centre + side / 2 + 1)).all(axis=1).any())
    patch = OutlinePatch.at(float(centre[0]), float(centre[1]), side)
    matrix = np.empty((2, 3))
    matrix[:, :2] = turn.T * patch.step[0]
    corner = turn.T @ np.array([patch.x0, patch.y0])
    matrix[:, 2] = corner + matrix[:, :2] @ np.full(2, 0.5) - 0.5  # indices: edge coordinates less one half
    target = np.zeros((SIDE, SIDE), np.float32) if empty else sample(np.asarray(share, np.float32), matrix)
    return stack(sample(np.asarray(image, np.float32), matrix), patch.side, patch.step), target


def jittered(
    centre: NDArray[np.float64], size: NDArray[np.float64], settings: PatchSettings, draw: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Centre and side of a square as a detector might give it for a box of (width, height) `size`."""
    mean, longest = float(np.sqrt(size.prod())), float(size.max())
    side = mean * (longest / mean) ** draw.random()
    side *= float(np.exp(draw.uniform(np.log(settings.smaller), np.log(settings.larger))))
    off = draw.normal(0, 1, 2) * (settings.shift * side + settings.shift_px)
    return centre + np.clip(off, -0.35 * side, 0.35 * side), side


def _recoloured(held: _Held, settings: PatchSettings, draw: np.random.Generator) -> Floats:
    """Gain, offset, blur or sharpening, noise, the window's clipping, and for some the lung mask."""
    grey: NDArray[Any] = held.image * np.float32(draw.uniform(0.9, 1.12)) + np.float32(draw.uniform(-0.04, 0.04))
    kernel = draw.random()
    if kernel < 0.35:
        soft = cv2.GaussianBlur(grey, (0, 0), draw.uniform(0.4, 1.0))
        grey = soft if kernel < 0.2 else grey + (grey - soft) * np.float32(draw.uniform(0.2, 0.8))
    if draw.random() < 0.5:
        noise = draw.standard_normal(grey.shape, np.float32) * np.float32(draw.uniform(0, 0.05))
        grey = grey + (cv2.GaussianBlur(noise, (0, 0), 0.7) * 1.8 if draw.random() < 0.4 else noise)
    grey = np.clip(grey, 0, 1)
    if draw.random() < settings.masked:
        wide = 2 * int(draw.integers(1, 8)) + 1
        kernel_shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide))
        grey = np.where(cv2.dilate(held.lung, kernel_shape) > 0, grey, 0)
    return np.asarray(grey, np.float32)
