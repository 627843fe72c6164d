"""From a trained SSD to what the viewer loads: the card, and what is chosen after training on the tune slices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cadviewer import __version__
from cadviewer.findings import Task
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.detect import Decoding
from cadviewer.models.nets.runtime import TorchForward
from cadviewer.models.nets.runtime import build as build_card
from cadviewer.models.slices import NEIGHBOUR_MM
from trainers import config, export, froc, suspicion
from trainers.data import luna16_slices
from trainers.data.samples import LabelledSlice
from trainers.nodule_scoring import score_slices
from trainers.nodule_settings import Settings

TITLE = "SSD for pulmonary nodules on axial chest CT"
FALSE_ALARMS = 0.125
"""False alarms per tune slice that the default threshold allows."""


def export_run(
    state: Mapping[str, Tensor],
    network: Mapping[str, Any],
    settings: Settings,
    out: Path,
    train: Sequence[LabelledSlice],
) -> ModelCard:
    """Write the averaged weights and a card without figures into `out`; `evaluate --update-card` adds them."""
    views = {"volume": settings.views or "four", "single": settings.views or "twelve"}
    card = ModelCard(
        name=settings.name,
        version=settings.version,
        task=Task.NODULES,
        title=TITLE,
        network="ssd",
        config=network,
        inputs=inputs_of(settings, train),
        threshold=0.5,
        weights_sha256="",
        paper="SSD: Liu et al. 2016, arXiv 1512.02325; lung nodules: Abdullah et al.",
        calibration={"views": views, "nms": 0.3, "floor": 0.01, "keep": 50},
        training={
            "data": "LUNA16 slices (ct/luna16-slices), folds 3–9 by patient; fold 2 for choices",
            "slices": len(train),
            "patients": len({s.patient for s in train}),
            "licence": "LUNA16 CC BY 4.0, LIDC-IDRI CC BY 3.0",
            "cite": ["Setio et al. 2017 (LUNA16)", "Armato et al. 2011 (LIDC-IDRI)"],
            "settings": dataclasses.asdict(settings),
            "application": __version__,
        },
        limits=limits_of(network, train),
    )
    return export.export(state, card, out)


def inputs_of(settings: Settings, train: Sequence[LabelledSlice]) -> dict[str, Any]:
    """`ModelCard.inputs`: how a slice is prepared, as the training slices were."""
    made: dict[str, Any] = {
        "pixel_mm": luna16_slices.PIXEL_MM,
        "window": list(luna16_slices.WINDOW),
        "lung_mask": True,
    }
    if settings.neighbours:
        known = {s.neighbour_mm for s in train if s.neighbour_mm is not None}
        if len(known) > 1:
            raise config.ConfigError(f"neighbours lie at different distances in one set: {sorted(known)} mm")
        made |= {"neighbours": settings.neighbours, "neighbour_mm": known.pop() if known else NEIGHBOUR_MM}
    return made


def limits_of(network: Mapping[str, Any], train: Sequence[LabelledSlice]) -> tuple[str, ...]:
    """`ModelCard.limits`: what holds for every run, and what this network adds."""
    empty = sum(not len(s.boxes) for s in train)
    held = f"{empty} of them without a nodule" if empty else "which each hold a nodule; none without was among them"
    lines = [
        "For research use only; not a medical device.",
        f"Trained on {len(train)} slices, {held}.",
        "Boxes of LUNA16 are squares whose side is a step function of the diameter: sizes come from the outline.",
    ]
    count = int(network.get("channels", 1)) // 2
    if count:
        alone = sum(not (s.previous or s.next) for s in train)
        lines += [
            f"Looks at {2 * count + 1} slices of a volume at once, at single images repeated; findings of neighbouring "
            "slices are joined afterwards.",
            "2.5-D input was tested on phantoms; what it is worth on patients is not measured.",
        ]
        lines += [f"{alone} of the training slices had no neighbours and were repeated."] if alone else []
    else:
        lines.append("Looks at single slices; neighbouring slices are only joined afterwards.")
    if len(network["classes"]) > 1:
        names = ", ".join(network["classes"])
        lines.append(
            f"Trained on the classes {names}: a finding has the score of its best class and is called a nodule."
        )
    return tuple(lines)


def choose(card: ModelCard, train: Sequence[LabelledSlice], tune: Sequence[LabelledSlice]) -> ModelCard:
    """What is fixed after training: the threshold on the tune slices, and the suspicion learned from ratings.

    The threshold is the lowest one with at most one false alarm in eight tune slices, by the exported weights.
    """
    forward = TorchForward(build_card(card))
    decoding = Decoding.of(card.config, card.calibration, single=True)
    scored = score_slices(tune, forward, decoding, neighbours=int(card.inputs.get("neighbours", 0)))
    threshold = card.threshold
    if scored:
        curve = froc.froc(froc.match_slices(scored, rule="centre"))
        threshold = float(np.clip(froc.threshold_at(curve, FALSE_ALARMS), 0.05, 0.95))
    calibration = dict(card.calibration)
    learned = suspicion.learn(train, tune, luna16_slices.PIXEL_MM)
    if learned is not None:
        calibration["malignancy"] = learned
    chosen = dataclasses.replace(card, threshold=round(threshold, 3), calibration=calibration)
    export.write_card(chosen)
    return chosen
