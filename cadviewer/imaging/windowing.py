"""Display windows (DICOM PS3.3 C.11.2): which one an image opens in, and values → 8-bit gray.

A CT opens in the lung window, since it is opened for its nodules and a file's window is mostly that of soft tissue; one
of another part of the body in the window its file names, else soft tissue: never from its lowest to its highest value.
Other images open in their own window; those without a window of their own open between robust percentiles.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.series import Series, Window

LUNG = Window(-600, 1500, "Lung")
SOFT_TISSUE = Window(40, 400, "Soft tissue")
BONE = Window(480, 2500, "Bone")
LIVER = Window(90, 150, "Liver")
BRAIN = Window(40, 80, "Brain")
MEDIASTINUM = Window(50, 350, "Mediastinum")
ABDOMEN = Window(60, 400, "Abdomen")
ANGIOGRAPHY = Window(300, 600, "Angiography")
SPINE = Window(50, 250, "Spine")
PRESETS: tuple[Window, ...] = (LUNG, SOFT_TISSUE, BONE, LIVER, BRAIN, MEDIASTINUM, ABDOMEN, ANGIOGRAPHY, SPINE)
"""In the order of keys 1–9."""

_PERCENTILES = (1.0, 99.0)
_SAMPLE = 65536
_OTHER_PARTS = ("HEAD", "BRAIN", "NECK", "ABDOMEN", "PELVIS", "LIVER", "SPINE", "KNEE", "HIP", "LEG", "ARM", "FOOT")


def default_window(series: Series, pixels: NDArray[Any] | None = None, index: int | None = None) -> Window:
    """The window that image `index` opens in; without a number, one for the whole series.

    pixels: of the series or of one slice of it; without them an image that is not CT and names no window gets the
    whole range of its type.
    """
    elsewhere = any(part in series.body_part.upper() for part in _OTHER_PARTS)
    if series.hounsfield and not elsewhere:
        return LUNG
    windows = series.windows if index is None else series.windows_of(index)
    if windows:
        return windows[0]
    if series.channels == 3 or series.dtype == np.uint8:
        return Window(127.5, 255, "Full range")
    if series.hounsfield:
        return SOFT_TISSUE
    if pixels is None or pixels.size == 0:
        limits = np.iinfo(series.dtype.name) if series.dtype.kind in "iu" else None
        low, high = (float(limits.min), float(limits.max)) if limits else (0.0, 1.0)
        return Window((low + high) / 2, high - low, "Full range")
    return robust_window(pixels)


def robust_window(pixels: NDArray[Any]) -> Window:
    """From the 1st to the 99th percentile of the values that are not the background (the lowest value), of a sample."""
    sample = pixels.reshape(-1)[:: max(1, pixels.size // _SAMPLE)]
    sample = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    if sample.size == 0:
        return Window(0.5, 1, "Auto")
    inside = sample[sample > sample.min()]
    low, high = np.percentile(inside if inside.size else sample, _PERCENTILES)
    if not inside.size or high <= low:
        low, high = float(sample.min()), float(sample.max())
    width = float(high - low) if sample.dtype.kind == "f" and high > low else max(float(high - low), 1.0)
    return Window(float(low + high) / 2, width, "Auto")


def to_gray(pixels: NDArray[Any], window: Window, inverted: bool = False) -> NDArray[np.uint8]:
    """8-bit gray of the same shape: window.low and below is 0, window.high and above 255, in between linear, or as the
    window's own curve says.

    inverted: low values bright (MONOCHROME1). 8- and 16-bit integers go through a table; floats, of which NaN becomes
    black, are computed.
    """
    if pixels.dtype in (np.uint8, np.int16, np.uint16):
        table = _table(pixels.dtype.name, window, inverted)
        # Negative numbers index the table as unsigned ones do: as 65536 less
        return np.take(table, pixels.view(f"u{pixels.dtype.itemsize}"))
    reach = 4 * window.width if window.sigmoid else 0.0  # where the ends of an S are as good as black and white
    low, high = window.low - reach, window.high + reach
    gray = _gray(np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low), window)
    return np.subtract(255, gray, out=gray) if inverted else gray


def _gray(values: NDArray[np.float32], window: Window) -> NDArray[np.uint8]:
    """Gray of finite values, which are used up."""
    width = max(window.width, 1e-30)
    if window.sigmoid:
        values -= np.float32(window.centre)
        values *= np.float32(-4 / width)
        np.exp(np.clip(values, -80, 80, out=values), out=values)
        values += 1
        np.divide(255, values, out=values)
        return np.rint(values, out=values).astype(np.uint8)
    curve = np.frombuffer(window.curve, np.uint8)
    last = max(len(curve) - 1, 0) or 255
    values -= np.float32(window.low)
    values *= np.float32(last / width)
    np.clip(values, 0, last, out=values)
    if not len(curve):
        return np.rint(values, out=values).astype(np.uint8)
    return np.take(curve, np.rint(values, out=values).astype(np.intp))


@lru_cache(maxsize=8)
def _table(dtype: str, window: Window, inverted: bool) -> NDArray[np.uint8]:
    """Gray of every number that the type holds, in the order of their bits as an unsigned number."""
    limits = np.iinfo(dtype)
    values = np.arange(limits.min, limits.max + 1, dtype=np.float32)
    if window.width == 1 and not window.curve and not window.sigmoid:
        gray = np.where(values > window.low, 255, 0).astype(np.uint8)  # two values alone, PS3.3 C.11.2.1.2.1
    else:
        gray = _gray(values, window)
    if limits.min < 0:
        gray = np.roll(gray, limits.min)
    gray = 255 - gray if inverted else gray
    gray.flags.writeable = False
    return gray
