"""What a folder of labelled CT slices is recognised as, and whether a run can be trained on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainers import data as layouts
from trainers import enough
from trainers.data.ct import samples
from trainers.data.ct.samples import Summary


def inspect(folder: Path) -> Summary:
    """Labelled CT slices in any of the known layouts. Raises ConfigError."""
    found = layouts.recognise(folder)
    train = layouts.read_slices(folder, samples.TRAIN)
    rest = layouts.read_slices(folder, (*samples.TUNE, *samples.TEST))
    return replace(found, refused=enough.slices(train, rest, patients=found.patients is not None))
