"""How well two CTs agree under a map: overall, and around each place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cadviewer.imaging.registration.lungs import Lungs
from cadviewer.imaging.registration.maps import Grid, Warp, inside, sampled

LIKENESS_MM = 12.0
"""Standard deviation of the neighbourhood in which the two are compared."""


def overlap(fixed: Lungs, moving: Lungs, warp: Warp) -> float:
    """Share of the lungs that comes to lie in the other's lungs."""
    places = moving.geometry.to_index(warp(fixed.points[::5]))
    return float((ndimage.map_coordinates(moving.around.astype(np.uint8), places.T, order=0) > 0).mean())


def alike(fixed: Lungs, moving: Lungs, warp: Warp) -> float:
    """Correlation of the two where one has lung or its borders and the other one shows something; 0 where nowhere."""
    places = fixed.geometry.to_patient(np.argwhere(fixed.around)[::3])
    there = warp(places)
    shown = inside(moving.geometry, there)
    if shown.sum() < 100:
        return 0.0
    other = sampled(moving.values[..., None], moving.geometry, there[shown])[:, 0]
    return float(np.corrcoef(fixed.values[fixed.around][::3][shown], other)[0, 1])


def likeness(fixed: Lungs, moving: Lungs, warp: Warp) -> Grid:
    """Correlation of the two in the neighbourhood of each cell, by Gaussian weights, among what is in or near lungs."""
    shape = fixed.geometry.shape
    cells = fixed.geometry.to_patient(np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3))
    index = moving.geometry.to_index(warp(cells))
    other = ndimage.map_coordinates(moving.values, index.T, order=1, cval=np.nan).reshape(shape)
    known = np.isfinite(other) & fixed.around
    a, b, weight = np.where(known, fixed.values, 0), np.where(known, other, 0), known.astype(np.float32)
    width = [LIKENESS_MM / s for s in fixed.geometry.spacing or ()]

    def around(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(ndimage.gaussian_filter(values.astype(np.float64), width, mode="constant", truncate=2.5))

    total = np.maximum(around(weight), 1e-6)
    mean_a, mean_b = around(a) / total, around(b) / total
    var_a, var_b = around(a * a) / total - mean_a**2, around(b * b) / total - mean_b**2
    both = around(a * b) / total - mean_a * mean_b
    found = both / np.sqrt(np.maximum(var_a, 100.0) * np.maximum(var_b, 100.0))
    return np.asarray(np.where(total > 0.05, np.clip(found, -1, 1), 0), np.float32)
