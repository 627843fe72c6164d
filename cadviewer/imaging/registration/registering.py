"""Where a point of one chest CT lies in another CT of the same patient: rigid, then deformable, on the lungs.

Both volumes are averaged to about 4 mm and cut to the lungs. A rigid transform is found by correlation (SimpleITK's
registration framework, coarse to fine, from several starts). The rest, which is mostly breathing, is left to symmetric
demons on three levels (`deformable`), after lungs that hold more air in one of the two were brought to the same
density. It is done in both directions: what comes back to another place than it started from is not to be trusted, nor
is a place around which the two do not look alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cadviewer.imaging.registration.agreement import alike, likeness, overlap
from cadviewer.imaging.registration.deformable import deform, folds
from cadviewer.imaging.registration.lungs import Lungs, lungs_of
from cadviewer.imaging.registration.maps import Registration, error_of, inside
from cadviewer.imaging.registration.rigid import find_rigid, inverse
from cadviewer.imaging.registration.run import Run
from cadviewer.imaging.series import InputError, Series, Shape, Volume
from cadviewer.messages import Message

LEAST_OVERLAP = 0.15
"""Of the larger of both lungs, for the two CTs to show the same part of the chest."""
LEAST_ALIKE = 0.4, 0.75
"""Correlation of the two after the rigid and after the deformable part, for the same. Other parts of one chest had up
to 0.26 and 0.62, chests of two patients 0.4 to 0.73 and 0.9, one chest that breathed 0.83 and 0.99."""


def refusal(series: Series) -> str:
    """Why a series cannot be registered, one line; "" where it can, as far as that shows without its pixels."""
    if series.modality not in ("CT", "") or not series.hounsfield:
        return Message("only CT in Hounsfield units can be matched")
    if series.shape is not Shape.VOLUME:
        return Message("only a volume can be matched: {reason}", reason=series.not_volume or Message("a single image"))
    if not series.geometry.placed:
        return Message("its place in the patient is not known")
    return ""


def register(
    now: Volume,
    prior: Volume,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda share: None,
    deformable: bool = True,
) -> Registration:
    """Register two chest CTs of one patient in this process; seconds. `aside.register` does it in another one.

    stop: asked again and again, from this thread; True ends it by Cancelled. progress: told the share done, 0 … 1.
    deformable: False for the rigid part alone.
    Raises InputError where they cannot be registered, and says why.
    """
    return align(*both(now, prior), Run(stop, progress), deformable=deformable)


def both(now: Volume, prior: Volume) -> tuple[Lungs, Lungs]:
    """What is registered of the two: without SimpleITK, half a second for each. Raises InputError, see `register`."""
    if reason := refusal(now.series):
        raise InputError(Message("this CT: {reason}", reason=reason))
    if reason := refusal(prior.series):
        raise InputError(Message("the earlier CT: {reason}", reason=reason))
    return lungs_of(now, Message("this CT")), lungs_of(prior, Message("the earlier CT"))


def align(now: Lungs, prior: Lungs, run: Run, *, deformable: bool = True) -> Registration:
    """Register what `both` made of the two. Raises InputError and Cancelled, see `register`."""
    run.step(0.05)
    rigid = find_rigid(now, prior, run)
    run.step(0.2)
    back = inverse(rigid)
    fit, apart = alike(now, prior, rigid), Message("the two CTs do not show the same part of the lungs")
    if min(overlap(now, prior, rigid), overlap(prior, now, back)) < LEAST_OVERLAP or fit < LEAST_ALIKE[0]:
        raise InputError(apart)
    forward, backward, note = rigid, back, ""
    if deformable:
        forward = deform(now, prior, rigid, run, 0.2)
        backward = deform(prior, now, back, run, 0.55)
        fitted = alike(now, prior, forward)
        if fitted < LEAST_ALIKE[1]:
            raise InputError(apart)
        if fitted < fit or folds(forward):
            forward, backward = rigid, back
            note = Message("the deformable registration did not fit better; the rigid one is used")
    else:
        note = Message("rigid alone, as asked")
    around = likeness(now, prior, forward)
    lungs = now.points[::7]
    covered = lungs[inside(prior.whole, forward(lungs))]
    residual = float(np.median(error_of(covered, forward, backward, now.geometry, around)))
    run.step(1.0)
    return Registration(
        forward, backward, now.geometry, around, residual, prior.whole, now.whole, not note, note, run.seconds
    )
