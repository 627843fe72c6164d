"""Headers against what is possible: sizes that their files can hold, millimetres that a patient can have."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import InputError, Series
from cadviewer.messages import Message

LEAST_MM, MOST_MM = 1e-5, 1e4
"""Distance of pixels or slices: from microscopes to a scout of a whole body in two pictures."""
FARTHEST_MM = 1e7
"""From the origin: scanners stay within some metres."""
_LARGE = 1 << 30
_DENSEST = 1100
"""Bytes that a byte of a file can stand for: deflate gives at most 1032 (zlib.net/zlib_tech.html)."""


def checked(series: Series) -> Series:
    """The series, without distances that cannot be, which are unknown then, and say so in a warning.

    Raises InputError where its header claims more pixels than its files can hold; nothing is allocated by its word.
    """
    needed = math.prod(series.geometry.shape) * series.channels * np.dtype(series.dtype).itemsize
    if needed > _LARGE:
        there = sum(file.stat().st_size for file in dict.fromkeys((*series.files, *series.data_files)))
        if needed > _DENSEST * there:
            raise InputError(
                Message(
                    "damaged: its header claims {needed:.0f} GiB of pixels, more than it can hold",
                    needed=needed / 2**30,
                )
            )
    return _possible(series)


def _possible(series: Series) -> Series:
    geometry = series.geometry
    warnings = []
    pixel, step, origin = geometry.pixel_spacing, geometry.slice_spacing, geometry.origin
    if pixel is not None and not all(LEAST_MM <= mm <= MOST_MM for mm in pixel):
        warnings.append(
            Message("its pixel spacing of {pixel:.3g} mm cannot be: no millimetres are shown", pixel=max(pixel))
        )
        pixel = None
    if step is not None and not LEAST_MM <= step <= MOST_MM:
        warnings.append(Message("its slice spacing of {step:.3g} mm cannot be: it counts as unknown", step=step))
        step = None
    if origin is not None and not all(abs(v) <= FARTHEST_MM for v in origin):
        warnings.append(Message("its place in the patient cannot be: it counts as unknown"))
        origin = None
    if not warnings:
        return series
    made = Geometry(geometry.shape, pixel, step, origin, geometry.direction)
    return replace(series, geometry=made, warnings=(*series.warnings, *warnings))
