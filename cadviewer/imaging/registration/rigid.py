"""The rigid part: by correlation, coarse to fine, from several starts (SimpleITK's registration framework)."""

from __future__ import annotations

import numpy as np

from cadviewer.imaging.registration.itk import itk
from cadviewer.imaging.registration.lungs import Lungs
from cadviewer.imaging.registration.maps import Points, Warp
from cadviewer.imaging.registration.run import Run


def find_rigid(fixed: Lungs, moving: Lungs, run: Run) -> Warp:
    """By correlation, from where the middles, the tops and the bottoms of the lungs come together."""
    middle = fixed.points.mean(axis=0)
    found = []
    for start in _starts(fixed, moving):
        found.append(_optimised(fixed, moving, middle, np.zeros(3), start, (4,), run))
    _, angles, shift = min(found, key=lambda f: f[0])
    _, angles, shift = _optimised(fixed, moving, middle, angles, shift, (2,), run)
    return _euler(middle, angles, shift)


def _starts(fixed: Lungs, moving: Lungs) -> list[Points]:
    """Translations from the later CT to the earlier; those that hardly differ once."""
    a, b = fixed.points, moving.points
    across = b.mean(axis=0) - a.mean(axis=0)
    starts: list[Points] = []
    for height in (across[2], *(np.percentile(b[:, 2], q) - np.percentile(a[:, 2], q) for q in (99, 1))):
        start = np.array([across[0], across[1], height])
        if all(abs(start[2] - other[2]) > 8 for other in starts):
            starts.append(start)
    return starts


def _optimised(
    fixed: Lungs, moving: Lungs, middle: Points, angles: Points, shift: Points, levels: tuple[int, ...], run: Run
) -> tuple[float, Points, Points]:
    """(negative correlation, angles in radians, translation) from a start."""
    transform = itk().Euler3DTransform()
    transform.SetCenter(middle.tolist())
    transform.SetRotation(*angles.tolist())
    transform.SetTranslation(shift.tolist())
    method = itk().ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(fixed.mask)
    method.SetInterpolator(itk().sitkLinear)
    method.SetShrinkFactorsPerLevel(levels)
    method.SetSmoothingSigmasPerLevel([0.25 * n for n in levels])
    method.SetOptimizerAsRegularStepGradientDescent(0.5 * levels[0], 0.05, 60, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        run.execute(method, fixed.image, moving.image)
    except RuntimeError:  # no sample lies within the other image
        return 1.0, angles, shift
    x, y, z, *translation = transform.GetParameters()
    return float(method.GetMetricValue()), np.array([x, y, z]), np.array(translation)


def _euler(middle: Points, angles: Points, shift: Points) -> Warp:
    transform = itk().Euler3DTransform()
    transform.SetRotation(*angles.tolist())
    rotation = np.array(transform.GetMatrix(), float).reshape(3, 3)
    return Warp(rotation, middle + shift - rotation @ middle)


def inverse(rigid: Warp) -> Warp:
    """The way back of a rigid map."""
    return Warp(rigid.rotation.T, -rigid.rotation.T @ rigid.translation)
