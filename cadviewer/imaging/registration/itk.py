"""SimpleITK, which has no types, imported where it is used: it takes a second."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Geometry


def itk() -> Any:
    """The library."""
    return importlib.import_module("SimpleITK")


def image_of(values: NDArray[Any], geometry: Geometry) -> Any:
    """An array on a grid as SimpleITK has it."""
    image = itk().GetImageFromArray(values, isVector=values.ndim == 4)
    assert geometry.spacing is not None
    assert geometry.direction is not None
    image.SetSpacing([float(s) for s in geometry.spacing[::-1]])
    image.SetOrigin(geometry.origin)
    s, r, c = geometry.direction
    image.SetDirection(np.array([c, r, s]).T.ravel().tolist())
    return image
