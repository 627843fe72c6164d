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
from cadviewer.models import runtime
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nodules.detection import Decoding
from cadviewer.models.nodules.slices import NEIGHBOUR_MM, is_masked
from trainers import config, export
from trainers.data.ct import lidc_crop_ratings, lidc_crops, luna16_slices, samples
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.data.ct.samples import LabelledSlice, Summary
from trainers.metrics import froc
from trainers.nodules import malignancy
from trainers.nodules.scoring import score_slices
from trainers.nodules.settings import NoduleSettings

TITLE = "SSD for pulmonary nodules on axial chest CT"
LUNA16 = {
    "licence": "LUNA16 CC BY 4.0, LIDC-IDRI CC BY 3.0",
    "cite": ["Setio et al. 2017 (LUNA16)", "Armato et al. 2011 (LIDC-IDRI)"],
}
FALSE_ALARMS = 0.1
"""False alarms per tune slice that the default threshold allows."""


def export_run(
    state: Mapping[str, Tensor],
    network: Mapping[str, Any],
    settings: NoduleSettings,
    out: Path,
    train: Sequence[LabelledSlice],
    about: Summary,
    crops: Sequence[OutlinedCrop] = (),
    start: Mapping[str, Any] | None = None,
) -> ModelCard:
    """Write the averaged weights and a card without figures into `out`; `evaluate --update-card` adds them.

    crops: in Hounsfield units, that were learned from beside `train`; start: the weights of the backbone.
    """
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
            "data": f"{about.title}{_and(crops)}, folds 3–9; fold 2 for choices",
            "slices": len(train),
            **_patients(train, about, crops),
            **(LUNA16 if about.layout == "luna16-slices" else {"licence": "of the data: unknown"}),
            "start": dict(start) if start else "from scratch",
            "settings": config.described(settings),
            "application": __version__,
        },
        limits=limits_of(network, train, luna16=about.layout == "luna16-slices"),
        companions={"outline": "nodules-outline"},
    )
    return export.export(state, card, out)


def _and(crops: Sequence[OutlinedCrop]) -> str:
    return f" and crops in HU with readers' outlines ({lidc_crops.NAME})" if crops else ""


def _patients(train: Sequence[LabelledSlice], about: Summary, crops: Sequence[OutlinedCrop]) -> dict[str, Any]:
    """How many patients were learned from, and which, by set: so that nobody else is measured on them."""
    made: dict[str, Any] = {"crops in HU": len(crops)} if crops else {}
    if about.patients is None:
        return {**made, "patients": None}
    by_set = {about.title: {s.patient for s in train}}
    if crops:
        by_set[lidc_crops.NAME] = {c.patient for c in crops}
    return {
        **made,
        "patients": len(set().union(*by_set.values())),
        "patients by set": {name: sorted(known) for name, known in by_set.items()},
    }


def sizes_of(settings: NoduleSettings) -> dict[str, Any]:
    """What of `ModelCard.inputs` follows from the settings alone: the channels, and the size of whole slices."""
    made: dict[str, Any] = {}
    if settings.neighbours:
        made["neighbours"] = settings.neighbours
    if settings.input_size is not None:
        made["size"] = list(settings.input_size)
    return made


def inputs_of(settings: NoduleSettings, train: Sequence[LabelledSlice]) -> dict[str, Any]:
    """`ModelCard.inputs`: how a slice is prepared, as the training slices were.

    Raises ConfigError for slices whose neighbours do not lie at one distance.
    """
    pixels = {round(s.pixel_mm, 3) for s in train if s.pixel_mm is not None}
    made: dict[str, Any] = {
        "pixel_mm": pixels.pop() if len(pixels) == 1 else luna16_slices.PIXEL_MM,
        "window": list(luna16_slices.WINDOW),
        "lung_mask": _masked(train),
        **sizes_of(settings),
    }
    if settings.neighbours:
        apart = {s.neighbour_mm for s in train if s.neighbour_mm is not None}
        if len(apart) > 1:
            raise config.ConfigError(f"neighbours lie at different distances in one set: {sorted(apart)} mm")
        made["neighbour_mm"] = apart.pop() if apart else NEIGHBOUR_MM
    return made


def _masked(train: Sequence[LabelledSlice]) -> bool:
    """Whether the slices that were learned from are lung-masked, most of those looked at: then a scan has to be."""
    looked = train[:: max(1, len(train) // 25)]
    return sum(is_masked(s.pixels(), far=1.0) for s in looked) * 2 >= len(looked)


def limits_of(network: Mapping[str, Any], train: Sequence[LabelledSlice], *, luna16: bool) -> tuple[str, ...]:
    """`ModelCard.limits`: what holds for every run, and what this network adds."""
    empty = sum(not len(s.boxes) for s in train)
    held = f"{empty} of them without a nodule" if empty else "which each hold a nodule; none without was among them"
    lines = [
        "For research use only; not a medical device.",
        f"Trained on {len(train)} slices, {held}.",
    ]
    if luna16:
        lines.append(
            "Boxes of LUNA16 are squares whose side is a step function of the diameter: sizes come from the outline."
        )
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


def rated_in(data: Path, train: Sequence[LabelledSlice], pixel_mm: float) -> malignancy.Rated:
    """The rated nodules of the training folds: of the crops in Hounsfield units where they are in the folder with the
    readers' ratings, else of the slices."""
    if lidc_crops.holds(data) and lidc_crop_ratings.find(data) is not None:
        return malignancy.of_crops(lidc_crop_ratings.read(data, lidc_crops.read(data, samples.TRAIN)))
    return malignancy.of_slices(train, pixel_mm)


def choose(card: ModelCard, train: Sequence[LabelledSlice], tune: Sequence[LabelledSlice], data: Path) -> ModelCard:
    """What is fixed after training: the threshold on the tune slices, and the suspicion learned from ratings.

    The threshold is the lowest one with at most one false alarm in ten tune slices, by the exported weights and seen as
    often as slices of a volume are: scores of fewer views are higher.
    """
    forward = runtime.ready(card)
    decoding = Decoding.of(card.config, card.calibration)
    scored = score_slices(tune, forward, decoding, card.inputs)
    threshold = card.threshold
    if any(len(s.boxes) for s in tune):  # else there is nothing to choose by
        curve = froc.froc(froc.match_slices(scored, rule="centre"))
        threshold = float(np.clip(froc.threshold_at(curve, FALSE_ALARMS), 0.05, 0.95))
    calibration = dict(card.calibration)
    # Where every slice is resized to one size, a pixel has no size to measure by.
    learned = None if "size" in card.inputs else malignancy.learn(rated_in(data, train, float(card.inputs["pixel_mm"])))
    if learned is not None:
        calibration["malignancy"] = learned
    chosen = dataclasses.replace(card, threshold=round(threshold, 3), calibration=calibration)
    export.write_card(chosen)
    return chosen
