"""`cadviewer-train evaluate`: the figures of a model on folds it never saw, by the code that `annotate` uses."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cadviewer import atomic
from cadviewer.findings import Task
from cadviewer.models import catalogue
from cadviewer.models.catalogue import ModelCard

EVALUATORS: dict[str, str] = {
    Task.NODULES: "trainers.nodules.evaluation:evaluate",
    f"{Task.NODULES}-outline": "trainers.outline.evaluation:evaluate",
    Task.BREAST: "trainers.breast.evaluation:evaluate",
}
"""Task, or task-role of a companion → function(card, data folder, out folder, *, split, device) → {set: {figure:
[value, low, high]}}."""


def find_card(name: str) -> ModelCard:
    """A card by the name of an installed model or by the path of its JSON file."""
    path = Path(name)
    return catalogue.load(path) if path.suffix == ".json" else catalogue.card(name, role=None)


def evaluate(card: ModelCard, data: Path, out: Path, *, split: str = "test", device: str = "auto") -> Mapping[str, Any]:
    """Measure `card` and write `figures.json` and the task's own tables into `out`.

    split: "test" (the reserved fold and external sets) or "tune" (the fold for choices).
    """
    module, _, function = EVALUATORS["-".join(filter(None, (card.task, card.role)))].partition(":")
    out.mkdir(parents=True, exist_ok=True)
    figures: Mapping[str, Any] = getattr(importlib.import_module(module), function)(
        card, data, out, split=split, device=device
    )
    content = {
        "model": card.name,
        "version": card.version,
        "weights_sha256": card.weights_sha256,
        "split": split,
        "figures": figures,
    }
    atomic.write_text(out / "figures.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return figures
