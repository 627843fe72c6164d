"""`cadviewer-train inspect`: what a folder of data is recognised as, before anybody trains on it. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cadviewer import messages
from trainers import tasks
from trainers.data.ct.samples import Summary


def inspect(task: str, folder: Path) -> dict[str, Any]:
    """{"layout", "folder", "images", "patients", "labels", "split", "by_patient", "warnings", "refused"} as the window
    shows it.

    labels: class → count, and "without a label" for images that hold nothing. patients is None when unknown. refused:
    why nobody can train on it, "" when one can. Raises ConfigError when the folder is not recognised, with the reason.
    """
    found: Summary = tasks.resolve(tasks.specs()[task].inspect)(folder)
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
    """The answer on one line, for programs: what can be translated as `messages.to_json` has it."""
    said = {
        "warnings": [messages.to_json(w) for w in answer["warnings"]],
        "refused": messages.to_json(answer["refused"]),
    }
    return json.dumps(answer | said, ensure_ascii=False)
