"""What a folder of crops with readers' outlines is recognised as, and whether a run can be trained on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainers import enough
from trainers.data.ct.samples import Summary


def inspect(folder: Path) -> Summary:
    """Crops with readers' outlines. Raises ConfigError."""
    from trainers.data.ct import lidc_crops

    found = lidc_crops.summary(folder)
    return replace(found, refused=enough.outlines(found.split.get("train", 0), found.patients))
