"""A nodule network on labelled slices while it is trained: what it sees, what it marks, and the figures that are shown.

Reported figures come from `trainers.nodules.evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.models.nodules.detection import Decoding, detect, repair_wrapped
from cadviewer.models.runtime import Forward
from trainers.data.ct.samples import LabelledSlice
from trainers.metrics import detection_metrics, froc


def prepared(item: LabelledSlice, inputs: Mapping[str, Any]) -> NDArray[np.float32]:
    """A labelled slice as the network sees it: (rows, columns) in 0…1, with neighbours (channels, rows, columns).

    inputs: of the model card; its neighbours and size (rows, columns) are used. The pixel size is the slice's own.
    """
    count = int(inputs.get("neighbours", 0))
    pixels = [repair_wrapped(c).astype(np.float32) / np.float32(255) for c in item.stack(count)]
    if "size" in inputs:
        rows, columns = inputs["size"]
        pixels = [np.asarray(cv2.resize(c, (columns, rows), interpolation=cv2.INTER_LINEAR)) for c in pixels]
    return np.stack(pixels) if count else pixels[0]


def score_slices(
    slices: Sequence[LabelledSlice], forward: Forward, decoding: Decoding, inputs: Mapping[str, Any]
) -> list[froc.Slice]:
    """Marks on whole slices, in their own pixels. inputs: as for `prepared`."""
    scored = []
    for item in slices:
        image = prepared(item, inputs)
        marks = detect([image].__getitem__, 1, forward, decoding)[0]
        boxes, nodules, others = (np.asarray(b, float) for b in (marks.boxes, item.boxes, item.others))
        if "size" in inputs:
            rows, columns = item.pixels().shape
            boxes = boxes * (np.array([columns, rows] * 2) / np.array([image.shape[-1], image.shape[-2]] * 2))
        ignored = np.concatenate([others, np.asarray(item.ignored, float)])
        scored.append(froc.Slice(boxes, np.asarray(marks.scores, float), nodules, ignored))
    return scored


def summary(scored: Sequence[froc.Slice]) -> dict[str, float]:
    """The figures shown while training: hits by IoU ≥ 0.5 (top1, ap50) and by the centre in the box (sens…)."""
    curve = froc.froc(froc.match_slices(scored, rule="centre"))
    return {
        "top1": float(detection_metrics.top1([s for s in scored if len(s.nodules)]).mean()),
        "sens1": float(froc.sensitivity_at(curve, [1.0], interpolation="step")[0]),
        "mean_sens": froc.cpm(curve, interpolation="step"),
        "ap50": detection_metrics.average_precision(detection_metrics.rank(scored)),
    }
