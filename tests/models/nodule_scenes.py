"""Chests made of ellipsoids, and a network made of NumPy that finds bright blobs: for tests of everything around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import Task
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo, Volume
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nodules.boxes import SMALL, default_boxes, encode, iou, levels

CARD = ModelCard(
    name="blobs",
    version="0",
    task=Task.NODULES,
    title="",
    network="ssd",
    config={"boxes": list(SMALL)},
    inputs={"pixel_mm": 1.0, "window": [-1000, 400], "lung_mask": True},
    threshold=0.5,
    weights_sha256="",
    calibration={"nms": 0.2, "floor": 0.05},
)


class Blobs:
    """A `Forward`: every bright blob of 3–40 px gets a sure box, everything else none."""

    def __init__(self, batch_size: int = 4) -> None:
        self.batch_size = batch_size
        self.calls = 0

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.calls += 1
        defaults = default_boxes(levels(SMALL), *batch.shape[2:])
        logits = np.full((len(batch), len(defaults), 1), -9.0, np.float32)
        offsets = np.zeros((len(batch), len(defaults), 4), np.float32)
        for k, image in enumerate(batch[:, 0]):
            count, _, stats, _ = cv2.connectedComponentsWithStats((image > 0.45).astype(np.uint8))
            for x, y, w, h, _ in stats[1:count]:
                if 3 <= w <= 40 and 3 <= h <= 40:
                    truth = np.array([[x, y, x + w, y + h]], np.float32)
                    best = int(iou(truth, defaults)[0].argmax())
                    logits[k, best] = 2.0
                    offsets[k, best] = encode(truth, defaults[best : best + 1])[0]
        return logits, offsets


def chest(
    geometry: Geometry, nodules: Sequence[tuple[tuple[float, float, float], float]], middle: NDArray[np.float64]
) -> NDArray[np.int16]:
    """(slices, rows, columns) HU of a body of 300 × 200 mm around LPS `middle` with two lungs and round nodules.

    nodules: (LPS centre, diameter mm); voxels at their border are partly filled.
    """
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    point = geometry.to_patient(index)
    x, y, z = np.moveaxis(point - middle, -1, 0)
    image = np.full(geometry.shape, -1000.0)
    image[(x / 150) ** 2 + (y / 100) ** 2 < 1] = 40
    for side in (-1, 1):
        lung = ((x - 70 * side) / 50) ** 2 + (y / 75) ** 2 + (z / 90) ** 2 < 1
        image[lung] = -860
    step = float(np.mean(geometry.spacing or (1, 1, 1)))
    for centre, diameter in nodules:
        distance = np.linalg.norm(point - np.array(centre), axis=-1)
        filled = np.clip((diameter / 2 - distance) / step + 0.5, 0, 1)
        image = image * (1 - filled) + 40 * filled
    return np.rint(image).astype(np.int16)


def volume_of(pixels: NDArray[np.int16], geometry: Geometry) -> Volume:
    """A CT volume as the readers give it."""
    slices = tuple(SliceInfo(Path("scan.mhd"), k) for k in range(len(pixels)))
    series = Series(
        Path("scan.mhd"), "sitk", slices, geometry, Shape.VOLUME, pixels.dtype, modality="CT", hounsfield=True
    )
    return Volume(series, pixels)


def picture(pixels: NDArray[np.uint8]) -> Volume:
    """One 8-bit CT slice as a PNG reader gives it."""
    geometry = Geometry((1, pixels.shape[0], pixels.shape[1]))
    path = Path("slice.png")
    series = Series(path, "image", (SliceInfo(path),), geometry, Shape.IMAGE, pixels.dtype)
    return Volume(series, pixels[None])
