"""`cadviewer-train inspect`: what a folder of data is recognised as, before anybody trains on it. No torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainers import data as layouts
from trainers import enough
from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import Summary
from trainers.data.ultrasound.cases import UltrasoundCase

BREAST_PARTS = {1: "train", 2: "train", 3: "train", 4: "tune", 5: "test"}
"""Fold → what the trainer does with it."""


def nodules(folder: Path) -> Summary:
    """Labelled CT slices in any of the known layouts. Raises ConfigError."""
    found = layouts.recognise(folder)
    train = layouts.read_slices(folder, samples.TRAIN)
    rest = layouts.read_slices(folder, (*samples.TUNE, *samples.TEST))
    return replace(found, refused=enough.slices(train, rest, patients=found.patients is not None))


def outline(folder: Path) -> Summary:
    """Crops with readers' outlines. Raises ConfigError."""
    from trainers.data.ct import lidc_crops

    found = lidc_crops.summary(folder)
    return replace(found, refused=enough.outlines(found.split.get("train", 0), found.patients))


def breast(folder: Path) -> Summary:
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
    warnings = [] if known else ["patients unknown: images of one patient may be on both sides of the split"]
    if alike:
        count = sum(len(g.cases) for g in alike)
        warnings.append(f"{count} images look like another one; without folds of its own such a group is never split")
    warnings += [
        f"they look alike but are labelled differently: {', '.join(c.name for c in g.cases[:4])}"
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


TASKS: dict[str, Callable[[Path], Summary]] = {"nodules": nodules, "outline": outline, "breast": breast}
"""Command → what looks at a folder."""


def inspect(task: str, folder: Path) -> dict[str, Any]:
    """{"layout", "folder", "images", "patients", "labels", "split", "by_patient", "warnings", "refused"} as the window
    shows it.

    labels: class → count, and "without a label" for images that hold nothing. patients is None when unknown. refused:
    why nobody can train on it, "" when one can. Raises ConfigError when the folder is not recognised, with the reason.
    """
    found = TASKS[task](folder)
    labels = dict(found.labels)
    if found.empty:
        labels["without a label"] = found.empty
    return {
        "layout": found.title,
        "folder": str(found.folder),
        "images": found.images,
        "patients": found.patients,
        "labels": labels,
        "split": dict(found.split),
        "by_patient": found.by_patient,
        "warnings": list(found.warnings),
        "refused": found.refused,
    }


def text(answer: dict[str, Any]) -> str:
    """The answer for people, one fact per line."""
    patients = "patients unknown" if answer["patients"] is None else f"{answer['patients']} patients"
    lines = [f"{answer['layout']} in {answer['folder']}", f"{answer['images']} images, {patients}"]
    lines += [f"  {count} {name}" for name, count in answer["labels"].items()]
    split = "split by patient: " if answer["by_patient"] else "split: "
    lines.append(split + ", ".join(f"{part} {count}" for part, count in answer["split"].items()))
    lines += [f"warning: {w}" for w in answer["warnings"]]
    return "\n".join([*lines, *([f"cannot be trained on: {answer['refused']}"] if answer["refused"] else [])])


def as_json(answer: dict[str, Any]) -> str:
    """The answer on one line, for programs."""
    return json.dumps(answer, ensure_ascii=False)
