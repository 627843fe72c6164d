"""`cadviewer-train inspect`: what a folder of data is recognised as, before anybody trains on it. No torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainers import data as layouts
from trainers.config import ConfigError
from trainers.data.samples import Summary

BREAST_PARTS = {1: "train", 2: "train", 3: "train", 4: "tune", 5: "test"}
"""Fold → what the trainer does with it."""


def nodules(folder: Path) -> Summary:
    """Labelled CT slices in any of the known layouts. Raises ConfigError."""
    return layouts.recognise(folder)


def breast(folder: Path) -> Summary:
    """Breast ultrasound in any of the known layouts. Raises ConfigError."""
    from trainers.data import breast_sets, duplicates
    from trainers.data.ultrasound import DataError

    try:
        title, place = breast_sets.own_set(folder)
        cases = breast_sets.every_case(folder)
        alike = duplicates.groups(cases) if title != "BUS-BRA" else []  # whose official folds stay as they are
    except DataError as error:
        raise ConfigError(str(error)) from error
    kinds = {True: "malignant", False: "benign", None: "unlabelled"}
    split = Counter(BREAST_PARTS.get(case.fold or 0, "unused") for case in cases)
    warnings = [] if split["train"] else ["no image to train on"]
    warnings += [] if split["tune"] else ["no image to calibrate with"]
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
        patients=len({case.patient for case in cases}),
        labels=dict(sorted(Counter(kinds[case.malignant] for case in cases).items())),
        empty=sum(case.normal for case in cases),
        split={part: split[part] for part in ("train", "tune", "test", "unused") if split[part]},
        warnings=tuple(warnings),
    )


TASKS: dict[str, tuple[Callable[[Path], Summary], tuple[str, ...]]] = {
    "nodules": (nodules, ("default", "paper")),
    "breast": (breast, ("default", "paper", "quick")),
}
"""Command → (what looks at a folder, the trainer's presets; named here since importing a trainer imports torch)."""


def inspect(task: str, folder: Path) -> dict[str, Any]:
    """{"layout", "folder", "images", "patients", "labels", "split", "presets", "warnings"} as the window shows it.

    labels: class → count, and "without a label" for images that hold nothing. patients is None when unknown.
    Raises ConfigError when the trainer cannot take the folder, with the reason.
    """
    look, presets = TASKS[task]
    found = look(folder)
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
        "presets": list(presets),
        "warnings": list(found.warnings),
    }


def text(answer: dict[str, Any]) -> str:
    """The answer for people, one fact per line."""
    patients = "patients unknown" if answer["patients"] is None else f"{answer['patients']} patients"
    lines = [f"{answer['layout']} in {answer['folder']}", f"{answer['images']} images, {patients}"]
    lines += [f"  {count} {name}" for name, count in answer["labels"].items()]
    lines.append("split: " + ", ".join(f"{part} {count}" for part, count in answer["split"].items()))
    return "\n".join([*lines, *(f"warning: {w}" for w in answer["warnings"])])


def as_json(answer: dict[str, Any]) -> str:
    """The answer on one line, for programs."""
    return json.dumps(answer, ensure_ascii=False)
