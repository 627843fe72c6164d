"""Merged settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from trainers import config


@dataclass(frozen=True)
class Settings:
    epochs: int = 3
    rate: float = 0.1
    folds: tuple[int, ...] = (1, 2)
    flip: bool = True
    limit: int | None = None


PRESETS = {"paper": {"epochs": 50, "rate": 1e-5}}


def test_the_line_wins_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('preset = "paper"\nrate = 0.5\nfolds = [7]\n')
    merged = config.merge(Settings, PRESETS, file=file, assignments=["rate=0.25", "flip=no", "limit=4"])
    assert merged == Settings(epochs=50, rate=0.25, folds=(7,), flip=False, limit=4)


@pytest.mark.parametrize(
    ("assignment", "named"),
    [("epoch=3", "epoch"), ("epochs=three", "epochs"), ("preset=big", "big"), ("epochs", "key=value")],
)
def test_a_wrong_setting_is_named(assignment: str, named: str) -> None:
    with pytest.raises(config.ConfigError, match=named):
        config.merge(Settings, PRESETS, assignments=[assignment])
