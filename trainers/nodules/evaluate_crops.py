"""A nodule model on crops in Hounsfield units (`ct/lidc-hu-crops128`): what the lung mask does, what neighbours do.

Each crop is shown lung-masked, as a scan is, and as it is; a model of 2.5-D input sees the true neighbouring slices, or
(for comparison) the slice repeated. Truth are the boxes of `nodule_sources`; all crops hold a nodule in their middle,
and several slices of one nodule are here, so these figures are not those of whole slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nodules.detection import Decoding, Image, detect
from cadviewer.models.runtime import Forward
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.metrics import froc
from trainers.nodules import batches as nodule_batches
from trainers.nodules import sources as nodule_sources
from trainers.nodules.sources import CropSlice

REACH_PX = 5
"""How far beyond the lungs a crop is shown: as far as the mask of a scan reaches."""
LEAST_GREY = np.float32(1e-6)
"""Instead of 0, which would be taken for masked."""


def ways(card: ModelCard) -> Iterator[tuple[str, bool, bool]]:
    """Name, whether masked, whether with neighbours: how crops are shown to a model."""
    for masked in (True, False):
        name = "masked" if masked else "not masked"
        if card.inputs.get("neighbours"):
            yield f"{name}, with their neighbours", masked, True
            yield f"{name}, repeated", masked, False
        else:
            yield name, masked, False


def search(
    crops: Sequence[OutlinedCrop], forward: Forward, card: ModelCard, *, masked: bool, neighbours: bool, floor: float
) -> list[froc.Slice]:
    """The marks of each crop beside its truth, down to the score `floor`; one view."""
    made = nodule_sources.crop_slices(crops)
    beside = nodule_sources.beside(crops)
    decoding = replace(
        Decoding.of(card.config, {**card.calibration, "views": {"single": "one"}}, single=True), floor=floor
    )
    found = []
    for k, seen in enumerate(made):
        image = _shown(seen, masked=masked)
        if card.inputs.get("neighbours"):
            first, last = beside[k] if neighbours else (k, k)
            image = np.stack([_shown(made[first], masked=masked), image, _shown(made[last], masked=masked)])
        marks = detect([image].__getitem__, 1, forward, decoding)[0]
        boxes = seen.boxes.astype(float)
        found.append(froc.Slice(marks.boxes.astype(float), marks.scores.astype(float), boxes[:1], boxes[1:]))
    return found


def _shown(seen: CropSlice, *, masked: bool) -> Image:
    """(rows, columns) in 0…1."""
    grey: NDArray[np.float32] = seen.pixels.astype(np.float32) / np.float32(255)
    if masked:
        return np.where(nodule_batches.depth_of(seen.lungs) > nodule_batches.BORDER - REACH_PX, grey, np.float32(0))
    return np.maximum(grey, LEAST_GREY)
