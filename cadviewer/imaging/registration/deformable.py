"""The rest, which is mostly breathing: symmetric demons on three levels, after the rigid part.

T. Vercauteren et al., "Diffeomorphic demons: efficient non-parametric image registration", NeuroImage 2009;45:S61–S72,
with the symmetric forces of SimpleITK's filter and a smoothed field of displacements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.registration.itk import image_of, itk
from cadviewer.imaging.registration.lungs import Lungs
from cadviewer.imaging.registration.maps import GRID_MM, Warp
from cadviewer.imaging.registration.run import Run

LEVELS = ((4, 60), (2, 50), (1, 25))
"""Of the demons: by how much the grid is coarser, and steps."""
SMOOTHING = 1.3
"""Standard deviation, in cells, by which the displacement field is smoothed after each step."""


def deform(fixed: Lungs, moving: Lungs, rigid: Warp, run: Run, done: float) -> Warp:
    """The rigid map with what demons find besides, coarse to fine."""
    displacements: Any = None
    for k, (coarser, steps) in enumerate(LEVELS):
        if run.late and displacements is not None:
            break
        target = _coarser(fixed.image, coarser)
        source = _resampled(_smoothed(moving.image, coarser), target, rigid)
        target = _filled(target, source, moving.geometry, rigid)
        demons = itk().FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(steps)
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(SMOOTHING)
        demons.SetMaximumRMSError(0.02)
        before = [] if displacements is None else [_field(displacements, target)]
        displacements = run.execute(demons, target, source, *before)
        run.step(done + 0.1 * (k + 1))
    found = itk().GetArrayFromImage(_field(displacements, fixed.image)).astype(np.float32)
    return Warp(rigid.rotation, rigid.translation, fixed.geometry, found)


def _smoothed(image: Any, coarser: int) -> Any:
    return image if coarser == 1 else itk().SmoothingRecursiveGaussian(image, coarser * GRID_MM / 2)


def _coarser(image: Any, coarser: int) -> Any:
    if coarser == 1:
        return image
    return itk().Shrink(_smoothed(image, coarser), [min(coarser, max(1, n // 4)) for n in image.GetSize()])


def _resampled(image: Any, grid: Any, rigid: Warp) -> Any:
    transform = itk().AffineTransform(3)
    transform.SetMatrix(rigid.rotation.ravel().tolist())
    transform.SetTranslation(rigid.translation.tolist())
    return itk().Resample(image, grid, transform, itk().sitkLinear, -1000.0)


def _field(displacements: Any, grid: Any) -> Any:
    """A field of displacements on another grid; it goes on beyond its border as it is there."""
    resampler = itk().ResampleImageFilter()
    resampler.SetReferenceImage(grid)
    resampler.SetInterpolator(itk().sitkLinear)
    resampler.SetUseNearestNeighborExtrapolator(True)
    resampler.SetOutputPixelType(displacements.GetPixelID())
    return resampler.Execute(displacements)


def _filled(target: Any, source: Any, moving: Geometry, rigid: Warp) -> Any:
    """The image itself, and where the other one shows nothing what stands there: that pulls nowhere."""
    like = image_of(np.ones(moving.shape, np.uint8), moving)
    shown = itk().Cast(_resampled(like, target, rigid) == 1, itk().sitkFloat32)
    return target * shown + source * (1.0 - shown)


def folds(warp: Warp) -> bool:
    """Whether more than one in a thousand cells is turned inside out."""
    assert warp.displacements is not None
    assert warp.geometry is not None
    assert warp.geometry.direction is not None
    assert warp.geometry.spacing is not None
    along = warp.displacements @ np.linalg.inv(np.array(warp.geometry.direction, float)).astype(np.float32)
    steps = [np.gradient(along[..., k], *warp.geometry.spacing) for k in range(3)]
    jacobian = np.moveaxis(np.array(steps), (0, 1), (-2, -1)) + np.eye(3)
    return bool((np.linalg.det(jacobian) <= 0).mean() > 1e-3)
