"""A model card is a file like any other: what is wrong in it costs that model alone, and is said."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard

SOUND: dict[str, Any] = json.loads(
    ModelCard(
        "sound", "1", Task.NODULES, "A test", "ssd", {}, {"pixel_mm": 1.0, "window": [-1000.0, 400.0]}, 0.5, "0" * 64
    ).to_json()
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "weights_folders", lambda: (tmp_path,))
    put(tmp_path, SOUND)
    return tmp_path


def put(folder: Path, content: object, name: str = "sound") -> None:
    (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    (folder / f"{name}.safetensors").touch()


NESTED = "[" * 200_000


@pytest.mark.parametrize(
    "content",
    [
        NESTED,
        '{"schema": 1, "config": ' + NESTED,
        json.dumps(SOUND)[:-1] + ', "training": ' + "[" * 500 + "]" * 500 + "}",
        "[]",
        "null",
        "",
        " " * (17 << 20),
        "\x00\x01",
    ],
    ids=["nested", "nested within", "nested training", "a list", "null", "empty", "17 MiB", "bytes"],
)
def test_a_damaged_card_takes_no_other_model_away(folder: Path, content: str) -> None:
    put(folder, content, "bad")
    assert [c.name for c in catalogue.cards()] == ["sound"]
    (problem,) = catalogue.problems()
    assert "bad.json" in problem
    assert len(problem) < 300


def test_a_folder_called_like_a_card_takes_no_other_model_away(folder: Path) -> None:
    (folder / "bad.json").mkdir()
    assert [c.name for c in catalogue.cards()] == ["sound"]
    assert len(catalogue.problems()) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../sound"),
        ("name", "/etc/passwd"),
        ("name", "a/b"),
        ("name", ""),
        ("name", 7),
        ("companions", {"outline": "../../outline"}),
        ("threshold", math.nan),
        ("threshold", math.inf),
        ("threshold", -0.1),
        ("threshold", 1.5),
        ("threshold", "0.5"),
        ("threshold", None),
        ("threshold", True),
        ("inputs", {"pixel_mm": 1e9}),
        ("inputs", {"pixel_mm": 0}),
        ("inputs", {"pixel_mm": -1.0}),
        ("inputs", {"pixel_mm": math.nan}),
        ("inputs", {"window": [-1e9, 1e9]}),
        ("inputs", {"window": [400, -1000]}),
        ("inputs", {"window": [0, 0]}),
        ("inputs", {"window": [math.nan, 0]}),
        ("inputs", {"window": [0]}),
        ("inputs", {"window": 400}),
        ("inputs", {"size": 1_000_000}),
        ("inputs", {"size": [192, 0]}),
        ("inputs", {"neighbours": 1000}),
        ("inputs", {"channels": 0}),
        ("inputs", {"views": [{"zoom": 0}]}),
        ("inputs", []),
        ("calibration", {"temperature": math.nan}),
        ("calibration", {"floor": -math.inf}),
        ("calibration", {"least_peak": 1.5}),
        ("calibration", {"min_confidence": -0.1}),
        ("calibration", {"mask_threshold": "half"}),
        ("config", {"width": 10**30}),
        ("limits", "one text"),
        ("limits", [1]),
        ("default", "yes"),
        ("title", ["a"]),
        ("weights_sha256", None),
    ],
)
def test_a_field_out_of_its_bounds_is_refused_by_name(folder: Path, field: str, value: object) -> None:
    put(folder, {**SOUND, "name": "bad", field: value}, "bad")
    assert [c.name for c in catalogue.cards()] == ["sound"]
    with pytest.raises(CardError, match=rf"^bad\.json: .*{field}"):
        catalogue.load(folder / "bad.json")


def test_figures_that_could_not_be_measured_are_no_fault_of_a_card(folder: Path) -> None:
    put(folder, {**SOUND, "measured": {"fold 1": {"auc": [math.nan] * 3}}})
    assert [c.name for c in catalogue.cards()] == ["sound"]


def test_what_ships_is_within_the_bounds() -> None:
    assert catalogue.problems() == []
    assert len(catalogue.cards(role=None)) >= 5
