"""What a folder of breast ultrasound is recognised as, and whether a run can be trained on it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cadviewer.messages import Message
from trainers import enough
from trainers.config import ConfigError
from trainers.data.ct.samples import Summary
from trainers.data.ultrasound.cases import UltrasoundCase

BREAST_PARTS = {1: "train", 2: "train", 3: "train", 4: "tune", 5: "test"}
"""Fold → what the trainer does with it."""


def inspect(folder: Path) -> Summary:
    """Breast ultrasound in any of the known layouts. Raises ConfigError."""
    from trainers.data.ultrasound import duplicates
    from trainers.data.ultrasound import sets as breast_sets
    from trainers.data.ultrasound.cases import DataError

    try:
        title, place = breast_sets.own_set(folder)
        cases = breast_sets.every_case(folder)
        known = breast_sets.knows_patients(folder)
        alike = duplicates.groups(cases) if title != "BUS-BRA" else []  # whose official folds stay as they are
        parts = {part: [c for c in cases if BREAST_PARTS.get(c.fold or 0) == part] for part in ("train", "tune")}
        refused = enough.breast(parts, alike)
    except DataError as error:
        raise ConfigError(str(error)) from error
    split = Counter(BREAST_PARTS.get(case.fold or 0, "unused") for case in cases)
    warnings: list[str] = (
        [] if known else [Message("patients unknown: images of one patient may be on both sides of the split")]
    )
    if alike:
        count = sum(len(g.cases) for g in alike)
        warnings.append(
            Message(
                "{count} images look like another one; without folds of its own such a group is never split",
                count=count,
            )
        )
    warnings += [
        Message("they look alike but are labelled differently: {names}", names=", ".join(c.name for c in g.cases[:4]))
        for g in alike
        if g.conflict
    ]
    return Summary(
        layout=breast_sets.layout_of(folder).lower(),
        title=title,
        folder=place if place.is_dir() else place.parent,
        images=len(cases),
        patients=len({case.patient for case in cases}) if known else None,
        labels=dict(sorted(Counter(_kind(case) for case in cases).items())),
        empty=0,  # a normal breast is a label, and no image without one
        split={part: split[part] for part in ("train", "tune", "test", "unused") if split[part]},
        warnings=tuple(warnings),
        by_patient=known,
        refused=refused,
    )


def _kind(case: UltrasoundCase) -> str:
    if case.malignant is None:
        return "unlabelled"
    return "malignant" if case.malignant else "normal" if case.normal else "benign"
