"""Occlusion maps by Captum (Kokhlikyan et al. 2020, BSD-3), for the worker's process alone.

Captum rather than pytorch-grad-cam: its occlusion takes any function for a network, so that it stands behind the same
seam as everything else (`models.runtime.Forward`), while Grad-CAM wants one layer, of which a network with two encoders
and a classifier that also pools its decoder has no telling one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cadviewer.messages import Message

Score = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class NotInstalled(ValueError):
    """Captum is missing; the message says so in one line."""


def occlusion(
    score: Score, image: NDArray[np.float32], *, patch: int, step: int, at_a_time: int
) -> NDArray[np.float32]:
    """By how much `score` falls when a square patch of an image is covered with 0, the mean of a normalised image.

    score: from (n, channels, rows, columns) to (n,); image: (1, channels, rows, columns). Gives (rows, columns): for
    each pixel the mean over the patches that cover it, channels together. Whatever `score` raises is let through.
    Raises NotInstalled without Captum.
    """
    try:
        from captum.attr import Occlusion
    except ImportError as error:
        raise NotInstalled(
            Message("maps of what a score depends on need the library captum, which is not installed")
        ) from error

    def of_tensors(batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.asarray(score(batch.numpy()), np.float32))

    channels = image.shape[1]
    with torch.no_grad():
        made = Occlusion(of_tensors).attribute(
            torch.from_numpy(np.ascontiguousarray(image)),
            sliding_window_shapes=(channels, patch, patch),
            strides=(channels, step, step),
            baselines=0,
            perturbations_per_eval=at_a_time,
        )
    return np.asarray(made[0, 0].numpy(), np.float32)
