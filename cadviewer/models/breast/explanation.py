"""Which parts of a breast ultrasound image its score depends on: what covering them does to it. No torch.

Occlusion (Zeiler and Fergus 2014): a gray patch is moved over what the network sees, and the change of the logit of
malignancy is noted for what lies under it. It needs no gradients, so it is the same for every network, and it measures
what it says, which gradient maps do not always (Adebayo et al. 2018). It is still no proof: a network may be right for
a wrong reason, and covering a spot also makes an image that nobody has ever seen.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import Half, ScoreMap
from cadviewer.imaging.series import Volume
from cadviewer.messages import Message
from cadviewer.models.breast import analysis as breast
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate import input_gate
from cadviewer.models.runtime import Forward, Progress, no_progress

METHOD = "occlusion: change of the logit when a patch of 1/6 of the side is covered"
PATCH, STEP = 6, 12
"""The patch is this part of the network's input wide, and moves by that part."""


def explain(
    volume: Volume,
    frame: int,
    forward: Forward,
    card: ModelCard,
    *,
    half: Half | None = None,
    progress: Progress = no_progress,
) -> ScoreMap:
    """The map of one frame, made by `occlusion` from the plain view (not mirrored, not enlarged).

    half: as `models.breast.analysis.assess` takes it.

    Raises `input_gate.OutOfScope` where there is no score to explain, ValueError for a frame that is not there.
    """
    series = volume.series
    if not 0 <= frame < len(volume.pixels):
        raise ValueError(Message("there is no frame {frame}", frame=frame))
    input_gate.check_ultrasound(series)
    pixels = volume.pixels[frame]
    rows, columns = int(pixels.shape[0]), int(pixels.shape[1])
    region = (
        input_gate.half_region(series, volume.pixels[0], half) if half is not None else input_gate.bmode_region(series)
    )
    x0, y0, x1, y1 = region or (0, 0, columns, rows)
    problem = input_gate.frame_problem(pixels[y0:y1, x0:x1], series)
    if problem:
        raise input_gate.OutOfScope(problem)
    there = breast.to_gray(pixels, series, frame)[y0:y1, x0:x1]
    part = breast.squared(there, breast.aspect_of(series))
    size, channels = int(card.inputs["size"]), int(card.inputs.get("channels", 1))
    square, (top, left) = breast.pad_to_square(part)
    shown = breast.normalise(breast.resize(square, size))
    image = np.repeat(shown[None, None], channels, 1)
    patch, step = max(2, size // PATCH), max(1, size // STEP)
    total, done = 1 + len(_places(size, patch, step)) ** 2, 0

    def score(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal done
        logits = forward(np.ascontiguousarray(batch, np.float32))[1].reshape(len(batch))
        done += len(batch)
        progress(done, total)
        return logits

    progress(0, total)
    found = occlusion(score, image, patch=patch, step=step, at_a_time=max(1, forward.batch_size))
    # What is known is known for places a step apart: between them it runs on evenly, and no edge is seen that is none.
    even = cv2.blur(found, (step, step))
    side = square.shape[0]
    large = cv2.resize(np.asarray(even, np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    values = np.zeros((rows, columns), np.float32)
    inside = large[top : top + part.shape[0], left : left + part.shape[1]]
    values[y0:y1, x0:x1] = cv2.resize(inside, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return ScoreMap(frame, values, METHOD)


def occlusion(
    score: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    image: NDArray[np.float32],
    *,
    patch: int,
    step: int,
    at_a_time: int,
) -> NDArray[np.float32]:
    """By how much `score` falls when a square patch of an image is covered with 0, the mean of a normalised image.

    score: from (n, channels, rows, columns) to (n,), asked for the image itself, then for at most `at_a_time` covered
    ones; whatever it raises is let through. image: (1, channels, rows, columns). Gives (rows, columns): for each pixel
    the mean over the patches that cover it, all channels being covered together.
    """
    rows, columns = image.shape[2:]
    places = [
        (slice(y, y + patch), slice(x, x + patch))
        for y in _places(rows, patch, step)
        for x in _places(columns, patch, step)
    ]
    whole = float(score(image)[0])
    total, count = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    for begin in range(0, len(places), at_a_time):
        some = places[begin : begin + at_a_time]
        covered = np.repeat(image, len(some), axis=0)
        for one, place in zip(covered, some, strict=True):
            one[(slice(None), *place)] = 0
        for place, value in zip(some, score(covered), strict=True):
            total[place] += whole - float(value)
            count[place] += 1
    return np.asarray(total / np.maximum(count, 1), np.float32)


def _places(length: int, patch: int, step: int) -> range:
    """Where patches begin along a side; the last one may reach beyond it."""
    return range(0, max(length - patch, 0) + step, step)
