"""Training crops of lung slices made a batch at a time, all slices in the device's memory: for graphics processors.

What `trainers.nodules.crops` does one crop at a time on the processor: the same places, turns, greys and labels (the
two are compared by a test), drawn by the device's own generator. Slices that are not lung-masked come with the
distance to the lungs, so that they are shown without a mask or with one of any width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cadviewer.models.nodules.boxes import Boxes
from cadviewer.models.nodules.detection import MULTIPLE
from trainers.data.ct.samples import no_boxes
from trainers.nodules.crops import CropSettings, lungs_of_masked

BORDER = 128
"""Of `Shelf.depth`: the first value outside the lungs. One more is a pixel further inside."""
POINTS = 64
_Uniform = Callable[..., Tensor]


@dataclass
class Shelf:
    """Slices in the memory of a device, padded to one size.

    pixels: (n, h, w) 8-bit; depth: (n, h, w) how far inside the lungs a pixel lies in px, `BORDER` and less outside, 0
    where there is no image; boxes: (n, m, 4), of which the first `count` (n,) are nodules, and nothing is
    to be learned where they are `ignored` (n, m); grain: (n,) step of the grey
    values; beside: (n, 2) the slices before and after; points: (n, POINTS, 2) places in the lungs; hard: (n, k, 2)
    false alarms of an earlier look, the first `hard_count` (n,) of them; masked: whether the slices are lung-masked.
    """

    pixels: Tensor
    depth: Tensor
    boxes: Tensor
    count: Tensor
    ignored: Tensor
    grain: Tensor
    beside: Tensor
    points: Tensor
    hard: Tensor
    hard_count: Tensor
    masked: bool

    def __len__(self) -> int:
        return len(self.pixels)


def shelf(
    pixels: Sequence[NDArray[np.uint8]],
    lungs: Sequence[NDArray[np.uint8]],
    boxes: Sequence[Boxes],
    device: torch.device,
    *,
    masked: bool,
    beside: Sequence[tuple[int, int]] | None = None,
    grain: Sequence[float] | None = None,
    ignored: Sequence[Boxes] | None = None,
    seed: int = 1,
) -> Shelf:
    """Put slices (rows, columns) with their lungs (0 or 1) and boxes (k, 4) on a device."""
    rows, columns = (-(-max(p.shape[a] for p in pixels) // MULTIPLE) * MULTIPLE for a in (0, 1))
    given = [no_boxes()] * len(pixels) if ignored is None else ignored
    n, most = len(pixels), max(1, max(len(b) + len(i) for b, i in zip(boxes, given, strict=True)))
    draw = np.random.default_rng(seed)
    images, depth = np.zeros((n, rows, columns), np.uint8), np.zeros((n, rows, columns), np.uint8)
    known, points = np.zeros((n, most, 4), np.float32), np.zeros((n, POINTS, 2), np.float32)
    left_out = np.zeros((n, most), bool)
    for k, (image, inside, own) in enumerate(zip(pixels, lungs, boxes, strict=True)):
        images[k, : image.shape[0], : image.shape[1]] = image
        depth[k, : image.shape[0], : image.shape[1]] = depth_of(inside)
        known[k, : len(own) + len(given[k])] = np.concatenate([own, given[k]])
        left_out[k, len(own) : len(own) + len(given[k])] = True
        ys, xs = np.nonzero(inside)
        if len(ys):
            chosen = draw.integers(len(ys), size=POINTS)
            points[k] = np.stack([xs[chosen], ys[chosen]], 1) + 0.5
        else:
            points[k] = draw.uniform(0, image.shape[::-1], (POINTS, 2))
    own_index = np.stack([np.arange(n)] * 2, 1) if beside is None else np.array(beside)
    return Shelf(
        pixels=torch.from_numpy(images).to(device),
        depth=torch.from_numpy(depth).to(device),
        boxes=torch.from_numpy(known).to(device),
        count=torch.tensor([len(b) for b in boxes], device=device),
        ignored=torch.from_numpy(left_out).to(device),
        grain=torch.tensor([1.0] * n if grain is None else list(grain), device=device),
        beside=torch.from_numpy(own_index.astype(np.int64)).to(device),
        points=torch.from_numpy(points).to(device),
        hard=torch.zeros(n, 1, 2, device=device),
        hard_count=torch.zeros(n, dtype=torch.long, device=device),
        masked=masked,
    )


def depth_of(inside: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, columns) as `Shelf.depth`: signed distance to the border of a mask of 0 and 1, from 1 to 255."""
    to_border = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    # A pixel beside the border is at a distance of 1: BORDER + 1 inside, BORDER outside.
    signed = np.where(inside > 0, np.floor(to_border), np.floor(to_border) + 1) + BORDER
    return np.asarray(np.clip(signed, 1, 255), np.uint8)


def lungs_of_crop(hounsfield: NDArray[np.float32], nodule: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Lungs (0 or 1) in a crop of about 1 mm pixels that is not masked: aerated tissue, vessels and the nodule."""
    air = (hounsfield < -400).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(air, connectivity=4)
    for k in range(1, count):
        if stats[k, cv2.CC_STAT_AREA] < 40 or float(np.median(hounsfield[labels == k])) < -970:
            air[labels == k] = 0  # air in the oesophagus, or around the patient
    held = np.maximum(air, cv2.dilate(nodule.astype(np.uint8), np.ones((3, 3), np.uint8)))
    padded = np.pad(held, 8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    return lungs_of_masked(np.asarray(closed[8:-8, 8:-8], np.uint8))


@dataclass(frozen=True)
class Unmasked:
    """How slices that are not masked are shown: `bare`: share without a mask; widest: px beyond the lungs that a mask
    reaches at most."""

    bare: float = 0.5
    widest: float = 9.0


def batch(
    held: Shelf,
    indices: Tensor,
    settings: CropSettings,
    defaults: Tensor,
    generator: torch.Generator,
    unmasked: Unmasked = Unmasked(),
) -> tuple[Tensor, Tensor, Tensor]:
    """Crops (n, channels, size, size) in 0…1 of the slices `indices`, with labels (n, A) and true boxes (n, A, 4) of
    the default boxes (A, 4), as `Crops` gives them."""
    device, n, size = held.pixels.device, len(indices), settings.size

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, device=device, generator=generator)

    count = held.count[indices]
    boxes = held.boxes[indices]
    turn, moved = _turns(n, settings, uniform, device)
    aim, edge = _aims(held, indices, settings, uniform)
    goal = edge[:, None] + uniform(n, 2) * (size - 2 * edge)[:, None]
    shift = goal - (turn @ aim[..., None])[..., 0]
    shift = torch.where(moved[:, None], shift, shift.round())
    grid = _grid(turn, shift, size, held.pixels.shape[-2:])
    channels = [indices]
    if settings.neighbours:
        beside = held.beside[indices]
        upside = uniform(n) < 0.5 if settings.augment != "none" else torch.zeros(n, dtype=torch.bool, device=device)
        first, last = torch.where(upside, beside[:, 1], beside[:, 0]), torch.where(upside, beside[:, 0], beside[:, 1])
        channels = [first, indices, last]
    images = torch.cat([_sampled(held.pixels[c], grid, "bilinear") for c in channels], 1) / 255
    depth = torch.cat([_sampled(held.depth[c], grid, "nearest") for c in channels], 1)
    grain = held.grain[indices][:, None, None, None] / 255
    images = images + (uniform(*images.shape) - 0.5) * (grain - 1 / 255).clamp(min=0)
    placed = _moved(boxes, turn, shift)
    valid = torch.arange(boxes.shape[1], device=device) < count[:, None]
    mask = _mask(held, depth, placed, valid, settings, unmasked, uniform)
    labels, targets = assign(placed, valid, defaults, settings, held.ignored[indices])
    return _recoloured(images, mask, settings, uniform), labels, targets


def _turns(n: int, settings: CropSettings, uniform: _Uniform, device: torch.device) -> tuple[Tensor, Tensor]:
    """(n, 2, 2) flips and quarter turns, at times any angle and another scale; (n,) whether it was one of those."""
    turn = torch.eye(2, device=device).repeat(n, 1, 1)
    if settings.augment == "none":
        return turn, torch.zeros(n, dtype=torch.bool, device=device)
    turn = torch.where((uniform(n) < 0.5)[:, None, None], turn.flip(1), turn)
    turn = turn * torch.where(uniform(n, 2, 1) < 0.5, -1.0, 1.0)
    moved = uniform(n) < (0.6 if settings.augment == "full" else 0.0)
    angle = uniform(n) * (2 * torch.pi)
    scale = torch.exp((uniform(n) * 2 - 1) * float(np.log(1.25)))
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    free = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], 1)
    return torch.where(moved[:, None, None], free @ turn, turn), moved


def _aims(held: Shelf, indices: Tensor, settings: CropSettings, uniform: _Uniform) -> tuple[Tensor, Tensor]:
    """(n, 2) place of each slice that is shown, and (n,) how far from the crop's border it stays."""
    n, size, rows = len(indices), settings.size, torch.arange(len(indices), device=indices.device)

    def one_of(values: Tensor, count: Tensor) -> Tensor:
        return values[rows, (uniform(n) * count.clamp(min=1)).long().clamp(max=values.shape[1] - 1)]

    count, hard = held.count[indices], held.hard_count[indices]
    box = one_of(held.boxes[indices], count)
    nodule = (uniform(n) < settings.nodules) & (count > 0)
    wrong = ~nodule & (hard > 0) & (uniform(n) < settings.hard)
    aim = one_of(held.points[indices], torch.full_like(count, POINTS))
    aim = torch.where(wrong[:, None], one_of(held.hard[indices], hard), aim)
    aim = torch.where(nodule[:, None], (box[:, :2] + box[:, 2:]) / 2, aim)
    edge = torch.where(wrong, size * 0.15, size * 0.3)
    near = (size * 0.12 + (box[:, 2] - box[:, 0]) / 2).clamp(max=size * 0.45)
    return aim, torch.where(nodule, near, edge)


def _grid(turn: Tensor, shift: Tensor, size: int, shape: Sequence[int]) -> Tensor:
    """(n, size, size, 2) where in a slice of (rows, columns) `shape` each pixel of the crop lies, for `grid_sample`."""
    a, b, c, d = turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1]
    back = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], 1) / (a * d - b * c)[:, None, None]
    centres = torch.arange(size, device=turn.device) + 0.5
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    place = torch.stack([x, y], -1).reshape(1, -1, 2) - shift[:, None]
    source = place @ back.transpose(1, 2)
    rows, columns = shape
    scale = torch.tensor([2 / columns, 2 / rows], device=turn.device)
    return (source * scale - 1).reshape(-1, size, size, 2)


def _sampled(images: Tensor, grid: Tensor, how: str) -> Tensor:
    """(n, h, w) 8-bit at the places of `grid`: (n, 1, size, size) float, 0 outside."""
    return functional.grid_sample(images[:, None].float(), grid, mode=how, align_corners=False)


def _moved(boxes: Tensor, turn: Tensor, shift: Tensor) -> Tensor:
    """Boxes (n, m, 4) in the crop; nodules are round, so a square stays as large as it is."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 @ turn.transpose(1, 2) + shift[:, None]
    half = (((boxes[..., 2:] - boxes[..., :2]) / 2) ** 2 @ (turn**2).transpose(1, 2)).sqrt()
    return torch.cat([centre - half, centre + half], -1)


def _mask(
    held: Shelf,
    depth: Tensor,
    boxes: Tensor,
    valid: Tensor,
    settings: CropSettings,
    unmasked: Unmasked,
    uniform: _Uniform,
) -> Tensor:
    """(n, channels, size, size) what is shown: the lungs, at times less, or more, or everything."""
    n = len(depth)
    if held.masked:
        by = torch.where(uniform(n) < settings.narrow, (uniform(n) * 4).floor() + 1, torch.zeros_like(uniform(n)))
        if settings.augment != "full":
            by = by * 0
        least = BORDER + by
        whole = depth > BORDER
    else:
        least = BORDER - uniform(n) * unmasked.widest
        least = torch.where(uniform(n) < unmasked.bare, torch.zeros_like(least), least)
        whole = depth > 0
    shown = depth > least[:, None, None, None]
    size = depth.shape[-1]
    at = torch.arange(size, device=depth.device)
    low, high = (boxes[..., :2] - 2).floor(), (boxes[..., 2:] + 3).floor()
    xs = (at >= low[..., :1]) & (at < high[..., :1]) & valid[..., None]  # (n, m, size)
    ys = (at >= low[..., 1:]) & (at < high[..., 1:])
    near = torch.einsum("nmy,nmx->nyx", ys.float(), xs.float())[:, None] > 0
    return shown | (near & whole)


def _recoloured(images: Tensor, mask: Tensor, settings: CropSettings, uniform: _Uniform) -> Tensor:
    """Gain, offset, blur or sharpening, noise; then what lies outside the lungs. See `nodule_crops`."""
    zero = torch.zeros((), device=images.device)
    if settings.augment != "full":
        return torch.where(mask, images.clamp(0, 1), zero)
    n = len(images)

    def each(low: float, high: float) -> Tensor:
        return (low + (high - low) * uniform(n))[:, None, None, None]

    def chance() -> Tensor:
        return uniform(n)[:, None, None, None]

    def normal() -> Tensor:  # Box-Muller: from the same generator, whatever the device
        return (-2 * uniform(*images.shape).clamp(min=1e-7).log()).sqrt() * (
            2 * torch.pi * uniform(*images.shape)
        ).cos()

    grey = images * each(0.87, 1.15) + each(-0.05, 0.05)
    kernel, soft = chance(), _blurred(grey, each(0.4, 0.8))
    sharp = grey + (grey - soft) * each(0.3, 1.2)
    grey = torch.where(kernel < 0.12, soft, torch.where(kernel < 0.25, sharp, grey))
    noise = normal() * each(0, 0.045)
    noise = torch.where(chance() < 0.4, _blurred(noise, torch.full_like(kernel, 0.7)) * 1.8, noise)
    grey = torch.where(chance() < 0.5, grey + noise, grey)
    grey = torch.where(mask, grey.clamp(0, 1), zero)
    body = (each(0.62, 0.82) + normal() * each(0, 0.04)).clamp(0, 1)
    return torch.where((chance() < settings.background) & ~mask, body, grey)


def _blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Each image blurred by a Gauss function of its own sigma (n, 1, 1, 1)."""
    at = torch.arange(-3, 4, device=images.device, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * sigma.reshape(-1, 1) ** 2))
    kernel = kernel / kernel.sum(1, keepdim=True)
    n, channels, rows, columns = images.shape
    weight = kernel.repeat_interleave(channels, 0)
    flat = functional.pad(images.reshape(1, n * channels, rows, columns), (3, 3, 3, 3), mode="reflect")
    flat = functional.conv2d(flat, weight[:, None, None, :], groups=n * channels)
    flat = functional.conv2d(flat, weight[:, None, :, None], groups=n * channels)
    return flat.reshape(images.shape)


def assign(
    boxes: Tensor, valid: Tensor, defaults: Tensor, settings: CropSettings, ignored: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Labels (n, A) and true boxes (n, A, 4), as `trainers.nodules.crops.assign` gives them for each crop.

    boxes: (n, m, 4), of which those that are `valid` (n, m) are nodules; nothing is learned on `ignored` (n, m) ones.
    """
    n, size = len(boxes), settings.size
    rows = torch.arange(n, device=boxes.device)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    whole = valid & ((centre > 0) & (centre < size)).all(-1)
    half = ((boxes[..., 2:] - boxes[..., :2]) / 2).clamp(min=settings.least_side / 2)
    overlap = _overlaps(torch.cat([centre - half, centre + half], -1), defaults)
    overlap = torch.where(whole[..., None], overlap, torch.full_like(overlap, -1.0))
    best, which = overlap.max(1)
    owner = torch.where(best >= settings.negative, -2, -1)
    owner = torch.where(best >= settings.positive, which, owner)
    top, first = overlap.max(2)  # every nodule takes its best default box; larger overlaps last
    for order in top.argsort(dim=1, stable=True).unbind(1):
        place = first[rows, order]
        owner[rows, place] = torch.where(whole[rows, order], order, owner[rows, place])
    labels = torch.where(owner >= 0, 1, torch.where(owner == -2, -1, 0)).to(torch.int8)
    targets = boxes[rows[:, None], owner.clamp(min=0)]
    targets = torch.where((owner >= 0)[..., None], targets, defaults)
    unsure = valid & ~whole if ignored is None else (valid & ~whole) | ignored
    cut = (_overlaps(boxes, defaults) > 0.05) & unsure[..., None]
    return torch.where(cut.any(1) & (labels == 0), -1, labels).to(torch.int8), targets


def _overlaps(boxes: Tensor, defaults: Tensor) -> Tensor:
    """IoU of boxes (n, m, 4) with the default boxes (A, 4): (n, m, A)."""
    low = torch.maximum(boxes[:, :, None, :2], defaults[:, :2])
    high = torch.minimum(boxes[:, :, None, 2:], defaults[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)[..., None]
    return shared / (area + (defaults[:, 2:] - defaults[:, :2]).prod(-1) - shared).clamp(min=1e-9)
