"""How well outlines agree with the readers': Dice per nodule, of the network and of the readers themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import Box
from cadviewer.models.nodules.measurement import axes, measure
from cadviewer.models.nodules.outline import SIDE, VIEWS, OutlinePatch, chances_of, shape
from cadviewer.models.runtime import Forward
from trainers.data.ct.lidc_crops import OutlinedCrop, box_of, consensus
from trainers.outline.patches import PatchSettings, in_window, jittered

Masks = list[NDArray[np.bool_]]
LEVELS = tuple(round(0.3 + 0.025 * k, 3) for k in range(17))
FINE = 8


def boxes(crops: Sequence[OutlinedCrop], *, seed: int | None = None) -> list[OutlinePatch]:
    """The patch around each consensus: square, as wide as its longer side; with a seed: off as a detector's box is."""
    found = []
    for k, crop in enumerate(crops):
        x0, y0, x1, y1 = box_of(crop.consensus)
        centre, side = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), float(max(x1 - x0, y1 - y0))
        if seed is not None:
            draw = np.random.default_rng((seed, k))
            centre, side = jittered(centre, np.array([x1 - x0, y1 - y0], float), PatchSettings(), draw)
        found.append(OutlinePatch.at(float(centre[0]), float(centre[1]), side))
    return found


def chances(
    crops: Sequence[OutlinedCrop], patches: Sequence[OutlinePatch], forward: Forward, views: str = "one"
) -> NDArray[np.float32]:
    """(n, SIDE, SIDE) probabilities of the network."""
    planes = [p.planes(np.clip(in_window(c.hounsfield()), 0, 1)) for c, p in zip(crops, patches, strict=True)]
    return chances_of(np.stack(planes), forward, VIEWS[views])


def fill(polygon: NDArray[np.float32] | None, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (rows, columns) of which an outline, (n, 2) of (x, y) in edge coordinates, covers at least half."""
    canvas = np.zeros((size[0], size[1]), np.float32)
    if polygon is not None:
        low = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + 1, size[::-1])
        if (high > low).all():
            fine = np.zeros(((high[1] - low[1]) * FINE, (high[0] - low[0]) * FINE), np.uint8)
            points = np.rint((polygon - low) * FINE - 0.5).astype(np.int32)
            cv2.fillPoly(fine, [points], 1)
            rows, columns = high[1] - low[1], high[0] - low[0]
            part = fine.reshape(rows, FINE, columns, FINE).mean(axis=(1, 3))
            canvas[low[1] : high[1], low[0] : high[0]] = part
    return np.asarray(canvas >= 0.5)


def long_axis(mask: NDArray[np.bool_]) -> float:
    """Long axis in pixels of a mask, from the outer side of one pixel to that of another; 0 for an empty one."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return 0.0
    return axes(max(contours, key=cv2.contourArea)[:, 0].astype(np.float32))[0] + 1.0


def dice_per_nodule(
    crops: Sequence[OutlinedCrop], masks: Masks, truths: Masks
) -> tuple[NDArray[np.float64], list[str]]:
    """Dice over all slices of each nodule together, and the nodules' patients; nodules in order of appearance."""
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for crop, mask, truth in zip(crops, masks, truths, strict=True):
        entry = sums[crop.patient, crop.nodule]
        entry[0] += 2.0 * float((mask & truth).sum())
        entry[1] += float(mask.sum()) + float(truth.sum())
    values = [shared / whole if whole else 0.0 for shared, whole in sums.values()]
    return np.array(values), [patient for patient, _ in sums]


def masks_at(
    crops: Sequence[OutlinedCrop], patches: Sequence[OutlinePatch], chance: NDArray[np.float32], level: float
) -> Masks:
    """The network's outlines as pixels of the crops."""
    found = [shape(c, p, level) for p, c in zip(patches, chance, strict=True)]
    return [fill(f.polygon if f else None, size_of(crop)) for crop, f in zip(crops, found, strict=True)]


def size_of(crop: OutlinedCrop) -> tuple[int, int]:
    """(rows, columns)."""
    return crop.pixels.shape[0], crop.pixels.shape[1]


def masks_by_threshold(crops: Sequence[OutlinedCrop], patches: Sequence[OutlinePatch]) -> Masks:
    """What `models.nodules.measurement` outlines in the same boxes."""
    found = []
    for crop, patch in zip(crops, patches, strict=True):
        (x, y), half = patch.to_source(np.full((1, 2), SIDE / 2))[0], patch.side / 2
        box = Box(0, float(x - half), float(y - half), float(x + half), float(y + half), 1.0)
        measured = measure(crop.hounsfield()[None], (box,), (crop.pixel_mm, crop.pixel_mm), None)
        found.append(fill(measured.outline if measured else None, size_of(crop)))
    return found


def quick(crops: Sequence[OutlinedCrop], forward: Forward) -> dict[str, float]:
    """The figures shown while training: Dice per nodule in the true box and in one that is off, at one half."""
    truths = [c.consensus for c in crops]
    found = {}
    for name, seed in (("dice", None), ("dice_off", 0)):
        patches = boxes(crops, seed=seed)
        chance = chances(crops, patches, forward)
        found[name] = float(dice_per_nodule(crops, masks_at(crops, patches, chance, 0.5), truths)[0].mean())
    return found


def best_level(crops: Sequence[OutlinedCrop], forward: Forward) -> float:
    """The level of the boundary with the best mean Dice per nodule in boxes that are off as a detector's are."""
    truths = [c.consensus for c in crops]
    patches = boxes(crops, seed=0)
    chance = chances(crops, patches, forward)
    values = [dice_per_nodule(crops, masks_at(crops, patches, chance, level), truths)[0].mean() for level in LEVELS]
    return float(LEVELS[int(np.argmax(values))])


def beside_readers(
    crops: Sequence[OutlinedCrop], masks: Masks
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Dice per nodule against the consensus of the other readers: mean over readers, and of `masks` in their place.

    Returns (readers, masks, patients): each reader is left out of the consensus in turn, so both are measured against
    the very same references.
    """
    readers: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0] * 4))
    for crop, mask in zip(crops, masks, strict=True):
        for k in range(len(crop.readers)):
            other = consensus(np.delete(crop.readers, k, axis=0))
            own = crop.readers[k]
            entry = readers[crop.patient, crop.nodule][k]
            entry[0] += 2.0 * float((own & other).sum())
            entry[1] += float(own.sum()) + float(other.sum())
            entry[2] += 2.0 * float((mask & other).sum())
            entry[3] += float(mask.sum()) + float(other.sum())
    ours = [np.mean([e[0] / e[1] for e in nodule.values() if e[1]]) for nodule in readers.values()]
    theirs = [np.mean([e[2] / e[3] for e in nodule.values() if e[3]]) for nodule in readers.values()]
    return np.array(ours), np.array(theirs), [patient for patient, _ in readers]
