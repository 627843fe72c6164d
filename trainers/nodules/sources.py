"""What a nodule run learns from beside lung-masked slices: crops in Hounsfield units, mixed in a batch at a time.

Crops of `trainers.data.ct.lidc_crops` become slices of 1 mm pixels in the window of the other ones. Their boxes are
made as LUNA16's are: a square around the middle of what at least half of the readers outlined, its side the step
function of the diameter; LUNA16's diameter is that of the circle of the same area (ratio 1.00 over 786 nodules of both
sets, standard deviation 10 %).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cadviewer.models.nodules.boxes import Boxes
from cadviewer.models.nodules.detection import MULTIPLE, repair_wrapped
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.data.ct.luna16_slices import PIXEL_MM, WINDOW
from trainers.data.ct.samples import LabelledSlice, no_boxes
from trainers.nodules import batches as nodule_batches
from trainers.nodules.batches import Shelf
from trainers.nodules.crops import CropSettings, lungs_of_masked


def side_of(diameter_mm: float) -> float:
    """Side in px (of 1 mm) of LUNA16's box for a diameter: even, 4 at least."""
    return float(max(4, 2 * round(round(diameter_mm) / 2)))


@dataclass(frozen=True)
class CropSlice:
    """A crop as a slice of 1 mm pixels: pixels (rows, columns) 8-bit in the window; lungs 0 or 1; boxes (k, 4) of all
    nodules on it, the crop's own first."""

    pixels: NDArray[np.uint8]
    lungs: NDArray[np.uint8]
    boxes: Boxes


def crop_slices(crops: Sequence[OutlinedCrop]) -> list[CropSlice]:
    """Each crop with its own nodule and with those of the other crops that lie on the same slice."""
    discs = [_disc(crop) for crop in crops]
    placed: dict[tuple[str, float], list[int]] = defaultdict(list)
    for k, crop in enumerate(crops):
        if crop.corner is not None and crop.z_mm is not None and crop.series_uid:
            placed[crop.series_uid, round(crop.z_mm, 2)].append(k)
    made = []
    for k, crop in enumerate(crops):
        here = placed.get((crop.series_uid, round(crop.z_mm, 2)), []) if crop.z_mm is not None else []
        others = [_seen_from(crop, crops[j], discs[j]) for j in here if crops[j].nodule != crop.nodule]
        made.append(_slice(crop, discs[k], others))
    return made


Disc = tuple[float, float, float]
"""Centre (x, y) in edge coordinates of the crop's own pixels, diameter in mm."""


def _disc(crop: OutlinedCrop) -> Disc:
    ys, xs = np.nonzero(crop.consensus)
    return float(xs.mean()) + 0.5, float(ys.mean()) + 0.5, 2 * math.sqrt(len(xs) / math.pi) * crop.pixel_mm


def _seen_from(crop: OutlinedCrop, other: OutlinedCrop, disc: Disc) -> Disc:
    assert crop.corner is not None
    assert other.corner is not None
    return disc[0] + other.corner[0] - crop.corner[0], disc[1] + other.corner[1] - crop.corner[1], disc[2]


def _slice(crop: OutlinedCrop, own: Disc, others: Sequence[Disc]) -> CropSlice:
    rows, columns = crop.pixels.shape
    size = round(columns * crop.pixel_mm / PIXEL_MM), round(rows * crop.pixel_mm / PIXEL_MM)
    scale = np.array([size[0] / columns, size[1] / rows])
    low, high = WINDOW
    grey = np.clip((crop.hounsfield() - low) / (high - low), 0, 1) * 255
    pixels = np.rint(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)).astype(np.uint8)
    boxes = []
    nodule = np.zeros(pixels.shape, np.uint8)
    for x, y, diameter in (own, *others):
        centre, half = np.array([x, y]) * scale, side_of(diameter) / 2
        if (centre > 0).all() and (centre < size).all():
            boxes.append((*(centre - half), *(centre + half)))
            middle = (round(float(centre[0]) - 0.5), round(float(centre[1]) - 0.5))
            cv2.circle(nodule, middle, round(half), 1, -1)
    lungs = nodule_batches.lungs_of_crop(pixels * np.float32((high - low) / 255) + np.float32(low), nodule > 0)
    return CropSlice(pixels, lungs, np.array(boxes, np.float32).reshape(-1, 4))


def shelf_of_slices(
    slices: Sequence[LabelledSlice],
    device: torch.device,
    seed: int,
    false_alarms: Sequence[Sequence[tuple[float, float]]] | None = None,
) -> Shelf:
    """Lung-masked slices; a neighbour of one is itself. false_alarms: as `trainers.nodules.crops.Crops` takes them."""
    pixels = [repair_wrapped(item.pixels()) for item in slices]
    boxes = [np.concatenate([item.boxes, item.others]) for item in slices]
    made = nodule_batches.shelf(
        pixels,
        [lungs_of_masked(p) for p in pixels],
        boxes,
        device,
        masked=True,
        ignored=[item.ignored for item in slices],
        seed=seed,
    )
    if false_alarms is not None and any(false_alarms):
        most = max(len(f) for f in false_alarms)
        hard = torch.zeros(len(slices), most, 2)
        for k, found in enumerate(false_alarms):
            hard[k, : len(found)] = torch.tensor(found).reshape(-1, 2)
        made.hard = hard.to(device)
        made.hard_count = torch.tensor([len(f) for f in false_alarms], device=device)
    return made


def beside(crops: Sequence[OutlinedCrop]) -> list[tuple[int, int]]:
    """For each crop the indices of the slices before and after of the same nodule; its own where there is none."""
    at = {(c.patient, c.nodule, c.slice): k for k, c in enumerate(crops)}
    return [
        (at.get((c.patient, c.nodule, c.slice - 1), k), at.get((c.patient, c.nodule, c.slice + 1), k))
        for k, c in enumerate(crops)
    ]


def shelf_of_crops(crops: Sequence[OutlinedCrop], device: torch.device, seed: int) -> Shelf:
    """Crops in Hounsfield units with their true neighbours."""
    made = crop_slices(crops)
    return nodule_batches.shelf(
        [m.pixels for m in made],
        [m.lungs for m in made],
        [m.boxes if len(m.boxes) else no_boxes() for m in made],
        device,
        masked=False,
        beside=beside(crops),
        seed=seed,
    )


class Batches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batches of crops, as a loader of `trainers.nodules.crops.Crops` would give them; indices (epoch, place, …) are
    those of `EpochSampler`, and the whole of a batch follows from them and the seed.

    sources: the shelves with the share of a batch that each gives.
    """

    def __init__(
        self, sources: Sequence[tuple[Shelf, float]], batch: int, settings: CropSettings, defaults: Tensor, seed: int
    ) -> None:
        self.sources, self.settings, self.seed = list(sources), settings, seed
        counts = [round(batch * share) for _, share in sources]
        counts[0] += batch - sum(counts)
        self.counts = counts
        self.device = sources[0][0].pixels.device
        self.defaults = defaults.to(self.device)

    def __getitem__(self, index: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
        epoch, place, _ = index
        draw = torch.Generator(self.device).manual_seed(_seed(self.seed, epoch, place))
        parts = [
            nodule_batches.batch(
                shelf,
                torch.randint(len(shelf), (count,), device=self.device, generator=draw),
                self.settings,
                self.defaults,
                draw,
            )
            for (shelf, _), count in zip(self.sources, self.counts, strict=True)
            if count
        ]
        images, labels, targets = (torch.cat(one) for one in zip(*parts, strict=True))
        return images, labels, targets


def _seed(*parts: int) -> int:
    """One seed from several, far from those of other parts."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def middles(slices: Sequence[LabelledSlice], count: int) -> Tensor:
    """(n, 1, side, side) from 0 to 1: the middle of at most `count` slices. Raises ValueError for slices too small."""
    chosen = slices[:: max(1, len(slices) // count)][:count]
    images = [repair_wrapped(item.pixels()) for item in chosen]
    side = min(min(i.shape) for i in images) // MULTIPLE * MULTIPLE
    if side == 0:
        raise ValueError(f"slices smaller than {MULTIPLE} px")
    cut = []
    for image in images:
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        cut.append(image[top : top + side, left : left + side])
    return torch.from_numpy(np.stack(cut).astype(np.float32) / np.float32(255))[:, None]
