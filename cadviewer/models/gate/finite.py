"""Numbers that no model should meet: NaN, infinities, and values beyond anything an image holds."""

from __future__ import annotations

import numpy as np

from cadviewer.imaging.series import InputError, Volume
from cadviewer.messages import Message

AIR = -1024.0
"""HU: what NaN stands for in a CT, outside the field of view."""
_MOST = 32767.0
"""Largest value of a CT, as in its 16 bits."""


def sound(volume: Volume) -> tuple[Volume, tuple[str, ...]]:
    """The volume with finite values, and a line on what was replaced; the very same one where there was nothing.

    In a CT NaN becomes air and larger values than 16 bits hold are cut; elsewhere NaN becomes the lowest value and
    infinity the highest. Raises InputError where no value is a number.
    """
    pixels = volume.pixels
    if pixels.dtype.kind != "f":
        return volume, ()
    hounsfield = volume.series.hounsfield
    bad = sum(int(np.count_nonzero(~np.isfinite(plane))) for plane in pixels)
    wild = hounsfield and any(np.fmax.reduce(np.abs(plane), axis=None, initial=0) > _MOST for plane in pixels)
    if not bad and not wild:
        return volume, ()
    if bad == pixels.size:
        raise InputError(Message("none of its values is a number"))
    if hounsfield:
        low, high = -_MOST, _MOST
    else:
        finite = pixels[np.isfinite(pixels)]
        low, high = float(finite.min()), float(finite.max())
    made = np.nan_to_num(pixels, nan=AIR if hounsfield else low, posinf=high, neginf=low)
    np.clip(made, low, high, out=made)
    share = bad / pixels.size
    said = (
        Message(
            "{bad} values ({share:.2%}) are not numbers: they count as {counted}.",
            bad=bad,
            share=share,
            counted=Message("air") if hounsfield else Message("black"),
        )
        if bad
        else ""
    )
    return Volume(volume.series, made), (said,) if said else ()
