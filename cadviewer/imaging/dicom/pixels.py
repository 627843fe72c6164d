"""Pixels of DICOM slices: stored numbers → values (Hounsfield units, intensities, RGB), straight into an array.

Native little-endian pixels are read from their place in the file into the array that the caller gave and rescaled
there. Everything else (compressed, big-endian, colour, tables) goes through pydicom (`imaging.dicom.dataset`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.series import InputError, Series, SliceInfo, Stored
from cadviewer.messages import Message

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

AIR = -1024  # HU that padding outside the field of view is shown as
_SENSIBLE_HU = (-1024, 3071)


def value_range(stored: Stored) -> tuple[float, float]:
    """Lowest and highest value that the stored numbers can stand for."""
    if np.dtype(stored.dtype).kind == "i":
        low, high = -(2 ** (stored.bits - 1)), 2 ** (stored.bits - 1) - 1
    else:
        low, high = 0, 2**stored.bits - 1
    ends = (low * stored.slope + stored.intercept, high * stored.slope + stored.intercept)
    return min(ends), max(ends)


def value_type(slices: Sequence[Stored], *, hounsfield: bool) -> np.dtype[np.generic]:
    """The smallest of uint8, int16, uint16 and float32 that holds every value; int16 for whole Hounsfield units,
    which are cut at its ends (they mean nothing there)."""
    whole = all(s.slope.is_integer() and s.intercept.is_integer() for s in slices)
    if not whole:
        return np.dtype(np.float32)
    if hounsfield:
        return np.dtype(np.int16)
    ranges = [value_range(s) for s in slices]
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    for candidate in (np.uint8, np.int16, np.uint16):
        limits = np.iinfo(candidate)
        if limits.min <= low and high <= limits.max:
            return np.dtype(candidate)
    return np.dtype(np.float32)


class SliceReader:
    """Reads the slices of one series; keeps the last file open in memory, as frames of one file come together."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._file: Path | None = None
        self._dataset: FileDataset | None = None

    def read(self, slice_info: SliceInfo, out: NDArray[Any]) -> None:
        """Decodes one slice into `out`, (rows, columns) or (rows, columns, 3).

        Raises InputError naming what is wrong with the file.
        """
        stored = slice_info.stored
        if stored is None:
            raise InputError(Message("this slice was not found by a DICOM scan"))
        try:
            if stored.offset is not None:
                _read_native(slice_info.file, stored, out, air=self._series.hounsfield)
            else:
                self._read_decoded(slice_info, stored, out)
        except OSError as error:
            raise InputError(
                Message("cannot be read: {strerror}", strerror=error.strerror or type(error).__name__)
            ) from error

    def plane(self, k: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Slice k of the series as an array of its own; raises as `read` does."""
        out = np.zeros(shape, dtype)
        self.read(self._series.slices[k], out)
        return out

    def _read_decoded(self, slice_info: SliceInfo, stored: Stored, out: NDArray[Any]) -> None:
        from cadviewer.imaging.dicom import dataset as dicom_dataset  # with pydicom, whose import takes a moment

        if self._file != slice_info.file or self._dataset is None:
            self._dataset = dicom_dataset.read_dataset(slice_info.file, pixels=True)
            self._file = slice_info.file
        array = dicom_dataset.decode(self._dataset, slice_info.frame)
        if array.shape != out.shape:
            raise InputError(
                Message(
                    "damaged: pixels are {shape}, not {expected} as the header says",
                    shape=array.shape,
                    expected=out.shape,
                )
            )
        if out.ndim == 3:
            out[...] = array
        else:
            store(array, stored, out, air=self._series.hounsfield)


def store(array: NDArray[Any], stored: Stored, out: NDArray[Any], *, air: bool) -> None:
    """Rescales stored numbers into `out`; with `air`, padding far from any tissue becomes air."""
    padding = _padding(array, stored) if air else None
    if out.dtype.kind == "f":
        np.multiply(array, out.dtype.type(stored.slope), out=out, casting="unsafe")
        out += out.dtype.type(stored.intercept)
    elif stored.slope == 1 and stored.intercept == 0 and np.can_cast(array.dtype, out.dtype):
        out[...] = array
    else:
        limits = np.iinfo(out.dtype)
        wide: Any = array.astype(np.int64 if array.dtype.itemsize > 2 else np.int32)
        wide *= int(stored.slope)
        wide += int(stored.intercept)
        out[...] = np.clip(wide, limits.min, limits.max)
    if padding is not None:
        out[padding] = AIR


def _read_native(file: Path, stored: Stored, out: NDArray[Any], *, air: bool) -> None:
    dtype = np.dtype(stored.dtype)
    whole = float(stored.slope).is_integer() and float(stored.intercept).is_integer()
    low, high = value_range(Stored(None, stored.dtype, stored.bits))
    limits = np.iinfo(out.dtype) if out.dtype.kind in "iu" else None
    in_place = (
        limits is not None
        and whole
        and stored.slope == 1
        and dtype.itemsize == out.dtype.itemsize
        and out.flags.c_contiguous
        # both the stored numbers and the values fit the type of `out`, so adding cannot wrap
        and limits.min <= min(low, low + stored.intercept)
        and max(high, high + stored.intercept) <= limits.max
    )
    raw: NDArray[Any] = out.view(dtype) if in_place else np.empty(out.shape, dtype)
    with file.open("rb", buffering=0) as stream:
        stream.seek(stored.offset or 0)
        got = _read_all(stream, raw)
    if got < raw.nbytes:
        raise InputError(Message("truncated: its pixels end after {got} of {nbytes} bytes", got=got, nbytes=raw.nbytes))
    _clear_unused_bits(raw, stored.bits)
    if not in_place:
        store(raw, stored, out, air=air)
        return
    padding = _padding(raw, stored) if air else None
    if stored.intercept:
        out += out.dtype.type(stored.intercept)
    if padding is not None:
        out[padding] = AIR


def _read_all(stream: Any, array: NDArray[Any]) -> int:
    """Bytes read into `array`; fewer than it holds at the end of the file."""
    view = memoryview(array.data).cast("B")
    done = 0
    while done < len(view):
        got = stream.readinto(view[done:])
        if not got:
            break
        done += got
    return done


def _clear_unused_bits(raw: NDArray[Any], bits: int) -> None:
    """Bits above Bits Stored may hold overlays (PS3.5 section 8.1.1): drop them, keeping the sign."""
    unused = 8 * raw.dtype.itemsize - bits
    if unused <= 0:
        return
    if raw.dtype.kind == "u":
        raw &= raw.dtype.type(2**bits - 1)
    else:
        raw <<= unused
        raw >>= unused


def _padding(raw: NDArray[Any], stored: Stored) -> NDArray[np.bool_] | None:
    """Where there is padding whose value lies outside what tissue can have; None when nowhere."""
    if stored.padding is None:
        return None
    low, high = stored.padding
    values = sorted((low * stored.slope + stored.intercept, high * stored.slope + stored.intercept))
    if values[1] >= _SENSIBLE_HU[0] and values[0] <= _SENSIBLE_HU[1]:
        return None
    mask = raw == low if low == high else (raw >= low) & (raw <= high)
    return mask if mask.any() else None
