"""Merged settings of a training run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from cadviewer import paths
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


def test_a_card_names_runs_without_the_folders_that_lead_to_them() -> None:
    @dataclass(frozen=True)
    class WithPaths:
        start: Path | None = Path("/home/somebody/runs/first/last.ckpt")
        cards: tuple[Path, ...] = (Path("/data/a/one.json"), Path("two.json"))
        rate: float = 0.5

    assert config.described(WithPaths()) == {
        "start": "first/last.ckpt",
        "cards": ["a/one.json", "two.json"],
        "rate": 0.5,
    }
    assert config.described(WithPaths(start=None))["start"] is None


@pytest.mark.parametrize("card", sorted((paths.resources() / "weights").glob("*.json")), ids=lambda p: p.stem)
def test_no_shipped_card_holds_a_path_of_the_machine_that_trained_it(card: Path) -> None:
    assert not re.search(r'"(/|~|[A-Za-z]:\\\\)', card.read_text(encoding="utf-8"))
