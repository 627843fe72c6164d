"""`cadviewer-train evaluate`: the figures of a model on folds it never saw, by the code that `annotate` uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cadviewer import atomic
from cadviewer.models import catalogue
from cadviewer.models.catalogue import ModelCard
from trainers import tasks


def find_card(name: str) -> ModelCard:
    """A card by the name of an installed model or by the path of its JSON file."""
    path = Path(name)
    return catalogue.load(path) if path.suffix == ".json" else catalogue.card(name, role=None)


def evaluate(
    card: ModelCard, data: Path, out: Path, *, split: str = "test", device: str = "auto", runtime: str | None = None
) -> Mapping[str, Any]:
    """Measure `card` and write `figures.json` and the task's own tables into `out`.

    split: "test" (the reserved fold and external sets) or "tune" (the fold for choices).
    runtime: of `models.runtime.RUNTIMES`, None for the one that `annotate` takes here.
    """
    if runtime is not None:
        card = replace(card, inputs={**card.inputs, "runtime": runtime})
    measure = tasks.resolve(tasks.of_model("-".join(filter(None, (card.task, card.role)))).evaluate)
    out.mkdir(parents=True, exist_ok=True)
    figures: Mapping[str, Any] = measure(card, data, out, split=split, device=device)
    content = {
        "model": card.name,
        "version": card.version,
        "weights_sha256": card.weights_sha256,
        "split": split,
        "figures": figures,
    }
    atomic.write_text(out / "figures.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return figures
